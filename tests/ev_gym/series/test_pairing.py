"""Pairing of years that differ by calendar position, with made and with measured series."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError

UTC = timezone.utc
START = datetime(2023, 1, 1, 23, tzinfo=UTC)  # Monday 2023-01-02 00:00 in Stockholm


def code(local: datetime, minutes: int = 15) -> float:
    """A load that tells ISO week, weekday and time of day; at most 91 kW."""
    week, weekday = local.isocalendar()[1:]
    clock = local.hour * 60 + local.minute - (local.hour * 60 + local.minute) % minutes
    return float(((week * 7 + weekday) * 1440 + clock) / 6000)


def coded(first: datetime, last: datetime, zone: str, minutes: int = 15) -> pd.Series[float]:
    """A series whose values are the code of their own local time."""
    index = pd.date_range(first, last, freq=f"{minutes}min", tz=zone, inclusive="left")
    values = [code(stamp, minutes) for stamp in index.to_pydatetime()]
    return pd.Series(values, index=index, name="load_kw")


def flat_price(start: datetime, weeks: int) -> pd.Series[float]:
    index = pd.date_range(start.astimezone(UTC), periods=168 * weeks, freq="h")
    return pd.Series(1.0, index=index, name="sek_per_kwh")


STOCKHOLM = ZoneInfo("Europe/Stockholm")


def local_quarters(data: Dataset, zone: ZoneInfo) -> list[datetime]:
    step = timedelta(minutes=15)
    return [(data.start + i * step).astimezone(zone) for i in range(data.load_kw.shape[1])]


def test_years_that_differ_are_paired_by_calendar_position() -> None:
    # Load of 2021: summer time begins on the Sunday of ISO week 12, ends on that of week 43.
    # Prices of 2024: on the Sundays of the weeks 13 and 43.
    load = coded(datetime(2021, 1, 4), datetime(2022, 1, 3), "Europe/Stockholm")
    price = flat_price(datetime(2024, 1, 1, tzinfo=STOCKHOLM), 52)
    data = Dataset.from_frame(price, load, 5.0)
    times = local_quarters(data, STOCKHOLM)
    skipped = datetime(2024, 3, 24, 2)  # 02:00 to 03:00 on the Sunday of week 12
    expected = []
    for time in times:
        wall = time.replace(tzinfo=None)
        before = skipped <= wall < skipped + timedelta(hours=1)
        expected.append(code(wall - timedelta(hours=1) if before else wall))
    np.testing.assert_array_equal(data.load_kw[0], expected)
    assert len(times) == 52 * 672


def test_week_53_takes_week_52_or_its_own() -> None:
    price = flat_price(datetime(2020, 12, 21, tzinfo=STOCKHOLM), 2)  # weeks 52 and 53 of 2020
    load = coded(datetime(2021, 1, 1), datetime(2022, 1, 3), "Europe/Stockholm")
    assert load.iloc[0] == code(datetime(2021, 1, 1))  # the file begins within week 53
    data = Dataset.from_frame(price, load, 5.0, pair="position")
    np.testing.assert_array_equal(data.load_kw[0, :672], data.load_kw[0, 672:])
    assert data.load_kw[0, 0] == code(datetime(2020, 12, 21))
    whole = coded(datetime(2014, 12, 29), datetime(2016, 1, 4), "Europe/Stockholm")
    data = Dataset.from_frame(price, whole, 5.0)
    assert data.load_kw[0, 672] == code(datetime(2020, 12, 28))


def test_first_of_several_years_and_of_the_repeated_hour() -> None:
    load = coded(datetime(2021, 1, 4), datetime(2023, 1, 9), "Europe/Stockholm")
    values = np.arange(load.size) / load.size * 90
    load = pd.Series(values, index=load.index, name="load_kw")
    price = flat_price(datetime(2024, 10, 21, tzinfo=STOCKHOLM), 1)  # ISO week 43
    data = Dataset.from_frame(price, load, 5.0)
    sunday = pd.Timestamp("2021-10-31T00:00", tz="UTC")  # 02:00 for the first time
    first = load[sunday]
    assert data.load_kw[0, 6 * 96 + 8] == first
    assert data.load_kw[0, 6 * 96 + 12] == first
    assert data.load_kw[0, 0] == load[pd.Timestamp("2021-10-25", tz="Europe/Stockholm")]


def test_an_hour_skipped_in_one_year_is_taken_from_another() -> None:
    # Summer time begins on the Sunday of ISO week 13 in 2020, of week 12 in 2021.
    load = coded(datetime(2019, 12, 30), datetime(2022, 1, 3), "Europe/Stockholm")
    load = pd.Series(np.arange(load.size) / load.size * 90, index=load.index, name="load_kw")
    data = Dataset.from_frame(flat_price(datetime(2023, 3, 27, tzinfo=STOCKHOLM), 1), load, 5.0)
    quarter = 6 * 96 + 9  # Sunday 02:15 of week 13
    assert data.load_kw[0, quarter] == load[pd.Timestamp("2021-04-04T02:15", tz=STOCKHOLM)]
    assert data.load_kw[0, quarter - 4] == load[pd.Timestamp("2020-03-29T01:15", tz=STOCKHOLM)]


def test_load_in_its_own_zone() -> None:
    load = coded(datetime(2021, 1, 4), datetime(2022, 1, 3), "America/New_York")
    price = flat_price(datetime(2024, 6, 3, tzinfo=STOCKHOLM), 1)
    data = Dataset.from_frame(price, load, 5.0, load_zone="America/New_York")
    assert data.load_kw[0].tolist() == [
        code(time.replace(tzinfo=None)) for time in local_quarters(data, STOCKHOLM)
    ]
    # Read on Stockholm's clock, everything is six hours early.
    data = Dataset.from_frame(price, load, 5.0)
    assert data.load_kw[0].tolist() == [
        code(time.replace(tzinfo=None) - timedelta(hours=6))
        for time in local_quarters(data, STOCKHOLM)
    ]


def test_temperature_by_position_and_load_by_time() -> None:
    warm = coded(datetime(2021, 1, 4), datetime(2022, 1, 3), "Europe/Stockholm", 30) / 2
    price = flat_price(datetime(2024, 6, 3, tzinfo=STOCKHOLM), 1)
    load = coded(datetime(2024, 6, 1), datetime(2024, 6, 20), "Europe/Stockholm")
    load = pd.Series(np.arange(load.size) / 100, index=load.index, name="kw")
    data = Dataset.from_frame(price, load, warm.rename("t_c"))
    np.testing.assert_allclose(data.load_kw[0], np.arange(192, 192 + 672) / 100)
    assert (
        data.temperature_c[13]
        == (code(datetime(2021, 6, 7, 13), 30) + code(datetime(2021, 6, 7, 13, 30), 30)) / 4
    )


def test_span_too_short_to_pair() -> None:
    index = pd.date_range(START - timedelta(days=100), periods=1000, freq="h")
    load = pd.Series(1.0, index=index, name="load_kw")
    message = (
        r"load frame, row 0 \(2022-09-23T23:00Z\) to row 999 \(2022-11-04T14:00Z\): covers neither "
        r"the calendar, 2023-01-01T23:00Z to 2023-01-08T23:00Z, nor all ISO weeks "
        r"1 to 52 of a year; first missing: week 1, Mon 00:00"
    )
    with pytest.raises(DataError, match=message):
        Dataset.from_frame(flat_price(START, 1), load, 5.0)


def test_pairing_across_a_year_end_with_a_missing_hour() -> None:
    load = coded(datetime(2021, 1, 4), datetime(2022, 1, 2, 23), "Europe/Stockholm")
    price = flat_price(datetime(2024, 6, 3, tzinfo=STOCKHOLM), 1)
    with pytest.raises(DataError, match=r"load frame, row 0 .*missing: week 52, Sun 23:00"):
        Dataset.from_frame(price, load, 5.0)


def test_a_series_that_nearly_covers_the_calendar() -> None:
    """Two years of load that lack the first hour: by time from the next Monday, or by position."""
    price = flat_price(datetime(2024, 1, 1, tzinfo=STOCKHOLM), 60)
    begin = datetime(2024, 1, 1, tzinfo=UTC)  # 01:00 in Stockholm
    load = coded(begin, begin + timedelta(weeks=70), "UTC")
    load = pd.Series(np.arange(load.size) / load.size * 90, index=load.index, name="load_kw")
    message = (
        r"load frame, row 0 \(2024-01-01T00:00Z\) to row 47039 \(2025-05-04T23:45Z\): lacks 1 "
        r"hours from 2023-12-31T23:00Z to 2024-01-01T00:00Z of the calendar, 2023-12-31T23:00Z to "
        r'2025-02-23T23:00Z; allowed are start="2024-01-08" and weeks=59, which it covers, or '
        r'pair="position", which takes all values from the same ISO week'
    )
    with pytest.raises(DataError, match=message):
        Dataset.from_frame(price, load, 5.0)
    cut = Dataset.from_frame(price, load, 5.0, start="2024-01-08", weeks=59)
    first = 7 * 96 - 4
    np.testing.assert_array_equal(cut.load_kw[0], load.to_numpy()[first : first + 59 * 672])
    by_position = Dataset.from_frame(price, load, 5.0, pair="position")
    np.testing.assert_array_equal(by_position.load_kw[0, 4:96], load.to_numpy()[:92])
    assert by_position.load_kw[0, 0] == load[pd.Timestamp("2024-12-30T00:00", tz=STOCKHOLM)]


def test_temperature_that_ends_before_the_prices() -> None:
    price = flat_price(START, 4)
    load = pd.Series(1.0, index=pd.date_range(START, periods=4 * 168, freq="h"), name="load_kw")
    warm = pd.Series(5.0, index=pd.date_range(START, periods=4 * 168 - 3, freq="h"), name="t_c")
    with pytest.raises(
        DataError,
        match=r"temperature frame.*: lacks 3 hours from 2023-01-29T20:00Z to 2023-01-29T23:00Z of "
        r'.*allowed are start="2023-01-02" and weeks=3, which it covers',
    ):
        Dataset.from_frame(price, load, warm)
    with pytest.raises(DataError, match=r"covers neither .* first missing: week 4, Sun 21:00"):
        Dataset.from_frame(price, load, warm, pair="position")


def stamps(count: int) -> list[str]:
    """Hours from START as the files write them."""
    return [f"{START + timedelta(hours=i):%Y-%m-%dT%H:%MZ}" for i in range(count)]


def values_of(path: Path, name: str) -> dict[str, float]:
    with path.open(newline="") as file:
        return {row["timestamp_utc"]: float(row[name]) for row in csv.DictReader(file)}


def test_measured_series(measured_folder: Path) -> None:
    """Swedish prices and weather of 2023-2024 meet a house measured in France in 2008."""
    price = measured_folder / "price_dayahead_SE3_hourly_2016-2024.csv"
    load = measured_folder / "household_load_uci_sceaux_15min_2008.csv"
    weather = measured_folder / "weather_stockholm_hourly_2023-2024.csv"
    data = Dataset.from_csv(
        price=price,
        price_column="price_ore_per_kwh",
        load=load,
        temperature=weather,
        start="2023-01-02",
        weeks=104,
    )
    assert (data.start, data.weeks, data.houses) == (START, 104, 1)
    ore, kw = values_of(price, "price_ore_per_kwh"), values_of(load, "load_kw")
    celsius = values_of(weather, "temperature_c")
    expected = [ore[stamp] / 100 for stamp in stamps(104 * 168)]
    np.testing.assert_allclose(data.price_per_kwh, expected, rtol=1e-15)
    expected = [celsius[stamp] for stamp in stamps(104 * 168)]
    np.testing.assert_array_equal(data.temperature_c, expected)

    def at(stamp: str) -> float:
        time = datetime.strptime(stamp, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        return float(data.load_kw[0, (time - START) // timedelta(minutes=15)])

    pairs = {
        "2023-01-01T23:00Z": "2008-12-28T23:00Z",  # Monday of week 1: only at the end of the file
        "2023-01-02T23:00Z": "2007-12-31T23:00Z",  # Tuesday of week 1: 1 January 2008
        "2023-07-04T10:00Z": "2008-07-01T10:00Z",  # Tuesday of week 27, noon in summer
        "2024-07-02T10:00Z": "2008-07-01T10:00Z",  # the same a year later
        "2024-01-15T17:45Z": "2008-01-14T17:45Z",  # Monday of week 3
        "2023-03-26T00:45Z": "2008-03-23T00:45Z",  # 01:45, the last quarter before 03:00
        "2023-03-26T01:00Z": "2008-03-23T02:00Z",  # 03:00 where 2008 is still in winter time
        "2023-04-02T00:15Z": "2008-03-30T00:15Z",  # 02:15, skipped in 2008: takes 01:15
        "2023-04-02T01:15Z": "2008-03-30T01:15Z",  # 03:15 in both
        "2023-10-29T00:30Z": "2008-10-26T00:30Z",  # 02:30 for the first time
        "2023-10-29T01:30Z": "2008-10-26T00:30Z",  # 02:30 for the second time
    }
    # 2023-04-02 is in summer time: 02:15 is 00:15Z; the hour before in 2008, 01:15, is 00:15Z too.
    assert {stamp: at(stamp) for stamp in pairs} == {s: kw[other] for s, other in pairs.items()}
