"""Reading of files and frames: their values, and errors that name the file, the row and the stamp.

Files are written to `tmp_path`. A week of them begins at 2023-01-01T23:00Z, which is Monday
2023-01-02 00:00 in Stockholm.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError

UTC = timezone.utc
START = datetime(2023, 1, 1, 23, tzinfo=UTC)


def stamps(count: int, minutes: int, start: datetime = START) -> list[str]:
    """Stamps in UTC as the files write them."""
    step = timedelta(minutes=minutes)
    return [f"{start + i * step:%Y-%m-%dT%H:%MZ}" for i in range(count)]


def write(path: Path, header: str, rows: Sequence[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def table(path: Path, column: str, minutes: int, values: Any, **more: Any) -> Path:
    """A file of one column, values as given."""
    times = stamps(len(values), minutes, **more)
    rows = [f"{time},{value}" for time, value in zip(times, values, strict=True)]
    return write(path, f"timestamp_utc,{column}", rows)


class Files:
    """Three sound files of one week, to be changed line by line."""

    def __init__(self, folder: Path) -> None:
        self.paths = {
            "price": table(folder / "price.csv", "price_sek_per_kwh", 60, np.arange(168) / 100),
            "load": table(folder / "load.csv", "load_kw", 15, np.arange(672) / 10),
            "temperature": table(folder / "temperature.csv", "temperature_c", 60, [5.5] * 168),
        }

    def edit(self, role: str, row: int, line: str | None) -> None:
        """Replace a row (as an editor counts), or take it out."""
        lines = self.paths[role].read_text().splitlines()
        lines[row - 1 : row] = [] if line is None else [line]
        self.paths[role].write_text("\n".join(lines) + "\n")

    def read(self, **options: Any) -> Dataset:
        return Dataset.from_csv(**{**self.paths, **options})


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_files_give_their_values(files: Files) -> None:
    data = files.read()
    assert (data.start, data.weeks, data.houses) == (START, 1, 1)
    assert (data.zone, data.currency, data.price_minutes) == ("Europe/Stockholm", "SEK", 60)
    np.testing.assert_array_equal(data.load_kw, [np.arange(672) / 10])
    np.testing.assert_array_equal(data.price_per_kwh, np.arange(168) / 100)
    np.testing.assert_array_equal(data.temperature_c, np.full(168, 5.5))


def test_stamp_columns(tmp_path: Path, files: Files) -> None:
    times = stamps(168, 60)
    late = [f"late,{i / 100},{time}" for i, time in enumerate(times)]
    named = write(tmp_path / "named.csv", "note,price_sek_per_kwh,timestamp_utc", late)
    np.testing.assert_array_equal(files.read(price=named).price_per_kwh, np.arange(168) / 100)
    first = write(tmp_path / "first.csv", "when,sek_per_kwh", [f"{time},1.5" for time in times])
    assert files.read(price=first).price_per_kwh.sum() == 168 * 1.5
    for role in files.paths:
        files.edit(role, 1, files.paths[role].read_text().splitlines()[0].replace("_utc", ""))
    assert files.read(stamp_column="timestamp").weeks == 1
    with pytest.raises(DataError, match=r"price.csv, row 1 \(header\): no column 'clock' among"):
        files.read(stamp_column="clock")


def test_byte_order_mark_offsets_and_empty_last_line(files: Files) -> None:
    path = files.paths["price"]
    text = path.read_text().replace("2023-01-01T23:00Z", "2023-01-02 00:00:00+01:00")
    path.write_text("\ufeff" + text + "\n", encoding="utf-8")
    assert files.read(stamp_column="timestamp_utc").start == START


ERRORS: dict[str, tuple[str, int, str | None, str]] = {
    "gap": ("price", 5, None, r"price.csv, row 5 \(2023-01-02T03:00Z\): gap, 1 intervals of 60 "),
    "gap in load": ("load", 9, None, r"load.csv, row 9 \(2023-01-02T01:00Z\): gap, 1 .* of 15 "),
    "duplicate": (
        "load",
        4,
        "2023-01-01T23:15Z,1",
        r"load.csv, row 4 \(2023-01-01T23:15Z\): the same stamp as the row before",
    ),
    "unsorted": (
        "temperature",
        6,
        "2023-01-01T23:00Z,1",
        r"temperature.csv, row 6 \(2023-01-01T23:00Z\): unsorted.*2023-01-02T02:00Z",
    ),
    "off the grid": (
        "temperature",
        6,
        "2023-01-02T03:10Z,1",
        r"temperature.csv, row 6 \(2023-01-02T03:10Z\): 70 minutes.*off the regular grid of 60",
    ),
    "empty cell": (
        "price",
        7,
        "2023-01-02T04:00Z,",
        r"price.csv, row 7 \(2023-01-02T04:00Z\): price_sek_per_kwh is empty",
    ),
    "NaN": (
        "load",
        3,
        "2023-01-01T23:15Z,NaN",
        r"load.csv, row 3 \(2023-01-01T23:15Z\): load_kw = 'NaN' is not a finite number",
    ),
    "infinite": (
        "load",
        3,
        "2023-01-01T23:15Z,inf",
        r"load.csv, row 3 .*load_kw = 'inf' is not a finite number",
    ),
    "text": (
        "temperature",
        169,
        "2023-01-08T22:00Z,cold",
        r"temperature.csv, row 169 \(2023-01-08T22:00Z\): temperature_c = 'cold' is not",
    ),
    "decimal comma": ("price", 3, '2023-01-02T00:00Z,"1,5"', r"price.csv, row 3 .*= '1,5' is not"),
    "too many cells": ("price", 3, "2023-01-02T00:00Z,1,5", r"price.csv, row 3: 3 cells where"),
    "too few cells": ("price", 3, "2023-01-02T00:00Z", r"price.csv, row 3: 1 cells where"),
    "empty line": (
        "load",
        8,
        "",
        r"load.csv, row 8: 0 cells where the header in row 1 has 2, with commas",
    ),
    "no stamp": ("load", 8, ",1", r"load.csv, row 8: stamp '' is not an ISO 8601 time"),
    "no such day": (
        "load",
        8,
        "2023-02-30T00:00Z,1",
        r"load.csv, row 8: stamp '2023-02-30T00:00Z'",
    ),
    "other format": (
        "price",
        2,
        "01/02/2023 00:00,1",
        r"price.csv, row 2: stamp '01/02/2023 00:00'",
    ),
    "no offset": (
        "price",
        4,
        "2023-01-02T01:00,1",
        r"price.csv, row 4: stamp '2023-01-02T01:00' has no offset from UTC",
    ),
    "a date": ("price", 4, "2023-01-02,1", r"price.csv, row 4: stamp '2023-01-02' has no offset"),
    "a second": (
        "price",
        4,
        "2023-01-02T01:00:01Z,1",
        r"price.csv, row 4 \(2023-01-02T01:00:01Z\): 60.0167 minutes after .*off the regular",
    ),
    "half a second": (
        "price",
        4,
        "2023-01-02T01:00:00.5Z,1",
        r"price.csv, row 4 .*fraction of a second",
    ),
    "W as kW": (
        "load",
        10,
        "2023-01-02T01:00Z,350",
        r"load.csv, row 10 \(2023-01-02T01:00Z\): load_kw = 350 is 350 kW; allowed is 0 to 100 kW",
    ),
    "ore as SEK": (
        "price",
        10,
        "2023-01-02T07:00Z,137.8",
        r"price.csv, row 10 .*price_sek_per_kwh = 137.8 is 137.8 SEK per kWh",
    ),
    "unit unknown": (
        "price",
        1,
        "timestamp_utc,price",
        r"price.csv, row 1 \(header\): no known price unit in \['price'\]; allowed is .*_per_kwh",
    ),
    "semicolons": (
        "price",
        1,
        "timestamp_utc;price_sek_per_kwh",
        r"price.csv, row 2: 1 cells where the header in row 1 has 2, with semicolons between cells",
    ),
    "tabs": ("load", 1, "time\tload_kw", r"load.csv, row 2: 1 cells .* has 2, with tabs between"),
    "twice a name": ("load", 1, "load_kw,load_kw", r"load.csv, row 1 .*\['load_kw'\] occur more"),
    "bad quotes": ("load", 2, '"2023-01-01T23:00Z"x,1', r"load.csv, row 2: no separated text"),
}


@pytest.mark.parametrize(("role", "row", "line", "message"), ERRORS.values(), ids=list(ERRORS))
def test_errors_name_file_and_row(
    files: Files, role: str, row: int, line: str | None, message: str
) -> None:
    files.edit(role, row, line)
    with pytest.raises(DataError, match=message):
        files.read()


@pytest.mark.parametrize("role", ["price", "load", "temperature"])
def test_missing_file(files: Files, role: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"{role} file not found: .*nowhere.csv"):
        files.read(**{role: files.paths[role].parent / "nowhere.csv"})


def test_empty_and_binary_files(files: Files) -> None:
    files.paths["load"].write_text("")
    with pytest.raises(DataError, match=r"load.csv, row 1: the file is empty"):
        files.read()
    files.paths["load"].write_text("timestamp_utc,load_kw\n")
    with pytest.raises(DataError, match=r"load.csv: 0 records; at least two"):
        files.read()
    files.paths["load"].write_text("timestamp_utc,load_kw\n2023-01-01T23:00Z,1\n")
    with pytest.raises(DataError, match=r"load.csv: 1 records; at least two"):
        files.read()
    files.paths["load"].write_bytes(b"\xff\xfet")
    with pytest.raises(DataError, match=r"load.csv is not a text file: 'utf-16"):
        files.read()
    files.paths["load"].write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(DataError, match=r"load.csv is not a text file; a spreadsheet can be saved"):
        files.read()


LIGHT = ("ghi_w_per_m2", "dhi_w_per_m2", "dni_w_per_m2")


def light_file(path: Path, *names: str) -> Path:
    """A week of irradiance: 8, 4 and 2 W/m2 in the first hour, growing with the hours."""
    values = dict(zip(LIGHT, (8.0, 4.0, 2.0), strict=True))
    rows = [
        ",".join([time, "9.5", *(f"{values[name] * (hour + 1):g}" for name in names)])
        for hour, time in enumerate(stamps(168, 60))
    ]
    return write(path, ",".join(["timestamp_utc", "temperature_c", *names]), rows)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_irradiance_files(tmp_path: Path, files: Files, count: int) -> None:
    path = light_file(tmp_path / "sun.csv", *LIGHT[:count])
    data = files.read(irradiance=path)
    hours = np.arange(1.0, 169.0)
    for name, factor in zip(LIGHT[:count], (8.0, 4.0, 2.0), strict=False):
        np.testing.assert_array_equal(getattr(data, name), factor * hours)
    assert all(getattr(data, name) is None for name in LIGHT[count:])
    assert data.clearness is None
    turned = files.read(irradiance=light_file(tmp_path / "turned.csv", *LIGHT[:count][::-1]))
    assert turned.fingerprint == data.fingerprint
    assert files.read().ghi_w_per_m2 is None


def test_irradiance_errors_name_the_file(tmp_path: Path, files: Files) -> None:
    with pytest.raises(FileNotFoundError, match=r"irradiance file not found: .*nowhere\.csv"):
        files.read(irradiance=tmp_path / "nowhere.csv")
    path = light_file(tmp_path / "sun.csv", *LIGHT)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], lines[3].replace("9.5,24", "9.5,"), *lines[4:]]))
    with pytest.raises(
        DataError, match=r"sun.csv, row 4 \(2023-01-02T01:00Z\): ghi_w_per_m2 is em"
    ):
        files.read(irradiance=path)
    path.write_text("\n".join([*lines[:3], *lines[4:]]))
    with pytest.raises(DataError, match=r"sun.csv, row 4 \(2023-01-02T02:00Z\): gap, 1 intervals"):
        files.read(irradiance=path)


# Stamps in local time.


def local_file(path: Path, first: datetime, count: int) -> Path:
    rows = [f"{first + timedelta(hours=i):%Y-%m-%dT%H:%M},1" for i in range(count)]
    return write(path, "time,price_sek_per_kwh", rows)


def test_stamp_zone(tmp_path: Path, files: Files) -> None:
    path = local_file(tmp_path / "local.csv", datetime(2023, 1, 2), 168)
    assert files.read(price=path, stamp_zone="Europe/Stockholm").start == START
    with pytest.raises(DataError, match=r"local.csv, row 2: .*no offset from UTC; allowed"):
        files.read(price=path)
    with pytest.raises(DataError, match="stamp_zone = 'CEST' is not a known"):
        files.read(price=path, stamp_zone="CEST")


def test_mixed_stamps_are_refused(files: Files) -> None:
    files.edit("price", 4, "2023-01-02T02:00,1")
    with pytest.raises(
        DataError, match=r"price.csv, row 4: .*no offset from UTC, unlike other rows"
    ):
        files.read(stamp_zone="Europe/Stockholm")


def test_local_times_that_summer_time_changes(tmp_path: Path, files: Files) -> None:
    spring = local_file(tmp_path / "spring.csv", datetime(2023, 3, 26), 24)
    with pytest.raises(DataError, match=r"spring.csv, row 4: .*'2023-03-26T02:00' does not exist"):
        files.read(price=spring, stamp_zone="Europe/Stockholm")
    autumn = local_file(tmp_path / "autumn.csv", datetime(2023, 10, 29), 24)
    with pytest.raises(
        DataError,
        match=r"autumn.csv, row 4: .*'2023-10-29T02:00' occurs twice in Europe/Stockholm and once",
    ):
        files.read(price=autumn, stamp_zone="Europe/Stockholm")


# Frames.


def week_index(freq: str, rows: int) -> pd.DatetimeIndex:
    return pd.date_range(START, periods=rows, freq=freq)


def week_frame(column: str, minutes: int, rows: int) -> pd.DataFrame:
    index = week_index(f"{minutes}min", rows)
    return pd.DataFrame({column: np.arange(rows) / 100}, index=index)


def test_frames_give_their_values() -> None:
    price, load = week_frame("sek_per_kwh", 60, 168), week_frame("house1_kw", 15, 672)
    load["house2_kw"] = 2 * load["house1_kw"]
    price[2023] = 0.0  # a name that is no text, and no unit
    before = load.copy()
    data = Dataset.from_frame(
        price,
        load.tz_convert("Asia/Tokyo"),
        week_frame("c", 60, 168)["c"],
        load_columns=["house1_kw", "house2_kw"],
    )
    assert price.columns.tolist() == ["sek_per_kwh", 2023]
    np.testing.assert_array_equal(data.load_kw, load.to_numpy().T)
    np.testing.assert_array_equal(data.price_per_kwh, np.arange(168) / 100)
    np.testing.assert_array_equal(data.temperature_c, np.arange(168) / 100)
    pd.testing.assert_frame_equal(load, before)


def broken_frame(how: str) -> pd.DataFrame:
    load = week_frame("load_kw", 15, 672)
    if how == "naive":
        return pd.DataFrame({"load_kw": 1.0}, index=week_index("15min", 672).tz_localize(None))
    if how == "no stamps":
        return load.reset_index(drop=True)
    if how == "gap":
        return load.take([i for i in range(672) if i != 3])
    if how == "duplicate":
        return load.take([0, 1, 1, 2, 3])
    if how == "unsorted":
        return load.sort_index(ascending=False)
    if how == "missing stamp":
        index = load.index.to_series()
        index.iloc[4] = pd.NaT
        return load.set_index(pd.DatetimeIndex(index))
    if how == "NaN":
        load.iloc[7, 0] = np.nan
    elif how == "text":
        load = load.astype(object)
        load.iloc[7, 0] = "much"
    elif how == "range":
        load.iloc[7, 0] = 101.0
    return load


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("naive", r"load frame, row 0 \(2023-01-01 23:00:00\): .*DatetimeIndex with a time zone"),
        ("no stamps", r"load frame, row 0 \(0\): the index must be a DatetimeIndex"),
        ("gap", r"load frame, row 3 \(2023-01-02T00:00Z\): gap, 1 intervals of 15 minutes"),
        ("duplicate", r"load frame, row 2 \(2023-01-01T23:15Z\): the same stamp"),
        ("unsorted", r"load frame, row 1 .*unsorted"),
        ("missing stamp", r"load frame, row 4: the stamp is missing"),
        ("NaN", r"load frame, row 7 \(2023-01-02T00:45Z\): load_kw = nan is not a finite number"),
        ("text", r"load frame, row 7 .*load_kw = 'much' is not a finite number"),
        ("range", r"load frame, row 7 .*load_kw = 101.0 is 101 kW"),
    ],
)
def test_frame_errors_name_the_row(how: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Dataset.from_frame(week_frame("sek_per_kwh", 60, 168), broken_frame(how), 5.0)


def test_frame_of_irradiance() -> None:
    price, load = week_frame("sek_per_kwh", 60, 168), week_frame("kw", 15, 672)
    light = week_frame("ghi_w_per_m2", 60, 168)
    for given in (light, light["ghi_w_per_m2"]):
        data = Dataset.from_frame(price, load, 5.0, irradiance=given)
        np.testing.assert_array_equal(data.ghi_w_per_m2, np.arange(168) / 100)
    with pytest.raises(TypeError, match="irradiance: a pandas Series or DataFrame is needed"):
        Dataset.from_frame(price, load, 5.0, irradiance=200.0)  # type: ignore[arg-type]


def test_frame_of_another_kind_or_unit() -> None:
    price, load = week_frame("sek_per_kwh", 60, 168), week_frame("kw", 15, 672)
    with pytest.raises(TypeError, match="load: a pandas Series or DataFrame is needed"):
        Dataset.from_frame(price, load.to_numpy(), 5.0)  # type: ignore[arg-type]
    unnamed = load["kw"].rename(None)
    with pytest.raises(DataError, match=r"load frame, names of the columns: no known load unit"):
        Dataset.from_frame(price, unnamed, 5.0)
