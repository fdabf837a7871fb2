"""The future that a perfect forecast is told: what comes whatever the cars do."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from baselines.foresight import LEAVES, RETURNS, foresee
from ev_gym.simulation.state_fields import STEP_FIELDS

HOUSE = ("load_kw", "price_per_kwh", "export_price_per_kwh", "temperature_c", "house_cost")
HOUSE += ("house_power_cost", "now_min")
CALENDAR = ("plugged", "home", "arrival_min", "departure_min", "wanted_soc", "trip_kwh")
CALENDAR += ("session",)

SCENARIOS = [
    {"days": 9},
    {"preset": "stockholm-villa", "days": 9, "charger": {"count": 1}},
    {"preset": "classic"},
    {"days": 3, "time_step_min": 60, "driving": {"pattern": "daily"}},
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=["one", "queue", "classic", "hours"])
def test_any_run_meets_the_future_that_was_foreseen(scenario: dict[str, Any]) -> None:
    """House, market and calendar of a run with random actions, step by step, to the bit."""
    env: Any = gym.make("EVCharging-v0", scenario=scenario).unwrapped
    env.reset(seed=11)
    env.action_space.seed(11)
    env.step(env.action_space.sample())
    before = env.get_state()
    future = foresee(env.simulator)
    assert env.get_state() == before
    for step in range(future.steps):
        state = env.simulator.vehicles[0]
        for name in CALENDAR:
            assert np.array_equal(state[name], future.vehicles[name][step]), (step, name)
        info = env.step(env.action_space.sample())[4]
        for name in HOUSE:
            assert info[name] == future.results[step][name], (step, name)
    assert env.simulator.households["over"][0] == 1
    assert {field.name for field in STEP_FIELDS}.issuperset(HOUSE)


def test_events_are_the_departures_and_returns_in_their_order() -> None:
    """Worked again from what the infos of a run show, a car at a time."""
    env: Any = gym.make(
        "EVCharging-v0", scenario={"preset": "stockholm-villa", "days": 14}
    ).unwrapped
    env.reset(seed=2)
    future = foresee(env.simulator)
    trips: list[tuple[int, int, float]] = []
    wanted_kwh = []
    battery_kwh = np.array([car.battery_kwh for car in env.scenario.vehicles])
    for step in range(future.steps):
        wanted_kwh.append(env.simulator.vehicles["wanted_soc"][0] * battery_kwh)
        trip_kwh = np.atleast_1d(env.step(np.zeros(2, np.float32))[4]["trip_kwh"])
        trips += [(step, k, trip_kwh[k]) for k in range(2) if trip_kwh[k]]
    returns = future.events[future.events["kind"] == RETURNS]
    assert [tuple(row) for row in returns[["step", "car", "trip_kwh"]].tolist()] == trips
    departures = future.events[future.events["kind"] == LEAVES]
    wanted = [wanted_kwh[step][k] for step, k in departures[["step", "car"]].tolist()]
    assert departures["wanted_kwh"].tolist() == wanted
    assert len(set(wanted)) > 4
    for k in range(2):
        own = future.events[future.events["car"] == k]
        at_home = bool(future.vehicles["home"][0, k])
        kinds = [LEAVES, RETURNS] if at_home else [RETURNS, LEAVES]
        assert own["kind"].tolist() == [kinds[i % 2] for i in range(len(own))]
        assert np.all(np.diff(own["step"]) >= 0)


def test_a_car_can_charge_until_the_minute_it_leaves() -> None:
    """At home from 17:00 to 07:10 in steps of an hour: ten minutes of the last one are left."""
    driving = {"pattern": "daily", "arrival_h": 17, "departure_h": 7 + 1 / 6}
    env: Any = gym.make(
        "EVCharging-v0",
        scenario={"days": 1, "start_hour": 12, "time_step_min": 60, "driving": driving},
    ).unwrapped
    env.reset(seed=0)
    hours = foresee(env.simulator).charge_h[:, 0]
    assert hours == pytest.approx([0.0] * 5 + [1.0] * 14 + [1 / 6] + [0.0] * 4, abs=1e-12)
