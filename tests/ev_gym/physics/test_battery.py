"""The battery: taper, limit, discharging, leaving, coming home, by hand and by another method."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_gym.physics import battery
from ev_gym.runtime.compiling import as_records
from ev_gym.scenario import Vehicle
from tests.support.physics_tables import classic_car, states, table_of
from tests.support.scenario_strategies import examples, vehicles

AT_FULL = 0.1  # of the AC maximum, what the battery accepts at 100 %


# --- charging ---


def test_power_below_the_cars_own_consumption_stores_and_draws_nothing() -> None:
    """0.2 kW of AC power at eta 0.94 do not cover 0.2 kW; 0.22 kW leave 6.8 W."""
    car = table_of(Vehicle())
    assert battery.charge(10.0, car, 0.2, 1.0) == (0.0, 0.0)
    assert battery.charge(10.0, car, 0.22, 1.0) == pytest.approx((0.22, 0.0068), abs=1e-12)
    assert battery.charge(10.0, car, 0.0, 1.0) == (0.0, 0.0)
    assert battery.charge(10.0, car, 11.0, 0.0) == (0.0, 0.0)
    no_aux = table_of(Vehicle(aux_kw=0.0))
    assert battery.charge(10.0, no_aux, 0.0, 1.0) == (0.0, 0.0)


# --- taper ---

# 58 kWh, 10.14 kW into the battery; the default taper, a long one, none, and a limit within one.
TAPERED = [
    Vehicle(),
    Vehicle(taper_from_soc=0.5),
    Vehicle(taper_from_soc=1.0),
    Vehicle(taper_from_soc=0.5, limit_soc=0.995),
]


def accepted_kw(vehicle: Vehicle, energy_kwh: float) -> float:
    """The acceptance as documented: flat to the knee, then straight to a tenth at 100 %."""
    at_most_kw = vehicle.eta * vehicle.ac_max_kw - vehicle.aux_kw
    soc = energy_kwh / vehicle.battery_kwh
    if soc <= vehicle.taper_from_soc:
        return at_most_kw
    share = (soc - vehicle.taper_from_soc) / (1.0 - vehicle.taper_from_soc)
    return at_most_kw * (1.0 - (1.0 - AT_FULL) * share)


def integrated_kwh(vehicle: Vehicle, energy_kwh: float, power_kw: float, hours: float) -> float:
    """Energy stored, by fourth-order Runge-Kutta in small steps up to the owner's limit."""
    battery_kw = vehicle.eta * power_kw - vehicle.aux_kw
    steps, limit_kwh = 4000, vehicle.limit_soc * vehicle.battery_kwh
    step_h = hours / steps

    def rate(now_kwh: float) -> float:
        return min(battery_kw, accepted_kw(vehicle, min(now_kwh, vehicle.battery_kwh)))

    now_kwh = energy_kwh
    for _ in range(steps):
        a = rate(now_kwh)
        b = rate(now_kwh + 0.5 * step_h * a)
        c = rate(now_kwh + 0.5 * step_h * b)
        d = rate(now_kwh + step_h * c)
        now_kwh = min(now_kwh + step_h * (a + 2 * b + 2 * c + d) / 6, limit_kwh)
    return now_kwh - energy_kwh


@pytest.mark.parametrize("vehicle", TAPERED)
@pytest.mark.parametrize("soc", [0.3, 0.9, 0.97, 0.98, 0.995])
@pytest.mark.parametrize("power_kw", [1.0, 4.14, 11.0])
def test_taper_is_the_solution_of_its_equation(
    vehicle: Vehicle, soc: float, power_kw: float
) -> None:
    """dE/dt = min(power, acceptance(E)): a fine numerical integration agrees to 1e-6 kWh."""
    energy_kwh = soc * vehicle.battery_kwh
    car = table_of(vehicle)
    for hours in (0.05, 0.25, 1.0, 4.0):
        _, stored_kwh = battery.charge(energy_kwh, car, power_kw, hours)
        expected_kwh = integrated_kwh(vehicle, energy_kwh, power_kw, hours)
        assert stored_kwh == pytest.approx(expected_kwh, abs=1e-6), hours


