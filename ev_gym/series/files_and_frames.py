"""Users' files and frames as tables on a regular grid of time.

Every error names the file, the row and the stamp; nothing is filled in or left out. The docstring
of `ev_gym.series.dataset.Dataset` holds the rules.
"""

from __future__ import annotations

import csv
import numbers
import os
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ev_gym.series.limits import DataError
from ev_gym.series.local_time import find_zone

_OFFSET = re.compile(r"[T ][\d:.,]+ ?(Z|[+-]\d\d(:?\d\d)?)$")


@dataclass(frozen=True)
class Table:
    """One file or frame on a regular grid of time, with cells that are still text or objects.

    Attributes:
        name: What messages call it: the path, or "price frame".
        header: How messages refer to the names of its columns.
        first_row: Number of its first record: 2 in a file (as editors count), 0 in a frame.
        seconds: Start of each interval, seconds since 1970 in UTC.
        step_s: Length of the intervals, seconds.
        cells: Its columns, without that of the stamps.
    """

    name: str
    header: str
    first_row: int
    seconds: NDArray[np.int64]
    step_s: int
    cells: pd.DataFrame

    def where(self, index: int) -> str:
        """Name, row and stamp of a record, for messages."""
        return _where(self.name, self.first_row, self.seconds, index)

    def span(self) -> str:
        """Name, first and last record, for messages."""
        last = self.seconds.size - 1
        return f"{self.where(0)} to row {self.first_row + last} ({utc_text(self.seconds[last])})"


def utc_text(seconds: float) -> str:
    """A time as messages show it."""
    stamp = datetime.fromtimestamp(int(seconds), timezone.utc)
    return f"{stamp:%Y-%m-%dT%H:%M}{f':{stamp:%S}' if stamp.second else ''}Z"


def _where(name: str, first_row: int, seconds: NDArray[np.int64], index: int) -> str:
    return f"{name}, row {first_row + index} ({utc_text(seconds[index])})"


# Files and frames.


class Sources(NamedTuple):
    """The files of `Dataset.from_csv`, or the frames of `Dataset.from_frame`."""

    price: Any
    load: Any
    temperature: Any
    irradiance: Any


class Tables(NamedTuple):
    """The tables that were read from `Sources`; a constant temperature is still a number."""

    price: Table
    load: Table
    temperature: Table | float | None
    irradiance: Table | None


def read_files(files: Sources, stamp_column: str | None, stamp_zone: str | None) -> Tables:
    """Read the files of `Dataset.from_csv`."""

    def read(role: str) -> Table:
        return read_csv(getattr(files, role), role, stamp_column, stamp_zone)

    constant = not isinstance(files.temperature, (str, os.PathLike))
    return Tables(
        read("price"),
        read("load"),
        files.temperature if constant else read("temperature"),
        None if files.irradiance is None else read("irradiance"),
    )


def read_frames(frames: Sources) -> Tables:
    """Read the objects of `Dataset.from_frame`."""
    temperature, irradiance = frames.temperature, frames.irradiance
    if isinstance(temperature, numbers.Real):
        temperature = float(temperature)
    elif temperature is not None:
        temperature = read_frame(temperature, "temperature")
    return Tables(
        read_frame(frames.price, "price"),
        read_frame(frames.load, "load"),
        temperature,
        None if irradiance is None else read_frame(irradiance, "irradiance"),
    )


def read_csv(
    path: str | os.PathLike[str], role: str, stamp_column: str | None, stamp_zone: str | None
) -> Table:
    """Read a comma-separated file with a header, and check its stamps.

    Python's csv module rather than pandas reads it, because it keeps all rows, so that messages can
    name their numbers, and takes no text (such as "NA") for a missing value.
    """
    name = os.fspath(path)
    if not os.path.isfile(name):
        raise FileNotFoundError(f"{role} file not found: {name}")
    rows = _csv_rows(name)
    header = [cell.strip() for cell in rows[0]]
    _check_commas(header, name)
    _check_names(header, f"{name}, row 1 (header)")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise DataError(
                f"{name}, row {number}: {len(row)} cells where the header has {len(header)}"
            )
    stamp = stamp_column or ("timestamp_utc" if "timestamp_utc" in header else header[0])
    if stamp not in header:
        raise DataError(f"{name}, row 1 (header): no column {stamp!r} among {header}")
    cells = pd.DataFrame(rows[1:], columns=header, dtype=object)
    texts = [str(text).strip() for text in cells.pop(stamp)]
    seconds = _whole_seconds(_parse_stamps(texts, name, stamp_zone), name, 2)
    step_s = _checked_step_s(seconds, name, 2)
    return Table(name, f"{name}, row 1 (header)", 2, seconds, step_s, cells)


