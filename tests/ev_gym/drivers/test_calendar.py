"""Who is at home and at a charger, what the calendar settles, and cars with habits of their own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ev_gym.drivers import calendar, draws, habits
from ev_gym.physics import trip
from ev_gym.runtime import counter_random
from ev_gym.runtime.compiling import as_records
from ev_gym.runtime.durations import DAY_MIN
from ev_gym.scenario import Charger, Driving, Scenario, Vehicle
from ev_gym.simulation.state_fields import STEP_DTYPE, VEHICLE_DTYPE, VEHICLE_STEP_DTYPE
from ev_gym.world.parameter_records import SETTINGS_DTYPE, car_records, settings_record

COMMUTER = Driving(pattern="daily", arrival_h=17.0, departure_h=7.0, trip_km=50.0)
SHIFTS = Driving(pattern="daily", arrival_h=8.0, departure_h=20.0, trip_kwh=9.0)


def hours_of(temperature_c: Any) -> Any:
    """A week of temperatures."""
    hours = np.zeros(168, [("temperature_c", "f4"), ("offset_min", "i2"), ("weekend", "i1")])
    hours["temperature_c"] = temperature_c
    hours["weekend"] = np.arange(168) >= 5 * 24
    return as_records(hours)


MILD = hours_of(20.0)


def household(*cars: Vehicle, chargers: int | None = None, **changes: Any) -> tuple[Any, Any, Any]:
    """Settings, car records and empty vehicles of a household."""
    scenario = Scenario(vehicles=cars, charger=Charger(count=chargers), **changes)
    vehicles = as_records(np.zeros(len(cars), VEHICLE_DTYPE))
    vehicles["key"] = np.arange(len(cars))
    settings = as_records(settings_record(scenario, 168 * 60, 60, 60, 60))
    return settings[0], as_records(car_records(scenario)), vehicles


def pass_all(settings: Any, cars: Any, vehicles: Any, until_min: int, hours: Any = MILD) -> Any:
    """Let cars come and go up to a minute, as a step does; the results of the step and the cars."""
    result = as_records(np.zeros(1, STEP_DTYPE))
    vehicle_results = as_records(np.zeros(len(cars), VEHICLE_STEP_DTYPE))
    table = habits.habits_table()
    for k in range(len(cars)):
        calendar.pass_calendar(
            vehicles[k],
            cars[k],
            settings,
            table,
            hours,
            until_min,
            result[0],
            vehicle_results[k],
        )
    calendar.plug_in(vehicles, settings)
    return result[0], vehicle_results


# Minutes at home and away in turns, for each car.
LIVES = st.lists(st.lists(st.integers(1, 12), min_size=2, max_size=12), min_size=1, max_size=8)


def queue(lives: list[list[int]], chargers: int) -> list[tuple[list[Any], list[int]]]:
    """The queue itself: every minute's (home, arrival) of each car, and who holds a charger."""
    holding: list[int] = []
    waiting: list[int] = []
    stays = []
    for life in lives:
        edges = np.cumsum(life).tolist()
        stays.append(list(zip(edges[0::2], edges[1::2], strict=False)))
    seen = []
    for minute in range(80):
        for k, own in enumerate(stays):
            if any(left == minute for _, left in own):
                (holding if k in holding else waiting).remove(k)
        waiting += [k for k, own in enumerate(stays) if any(came == minute for came, _ in own)]
        while waiting and len(holding) < chargers:
            holding.append(waiting.pop(0))
        states: list[Any] = []
        for own in stays:
            now = [came for came, left in own if came <= minute < left]
            coming = [came for came, _ in own if came > minute]
            states.append((1, now[0]) if now else (0, min(coming, default=10_000)))
        seen.append((states, sorted(holding)))
    return seen


@given(LIVES, st.integers(1, 8))
def test_chargers_go_to_who_waits_longest(lives: list[list[int]], chargers: int) -> None:
    """A queue played minute by minute has the same cars at the chargers."""
    settings = as_records(np.zeros(1, SETTINGS_DTYPE))[0]
    settings["chargers"] = chargers
    vehicles = as_records(np.zeros(len(lives), VEHICLE_DTYPE))
    vehicles["plugged"] = 1  # whatever was before
    for states, holding in queue(lives, chargers):
        for k, (home, arrival_min) in enumerate(states):
            vehicles["home"][k], vehicles["arrival_min"][k] = home, arrival_min
        calendar.plug_in(vehicles, settings)
        assert np.flatnonzero(vehicles["plugged"]).tolist() == holding


def test_as_many_chargers_as_cars_plug_in_who_is_home() -> None:
    """Whether the scenario says how many chargers there are or leaves it open."""
    for count in (None, 3):
        settings, _, vehicles = household(Vehicle(), Vehicle(), Vehicle(), chargers=count)
        vehicles["home"] = [1, 0, 1]
        calendar.plug_in(vehicles, settings)
        assert vehicles["plugged"].tolist() == [1, 0, 1]


