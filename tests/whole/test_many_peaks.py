"""A power charge with more peaks than any tariff declares, through the whole simulation.

There are six tariff periods of ten peaks each, the most that a state is made for. Tables, steps,
observations, saved states and foresight must all follow the shape of the scenario's peaks.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from baselines.foresight import foresee
from ev_gym.physics.power_charge import PERIOD, tabulate_peaks
from ev_gym.runtime.compiling import as_records
from ev_gym.scenario import as_scenario
from ev_gym.series.of_scenario import dataset_of
from ev_gym.simulation import saved_state
from ev_gym.simulation.observation import observation_slices
from ev_gym.simulation.saved_state import StateError
from ev_gym.simulation.simulator import Outputs, Simulator
from ev_gym.world.tariff_tables import power_tables
from ev_gym.world.world import World, build_world
from tests.support.power_charge_by_rule import Counting, by_the_rule, recounted
from tests.support.small_series import STOCKHOLM

COUNTING = Counting(count=10, periods=6, places=10)
STEP_MIN, STEPS = 30, 30 * 48
FIRST = datetime(2025, 11, 1)


def world_with(counting: Counting) -> World:
    """The default household for all of November, with other peaks than its tariff's."""
    scenario = as_scenario({"time_step_min": STEP_MIN, "days": 30, "start_hour": 0})
    world = build_world(scenario, dataset_of(scenario), None)
    calendar, own = world.dataset.calendar, world.tables
    power = power_tables(scenario.tariff, calendar, own.load_kw.shape[0], 1)
    power = recounted(power, scenario.tariff, counting, calendar.minute_of_day // 60)
    settings, hours = own.settings.copy(), own.hours.copy()
    settings["power_days"], hours["power_class"] = counting.count, power.power_class
    tables = own._replace(
        settings=as_records(settings),
        hours=as_records(hours),
        rates=power.rates,
        house_peaks_kw=power.house_peaks_kw,
    )
    tabulate_peaks(tables.settings[0], tables.hours, *tables[-4:])
    return replace(world, tables=tables)


def simulator_at_the_begin(world: World) -> Simulator:
    """One household at the begin of the month."""
    simulator = Simulator(world, 1)
    started = FIRST.replace(tzinfo=STOCKHOLM) - world.dataset.start
    rows = np.zeros(1, np.int64)
    simulator.seed(np.array([3], np.uint64), rows)
    simulator.begin(rows, world.starts_at(int(started.total_seconds()) // 60))
    return simulator


def run_steps(simulator: Simulator, first: int, end: int) -> tuple[dict[str, Any], Outputs]:
    """Results of some steps with random actions, by column, and the output of the last step."""
    out = simulator.outputs()
    records = []
    for step in range(first, end):
        action = np.random.default_rng(step).random((1, 1), np.float32)
        simulator.step(action, out, False)
        records.append(out.results.copy())
    steps = np.concatenate(records)
    return {name: np.asarray(steps[name]) for name in steps.dtype.names}, out


def test_a_month_of_six_tariff_periods_with_ten_peaks_each() -> None:
    world = world_with(COUNTING)
    simulator = simulator_at_the_begin(world)
    assert simulator.households["peaks_kw"].shape == (1, 6, 10)
    alone = foresee(simulator)
    early, out = run_steps(simulator, 0, 500)
    household = simulator.households[0]
    period = int(world.tables.rates[household["power_class"], PERIOD])
    lowest_kw = household["peaks_kw"][period, 0]
    assert np.unique(household["peaks_kw"]).size > 50
    assert out.observations[0, observation_slices(world.scenario)["peak_kw"]] == np.float32(
        lowest_kw
    )
    saved = saved_state.save(simulator)
    late, _ = run_steps(simulator, 500, STEPS)
    steps = {name: np.append(early[name], late[name]) for name in early}
    step_h, tariff = STEP_MIN / 60.0, world.scenario.tariff
    for cost, power_kw in (
        (steps["power_cost"], steps["grid_kw"]),
        (steps["house_power_cost"], steps["load_kw"]),
        (alone.results["power_cost"], steps["load_kw"]),
    ):
        bill = by_the_rule(tariff, power_kw * step_h, STEP_MIN, FIRST, COUNTING)
        assert np.sum(cost) == pytest.approx(bill[2025, 11], rel=1e-9)
    assert steps["power_cost"].sum() > steps["house_power_cost"].sum() + 100.0

    again = Simulator(world, 1)
    saved_state.restore(again, saved)
    same, _ = run_steps(again, 500, STEPS)
    for name, column in late.items():
        np.testing.assert_array_equal(same[name], column)
    assert saved_state.save(again) == saved_state.save(simulator)


def test_an_observation_of_many_peaks_stays_within_its_width() -> None:
    """Compiled code checks no bounds: what it wrote too much would be somebody else's memory."""
    simulator = simulator_at_the_begin(world_with(COUNTING))
    out = simulator.outputs()
    room = np.full((1, simulator.width + 100), np.nan, np.float32)
    out = out._replace(observations=room[:, : simulator.width])
    simulator.report(np.zeros(1, np.int64), out)
    for step in range(96):
        if step:
            simulator.step(np.ones((1, 1), np.float32), out, False)
        assert np.isfinite(out.observations).all()
        assert np.isnan(room[:, simulator.width :]).all()
        out.observations[:] = np.nan


def test_a_state_with_other_peaks_is_refused() -> None:
    """Scenario and series are the same; only the layout of the state differs."""
    wide = world_with(COUNTING)
    narrow = build_world(wide.scenario, wide.dataset, None)
    assert (wide.peaks_shape, narrow.peaks_shape) == ((6, 10), (1, 3))
    assert wide.fingerprint == narrow.fingerprint
    with pytest.raises(StateError, match=r"'peaks_kw', '<f8', 6, 10\].*'peaks_kw', '<f8', 1, 3\]"):
        saved_state.restore(Simulator(narrow, 1), saved_state.save(Simulator(wide, 1)))
