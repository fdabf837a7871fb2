"""What must not change results: other rows, the time step, actions (for driving), the compiler.

And the daily pattern must follow the local clock through changes of summer time.
"""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ev_gym.env import EVChargingEnv
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.scenario import (
    Charger,
    Data,
    Driving,
    Household,
    RewardWeights,
    Scenario,
    Vehicle,
)
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.repository import ROOT
from tests.support.scenario_strategies import (
    SEEDS,
    SERIES,
    examples,
    lowest_of,
    scenarios,
    some_actions,
)
from tests.support.tariffs import HIGH_HOURS, tariff_of

STEPS_MIN = (1, 5, 15, 30, 60)
HALVES = (slice(0, 550), slice(550, 1100))


def run_rows(scenario: Scenario, seeds: list[int], actions: Any) -> list[Any]:
    """Everything a vector env of these rows shows in some steps, autoreset included: arrays."""
    env = EVChargingVectorEnv(len(seeds), scenario, dataset=SERIES["hourly"])
    observation, infos = env.reset(seed=seeds)
    seen = [observation, *(infos[name] for name in ("soc", "energy_kwh", "load_kw"))]
    for action in actions:
        observation, rewards, _, truncated, infos = env.step(action)
        seen += [observation, rewards, truncated]
        seen += [infos[name] for name in ("soc", "charge_kw", "grid_kw", "topup_kwh", "now_min")]
        seen += [infos[name] for name in ("pack_c", "health", "power_cost", "pv_kw")]
        seen += infos["reward_terms"].values()
    return seen


@settings(max_examples=examples(20))
@given(scenarios(days=1), st.lists(SEEDS, min_size=4, max_size=4), SEEDS, st.permutations(range(4)))
def test_rows_are_independent(
    scenario: Scenario, seeds: list[int], action_seed: int, order: list[int]
) -> None:
    """Permuting rows permutes results bit for bit; leaving a row out changes no other row."""
    steps = min(scenario.horizon_steps + 5, 200)
    actions = some_actions(action_seed, (steps, 4, len(scenario.vehicles)), lowest_of(scenario))
    together = run_rows(scenario, seeds, actions)
    permuted = run_rows(scenario, [seeds[row] for row in order], actions[:, order])
    fewer = run_rows(scenario, seeds[:3], actions[:, :3])
    for all_rows, other, less in zip(together, permuted, fewer, strict=True):
        assert np.array_equal(all_rows[order], other)
        assert np.array_equal(all_rows[:3], less)


def test_many_rows_equal_few() -> None:
    """1,100 rows, which several threads may share, against the same rows in two halves."""
    scenario = Scenario(vehicles=(Vehicle(), Vehicle(phases=1, ac_max_kw=7.4)))
    actions = some_actions(2, (2 if INTERPRETED else 30, 1100, 2))
    seeds = list(range(1100))
    whole = run_rows(scenario, seeds, actions)
    halves = [run_rows(scenario, seeds[part], actions[:, part]) for part in HALVES]
    for array, first, second in zip(whole, *halves, strict=True):
        assert np.array_equal(array, np.concatenate([first, second]))


def test_resetting_one_row_leaves_the_others_alone() -> None:
    """A reset of row 1 by mask, in the middle of an episode."""
    kept, touched = (EVChargingVectorEnv(3, "classic") for _ in range(2))
    actions = some_actions(3, (40, 3, 1))
    for env in (kept, touched):
        env.reset(seed=5)
        for action in actions[:20]:
            env.step(action)
    touched.reset(options={"reset_mask": np.array([False, True, False])})
    for action in actions[20:]:
        expected, got = kept.step(action), touched.step(action)
        for one, other in zip(expected[:4], got[:4], strict=True):
            assert np.array_equal(one[[0, 2]], other[[0, 2]])
    assert not np.array_equal(expected[0][1], got[0][1])


def daily_scenario(step_min: int, **changes: Any) -> Scenario:
    """A car that is away from 07:00 to 17:00, wants to be full and drives 30 kWh; constant price.

    30 kWh take 3.2 hours at 10.14 kW in the battery: the taper is reached before the departure.
    """
    driving = {"pattern": "daily", "trip_kwh": 30.0, **changes.pop("driving", {})}
    return Scenario(
        household=Household(annual_kwh=None),
        vehicles=(Vehicle(wanted_soc=1.0, **changes.pop("vehicle", {})),),
        driving=Driving(**driving),
        time_step_min=step_min,
        days=4,
        **changes,
    )


