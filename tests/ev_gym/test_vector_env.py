"""The vector twin: each row is a single env, whatever the mode, the order and the threads."""

from __future__ import annotations

import copy
import os
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from ev_gym.runtime import threads
from ev_gym.simulation.reset_options import ResetError
from ev_gym.simulation.simulator import ActionError
from ev_gym.simulation.state_fields import REWARD_TERMS
from tests.support.one_day import A_DAY, STOCKHOLM_DAY

TWO_CARS = {
    "vehicles": [{"model": "Volkswagen ID.3 58 kWh"}, {"model": "Nissan Leaf 40 kWh"}],
    "household": {"fuse_a": 16},
    **A_DAY,
}
SCENARIOS = [STOCKHOLM_DAY, "classic", TWO_CARS]


def make(n: int, **kwargs: Any) -> Any:
    env = gym.make_vec(
        "EVCharging-v0", num_envs=n, vectorization_mode="vector_entry_point", **kwargs
    )
    return env.unwrapped


def actions_for(env: Any, step: int) -> Any:
    rng = np.random.default_rng(step)
    space = env.action_space
    if space.dtype == np.float32:
        return rng.random(space.shape, dtype=np.float32)
    # Several discrete cars of several rows make an integer Box, one car a MultiDiscrete.
    highest = space.nvec - 1 if hasattr(space, "nvec") else space.high
    return rng.integers(0, highest, size=space.shape, endpoint=True)


def assert_same_info(single: dict[str, Any], infos: dict[str, Any], row: int) -> None:
    for name, value in single.items():
        if name == "reward_terms":
            assert_same_info(value, infos[name], row)
        else:
            np.testing.assert_array_equal(infos[name][row], value, err_msg=name)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=["stockholm", "classic", "two cars"])
@pytest.mark.parametrize("continuous", [True, False])
def test_row_i_equals_the_single_env_with_seed_plus_i(scenario: Any, continuous: bool) -> None:
    """Over two whole episodes and a bit, next-step autoreset included, bit for bit."""
    n, seed = 3, 41
    vector = make(n, scenario=scenario, continuous=continuous)
    singles = [
        gym.make("EVCharging-v0", scenario=scenario, continuous=continuous) for _ in range(n)
    ]
    observations, infos = vector.reset(seed=seed)
    for i, env in enumerate(singles):
        observation, info = env.reset(seed=seed + i)
        np.testing.assert_array_equal(observations[i], observation)
        assert_same_info(info, infos, i)
    over, episodes = [False] * n, 0
    for step in range(2 * 97 + 20):
        actions = actions_for(vector, step)
        observations, rewards, terminated, truncated, infos = vector.step(actions)
        assert not terminated.any()
        for i, env in enumerate(singles):
            if over[i]:
                observation, info = env.reset()
                reward, over[i] = 0.0, False
            else:
                observation, reward, _, over[i], info = env.step(actions[i])  # type: ignore[assignment]
            np.testing.assert_array_equal(observations[i], observation)
            assert rewards[i] == reward
            assert truncated[i] == over[i]
            assert_same_info(info, infos, i)
        episodes += int(over[0])
    assert episodes == 2


def test_same_step_autoreset_hides_no_step() -> None:
    """The last step's reward and infos, then at once the next episode's first observation."""
    same = make(4, scenario=STOCKHOLM_DAY, autoreset_mode=AutoresetMode.SAME_STEP)
    off = make(4, scenario=STOCKHOLM_DAY, autoreset_mode="Disabled")
    assert same.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert off.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    same.reset(seed=5)
    off.reset(seed=5)
    for step in range(96):
        actions = actions_for(same, step)
        observations, rewards, _, truncated, infos = same.step(actions)
        last, own_rewards, _, own_truncated, own_infos = off.step(actions)
        np.testing.assert_array_equal(rewards, own_rewards)
        np.testing.assert_array_equal(truncated, own_truncated)
    assert truncated.all()
    np.testing.assert_array_equal(infos["final_obs"], last)
    assert infos["_final_obs"].all()
    assert infos["settlement"].tolist() == [0.0] * 4  # of the episodes that begin
    assert own_infos["settlement"].any()
    for i in range(4):
        own = {k: v[i] for k, v in own_infos.items() if k != "reward_terms"}
        assert_same_info(own, infos["final_info"], i)
    first, _ = off.reset(options={"reset_mask": np.ones(4, np.bool_)})
    np.testing.assert_array_equal(observations, first)


def test_reset_mask_leaves_the_other_rows_alone() -> None:
    env, reference = make(5), make(5)
    env.reset(seed=1)
    reference.reset(seed=1)
    for step in range(30):
        observations, *_ = env.step(actions_for(env, step))
        reference.step(actions_for(env, step))
    mask = np.array([False, True, False, False, True])
    reset, _ = env.reset(options={"reset_mask": mask})
    np.testing.assert_array_equal(reset[~mask], observations[~mask])
    assert not np.array_equal(reset[mask], observations[mask])
    after, *_ = env.step(actions_for(env, 30))
    expected, *_ = reference.step(actions_for(env, 30))
    np.testing.assert_array_equal(after[~mask], expected[~mask])


def test_a_list_of_seeds_seeds_each_row_and_none_continues() -> None:
    env = make(3)
    by_list, _ = env.reset(seed=[7, 9, 11])
    for row, seed in enumerate((7, 9, 11)):
        single = gym.make("EVCharging-v0")
        np.testing.assert_array_equal(single.reset(seed=seed)[0], by_list[row])
    second, _ = env.reset()
    again = make(3)
    again.reset(seed=[7, 9, 11])
    np.testing.assert_array_equal(again.reset(seed=[None, 5, None])[0][[0, 2]], second[[0, 2]])