@pytest.mark.parametrize("vehicle", TAPERED)
@pytest.mark.parametrize("soc", [0.3, 0.9, 0.97, 0.99])
@pytest.mark.parametrize("power_kw", [1.0, 4.14, 11.0])
def test_an_hour_equals_sixty_minutes(vehicle: Vehicle, soc: float, power_kw: float) -> None:
    """Both the energy drawn and the energy stored, to 1e-9 kWh."""
    car, energy_kwh = table_of(vehicle), soc * vehicle.battery_kwh
    whole = battery.charge(energy_kwh, car, power_kw, 1.0)
    drawn_kwh = stored_kwh = 0.0
    for _ in range(60):
        drawn, stored = battery.charge(energy_kwh + stored_kwh, car, power_kw, 1.0 / 60.0)
        drawn_kwh, stored_kwh = drawn_kwh + drawn, stored_kwh + stored
    assert (drawn_kwh, stored_kwh) == pytest.approx(whole, abs=1e-9)


def test_the_time_to_full_is_finite_and_then_nothing_is_drawn() -> None:
    """From the knee at 97.5 % the last 1.45 kWh take ln(10) * 1.45 / (0.9 * 10.14) = 0.366 h."""
    vehicle = Vehicle()
    car, knee_kwh, room_kwh = table_of(vehicle), 0.975 * 58.0, 0.025 * 58.0
    full_h = math.log(10.0) * room_kwh / (0.9 * 10.14)
    assert full_h == pytest.approx(0.36585, abs=1e-5)
    almost = battery.charge(knee_kwh, car, 11.0, 0.999 * full_h)
    assert room_kwh - 0.001 < almost[1] < room_kwh
    drawn_kwh, stored_kwh = battery.charge(knee_kwh, car, 11.0, 1.001 * full_h)
    assert stored_kwh == 58.0 - knee_kwh  # full to the last bit
    # The aux power runs for as long as it charged, not for the rest of the hours.
    assert drawn_kwh == pytest.approx((room_kwh + 0.2 * full_h) / 0.94, abs=1e-9)
    assert battery.charge(knee_kwh, car, 11.0, 50.0) == (drawn_kwh, stored_kwh)
    assert battery.charge(58.0, car, 11.0, 1.0) == (0.0, 0.0)
    assert battery.acceptance_kw(58.0, car) == battery.acceptable_ac_kw(58.0, car) == 0.0


def test_acceptance_by_hand() -> None:
    """10.14 kW to 97.5 %, 5.577 kW in the middle of the ramp, 1.014 kW just below full.

    At the wall: (5.577 + 0.2) / 0.94 = 6.1457 kW; on one phase of 16 A never above 3.68 kW.
    """
    vehicle = Vehicle()
    car = table_of(vehicle)
    for soc, power_kw in ((0.0, 10.14), (0.975, 10.14), (0.9875, 5.577), (1 - 1e-6, 1.014)):
        assert battery.acceptance_kw(58.0 * soc, car) == pytest.approx(power_kw, abs=1e-3)
    assert battery.acceptable_ac_kw(58.0 * 0.9875, car) == pytest.approx(6.1457, abs=1e-4)
    assert battery.acceptable_ac_kw(29.0, car) == pytest.approx(11.0, abs=1e-9)
    one_phase = table_of(vehicle, 16, phases=1)
    assert battery.acceptable_ac_kw(29.0, one_phase) == pytest.approx(3.68, abs=1e-12)
    assert battery.acceptable_ac_kw(58.0 * (1 - 1e-6), one_phase) == pytest.approx(1.2915, abs=1e-3)


# --- the owner's limit ---


def test_charging_stops_at_the_limit() -> None:
    """80 % of 58 kWh are 46.4: from 46 kWh 0.4 are stored in 0.4/10.14 h; from 50 nothing is.

    Drawn are (0.4 + 0.2 * 0.4/10.14) / 0.94 = 0.43392 kWh.
    """
    limited, whole = table_of(Vehicle(limit_soc=0.8)), table_of(Vehicle())
    on_h = 0.4 / 10.14
    drawn_kwh, stored_kwh = battery.charge(46.0, limited, 11.0, 0.25)
    assert 46.0 + stored_kwh == limited["limit_kwh"] == 0.8 * 58.0
    assert drawn_kwh == pytest.approx((0.4 + 0.2 * on_h) / 0.94, abs=1e-9)
    assert drawn_kwh == pytest.approx(0.43392, abs=1e-5)
    assert battery.charge(46.0, limited, 11.0, 9.0) == (drawn_kwh, stored_kwh)
    assert battery.charge(46.0, limited, 11.0, 0.01) == battery.charge(46.0, whole, 11.0, 0.01)
    for energy_kwh in (46.4, 50.0, 58.0):
        assert battery.charge(energy_kwh, limited, 11.0, 1.0) == (0.0, 0.0)
        assert battery.acceptable_ac_kw(energy_kwh, limited) == 0.0
    assert battery.acceptable_ac_kw(46.0, limited) == pytest.approx(11.0, abs=1e-9)


