"""Driving as it is drawn: order, caps, places in the stream, and the state at a start."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from ev_gym.drivers import draws, habits
from ev_gym.runtime import counter_random
from ev_gym.runtime.compiling import INTERPRETED, as_records, compiled
from tests.support.repository import ROOT

OWN_FIELDS = [
    ("key", "u8"),
    ("session", "i8"),
    ("home", "i1"),
    ("energy_kwh", "f8"),
    ("arrival_min", "i8"),
    ("departure_min", "i8"),
    ("wanted_soc", "f8"),
    ("trip_kwh", "f8"),
]
VEHICLE = np.dtype(OWN_FIELDS + [(name, kind) for name, kind, _, _ in habits.DRIVER_FIELDS])
CAR_FIELDS = ("battery_kwh", "battery_kw", "wanted_soc", "min_soc", "limit_soc", "kwh_per_km")
SHARES = ("commuter_share", "shift_share", "home_share")
CAR = np.dtype([(name, "f8") for name in CAR_FIELDS + SHARES])
YEAR_H = 52 * 168
WEEK_MIN = 7 * 1440
MANY = 500 if INTERPRETED else 20_000


def offsets(summer: bool = True) -> np.ndarray[Any, Any]:
    """A year of hours that begins in winter, with 30 weeks of summer time or without."""
    offset_min = np.zeros(YEAR_H, np.int64)
    if summer:
        offset_min[12 * 168 + 146 : 42 * 168 + 146] = 60
    return offset_min


def measured_shares() -> np.ndarray[Any, Any]:
    """The measured shares of the routines."""
    return habits.habits_table()[habits.SHARES, :3].copy()


def one_car(shares: Any = None) -> np.ndarray[Any, Any]:
    """A car of 60 kWh that charges at 10 kW from 10 % to 80 % and takes 17 kWh per 100 km."""
    shares = measured_shares() if shares is None else shares
    return as_records(np.array([(60.0, 10.0, 0.8, 0.1, 1.0, 0.17, *shares)], CAR))


def outdoors(temperature_c: Any = 20.0) -> np.ndarray[Any, Any]:
    """Temperatures of the year's hours."""
    hours = np.zeros(YEAR_H, [("temperature_c", "f4")])
    hours["temperature_c"] = temperature_c
    return as_records(hours)


def year() -> np.ndarray[Any, Any]:
    """A cold and a warm half, and cold nights."""
    hour = np.arange(YEAR_H)
    season, day = np.cos(2 * np.pi * hour / YEAR_H), np.cos(2 * np.pi * hour / 24)
    return outdoors(8.0 - 14.0 * season - 6.0 * day)