def test_a_charger_is_handed_over_at_home() -> None:
    """One charger: the one that comes first holds it, full or not, until it leaves.

    The other waits, may leave without having charged, and buys what it is missing.
    """
    late = Driving(pattern="daily", arrival_h=18.0, departure_h=6.0, trip_km=0.0, start_soc=0.3)
    settings, cars, vehicles = household(
        Vehicle(driving=COMMUTER), Vehicle(driving=late, wanted_soc=0.5), chargers=1
    )
    for vehicle, car in zip(vehicles, cars, strict=True):
        calendar.begin_daily(vehicle, car, MILD, 19 * 60)
    calendar.plug_in(vehicles, settings)
    assert vehicles["plugged"].tolist() == [1, 0]
    assert [calendar.next_event_min(vehicle) for vehicle in vehicles] == [31 * 60, 30 * 60]
    result, vehicle_results = pass_all(settings, cars, vehicles, 30 * 60)
    assert vehicles["home"].tolist() == vehicles["plugged"].tolist() == [1, 0]
    assert result["missing_kwh"] == pytest.approx(0.2 * 58.0, abs=1e-12)
    assert vehicle_results["topup_kwh"].tolist() == pytest.approx([0.0, 11.6], abs=1e-12)
    pass_all(settings, cars, vehicles, 31 * 60)
    assert vehicles["plugged"].tolist() == [0, 0]
    for until_h, plugged in ((40, [0, 0]), (41, [1, 0]), (42, [1, 0]), (54, [1, 0]), (55, [0, 0])):
        pass_all(settings, cars, vehicles, until_h * 60)
        assert vehicles["plugged"].tolist() == plugged, until_h


def test_a_freed_charger_goes_on_at_once() -> None:
    """The shift worker leaves at 20:00; who has waited since 17:00 is plugged in then."""
    settings, cars, vehicles = household(
        Vehicle(driving=COMMUTER), Vehicle(driving=SHIFTS), chargers=1
    )
    for vehicle, car in zip(vehicles, cars, strict=True):
        calendar.begin_daily(vehicle, car, MILD, 18 * 60)
    calendar.plug_in(vehicles, settings)
    assert vehicles["plugged"].tolist() == [0, 1]
    pass_all(settings, cars, vehicles, 20 * 60)
    assert vehicles["plugged"].tolist() == [1, 0]


def test_daily_trips_cost_what_distance_and_cold_say() -> None:
    """50 km with 0.2 kWh/km, out at 07:00 and back at 17:00: 10 kWh at 20 deg C.

    Colder at 07:00 only: half of it, times the factor.
    """
    cold = np.full(168, 20.0)
    cold[7::24] = -10.0
    car = Vehicle(driving=COMMUTER, kwh_per_100km=20.0, wanted_soc=0.8)
    settings, cars, vehicles = household(car)
    vehicle, car = vehicles[0], cars[0]
    expected_kwh = 5.0 + 5.0 * trip.factor(-10.0)
    for start_h in (3, 12, 20):  # at home, away, at home
        calendar.begin_daily(vehicle, car, hours_of(cold), start_h * 60)
        assert vehicle["home"] == (start_h != 12)
        assert vehicle["trip_kwh"] == pytest.approx(expected_kwh, rel=1e-12)
    calendar.begin_daily(vehicle, car, hours_of(cold), 3 * 60)
    vehicle["trip_kwh"] = math.nan
    pass_all(settings, cars, vehicles, 7 * 60, hours_of(cold))
    assert vehicle["trip_kwh"] == pytest.approx(expected_kwh, rel=1e-12)
    assert vehicle["energy_kwh"] == pytest.approx(0.8 * 58.0, rel=1e-12)
    _, vehicle_results = pass_all(settings, cars, vehicles, 17 * 60, hours_of(cold))
    assert vehicle_results["trip_kwh"][0] == vehicle["trip_kwh"]
    assert vehicle["energy_kwh"] == pytest.approx(0.8 * 58.0 - expected_kwh, rel=1e-12)


def test_a_given_energy_knows_no_weather() -> None:
    """A trip given as `trip_kwh` takes just that, also in the cold."""
    settings, cars, vehicles = household(Vehicle(driving=SHIFTS))
    calendar.begin_daily(vehicles[0], cars[0], hours_of(-20.0), 600)
    assert vehicles["trip_kwh"][0] == 9.0
    vehicles["trip_kwh"][0] = math.nan
    pass_all(settings, cars, vehicles, 20 * 60)
    assert vehicles["trip_kwh"][0] == 9.0


