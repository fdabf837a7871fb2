"""The charger's physics: from actions to currents and phases, each value worked out by hand."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_gym.physics import charger
from ev_gym.runtime.compiling import as_records
from ev_gym.scenario import Charger, Household, ScenarioError, Vehicle
from ev_gym.scenario.charger import at_charger
from tests.support.physics_tables import (
    NEVER_MIN,
    NO_LEVELS,
    Step,
    cars_at,
    classic_car,
    ready,
    step,
    table_of,
)
from tests.support.scenario_strategies import examples


def ask(car: Any, action: float, levels_kw: Any = NO_LEVELS, plugged: int = 1) -> Any:
    """The record of a car after an action."""
    vehicle = ready([car])
    vehicle["plugged"] = plugged
    vehicle["current_a"] = vehicle["asked_a"] = vehicle["offered_kw"] = -1.0
    charger.ask(vehicle[0], car, levels_kw, 0, action)
    return vehicle[0]


# --- from an action to a current ---


@pytest.mark.parametrize("max_a", [6, 7, 10, 13, 16, 20, 25, 32, 48, 63, 80])
def test_an_action_of_k_parts_gives_k_amperes(max_a: int) -> None:
    """Every k of every maximum, from float32, and a hundredth of an ampere less gives k - 1."""
    car = table_of(Vehicle(ac_max_kw=50.0, phases=1), max_a, phases=1)
    assert car["max_current_a"] == max_a
    assert ask(car, 0.0)["asked_a"] == 0
    for k in range(1, max_a + 1):
        for action in (np.float32(k / max_a), np.float32(k) / np.float32(max_a)):
            vehicle = ask(car, float(action))
            current_a = k if k >= 6 else 0
            assert vehicle["asked_a"] == vehicle["current_a"] == current_a
            assert vehicle["offered_kw"] == min(0.23 * current_a, car["max_kw"])
        below_a = k - 1 if k > 6 else 0
        assert ask(car, float(np.float32((k - 0.01) / max_a)))["asked_a"] == below_a


def test_k_parts_give_k_for_every_maximum() -> None:
    """All 3,240 fractions of maxima up to 80 A, with the rule itself: floor(a * max + 1e-3)."""
    car = as_records(table_of(Vehicle(ac_max_kw=50.0, phases=1), 80, phases=1).copy().reshape(1))
    for max_a in range(6, 81):
        car["max_current_a"] = max_a
        for k in range(6, max_a + 1):
            assert ask(car[0], float(np.float32(k / max_a)))["asked_a"] == k


def test_power_of_an_ampere_and_of_the_nameplate() -> None:
    """16 A on three phases are 11.04 kW, of which the car takes its 11.0; 6 A are 4.14 kW."""
    car = table_of(Vehicle(), 16)
    assert ask(car, 1.0)["asked_a"] == 16
    assert ask(car, 1.0)["offered_kw"] == 11.0
    assert ask(car, 6 / 16)["offered_kw"] == pytest.approx(4.14, abs=1e-12)
    assert ask(car, 5.9 / 16)["offered_kw"] == 0.0


@pytest.mark.parametrize("levels_kw", [NO_LEVELS, np.array([0.0, 7.4])])
def test_a_car_that_is_away_asks_for_nothing(levels_kw: Any) -> None:
    """Neither current nor power, even with the largest action."""
    vehicle = ask(table_of(Vehicle()), 1.0, levels_kw, plugged=0)
    assert [vehicle[name] for name in ("asked_a", "current_a", "offered_kw")] == [0.0, 0.0, 0.0]


def test_an_action_below_zero_asks_for_discharging() -> None:
    """The same whole amperes, none below 6 A; 16 A of 0.69 kW are cut to the car's 11 kW."""
    car = table_of(Vehicle(), 16)
    for k in range(17):
        vehicle, mirrored = (
            ask(car, float(np.float32(-k / 16))),
            ask(car, k / 16),
        )
        assert vehicle["asked_a"] == vehicle["current_a"] == (-k if k >= 6 else 0)
        assert vehicle["offered_kw"] == -mirrored["offered_kw"]
    assert ask(car, -1.0)["offered_kw"] == -11.0
    assert ask(car, -5.9 / 16)["asked_a"] == 0.0
    for nothing in (-0.0, -0.3):  # and not minus zero, whose bytes are others
        vehicle = ask(car, nothing)
        for name in ("asked_a", "current_a", "offered_kw"):
            assert math.copysign(1.0, vehicle[name]) == 1.0
    assert ask(car, -1.0, plugged=0)["asked_a"] == 0.0
    assert ask(classic_car(), -1.0, np.array([0.0, 7.4]))["offered_kw"] == 0.0


