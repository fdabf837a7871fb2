"""Stable-Baselines3's own checker. Skips where it is not installed, unless EV_GYM_REQUIRE_SB3=1."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gymnasium.wrappers import RescaleAction

from baselines.remote import RemoteEnv
from ev_gym.env import EVChargingEnv
from tests.rollouts import THREE_CARS, same
from tests.serving import serving

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
    assert same(learnt(rescaled_remote(url)), learnt(rescaled("stockholm")))
    env = rescaled_remote(url)
    assert said_of(env) == []
    env.close()


def rescaled_remote(url: str) -> Any:
    return RescaleAction(RemoteEnv(url), np.float32(-1), np.float32(1))
