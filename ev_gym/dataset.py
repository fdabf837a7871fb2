"""Aligned series of a household's surroundings: base load, spot price and temperature.

A `Dataset` holds whole weeks on one calendar. Time runs in UTC from `start`, which is a Monday
00:00 on the local clock; local hour, weekday and month follow from the IANA time zone, so a week
in which summer time begins still has 168 hours, one of them skipped on the local clock.

pandas is needed only by `Dataset.from_csv` and `Dataset.from_frame` and is imported there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

HOURS_PER_WEEK = 168
QUARTERS_PER_WEEK = 672
PRICE_MINUTES = (15, 30, 60)


class DataError(ValueError):
    """A series that cannot be used; the message names the file or array, the row and the value."""


class Calendar(NamedTuple):
    """The local clock, one entry per hour elapsed since the start; read-only int64 of one length.

    Attributes:
        offset_min: Local clock minus elapsed time, in minutes, relative to the first hour:
            `local_minute = minute + offset_min[minute // 60]`. The first entry is 0.
        minute_of_day: Local minute of the day (0 to 1439) at which the hour begins.
        weekday: Local weekday, 0 = Monday.
        month: Local month, 1 to 12.
        day_of_year: Local day of the year, 1 to 366.
    """

    offset_min: NDArray[np.int64]
    minute_of_day: NDArray[np.int64]
    weekday: NDArray[np.int64]
    month: NDArray[np.int64]
    day_of_year: NDArray[np.int64]


def find_zone(name: str, what: str = "zone") -> ZoneInfo:
    """The time zone of that IANA name; a `DataError` that says `what` where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        # Which of them is raised depends on how the name is wrong (empty, a folder, a number).
        raise DataError(
            f"{what} = {name!r} is not a known time zone; allowed is an IANA name such as "
            "'Europe/Stockholm'"
        ) from None