def test_levels_switch_in_the_middle() -> None:
    """On from action 0.5, the float below is off; of three levels the nearest, up at a tie."""
    car = classic_car()
    on_off, three = np.array([0.0, 7.4]), np.array([0.0, 3.7, 7.4])
    below = float(np.nextafter(np.float32(0.5), np.float32(0)))
    for action, power_kw in ((0.0, 0.0), (below, 0.0), (0.5, 7.4), (1.0, 7.4)):
        assert ask(car, action, on_off)["offered_kw"] == power_kw
    for action, power_kw in ((0.2, 0.0), (0.25, 3.7), (0.74, 3.7), (0.75, 7.4), (1.0, 7.4)):
        assert ask(car, action, three)["offered_kw"] == power_kw
    # 7.4 kW are 10.72 A on the three phases that the preset's car uses by default.
    assert ask(car, 1.0, on_off)["current_a"] == pytest.approx(7.4 / 0.69, abs=1e-12)


def test_limits_of_all_cars_at_four_chargers(measured_folder: Path) -> None:
    """Against Open EV Data's columns, within 0.1 kW.

    The file rounds to 0.1 kW, and calls 3.68 kW (16 A of 230 V) 3.7 and 7.36 kW 7.4; where a car's
    three-phase nameplate is above 11.04 kW it gives 11.1.
    """
    path = measured_folder / "ev_models_openevdata_2022.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 31
    for row in rows:
        name = " ".join(row[part] for part in ("brand", "model", "variant") if row[part])
        car = Vehicle.model(name)
        assert car.battery_kwh == float(row["usable_battery_kwh"])
        assert car.kwh_per_100km == float(row["consumption_kwh_per_100km"])
        for phases in (1, 3):
            for max_a in (16, 32):
                limits = at_charger(car, Charger(phases=phases, max_current_a=max_a))
                published_kw = float(row[f"ac_kw_at_{phases}ph_{max_a}a"])
                assert limits.max_kw == pytest.approx(published_kw, abs=0.1), (name, phases, max_a)
                assert limits.max_current_a <= max_a


def test_limits_of_a_car_by_hand() -> None:
    """Phases that both have, the least whole current that reaches the nameplate, at most 16 A."""
    two_phases = Vehicle(phases=2, ac_max_kw=7.2)  # 2 * 230 V * 16 A = 7.36 kW
    assert at_charger(two_phases, Charger(max_current_a=32)) == (2, 16, 0.46, 7.2, 0)
    assert at_charger(two_phases, Charger(phases=1)) == (1, 16, 0.23, 3.68, 0)
    assert at_charger(two_phases, Charger(phases=1, max_current_a=32)) == (1, 31, 0.23, 7.13, 0)
    levels = Charger(levels_kw=(0.0, 7.4))
    assert at_charger(Vehicle(), levels).max_kw == 7.4
    assert at_charger(two_phases, levels).max_kw == 7.2
    with pytest.raises(ScenarioError, match="takes 5 A on 3 phases"):
        at_charger(Vehicle(phases=3, ac_max_kw=3.4), Charger())


# --- one phase and three ---

SWITCHING = Charger(max_current_a=32, phase_switching=True)
LARGE = Vehicle(ac_max_kw=22.0)
LARGE_TABLES = cars_at(LARGE, charger=SWITCHING)


def amperes(vehicle: Any, action: float, now_min: int = 0, car: Any = None) -> tuple[int, float]:
    """Phases and current after one more action."""
    car = LARGE_TABLES.cars[0] if car is None else car
    charger.ask(vehicle, car, NO_LEVELS, now_min, action)
    return int(vehicle["phases"]), float(vehicle["asked_a"])


def on_one_phase(car: Any) -> Any:
    """A car that charges with 6 A on one phase, its switch to it no longer held."""
    vehicle = ready([car])[0]
    assert amperes(vehicle, float(np.float32(2 / car["max_current_a"])), 0, car) == (1, 6.0)
    vehicle["held_until_min"] = 0
    return vehicle


def test_range_of_one_phase_and_three() -> None:
    """1.4 to 7.4 kW on one phase, 4.1 to 11 kW on three, 22 kW with 32 A and such a car.

    Upwards one phase carries all up to its 32 A (10.67 A on three), then three take over;
    downwards three keep all from their 6 A on.
    """
    for car_kw, most_a in ((22.0, 32), (11.0, 16)):
        car = cars_at(Vehicle(ac_max_kw=car_kw), charger=SWITCHING).cars[0]
        assert (car["max_current_a"], car["one_phase_a"]) == (most_a, 32)
        up, powers_kw = on_one_phase(car), []
        for thirds in range(6, 33):
            assert amperes(up, float(np.float32(thirds / 3 / most_a)), 0, car) == (1, thirds)
            powers_kw.append(round(float(up["offered_kw"]), 2))
        assert (powers_kw[0], powers_kw[-1]) == (1.38, 7.36)
        up["held_until_min"], powers_kw = 0, []
        for k in range(most_a, 5, -1):
            assert amperes(up, float(np.float32(k / most_a)), 0, car) == (3, k)
            powers_kw.append(round(float(up["offered_kw"]), 2))
        assert (powers_kw[-1], powers_kw[0]) == (4.14, car_kw)


