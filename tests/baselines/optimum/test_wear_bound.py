"""What batteries wear off at least, against what they do: day by day, loss by loss, car by car."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from baselines.foresight import Future, foresee
from baselines.optimal import achieve
from baselines.optimum import relaxation
from baselines.optimum.dynamic_program import replay
from baselines.optimum.reach import Reach, reach_of
from baselines.optimum.relaxation import lower_bound
from baselines.optimum.wear_bound import (
    HOTTEST_C,
    KELVIN,
    Lines,
    Loss,
    Wear,
    _box,
    _ratio,
    wear_of,
)
from ev_gym.env import EVChargingEnv
from ev_gym.physics import ageing_models as models
from ev_gym.scenario import RewardWeights, Scenario
from ev_gym.scenario.vehicle import Vehicle
from ev_gym.series.dataset import Dataset
from ev_gym.simulation.state_fields import VEHICLE_DTYPE
from ev_gym.vector_env import EVChargingVectorEnv
from tests.baselines.optimum.test_bound import cases, wavering
from tests.support import scenario_strategies
from tests.support.foreseen_households import CAR, ONE_HOUR, future_of, scenario
from tests.support.scenario_strategies import examples

ROUNDING = 1e-9
# Full power, nothing, the strongest discharging; other rows waver between these.
STEADY = (1.0, 0.0, -1.0)


class Lived(NamedTuple):
    """T steps of rows with K cars.

    Attributes:
        future: Foreseen before the first.
        vehicles: (T + 1, rows, K) records.
        stored: (T, rows, K) SoC that each step stored.
        wear_cost: (rows,) minus the terms of wear.
    """

    future: Future
    vehicles: NDArray[Any]
    stored: NDArray[Any]
    wear_cost: NDArray[Any]


def lived(
    case: Scenario, dataset: Dataset, seed: int, options: dict[str, Any], before: int
) -> Lived:
    """An episode in rows that differ in their actions, foreseen after some steps of full power."""
    lowest, cars = scenario_strategies.lowest_of(case), len(case.vehicles)
    generator = np.random.default_rng(seed)
    drawn = wavering(generator, case.horizon_steps, cars, lowest)
    steady = [np.full((len(drawn), 1, cars), max(share, lowest)) for share in STEADY]
    actions = np.concatenate([*steady, drawn], axis=1).astype(np.float32)
    actions[:before] = 1.0
    rows = actions.shape[1]
    env = EVChargingVectorEnv(rows, case, dataset=dataset)
    env.reset(seed=[seed] * rows, options=options)
    for step in range(before):
        env.step(actions[step])
    simulator = env.simulator
    future = foresee(simulator)
    vehicles = np.empty((future.steps + 1, rows, cars), VEHICLE_DTYPE)
    stored, cost = np.empty((future.steps, rows, cars)), np.zeros(rows)
    vehicles[0] = simulator.vehicles
    soc_per_kwh = simulator.world.tables.cars["soc_per_kwh"]
    for step in range(future.steps):
        _, _, _, _, info = env.step(actions[before + step])
        stored[step] = info["stored_kwh"].reshape(rows, cars) * soc_per_kwh
        cost -= np.asarray(info["reward_terms"]["wear"])
        vehicles[step + 1] = simulator.vehicles
    return Lived(future, vehicles, stored, cost)


def real_progress(loss: Loss, field: NDArray[Any], ends: NDArray[Any]) -> NDArray[Any]:
    """(D,) progress of a loss (T + 1,) on each day."""
    return np.diff(np.append(loss.before, field[1:][ends]) ** (1.0 / loss.power))


def assert_wears_off_no_less(
    wear: Wear, span: NDArray[Any], states: NDArray[Any], stored: NDArray[Any]
) -> None:
    """A car's record (T + 1,) and what it stored (T,) against all that is claimed of its wear."""
    days = wear.calendar_least.size
    ends = states["day_h"][1:] == 0.0
    health = 1.0 - states["calendar_loss"] - states["cycle_loss"]
    lost = health[0] - health[-1]
    assert wear.price * lost >= wear.least_cost * (1.0 - ROUNDING) - ROUNDING
    if health[-1] < 0.051:  # worn out: what the laws say no longer holds
        return
    counted = wear.day < days
    day = wear.day[counted]
    soc_per_kwh = 1.0 / wear.battery_kwh
    before = states["energy_kwh"][:-1] * soc_per_kwh
    of_steps = (before + np.where(stored > 0.0, 0.5, 1.0) * stored) * wear.soc_weight
    at_most = (before + np.where(stored > 0.0, 1.0, 0.5) * stored) * wear.soc_weight
    soc = wear.soc_before + np.bincount(day, of_steps[counted], days)
    above = wear.soc_before + np.bincount(day, at_most[counted], days)
    assert np.all(soc >= wear.soc_range[:, 0] - 1e-7)
    assert np.all(soc <= wear.soc_range[:, 1] + 1e-7)
    real = real_progress(wear.calendar, states["calendar_loss"], ends)
    rounding = ROUNDING * (wear.calendar.before + 0.01) ** (1.0 / wear.calendar.power)
    assert np.all(real >= wear.calendar_least * (1.0 - ROUNDING) - rounding)
    assert np.all(real >= wear.calendar_lines.largest(soc, above) - rounding)
    key = wear.cell_span * (days + 1) + wear.cell_day
    cell = np.searchsorted(key, (span * (days + 1) + wear.day)[counted])
    charge = np.maximum(0.0, np.bincount(cell, stored[counted], key.size))
    assert np.all(charge <= wear.most_charge + 1e-7)
    of_steps = np.full(wear.day.size, -1)
    of_steps[counted] = cell
    faster = wear.faster(np.maximum(stored, 0.0), of_steps)
    assert np.all(faster <= wear.most_faster + 1e-7)
    by_charge = np.maximum(0.0, wear.charge_lines.largest(charge)) + wear.by_rate(charge, faster)
    by_trips = wear.trip_least.copy()
    np.maximum.at(by_trips, wear.cell_day, wear.trip_lines.largest(charge))
    least = np.bincount(wear.cell_day, by_charge, days) + by_trips
    real = real_progress(wear.cycle, states["cycle_loss"], ends)
    rounding = ROUNDING * (wear.cycle.before + 0.01) ** (1.0 / wear.cycle.power)
    assert np.all(real >= least * (1.0 - 1e-7) - rounding)


