"""Everything at once: `stockholm-villa` (PV, V2G, two cars), and eight cars on three chargers."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.one_day import VILLA_DAY
from tests.support.repository import ROOT
from tests.support.rollouts import live, same, same_bits
from tests.support.scenario_strategies import some_actions

VILLA: dict[str, Any] = {
    **VILLA_DAY,
    "data": {"houses": 3, "weeks": 8},
}
MODELS = (
    *("Volkswagen ID.3 58", "Renault Zoe", "Nissan Leaf 40", "Tesla Model 3 LR", "Fiat 500e"),
    *("Volvo XC40 T5", "Volkswagen e-Golf", "Hyundai Kona 39"),
)
DRIVERS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"routine_shares": [0, 1, 0]},
    {"routine_shares": [0, 0, 1]},
    {"pattern": "daily", "trip_km": 120.0},
    {"pattern": "daily", "arrival_h": 15.5, "departure_h": 8.25, "trip_kwh": 9.0},
    {"pattern": "daily", "arrival_h": 8.0, "departure_h": 19.0},
    {"pattern": "daily", "arrival_h": 17.0, "trip_km": 0.0},
    {"routine_shares": [1, 0, 0]},
)
EIGHT: dict[str, Any] = {
    **VILLA,
    "charger": {"count": 3},
    "vehicles": [
        {
            "model": model,
            "driving": driver,
            "line": 1 + k % 3,
            "priority": k % 2,
            "limit_soc": 0.9,
            "floor_soc": 0.4,
            "chemistry": ("nmc622", "lfp", "nca", None)[k % 4],
        }
        for k, (model, driver) in enumerate(zip(MODELS, DRIVERS, strict=True))
    ],
}
SCENARIOS = pytest.mark.parametrize("scenario", [VILLA, EIGHT], ids=["villa", "eight cars"])


def row_of(infos: dict[str, Any], row: int) -> dict[str, Any]:
    """The infos of one row of a vector env, as a single env gives them."""
    return {
        name: row_of(value, row) if isinstance(value, dict) else value[row]
        for name, value in infos.items()
        if not name.startswith("_")
    }


@SCENARIOS
def test_a_row_equals_a_single_env(scenario: dict[str, Any]) -> None:
    """Bit for bit over two episodes and a bit, resets included, charging and discharging."""
    rows = EVChargingVectorEnv(3, scenario)
    singles = [EVChargingEnv(scenario) for _ in range(3)]
    observations, infos = rows.reset(seed=17)
    for row, env in enumerate(singles):
        observation, info = env.reset(seed=17 + row)
        assert same(observations[row], observation)
        assert same_bits(row_of(infos, row), info)
    over, discharged, sold = [False] * 3, 0, 0
    for action in some_actions(5, (2 * 97 + 20, *rows.action_space.shape), -1.0):
        observations, rewards, _, truncated, infos = rows.step(action)
        discharged += int((infos["charge_kw"] < 0.0).sum())
        sold += int((infos["grid_kw"] < 0.0).sum())
        for row, env in enumerate(singles):
            if over[row]:
                observation, info = env.reset()
                reward, over[row] = 0.0, False
            else:
                observation, reward, _, over[row], info = env.step(action[row])  # type: ignore[assignment]
            assert same(observations[row], observation)
            assert (rewards[row], truncated[row]) == (reward, over[row])
            assert same_bits({name: row_of(infos, row)[name] for name in info}, info)
    assert discharged > 50
    assert sold > 20


@SCENARIOS
def test_a_saved_state_continues_alike(scenario: dict[str, Any]) -> None:
    """Saved within an hour and a month; the power charge, heat and ageing go on bit for bit."""
    env, other = EVChargingEnv(scenario), EVChargingEnv(scenario)
    env.reset(seed=3, options={"start": "2025-01-31"})
    live(env, 38)
    saved = env.get_state()
    expected = live(env, 150, 38)
    after = env.get_state()
    other.set_state(saved)
    assert same(live(other, 150, 38), expected)
    assert other.get_state() == after
    env.set_state(saved)
    assert same(live(env, 150, 38), expected)


def test_rows_are_independent() -> None:
    """Permuting rows permutes all results."""
    order = [2, 0, 3, 1]
    rows, permuted = EVChargingVectorEnv(4, EIGHT), EVChargingVectorEnv(4, EIGHT)
    rows.reset(seed=[5, 6, 7, 8])
    permuted.reset(seed=[7, 5, 8, 6])
    for action in some_actions(9, (120, 4, 8), -1.0):
        one, other = rows.step(action), permuted.step(action[order])
        for array, moved in zip(one[:4], other[:4], strict=True):
            assert np.array_equal(array[order], moved)
        for row, place in enumerate(order):
            assert same_bits(row_of(one[4], place), row_of(other[4], row))


def test_eight_cars_on_three_chargers() -> None:
    """A waiting car charges nothing; each gets its turn, and none goes beyond its own limits."""
    env = EVChargingEnv({**EIGHT, "days": 14})
    assert env.action_space == gym.spaces.Box(-1.0, 1.0, (8,), np.float32)
    cars = env.scenario.vehicles
    capacity = np.array([car.battery_kwh for car in cars])
    limit_kwh, floor_kwh = 0.9 * capacity, 0.4 * capacity
    _, before = env.reset(seed=1)
    charged, waited = np.zeros(8), 0
    for action in some_actions(2, (14 * 96, 8), -1.0):
        home = env.simulator.vehicles["home"][0] != 0
        observation, _, _, _, info = env.step(action)
        assert env.observation_space.contains(observation)
        plugged = info["plugged"] == 1.0
        assert plugged.sum() == min(3, home.sum())
        assert not plugged[~home].any()
        waited += int((home & ~plugged).sum())
        assert (info["charge_kw"][~plugged] == 0.0).all()
        flowed_kwh = before["energy_kwh"] + info["stored_kwh"]
        assert (flowed_kwh <= np.maximum(before["energy_kwh"], limit_kwh) + 1e-9).all()
        assert (flowed_kwh >= np.minimum(before["energy_kwh"], floor_kwh) - 1e-9).all()
        assert -17.25 - 1e-9 <= info["grid_kw"] <= 17.25 + 1e-9
        charged += info["charge_kw"] > 0.0
        before = info
    assert waited > 500
    assert (charged > 20).all()
    assert (info["health"][[3, 7]] == 1.0).all()  # of these cars no ageing is modelled
    assert (info["health"][[0, 1, 2, 4, 5, 6]] < 1.0).all()


def rollout() -> list[Any]:
    """Observations, and what is computed in float64, of a day in hours."""
    seen: list[Any] = [[], []]
    for scenario in (VILLA, EIGHT):
        env = EVChargingEnv({**scenario, "time_step_min": 60, "data": {"houses": 1, "weeks": 8}})
        seen[0].append(env.reset(seed=4, options={"start": "2025-02-01"})[0])
        for action in some_actions(6, (24, len(env.scenario.vehicles)), -1.0):
            observation, reward, _, _, info = env.step(action)
            seen[0].append(observation)
            seen[1] += [reward, *info.pop("reward_terms").values()]
            seen[1] += [number for value in info.values() for number in np.atleast_1d(value)]
    return [np.concatenate(seen[0]), np.array(seen[1])]


@pytest.mark.skipif(INTERPRETED, reason="the other process is the interpreted one")
def test_compiled_and_interpreted_agree() -> None:
    """To 1e-12; the observations as float32 can."""
    code = (
        f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}\n"
        "import pickle, tests.whole.test_villa as t\n"
        "assert t.INTERPRETED; sys.stdout.buffer.write(pickle.dumps(t.rollout()))"
    )
    other = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        check=True,
    )
    for got, wanted, close in zip(
        pickle.loads(other.stdout), rollout(), (1e-6, 1e-12), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=close, atol=close)
