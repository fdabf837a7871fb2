"""The load of a house in Sceaux in 2008, from minutes of the UCI data set 235.

The recorder's clock shows winter time all year: every day has 1,440 minutes, also those on which
the clocks of France change, and in UTC, which is an hour behind it, the house wakes an hour earlier
in summer. Minutes without a measurement repeat the one before, as in the file from which this
project's figures come; a second file lists them, so that nobody takes them for measured.
"""

from __future__ import annotations

import zipfile
import zlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ev_gym.markets import MarketError

HEADER = "timestamp_utc,load_kw\n"
GAPS_HEADER = "first_minute_utc,minutes\n"
MEMBER = "household_power_consumption.txt"
YEAR = 2008
_COLUMNS = ["Date", "Time", "Global_active_power"]
_BEHIND = timedelta(hours=1)  # UTC behind the recorder
_MINUTE = "%Y-%m-%dT%H:%MZ"


class House(NamedTuple):
    """Lines of CSV: means of quarter-hours, and the spans of minutes that were not measured."""

    rows: str
    gaps: str
    gap_minutes: int


def read(path: Path) -> House:
    """Read the year from the archive.

    Raises:
        MarketError: if it is no such archive, is damaged, or lacks a minute's row.
    """
    import pandas as pd

    try:
        with zipfile.ZipFile(path) as archive, archive.open(MEMBER) as file:
            header = file.readline().decode().strip().split(";")
            if header[:3] != _COLUMNS:
                raise MarketError(f"uci: {MEMBER} has columns {header[:3]}; allowed: {_COLUMNS}")
            table = pd.read_csv(
                file,
                sep=";",
                names=_COLUMNS,
                usecols=[0, 1, 2],
                na_values=["?"],
                dtype={"Date": str, "Time": str, "Global_active_power": np.float64},
            )
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
        raise MarketError(f"uci: {path} is not the archive of data set 235: {error}") from None
    stamps = pd.to_datetime(table["Date"] + " " + table["Time"], format="%d/%m/%Y %H:%M:%S")
    of_year = (stamps.dt.year == YEAR).to_numpy()
    begin = datetime(YEAR, 1, 1)
    minutes = pd.date_range(begin, datetime(YEAR + 1, 1, 1), freq="min", inclusive="left")
    found = stamps[of_year].to_numpy()
    if len(found) != len(minutes) or (found != minutes.to_numpy()).any():
        first = next((m for m, f in zip(minutes, found, strict=False) if m != f), "its end")
        raise MarketError(
            f"uci: {MEMBER} lacks minutes of {YEAR}, or repeats some, from {first} on"
        )
    measured = table["Global_active_power"]
    load_kw = measured.ffill().to_numpy()[of_year]
    if np.isnan(load_kw).any():
        raise MarketError(f"uci: {MEMBER} has no measurement before {YEAR}-01-01")
    quarters = load_kw.reshape(-1, 15).mean(axis=1)
    rows = "".join(
        f"{begin - _BEHIND + timedelta(minutes=15 * n):{_MINUTE}},{value:.4f}\n"
        for n, value in enumerate(quarters)
    )
    missing = measured.isna().to_numpy()[of_year]
    edges = np.flatnonzero(np.diff(missing.astype(np.int8), prepend=0, append=0))
    gaps = "".join(
        f"{begin - _BEHIND + timedelta(minutes=int(start)):{_MINUTE}},{end - start}\n"
        for start, end in edges.reshape(-1, 2)
    )
    return House(rows, gaps, int(missing.sum()))
