"""Energy of a trip: the factor for temperature against its source, and trips by hand.

The source's curve is a polynomial in deg F, in kWh per mile (Yuksel and Michalek 2015,
doi:10.1021/es505621s); the numbers below are worked out from it by hand or by NumPy.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ev_gym.physics import trip
from ev_gym.runtime.compiling import as_records

CAR = as_records(np.array([(0.17,)], [("kwh_per_km", "f8")]))[0]
LEAF = np.polynomial.Polynomial([0.3950, -0.0022, 9.1978e-5, -3.9249e-6, 5.2918e-8, -2.0659e-10])


def celsius(fahrenheit: float) -> float:
    return (fahrenheit - 32.0) / 1.8


@pytest.mark.parametrize(
    ("fahrenheit", "kwh_per_mile"),
    [(0.0, 0.3950), (10.0, 0.37878), (50.0, 0.29051), (100.0, 0.39578)],
)
def test_consumption_is_the_sources(fahrenheit: float, kwh_per_mile: float) -> None:
    """The source's values at round temperatures: the last coefficient at 0 deg F, and so on."""
    assert trip.kwh_per_mile(fahrenheit) == pytest.approx(kwh_per_mile, abs=1e-5)
    relative = kwh_per_mile / 0.26768
    assert trip.factor(celsius(fahrenheit)) == pytest.approx(relative, rel=1e-4)


def test_factor_follows_the_curve_over_its_whole_range() -> None:
    """Exactly 1 at 20 deg C, and everywhere the ratio of the polynomial to its value there."""
    assert trip.factor(20.0) == 1.0
    for fahrenheit in range(-15, 111):
        expected = LEAF(fahrenheit) / LEAF(68)
        assert trip.factor(celsius(fahrenheit)) == pytest.approx(expected, rel=1e-9)


def test_factor_agrees_with_what_is_reported_of_the_paper() -> None:
    """Least near 70 deg F, where it is flat; at most 40 % less range.

    And on the year's coldest day (say, of -20 deg C) 45 miles where 70 are usual.
    """
    degrees = np.arange(-26.0, 43.0, 0.1)
    factor = np.array([trip.factor(float(degree)) for degree in degrees])
    assert degrees[factor.argmin()] == pytest.approx(celsius(70.0), abs=2.5)
    assert trip.factor(-20.0) == pytest.approx(70 / 45, rel=0.05)
    assert 1 - 1 / factor.max() == pytest.approx(0.4, abs=0.05)


def test_flat_beyond_the_data() -> None:
    """Colder than -15 deg F and hotter than 110 deg F there are no data."""
    assert trip.factor(-60.0) == trip.factor(-26.2) == pytest.approx(LEAF(-15) / LEAF(68), rel=1e-9)
    assert trip.factor(70.0) == trip.factor(43.4) == pytest.approx(LEAF(110) / LEAF(68), rel=1e-9)


@given(st.floats(-26.0, 18.0), st.floats(0.1, 10.0))
def test_colder_is_more(temperature_c: float, degrees: float) -> None:
    """From the least consumption, at 19 deg C, down to where the data end."""
    colder = max(temperature_c - degrees, -26.1)
    assert trip.factor(colder) > trip.factor(temperature_c)


def test_trips_by_hand() -> None:
    """100 km with 0.17 kWh/km: 17 kWh at 20 deg C; 1.26541 times that at freezing."""
    assert trip.energy_kwh(100.0, CAR, 20.0, 20.0) == pytest.approx(17.0, rel=1e-15)
    assert trip.energy_kwh(100.0, CAR, 0.0, 0.0) == pytest.approx(21.512, abs=1e-3)
    assert trip.energy_kwh(100.0, CAR, 0.0, 20.0) == pytest.approx(19.256, abs=1e-3)
    assert trip.energy_kwh(100.0, CAR, 20.0, 0.0) == pytest.approx(19.256, abs=1e-3)
    assert trip.energy_kwh(0.0, CAR, -10.0, 20.0) == 0.0


@pytest.mark.parametrize("turn", [0, 3 * 168, -168])
def test_a_planned_trip_takes_the_hours_of_departure_and_return(turn: int) -> None:
    """The hours between them do not count; the series repeats, also before its beginning."""
    hours = as_records(np.zeros(168, [("temperature_c", "f4"), ("more", "i1")]))
    hours["temperature_c"] = 10.0
    hours["temperature_c"][8], hours["temperature_c"][17] = 0.0, 20.0
    for left, arrival, expected in (
        (8 * 60, 17 * 60 + 59, 19.256),
        (8 * 60 + 59, 17 * 60, 19.256),
        (7 * 60 + 59, 17 * 60, 17 * (1.08527 + 1) / 2),
        (8 * 60, 18 * 60, 17 * (1.26541 + 1.08527) / 2),
    ):
        kwh = trip.planned_kwh(100.0, CAR, hours, left + 60 * turn, arrival + 60 * turn)
        assert kwh == pytest.approx(expected, abs=1e-3)


def test_nobody_drives_farther_than_the_time_allows() -> None:
    """At 110 km/h: 30 minutes are 55 km, 9.35 kWh at 20 deg C, and no time is no trip."""
    hours = as_records(np.full(168, 20.0, [("temperature_c", "f4")]))
    for minutes, expected_kwh in ((0, 0.0), (30, 9.35), (163, 50.802), (164, 51.0)):
        kwh = trip.planned_kwh(300.0, CAR, hours, 600, 600 + minutes)
        assert kwh == pytest.approx(expected_kwh, abs=1e-3)