def test_a_limit_within_the_taper() -> None:
    """From 97.5 to 98.75 % the power falls from 10.14 to 5.577 kW, in ln(10.14/5.577) / 6.2937 h.

    The rate is 0.9 * 10.14 kW / 1.45 kWh = 6.2937 per hour.
    """
    car, knee_kwh = table_of(Vehicle(limit_soc=0.9875)), 0.975 * 58.0
    limit_h = math.log(10.14 / 5.577) / (0.9 * 10.14 / 1.45)
    assert limit_h == pytest.approx(0.09499, abs=1e-5)
    assert battery.charge(knee_kwh, car, 11.0, 0.99 * limit_h)[1] < 0.725
    drawn_kwh, stored_kwh = battery.charge(knee_kwh, car, 11.0, 1.0)
    assert knee_kwh + stored_kwh == 0.9875 * 58.0
    assert drawn_kwh == pytest.approx((0.725 + 0.2 * limit_h) / 0.94, abs=1e-9)


# --- discharging ---


def test_discharging_by_hand() -> None:
    """11 kW at the wall take (11 + 0.2) / 0.94 = 11.91489 kW from the battery: 7.7 % are lost.

    At 1.38 kW it is 1.68085 kW: 17.9 %.
    """
    car = table_of(Vehicle())
    assert battery.discharge(40.0, car, 11.0, 0.5) == pytest.approx((5.5, 5.957447), abs=1e-6)
    assert battery.discharge(40.0, car, 1.38, 0.5) == pytest.approx((0.69, 0.840426), abs=1e-6)
    assert battery.discharge(40.0, car, 0.0, 0.5) == (0.0, 0.0)
    assert battery.discharge(40.0, car, 11.0, 0.0) == (0.0, 0.0)


def test_discharging_stops_at_the_floor() -> None:
    """30 % of 58 kWh are 17.4: of 18 kWh 0.6 are taken, in 0.6/11.91489 h = 3 min; then nothing."""
    car = table_of(Vehicle(floor_soc=0.3))
    delivered_kwh, taken_kwh = battery.discharge(18.0, car, 11.0, 0.25)
    assert 18.0 - taken_kwh == pytest.approx(17.4, abs=1e-12)
    assert delivered_kwh == pytest.approx(11.0 * 0.6 / 11.914894, abs=1e-6)
    assert battery.discharge(18.0, car, 11.0, 8.0) == (delivered_kwh, taken_kwh)
    for energy_kwh in (17.4, 10.0, 0.0):
        assert battery.discharge(energy_kwh, car, 11.0, 1.0) == (0.0, 0.0)
    parts = [0.0, 0.0]
    for _ in range(15):
        delivered, taken = battery.discharge(18.0 - parts[1], car, 11.0, 1.0 / 60.0)
        parts[0] += delivered
        parts[1] += taken
    assert parts == pytest.approx([delivered_kwh, taken_kwh], abs=1e-9)