def test_where_phases_change() -> None:
    """32 A on one phase: three from 33 thirds on; one below 6 A; less than 6 A on one is nothing.

    The car of 16 A on one phase goes to three at their 6 A, for it cannot carry 18 A.
    """
    up = on_one_phase(LARGE_TABLES.cars[0])
    assert amperes(up, 32 / 96) == (1, 32.0)
    assert amperes(up, 33 / 96) == (3, 11.0)
    down = ready(LARGE_TABLES.cars)[0]
    assert amperes(down, 18 / 96) == (3, 6.0)
    assert amperes(down, 17 / 96) == (1, 17.0)
    low = ready(LARGE_TABLES.cars)[0]
    assert amperes(low, 5.9 / 96) == (3, 0.0)  # no switch for what neither can carry
    assert amperes(low, 0.0) == (3, 0.0)
    assert amperes(low, 6 / 96) == (1, 6.0)
    small = cars_at(Vehicle(), charger=Charger(phase_switching=True)).cars[0]
    assert small["one_phase_a"] == 16
    narrow = on_one_phase(small)
    assert amperes(narrow, 16 / 48, 0, small) == (1, 16.0)
    assert amperes(narrow, 17 / 48, 0, small) == (1, 16.0)
    assert amperes(narrow, 18 / 48, 0, small) == (3, 6.0)


def test_discharging_changes_phases_alike() -> None:
    """Currents and switches are those of charging, with the sign of the action."""
    vehicle = ready(LARGE_TABLES.cars)[0]
    assert amperes(vehicle, -17 / 96) == (1, -17.0)
    assert vehicle["offered_kw"] == pytest.approx(-17 * 0.23)
    vehicle["held_until_min"] = 0
    assert amperes(vehicle, -32 / 96) == (1, -32.0)
    assert amperes(vehicle, -1.0) == (3, -32.0)
    assert vehicle["offered_kw"] == -22.0


TWO_PHASES = Vehicle(phases=2, ac_max_kw=7.2, one_phase_max_a=20)  # 16 A on two phases


def test_a_car_of_two_phases_switches_as_one_of_three() -> None:
    """2.76 kW are 6 A on two phases; below, one phase carries 6 to 11 A, 1.38 to 2.53 kW.

    Two amperes on one phase are one on two. Upwards one phase carries all up to its 20 A, 10 on
    two, then two take over; downwards two keep all from their 6 A on.
    """
    car = cars_at(TWO_PHASES, charger=SWITCHING).cars[0]
    assert at_charger(TWO_PHASES, SWITCHING) == (2, 16, 0.46, 7.2, 20)
    down = ready([car])[0]
    for asked_a, phases, current_a, power_kw in (
        (16.0, 2, 16.0, 7.2),  # of 7.36 kW what the car takes
        (6.0, 2, 6.0, 2.76),
        (5.5, 1, 11.0, 2.53),
        (3.0, 1, 6.0, 1.38),
        (2.9, 1, 0.0, 0.0),
        (10.0, 1, 20.0, 4.6),
        (10.5, 2, 10.0, 4.6),
    ):
        down["held_until_min"] = 0
        assert amperes(down, asked_a / 16, 0, car) == (phases, current_a)
        assert down["offered_kw"] == pytest.approx(power_kw, abs=1e-12)
    back = ready([car])[0]
    assert amperes(back, -5.5 / 16, 0, car) == (1, -11.0)


def test_other_cars_never_switch() -> None:
    """Without a charger that switches, or on one phase: nothing below 6 A."""
    for vehicle, at in (
        (LARGE, Charger(max_current_a=32)),
        (Vehicle(phases=2, ac_max_kw=7.2), Charger(max_current_a=32)),
        (Vehicle(phases=1, ac_max_kw=7.4), SWITCHING),
    ):
        tables = cars_at(vehicle, charger=at)
        record = ready(tables.cars)[0]
        assert tables.cars[0]["one_phase_a"] == 0
        assert amperes(record, 5 / 32, 0, tables.cars[0]) == (vehicle.phases, 0.0)


# --- what a switch costs, and how seldom it comes ---


