"""Load management's physics: what the connection leaves, shared in all and line by line."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_gym.physics import charger
from ev_gym.scenario import Charger, Vehicle
from tests.support.physics_tables import NO_LEVELS, cars_at, ready
from tests.support.scenario_strategies import examples

LARGE = Charger(max_current_a=32)
SINGLE = Vehicle(phases=1, ac_max_kw=7.4)
DOUBLE = Vehicle(phases=2, ac_max_kw=7.2)
TRIPLE = Vehicle(phases=3, ac_max_kw=22.0)


def asking(cars: Any, amperes: list[float], levels_kw: Any = NO_LEVELS) -> Any:
    """The records of cars that asked for these currents (or level powers)."""
    records = ready(cars)
    for k, wanted in enumerate(amperes):
        if levels_kw.size:
            records["offered_kw"][k] = min(wanted, cars[k]["max_kw"])
            records["asked_a"][k] = records["offered_kw"][k] / cars[k]["kw_per_a"]
        else:
            records["asked_a"][k] = records["current_a"][k] = wanted
            records["offered_kw"][k] = min(wanted * cars[k]["kw_per_a"], cars[k]["max_kw"])
    return records


# --- the connection in all ---


def shared(headroom_kw: float, cars: Any, amperes: list[float], levels_kw: Any = NO_LEVELS) -> Any:
    """The records of cars that asked for these currents (or level powers) after sharing."""
    records = asking(cars, amperes, levels_kw)
    charger.share_connection(records, cars, levels_kw, headroom_kw)
    return records


@pytest.mark.parametrize(
    ("cars", "asked_a", "headroom_kw", "granted_a"),
    [
        # Three phases, 0.69 kW an ampere: 13.8 kW are 20 A, 10 each.
        ((TRIPLE, TRIPLE), [16, 16], 13.8, [10, 10]),
        # 21 A: the one left over goes to the first; 22.9 A: whole amperes only.
        ((TRIPLE, TRIPLE), [16, 16], 14.49, [11, 10]),
        ((TRIPLE, TRIPLE), [16, 16], 22.9 * 0.69, [11, 11]),
        # Who asks for less than its share leaves the rest to the other.
        ((TRIPLE, TRIPLE), [7, 16], 13.8, [7, 13]),
        ((TRIPLE, TRIPLE), [16, 7], 13.8, [13, 7]),
        # 11 A for two would be 5.5 each: the second gets nothing, the first all it asks for.
        ((TRIPLE, TRIPLE), [16, 16], 7.59, [11, 0]),
        ((TRIPLE, TRIPLE), [8, 16], 7.59, [8, 0]),
        # 17 A for three: 5.67 each, so two share: 9 and 8.
        ((TRIPLE, TRIPLE, TRIPLE), [16, 16, 16], 17.5 * 0.69, [9, 8, 0]),
        ((TRIPLE, TRIPLE, TRIPLE), [0, 16, 16], 17.5 * 0.69, [0, 9, 8]),
        # 18 A are enough for all three; 5.99 A for none.
        ((TRIPLE, TRIPLE, TRIPLE), [16, 16, 16], 18.0 * 0.69 + 1e-9, [6, 6, 6]),
        ((TRIPLE, TRIPLE), [16, 16], 5.99 * 0.69, [0, 0]),
        ((TRIPLE, TRIPLE), [16, 16], -3.0, [0, 0]),
        # One phase and three: an ampere for both is 0.92 kW; 9.2 kW are 10 A each.
        ((SINGLE, TRIPLE), [16, 16], 9.2 + 1e-9, [10, 10]),
        # 0.3 kW more are one ampere for the single phase, whatever its place.
        ((SINGLE, TRIPLE), [16, 16], 9.5, [11, 10]),
        ((TRIPLE, SINGLE), [16, 16], 9.5, [10, 11]),
        # 3 kW are too little for 6 A on three phases and pass on to the single phase.
        ((TRIPLE, SINGLE), [16, 16], 3.0, [0, 13]),
    ],
)
def test_shares_of_the_connection(
    cars: tuple[Vehicle, ...], asked_a: list[float], headroom_kw: float, granted_a: list[float]
) -> None:
    """Equal whole-ampere shares, none below 6 A, leftovers in vehicle order."""
    table = cars_at(*cars, charger=LARGE).cars
    records = shared(headroom_kw, table, asked_a)
    assert records["current_a"].tolist() == granted_a
    assert records["offered_kw"].tolist() == pytest.approx(granted_a * table["kw_per_a"])


@pytest.mark.parametrize(
    ("headroom_kw", "granted_kw"),
    [(14.8, [7.4, 7.4]), (14.0, [7.4, 3.7]), (7.3, [3.7, 0.0]), (7.4, [7.4, 0.0]), (3.0, [0, 0])],
)
def test_levels_of_the_connection(headroom_kw: float, granted_kw: list[float]) -> None:
    """Each car in order takes the highest level that fits into what is left."""
    levels_kw = np.array([0.0, 3.7, 7.4])
    table = cars_at(TRIPLE, TRIPLE, charger=Charger(levels_kw=(0.0, 3.7, 7.4))).cars
    records = shared(headroom_kw, table, [7.4, 7.4], levels_kw)
    assert records["offered_kw"].tolist() == granted_kw
    assert records["current_a"].tolist() == pytest.approx(np.array(granted_kw) / 0.69)


# Who is served first, and what is left: by priority, then in vehicle order.
@pytest.mark.parametrize(
    ("priorities", "asked_a", "headroom_kw", "granted_a"),
    [
        ((0, 0, 0), [16, 16, 16], 13.8, [7, 7, 6]),
        # The third takes its 16 A of 20, the 4 A left are too few for anybody.
        ((0, 0, 1), [16, 16, 16], 13.8, [0, 0, 16]),
        # 26 A: 16 for the first, 10 left, of which only one of the other two gets 6 A or more.
        ((2, 1, 1), [16, 16, 16], 26.5 * 0.69, [16, 10, 0]),
        # 29 A: 16, then 13 for two equals.
        ((1, 9, 1), [16, 16, 16], 29.5 * 0.69, [7, 16, 6]),
        ((0, 9, 5), [16, 0, 10], 29.5 * 0.69, [16, 0, 10]),
        ((0, 9, 5), [16, 0, 10], 25.5 * 0.69, [15, 0, 10]),
    ],
)
def test_higher_priorities_come_first(
    priorities: tuple[int, ...], asked_a: list[float], headroom_kw: float, granted_a: list[float]
) -> None:
    """They get all they can before the next ones; equals share equally."""
    cars = [replace(TRIPLE, priority=priority) for priority in priorities]
    table = cars_at(*cars, charger=LARGE).cars
    assert shared(headroom_kw, table, asked_a)["current_a"].tolist() == granted_a
    levels_kw = np.array([0.0, 3.7, 7.4])
    by_level = cars_at(*cars[1:], charger=Charger(levels_kw=(0.0, 3.7, 7.4))).cars
    first = int(priorities[2] > priorities[1])
    granted_kw = shared(7.5, by_level, [7.4, 7.4], levels_kw)["offered_kw"]
    assert granted_kw.tolist() == ([0.0, 7.4] if first else [7.4, 0.0])


def test_a_nearly_full_car_leaves_what_it_cannot_use() -> None:
    """At 99.5 % a car of 11 kW takes 3.23 kW, so 6 A (4.14 kW) are enough for it.

    From 97.5 % on acceptance falls to a tenth: 10.14 kW * (1 - 0.9 * 0.8) are 2.84 kW in the
    battery. Of 20 A the other gets 14. With a level of 7.4 kW it counts as 6 A, not as 10.7, and of
    17 A the other gets its 10.7.
    """
    nearly_full = replace(TRIPLE, ac_max_kw=11.0)
    table = cars_at(nearly_full, TRIPLE, charger=LARGE).cars
    records = asking(table, [16, 16])
    records["energy_kwh"][0] = 0.995 * 58.0
    charger.share_connection(records, table, NO_LEVELS, 20.5 * 0.69)
    assert records["current_a"].tolist() == [6, 14]
    levels_kw = np.array([0.0, 7.4])
    by_level = cars_at(nearly_full, TRIPLE, charger=Charger(levels_kw=(0.0, 7.4))).cars
    records = asking(by_level, [7.4, 7.4], levels_kw)
    records["energy_kwh"][0] = 0.995 * 58.0
    charger.share_connection(records, by_level, levels_kw, 17.0 * 0.69)
    assert records["offered_kw"].tolist() == [7.4, 7.4]


# --- each line by itself ---


def shared_by_line(headroom_a: tuple[float, ...], cars: Any, amperes: list[float]) -> list[float]:
    """What cars that asked for these currents get, with so much left on each line."""
    records = asking(cars, amperes)
    charger.share_lines(records, cars, NO_LEVELS, math.inf, headroom_a)
    expected_kw = np.minimum(records["current_a"] * records["kw_per_a"], cars["max_kw"])
    assert records["offered_kw"].tolist() == expected_kw.tolist()
    currents: list[float] = records["current_a"].tolist()
    return currents


def on_line(car: Vehicle, line: int, priority: int = 0) -> Vehicle:
    return replace(car, line=line, priority=priority)


@pytest.mark.parametrize(
    ("cars", "asked_a", "headroom_a", "granted_a"),
    [
        # A single phase sees its own line only, whatever the others leave.
        ((SINGLE,), [32], (20.5, 0.0, 0.0), [20]),
        ((SINGLE,), [32], (5.9, 60.0, 60.0), [0]),
        ((on_line(SINGLE, 3),), [32], (0.0, 0.0, 17.0), [17]),
        # Three phases are held by the fullest line, also by one beyond its fuse.
        ((TRIPLE,), [32], (20.0, 12.9, 30.0), [12]),
        ((TRIPLE,), [32], (20.0, -3.0, 30.0), [0]),
        # Two phases take a line and the next; after the third comes the first.
        ((DOUBLE,), [16], (9.0, 12.0, 0.0), [9]),
        ((on_line(DOUBLE, 3),), [16], (9.0, 0.0, 12.0), [9]),
        ((on_line(DOUBLE, 2),), [16], (0.0, 9.0, 8.0), [8]),
        # Two on one line share it; the third has its own to itself.
        ((SINGLE, SINGLE, on_line(SINGLE, 2)), [16, 16, 16], (21.0, 14.0, 0.0), [11, 10, 14]),
        # Line 1 is full at 10 A each; the car on three phases stops there, the one on line 2 not.
        ((SINGLE, TRIPLE, on_line(SINGLE, 2)), [32, 32, 32], (20.0, 40.0, 40.0), [10, 10, 30]),
        # 11 A of line 1 are too few for two times 6: the second's share passes on.
        ((TRIPLE, SINGLE, on_line(SINGLE, 2)), [32, 32, 16], (11.0, 40.0, 40.0), [11, 0, 16]),
        # The single phase first, by priority; nothing is left of line 1 for three phases.
        ((TRIPLE, on_line(SINGLE, 1, 1)), [32, 32], (20.0, 40.0, 40.0), [0, 20]),
        ((TRIPLE, on_line(SINGLE, 1, 1)), [32, 10], (20.0, 40.0, 40.0), [10, 10]),
    ],
)
def test_shares_of_the_lines(
    cars: tuple[Vehicle, ...],
    asked_a: list[float],
    headroom_a: tuple[float, ...],
    granted_a: list[float],
) -> None:
    """Equal whole-ampere shares of each line, none below 6 A."""
    assert shared_by_line(headroom_a, cars_at(*cars, charger=LARGE).cars, asked_a) == granted_a


def test_levels_of_the_lines() -> None:
    """7.4 kW are 10.72 A on three phases and 16.09 A on two; 3.7 kW are 5.36 A and 8.04 A."""
    levels_kw = np.array([0.0, 3.7, 7.4])
    table = cars_at(TRIPLE, DOUBLE, charger=Charger(levels_kw=(0.0, 3.7, 7.4))).cars
    for headroom_a, granted_kw in (
        ((30.0, 30.0, 11.0), [7.4, 7.2]),
        ((30.0, 20.0, 11.0), [7.4, 3.7]),
        ((30.0, 20.0, 10.0), [3.7, 3.7]),
        ((30.0, 20.0, 5.0), [0.0, 7.2]),
    ):
        records = asking(table, [7.4, 7.4], levels_kw)
        charger.share_lines(records, table, levels_kw, math.inf, headroom_a)
        assert records["offered_kw"].tolist() == granted_kw


# --- against the rule itself, one ampere at a time ---


def one_by_one(cars: list[Vehicle], asked_a: list[int], costs: Any, headroom: Any) -> list[int]:
    """Currents as the rule gives them: (K, R) costs of an ampere in each of R limits."""
    left, granted = np.maximum(np.array(headroom, float), 0.0), [0] * len(cars)
    for priority in range(9, -1, -1):
        equals = [k for k, car in enumerate(cars) if car.priority == priority]
        for k in equals:
            if asked_a[k] > 0 and np.all(6 * costs[k] <= left):
                granted[k], left = 6, left - 6 * costs[k]
        growing = True
        while growing:
            growing = False
            for k in equals:
                if 0 < granted[k] < asked_a[k] and np.all(costs[k] <= left):
                    granted[k], left, growing = granted[k] + 1, left - costs[k], True
    return granted


@st.composite
def households(draw: st.DrawFn) -> tuple[list[Vehicle], list[int]]:
    """Up to eight cars and what each asks for."""
    cars = [
        replace(car, line=draw(st.integers(1, 3)), priority=draw(st.integers(0, 2)))
        for car in draw(st.lists(st.sampled_from((SINGLE, DOUBLE, TRIPLE)), min_size=1, max_size=8))
    ]
    asked_a = [
        draw(st.one_of(st.just(0), st.integers(6, 16 if car.phases == 2 else 32))) for car in cars
    ]
    return cars, asked_a


# Never a multiple of an ampere's power, where rounding would decide.
HUNDREDTHS = st.integers(-500, 6000).map(lambda hundredths: hundredths / 100 + 0.003)


@settings(max_examples=examples(100))
@given(households(), HUNDREDTHS)
def test_sharing_the_connection_is_the_rule(
    case: tuple[list[Vehicle], list[int]], headroom_kw: float
) -> None:
    """Whole amperes, 0 or 6 to what was asked, within the headroom; no more would fit anybody."""
    cars, asked_a = case
    table = cars_at(*cars, charger=LARGE).cars
    records = shared(headroom_kw, table, asked_a)
    costs = table["kw_per_a"][:, np.newaxis]
    granted_a = records["current_a"].tolist()
    assert granted_a == one_by_one(cars, asked_a, costs, [headroom_kw])
    left_kw = max(headroom_kw, 0.0) - float(granted_a @ table["kw_per_a"])
    assert left_kw >= -1e-9
    for k, got_a in enumerate(granted_a):
        assert got_a in {0, *range(6, asked_a[k] + 1)}
        if got_a < asked_a[k]:
            assert (1 if got_a else 6) * table["kw_per_a"][k] > left_kw
    assert np.all(records["offered_kw"] <= table["max_kw"])


@settings(max_examples=examples(100))
@given(households(), HUNDREDTHS, st.tuples(HUNDREDTHS, HUNDREDTHS, HUNDREDTHS), st.data())
def test_sharing_what_is_fed_in_is_the_rule(
    case: tuple[list[Vehicle], list[int]],
    headroom_kw: float,
    headroom_a: tuple[float, float, float],
    data: st.DataObject,
) -> None:
    """The same rule mirrored, in all and on each line at once; a car at its floor gets nothing."""
    cars, asked_a = case
    table = cars_at(*cars, charger=Charger(max_current_a=32, bidirectional=True)).cars
    records = asking(table, [-current_a for current_a in asked_a])
    records["offered_kw"] = np.maximum(records["offered_kw"], -table["max_kw"])
    empty = data.draw(st.integers(0, len(cars) - 1))
    records["energy_kwh"][empty] = table["floor_kwh"][empty]
    charger.drop_idle(records[empty], table[empty])
    charger.share_discharge(records, table, NO_LEVELS, headroom_kw, headroom_a)
    lines = [{(car.line - 1 + more) % 3 for more in range(car.phases)} for car in cars]
    costs = [[kw, *(float(line in own) for line in range(3))]
             for kw, own in zip(table["kw_per_a"], lines, strict=True)]  # fmt: skip
    can_give = [0 if k == empty else current_a for k, current_a in enumerate(asked_a)]
    granted_a = one_by_one(cars, can_give, np.array(costs), [headroom_kw, *headroom_a])
    assert (-records["current_a"]).tolist() == granted_a
    powers_kw = np.minimum(np.array(granted_a) * table["kw_per_a"], table["max_kw"])
    assert (-records["offered_kw"]).tolist() == powers_kw.tolist()


@settings(max_examples=examples(100))
@given(households(), st.tuples(HUNDREDTHS, HUNDREDTHS, HUNDREDTHS))
def test_sharing_the_lines_is_the_rule(
    case: tuple[list[Vehicle], list[int]], headroom_a: tuple[float, float, float]
) -> None:
    """The same on three lines; an ampere of a car takes one of each of its own."""
    cars, asked_a = case
    table = cars_at(*cars, charger=LARGE).cars
    lines = [{(car.line - 1 + more) % 3 for more in range(car.phases)} for car in cars]
    costs = np.array([[float(line in own) for line in range(3)] for own in lines])
    granted_a = shared_by_line(headroom_a, table, asked_a)
    assert granted_a == one_by_one(cars, asked_a, costs, headroom_a)
    assert np.all(np.array(granted_a) @ costs <= np.maximum(headroom_a, 0.0))
