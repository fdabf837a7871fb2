"""Series on one calendar: options, resolution, the first Monday."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError
from tests.support.week_frames import START, column_frame, week_of

UTC = timezone.utc
ZONES = ["Europe/Stockholm", "America/New_York", "Asia/Kolkata", "Australia/Sydney", "UTC"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zone": "Stockholm"}, "zone = 'Stockholm' is not a known time zone"),
        ({"load_zone": "Mars/Base"}, "load_zone = 'Mars/Base' is not a known time zone"),
        ({"currency": "kr"}, "currency = 'kr'"),
        ({"eur_rate": 0.0}, "eur_rate = 0.0: allowed is a finite number above 0"),
        ({"eur_rate": float("nan")}, "eur_rate = nan"),
        ({"eur_rate": float("inf")}, "eur_rate = inf"),
        ({"eur_rate": "11.5"}, "eur_rate = '11.5'"),
        ({"temperature": None}, "temperature = None: needed is a series"),
        ({"temperature": 280.0}, "temperature = 280.0: allowed is -60 to 60"),
        ({"temperature": float("nan")}, "temperature = nan: allowed"),
        ({"start": "2023-01-03"}, "Tuesday 2023-01-03 00:00.*next is 2023-01-09"),
        ({"start": "soon"}, "start = 'soon': allowed is a date"),
        (
            {"start": "2023-01-09"},
            r"price frame, row 0 .* to row 167 .*no whole week.*2023-01-08T23",
        ),
        (
            {"start": "2022-12-26"},
            r"price frame, row 0 .*no whole week .*; start=None \(null\) takes its first whole",
        ),
        ({"weeks": 2}, r"weeks = 2: .*price frame, row 0 .* holds 1 whole weeks"),
        ({"weeks": 0}, "weeks = 0"),
        ({"weeks": True}, "weeks = True"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        week_of(**options)


def test_constant_temperature() -> None:
    np.testing.assert_array_equal(week_of(temperature=-3).temperature_c, np.full(168, -3.0))


# Resolution.


def test_load_resolutions() -> None:
    fine = column_frame("load_kw", 5, np.arange(3 * 672) / 100)
    np.testing.assert_allclose(week_of(load=fine).load_kw[0], np.arange(672) * 0.03 + 0.01)
    for minutes, times in ((30, 2), (60, 4)):
        values = np.arange(672 // times) / 10
        coarse = column_frame("load_kw", minutes, values)
        np.testing.assert_array_equal(week_of(load=coarse).load_kw[0], np.repeat(values, times))


@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_price_resolutions(minutes: int) -> None:
    values = np.arange(7 * 1440 // minutes) / 100
    data = week_of(price=column_frame("sek_per_kwh", minutes, values))
    assert data.price_minutes == minutes
    np.testing.assert_array_equal(data.price_per_kwh, values)


def test_temperature_resolution() -> None:
    # Ten-minute values from 20 minutes before the calendar: the incomplete hour is left off.
    begin = START - timedelta(minutes=20)
    frame = column_frame("t_c", 10, np.arange(2 + 168 * 6) / 100, start=begin)
    np.testing.assert_allclose(week_of(temperature=frame).temperature_c[:2], [0.045, 0.105])


@pytest.mark.parametrize(
    ("role", "name", "minutes", "message"),
    [
        ("load", "load_kw", 120, "120 minutes; allowed are 15, 30 or 60 minutes, or a whole part"),
        ("load", "load_kw", 10, "10 minutes; allowed are 15, 30 or 60"),
        ("price", "sek_per_kwh", 5, "5 minutes; allowed are 15, 30 or 60 minutes"),
        ("price", "sek_per_kwh", 120, "120 minutes; allowed are 15, 30 or 60 minutes"),
        ("temperature", "t_c", 180, "180 minutes; allowed are 60 minutes, or a whole part of 60"),
        ("temperature", "t_c", 45, "45 minutes; allowed are 60"),
    ],
)
def test_resolutions_refused(role: str, name: str, minutes: int, message: str) -> None:
    frame = column_frame(name, minutes, [1] * (7 * 1440 // minutes))
    with pytest.raises(DataError, match=rf"{role} frame, row 1 \(.*\): intervals of {message}"):
        week_of(**{role: frame})


def test_less_than_one_hour_of_temperature() -> None:
    frame = column_frame("t_c", 15, [1] * 3)
    with pytest.raises(DataError, match=r"row 0 .* to row 2 .*less than one step of 60 minutes"):
        week_of(temperature=frame)


def test_stamps_off_the_quarter_hours() -> None:
    begin = START + timedelta(minutes=5)
    frame = column_frame("load_kw", 15, [1] * 700, start=begin)
    with pytest.raises(DataError, match=r"load frame, row 0 \(2023-01-01T23:05Z\): .*grid of 15"):
        week_of(load=frame)


# The calendar of the prices.


def test_first_whole_monday_and_whole_weeks() -> None:
    begin = START - timedelta(days=3)
    prices = np.arange(17 * 24 + 5) / 100
    frame = column_frame("sek_per_kwh", 60, prices, start=begin)
    load = column_frame("kw", 60, [1] * 400)
    data = week_of(price=frame, load=load, temperature=5.0)
    assert (data.start, data.weeks) == (START, 2)
    np.testing.assert_array_equal(data.price_per_kwh, prices[72 : 72 + 336])
    late = column_frame("sek_per_kwh", 60, prices, start=START + timedelta(hours=1))
    data = week_of(price=late, load=load, temperature=5.0)
    assert (data.start, data.weeks) == (START + timedelta(days=7), 1)


@pytest.mark.parametrize(
    "start",
    [
        "2023-01-09",
        "2023-01-09T00:00",
        "2023-01-08T23:00Z",
        date(2023, 1, 9),
        datetime(2023, 1, 9),
        datetime(2023, 1, 8, 23, tzinfo=UTC),
    ],
)
def test_given_start(start: Any) -> None:
    frame = column_frame("sek_per_kwh", 60, np.arange(504) / 100)
    load = column_frame("kw", 60, np.arange(504) / 10)
    data = week_of(price=frame, load=load, temperature=5.0, start=start, weeks=1)
    assert (data.start, data.weeks) == (START + timedelta(days=7), 1)
    np.testing.assert_array_equal(data.price_per_kwh, np.arange(168, 336) / 100)
    np.testing.assert_array_equal(data.load_kw[0], np.repeat(np.arange(168, 336) / 10, 4))


def test_half_hour_zone() -> None:
    begin = datetime(2023, 1, 1, 18, tzinfo=UTC)  # 23:30 on Sunday in Kolkata
    price = column_frame("inr_per_kwh", 30, np.arange(340) / 10, start=begin)
    load = column_frame("kw", 30, np.arange(340) / 10, start=begin)
    warm = column_frame("t_c", 30, np.arange(340) / 10, start=begin)
    options: dict[str, Any] = {"zone": "Asia/Kolkata", "currency": "INR"}
    data = Dataset.from_frame(price, load, warm, **options)
    assert data.start == begin + timedelta(minutes=30)
    assert data.price_per_kwh[0] == 0.1
    assert data.load_kw[0, :3].tolist() == [0.1, 0.1, 0.2]
    np.testing.assert_allclose(data.temperature_c[:2], [0.15, 0.35])
    hourly = column_frame("inr_per_kwh", 60, [1] * 200, start=begin)
    with pytest.raises(
        DataError, match=r"price frame, row 0 .*no interval begins at the local Monday"
    ):
        Dataset.from_frame(hourly, load, warm, **options)
    cold = column_frame("t_c", 60, [1] * 200, start=begin)
    with pytest.raises(
        DataError, match=r"temperature frame, row 0 .*grid of 60 minutes that begins 30 min"
    ):
        Dataset.from_frame(price, load, cold, **options)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    zone=st.sampled_from(ZONES),
    load_step=st.sampled_from([1, 3, 5, 15, 30, 60]),
    price_step=st.sampled_from([15, 30]),
    warm_step=st.sampled_from([10, 15, 30]),
    unit=st.sampled_from(["kw", "w", "kwh"]),
    lead_h=st.integers(0, 200),
    day=st.integers(0, 3000),
)
def test_energy_and_means_are_preserved(
    seed: int,
    zone: str,
    load_step: int,
    price_step: int,
    warm_step: int,
    unit: str,
    lead_h: int,
    day: int,
) -> None:
    """Whatever the steps and the unit, the calendar holds the energy and the means put in."""
    monday = date(2015, 1, 5) + timedelta(weeks=day // 7)
    midnight = datetime(monday.year, monday.month, monday.day, tzinfo=ZoneInfo(zone))
    start = midnight.astimezone(UTC)
    begin = start - timedelta(hours=lead_h)
    rng = np.random.default_rng(seed)
    kw_per_unit = {"kw": 1.0, "w": 1e-3, "kwh": 60 / load_step}[unit]

    def series(step: int, columns: Sequence[str], low: float, high: float) -> pd.DataFrame:
        rows = (lead_h + 2 * 168) * 60 // step
        index = pd.date_range(begin, periods=rows, freq=f"{step}min")
        return pd.DataFrame(rng.uniform(low, high, (rows, len(columns))), index, list(columns))

    def in_calendar(frame: pd.DataFrame) -> NDArray[np.float64]:
        week = frame[(frame.index >= start) & (frame.index < start + timedelta(weeks=2))]
        return week.to_numpy(dtype=np.float64).T

    load = series(load_step, [f"a_{unit}", f"b_{unit}"], 0.0, 20.0 / kw_per_unit)
    price = series(price_step, ["x_sek_per_kwh"], -5.0, 5.0)
    warm = series(warm_step, ["t_c"], -30.0, 30.0)
    data = Dataset.from_frame(
        price, load, warm, zone=zone, start=start, load_columns=list(load.columns)
    )
    assert (data.start, data.weeks, data.price_minutes) == (start, 2, price_step)
    hour_kwh = (in_calendar(load) * kw_per_unit).reshape(2, 336, -1).mean(axis=2)
    np.testing.assert_allclose(data.load_kw.reshape(2, 336, 4).mean(axis=2), hour_kwh, rtol=1e-12)
    np.testing.assert_array_equal(data.price_per_kwh, in_calendar(price)[0])
    hour_c = in_calendar(warm).reshape(336, -1).mean(axis=1)
    np.testing.assert_allclose(data.temperature_c, hour_c, rtol=1e-12, atol=1e-12)


# Irradiance.


def test_irradiance_resolution() -> None:
    begin = START - timedelta(minutes=20)
    frame = column_frame("ghi_w_per_m2", 10, np.arange(2 + 168 * 6) / 10, start=begin)
    data = week_of(irradiance=frame)
    np.testing.assert_allclose(data.ghi_w_per_m2[:2], [0.45, 1.05])
    coarse = column_frame("ghi_w_per_m2", 180, [1] * 56)
    with pytest.raises(
        DataError, match=r"irradiance frame, row 1 .*180 minutes; allowed are 60 min"
    ):
        week_of(irradiance=coarse)


def test_irradiance_is_paired_by_time_where_it_covers_the_prices() -> None:
    begin = START - timedelta(hours=5)
    frame = column_frame("ghi_w_per_m2", 60, np.arange(200), start=begin)
    np.testing.assert_array_equal(week_of(irradiance=frame).ghi_w_per_m2, np.arange(5, 173))
    with pytest.raises(DataError, match=r"irradiance frame, row 0 .*: lacks 73 hours from 2023"):
        week_of(irradiance=frame.iloc[:100])


def test_irradiance_of_another_year_is_paired_by_utc() -> None:
    """In 2024 summer time began a week later than in 2023 (ISO week 13, not 12)."""
    monday = datetime(2023, 3, 26, 22, tzinfo=UTC)  # 2023-03-27, summer time has begun
    year = pd.date_range("2024-01-01", "2024-12-31T23:00", freq="h", tz="UTC")
    by_utc_hour = pd.DataFrame({"ghi_w_per_m2": year.hour.astype(float)}, index=year)
    warm = pd.DataFrame({"t_c": year.hour.astype(float)}, index=year)
    data = week_of(
        price=column_frame("sek_per_kwh", 60, np.arange(168) / 100, start=monday),
        load=column_frame("kw", 15, np.ones(672), start=monday),
        temperature=warm,
        irradiance=by_utc_hour,
    )
    assert data.start == monday
    utc_hour = (22 + np.arange(168)) % 24
    np.testing.assert_array_equal(data.ghi_w_per_m2, utc_hour)
    # Temperature follows the local clock, which ran an hour behind in that week of 2024.
    np.testing.assert_array_equal(data.temperature_c[:100], (utc_hour[:100] + 1) % 24)
