"""Tiny cases against brute force: every sequence of actions, each in a row of one vector env."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.foresight import Future, foresee
from baselines.optimal import achieve
from baselines.optimum.relaxation import lower_bound
from ev_gym.scenario import Charger, Scenario, as_scenario
from ev_gym.simulation.actions import level_fractions
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.household_strategies import SERIES, households, vehicles
from tests.support.scenario_strategies import examples

MOST_SEQUENCES = 20_000
EXACT: dict[str, Any] = {"abs": 1e-9, "rel": 0.0}


class Brute(NamedTuple):
    """The last steps of an episode: its future, and of every sequence the cost and some sums."""

    future: Future
    costs: Any
    sums: dict[str, Any]


def brute(scenario: Scenario, seed: int, steps: int, most: int, **more: Any) -> Brute:
    """Idle until so many steps are left, then every sequence of the car's levels, up to `most`."""
    levels = level_fractions(scenario, scenario.vehicles[0])
    while len(levels) ** steps > most:
        steps -= 1
    sequences = np.array(list(itertools.product(levels, repeat=steps)), np.float32)
    env = EVChargingVectorEnv(len(sequences), scenario, **more)
    env.reset(seed=[seed] * len(sequences), options=None if more else {"start": "2025-12-02"})
    for _ in range(scenario.horizon_steps - steps):
        env.step(np.zeros((len(sequences), 1), np.float32))
    future = foresee(env.simulator)
    costs, infos = np.zeros(len(sequences)), dict[str, Any]()
    sums = dict.fromkeys(("missing_kwh", "public_kwh", "overload_kw", "charge_kw"), 0.0)
    for step in range(steps):
        _, rewards, _, _, infos = env.step(sequences[:, step, None])
        costs -= rewards
        sums = {name: value + infos[name] for name, value in sums.items()}
    return Brute(future, costs - infos["settlement"], sums)


DAY = {"pattern": "daily", "arrival_h": 18.0, "departure_h": 8.0, "trip_kwh": 6.0}
CAR = {"chemistry": None, "driving": DAY, "battery_kwh": 30.0, "wanted_soc": 0.8}
HOME = CAR | {"driving": DAY | {"departure_h": 15.0}}
FREE = {"peaks": []}
BASE: dict[str, Any] = {
    "time_step_min": 60,
    "days": 1,
    "start_hour": 9,  # an hour after the departure
    "vehicles": [CAR],
    "tariff": FREE,
    "charger": {"max_current_a": 6, "phases": 1},
}
BACK = {"charger": {"max_current_a": 6, "phases": 1, "bidirectional": True}}
SUN = {"solar": {"peak_kw": 8.0}}
EACH = {"tariff": FREE | {"netting": "none"}}
LEVELS = {"levels_kw": (0.0, 3.7, 11.0)}
# What differs from BASE, how many steps are left, and a sum that differs between sequences.
CASES: dict[str, tuple[dict[str, Any], int, str]] = {
    "missing": ({}, 14, "missing_kwh"),
    "levels": ({"charger": LEVELS}, 9, "missing_kwh"),
    "taper": (
        {"vehicles": [CAR | {"taper_from_soc": 0.5, "battery_kwh": 10.0}]},
        14,
        "missing_kwh",
    ),
    "return": (
        {
            "start_hour": 20,
            "vehicles": [CAR | {"wanted_soc": 0.2, "driving": DAY | {"start_soc": 0.2}}],
        },
        14,
        "public_kwh",
    ),
    "overload": (
        {"household": {"fuse_a": 7}, "charger": {**LEVELS, "load_management": False}},
        9,
        "overload_kw",
    ),
    "load management": (
        {"household": {"fuse_a": 9}, "charger": {"max_current_a": 7}},
        9,
        "missing_kwh",
    ),
    "discharge": ({"start_hour": 22, **BACK}, 4, "charge_kw"),
    "sun": ({"start_hour": 16, "vehicles": [HOME], **SUN}, 14, "charge_kw"),
    "discharge, sun": ({"start_hour": 16, "vehicles": [HOME], **BACK, **SUN}, 9, "charge_kw"),
    "each kWh in full": (
        {"start_hour": 16, "vehicles": [HOME], **BACK, **SUN, **EACH},
        9,
        "charge_kw",
    ),
    "no export": (
        {
            "start_hour": 16,
            "vehicles": [HOME],
            "household": {"export_limit_kw": 0.0},
            **BACK,
            **SUN,
        },
        9,
        "charge_kw",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_sequence_of_actions(name: str) -> None:
    """The plan costs what the cheapest of all sequences costs, and that is not idling."""
    changes, steps, moves = CASES[name]
    found = brute(as_scenario(BASE | changes), 5, steps, MOST_SEQUENCES)
    optimum = achieve(found.future, lower_bound(found.future))
    assert optimum.cost == pytest.approx(found.costs.min(), **EXACT)
    assert optimum.actions.any()
    assert np.ptp(found.sums[moves]) > 0.1


@st.composite
def tiny(draw: st.DrawFn) -> Scenario:
    """One car of few levels, in any house and at any tariff without a power charge."""
    charger = st.builds(
        Charger,
        phases=st.just(1),
        max_current_a=st.sampled_from((6, 7)),
        bidirectional=st.booleans(),
        load_management=st.booleans(),
    )
    car = replace(
        draw(vehicles()), chemistry=None, battery_age_years=2.0, line=1, one_phase_max_a=32
    )
    scenario = draw(households(charger=draw(charger), vehicles=(car,), time_step_min=60, days=1))
    return replace(scenario, tariff=replace(scenario.tariff, peaks=()))


@settings(max_examples=examples(80))
@given(tiny(), st.sampled_from(sorted(SERIES)), st.integers(0, 2**32))
def test_any_tiny_case(scenario: Scenario, name: str, seed: int) -> None:
    """Whatever house, sun, tariff, limits and driving: equal to 1e-9."""
    found = brute(scenario, seed, 12, 3000, dataset=SERIES[name])
    optimum = achieve(found.future, lower_bound(found.future))
    assert optimum.cost == pytest.approx(found.costs.min(), **EXACT)
