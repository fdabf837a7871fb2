"""Aligned series of a household's surroundings: base load, spot price, temperature, sky, carbon.

A `Dataset` holds whole weeks on one calendar. Time runs in UTC from `start`, which is a Monday
00:00 on the local clock; local hour, weekday and month follow from the IANA time zone, so a week
in which summer time begins still has 168 hours, one of them skipped on the local clock.

pandas is needed only by `Dataset.from_csv` and `Dataset.from_frame` and is imported there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ev_gym.series.limits import (
    HOURS_PER_WEEK,
    MAX_CARBON_G_PER_KWH,
    MAX_IRRADIANCE_W_PER_M2,
    PRICE_MINUTES,
    QUARTERS_PER_WEEK,
    DataError,
    check_currency,
)
from ev_gym.series.local_time import Calendar, check_local_monday, local_calendar

if TYPE_CHECKING:
    import pandas as pd

    from ev_gym.scenario import SeriesFile

    FileLike: TypeAlias = str | os.PathLike[str] | Mapping[str, Any] | SeriesFile

# Names of the series that describe the sky, with their largest plausible values, and the sets of
# them that a data set may have.
SKY = {
    "clearness": 2.0,
    "ghi_w_per_m2": MAX_IRRADIANCE_W_PER_M2,
    "dhi_w_per_m2": MAX_IRRADIANCE_W_PER_M2,
    "dni_w_per_m2": MAX_IRRADIANCE_W_PER_M2,
}
SKIES: list[list[str]] = [[], ["clearness"], *(list(SKY)[1:end] for end in (2, 3, 4))]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Series of one or more houses over whole weeks; immutable, shared by all environments.

    The arrays are copied and made read-only. `calendar` and `fingerprint` are computed once.

    *Users' series.* `from_csv` and `from_frame` read prices, base load, temperature and, for solar
    panels, irradiance, and carbon intensity, which is only reported; `docs/data.md` shows what
    files may look like. Nothing is filled in: a gap, unsorted or duplicate stamps, an empty cell,
    text instead of a number, a value outside the plausible range (load 0 to 100 kW, price -100 to
    100 per kWh, temperature -60 to 60 deg C, irradiance 0 to 1500 W/m2, carbon intensity 0 to 2000
    g/kWh), a mean price that no market of the currency had is an error that names file, row and
    stamp. With `net_load` a load is import less export of a house with PV, and
    may be as far below 0. Rows of a file have the numbers that an editor shows, so the header
    is row 1; rows of a DataFrame are positions, from 0.

    *Stamps.* A stamp is the start of an interval, or with `stamp_marks="end"` its end. Stamps are
    in ISO 8601 or another form that is certain, and stand in the column `timestamp_utc` or, without
    such a column, in the first. Without Z or an offset they need `stamp_zone`; of a local time that
    summer time repeats, the order of the rows tells which of the two it is, and one that it skips
    is an error.

    *Units.* The name of a column ends in its unit. Load: `_kw`, `_w`, or `_kwh` or `_wh` (energy
    per interval). Several columns of load are refused unless named: `load_columns` are houses, and
    a file's options `sum_columns` and `less_columns` make one house of several columns. Price:
    `_<currency>_per_kwh` or `_<currency>_per_mwh`, where `ore` is a hundredth of SEK, NOK or DKK
    and `ct` of EUR. Temperature: `_c`. Irradiance: `ghi_w_per_m2` (global horizontal, GHI), alone,
    or with `dhi_w_per_m2` (diffuse horizontal, DHI), or with both that and `dni_w_per_m2` (direct
    normal, DNI, the beam). Carbon intensity: `_g_per_kwh`.

    *Resolution.* Load is kept in quarter-hours: finer series are averaged, values of 30 or 60
    minutes are repeated. Prices are kept in their own intervals of 15, 30 or 60 minutes, and so is
    carbon intensity, of which finer series are averaged over quarter-hours.
    Temperature and irradiance are kept in hours; finer series are averaged. Where the resolution of
    a file changes, each value counts for its own interval.

    *Calendar.* The prices set the calendar: all their whole weeks from the first Monday 00:00 local
    time, or `weeks` weeks from `start`. A series of load, temperature or carbon intensity that
    covers all these weeks is paired with the prices by time. One that covers some of them is an
    error, unless `pair="position"`. Any other is paired by calendar position: every interval takes
    the value that the file has for the same ISO week, weekday and local time of day; where it has
    several, the first. So a load measured in 2008 meets the prices of 2023, Mondays on Mondays and
    winter on winter, but what happened on one day (a cold spell, a holiday) is no longer on the day
    whose price it influenced. Week 53 takes the values of week 52, unless the file has a whole week
    53. An hour that summer time skips in the file takes the values of the hour before. Where the
    end of summer time repeats an hour, both take the first one in the file. A file that is paired
    by position must hold all of the ISO weeks 1 to 52. Irradiance is paired by ISO week, weekday
    and hour in UTC, because the sun knows no summer time.

    Attributes:
        start: First instant, a datetime with a time zone (kept in UTC); on the local clock of
            `zone` it is a Monday 00:00.
        zone: IANA time zone of local hour, weekday and month.
        load_kw: Base load, shape (houses, weeks * 672): mean kW of each quarter-hour, 0 or more.
            With `net_load` import less export, of either sign.
        price_per_kwh: Spot price without tax and VAT, shape (weeks * 168 * 60 / price_minutes,),
            in `currency` per kWh.
        temperature_c: Outdoor temperature, shape (weeks * 168,): hourly, degrees Celsius.
        price_minutes: Length of a price interval: 15, 30 or 60 minutes.
        currency: Three-letter code (ISO 4217) of the prices.
        clearness: Sky of generated series, shape (weeks * 168,): hourly GHI divided by that of a
            clear sky (`ev_gym.series.sun.clear_sky`), 0 to 2. None: no such series.
        ghi_w_per_m2: Measured sky, instead of clearness: hourly mean global horizontal irradiance,
            shape (weeks * 168,), W/m2. `ev_gym.series.sun` computes power from it.
        dhi_w_per_m2: Hourly mean diffuse horizontal irradiance, shape (weeks * 168,), W/m2. None:
            `ev_gym.series.sun` estimates it from GHI.
        dni_w_per_m2: Hourly mean irradiance of the beam on a plane that faces the sun, shape
            (weeks * 168,), W/m2. Only together with GHI and DHI, which are checked against it.
        net_load: Whether the load was measured behind PV: import less export.
        carbon_g_per_kwh: Grams of CO2 equivalent per kWh drawn from the grid, 0 to 2000, shape
            (weeks * 168 * 60 / minutes,) with intervals of 15, 30 or 60 minutes. None: not known.
            Nothing that happens depends on it.

    Raises:
        DataError: Shapes that disagree, no whole weeks, a value that is not finite, a negative
            load without `net_load`, a start that is not a local Monday 00:00, an unknown zone; a
            sky that is implausible or lacks a part; an implausible carbon intensity.
    """

    start: datetime
    zone: str
    load_kw: NDArray[np.float64]
    price_per_kwh: NDArray[np.float64]
    temperature_c: NDArray[np.float64]
    price_minutes: int = 60
    currency: str = "SEK"
    clearness: NDArray[np.float64] | None = None
    ghi_w_per_m2: NDArray[np.float64] | None = None
    dhi_w_per_m2: NDArray[np.float64] | None = None
    dni_w_per_m2: NDArray[np.float64] | None = None
    net_load: bool = False
    carbon_g_per_kwh: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Check every field and take read-only copies of the arrays."""
        if not isinstance(self.start, datetime) or self.start.utcoffset() is None:
            raise DataError(f"start = {self.start!r}: allowed is a datetime with a time zone")
        check_local_monday(self.start, self.zone)
        object.__setattr__(self, "start", self.start.astimezone(timezone.utc))
        if self.price_minutes not in PRICE_MINUTES:
            raise DataError(f"price_minutes = {self.price_minutes!r}: allowed are {PRICE_MINUTES}")
        check_currency(self.currency)
        carbon = [] if self.carbon_g_per_kwh is None else ["carbon_g_per_kwh"]
        for name in ("load_kw", "price_per_kwh", "temperature_c", *self._sky_names(), *carbon):
            object.__setattr__(self, name, _read_only(name, getattr(self, name)))
        self._check_shapes()
        self._check_sky()
        self._check_carbon()
        if self.net_load not in (False, True):
            raise DataError(f"net_load = {self.net_load!r}: allowed are False and True")
        if self.load_kw.min() < 0.0 and not self.net_load:
            house, quarter = np.unravel_index(self.load_kw.argmin(), self.load_kw.shape)
            raise DataError(
                f"load_kw[{house}, {quarter}] = {self.load_kw.min()}: allowed is 0 kW or more; "
                "less with net_load only, where it is import less export"
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

    def _sky_names(self) -> list[str]:
        return [name for name in SKY if getattr(self, name) is not None]

    def _check_sky(self) -> None:
        names = self._sky_names()
        if names not in SKIES:
            raise DataError(
                f"the sky is given by {', '.join(names)}; allowed are "
                + "; ".join(", ".join(allowed) or "nothing" for allowed in SKIES)
            )
        hours = self.temperature_c.shape
        for name in names:
            values = getattr(self, name)
            if values.shape != hours:
                raise DataError(
                    f"{name} has shape {values.shape}: with {self.weeks} weeks of temperature "
                    f"allowed is {hours}"
                )
            bad = np.flatnonzero((values < 0.0) | (values > SKY[name]))
            if bad.size:
                raise DataError(
                    f"{name}[{bad[0]}] = {values[bad[0]]}: allowed is 0 to {SKY[name]:g}"
                )
        if self.ghi_w_per_m2 is not None and self.dhi_w_per_m2 is not None:
            # Different instruments measure the two, so by their errors DHI may exceed GHI.
            bad = np.flatnonzero(self.dhi_w_per_m2 > 1.1 * self.ghi_w_per_m2 + 10.0)
            if bad.size:
                raise DataError(
                    f"dhi_w_per_m2[{bad[0]}] = {self.dhi_w_per_m2[bad[0]]} where ghi_w_per_m2 = "
                    f"{self.ghi_w_per_m2[bad[0]]}: allowed is at most GHI, give or take 10 % and "
                    "10 W/m2"
                )

    def _check_carbon(self) -> None:
        values = self.carbon_g_per_kwh
        if values is None:
            return
        shapes = [(self.temperature_c.size * 60 // minutes,) for minutes in PRICE_MINUTES]
        if values.shape not in shapes:
            raise DataError(
                f"carbon_g_per_kwh has shape {values.shape}: with {self.weeks} weeks of "
                f"temperature allowed are {', '.join(map(str, shapes))}, for intervals of "
                f"{', '.join(map(str, PRICE_MINUTES))} minutes"
            )
        bad = np.flatnonzero((values < 0.0) | (values > MAX_CARBON_G_PER_KWH))
        if bad.size:
            raise DataError(
                f"carbon_g_per_kwh[{bad[0]}] = {values[bad[0]]}: allowed is 0 to "
                f"{MAX_CARBON_G_PER_KWH:g}"
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
        head += ["net_load"] if self.net_load else []
        digest = hashlib.sha256(json.dumps(head).encode())
        for array in (self.load_kw, self.price_per_kwh, self.temperature_c):
            digest.update(array.astype("<f8", copy=False).data)
        for name in self._sky_names():
            digest.update(name.encode())
            digest.update(getattr(self, name).astype("<f8", copy=False).data)
        if self.carbon_g_per_kwh is not None:
            digest.update(b"carbon_g_per_kwh")
            digest.update(self.carbon_g_per_kwh.astype("<f8", copy=False).data)
        return digest.hexdigest()

    @classmethod
    def from_csv(
        cls,
        price: FileLike,
        load: FileLike,
        temperature: FileLike | float | None = None,
        *,
        irradiance: FileLike | None = None,
        carbon: FileLike | None = None,
        zone: str = "Europe/Stockholm",
        currency: str = "SEK",
        eur_rate: float | None = None,
        start: str | date | datetime | None = None,
        weeks: int | None = None,
        load_zone: str | None = None,
        net_load: bool = False,
        stamp_zone: str | None = None,
        stamp_column: str | None = None,
        price_column: str | None = None,
        load_columns: str | Sequence[str] | None = None,
        temperature_column: str | None = None,
        pair: str | None = None,
    ) -> Dataset:
        """Read files of separated text, by the rules in the docstring of the class.

        Args:
            price: File of spot prices without tax and VAT. Each file is a path, or a dict of the
                options of `ev_gym.scenario.SeriesFile`, or such an object, which go before the
                arguments here.
            load: File of base loads, of one house or several.
            temperature: File of outdoor temperatures, or one constant temperature in deg C.
            irradiance: File of GHI, with DHI and DNI where measured; None: no sky.
            carbon: File of the grid's carbon intensity; None: not known.
            zone: IANA time zone of the local clock.
            currency: Currency of the data set (ISO 4217).
            eur_rate: `currency` per EUR, needed where prices are in EUR and `currency` is not.
            start: First Monday, e.g. "2023-01-02"; a time without offset is local time.
            weeks: Number of weeks; by default as many as the prices hold.
            load_zone: Time zone of the load's local clock, for pairing by calendar position; None:
                `zone`.
            net_load: Whether the loads are import less export of houses with PV.
            stamp_zone: Time zone of stamps that have no offset.
            stamp_column: Name of the column of stamps, in all files.
            price_column: Name of the price column, where several have a known unit.
            load_columns: Name or names of the load columns to take, each a house.
            temperature_column: Name of the temperature column.
            pair: "position": series that overlap the calendar but lack hours of it are paired by
                position; None: they are refused.

        Raises:
            FileNotFoundError: A file does not exist.
            ScenarioError: An option of a file has an impossible value.
            DataError: Anything else is wrong with the files; the message names file, row and stamp.
        """
        from ev_gym.series import files_and_frames, pairing

        options = pairing.Options(zone, currency, eur_rate, start, weeks, load_zone, net_load)
        columns = _columns_by_role(price_column, load_columns, temperature_column)
        common = {"stamp_column": stamp_column, "stamp_zone": stamp_zone, "pair": pair}
        defaults = {role: {**common, "columns": chosen} for role, chosen in columns.items()}
        files = files_and_frames.Sources(price, load, temperature, irradiance, carbon)
        return cls(**pairing.aligned(files_and_frames.read_files(files, defaults), options))

    @classmethod
    def from_frame(
        cls,
        price: pd.Series[Any] | pd.DataFrame,
        load: pd.Series[Any] | pd.DataFrame,
        temperature: pd.Series[Any] | pd.DataFrame | float | None = None,
        *,
        irradiance: pd.Series[Any] | pd.DataFrame | None = None,
        carbon: pd.Series[Any] | pd.DataFrame | None = None,
        zone: str = "Europe/Stockholm",
        currency: str = "SEK",
        eur_rate: float | None = None,
        start: str | date | datetime | None = None,
        weeks: int | None = None,
        load_zone: str | None = None,
        net_load: bool = False,
        price_column: str | None = None,
        load_columns: str | Sequence[str] | None = None,
        temperature_column: str | None = None,
        pair: str | None = None,
    ) -> Dataset:
        """Take the series from pandas objects; all other arguments are those of `from_csv`.

        The index of each object is a DatetimeIndex with a time zone: the starts of the intervals.
        The unit stands in the name of a Series, or in the names of a DataFrame's columns.

        Raises:
            DataError: As in `from_csv`; the row is the position in the index, from 0.
            TypeError: An object is neither a Series nor a DataFrame.
        """
        from ev_gym.series import files_and_frames, pairing

        options = pairing.Options(zone, currency, eur_rate, start, weeks, load_zone, net_load)
        columns = _columns_by_role(price_column, load_columns, temperature_column)
        frames = files_and_frames.Sources(price, load, temperature, irradiance, carbon)
        more = {role: {"columns": chosen, "pair": pair} for role, chosen in columns.items()}
        return cls(**pairing.aligned(files_and_frames.read_frames(frames, more), options))


def _columns_by_role(
    price: str | None, load: str | Sequence[str] | None, temperature: str | None
) -> dict[str, tuple[str, ...]]:
    given = {"price": price, "load": load, "temperature": temperature}
    given |= {"irradiance": None, "carbon": None}
    return {
        role: (names,) if isinstance(names, str) else tuple(names or ())
        for role, names in given.items()
    }


def _read_only(name: str, values: Any) -> NDArray[np.float64]:
    """A read-only float64 copy in C order; a `DataError` where a value is not a finite number."""
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
