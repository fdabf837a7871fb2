"""Every step of a comparison as gzipped CSV, written in pieces by whoever computes them.

Each episode is a gzip member of its own, which holds no time stamp and no name, so equal steps give
equal bytes. Any number of members may stand one after the other (RFC 1952); a reader sees one
archive. orjson writes the numbers, ten times as fast as pandas.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
from numpy.typing import NDArray

from ev_gym.scenario import Scenario
from ev_gym.simulation.results import NAMES, TERM_FIELDS, VEHICLE_NAMES, vehicle_columns

if TYPE_CHECKING:
    import pandas as pd

EPISODE = ("scenario", "split", "policy", "seed", "household")
GZIP, LEVEL = 16 + zlib.MAX_WBITS, 5
DECIMALS = 6


def step_columns(scenarios: Iterable[Scenario]) -> tuple[str, ...]:
    """The columns after `now_min`: of the first scenario, then what later ones add to them."""
    columns: dict[str, None] = {}
    for scenario in scenarios:
        columns |= dict.fromkeys(_columns_of(len(scenario.vehicles)))
    return tuple(columns)


def _columns_of(cars: int) -> list[str]:
    of_cars = [column for name in VEHICLE_NAMES for column in vehicle_columns(name, cars)]
    return [*NAMES[1:], *of_cars, *TERM_FIELDS, "reward"]  # NAMES[0] is now_min


def _line(cells: Iterable[object]) -> str:
    """Cells as one line of CSV, quoted where they must be."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def header(columns: tuple[str, ...]) -> bytes:
    """The gzip member with the names of the columns, first of the file."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    line = _line([*EPISODE, "time", "now_min", *columns]) + "\n"
    return packer.compress(line.encode()) + packer.flush()


class StepsWriter:
    """Packs the steps of n episodes, day by day.

    Args:
        names: The cells of EPISODE, for each episode.
        columns: Of the file, after `now_min`; those of cars that the scenario lacks stay empty.
        start: When the series began: minute 0 of `now_min`.
        zone: The household's time zone.
    """

    def __init__(
        self, names: list[tuple[Any, ...]], columns: tuple[str, ...], start: datetime, zone: str
    ) -> None:
        self._names = [_line(cells).encode() + b"," for cells in names]
        self._packers = [zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP) for _ in names]
        self._packed: list[list[bytes]] = [[] for _ in names]
        self._columns, self._start, self._zone = columns, start, ZoneInfo(zone)
        self._texts: dict[int, bytes] = {}

    def add(self, results: NDArray[Any], vehicle_results: NDArray[Any]) -> None:
        """Add a day's records (steps, n) and (steps, n, K)."""
        numbers = self._numbers(results, vehicle_results)
        minutes = results["now_min"].T.tolist()
        for row, (name, row_minutes) in enumerate(zip(self._names, minutes, strict=True)):
            text = orjson.dumps(numbers[row], option=orjson.OPT_SERIALIZE_NUMPY)
            lines = text[2:-2].replace(b"null", b"").split(b"],[")
            whole = [
                b"%b%b%b\n" % (name, self._moment(minute), line)
                for minute, line in zip(row_minutes, lines, strict=True)
            ]
            self._packed[row].append(self._packers[row].compress(b"".join(whole)))

    def _numbers(self, results: NDArray[Any], vehicle_results: NDArray[Any]) -> NDArray[np.float64]:
        """(n, steps, columns), rounded; NaN in columns that the scenario lacks."""
        steps, rows, cars = vehicle_results.shape
        numbers = np.full((rows, steps, len(self._columns)), np.nan)
        reward = np.zeros(results.shape)
        places = {name: place for place, name in enumerate(self._columns)}
        for name in (*NAMES[1:], *TERM_FIELDS):
            numbers[:, :, places[name]] = results[name].T
        for name in TERM_FIELDS:
            reward += results[name]
        numbers[:, :, places["reward"]] = reward.T
        for name in VEHICLE_NAMES:
            for k, column in enumerate(vehicle_columns(name, cars)):
                numbers[:, :, places[column]] = vehicle_results[name][:, :, k].T
        return numbers.round(DECIMALS)

    def _moment(self, minute: int) -> bytes:
        """The cells of local time and minute; made once for all episodes that pass it."""
        if minute not in self._texts:
            moment = (self._start + timedelta(minutes=minute)).astimezone(self._zone)
            self._texts[minute] = f"{moment.isoformat()},{minute},".encode()
        return self._texts[minute]

    def close(self) -> list[bytes]:
        """The finished gzip members, one for each episode."""
        ends = [packer.flush() for packer in self._packers]
        return [b"".join([*parts, end]) for parts, end in zip(self._packed, ends, strict=True)]


def read_member(member: bytes, columns: tuple[str, ...], zone: str) -> pd.DataFrame:
    """The steps of one episode, `time` aware, without the columns of other scenarios."""
    import pandas as pd

    text = io.BytesIO(zlib.decompress(member, GZIP))
    frame = pd.read_csv(text, names=[*EPISODE, "time", "now_min", *columns])
    frame["time"] = pd.to_datetime(frame["time"], utc=True).dt.tz_convert(zone)
    return frame.dropna(axis=1, how="all")