@settings(max_examples=examples(200))
@given(
    vehicles(),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.floats(0.0, 50.0, allow_subnormal=False),  # 5e-324 kW for 0.9 h are 5e-324 kWh
    st.floats(0.0, 4.0),
)
def test_nothing_is_won_by_cycling(
    vehicle: Vehicle, soc: float, floor_soc: float, power_kw: float, hours: float
) -> None:
    """Delivered = eta * taken - aux * time on; what is taken costs more at the wall to put back.

    Charged with any power for as long as that takes, from the energy after to the energy before.
    """
    car = table_of(replace(vehicle, floor_soc=floor_soc))
    before_kwh = soc * vehicle.battery_kwh
    delivered_kwh, taken_kwh = battery.discharge(before_kwh, car, power_kw, hours)
    after_kwh = before_kwh - taken_kwh
    assert 0.0 <= delivered_kwh <= taken_kwh
    assert after_kwh >= min(before_kwh, float(car["floor_kwh"])) - 1e-12
    aux_kwh = vehicle.eta * taken_kwh - delivered_kwh
    on_h = delivered_kwh / power_kw if power_kw > 0.0 else 0.0
    assert aux_kwh == pytest.approx(vehicle.aux_kw * on_h, abs=1e-9)
    for share in (0.3, 1.0):
        drawn_kwh, stored_kwh = battery.charge(after_kwh, car, share * float(car["max_kw"]), 1e4)
        if taken_kwh > 1e-6 and stored_kwh > taken_kwh:
            assert drawn_kwh * taken_kwh / stored_kwh >= delivered_kwh - 1e-9
            if vehicle.eta < 1.0:
                assert drawn_kwh * taken_kwh / stored_kwh > delivered_kwh


# --- how much ---

POWERS = st.floats(0.0, 1.0)


@settings(max_examples=examples(200))
@given(vehicles(), st.floats(0.0, 1.0), st.tuples(POWERS, POWERS), st.tuples(POWERS, POWERS))
def test_more_power_and_more_time_store_more(
    vehicle: Vehicle, soc: float, powers: tuple[float, float], times: tuple[float, float]
) -> None:
    """Monotone in both, never past full, drawn = (stored + aux * time on) / eta."""
    car = table_of(vehicle)
    energy_kwh = soc * vehicle.battery_kwh
    (low_kw, high_kw), (short_h, long_h) = sorted(powers), sorted(4.0 * t for t in times)
    low_kw, high_kw = low_kw * float(car["max_kw"]), high_kw * float(car["max_kw"])
    base = battery.charge(energy_kwh, car, low_kw, short_h)
    stronger = battery.charge(energy_kwh, car, high_kw, short_h)
    longer = battery.charge(energy_kwh, car, low_kw, long_h)
    assert stronger[1] >= base[1] - 1e-9
    assert longer[1] >= base[1] - 1e-9
    assert longer[0] >= base[0] - 1e-9
    for (drawn_kwh, stored_kwh), power_kw, hours in (
        (base, low_kw, short_h),
        (stronger, high_kw, short_h),
        (longer, low_kw, long_h),
    ):
        assert 0.0 <= stored_kwh <= drawn_kwh
        assert energy_kwh + stored_kwh <= vehicle.battery_kwh + 1e-12
        assert drawn_kwh <= power_kw * hours + 1e-9
        aux_kwh = vehicle.eta * drawn_kwh - stored_kwh
        assert -1e-9 <= aux_kwh <= vehicle.aux_kw * hours + 1e-9


def test_the_lattice_of_the_classic_household() -> None:
    """Quarter-hours of 7.4 kW from 20 %, as the teaching server showed them; then full, and off."""
    car = classic_car()
    energy_kwh, percent = 9.26, [20.0]
    for _ in range(20):
        drawn_kwh, stored_kwh = battery.charge(energy_kwh, car, 7.4, 0.25)
        assert drawn_kwh == stored_kwh == pytest.approx(1.85, abs=1e-12)
        energy_kwh += stored_kwh
        percent.append(round(100.0 * energy_kwh / 46.3, 2))
    assert percent == [
        20, 24.0, 27.99, 31.99, 35.98, 39.98, 43.97, 47.97, 51.97, 55.96, 59.96,
        63.95, 67.95, 71.94, 75.94, 79.94, 83.93, 87.93, 91.92, 95.92, 99.91,
    ]  # fmt: skip
    drawn_kwh, stored_kwh = battery.charge(energy_kwh, car, 7.4, 0.25)
    assert drawn_kwh == stored_kwh == pytest.approx(0.04, abs=1e-9)
    assert energy_kwh + stored_kwh == 46.3
    assert battery.charge(energy_kwh + stored_kwh, car, 7.4, 0.25) == (0.0, 0.0)


# --- leaving and coming home ---