def assert_neither_colder_nor_hotter(episode: Lived, reach: Reach, k: int, wear: Wear) -> None:
    """The packs of all rows against the coldest and the hottest; above 60 deg C both are cut."""
    car, days = episode.future.world.tables.cars[k], wear.calendar_least.size
    box = _box(episode.future, reach, k, wear.day, days)
    before, after = episode.vehicles["pack_c"][:-1, :, k], episode.vehicles["pack_c"][1:, :, k]
    kept, mean = float(car["heat_kept"]), float(car["heat_mean"])
    level = (after - kept * before) / (1.0 - kept)
    kelvin = np.minimum(level + (before - level) * mean, HOTTEST_C) + KELVIN
    assert np.all(kelvin >= box.coldest_k[:, np.newaxis] - 1e-6)
    for day in range(days):
        assert np.all(kelvin[wear.day == day].mean(axis=0) <= box.hottest_k[day] + 1e-6)
    if car["chemistry"] == models.LFP:
        assert np.all(kelvin <= box.hottest_steps_k[:, np.newaxis] + 1e-6)


@settings(max_examples=examples(60))
@given(cases(), st.integers(0, 30))
def test_no_day_wears_off_less(
    case: tuple[Scenario, Dataset, int, dict[str, Any]], before: int
) -> None:
    """Of each car, by time and by use, with any actions, also from the middle of a day on."""
    household = case[0]
    cars = tuple(
        replace(car, wear_price_per_kwh=1200.0) if car.chemistry is not None else car
        for car in household.vehicles
    )
    weights = replace(household.reward_weights, wear=1.0)
    household = replace(household, vehicles=cars, reward_weights=weights)
    episode = lived(household, *case[1:], before=before % household.horizon_steps)
    reach = reach_of(episode.future)
    least = 0.0
    for k, journey in enumerate(reach.journeys):
        wear = wear_of(episode.future, reach, k)
        least += 0.0 if wear is None else wear.least_cost
        for row in range(len(episode.wear_cost)):
            if wear is not None:
                if row == 0:
                    assert_neither_colder_nor_hotter(episode, reach, k, wear)
                states, stored = episode.vehicles[:, row, k], episode.stored[:, row, k]
                assert_wears_off_no_less(wear, journey.span, states, stored)
    assert np.all(episode.wear_cost >= least - 1e-6 * (1.0 + least))


def aged(chemistry: str, **changes: Any) -> Vehicle:
    return replace(CAR, chemistry=chemistry, wear_price_per_kwh=1200.0, **changes)


@pytest.mark.parametrize("chemistry", ["nmc622", "lfp", "nca", "nmc111"])
def test_a_standing_car_wears_off_what_is_claimed(chemistry: str) -> None:
    """Ten days at 20 %, its limit, and at 10 deg C: within a thousandth, by hand for NMC622."""
    case = scenario(vehicles=(aged(chemistry, wanted_soc=0.2, limit_soc=0.2),), days=10)
    future = future_of(case, [0.8])
    paid = replay(future, np.zeros((future.steps, 1), np.float32)).cost
    bound = lower_bound(future).cost
    assert paid > 0.5
    assert paid * 0.999 < bound <= paid + 1e-6
    if chemistry == "nmc622":
        car = future.world.tables.cars[0]
        rate = models.nmc622_calendar(0.2, 283.15)
        lost = np.sqrt(car["calendar_loss"] ** 2 + 10 * rate**2) - car["calendar_loss"]
        assert bound == pytest.approx(1200.0 * car["new_kwh"] * lost, rel=1e-3)


