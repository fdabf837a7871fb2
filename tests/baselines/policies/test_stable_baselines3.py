"""Stable-Baselines3's own checker, and its models as policies.

Skips where it is not installed, unless EV_GYM_REQUIRE_SB3=1.
"""

from __future__ import annotations

import importlib.util
import json
import os
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.wrappers import RescaleAction

from baselines import make_policy
from baselines.comparison import manifest
from baselines.comparison.tasks import Task, run_task
from baselines.remote.envs import RemoteEnv
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.one_day import A_DAY, VILLA_DAY
from tests.support.real_server import serving
from tests.support.rollouts import THREE_CARS, same

MISSING = importlib.util.find_spec("stable_baselines3") is None
REQUIRED = os.environ.get("EV_GYM_REQUIRE_SB3") == "1"
pytestmark = pytest.mark.skipif(MISSING and not REQUIRED, reason="needs stable-baselines3")

SCENARIOS = ["stockholm", "classic", THREE_CARS]


def said_of(env: Any) -> list[str]:
    """The warnings of Stable-Baselines3's checker."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing it warns of is not ours
        from stable_baselines3.common.env_checker import check_env
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env, warn=True, skip_render_check=True)
    return [str(warning.message) for warning in caught]


def rescaled(scenario: Any) -> Any:
    """The env with actions from -1 to 1 (in float32, or Gymnasium warns of lost precision)."""
    return RescaleAction(EVChargingEnv(scenario), np.float32(-1), np.float32(1))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_it_recommends_only_another_range_of_actions(scenario: Any) -> None:
    """[-1, 1] is its one recommendation, for every other Box; with that range it says nothing."""
    (said,) = said_of(EVChargingEnv(scenario))
    assert "symmetric and normalized Box action space" in said
    assert said_of(rescaled(scenario)) == []
    assert said_of(EVChargingEnv(scenario, continuous=False)) == []


def test_it_has_nothing_to_say_of_actions_that_discharge() -> None:
    """With a bidirectional charger the range is [-1, 1] already."""
    assert said_of(EVChargingEnv("stockholm-villa")) == []
    assert said_of(EVChargingEnv("stockholm-villa", continuous=False)) == []


def test_measured_preset(measured_folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EV_GYM_DATA", str(measured_folder))
    assert said_of(rescaled("stockholm-measured")) == []


@pytest.fixture
def url(tmp_path: Any) -> Iterator[str]:
    with serving(tmp_path) as address:
        yield address


def learnt(env: Any) -> tuple[dict[str, Any], list[Any]]:
    """What a small PPO model learns in an env, and what it then does there for a day."""
    from stable_baselines3 import PPO

    model = PPO("MlpPolicy", env, n_steps=64, batch_size=32, n_epochs=2, seed=5, device="cpu")
    model.learn(128)
    weights = {name: own.numpy() for name, own in model.policy.state_dict().items()}
    observation, _ = env.reset(seed=9)
    day, over = [], False
    while not over:
        action, _ = model.predict(observation, deterministic=True)
        day.append(env.step(action))
        observation, over = day[-1][0], day[-1][3]
    env.close()
    return weights, day


def test_a_model_learns_from_a_server_what_it_learns_here(url: str) -> None:
    """The same weights and the same day, bit for bit; and its checker says as little."""
    assert same(learnt(rescaled_remote(url)), learnt(rescaled(A_DAY)))
    env = rescaled_remote(url)
    assert said_of(env) == []
    env.close()


def rescaled_remote(url: str) -> Any:
    return RescaleAction(RemoteEnv(url, A_DAY), np.float32(-1), np.float32(1))


RAW = "model.zip(normalized=False)"  # these archives have no marker and no statistics
ALGORITHMS = ("PPO", "A2C", "SAC", "TD3", "DDPG", "DQN")


def saved(env: Any, algorithm: str, folder: Path) -> Any:
    """A model that has hardly learnt, and lies in `model.zip`."""
    import stable_baselines3

    few = {"learning_starts": 8, "buffer_size": 99}
    given = {"n_steps": 16} if algorithm in ("PPO", "A2C") else few
    given |= {"batch_size": 16} if algorithm != "A2C" else {}
    model = getattr(stable_baselines3, algorithm)("MlpPolicy", env, seed=5, device="cpu", **given)
    model.learn(32)
    model.save(folder / "model.zip")
    return model


def day_of(env: Any, decide: Any) -> list[float]:
    observation, _ = env.reset(seed=3)
    rewards = []
    for _ in range(96):
        observation, reward, *_ = env.step(decide(observation))
        rewards.append(reward)
    return rewards


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_archive_is_a_policy(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does what the model does in the env that it was trained in, to the last bit.

    In the env of the benchmark, where actions are fractions; and a batch as its rows.
    """
    monkeypatch.chdir(tmp_path)
    discrete = algorithm == "DQN"
    trained_in = EVChargingEnv(A_DAY, continuous=False) if discrete else rescaled(A_DAY)
    model = saved(trained_in, algorithm, tmp_path)
    expected = day_of(trained_in, lambda seen: model.predict(seen, deterministic=True)[0])
    env = EVChargingEnv(A_DAY)
    policy = make_policy(RAW, env)
    assert policy.name == RAW
    assert day_of(env, policy) == expected
    if algorithm in ("PPO", "A2C"):  # after so little training the others know all or nothing
        assert len(set(expected)) > 2
    if discrete:
        levels = EVChargingEnv(A_DAY, continuous=False)
        assert day_of(levels, make_policy(RAW, levels)) == expected
    rows = EVChargingVectorEnv(3, A_DAY)
    observations, _ = rows.reset(seed=3)
    batch = policy(observations)
    alone = [policy(own) for own in observations]
    np.testing.assert_allclose(batch, alone, rtol=0, atol=1e-6)
    assert rows.action_space.contains(batch)


