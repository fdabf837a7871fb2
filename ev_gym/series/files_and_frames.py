"""Users' files and frames as tables whose intervals follow each other without gaps.

Every error names the file, the row and the stamp; nothing is filled in or left out. The docstring
of `ev_gym.series.dataset.Dataset` holds the rules.
"""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ev_gym.scenario.parameters import override
from ev_gym.scenario.series_file import SeriesFile
from ev_gym.series.dialects import with_sums
from ev_gym.series.limits import DataError
from ev_gym.series.stamps import (
    intervals,
    looks_like_stamp,
    read_stamps,
    utc_text,
    whole_seconds,
)
from ev_gym.series.text_tables import read_cells, separator_word

# What the ends of intervals are called where their starts stand beside them.
_ENDS = ("bis", "til", "till", "tot", "to", "end", "ende", "slut", "fin", "time_end", "period end")


@dataclass(frozen=True)
class Table:
    """One file or frame without gaps in time, with cells that are still text or objects.

    Attributes:
        name: What messages call it: the path, or "price frame".
        header: How messages refer to the names of its columns.
        rows: Number of each record: from 2 on in a file (as editors count), from 0 in a frame.
        seconds: Start of each interval, seconds since 1970 in UTC.
        lengths_s: Length of each interval, seconds.
        cells: Its columns, without that of the stamps.
        file: The options of reading that concern columns and pairing.
        understood: How the file was read, in words; empty for a frame.
    """

    name: str
    header: str
    rows: NDArray[np.int64]
    seconds: NDArray[np.int64]
    lengths_s: NDArray[np.int64]
    cells: pd.DataFrame
    file: SeriesFile
    understood: tuple[str, ...] = ()

    @property
    def step_s(self) -> int:
        """Longest time, seconds, in whole multiples of which all intervals last."""
        return math.gcd(*np.unique(self.lengths_s).tolist())

    def where(self, index: int) -> str:
        """Name, row and stamp of a record, for messages."""
        return f"{self.name}, row {self.rows[index]} ({utc_text(self.seconds[index])})"

    def span(self) -> str:
        """Name, first and last record, for messages."""
        return f"{self.where(0)} to row {self.rows[-1]} ({utc_text(self.seconds[-1])})"


# Files and frames.


class Sources(NamedTuple):
    """The files of `Dataset.from_csv`, or the frames of `Dataset.from_frame`."""

    price: Any
    load: Any
    temperature: Any
    irradiance: Any
    carbon: Any


class Tables(NamedTuple):
    """The tables that were read from `Sources`; a constant temperature is still a number."""

    price: Table
    load: Table
    temperature: Table | float | None
    irradiance: Table | None
    carbon: Table | None


def read_files(files: Sources, defaults: Mapping[str, Mapping[str, Any]]) -> Tables:
    """Read the files of `Dataset.from_csv`.

    Args:
        files: Paths, or files with options.
        defaults: By role, options for what a file leaves at its default.
    """

    def read(role: str) -> Table:
        return read_csv(file_of(getattr(files, role), role, defaults[role]), role)

    constant = not isinstance(files.temperature, (str, os.PathLike, Mapping, SeriesFile))
    return Tables(
        read("price"),
        read("load"),
        files.temperature if constant else read("temperature"),
        None if files.irradiance is None else read("irradiance"),
        None if files.carbon is None else read("carbon"),
    )


def file_of(given: Any, role: str, defaults: Mapping[str, Any]) -> SeriesFile:
    """A path, a dict of options or a `SeriesFile` as the latter, with defaults where it has its."""
    if isinstance(given, Mapping):
        given = override(SeriesFile(), given, f"the {role} file")
    elif not isinstance(given, SeriesFile):
        given = SeriesFile(path=os.fspath(given))
    if given.path is None:
        raise DataError(f"{role}: the options name no path; needed is the path of a file")
    unset = {field.name: field.default for field in fields(given)}
    left = {key: value for key, value in defaults.items() if getattr(given, key) == unset[key]}
    file: SeriesFile = replace(given, **left)
    return file


def read_frames(frames: Sources, options: Mapping[str, Mapping[str, Any]]) -> Tables:
    """Read the objects of `Dataset.from_frame`; `options` has by role those of a `SeriesFile`."""

    def read(role: str) -> Table:
        return read_frame(getattr(frames, role), role, SeriesFile(**options[role]))

    temperature: Any = frames.temperature
    if isinstance(temperature, numbers.Real):
        temperature = float(temperature)
    elif temperature is not None:
        temperature = read("temperature")
    return Tables(
        read("price"),
        read("load"),
        temperature,
        None if frames.irradiance is None else read("irradiance"),
        None if frames.carbon is None else read("carbon"),
    )