def energy_of(scenario: Scenario) -> tuple[float, float, float]:
    """Drawn, stored and bought elsewhere (kWh) over an episode at full power from 2023-03-21."""
    env = EVChargingEnv(scenario, dataset=SERIES["constant"])
    env.reset(seed=1, options={"start": "2023-03-21"})
    infos = [env.step(np.ones(1, np.float32))[4] for _ in range(scenario.horizon_steps)]
    drawn_kwh = math.fsum(info["charge_kw"][0] for info in infos) * scenario.step_h
    stored_kwh = math.fsum(info["stored_kwh"][0] for info in infos)
    return drawn_kwh, stored_kwh, math.fsum(info["topup_kwh"][0] for info in infos)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"vehicle": {"taper_from_soc": 0.5}},  # more of the stay in the taper
        {"driving": {"departure_h": 19.5 + 1 / 60}},  # leaves in the middle of the taper, at :31
        {"charger": Charger(levels_kw=(0.0, 3.7, 7.4))},
        {"driving": {"trip_kwh": 80.0}},  # more than the battery holds
    ],
)
def test_energy_does_not_depend_on_the_time_step(changes: dict[str, Any]) -> None:
    """The same days at full power: the same energy in steps of 1 to 60 minutes.

    Cars return on the hour here, because a car that returns within a step charges from the next.
    """
    expected = energy_of(daily_scenario(1, **dict(changes)))
    assert expected[1] > 30.0
    for step_min in STEPS_MIN[1:]:
        found = energy_of(daily_scenario(step_min, **dict(changes)))
        assert found == pytest.approx(expected, abs=1e-6), step_min


@pytest.mark.parametrize("step_min", STEPS_MIN)
def test_a_departure_within_a_step_charges_to_the_minute(step_min: int) -> None:
    """Back at 17:00 with 22 kWh of 52, away at 18:37: 97 minutes at 0.94 * 11 kW - 0.2 kW.

    They store 16.393 kWh and draw 11 kW; what lacks to the wanted 41.6 kWh is bought.
    """
    scenario = Scenario(
        household=Household(annual_kwh=None),
        vehicles=(Vehicle(battery_kwh=52.0, wanted_soc=0.8),),
        driving=Driving(
            pattern="daily", arrival_h=17.0, departure_h=18 + 37 / 60, trip_kwh=19.6, start_soc=0.5
        ),
        time_step_min=step_min,
        start_hour=0,
    )
    env = EVChargingEnv(scenario, dataset=SERIES["constant"])
    env.reset(seed=0, options={"start": "2023-03-21"})
    infos = [env.step(np.ones(1, np.float32))[4] for _ in range(scenario.horizon_steps)]
    drawn_kwh = math.fsum(info["charge_kw"][0] for info in infos) * scenario.step_h
    assert drawn_kwh == pytest.approx(11.0 * 97 / 60, abs=1e-9)
    stored_kwh = (0.94 * 11.0 - 0.2) * 97 / 60
    assert math.fsum(info["stored_kwh"][0] for info in infos) == pytest.approx(stored_kwh, abs=1e-9)
    missing_kwh = math.fsum(info["missing_kwh"] for info in infos)
    assert missing_kwh == pytest.approx(41.6 - 22.0 - stored_kwh, abs=1e-9)
    assert infos[-1]["soc"][0] == pytest.approx(0.8, abs=1e-12)


def sessions_of(scenario: Scenario, seed: int, actions: Any) -> dict[Any, Any]:
    """Arrival, departure and trip of each car's sessions seen at the ends of steps."""
    env = EVChargingEnv(scenario, dataset=SERIES["hourly"])
    env.reset(seed=seed)
    seen = {}
    for action in actions:
        env.step(action)
        for k, vehicle in enumerate(env.simulator.vehicles[0]):
            plan = tuple(float(vehicle[n]) for n in ("arrival_min", "departure_min", "trip_kwh"))
            seen[k, int(vehicle["session"])] = plan
    return seen


@settings(max_examples=examples(10))
@given(SEEDS, st.integers(0, 3))
def test_driving_depends_neither_on_the_time_step_nor_on_actions(seed: int, kind: int) -> None:
    """The same seed: the same arrivals, departures and trips for every time step and policy."""
    cars = (Vehicle(), Vehicle(battery_kwh=20.0, phases=1, ac_max_kw=7.4, wanted_soc=0.5))
    driving = Driving(pattern="daily", arrival_h=16.6, departure_h=7.1) if kind == 0 else Driving()
    found = []
    for step_min in STEPS_MIN:
        scenario = Scenario(vehicles=cars, driving=driving, time_step_min=step_min, days=5)
        shape = (scenario.horizon_steps, 2)
        actions = (np.ones(shape, np.float32), some_actions(seed, shape))[step_min % 2]
        found.append(sessions_of(scenario, seed, actions))
    finest = found[0]
    assume(len(finest) > 2)  # five days of drivers who seldom drive may hold fewer sessions
    for coarser in found[1:]:
        # A long step can hide a short session; those seen are the same, the last one among them.
        assert coarser.items() <= finest.items()
        assert max(coarser) == max(finest)