def read_frame(data: Any, role: str) -> Table:
    """Take a Series or DataFrame whose index holds the stamps, and check these."""
    if not isinstance(data, (pd.Series, pd.DataFrame)):
        raise TypeError(f"{role}: a pandas Series or DataFrame is needed, got {type(data)}")
    name = f"{role} frame"
    index = data.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        first = f", row 0 ({index[0]})" if len(index) else ""
        raise DataError(f"{name}{first}: the index must be a DatetimeIndex with a time zone")
    missing = np.flatnonzero(index.isna())
    if missing.size:
        raise DataError(f"{name}, row {missing[0]}: the stamp is missing")
    cells = data.to_frame() if isinstance(data, pd.Series) else data.copy()
    cells.columns = pd.Index([str(column) for column in cells.columns], dtype=object)
    header = f"{name}, names of the columns"
    _check_names(list(cells.columns), header)
    seconds = _whole_seconds(index.tz_convert("UTC"), name, 0)
    return Table(name, header, 0, seconds, _checked_step_s(seconds, name, 0), cells)


def _csv_rows(name: str) -> list[list[str]]:
    try:
        with open(name, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{name} is not a comma-separated text file in UTF-8: {error}") from None
    while rows and not rows[-1]:  # empty lines at the end hold no record
        rows.pop()
    if not rows:
        raise DataError(f"{name}, row 1: the file is empty; a header is needed")
    return rows


def _check_commas(header: list[str], name: str) -> None:
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            raise DataError(
                f"{name}, row 1 (header): the file is separated by {word}; allowed are commas, "
                "with a point in numbers"
            )


def _check_names(names: list[str], header: str) -> None:
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise DataError(f"{header}: column names {twice} occur more than once in {names}")


# Stamps.


def _parse_stamps(texts: list[str], name: str, stamp_zone: str | None) -> pd.DatetimeIndex:
    """The stamps in UTC; an error names the first row whose stamp cannot be read."""
    parsed = pd.DatetimeIndex(pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce"))
    bad = np.flatnonzero(parsed.isna())
    if bad.size:
        raise DataError(
            f"{name}, row {bad[0] + 2}: stamp {texts[bad[0]]!r} is not an ISO 8601 time such as "
            "'2023-01-02T00:00Z'"
        )
    offset = np.array([_OFFSET.search(text) is not None for text in texts], dtype=bool)
    if offset.all():
        return parsed
    row = int(np.argmin(offset))
    if stamp_zone is None or offset.any():
        more = "" if stamp_zone is None else ", unlike other rows of the file"
        raise DataError(
            f"{name}, row {row + 2}: stamp {texts[row]!r} has no offset from UTC{more}; allowed "
            "are Z or an offset such as +01:00 in every row, or in no row and stamp_zone="
        )
    find_zone(stamp_zone, "stamp_zone")
    wall = parsed.tz_localize(None)
    # Times that the clock skips are shifted here, so that only those that occur twice are missing.
    unique = wall.tz_localize(stamp_zone, ambiguous="NaT", nonexistent="shift_forward")
    local = wall.tz_localize(stamp_zone, ambiguous="NaT", nonexistent="NaT")
    bad = np.flatnonzero(local.isna())
    if bad.size:
        why = "occurs twice" if unique.isna()[bad[0]] else "does not exist"
        raise DataError(
            f"{name}, row {bad[0] + 2}: local time {texts[bad[0]]!r} {why} in {stamp_zone}, where "
            "the clock is changed then; write stamps with Z or an offset"
        )
    return local.tz_convert("UTC")


def _whole_seconds(index: pd.DatetimeIndex, name: str, first_row: int) -> NDArray[np.int64]:
    """Seconds since 1970 of stamps in UTC; an error for a fraction of a second."""
    us = index.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)
    seconds = us // 1_000_000
    odd = np.flatnonzero(us % 1_000_000)
    if odd.size:
        where = _where(name, first_row, seconds, int(odd[0]))
        raise DataError(f"{where}: the stamp holds a fraction of a second")
    return seconds


def _checked_step_s(seconds: NDArray[np.int64], name: str, first_row: int) -> int:
    """Seconds from each stamp to the next; an error unless sorted, regular and without gaps."""
    if seconds.size < 2:
        raise DataError(f"{name}: {seconds.size} records; at least two are needed to see the step")
    steps = np.diff(seconds)
    backward = np.flatnonzero(steps <= 0)
    if backward.size:
        row = int(backward[0])
        what = "the same stamp as" if steps[row] == 0 else "unsorted, an earlier stamp than"
        where = _where(name, first_row, seconds, row + 1)
        raise DataError(f"{where}: {what} the row before, {utc_text(seconds[row])}")
    step = int(np.sort(steps)[steps.size // 2])
    uneven = np.flatnonzero(steps != step)
    if uneven.size:
        row = int(uneven[0])
        where = _where(name, first_row, seconds, row + 1)
        before = utc_text(seconds[row])
        if steps[row] % step == 0:
            lost = steps[row] // step - 1
            raise DataError(
                f"{where}: gap, {lost} intervals of {step / 60:g} minutes missing after {before}"
            )
        raise DataError(
            f"{where}: {steps[row] / 60:g} minutes after the row before ({before}), off the "
            f"regular grid of {step / 60:g} minutes"
        )
    return step