@pytest.mark.parametrize(
    ("seed", "options", "message"),
    [
        (-1, None, "seed is -1"),
        (2**64 - 1, None, "seed is 18446744073709551615"),
        ([1, 2], None, "seed holds 2 numbers; allowed: 3"),
        (1.5, None, r"seed is 1\.5"),
        (None, {"reset_mask": np.zeros(3, np.bool_)}, "reset_mask"),
        (None, {"reset_mask": [True, False, True]}, "reset_mask"),
        (None, {"house": 16}, "option house is 16; allowed: a whole number from 0 to 15"),
    ],
)
def test_impossible_resets_say_what_is_allowed_and_change_nothing(
    seed: Any, options: Any, message: str
) -> None:
    env = make(3)
    env.reset(seed=0)
    before = env.get_state()
    with pytest.raises(ResetError, match=message):
        env.reset(seed=seed, options=options)
    assert env.get_state() == before


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.01, 1.5])
def test_a_bad_action_in_any_row_changes_no_row(bad: float) -> None:
    """Also where other threads would have stepped their rows already."""
    n = 2 * threads.ROWS_A_THREAD
    env = make(n)
    env.reset(seed=0)
    before = env.get_state()
    actions = np.full((n, 1), 0.5, np.float32)
    actions[n - 3] = bad
    kept = actions.copy()
    with pytest.raises(ActionError, match=rf"vehicle 0 in row {n - 3} is"):
        env.step(actions)
    assert env.get_state() == before
    np.testing.assert_array_equal(actions, kept)


def test_threads_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread or three, the same bytes; also in a strided batch of actions."""
    n = 3 * threads.ROWS_A_THREAD
    monkeypatch.setattr(threads, "available_cpus", lambda: 1)
    alone = make(n, scenario=STOCKHOLM_DAY)
    monkeypatch.setattr(threads, "available_cpus", lambda: 3)
    shared = make(n, scenario=STOCKHOLM_DAY)
    assert (len(alone.simulator._parts), len(shared.simulator._parts)) == (1, 3)
    alone.reset(seed=3)
    shared.reset(seed=3)
    wide = np.random.default_rng(0).random((n, 2), dtype=np.float32)
    for _ in range(100):
        one, two = alone.step(wide[:, :1].copy()), shared.step(wide[:, :1])
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
    assert alone.get_state() == shared.get_state()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_threads_are_made_anew_after_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "available_cpus", lambda: 2)
    env = make(2 * threads.ROWS_A_THREAD)
    env.reset(seed=0)
    actions = np.full((env.num_envs, 1), 0.7, np.float32)
    env.step(actions)
    child = os.fork()
    if child == 0:
        env.step(actions)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_what_a_step_returned_is_never_overwritten() -> None:
    env = make(4)
    first, infos = env.reset(seed=2)
    kept, soc = first.copy(), infos["soc"].copy()
    second, rewards, *_ = env.step(actions_for(env, 0))
    kept_rewards = rewards.copy()
    env.step(actions_for(env, 1))
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(infos["soc"], soc)
    np.testing.assert_array_equal(rewards, kept_rewards)
    assert not np.shares_memory(first, second)


def test_without_copies_the_buffers_stay_the_same() -> None:
    fresh, reused = make(4), make(4, copy=False)
    fresh.reset(seed=2)
    first, _ = reused.reset(seed=2)
    for step in range(3):
        expected = fresh.step(actions_for(fresh, step))
        got = reused.step(actions_for(fresh, step))
        assert np.shares_memory(got[0], first)
        np.testing.assert_array_equal(got[0], expected[0])
        np.testing.assert_array_equal(got[4]["charge_kw"], expected[4]["charge_kw"])


def test_infos_hold_arrays_under_the_declared_names() -> None:
    env = make(3, scenario=TWO_CARS)
    env.reset(seed=0)
    *_, infos = env.step(actions_for(env, 0))
    assert infos["soc"].shape == infos["charge_kw"].shape == (3, 2)
    assert infos["load_kw"].shape == infos["missing_kwh"].shape == (3,)
    assert set(infos["reward_terms"]) == set(REWARD_TERMS)


def test_saved_state_copies_and_pickles_continue_alike() -> None:
    env = make(3, scenario=TWO_CARS)
    env.reset(seed=8)
    for step in range(50):
        env.step(actions_for(env, step))
    saved = env.get_state()
    others = [make(3, scenario=TWO_CARS), copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    others[0].set_state(saved)
    for step in range(50, 200):
        expected = env.step(actions_for(env, step))
        for other in others:
            got = other.step(actions_for(env, step))
            np.testing.assert_array_equal(got[0], expected[0])
            np.testing.assert_array_equal(got[1], expected[1])


def test_step_before_reset_is_an_error() -> None:
    env = make(2)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(np.zeros((2, 1), np.float32))


def test_unseeded_rows_differ_and_differ_between_envs() -> None:
    one, two = make(4), make(4)
    one.reset()
    two.reset()
    keys = np.concatenate([one.simulator.households["key"], two.simulator.households["key"]])
    assert len(set(keys.tolist())) == 8


@pytest.mark.parametrize("num_envs", [0, -1, 2.0, True])
def test_impossible_numbers_of_envs(num_envs: Any) -> None:
    with pytest.raises(ValueError, match="num_envs is"):
        make(num_envs)


def test_impossible_autoreset_modes_list_the_possible_ones() -> None:
    with pytest.raises(ValueError, match=r"autoreset_mode is 'same_step'; allowed: .*'SameStep'"):
        make(2, autoreset_mode="same_step")
    assert make(np.int64(2)).num_envs == 2  # type: ignore[arg-type]