def read_csv(file: SeriesFile, role: str) -> Table:
    """Read a text file with a header, and check its stamps.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: It cannot be read for certain; the message names file, row and what is allowed.
    """
    name = file.path or ""
    if not os.path.isfile(name):
        raise FileNotFoundError(f"{role} file not found: {name}")
    content, file = read_cells(name, role, file)
    header = f"{name}, row {content.header_row} (header)"
    _check_names(content.header, header)
    rows = np.array(content.numbers, dtype=np.int64)
    stamp = file.stamp_column or (
        "timestamp_utc" if "timestamp_utc" in content.header else content.header[0]
    )
    _check_known([stamp, file.time_column, file.register_column], content.header, header)
    if stamp.strip().lower() in _ENDS and file.stamp_marks == "start" and not file.counter:
        raise DataError(
            f"{header}: {stamp!r} names the end of an interval; needed is stamp_marks='end', or "
            "stamp_column= with stamps that mark the start"
        )
    cells = pd.DataFrame(content.rows, columns=content.header, dtype=object)
    if file.stamp_column is None and file.stamp_format is None and content.rows:
        _check_first_column(stamp, content.rows[0], content.header, header)
    texts = [str(text).strip() for text in cells.pop(stamp)]
    if file.time_column is not None:
        times = cells.pop(file.time_column)
        texts = [f"{day} {str(time).strip()}" for day, time in zip(texts, times, strict=True)]
    if file.register_column is None:
        seconds, shape = read_stamps(texts, name, rows, file)
    else:
        seconds, rows, cells, shape = _by_register(cells, texts, name, header, rows, file)
    if seconds.size > 1 and bool((np.diff(seconds) < 0).all()):  # the newest row comes first
        seconds, rows, cells = seconds[::-1], rows[::-1], cells.iloc[::-1].reset_index(drop=True)
        shape += ", the newest first"
    if file.dialect == "pvgis":  # one moment of each hour, minutes past it, stands for the hour
        seconds = seconds - seconds[:1] % 3600
    starts, lengths_s = intervals(seconds, name, rows, file.stamp_marks)
    between = f"{separator_word(content.separator)} between cells"
    if file.separator is None:
        between += ", as the header shows"
    columns = repr(stamp) + (f" and {file.time_column!r}" if file.time_column else "")
    understood = (
        f"{content.encoding}, {between}; header in row {content.header_row}",
        f"stamps in {columns}, {shape}; they mark the {file.stamp_marks} of the intervals",
    )
    return Table(name, header, rows, starts, lengths_s, with_sums(file, cells), file, understood)


def read_frame(data: Any, role: str, file: SeriesFile) -> Table:
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
    rows = np.arange(len(index), dtype=np.int64)
    seconds = whole_seconds(index.tz_convert("UTC"), name, rows)
    starts, lengths_s = intervals(seconds, name, rows, file.stamp_marks)
    return Table(name, header, rows, starts, lengths_s, cells, file)


def _check_names(names: list[str], header: str) -> None:
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise DataError(f"{header}: column names {twice} occur more than once in {names}")


def _check_known(columns: list[str | None], names: list[str], header: str) -> None:
    for column in columns:
        if column is not None and column not in names:
            raise DataError(f"{header}: no column {column!r} among {names}")


def _check_first_column(stamp: str, row: list[str], names: list[str], header: str) -> None:
    """Refuse a first column without dates where another has some, naming that one."""
    dated = [name for name, cell in zip(names, row, strict=True) if looks_like_stamp(cell)]
    first = row[names.index(stamp)].strip()
    if dated and stamp not in dated and not first.isdigit():
        raise DataError(
            f"{header}: {stamp!r} holds no stamps but {first!r}; needed is stamp_column=, perhaps "
            f"{dated[0]!r}"
        )


def _by_register(
    cells: pd.DataFrame,
    texts: list[str],
    name: str,
    header: str,
    rows: NDArray[np.int64],
    file: SeriesFile,
) -> tuple[NDArray[np.int64], NDArray[np.int64], pd.DataFrame, str]:
    """Stamps, rows and cells of a long file, one column for each register that counts.

    Registers take turns, as those of day and night do: one without a row in an interval counts 0
    there if another of the same list has one.
    """
    registers = cells[file.register_column].astype(str).str.strip().to_numpy()
    found = list(dict.fromkeys(registers.tolist()))
    wanted = [*file.sum_columns, *file.less_columns]
    unknown = [register for register in wanted if register not in found]
    if unknown or not file.sum_columns:
        raise DataError(
            f"{header}: column {file.register_column!r} names the registers {found}; choose with "
            "sum_columns= those that add up, with less_columns= those to take off"
            + (f", not {unknown}" if unknown else "")
        )
    if len(file.columns) != 1 or file.columns[0] not in cells:
        raise DataError(
            f"{header}: columns = {list(file.columns)}; with register_column= needed is the one "
            f"column of values, among {list(cells.columns)}"
        )
    parts = []
    for register in wanted:
        at = np.flatnonzero(registers == register)
        stamps = read_stamps([texts[i] for i in at], name, rows[at], file)
        back = np.flatnonzero(np.diff(stamps.seconds) <= 0)
        if back.size:
            row = int(back[0]) + 1
            raise DataError(
                f"{name}, row {rows[at][row]} ({utc_text(stamps.seconds[row])}): register "
                f"{register!r} has had this stamp or a later one before"
            )
        values = cells[file.columns[0]].to_numpy(dtype=object)[at]
        parts.append(pd.DataFrame({register: values, "row": rows[at]}, index=stamps.seconds))
    wide = pd.concat([part.drop(columns="row") for part in parts], axis=1).sort_index()
    numbers = pd.concat([part["row"] for part in parts]).groupby(level=0).min()
    for group in (list(file.sum_columns), list(file.less_columns)):
        some = wide[group].notna().any(axis=1)
        for register in group:
            absent = wide[register].isna()
            wide.loc[absent, register] = np.where(some[absent], "0", "")
    return wide.index.to_numpy(np.int64), numbers.to_numpy(np.int64), wide, stamps.shape
