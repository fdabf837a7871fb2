"""Running counters, several registers, and resolutions that change within a file."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_gym.scenario import ScenarioError, SeriesFile
from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError
from ev_gym.series.stamps import read_stamps
from tests.support.week_frames import START, column_frame, week_of

UTC = timezone.utc
USED_KWH = np.random.default_rng(3).uniform(0.1, 2.0, 168).round(3)


def csv_of(path: Path, columns: dict[str, Any], minutes: int = 60) -> dict[str, Any]:
    """A file whose first interval begins with the week."""
    rows = len(next(iter(columns.values())))
    index = pd.date_range(START, periods=rows, freq=f"{minutes}min", name="timestamp_utc")
    pd.DataFrame(columns, index=index).to_csv(path, date_format="%Y-%m-%dT%H:%MZ")
    return {"path": str(path)}


@pytest.fixture
def price(tmp_path: Path) -> dict[str, Any]:
    return csv_of(tmp_path / "price.csv", {"price_sek_per_kwh": np.arange(168) / 100})


def counted(readings: Any) -> dict[str, Any]:
    return {"meter_kwh": np.asarray(readings).round(3)}


COUNTERS = {
    "rises for ever": np.concatenate([[50_000.0], 50_000.0 + USED_KWH.cumsum()]),
    "begins anew at midnight": np.append(
        np.hstack([[0.0, *day[:-1].cumsum()] for day in USED_KWH.reshape(7, 24)]), 0.0
    ),
}


@pytest.mark.parametrize("readings", COUNTERS.values(), ids=list(COUNTERS))
def test_counters_are_noticed(tmp_path: Path, price: Any, readings: Any) -> None:
    load = csv_of(tmp_path / "load.csv", counted(readings))
    with pytest.raises(
        DataError, match=r"load.csv, row 2 .* to row 170 .*: meter_kwh rises 1\d\d "
    ):
        Dataset.from_csv(price, load, 5.0)


def test_differences_of_a_counter(tmp_path: Path, price: Any) -> None:
    """169 readings are 168 hours. After a reset the reading is what was used since."""
    readings = COUNTERS["rises for ever"].copy()
    load = csv_of(tmp_path / "load.csv", counted(readings))
    data = Dataset.from_csv(price, {**load, "counter": True}, 5.0)
    np.testing.assert_allclose(data.load_kw[0], np.repeat(USED_KWH, 4), atol=2e-3)
    readings[100:] -= readings[99]  # a new meter was at 0 when the 100th hour began
    load = csv_of(tmp_path / "load.csv", counted(readings))
    data = Dataset.from_csv(price, {**load, "counter": True}, 5.0)
    np.testing.assert_allclose(data.load_kw[0], np.repeat(USED_KWH, 4), atol=2e-3)
    readings[50] -= 30.0  # one reading is wrong: the meter did not begin anew at 50,000
    load = csv_of(tmp_path / "load.csv", counted(readings))
    with pytest.raises(DataError, match=r"load.csv, row 51 .*allowed is 0 to 100 kW"):
        Dataset.from_csv(price, {**load, "counter": True}, 5.0)


def test_a_counter_of_power_is_refused(tmp_path: Path, price: Any) -> None:
    load = csv_of(tmp_path / "load.csv", {"load_kw": np.ones(168)})
    with pytest.raises(DataError, match=r"'load_kw' is in kw; counter=True needs kwh or wh"):
        Dataset.from_csv(price, {**load, "counter": True}, 5.0)
    with pytest.raises(DataError, match=r"counter, sum_columns and less_columns are for a load, n"):
        Dataset.from_csv({**price, "counter": True}, load, 5.0)


def test_sums_of_columns(tmp_path: Path, price: Any) -> None:
    rng = np.random.default_rng(4)
    columns = {name: rng.uniform(0.0, 1.0, 168).round(3) for name in ("high_kwh", "low_kwh")}
    columns["heat_pump_w"] = (1000 * columns["low_kwh"] / 2).round(3)
    load = csv_of(tmp_path / "load.csv", columns)
    options = {"sum_columns": ["high_kwh", "low_kwh"], "less_columns": ["heat_pump_w"]}
    expected = columns["high_kwh"] + columns["low_kwh"] / 2
    data = Dataset.from_csv(price, {**load, **options}, 5.0)
    np.testing.assert_allclose(data.load_kw, np.repeat(expected, 4)[np.newaxis], atol=1e-12)
    with pytest.raises(DataError, match=r"several load columns, .*add them up with sum_columns="):
        Dataset.from_csv(price, load, 5.0)
    turned = {"sum_columns": ["heat_pump_w"], "less_columns": ["low_kwh"]}
    with pytest.raises(
        DataError, match=r"row 2 .*: heat_pump_w - low_kwh is -0.\d+ kW; allowed is"
    ):
        Dataset.from_csv(price, {**load, **turned}, 5.0)
    with pytest.raises(DataError, match=r"less_columns = \['low_kwh'\] without sum_columns"):
        Dataset.from_csv(price, {**load, "less_columns": ["low_kwh"]}, 5.0)
    with pytest.raises(DataError, match=r"columns = \['low_kwh'\] beside sum_columns = \['high_"):
        Dataset.from_csv(price, {**load, **options}, 5.0, load_columns="low_kwh")
    with pytest.raises(ScenarioError, match=r"SeriesFile.pair is 'time'; allowed: one of None, 'p"):
        Dataset.from_csv(price, load, 5.0, pair="time")


def changing(minutes: tuple[int, int], hours: tuple[int, int], values: Any) -> pd.DatetimeIndex:
    """Stamps of one resolution and then of another, from the week's start."""
    first = pd.date_range(START, periods=hours[0] * 60 // minutes[0], freq=f"{minutes[0]}min")
    then = START + timedelta(hours=hours[0])
    second = pd.date_range(then, periods=hours[1] * 60 // minutes[1], freq=f"{minutes[1]}min")
    return first.append(second)


def test_hours_and_then_quarters() -> None:
    """As the market did on 2025-10-01: each value counts for its own interval."""
    index = changing((60, 15), (72, 96), None)
    values = np.arange(index.size) / 1000 + 0.2
    data = week_of(price=pd.Series(values, index=index, name="price_sek_per_kwh"))
    assert data.price_minutes == 15
    expected = np.concatenate([np.repeat(values[:72], 4), values[72:]])
    np.testing.assert_array_equal(data.price_per_kwh, expected)


def test_energy_of_changing_intervals() -> None:
    """1 kWh in an hour is 1 kW, in half an hour 2 kW; the mean over an hour of finer values."""
    index = changing((30, 60), (48, 120), None)
    data = week_of(
        load=pd.Series(1.0, index=index, name="load_kwh"),
        temperature=pd.Series(np.arange(index.size) / 10, index=index, name="t_c"),
    )
    np.testing.assert_array_equal(data.load_kw[0], np.repeat([2.0, 1.0], [192, 480]))
    np.testing.assert_allclose(data.temperature_c[:2], [0.05, 0.25])
    np.testing.assert_allclose(data.temperature_c[47:50], [9.45, 9.6, 9.7])


GAPS = {
    "an hour among quarters": (slice(41, 44), r"row 41 .*gap, 3 intervals of 15 minutes missing"),
    "two days": (slice(100, 292), r"row 100 .*gap, 192 intervals of 15 minutes missing"),
    "every other, for six hours": (slice(41, 65, 2), r"row 41 .*gap, 1 intervals of 15 minutes"),
}


@pytest.mark.parametrize(("lost", "message"), GAPS.values(), ids=list(GAPS))
def test_gaps_are_no_resolution(lost: slice, message: str) -> None:
    load = column_frame("load_kw", 15, np.ones(672))
    with pytest.raises(DataError, match=f"load frame, {message}"):
        week_of(load=load.drop(load.index[lost]))


def test_a_gap_where_the_resolution_changes() -> None:
    index = changing((60, 15), (72, 96), None)
    price = pd.Series(0.5, index=index, name="price_sek_per_kwh")
    with pytest.raises(DataError, match=r"price frame, row 71 .*gap, 1 intervals of 60 minutes"):
        week_of(price=price.drop(index[71]))


def test_ends_of_changing_intervals(tmp_path: Path, price: Any) -> None:
    index = changing((60, 15), (72, 96), None)
    lengths = np.repeat([60, 15], [72, 384])
    values = np.random.default_rng(5).uniform(0.0, 2.0, index.size).round(3)
    ends = index + pd.to_timedelta(lengths, unit="min")
    frame = pd.DataFrame({"load_kw": values}, index=ends)
    frame.to_csv(tmp_path / "load.csv", date_format="%Y-%m-%dT%H:%MZ")
    load = {"path": str(tmp_path / "load.csv"), "stamp_marks": "end"}
    data = Dataset.from_csv(price, load, 5.0)
    np.testing.assert_array_equal(data.load_kw[0], np.repeat(values, lengths // 15))


# Local stamps in autumn.


AUTUMN = datetime(2024, 10, 20, 22, tzinfo=UTC)  # Monday 00:00; summer time ends on the Sunday


def autumn_load(
    tmp_path: Path, minutes: int, kept: Any = slice(None), marks: str = "start"
) -> Dataset:
    """A load with local stamps, of two weeks and prices of those that the rows leave."""
    count = 14 * 1440 // minutes + 60 // minutes
    times = pd.date_range(AUTUMN, periods=count, freq=f"{minutes}min")
    values = np.random.default_rng(6).uniform(0.0, 5.0, count).round(3)
    stamps = times + pd.Timedelta(minutes=minutes if marks == "end" else 0)
    wall = stamps.tz_convert("Europe/Stockholm").strftime("%d.%m.%Y %H:%M")
    frame = pd.DataFrame({"when": wall, "load_kw": values}).iloc[kept]
    frame.to_csv(tmp_path / "load.csv", index=False)
    price = pd.DataFrame(
        {"sek_per_kwh": 0.5}, index=pd.date_range(AUTUMN, periods=14 * 24 + 1, freq="h")
    )
    price.to_csv(tmp_path / "p.csv", date_format="%Y-%m-%dT%H:%MZ", index_label="timestamp_utc")
    load = {"path": str(tmp_path / "load.csv"), "stamp_marks": marks}
    data = Dataset.from_csv(tmp_path / "p.csv", load, 5.0, stamp_zone="Europe/Stockholm")
    expected = np.repeat(values, minutes // 15)[: data.load_kw.size]
    np.testing.assert_array_equal(data.load_kw[0], expected)
    return data


@pytest.mark.parametrize("minutes", [15, 30, 60])
@pytest.mark.parametrize("marks", ["start", "end"])
def test_order_tells_which_hour_of_autumn(tmp_path: Path, minutes: int, marks: str) -> None:
    assert autumn_load(tmp_path, minutes, marks=marks).weeks == 2


def test_a_file_that_begins_or_ends_in_the_repeated_hour(tmp_path: Path) -> None:
    quarter = 6 * 96 + 8  # Sunday 02:00, for the first time
    with pytest.raises(DataError, match=r"row 2 \(2024-10-27T01:00Z\) .*lacks 147 hours"):
        autumn_load(tmp_path, 15, slice(quarter + 4, None))
    with pytest.raises(DataError, match=r"row 586 \(2024-10-27T00:00Z\): lacks 189.75 hours"):
        autumn_load(tmp_path, 15, slice(None, quarter + 1))


def test_an_hour_that_is_there_once_is_refused(tmp_path: Path) -> None:
    quarter = 6 * 96 + 8
    kept = [k for k in range(14 * 96) if not quarter <= k < quarter + 4]
    with pytest.raises(
        DataError, match=r"row 586: local time '27.10.2024 02:00' occurs twice in Europe/Stockholm "
    ):
        autumn_load(tmp_path, 15, kept)


def test_stamps_that_a_source_gave_twice(tmp_path: Path, price: Any) -> None:
    """As Enedis did in autumn, with one offset for both hours (lowatt/lowatt-enedis #16)."""
    times = pd.date_range(AUTUMN, periods=10 * 24, freq="h").tz_convert("Europe/Paris")
    stamps = [time.isoformat() for time in times]
    wrong = [stamp.replace("T02:00:00+01:00", "T02:00:00+02:00") for stamp in stamps[:150]]
    frame = pd.DataFrame({"when": [*wrong, *stamps[150:]], "load_kw": 1.0})
    frame.to_csv(tmp_path / "load.csv", index=False)
    with pytest.raises(DataError, match=r"row 149 \(2024-10-27T00:00Z\): the same stamp as the"):
        Dataset.from_csv(price, tmp_path / "load.csv", 5.0)


def test_a_meter_without_summer_time(tmp_path: Path) -> None:
    """UTC+1 all year is a zone of its own; on Stockholm's clock its summer would be an hour off."""
    monday = datetime(2024, 7, 7, 22, tzinfo=UTC)
    times = pd.date_range(monday, periods=168, freq="h")
    values = np.random.default_rng(7).uniform(0.0, 5.0, 168).round(3)
    pd.DataFrame({"sek_per_kwh": 0.5}, index=times).to_csv(tmp_path / "p.csv", index_label="when")
    frame = pd.DataFrame({"when": times.tz_convert("Etc/GMT-1").strftime("%d.%m.%Y %H:%M")})
    frame.assign(load_kw=values).to_csv(tmp_path / "load.csv", index=False)
    load = {"path": str(tmp_path / "load.csv"), "stamp_zone": "Etc/GMT-1"}
    data = Dataset.from_csv(tmp_path / "p.csv", load, 5.0)
    np.testing.assert_array_equal(data.load_kw[0], np.repeat(values, 4))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    zone=st.sampled_from(["Europe/Stockholm", "America/New_York", "Australia/Sydney", "UTC"]),
    minutes=st.sampled_from([15, 30, 60]),
    day=st.integers(0, 1500),
    lead=st.integers(0, 95),
    count=st.integers(100, 700),
    form=st.sampled_from(["%d.%m.%Y %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M"]),
)
def test_local_stamps_in_order_are_the_instants_they_were(
    zone: str, minutes: int, day: int, lead: int, count: int, form: str
) -> None:
    """Wherever a file begins and ends, the hours that autumn repeats included."""
    begin = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day, minutes=15 * lead)
    times = pd.date_range(begin, periods=count, freq=f"{minutes}min")
    texts = times.tz_convert(zone).strftime(form).tolist()
    rows = np.arange(2, count + 2)
    stamps = read_stamps(texts, "file", rows, SeriesFile(stamp_zone=zone))
    expected = times.to_numpy(dtype="datetime64[s]").astype(np.int64)
    np.testing.assert_array_equal(stamps.seconds, expected)