def test_a_daily_driver_wants_the_coming_days_trips() -> None:
    """So many times 50 km as the cold at plug-in says, the margin and 10 %, in whole 5 %.

    At noon the car is away, with what was wanted by the temperature of the day before.
    """
    frost = np.full(168, 20.0)
    frost[24:] = -10.0  # from the second day on
    car = Vehicle(driving=COMMUTER, kwh_per_100km=20.0)
    settings, cars, vehicles = household(car)
    wanted = set()
    for seed in range(30):
        vehicles["key"] = counter_random.stream_key(np.uint64(seed), 5)
        calendar.begin_daily(vehicles[0], cars[0], hours_of(frost), (24 + 12) * 60)
        days, margin_soc = int(vehicles["days_ahead"][0]), float(vehicles["margin_soc"][0])
        mild, cold = (
            min(1.0, math.ceil(20 * (0.1 + margin_soc + days * 10.0 * factor / 58.0)) / 20)
            for factor in (1.0, trip.factor(-10.0))
        )
        assert vehicles["energy_kwh"][0] == pytest.approx(mild * 58.0, rel=1e-12)
        assert vehicles["wanted_soc"][0] == pytest.approx(cold, rel=1e-12)
        pass_all(settings, cars, vehicles, (2 * 24 + 7) * 60, hours_of(frost))
        left_kwh = vehicles["energy_kwh"][0]
        assert left_kwh == pytest.approx(cold * 58.0, rel=1e-12)
        wanted.add((mild, cold))
    assert len(wanted) > 5


@pytest.mark.parametrize(("lacks_kwh", "stops"), [(0.0, 0), (0.99, 0), (1.01, 1), (30.0, 1)])
def test_a_stop_is_counted_where_more_than_a_kwh_is_bought(lacks_kwh: float, stops: int) -> None:
    """At the departure for what is missing, and on the way for what the trip needs beyond."""
    trip = Driving(pattern="daily", arrival_h=17.0, departure_h=7.0, trip_kwh=40.6 + lacks_kwh)
    settings, cars, vehicles = household(Vehicle(driving=trip, wanted_soc=0.8))
    calendar.begin_daily(vehicles[0], cars[0], MILD, 3 * 60)
    vehicles["energy_kwh"] = 0.8 * 58.0 - lacks_kwh
    left, _ = pass_all(settings, cars, vehicles, 7 * 60)
    assert left["missing_kwh"] == pytest.approx(lacks_kwh, abs=1e-9)
    assert (left["missing_stops"], left["public_stops"]) == (stops, 0)
    back, _ = pass_all(settings, cars, vehicles, 17 * 60)  # 40.6 kWh are from 80 to 10 %
    assert back["public_kwh"] == pytest.approx(lacks_kwh, abs=1e-9)
    assert (back["missing_stops"], back["public_stops"]) == (0, stops)


def test_jumps_of_the_charge_wear_the_battery() -> None:
    """A top-up from 50 to 80 %, and a trip down to the 10 % that the road leaves."""
    far = Driving(pattern="daily", arrival_h=17.0, departure_h=7.0, trip_kwh=60.0)
    car = Vehicle(driving=far, wanted_soc=0.8)
    unaged = Vehicle(driving=far, wanted_soc=0.8, chemistry=None)
    settings, cars, vehicles = household(car, unaged)
    for k in range(2):
        calendar.begin_daily(vehicles[k], cars[k], MILD, 3 * 60)
        vehicles["soc_low"][k] = vehicles["soc_high"][k] = 0.5
    pass_all(settings, cars, vehicles, 7 * 60)
    assert vehicles["swing"].tolist() == pytest.approx([0.3, 0.0], abs=1e-12)
    assert vehicles["rise"].tolist() == pytest.approx([0.3, 0.0], abs=1e-12)
    result, _ = pass_all(settings, cars, vehicles, 17 * 60)
    assert result["public_kwh"] == pytest.approx(2 * (60.0 - 0.7 * 58.0), abs=1e-9)
    assert vehicles["swing"].tolist() == pytest.approx([1.0, 0.0], abs=1e-12)
    assert vehicles["rise"].tolist() == pytest.approx([0.3, 0.0], abs=1e-12)
    assert vehicles["soc_low"].tolist() == pytest.approx([0.1, 0.5], abs=1e-12)
    assert vehicles["soc_high"].tolist() == pytest.approx([0.8, 0.5], abs=1e-12)


def test_cars_of_one_household_have_their_own_habits() -> None:
    """Routines of its own shares, or a daily pattern of its own, beside the scenario's driving."""
    settings, cars, vehicles = household(
        Vehicle(),
        Vehicle(driving=Driving(routine_shares=(0.0, 1.0, 0.0))),
        Vehicle(driving=SHIFTS),
        driving=Driving(routine_shares=(0.0, 0.0, 1.0)),
    )
    assert cars["daily"].tolist() == [0, 0, 1]
    table = habits.habits_table()
    for seed in range(20):
        vehicles["key"] = counter_random.stream_key(np.uint64(seed), 5)
        for k in range(2):
            draws.begin_vehicle(vehicles[k], cars[k], table, MILD, 600)
        calendar.begin_daily(vehicles[2], cars[2], MILD, 600)
        assert vehicles["routine"].tolist()[:2] == [2, 1]
        assert vehicles["arrival_min"][2] == 8 * 60
        pass_all(settings, cars, vehicles, 600 + 9 * DAY_MIN)
        assert vehicles["session"][2] in (9, 10)
        assert vehicles["session"].min() >= 1