def check_local_monday(start: datetime, zone: str) -> None:
    """Refuse (`DataError`) an aware time that is not a Monday 00:00 on the clock of `zone`."""
    local = start.astimezone(find_zone(zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if local.weekday() != 0 or local.replace(tzinfo=None) != midnight:
        monday = (midnight + timedelta(days=7 - local.weekday())).date()
        raise DataError(
            f"start = {start.isoformat()} is {local:%A %Y-%m-%d %H:%M} in {zone}; allowed is a "
            f"Monday 00:00 there, the next is {monday}"
        )


def local_calendar(start: datetime, zone: str, hours: int) -> Calendar:
    """The local clock of `zone` at each of `hours` hours from `start` (aware).

    A zone whose clock changes inside such an hour (Lord Howe Island only) shows the change from
    the next hour on.
    """
    tz = find_zone(zone)
    utc_s = int(start.timestamp()) + 3600 * np.arange(hours, dtype=np.int64)
    offsets = (datetime.fromtimestamp(s, tz).utcoffset() for s in utc_s.tolist())
    offset_s = np.fromiter(
        ((offset or timedelta()).total_seconds() for offset in offsets), np.int64, count=hours
    )
    local_s = utc_s + offset_s
    day = local_s // 86400
    dates = day.astype("datetime64[D]")
    new_year = dates.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    calendar = Calendar(
        offset_min=(offset_s - offset_s[0]) // 60,
        minute_of_day=local_s % 86400 // 60,
        weekday=(day + 3) % 7,  # 1970-01-01, day 0, was a Thursday
        month=dates.astype("datetime64[M]").astype(np.int64) % 12 + 1,
        day_of_year=day - new_year + 1,
    )
    for array in calendar:
        array.setflags(write=False)
    return calendar


@dataclass(frozen=True, eq=False)
class Dataset:
    """Series of one or more houses over whole weeks; immutable, shared by all environments.

    The arrays are copied and made read-only. `calendar` and `fingerprint` are computed once.

    *Users' series.* `from_csv` and `from_frame` read prices, base load and temperature. Nothing
    is filled in: a gap, unsorted or duplicate stamps, an empty cell, text instead of a number, a
    value outside the plausible range (load 0 to 100 kW, price -100 to 100 per kWh, temperature
    -60 to 60 deg C) is an error that names file, row and stamp. Rows count as in an editor, the
    header being row 1; of a DataFrame they are positions, from 0.

    *Stamps.* The column `timestamp_utc`, else the first, holds the start of each interval in
    ISO 8601 with `Z` or an offset. Stamps without offset need `stamp_zone`, and then a local time
    that summer time skips or repeats is an error.

    *Units* are read from the end of a column's name: load `_kw`, `_w` or `_kwh` (energy per
    interval), several columns of one unit being several houses; price `_<currency>_per_kwh` or
    `_<currency>_per_mwh`, with `ore` for hundredths of SEK, NOK or DKK; temperature `_c`.

    *Resolution.* Load comes in quarter-hours: finer series are averaged, 30 and 60 minutes
    repeated. Prices stay in their 15, 30 or 60 minutes. Temperature comes in hours; finer series
    are averaged.

    *Calendar.* The prices set it: whole weeks from their first Monday 00:00 local time, or from
    `start` for `weeks`. Load or temperature that covers all these weeks is paired with the prices
    by time. Otherwise it is paired by calendar position: every interval takes the value of the
    same ISO week, weekday and local time of day, from where the file has this position first.
    So a load measured in 2008 meets the prices of 2023, Mondays on Mondays and winter on winter,
    but what happened on one day (a cold spell, a holiday) is no longer on the day whose price it
    influenced. Week 53 takes week 52, unless the file has a whole week 53. An hour that spring
    skips in the file takes the hour before; the two like-named hours of autumn get the same
    values, those of the first of them in the file. A file paired so must hold all of the ISO
    weeks 1 to 52.

    Attributes:
        start: First instant, aware (kept in UTC); a Monday 00:00 on the local clock of `zone`.
        zone: IANA time zone of local hour, weekday and month.
        load_kw: Base load, shape (houses, weeks * 672): mean kW of each quarter-hour, 0 or more.
        price_per_kwh: Spot price without tax and VAT, shape (weeks * 168 * 60 / price_minutes,),
            in `currency` per kWh.
        temperature_c: Outdoor temperature, shape (weeks * 168,): hourly, degrees Celsius.
        price_minutes: Length of a price interval: 15, 30 or 60 minutes.
        currency: Three-letter code (ISO 4217) of the prices.

    Raises:
        DataError: Shapes that disagree, no whole weeks, a value that is not finite, a negative
            load, a start that is not a local Monday 00:00, an unknown zone.
    """

    start: datetime
    zone: str
    load_kw: NDArray[np.float64]
    price_per_kwh: NDArray[np.float64]
    temperature_c: NDArray[np.float64]
    price_minutes: int = 60
    currency: str = "SEK"

    def __post_init__(self) -> None:
        """Check every field and take read-only copies of the arrays."""
        if not isinstance(self.start, datetime) or self.start.utcoffset() is None:
            raise DataError(f"start = {self.start!r}: allowed is a datetime with a time zone")
        check_local_monday(self.start, self.zone)
        object.__setattr__(self, "start", self.start.astimezone(timezone.utc))
        if self.price_minutes not in PRICE_MINUTES:
            raise DataError(f"price_minutes = {self.price_minutes!r}: allowed are {PRICE_MINUTES}")
        check_currency(self.currency)
        for name in ("load_kw", "price_per_kwh", "temperature_c"):
            object.__setattr__(self, name, _read_only(name, getattr(self, name)))
        self._check_shapes()
        if self.load_kw.min() < 0.0:
            house, quarter = np.unravel_index(self.load_kw.argmin(), self.load_kw.shape)
            raise DataError(
                f"load_kw[{house}, {quarter}] = {self.load_kw.min()}: allowed is 0 kW or more"
            )

    def _check_shapes(self) -> None:
        hours = self.temperature_c.shape
        if len(hours) != 1 or hours[0] == 0 or hours[0] % HOURS_PER_WEEK:
            raise DataError(
                f"temperature_c has shape {hours}: allowed is (weeks * {HOURS_PER_WEEK},), "
                "whole weeks and at least one"
            )
        load = self.load_kw.shape
        if len(load) != 2 or load[0] == 0 or load[1] != self.weeks * QUARTERS_PER_WEEK:
            raise DataError(
                f"load_kw has shape {load}: with {self.weeks} weeks of temperature allowed is "
                f"(houses, {self.weeks * QUARTERS_PER_WEEK})"
            )
        prices = (hours[0] * 60 // self.price_minutes,)
        if self.price_per_kwh.shape != prices:
            raise DataError(
                f"price_per_kwh has shape {self.price_per_kwh.shape}: with {self.weeks} weeks of "
                f"temperature and price_minutes = {self.price_minutes} allowed is {prices}"
            )

    def __reduce__(self) -> tuple[type[Dataset], tuple[Any, ...]]:
        """Pickle and copy through the constructor, so that the arrays stay read-only."""
        return type(self), tuple(getattr(self, field.name) for field in fields(self))

    @property
    def weeks(self) -> int:
        """Number of whole weeks."""
        return self.temperature_c.size // HOURS_PER_WEEK

    @property
    def houses(self) -> int:
        """Number of houses in `load_kw`."""
        return len(self.load_kw)

    @cached_property
    def calendar(self) -> Calendar:
        """The local clock, one entry per hour of the series."""
        return local_calendar(self.start, self.zone, self.temperature_c.size)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the contents, in hex; the same contents give the same digits everywhere."""
        minutes = int(self.price_minutes)
        head = [self.start.isoformat(), self.zone, minutes, self.currency, self.houses]
        digest = hashlib.sha256(json.dumps(head).encode())
        for array in (self.load_kw, self.price_per_kwh, self.temperature_c):
            digest.update(array.astype("<f8", copy=False).data)
        return digest.hexdigest()

    @classmethod
    def from_csv(
        cls,
        price: str | os.PathLike[str],
        load: str | os.PathLike[str],
        temperature: str | os.PathLike[str] | float | None = None,
        *,
        zone: str = "Europe/Stockholm",
        currency: str = "SEK",
        eur_rate: float | None = None,
        start: str | date | datetime | None = None,
        weeks: int | None = None,
        load_zone: str | None = None,
        stamp_zone: str | None = None,
        stamp_column: str | None = None,
        price_column: str | None = None,
        load_columns: str | Sequence[str] | None = None,
        temperature_column: str | None = None,
    ) -> Dataset:
        """Read comma-separated files, as the class describes.

        Args:
            price: File of spot prices without tax and VAT.
            load: File of base loads, of one house or several.
            temperature: File of outdoor temperatures, or one constant temperature in deg C.
            zone: IANA time zone of the local clock.
            currency: Currency of the data set (ISO 4217).
            eur_rate: `currency` per EUR, needed where prices are in EUR and `currency` is not.
            start: First Monday, e.g. "2023-01-02"; a time without offset is local time.
            weeks: Number of weeks; by default as many as the prices hold.
            load_zone: Zone of the load's clock in pairing by calendar position (default: zone).
            stamp_zone: Time zone of stamps that have no offset.
            stamp_column: Name of the column of stamps, in all files.
            price_column: Name of the price column, where several carry a known unit.
            load_columns: Name or names of the load columns to take.
            temperature_column: Name of the temperature column.

        Raises:
            FileNotFoundError: A file that does not exist.
            DataError: Anything else that is wrong with the files, naming file, row and stamp.
        """
        from ev_gym import aligning, reading, units

        options = aligning.Options(zone, currency, eur_rate, start, weeks, load_zone)
        columns = units.Columns(price_column, load_columns, temperature_column)
        tables = reading.read_files(price, load, temperature, stamp_column, stamp_zone)
        return cls(**aligning.aligned(*tables, columns, options))

    @classmethod
    def from_frame(
        cls,
        price: pd.Series[Any] | pd.DataFrame,
        load: pd.Series[Any] | pd.DataFrame,
        temperature: pd.Series[Any] | pd.DataFrame | float | None = None,
        *,
        zone: str = "Europe/Stockholm",
        currency: str = "SEK",
        eur_rate: float | None = None,
        start: str | date | datetime | None = None,
        weeks: int | None = None,
        load_zone: str | None = None,
        price_column: str | None = None,
        load_columns: str | Sequence[str] | None = None,
        temperature_column: str | None = None,
    ) -> Dataset:
        """Take the series from pandas objects; the further arguments are those of `from_csv`.

        Each object has a time-zone-aware DatetimeIndex (start of the interval). A Series carries
        its unit in its name, a DataFrame in the names of its columns.

        Raises:
            DataError: As in `from_csv`; the row is the position in the index, from 0.
            TypeError: Something that is neither a Series nor a DataFrame.
        """
        from ev_gym import aligning, reading, units

        options = aligning.Options(zone, currency, eur_rate, start, weeks, load_zone)
        columns = units.Columns(price_column, load_columns, temperature_column)
        tables = reading.read_frames(price, load, temperature)
        return cls(**aligning.aligned(*tables, columns, options))


def check_currency(currency: str) -> None:
    """Refuse (`DataError`) what is not a three-letter code in capitals (ISO 4217)."""
    code = currency if isinstance(currency, str) else ""
    if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):
        raise DataError(f"currency = {currency!r}: allowed is a three-letter code such as 'SEK'")


def _read_only(name: str, values: Any) -> NDArray[np.float64]:
    """A read-only float64 copy in C order, all finite."""
    try:
        array = np.array(values, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} is not an array of numbers: {error}") from None
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        index = tuple(bad[0].tolist())
        raise DataError(f"{name}{list(index)} = {array[index]}: allowed are finite numbers")
    array.setflags(write=False)
    return array