def mean_factor(left: Any, arrival: Any) -> Any:
    """Mean of the factors for the temperature in the hours of leaving and returning, in `year`."""
    fahrenheit = 32.0 + 1.8 * year()["temperature_c"].astype(float)
    leaf = [-2.0659e-10, 5.2918e-8, -3.9249e-6, 9.1978e-5, -0.0022, 0.3950]
    factor = np.polyval(leaf, fahrenheit) / np.polyval(leaf, 68.0)
    out, back = (factor[(minute // 60).astype(int) % YEAR_H] for minute in (left, arrival))
    return (out + back) / 2


def km_per_kwh() -> float:
    """Distance (km) that a measured kWh at the wall stands for."""
    return float(habits.habits_table()[habits.DISTANCE, 0])


@compiled
def begin_all(
    vehicles: Any, cars: Any, habits: Any, hours: Any, offset_min: Any, start: Any, seed: Any
) -> None:
    """Begin every vehicle, each with its own stream."""
    for i in range(len(vehicles)):
        vehicle = vehicles[i]
        vehicle.key = counter_random.stream_key(seed, i)
        draws.begin_vehicle(vehicle, cars[0], habits, hours, offset_min, start)


@compiled
def charge_all(vehicles: Any, cars: Any, now_min: Any) -> None:
    """Charge every vehicle that is at home since it came."""
    for i in range(len(vehicles)):
        if vehicles[i].home != 0:
            draws.charge_at_once(vehicles[i], cars[0], now_min)


@compiled
def live(vehicles: Any, cars: Any, habits: Any, hours: Any, offset_min: Any, seen: Any) -> None:
    """Draw as many sessions of each vehicle as `seen` (vehicles, sessions, 4 or 5) has rows."""
    for i in range(len(vehicles)):
        vehicle = vehicles[i]
        for j in range(seen.shape[1]):
            left_min = vehicle.departure_min
            seen[i, j, 0] = left_min
            draws.draw_session(vehicle, cars[0], habits, hours, offset_min, left_min)
            seen[i, j, 1] = vehicle.arrival_min
            seen[i, j, 2] = vehicle.departure_min
            seen[i, j, 3] = vehicle.trip_kwh
            if seen.shape[2] > 4:
                seen[i, j, 4] = vehicle.wanted_soc


@compiled
def live_until(
    vehicles: Any, cars: Any, habits: Any, hours: Any, offset_min: Any, until: Any
) -> None:
    """Draw sessions of each vehicle up to the one that ends after a minute."""
    for i in range(len(vehicles)):
        vehicle = vehicles[i]
        while vehicle.departure_min <= until:
            left_min = vehicle.departure_min
            draws.draw_session(vehicle, cars[0], habits, hours, offset_min, left_min)


def begun(count: int, start: int, seed: int = 1, summer: bool = True) -> np.ndarray[Any, Any]:
    """So many vehicles, begun at a minute."""
    vehicles = as_records(np.zeros(count, VEHICLE))
    table = habits.habits_table()
    begin_all(vehicles, one_car(), table, year(), offsets(summer), start, np.uint64(seed))
    return vehicles


def draw_sessions(count: int, sessions: int, start: int = 0) -> tuple[np.ndarray[Any, Any], Any]:
    """Vehicles and their sessions: left, arrival, departure (minutes), trip (kWh)."""
    vehicles = begun(count, start)
    seen = np.zeros((count, sessions, 4))
    live(vehicles, one_car(), habits.habits_table(), year(), offsets(), seen)
    return vehicles, seen


def session_bytes() -> bytes:
    """Some sessions, down to the bit; another process in the other mode runs this too."""
    vehicles, seen = draw_sessions(12, 25, start=30 * WEEK_MIN + 777)
    return bytes(vehicles.tobytes() + seen.tobytes())


def test_compiled_and_interpreted_draw_the_same() -> None:
    """Another process, in the other mode, draws the same sessions to the last bit."""
    code = (
        f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}\n"
        "import tests.ev_gym.drivers.test_draws as t; sys.stdout.buffer.write(t.session_bytes())"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "0" if INTERPRETED else "1"}
    other = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True
    )
    assert other.stdout == session_bytes()


def test_order_and_caps_hold_whatever_the_clock() -> None:
    """Stays and times away last 30 minutes to 7 days, across clock changes and the year's end."""
    _, seen = draw_sessions(MANY // 50, 400, start=-3 * WEEK_MIN)
    left, arrival, departure, trip = np.moveaxis(seen, 2, 0)
    assert departure.max() > 52 * WEEK_MIN
    for minutes in (arrival - left, departure - arrival):
        assert minutes.min() >= 30
        assert minutes.max() <= WEEK_MIN
        assert np.array_equal(minutes, np.round(minutes))
    assert np.array_equal(left[:, 1:], departure[:, :-1])
    assert trip.min() > 0
    most_kwh = 0.17 * km_per_kwh() * 7.4 * (departure - arrival) / 60
    assert np.all(trip <= most_kwh * mean_factor(left, arrival) * (1 + 1e-9))
    assert np.any(trip > most_kwh * (mean_factor(left, arrival) - 1e-3))


def test_the_same_trips_cost_more_in_the_cold() -> None:
    """They cost twice as much with a car that needs twice as much; nothing else changes."""
    vehicles = begun(MANY // 100, 0)
    car, table = one_car(), habits.habits_table()
    seen = np.zeros((2, len(vehicles), 60, 4))
    live(vehicles.copy(), car, table, outdoors(20.0), offsets(), seen[0])
    car["kwh_per_km"] = 0.34
    live(vehicles.copy(), car, table, year(), offsets(), seen[1])
    left, arrival, _, mild_kwh = np.moveaxis(seen[0], 2, 0)
    assert np.array_equal(seen[0, :, :, :3], seen[1, :, :, :3])
    expected_kwh = 2 * mild_kwh * mean_factor(left, arrival)
    np.testing.assert_allclose(seen[1, :, :, 3], expected_kwh, rtol=1e-12)


def rigged() -> tuple[np.ndarray[Any, Any], Any]:
    """A habits table that makes hours and energies plain functions of the draws, and a driver."""
    table = np.zeros((habits.TABLE_ROWS, habits.KNOTS))
    scores = np.linspace(-3, 3, habits.KNOTS)
    table[[habits.PLUG_IN, habits.LEAVE]] = 1.0
    table[habits.ARRIVAL : habits.NOISE] = 5 + scores
    table[habits.NOISE : habits.NOISE + 4] = scores
    table[habits.ENERGY] = 5 + scores
    table[habits.STAY_NOISE] = 1.0
    table[habits.DISTANCE] = 4.0
    vehicle = as_records(np.zeros(1, VEHICLE))
    vehicle["key"] = 77
    for name in ("plug_in_odds", "leave_odds", "arrival_scatter", "weekend_arrival_scatter"):
        vehicle[name] = 1.0
    vehicle["plug_in_later_odds"] = vehicle["leave_later_odds"] = 1e12
    table.setflags(write=False)
    return table, vehicle[0]


def test_each_draw_has_its_own_place() -> None:
    """Five draws a session, after the driver's: comes today? when? leaves today? when? energy."""
    table, vehicle = rigged()
    key, left = np.uint64(77), 11 * 60
    car, mild = one_car()[0], outdoors()
    seen = set()
    for session in range(200):
        place = draws.DRIVER_DRAWS + 5 * session
        draws.draw_session(vehicle, car, table, mild, np.zeros(168, np.int64), left)
        away, stay = (
            vehicle["arrival_min"] - left,
            vehicle["departure_min"] - vehicle["arrival_min"],
        )
        today, leaves = (counter_random.uniform(key, place + i) >= 0.5 for i in (0, 2))
        away_h, stay_h, kwh = (
            5 + min(max(counter_random.normal(key, place + i), -3), 3) for i in (1, 3, 4)
        )
        seen.add((today, leaves))
        if today:
            assert away == pytest.approx(60 * away_h, abs=1)
        else:
            assert left + away == pytest.approx(1440 + max(60 * away_h, 0), abs=1)
        if leaves:
            assert stay == pytest.approx(60 * stay_h, abs=1)
        km = 4.0 * min(kwh, 7.4 * stay / 60)
        assert vehicle["trip_kwh"] == pytest.approx(0.17 * km, rel=1e-9)
    assert len(seen) == 4


def test_a_stay_is_never_shorter_than_half_an_hour() -> None:
    """Not even where the tables would have the car leave before it came."""
    table, vehicle = rigged()
    table = table.copy()
    table[habits.ARRIVAL : habits.NOISE] = 0.0
    table.setflags(write=False)
    car, mild = one_car()[0], outdoors()
    for left in range(0, WEEK_MIN, 173):
        draws.draw_session(vehicle, car, table, mild, np.zeros(168, np.int64), left)
        assert vehicle["arrival_min"] >= left + 30
        assert vehicle["departure_min"] >= vehicle["arrival_min"] + 30


def test_local_clock_and_back() -> None:
    """The same minute, before, in and after the year, in summer time and out of it."""
    offset_min = offsets()
    summer = 20 * WEEK_MIN + 600
    year = 52 * WEEK_MIN
    for minute, local in ((600, 600), (summer, summer + 60), (-5, -5)):
        for turn in (-year, 0, 3 * year):
            assert draws.local_minute(offset_min, minute + turn) == local + turn
            assert draws.series_minute(offset_min, local + turn) == minute + turn


def test_habits_follow_the_local_clock() -> None:
    """In summer the morning departures are an hour earlier in series time, not in local time."""
    _, seen = draw_sessions(MANY // 20, 200)
    departure = seen[:, :, 2].astype(int).ravel()
    offset_min = offsets()[(departure // 60) % YEAR_H]
    local = (departure + offset_min) % 1440 / 60
    morning = (local > 5) & (local < 10)
    summer = offset_min > 0
    # Spread 1 h over some thousand departures: a standard error of 0.02 h or less.
    tolerance = 0.5 if INTERPRETED else 0.1
    assert abs(local[morning & summer].mean() - local[morning & ~summer].mean()) < tolerance


def test_draws_depend_on_the_stream_and_the_departure_only() -> None:
    """Not on energy or plug; a week later, in equal weather, everything comes a week later."""
    one = begun(1, 5000, seed=3, summer=False)[0]
    other = begun(1, 5000, seed=3, summer=False)[0]
    other["energy_kwh"] = 1.0
    other["home"] = 1 - other["home"]
    table, still = habits.habits_table(), offsets(summer=False)
    car, mild = one_car()[0], outdoors(5.0)
    draws.draw_session(one, car, table, mild, still, 9000)
    draws.draw_session(other, car, table, mild, still, 9000 + WEEK_MIN)
    assert other["arrival_min"] == one["arrival_min"] + WEEK_MIN
    assert other["departure_min"] == one["departure_min"] + WEEK_MIN
    assert other["trip_kwh"] == one["trip_kwh"]
    assert other["session"] == one["session"]


def test_a_session_has_its_place_in_the_stream() -> None:
    """Session n of a driver is the same however the sessions before it went."""
    vehicle = begun(1, 0, summer=False)[0]
    table, still = habits.habits_table(), offsets(summer=False)
    car, hours, drawn = one_car()[0], year(), []
    for before in (0, 7):
        vehicle["session"] = 100 - before
        for _ in range(before):
            draws.draw_session(vehicle, car, table, hours, still, 50_000)
        draws.draw_session(vehicle, car, table, hours, still, 90_000)
        drawn.append(vehicle.copy().tobytes())
    assert drawn[0] == drawn[1]


def test_begin_sets_a_whole_and_repeatable_state() -> None:
    """At home or away as the times say; the energy follows from trip, stay and charger."""
    start = 20 * WEEK_MIN + 18 * 60
    vehicles = begun(MANY // 4, start)
    assert vehicles.tobytes() == begun(MANY // 4, start).tobytes()
    assert vehicles.tobytes() != begun(MANY // 4, start, seed=2).tobytes()
    home = vehicles["arrival_min"] <= start
    assert np.array_equal(vehicles["home"], home)
    assert 0.05 < home.mean() < 0.95
    assert vehicles["departure_min"].min() > start
    held = np.maximum(48.0 - vehicles["trip_kwh"], 6.0)
    assert np.array_equal(vehicles["energy_kwh"], np.where(home, held, 48.0))
    charged = np.minimum(48.0, held + 10.0 * (start - vehicles["arrival_min"]) / 60)
    charge_all(vehicles, one_car(), start)
    assert np.array_equal(vehicles["energy_kwh"][home], charged[home])
    assert charged[home].min() < 40  # some are found charging


def soc_by_hand(
    vehicle: Any, left: Any, trip_kwh: Any, departure: int, can_hold_kwh: float, factor: float = 1.0
) -> float:
    """SoC wanted at a departure by the departures and (at 20 deg C) energies of the trips to come.

    10 % and a margin remain after the trips of the driver's next days on the local clock. What the
    car cannot hold then is wanted for the first of them only.
    """
    offset_min = offsets()
    clock = left + offset_min[left // 60 % YEAR_H]
    now = departure + offset_min[departure // 60 % YEAR_H]
    coming = (clock >= now) & (clock < now + 1440 * vehicle["days_ahead"])
    first_soc, soc = (
        math.ceil((0.1 + vehicle["margin_soc"] + factor * kwh / 60.0) / 0.05) * 0.05
        for kwh in (trip_kwh[coming][0], trip_kwh[coming].sum())
    )
    can_hold_soc = math.floor(can_hold_kwh / 60.0 / 0.05) * 0.05
    return min(0.9, max(first_soc, min(can_hold_soc, soc)))


def trips_car() -> np.ndarray[Any, Any]:
    """The car of `one_car`, for whose trips its driver wants it charged, to 90 % at most."""
    car = one_car()
    car["wanted_soc"], car["limit_soc"] = math.nan, 0.9
    return car


def test_drivers_want_what_the_trips_that_follow_take_and_a_margin() -> None:
    """By the temperature at plug-in and the distances that are driven later, past clock changes."""
    vehicles = begun(MANY // 500, 11 * WEEK_MIN)
    table, seen = habits.habits_table(), np.zeros((2, len(vehicles), 120, 5))
    live(vehicles.copy(), one_car(), table, outdoors(20.0), offsets(), seen[0])
    live(vehicles.copy(), trips_car(), table, year(), offsets(), seen[1])
    assert np.array_equal(seen[0, :, :, :3], seen[1, :, :, :3])
    assert np.all(seen[0, :, :, 4] == 0.8)
    low = high = short = 0
    for vehicle, mild, cold in zip(vehicles, seen[0], seen[1], strict=True):
        left, trip_kwh = mild[:, 0].astype(int), mild[:, 3]
        before_soc = 0.8
        for _, arrival, departure, driven_kwh, wanted_soc in cold[:100]:
            factor = mean_factor(np.array([arrival]), np.array([arrival]))[0]
            held_kwh = max(6.0, 60.0 * before_soc - driven_kwh)
            can_hold_kwh = held_kwh + 10.0 * (departure - arrival) / 60.0
            now = vehicle, left, trip_kwh, int(departure)
            expected = soc_by_hand(*now, can_hold_kwh, factor)
            assert wanted_soc == pytest.approx(expected, abs=1e-9)
            low, high = low + (wanted_soc < 0.35), high + (wanted_soc == 0.9)
            short += wanted_soc < soc_by_hand(*now, 60.0, factor) - 0.01
            before_soc = wanted_soc
    assert min(low, high, short) > 10
    assert sorted(set(vehicles["days_ahead"])) == [1, 2, 3]


def test_margins_and_days_ahead_are_spread_evenly() -> None:
    """From 5 to 25 %, over one to three days, and they have nothing to do with each other."""
    vehicles = begun(MANY, 0)
    share = np.bincount(vehicles["days_ahead"], minlength=4) / MANY
    assert share == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3], abs=4 * 0.5 / np.sqrt(MANY))
    quantiles = np.quantile(vehicles["margin_soc"], [0.0, 0.25, 0.5, 0.75, 1.0])
    assert quantiles == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.25], abs=0.4 / np.sqrt(MANY))
    pair = np.corrcoef(vehicles["days_ahead"], vehicles["margin_soc"])
    assert abs(pair[0, 1]) < 4 / np.sqrt(MANY)


def test_begin_finds_the_car_as_its_wishes_left_it() -> None:
    """Away it holds what was wanted when it left; at home what the trip left of it, 10 % or more.

    It left after a stay that was long enough for what was wanted. The sessions are drawn anew from
    the moment at which the warm-up began.
    """
    start = 20 * WEEK_MIN + 18 * 60
    vehicles = as_records(np.zeros(60, VEHICLE))
    table, car, mild = habits.habits_table(), trips_car(), outdoors()
    begin_all(vehicles, car, table, mild, offsets(), start, np.uint64(5))
    again = vehicles.copy()
    again["session"] = 0
    warm_up = draws.WARM_UP_MAX - draws.WARM_UP_MIN
    for i, key in enumerate(vehicles["key"]):
        early = int(counter_random.uniform(key, draws.DRIVER_DRAWS - 1) * warm_up)
        again["departure_min"][i] = start - draws.WARM_UP_MIN - early
    seen = np.zeros((60, 60, 4))
    live(again, car, table, mild, offsets(), seen)
    for vehicle, sessions in zip(vehicles, seen, strict=True):
        left, trip_kwh = sessions[:, 0].astype(int), sessions[:, 3]
        now = vehicle["session"] - 1
        assert sessions[now, 2] == vehicle["departure_min"]
        left_kwh = 60.0 * soc_by_hand(vehicle, left, trip_kwh, int(left[now]), 60.0)
        held_kwh = max(6.0, left_kwh - vehicle["trip_kwh"])
        expected_kwh = held_kwh if vehicle["home"] else left_kwh
        assert vehicle["energy_kwh"] == pytest.approx(expected_kwh, abs=1e-9)
        can_hold_kwh = held_kwh + 10.0 * (vehicle["departure_min"] - vehicle["arrival_min"]) / 60.0
        departure = int(vehicle["departure_min"])
        wanted_soc = soc_by_hand(vehicle, left, trip_kwh, departure, can_hold_kwh)
        assert vehicle["wanted_soc"] == pytest.approx(wanted_soc, abs=1e-9)


def test_routines_come_in_the_shares_asked_for() -> None:
    """The measured shares by default; a share of one gives that routine only."""
    vehicles = begun(MANY, 0)
    share = np.bincount(vehicles["routine"], minlength=3) / MANY
    assert np.abs(share - measured_shares()).max() < 4 * 0.5 / np.sqrt(MANY)
    for routine in range(3):
        begin_all(
            vehicles[:20],
            one_car(np.eye(3)[routine]),
            habits.habits_table(),
            outdoors(),
            offsets(),
            0,
            np.uint64(1),
        )
        assert np.all(vehicles["routine"][:20] == routine)


@pytest.mark.parametrize("hour", [3, 8, 12, 18])
def test_begin_finds_what_a_long_run_shows(hour: int) -> None:
    """Begun at an hour, vehicles are as those that have lived ten weeks: the warm-up suffices."""
    start = 31 * WEEK_MIN + 2 * 1440 + hour * 60
    fresh = begun(MANY, start, seed=11)
    old = begun(MANY, start - 10 * WEEK_MIN, seed=12)
    live_until(old, one_car(), habits.habits_table(), year(), offsets(), start)

    def described(vehicles: Any) -> np.ndarray[Any, Any]:
        home = vehicles["arrival_min"] <= start
        since = np.where(home, start - vehicles["arrival_min"], 0)
        until_change = np.where(home, vehicles["departure_min"], vehicles["arrival_min"]) - start
        return np.array([home, since, until_change, vehicles["trip_kwh"]], np.float64)

    one, other = described(fresh), described(old)
    # Two independent means of n each; four standard errors of their difference.
    error = np.sqrt((one.var(axis=1) + other.var(axis=1)) / MANY)
    assert np.all(np.abs(one.mean(axis=1) - other.mean(axis=1)) < 4 * error)
