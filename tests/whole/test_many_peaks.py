"""A power charge with as many peaks as a tariff may have, through the whole simulation.

There are four rules of ten peaks each. Tables, steps, observations, saved states and foresight must
all follow the shape of the scenario's peaks.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from baselines.foresight import foresee
from ev_gym.scenario import PeakPrice, PeakRule, Scenario, Weight
from ev_gym.series.of_scenario import dataset_of
from ev_gym.simulation import saved_state
from ev_gym.simulation.simulator import Outputs, Simulator
from ev_gym.world.world import World, build_world
from tests.support.reference_invoice import Reckoner, Step
from tests.support.small_series import STOCKHOLM
from tests.support.tariffs import tariff_of

STEP_MIN, STEPS = 30, 30 * 48
FIRST = datetime(2025, 11, 1, tzinfo=STOCKHOLM)


def rule_of(quarter_of_day: int) -> PeakRule:
    """Ten peaks of six hours of each day, on whatever days, dearer later in the day."""
    begin, end = 6 * quarter_of_day, 6 * quarter_of_day + 6
    inside = Weight(from_time=f"{begin:02d}:00", to_time=f"{end % 24:02d}:00")
    return PeakRule(
        count=10,
        different_days=False,
        weights=(Weight(factor=0.0), inside),
        prices=(PeakPrice(per_kw=20.0 + begin),),
    )


@pytest.fixture(scope="module")
def world() -> World:
    """The default household for all of November, with other peaks than its tariff's."""
    rules = tuple(rule_of(quarter) for quarter in range(4))
    tariff = replace(tariff_of(vat=0.25), peaks=rules)
    scenario = Scenario(tariff=tariff, time_step_min=STEP_MIN, days=30, start_hour=0)
    return build_world(scenario, dataset_of(scenario), None)


def simulator_at_the_begin(world: World) -> Simulator:
    """One household at the begin of the month."""
    simulator = Simulator(world, 1)
    started = FIRST - world.dataset.start
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


def test_a_month_of_four_rules_with_ten_peaks_each(world: World) -> None:
    simulator = simulator_at_the_begin(world)
    assert simulator.households["peaks_kw"].shape == (1, 4, 10)
    alone = foresee(simulator)
    early, _ = run_steps(simulator, 0, 500)
    assert np.unique(simulator.households[0]["peaks_kw"]).size > 35
    saved = saved_state.save(simulator)
    late, _ = run_steps(simulator, 500, STEPS)
    steps = {name: np.append(early[name], late[name]) for name in early}
    reckoner = Reckoner(world.scenario.tariff, "Europe/Stockholm", lambda begin: 0.0)
    for cost, power_kw in (
        (steps["power_cost"], steps["grid_kw"]),
        (steps["house_power_cost"], steps["load_kw"]),
        (alone.results["power_cost"], steps["load_kw"]),
    ):
        begin = FIRST.astimezone(timezone.utc)
        used = [
            Step(begin + timedelta(minutes=n * STEP_MIN), STEP_MIN, kw * STEP_MIN / 60.0, 0.0)
            for n, kw in enumerate(power_kw.ravel())
        ]
        assert np.sum(cost) == pytest.approx(reckoner.peaks(used), rel=1e-9)
    assert steps["power_cost"].sum() > steps["house_power_cost"].sum() + 100.0

    again = Simulator(world, 1)
    saved_state.restore(again, saved)
    same, _ = run_steps(again, 500, STEPS)
    for name, column in late.items():
        np.testing.assert_array_equal(same[name], column)
    assert saved_state.save(again) == saved_state.save(simulator)


def test_an_observation_of_many_peaks_stays_within_its_width(world: World) -> None:
    """Compiled code checks no bounds: what it wrote too much would be somebody else's memory."""
    simulator = simulator_at_the_begin(world)
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
