"""`EVCharging-v0`, one household: Gymnasium's contract, seeds, copies, the horizon."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import random
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ev_gym.env import EVChargingEnv
from ev_gym.scenario import preset, preset_names
from tests.support import golden_rollouts
from tests.support.one_day import ONE_DAY, STOCKHOLM_DAY, THREE_CARS_DAY
from tests.support.rollouts import THREE_CARS, action_of, live, same

BUILT_IN = [name for name in preset_names() if name != "stockholm-measured"]


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("scenario", [*BUILT_IN, THREE_CARS], ids=str)
def test_gymnasium_accepts_the_env(scenario: Any, continuous: bool) -> None:
    """Its checker says nothing (a warning would be an error here)."""
    env = gym.make("EVCharging-v0", scenario=scenario, continuous=continuous)
    assert env.spec is not None
    assert env.spec.max_episode_steps is None
    check_env(env.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("continuous", [True, False])
def test_gymnasium_accepts_the_measured_env(
    continuous: bool, measured_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EV_GYM_DATA", str(measured_folder))
    env = gym.make("EVCharging-v0", scenario="stockholm-measured", continuous=continuous)
    check_env(env.unwrapped, skip_render_check=True)


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="render_mode is 'ansi'; allowed: None, 'rgb_array' or"):
        EVChargingEnv(render_mode="ansi")
    with pytest.raises(ValueError, match="split is 'dev'; allowed: None, 'train' or 'test'"):
        EVChargingEnv(split="dev")


@pytest.mark.parametrize("scenario", ONE_DAY, ids=str)
def test_one_seed_one_result(scenario: Any) -> None:
    """Two envs of one seed agree over three episodes, and so does one env that begins again."""
    one, other = EVChargingEnv(scenario), EVChargingEnv(scenario)
    other.reset(seed=7)
    live(other, 5)
    began = one.reset(seed=11)
    assert same(began, other.reset(seed=11))
    results = live(one, 250)
    assert same(results, live(other, 250))
    assert same(began, one.reset(seed=11))
    assert same(results, live(one, 250))
    assert not same(began, one.reset(seed=12)) or scenario == "classic"


def test_episodes_of_one_seed_differ() -> None:
    """`reset()` without a seed goes on drawing: another house, another day."""
    env = EVChargingEnv(STOCKHOLM_DAY)
    env.reset(seed=3)
    drawn = []
    for _ in range(40):
        _, info = env.reset()
        drawn.append((int(env.simulator.households["house"][0]), info["now_min"]))
    assert len(set(drawn)) > 35
    assert len({house for house, _ in drawn}) > 8


def test_unseeded_env_draws_its_own_seed() -> None:
    starts = {EVChargingEnv(STOCKHOLM_DAY).reset()[1]["now_min"] for _ in range(6)}
    assert len(starts) > 1


def test_global_generators_are_untouched_and_unused() -> None:
    np.random.seed(1)  # noqa: NPY002  # the global generator is what this is about
    random.seed(1)
    before = (repr(np.random.get_state()), random.getstate())  # noqa: NPY002
    env = EVChargingEnv(STOCKHOLM_DAY)
    began = env.reset(seed=5)
    results = live(env, 150)
    assert (repr(np.random.get_state()), random.getstate()) == before  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    random.seed(2)
    assert same(began, env.reset(seed=5))
    assert same(results, live(env, 150))


def arrays_in(result: Any) -> list[Any]:
    observation, info = result[0], result[-1]
    return [observation, *(value for value in info.values() if isinstance(value, np.ndarray))]


def test_what_was_returned_stays_as_it_was() -> None:
    """No array is written again, none shares memory with a later one, and none with the env."""
    env, twin = EVChargingEnv(THREE_CARS_DAY), EVChargingEnv(THREE_CARS_DAY)
    results: list[Any] = [env.reset(seed=6)]
    twin.reset(seed=6)
    copies = [copy.deepcopy(results[0])]
    for step in range(120):
        results.append(env.step(action_of(env, step)))
        copies.append(copy.deepcopy(results[-1]))
        if results[-1][3]:
            results.append(env.reset())
            copies.append(copy.deepcopy(results[-1]))
    assert same(results, copies)
    for one, after in itertools.pairwise(results):
        for a in arrays_in(one):
            assert not any(np.shares_memory(a, b) for b in arrays_in(after))
    for result in results:
        for array in arrays_in(result):
            array.fill(-5.0)
        result[-1]["reward_terms"].clear()
    live(twin, 120)
    assert env.get_state() == twin.get_state()
    assert env.history.equals(twin.history)
    assert same(live(env, 50), live(twin, 50))


@pytest.mark.parametrize("days", [1, 2])
@pytest.mark.parametrize("step_min", [1, 15, 60])
def test_the_horizon_truncates(days: int, step_min: int) -> None:
    """After exactly so many days, never `terminated`; the settlement is 0 until the last info."""
    data = {"houses": 1, "weeks": 8}
    env = EVChargingEnv({"days": days, "time_step_min": step_min, "data": data})
    for _ in range(2):
        _, start = env.reset(seed=8)
        assert start["settlement"] == 0.0
        steps = days * 1440 // step_min
        for step in range(steps):
            _, _, terminated, truncated, info = env.step([1.0])
            assert terminated is False
            assert truncated is (step == steps - 1)
            assert (info["settlement"] != 0.0) == truncated
            assert info["now_min"] == start["now_min"] + step * step_min


def test_a_year_long_horizon() -> None:
    """365 days in one episode, past the end of the series, all finite and truncated once."""
    env = EVChargingEnv({"days": 365, "time_step_min": 60})
    env.reset(seed=1)
    total, flags = 0.0, []
    for step in range(8760):
        observation, reward, _, truncated, _ = env.step(action_of(env, step))
        total += reward
        flags.append(truncated)
        assert env.observation_space.contains(observation)
    assert flags == [False] * 8759 + [True]
    assert math.isfinite(total)
    assert total < -100.0
    assert len(env.history) == 8760


def test_step_before_reset_is_an_error() -> None:
    for env in (EVChargingEnv(), gym.make("EVCharging-v0")):
        with pytest.raises(gym.error.ResetNeeded, match="reset"):
            env.step(np.zeros(1, np.float32))


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@pytest.mark.parametrize("scenario", [STOCKHOLM_DAY, "classic", THREE_CARS_DAY], ids=str)
def test_copies_continue_alike(scenario: Any, make_copy: Any) -> None:
    """Copied or pickled within an episode, for two more; stepping one leaves the other alone."""
    env = gym.make("EVCharging-v0", scenario=scenario)
    env.reset(seed=21)
    for step in range(40):
        env.step(action_of(env.unwrapped, step))
    other = make_copy(env)
    assert other.unwrapped.history.equals(env.unwrapped.history)
    before = other.unwrapped.get_state()
    results = live(env.unwrapped, 200, 40)
    assert other.unwrapped.get_state() == before
    assert same(results, live(other.unwrapped, 200, 40))
    assert other.unwrapped.get_state() == env.unwrapped.get_state()
    assert other.unwrapped.history.equals(env.unwrapped.history)


def test_an_unseeded_copy_draws_like_its_original() -> None:
    env = EVChargingEnv()
    env.reset()
    other = copy.deepcopy(env)
    assert same(env.reset(), other.reset())


@pytest.mark.parametrize("name", BUILT_IN)
def test_golden_rollout(name: str) -> None:
    """The golden numbers still come out; `python -m tests.support.golden_rollouts` renews them."""
    wanted = golden_rollouts.golden_numbers(name)
    found = golden_rollouts.rollout(name)
    assert list(found) == list(wanted)
    for key, value in wanted.items():
        assert found[key] == pytest.approx(value, rel=1e-9, abs=1e-12), key
    assert wanted["start_min"] == found["start_min"]
    assert wanted["house"] == found["house"]


def test_classic_is_as_it_was_to_the_bit() -> None:
    """Its numbers were stored before there were power charge, sun and ageing, which it has not."""
    assert golden_rollouts.rollout("classic") == golden_rollouts.golden_numbers("classic")


def test_golden_rollout_on_measured_series(
    measured_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EV_GYM_DATA", str(measured_folder))
    found = golden_rollouts.rollout("stockholm-measured")
    for key, value in golden_rollouts.golden_numbers("stockholm-measured").items():
        assert found[key] == pytest.approx(value, rel=1e-9, abs=1e-12), key


def test_default_is_stockholm() -> None:
    assert EVChargingEnv().scenario == preset("stockholm")
    made = gym.make("EVCharging-v0", scenario="classic", split=None, continuous=False)
    assert isinstance(made.unwrapped, EVChargingEnv)
    assert made.unwrapped.scenario.name == "classic"