def steps_of(actions: list[float], step_min: int, at: Charger) -> list[Step]:
    """Quarter-hours or other steps of the 22 kW car with these actions."""
    tables = cars_at(LARGE, charger=at, household=Household(fuse_a=63.0), time_step_min=step_min)
    vehicles = ready(tables.cars)
    return [
        step(vehicles, tables, [action], now_min=k * step_min) for k, action in enumerate(actions)
    ]


def test_a_switch_costs_its_pause() -> None:
    """From 22 kW to 17 A on one phase (3.91 kW): 14 of 15 minutes, a mean of 3.6493 kW.

    Without a current before there is nothing to interrupt.
    """
    down = 17 / 96
    first, second, third = steps_of([1.0, down, down], 15, SWITCHING)
    assert first.charged_kw == 22.0
    assert second.vehicle_results["phases"][0] == 1
    assert second.charged_kw == pytest.approx(3.91 * 14 / 15, abs=1e-12)
    assert third.charged_kw == pytest.approx(3.91, abs=1e-12)
    rested = steps_of([0.0, down], 15, SWITCHING)[1]
    assert rested.charged_kw == pytest.approx(3.91, abs=1e-12)
    assert rested.vehicle_results["phases"][0] == 1


@pytest.mark.parametrize("step_min", [1, 5, 15, 30, 60])
def test_a_pause_does_not_depend_on_the_step(step_min: int) -> None:
    """Of two hours at 3.91 kW a pause of 20 minutes takes 1.3033 kWh, however long the steps."""
    at = replace(SWITCHING, switch_pause_min=20.0)
    taken = steps_of([1.0] + [17 / 96] * (120 // step_min), step_min, at)[1:]
    drawn_kwh = sum(one.charged_kw for one in taken) * step_min / 60
    assert drawn_kwh == pytest.approx(3.91 * 100 / 60, abs=1e-9)


def test_a_switch_is_kept() -> None:
    """For 30 minutes one phase gives what it can, 32 A; three give nothing below 6 A."""
    risen = steps_of([17 / 96, 1.0, 1.0, 1.0], 15, SWITCHING)
    assert [int(one.vehicle_results["phases"][0]) for one in risen] == [1, 1, 3, 3]
    taken = steps_of([17 / 96, 1.0, 1.0, 17 / 96, 17 / 96], 15, SWITCHING)
    currents = [float(one.vehicle_results["current_a"][0]) for one in taken]
    assert currents == [17.0, 32.0, 32.0, 0.0, 17.0]


@pytest.mark.parametrize(("one_phase_max_a", "switches"), [(32, 1), (16, 7)])
def test_a_request_around_6_a_does_not_chatter(one_phase_max_a: int, switches: int) -> None:
    """4.0 and 4.3 kW by turns, every 5 minutes for 4 hours, a switch being kept for 30.

    With 32 A on one phase both are served there, so it switches once. With 16 A one phase cannot
    carry 4.3 kW: it switches when the 30 minutes are over and not before.
    """
    tables = cars_at(
        replace(LARGE, one_phase_max_a=one_phase_max_a), charger=SWITCHING, time_step_min=5
    )
    vehicles, phases = ready(tables.cars), []
    for k in range(48):
        action = (4.0 if k % 2 == 0 else 4.3) / 0.69 / 32
        phases.append(
            int(step(vehicles, tables, [action], now_min=5 * k).vehicle_results["phases"][0])
        )
    changes = np.flatnonzero(np.diff([3, *phases]))
    assert len(changes) == switches
    assert np.all(np.diff(changes) * 5 >= 30)


@settings(max_examples=examples(60))
@given(st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=40), st.integers(0, 60))
def test_switches_are_seldom_and_needed(actions: list[float], hold_min: int) -> None:
    """Never sooner than the hold time, never for a request of nothing, and always a need for it."""
    tables = cars_at(
        LARGE,
        charger=replace(SWITCHING, switch_hold_min=hold_min, bidirectional=True),
        time_step_min=5,
    )
    vehicles, before, last_min = ready(tables.cars), 3, -NEVER_MIN
    for k, action in enumerate(actions):
        wanted_a = abs(float(np.float32(action))) * 32
        charger.ask(vehicles[0], tables.cars[0], NO_LEVELS, 5 * k, float(np.float32(action)))
        phases, current_a = int(vehicles["phases"][0]), abs(float(vehicles["current_a"][0]))
        if phases != before:
            assert 5 * k - last_min >= hold_min
            assert current_a >= 6
            assert wanted_a < 6 if phases == 1 else wanted_a > 32 / 3
            last_min = 5 * k
        assert current_a == 0 or 6 <= current_a <= 32
        assert current_a * phases <= 3 * wanted_a + 3 * 1e-3
        before = phases