@pytest.mark.parametrize("name", ["hourly", "autumn"])
@pytest.mark.parametrize(
    ("arrival_h", "departure_h"), [(17.0, 7.0), (7.0, 17.0), (11.5, 9.25), (0.0, 24.0), (8.0, 9.0)]
)
def test_daily_driving_follows_the_local_clock(
    name: str, arrival_h: float, departure_h: float
) -> None:
    """Started at any hour of the days around a clock change, a car is there when clocks say so.

    And it leaves when clocks show the hour, also across the change.
    """
    dataset = SERIES[name]
    zone = ZoneInfo(dataset.zone)
    driving = Driving(pattern="daily", arrival_h=arrival_h, departure_h=departure_h)
    env = EVChargingEnv(Scenario(driving=driving), dataset=dataset)
    for hour in range(5 * 24, 9 * 24):
        start = dataset.start + timedelta(hours=hour)
        _, info = env.reset(seed=0, options={"start": start})
        clock = start.astimezone(zone)
        if arrival_h < departure_h:
            here = arrival_h <= clock.hour < departure_h
        else:
            here = clock.hour >= arrival_h or clock.hour < departure_h
        assert info["plugged"][0] == here, clock
        car = env.simulator.vehicles[0, 0]
        for field, event_h in (("arrival_min", arrival_h), ("departure_min", departure_h)):
            event = (dataset.start + timedelta(minutes=int(car[field]))).astimezone(zone)
            assert event.hour + event.minute / 60 == event_h % 24, (clock, field)
        assert 0 < (int(car["departure_min"]) - 60 * hour) <= (25 if here else 49) * 60


def rollout() -> dict[str, Any]:
    """Fifty fixed steps of each preset without files and of varied scenarios, seeds 0 to 2.

    As arrays: what is drawn or counted, what is computed in float64, and the observations.
    """
    varied = Scenario(
        vehicles=(Vehicle(), Vehicle(phases=1, ac_max_kw=7.4, taper_from_soc=0.5)),
        charger=Charger(max_current_a=32),
        tariff=tariff_of(tax=0.439, transfer=0.05, vat=0.25, high={"per_kwh": 0.6, **HIGH_HOURS}),
        reward_weights=RewardWeights(energy=2.0),
        household=Household(fuse_a=16.0),
        data=Data(houses=2, weeks=8),
        time_step_min=60,
    )
    levels = {"charger": {"levels_kw": (0.0, 3.7, 7.4)}, "time_step_min": 5, "days": 3}
    villa = {"preset": "stockholm-villa", "time_step_min": 60, "charger": {"count": 1}}
    data = {"houses": 2, "weeks": 8}  # interpreted, the power charge of a year takes its time
    presets = ({"data": data}, "classic", varied, {**levels, "data": data}, {**villa, "data": data})
    drawn, computed, observations = [], [], []
    for scenario in presets:
        env = EVChargingVectorEnv(3, scenario)
        observation, _ = env.reset(seed=0)
        shape = (50, 3, len(env.scenario.vehicles))
        for action in some_actions(1, shape, lowest_of(env.scenario)):
            observation, rewards, _, _, infos = env.step(action)
            observations.append(observation.ravel())
            for table in (env.simulator.households, env.simulator.vehicles):
                for name in table.dtype.names:
                    whole = table.dtype[name].kind in "iu"
                    (drawn if whole else computed).append(np.array(table[name]).ravel())
            computed += [rewards, *infos.pop("reward_terms").values()]
            computed += [np.asarray(value, np.float64).ravel() for value in infos.values()]
    parts = {"drawn": drawn, "computed": computed, "observations": observations}
    return {name: np.concatenate(part) for name, part in parts.items()}


@pytest.mark.skipif(INTERPRETED, reason="the other process is the interpreted one")
def test_compiled_and_interpreted_agree() -> None:
    """Draws to the last bit, what is computed from them to 1e-12, observations as float32 can."""
    code = (
        f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}\n"
        "import pickle, tests.whole.test_invariance as t\n"
        "assert t.INTERPRETED; sys.stdout.buffer.write(pickle.dumps(t.rollout()))"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    other = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        check=True,
    )
    interpreted, compiled = pickle.loads(other.stdout), rollout()
    assert np.array_equal(interpreted["drawn"], compiled["drawn"])
    assert len(np.unique(compiled["drawn"])) > 100
    for name, tolerance in (("computed", 1e-12), ("observations", 1.2e-7)):
        np.testing.assert_allclose(
            interpreted[name], compiled[name], rtol=tolerance, atol=tolerance, err_msg=name
        )