@pytest.mark.parametrize(
    "scenario", [{"preset": "stockholm-villa", **A_DAY}, {**THREE_CARS, **A_DAY}], ids=str
)
def test_an_archive_of_the_env_itself(
    scenario: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Actions from -1 where the charger discharges, from 0 for three cars: as they are."""
    monkeypatch.chdir(tmp_path)
    env = EVChargingEnv(scenario)
    model = saved(env, "PPO", tmp_path)
    expected = day_of(env, lambda seen: model.predict(seen, deterministic=True)[0])
    assert day_of(env, make_policy(RAW, env)) == expected


def test_an_archive_is_given_the_observations_of_its_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scaled or physical ones, whichever the env gives: rewards are those of its own env."""
    monkeypatch.chdir(tmp_path)
    envs = [EVChargingEnv(VILLA_DAY, observation=kind) for kind in ("physical", "scaled")]
    for trained_in in envs:
        model = saved(trained_in, "PPO", tmp_path)
        expected = day_of(trained_in, lambda seen: model.predict(seen, deterministic=True)[0])  # noqa: B023
        assert len(set(expected)) > 2
        for env in envs:
            rewards = day_of(env, make_policy(RAW, env))
            np.testing.assert_allclose(rewards, expected, rtol=1e-4, atol=1e-4)


def test_an_archive_of_another_env_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both shapes are named, or both spaces; a broken archive is told from a good one."""
    monkeypatch.chdir(tmp_path)
    saved(rescaled(A_DAY), "PPO", tmp_path)
    with pytest.raises(ValueError, match=r"shape \(\d+,\); allowed for scenario 'classic': \(\d+,"):
        make_policy(RAW, EVChargingEnv("classic"))
    wide = RescaleAction(EVChargingEnv(), np.float32(-2), np.float32(2))
    saved(wide, "PPO", tmp_path)
    with pytest.raises(ValueError, match=r"actions Box\(-2.0, 2.0.*'stockholm': Box\(0.0, 1.0"):
        make_policy(RAW, EVChargingEnv())
    with zipfile.ZipFile("model.zip", "w") as archive:
        archive.writestr("data", json.dumps({"clip_range": 0.2}))
    with pytest.raises(ValueError, match=r"'model.zip' does not load as a model of PPO: "):
        make_policy(RAW, EVChargingEnv())


def test_an_archive_enters_the_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers whatever the number of threads of its libraries."""
    import torch

    monkeypatch.chdir(tmp_path)
    saved(rescaled(A_DAY), "PPO", tmp_path)
    task = Task(Scenario(days=1), RAW, None, tuple((0, k) for k in range(32)))
    threads, costs = torch.get_num_threads(), []
    for count in (1, 4):
        torch.set_num_threads(count)
        costs.append(run_task(task).figures["cost"])
        assert torch.get_num_threads() == count
    torch.set_num_threads(threads)
    np.testing.assert_array_equal(costs[0], costs[1])
    assert manifest.describe({"policies": [RAW]}, [])["versions"]["torch"]