# LFP's loss by use knows depth, throughput and cold alone: 30 kWh late in the day, at no price.
CHARGED = (aged("lfp", wanted_soc=0.8, limit_soc=0.8), 19)
STANDING = (aged("nmc622", wanted_soc=0.2, limit_soc=0.2), 24)
# NMC622's knows the rate: all 6.9 kWh that are wanted, in the only hour at home.
HURRIED = (aged("nmc622", wanted_soc=0.338, limit_soc=0.338, driving=ONE_HOUR), 0)
# 20 kWh are driven, and none charged.
DRIVEN = (
    aged(
        "lfp",
        wanted_soc=0.2,
        limit_soc=0.2,
        driving=replace(ONE_HOUR, arrival_h=12.0, trip_kwh=20.0, start_soc=0.8),
    ),
    24,
)
OVERSTATED = {
    "calendar": (STANDING, 1.01),
    "cycle": (CHARGED, 1.06),
    "haste": (HURRIED, 1.5),
    "trips": (DRIVEN, 1.01),
}


def paid_and_future(car: Vehicle, first_hour: int) -> tuple[float, Future]:
    """What a day costs with full power from an hour on, at no price; and the future."""
    future = future_of(scenario(vehicles=(car,)), [0.0])
    actions = np.zeros((24, 1), np.float32)
    actions[first_hour:] = 1.0
    return replay(future, actions).cost, future


def test_a_full_charge_wears_off_what_is_claimed() -> None:
    paid, future = paid_and_future(*CHARGED)
    bound = lower_bound(future).cost
    standing, _ = paid_and_future(replace(CHARGED[0], wanted_soc=0.2, limit_soc=0.2), 24)
    assert paid > 10.0 * standing  # nearly all of it is by use
    assert paid * 0.97 < bound <= paid + 1e-6


@pytest.mark.parametrize("part", OVERSTATED)
def test_what_claims_a_little_more_is_found_out(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a little more progress of either loss the bound exceeds what these cars pay."""
    case, most = OVERSTATED[part]
    paid, future = paid_and_future(*case)
    assert paid * 0.97 < lower_bound(future).cost <= paid + 1e-6

    def more(*args: Any) -> Wear | None:
        wear = wear_of(*args)
        assert wear is not None
        if part == "cycle":
            lines = wear.charge_lines
            return wear._replace(
                charge_lines=Lines(most * lines.at_0, most * lines.slope),
            )
        if part == "trips":
            cycle = wear.cycle._replace(least=most * wear.cycle.least)
            return wear._replace(cycle=cycle, trip_least=most * wear.trip_least)
        if part == "haste":
            lines = wear.faster_lines
            return wear._replace(
                faster_lines=Lines(most * lines.at_0, most * lines.slope),
                faster_by_charge=most * wear.faster_by_charge,
            )
        calendar = wear.calendar._replace(least=most * wear.calendar.least)
        return wear._replace(calendar=calendar, calendar_least=most * wear.calendar_least)

    monkeypatch.setattr(relaxation, "wear_of", more)
    assert lower_bound(future).cost > paid * 1.002


def test_a_steeper_chord_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chord of the loss, were it to end at a little less progress."""
    paid, future = paid_and_future(*CHARGED)
    real = Loss.progress

    def shorter(loss: Loss, lost: float) -> float:
        return loss.least + (real(loss, lost) - loss.least) / 1.06

    monkeypatch.setattr(Loss, "progress", shorter)
    assert lower_bound(future).cost > paid * 1.002


def test_a_rate_next_to_nothing_is_nothing() -> None:
    """A charge of 1e-9 kWh over years has a rate whose inverse is no float."""
    found = _ratio(1.104, np.array([0.0, 9.3e-313, 0.5]))
    assert found.tolist() == [0.0, 0.0, 2.208]


def test_no_wear_without_its_weight_its_price_or_ageing() -> None:
    cars = (aged("nmc622"), replace(aged("lfp"), wear_price_per_kwh=0.0), CAR)
    future = future_of(scenario(vehicles=cars), [0.8])
    reach = reach_of(future)
    assert [wear_of(future, reach, k) is None for k in range(3)] == [False, True, True]
    weights = RewardWeights(wear=0.0)
    future = future_of(scenario(vehicles=cars, reward_weights=weights), [0.8])
    assert wear_of(future, reach_of(future), 0) is None


# Percent of the bound by which the plan exceeds it; before wear joined it 107, 21, 34.
GAPS = {0: 18.0, 1: 11.0, 2: 17.5}


@pytest.mark.parametrize("seed", GAPS)
def test_gap_of_a_month(seed: int) -> None:
    env = EVChargingEnv({"days": 28})
    env.reset(seed=seed)
    future = foresee(env.simulator)
    optimum = achieve(future, lower_bound(future))
    assert 0.0 <= 100.0 * optimum.gap / optimum.bound <= GAPS[seed]