def test_what_is_missing_at_departure_is_stored() -> None:
    """58 kWh wanted at 80 % is 46.4: from 40 kWh 6.4 are missing, from 50 none and none is lost."""
    car, vehicle = table_of(Vehicle()), states()
    vehicle["energy_kwh"], vehicle["wanted_soc"] = 40.0, 0.8
    assert battery.leave(vehicle[0], car) == pytest.approx(6.4, abs=1e-12)
    assert vehicle["energy_kwh"][0] == pytest.approx(46.4, abs=1e-12)
    assert vehicle["home"][0] == 0
    vehicle["energy_kwh"] = 50.0
    assert battery.leave(vehicle[0], car) == 0.0
    assert vehicle["energy_kwh"][0] == 50.0


@pytest.mark.parametrize(
    ("before_kwh", "trip_kwh", "after_kwh", "public_kwh"),
    [
        (46.4, 8.0, 38.4, 0.0),
        (46.4, 40.6, 5.8, 0.0),  # just down to the minimum, 10 % of 58 kWh
        (46.4, 50.0, 5.8, 9.4),  # beyond it: bought on the road
        (46.4, 150.0, 5.8, 109.4),  # more than the battery holds
        (3.0, 8.0, 5.8, 10.8),  # set below the minimum at a reset: it buys that, too
        (46.4, 0.0, 46.4, 0.0),
    ],
)
def test_a_trip_ends_at_the_minimum_at_least(
    before_kwh: float, trip_kwh: float, after_kwh: float, public_kwh: float
) -> None:
    """What the trip needs beyond what the car holds above its minimum is bought."""
    car, vehicle = table_of(Vehicle()), states()
    vehicle["home"], vehicle["energy_kwh"], vehicle["trip_kwh"] = 0, before_kwh, trip_kwh
    assert battery.come_home(vehicle[0], car) == pytest.approx(public_kwh, abs=1e-12)
    assert vehicle["energy_kwh"][0] == pytest.approx(after_kwh, abs=1e-12)
    assert vehicle["home"][0] == 1


@settings(max_examples=examples(200))
@given(vehicles(), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 200.0))
def test_rounding_never_makes_money_or_energy(
    vehicle: Vehicle, wanted_soc: float, soc: float, trip: float
) -> None:
    """Leaving and returning: no negative purchase, no less than wanted, no more than full."""
    car, record = table_of(vehicle), states()
    start_kwh = soc * vehicle.battery_kwh
    record["energy_kwh"], record["trip_kwh"] = start_kwh, trip
    record["wanted_soc"] = wanted_soc = max(wanted_soc, vehicle.min_soc)
    missing_kwh = battery.leave(record[0], car)
    left_kwh = float(record["energy_kwh"][0])
    assert missing_kwh >= 0.0
    assert wanted_soc * vehicle.battery_kwh <= left_kwh <= vehicle.battery_kwh
    assert left_kwh == pytest.approx(start_kwh + missing_kwh, abs=1e-12 * 100)
    public_kwh = battery.come_home(record[0], car)
    home_kwh = float(record["energy_kwh"][0])
    assert public_kwh >= 0.0
    assert home_kwh >= vehicle.min_soc * vehicle.battery_kwh
    assert home_kwh == pytest.approx(left_kwh + public_kwh - trip, abs=1e-9)
    assert public_kwh == 0.0 or home_kwh <= vehicle.min_soc * vehicle.battery_kwh + 1e-9


# --- what it reads of a car ---


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("acceptance_kw", ()),
        ("acceptable_ac_kw", ()),
        ("charge", (11.0, 0.5)),
        ("discharge", (11.0, 0.5)),
    ],
)
def test_reads_the_fields_that_its_docstring_names(name: str, args: tuple[float, ...]) -> None:
    """A car's record with these alone is enough, and none of them can be left out."""
    function = getattr(battery, name)
    car = table_of(Vehicle(taper_from_soc=0.5, floor_soc=0.3))
    fields = [field for field in car.dtype.names if f"`{field}`" in function.__doc__]

    def with_fields(names: list[str]) -> Any:
        record = as_records(np.zeros(1, [(field, car.dtype[field]) for field in names]))
        for field in names:
            record[field] = car[field]
        return record[0]

    energy_kwh = 40.0
    full_answer = function(energy_kwh, car, *args)
    assert function(energy_kwh, with_fields(fields), *args) == full_answer
    for field in fields:
        with pytest.raises((KeyError, AttributeError), match=field):
            function(energy_kwh, with_fields([other for other in fields if other != field]), *args)
