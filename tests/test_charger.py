"""The charger's physics: currents and shares, each value worked out by hand."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_gym.cars import known_cars
from ev_gym.compiling import as_records
from ev_gym.equipment import Charger, Vehicle, at_charger
from ev_gym.physics import charger
from ev_gym.scenario import ScenarioError
from tests.physics_tables import NO_LEVELS, classic_car, states, table_of, world_of
from tests.strategies import examples


def asked(car: Any, action: float, levels_kw: Any = NO_LEVELS, plugged: int = 1) -> Any:
    """The record of a car after an action."""
    vehicle = states()
    vehicle["plugged"] = plugged
    vehicle["current_a"] = vehicle["asked_a"] = vehicle["offered_kw"] = -1.0
    charger.ask(vehicle[0], car, levels_kw, action)
    return vehicle[0]


# --- from an action to a current ---


@pytest.mark.parametrize("max_a", [6, 7, 10, 13, 16, 20, 25, 32, 48, 63, 80])
def test_an_action_of_k_parts_gives_k_amperes(max_a: int) -> None:
    """Every k of every maximum, from float32, and a hundredth of an ampere less gives k - 1."""
    car = table_of(Vehicle(ac_max_kw=50.0, phases=1), max_a, phases=1)
    assert car["max_current_a"] == max_a
    assert asked(car, 0.0)["asked_a"] == 0
    for k in range(1, max_a + 1):
        for action in (np.float32(k / max_a), np.float32(k) / np.float32(max_a)):
            vehicle = asked(car, float(action))
            current_a = k if k >= 6 else 0
            assert vehicle["asked_a"] == vehicle["current_a"] == current_a
            assert vehicle["offered_kw"] == min(0.23 * current_a, car["max_kw"])
        below_a = k - 1 if k > 6 else 0
        assert asked(car, float(np.float32((k - 0.01) / max_a)))["asked_a"] == below_a


def test_k_parts_give_k_for_every_maximum() -> None:
    """All 3,240 fractions of maxima up to 80 A, with the rule itself: floor(a * max + 1e-3)."""
    car = as_records(table_of(Vehicle(ac_max_kw=50.0, phases=1), 80, phases=1).copy().reshape(1))
    for max_a in range(6, 81):
        car["max_current_a"] = max_a
        for k in range(6, max_a + 1):
            assert asked(car[0], float(np.float32(k / max_a)))["asked_a"] == k


def test_power_of_an_ampere_and_of_the_nameplate() -> None:
    """16 A on three phases are 11.04 kW, of which the car takes its 11.0; 6 A are 4.14 kW."""
    car = table_of(Vehicle(), 16)
    assert asked(car, 1.0)["asked_a"] == 16
    assert asked(car, 1.0)["offered_kw"] == 11.0
    assert asked(car, 6 / 16)["offered_kw"] == pytest.approx(4.14, abs=1e-12)
    assert asked(car, 5.9 / 16)["offered_kw"] == 0.0


@pytest.mark.parametrize("levels_kw", [NO_LEVELS, np.array([0.0, 7.4])])
def test_a_car_that_is_away_asks_for_nothing(levels_kw: Any) -> None:
    """Whatever the action."""
    vehicle = asked(table_of(Vehicle()), 1.0, levels_kw, plugged=0)
    assert [vehicle[name] for name in ("asked_a", "current_a", "offered_kw")] == [0.0, 0.0, 0.0]


def test_levels_switch_in_the_middle() -> None:
    """On from action 0.5, the float below is off; of three levels the nearest, up at a tie."""
    car = classic_car()
    on_off, three = np.array([0.0, 7.4]), np.array([0.0, 3.7, 7.4])
    below = float(np.nextafter(np.float32(0.5), np.float32(0)))
    for action, power_kw in ((0.0, 0.0), (below, 0.0), (0.5, 7.4), (1.0, 7.4)):
        assert asked(car, action, on_off)["offered_kw"] == power_kw
    for action, power_kw in ((0.2, 0.0), (0.25, 3.7), (0.74, 3.7), (0.75, 7.4), (1.0, 7.4)):
        assert asked(car, action, three)["offered_kw"] == power_kw
    # 7.4 kW are 10.72 A on the three phases that the preset's car uses by default.
    assert asked(car, 1.0, on_off)["current_a"] == pytest.approx(7.4 / 0.69, abs=1e-12)


def test_limits_of_all_cars_at_four_chargers(measured_folder: Path) -> None:
    """Against Open EV Data's columns, within 0.1 kW.

    The file rounds to 0.1 kW, and calls 3.68 kW (16 A of 230 V) 3.7 and 7.36 kW 7.4; where a car's
    three-phase nameplate is above 11.04 kW it gives 11.1.
    """
    path = measured_folder / "ev_models_openevdata_2022.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(known_cars()) == 31
    for row in rows:
        name = " ".join(row[part] for part in ("brand", "model", "variant") if row[part])
        car = Vehicle.model(name)
        assert car.battery_kwh == float(row["usable_battery_kwh"])
        for phases in (1, 3):
            for max_a in (16, 32):
                limits = at_charger(car, Charger(phases=phases, max_current_a=max_a))
                published_kw = float(row[f"ac_kw_at_{phases}ph_{max_a}a"])
                assert limits.max_kw == pytest.approx(published_kw, abs=0.1), (name, phases, max_a)
                assert limits.max_current_a <= max_a


def test_limits_of_a_car_by_hand() -> None:
    """Phases that both have, the least whole current that reaches the nameplate, at most 16 A."""
    two_phases = Vehicle(phases=2, ac_max_kw=7.2)  # 2 * 230 V * 16 A = 7.36 kW
    assert at_charger(two_phases, Charger(max_current_a=32)) == (16, 0.46, 7.2)
    assert at_charger(two_phases, Charger(phases=1)) == (16, 0.23, 3.68)
    assert at_charger(two_phases, Charger(phases=1, max_current_a=32)) == (31, 0.23, 7.13)
    levels = Charger(levels_kw=(0.0, 7.4))
    assert at_charger(Vehicle(), levels).max_kw == 7.4
    assert at_charger(two_phases, levels).max_kw == 7.2
    with pytest.raises(ScenarioError, match="takes 5 A on 3 phases"):
        at_charger(Vehicle(phases=3, ac_max_kw=3.4), Charger())


# --- sharing the connection ---


def shared(room_kw: float, cars: Any, amperes: list[float], levels_kw: Any = NO_LEVELS) -> Any:
    """The records of cars that asked for these currents (or level powers) after sharing."""
    records = states(len(amperes))
    for k, wanted in enumerate(amperes):
        if levels_kw.size:
            records["offered_kw"][k] = min(wanted, cars[k]["max_kw"])
        else:
            records["asked_a"][k] = records["current_a"][k] = wanted
            records["offered_kw"][k] = min(wanted * cars[k]["kw_per_a"], cars[k]["max_kw"])
    charger.share_connection(records, cars, levels_kw, room_kw)
    return records


SINGLE = Vehicle(phases=1, ac_max_kw=7.4)
TRIPLE = Vehicle(phases=3, ac_max_kw=22.0)


@pytest.mark.parametrize(
    ("cars", "asked_a", "room_kw", "granted_a"),
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
    cars: tuple[Vehicle, ...], asked_a: list[float], room_kw: float, granted_a: list[float]
) -> None:
    """Equal whole-ampere shares, none below 6 A, leftovers in vehicle order."""
    table = world_of(*cars, charger=Charger(max_current_a=32)).cars
    records = shared(room_kw, table, asked_a)
    assert records["current_a"].tolist() == granted_a
    assert records["offered_kw"].tolist() == pytest.approx(granted_a * table["kw_per_a"])


@pytest.mark.parametrize(
    ("room_kw", "granted_kw"),
    [(14.8, [7.4, 7.4]), (14.0, [7.4, 3.7]), (7.3, [3.7, 0.0]), (7.4, [7.4, 0.0]), (3.0, [0, 0])],
)
def test_levels_of_the_connection(room_kw: float, granted_kw: list[float]) -> None:
    """Each car in order takes the highest level that fits into what is left."""
    levels_kw = np.array([0.0, 3.7, 7.4])
    table = world_of(TRIPLE, TRIPLE, charger=Charger(levels_kw=(0.0, 3.7, 7.4))).cars
    records = shared(room_kw, table, [7.4, 7.4], levels_kw)
    assert records["offered_kw"].tolist() == granted_kw
    assert records["current_a"].tolist() == pytest.approx(np.array(granted_kw) / 0.69)


@settings(max_examples=examples(150))
@given(
    st.lists(st.sampled_from((SINGLE, TRIPLE, Vehicle(phases=2, ac_max_kw=7.2))), min_size=1)
    .map(lambda cars: cars[:8])
    .flatmap(
        lambda cars: st.tuples(
            st.just(cars),
            st.lists(
                st.one_of(st.just(0), st.integers(6, 32)), min_size=len(cars), max_size=len(cars)
            ),
        )
    ),
    st.floats(-5.0, 60.0),
)
def test_sharing_uses_the_room_and_never_more(case: tuple[Any, Any], room_kw: float) -> None:
    """Whole amperes, 0 or 6 to what was asked; no ampere more would fit anybody admitted.

    Cars alike in phases get the same to an ampere, the earlier the more; a later one may get
    nothing only where its 6 A do not fit.
    """
    cars, wanted_a = case
    table = world_of(*cars, charger=Charger(max_current_a=32)).cars
    most_a = table["max_current_a"]
    wanted_a = [min(a, int(most)) for a, most in zip(wanted_a, most_a, strict=True)]
    records = shared(room_kw, table, wanted_a)
    current_a, kw_per_a = records["current_a"], table["kw_per_a"]
    left_kw = room_kw - float(current_a @ kw_per_a)
    assert records["offered_kw"].sum() <= max(room_kw, 0.0) + 1e-9
    assert np.all(records["offered_kw"] <= table["max_kw"])
    for k, got_a in enumerate(current_a):
        assert got_a in {0, *range(6, wanted_a[k] + 1)}
        if got_a == 0 < wanted_a[k]:
            assert 6 * kw_per_a[k] > left_kw - 1e-9
        if 0 < got_a < wanted_a[k]:
            assert kw_per_a[k] > left_kw - 1e-9
        for j in range(k):
            alike = kw_per_a[j] == kw_per_a[k]
            if alike and 0 < got_a < wanted_a[k] and 0 < current_a[j] < wanted_a[j]:
                assert 0 <= current_a[j] - got_a <= 1
