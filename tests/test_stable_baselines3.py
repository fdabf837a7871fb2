"""Stable-Baselines3's own checker. Skips where it is not installed, unless EV_GYM_REQUIRE_SB3=1."""

from __future__ import annotations

import importlib.util
import os
import warnings
from typing import Any

import numpy as np
import pytest
from gymnasium.wrappers import RescaleAction

from ev_gym.env import EVChargingEnv
from tests.rollouts import THREE_CARS

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


def test_measured_preset(measured_folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EV_GYM_DATA", str(measured_folder))
    assert said_of(rescaled("stockholm-measured")) == []
