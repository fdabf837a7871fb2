"""Series of different years and resolutions are brought to the calendar of the prices.

The docstring of `ev_gym.series.dataset.Dataset` holds the rules.
"""

from __future__ import annotations

import math
import numbers
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ev_gym.series.column_units import (
    Series,
    carbon_series,
    irradiance_series,
    load_series,
    price_series,
    temperature_series,
)
from ev_gym.series.files_and_frames import Table, Tables
from ev_gym.series.limits import (
    MAX_TEMPERATURE_C,
    PRICE_MINUTES,
    DataError,
    check_currency,
)
from ev_gym.series.local_time import WEEK_S, Span, check_local_monday, find_zone
from ev_gym.series.stamps import utc_text

QUARTER_S, HOUR_S, DAY_S = 900, 3600, 86400
EDGE_S = 2 * HOUR_S
_ISO_WEEKS = 53


class Options(NamedTuple):
    """The options of `Dataset.from_csv` that concern calendar and currency."""

    zone: str
    currency: str
    eur_rate: float | None
    start: str | date | datetime | None
    weeks: int | None
    load_zone: str | None
    net_load: bool
    complete_weeks: bool = False


def aligned(tables: Tables, options: Options) -> dict[str, Any]:
    """The fields of a `Dataset` by name, from the tables that were read."""
    prices = prices_of(tables.price, options)
    span = price_span(prices, options)
    return {
        "start": datetime.fromtimestamp(span.start_s, timezone.utc),
        "zone": options.zone,
        "currency": options.currency,
        **price_fields(prices, span),
        "load_kw": load_kw(tables.load, options.load_zone, span, options.net_load),
        "net_load": options.net_load,
        "temperature_c": temperature_c(tables.temperature, span),
        **sky_fields(tables.irradiance, span),
        "carbon_g_per_kwh": carbon_g_per_kwh(tables.carbon, span),
    }


def prices_of(table: Table, options: Options) -> Series:
    """The prices of a table, after a look at the options."""
    find_zone(options.zone)
    find_zone(options.load_zone or options.zone, "load_zone")
    check_currency(options.currency)
    _check_rate(options.eur_rate)
    prices = price_series(table, options.currency, options.eur_rate)
    if options.complete_weeks:
        prices = with_complete_weeks(prices, options.zone)
    if prices.step_s not in [60 * minutes for minutes in PRICE_MINUTES]:
        raise _step_error(prices, "15, 30 or 60 minutes")
    return prices


def price_span(prices: Series, options: Options) -> Span:
    """The calendar that prices set."""
    start_s, weeks = price_calendar(prices, options)
    return Span(start_s, start_s + weeks * WEEK_S, options.zone, options.complete_weeks)


def load_span(table: Table, options: Options) -> Span:
    """The calendar that loads set where the prices are built in."""
    loads = in_steps(load_series(table, options.net_load), QUARTER_S, 0)
    if options.complete_weeks:
        loads = with_complete_weeks(loads, options.load_zone or options.zone)
    return price_span(loads, options)


def price_fields(prices: Series, span: Span) -> dict[str, Any]:
    """The prices of a `Dataset` and the length of their intervals."""
    values = by_time(prices, span.start_s, span.end_s)[0]
    return {"price_per_kwh": values, "price_minutes": prices.step_s // 60}


def load_kw(table: Table, load_zone: str | None, span: Span, net_load: bool) -> NDArray[np.float64]:
    """(houses, quarter-hours) base loads on the calendar."""
    loads = in_steps(load_series(table, net_load), QUARTER_S, 0)
    return paired(loads, load_zone or span.zone, span)


def temperature_c(table: Table | float | None, span: Span) -> NDArray[np.float64]:
    """(hours,) outdoor temperature on the calendar, of a table or constant."""
    if not isinstance(table, Table):
        return np.full((span.end_s - span.start_s) // HOUR_S, _constant_temperature(table))
    hourly = in_steps(temperature_series(table), HOUR_S, span.start_s % HOUR_S)
    on_calendar: NDArray[np.float64] = paired(hourly, span.zone, span)[0]
    return on_calendar


def sky_fields(table: Table | None, span: Span) -> dict[str, NDArray[np.float64]]:
    """The irradiances of a `Dataset`, paired in UTC because the sun knows no summer time."""
    if table is None:
        return {}
    names, irradiance = irradiance_series(table)
    if span.complete_weeks:
        irradiance = with_complete_weeks(irradiance, span.zone)
    in_utc = span._replace(zone="UTC", complete_weeks=False)
    hourly = paired(in_steps(irradiance, HOUR_S, span.start_s % HOUR_S), "UTC", in_utc)
    return {f"{name}_w_per_m2": row for name, row in zip(names, hourly, strict=True)}


def carbon_g_per_kwh(table: Table | None, span: Span) -> NDArray[np.float64] | None:
    """Carbon intensity on the calendar, in its own intervals; finer ones than 15 min averaged."""
    if table is None:
        return None
    carbon = carbon_series(table)
    step_s = carbon.step_s if carbon.step_s in (1800, HOUR_S) else QUARTER_S
    in_phase = in_steps(carbon, step_s, span.start_s % step_s)
    on_calendar: NDArray[np.float64] = paired(in_phase, span.zone, span)[0]
    return on_calendar


# Resolution.


def in_steps(series: Series, step_s: int, phase_s: int) -> Series:
    """The series in steps that begin `phase_s` seconds after whole multiples of `step_s`.

    Finer series are averaged over each whole step; an incomplete step at either end is left out.
    The values of a load in steps of 30 or 60 minutes are repeated.
    """
    repeated = series.step_s in (1800, 3600) and step_s == QUARTER_S
    if step_s % series.step_s and not repeated:
        more = ", 30 or 60 minutes" if step_s == QUARTER_S else " minutes"
        raise _step_error(series, f"{step_s // 60}{more}, or a whole part of {step_s // 60}")
    unit_s = min(series.step_s, step_s)
    if (series.start_s - phase_s) % unit_s:
        raise DataError(
            f"{series.table.where(0)}: the stamps lie off the grid of {unit_s / 60:g} minutes that "
            f"begins {phase_s // 60} minutes past the hour UTC"
        )
    if repeated:
        values = np.repeat(series.values, series.step_s // step_s, axis=1)
        return Series(series.table, series.start_s, step_s, values)
    parts = step_s // series.step_s
    skipped = (phase_s - series.start_s) % step_s // series.step_s
    count = (series.values.shape[1] - skipped) // parts
    if count < 1:
        raise DataError(f"{series.table.span()}: less than one step of {step_s // 60} minutes")
    whole = series.values[:, skipped : skipped + count * parts]
    means = whole.reshape(whole.shape[0], count, parts).mean(axis=2)
    return Series(series.table, series.start_s + skipped * series.step_s, step_s, means)


def _step_error(series: Series, allowed: str) -> DataError:
    return DataError(
        f"{series.table.where(1)}: intervals of {series.step_s / 60:g} minutes; "
        f"allowed are {allowed}"
    )


# Calendar.


def price_calendar(prices: Series, options: Options) -> tuple[int, int]:
    """First instant (seconds since 1970) and number of weeks of the calendar."""
    end_s = prices.start_s + prices.values.shape[1] * prices.step_s
    if options.start is None:
        start_s = first_monday(prices.start_s, find_zone(options.zone))
    else:
        start_s = _start_of_option(options.start, options.zone)
    if (start_s - prices.start_s) % prices.step_s:
        raise DataError(
            f"{prices.table.where(0)}: no interval begins at the local Monday 00:00 in "
            f"{options.zone}, {utc_text(start_s)}"
        )
    most = max(0, (end_s - start_s) // WEEK_S)
    if start_s < prices.start_s or most < 1:
        raise DataError(
            f"{prices.table.span()}: holds no whole week from the local Monday 00:00 in "
            f"{options.zone}, {utc_text(start_s)}"
            + ("" if options.start is None else "; start=None (null) takes its first whole week")
        )
    weeks = most if options.weeks is None else options.weeks
    if (
        isinstance(weeks, bool)
        or not isinstance(weeks, (int, np.integer))
        or not 1 <= weeks <= most
    ):
        raise DataError(
            f"weeks = {weeks!r}: {prices.table.span()} holds {most} whole weeks from "
            f"{utc_text(start_s)}; allowed is 1 to {most}"
        )
    return start_s, int(weeks)


def first_monday(from_s: int, zone: ZoneInfo) -> int:
    """The first local Monday 00:00 from an instant on; both in seconds since 1970."""
    day = datetime.fromtimestamp(from_s, zone).date()
    day += timedelta(days=-day.weekday() % 7)
    monday = datetime.combine(day, time(), zone)
    if monday.timestamp() < from_s:
        monday = datetime.combine(day + timedelta(days=7), time(), zone)
    return int(monday.timestamp())


def with_complete_weeks(series: Series, zone: str) -> Series:
    """A series that begins or ends with a month, on to the Mondays before and after it.

    The days that come before or after take the values of a week later or earlier. Nothing is added
    at an end that lies within a month, so that no month seems whole that is not; but up to two
    hours of a month's first day, or beyond its last one, count as its edge, as in files whose days
    are those of UTC.
    """
    per_week, step_s = WEEK_S // series.step_s, series.step_s
    values, start_s = series.values, series.start_s
    end_s = start_s + values.shape[1] * step_s
    if values.shape[1] < per_week:
        return series
    month_s = _month_near(start_s, zone)
    if month_s is not None:
        monday_s = first_monday(month_s - WEEK_S + 1, find_zone(zone))
        added = (start_s - monday_s) // step_s
        if 0 < added <= per_week:
            values = np.concatenate([values[:, per_week - added : per_week], values], axis=1)
            start_s -= added * step_s
    month_s = _month_near(end_s, zone)
    if month_s is not None:
        added = (first_monday(month_s, find_zone(zone)) - end_s) // step_s
        if 0 < added <= per_week:
            first = values.shape[1] - per_week
            values = np.concatenate([values, values[:, first : first + added]], axis=1)
    return Series(series.table, start_s, step_s, values)


def _month_near(moment_s: int, zone: str) -> int | None:
    """The local midnight with which a month begins, where it is at most two hours away."""
    tz = find_zone(zone)
    for near_s in (moment_s - EDGE_S, moment_s, moment_s + EDGE_S):
        first = datetime.fromtimestamp(near_s, tz).date().replace(day=1)
        month_s = int(datetime.combine(first, time(), tz).timestamp())
        if abs(month_s - moment_s) <= EDGE_S:
            return month_s
    return None


def _start_of_option(start: str | date | datetime, zone: str) -> int:
    try:
        moment = (
            datetime.fromisoformat(start.replace("Z", "+00:00"))
            if isinstance(start, str)
            else start
        )
    except ValueError:
        raise DataError(f"start = {start!r}: allowed is a date such as '2023-01-02'") from None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=find_zone(zone))
    check_local_monday(moment, zone)
    return int(moment.timestamp())


# Pairing.


def paired(series: Series, series_zone: str, span: Span) -> NDArray[np.float64]:
    """The values on the calendar: by time, or by position where the series lies outside of it.

    Raises:
        DataError: The series lies partly outside, and its file's options do not say
            pair="position".
    """
    if span.complete_weeks:
        series = with_complete_weeks(series, span.zone)
    start_s, end_s = span.start_s, span.end_s
    last_s = series.start_s + series.values.shape[1] * series.step_s
    if series.start_s <= start_s and end_s <= last_s:
        return by_time(series, start_s, end_s)
    if series.start_s < end_s and start_s < last_s and series.table.file.pair is None:
        raise _overlap_error(series, last_s, span)
    target = _wall_clock(start_s, (end_s - start_s) // series.step_s, series.step_s, span.zone)
    table = position_table(series, series_zone, f"{utc_text(start_s)} to {utc_text(end_s)}")
    return table[:, _position(target, series.step_s)]


def _overlap_error(series: Series, last_s: int, span: Span) -> DataError:
    """Which hours of the calendar a series lacks, and what can be done about it."""
    lacks = [
        f"{(to_s - from_s) / HOUR_S:g} hours from {utc_text(from_s)} to {utc_text(to_s)}"
        for from_s, to_s in ((span.start_s, series.start_s), (last_s, span.end_s))
        if from_s < to_s
    ]
    first_s = first_monday(max(series.start_s, span.start_s), find_zone(span.zone))
    weeks = max(0, (min(last_s, span.end_s) - first_s) // WEEK_S)
    monday = datetime.fromtimestamp(first_s, find_zone(span.zone)).date()
    cut = f'start="{monday}" and weeks={weeks}, which it covers, or ' if weeks else ""
    return DataError(
        f"{series.table.span()}: lacks {' and '.join(lacks)} of the calendar, "
        f"{utc_text(span.start_s)} to {utc_text(span.end_s)}; allowed are {cut}"
        'pair="position", which takes all values from the same ISO week, weekday and time of day '
        "of any year"
    )


def by_time(series: Series, start_s: int, end_s: int) -> NDArray[np.float64]:
    """The values from start to end, both on the grid of the series and inside it."""
    first, last = ((s - series.start_s) // series.step_s for s in (start_s, end_s))
    return series.values[:, first:last]


def position_table(series: Series, zone: str, calendar: str) -> NDArray[np.float64]:
    """Values by calendar position, shape (columns, 53 ISO weeks * intervals in a week)."""
    step_s, columns = series.step_s, series.values.shape[0]
    wall = _wall_clock(series.start_s, series.values.shape[1], step_s, zone)
    table = np.full((columns, _ISO_WEEKS * (WEEK_S // step_s)), np.nan)
    found, first = np.unique(_position(wall, step_s), return_index=True)
    table[:, found] = series.values[:, first]
    wall_s = wall.to_numpy(dtype="datetime64[s]").astype(np.int64)
    # Positions that summer time skips take the values of as many positions before them.
    for row in np.flatnonzero(np.diff(wall_s) > step_s).tolist():
        jump_s = wall_s[row + 1] - wall_s[row] - step_s
        skipped_s = wall_s[row] + step_s + np.arange(0, jump_s, step_s)
        skipped = _position(pd.to_datetime(skipped_s, unit="s"), step_s)
        before = _position(pd.to_datetime(skipped_s - jump_s, unit="s"), step_s)
        table[:, skipped] = np.where(
            np.isnan(table[:, skipped]), table[:, before], table[:, skipped]
        )
    weeks = table.reshape(columns, _ISO_WEEKS, -1)
    missing = np.flatnonzero(np.isnan(weeks[0, :-1]).ravel())
    if missing.size:
        week, second = divmod(int(missing[0]) * step_s, WEEK_S)
        day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[second // DAY_S]
        clock = f"{second % DAY_S // 3600:02d}:{second % 3600 // 60:02d}"
        raise DataError(
            f"{series.table.span()}: covers neither the calendar, {calendar}, nor "
            f"all ISO weeks 1 to 52 of a year; first missing: week {week + 1}, {day} {clock} "
            f"({zone})"
        )
    if np.isnan(weeks[0, -1]).any():  # no whole week 53
        weeks[:, -1] = weeks[:, -2]
    return table


def _wall_clock(start_s: int, count: int, step_s: int, zone: str) -> pd.DatetimeIndex:
    """The local clock, without zone, at the start of each interval."""
    utc_s = start_s + step_s * np.arange(count, dtype=np.int64)
    utc = pd.DatetimeIndex(pd.to_datetime(utc_s, unit="s", utc=True))
    return utc.tz_convert(find_zone(zone)).tz_localize(None)


def _position(wall: pd.DatetimeIndex, step_s: int) -> NDArray[np.int64]:
    """Number of the interval in the ISO year: week, weekday and time of day together."""
    iso = wall.isocalendar()
    days = 7 * (iso["week"].to_numpy(np.int64) - 1) + iso["day"].to_numpy(np.int64) - 1
    second = 3600 * wall.hour.to_numpy(np.int64) + 60 * wall.minute.to_numpy(np.int64)
    position: NDArray[np.int64] = days * (DAY_S // step_s) + second // step_s
    return position


# Options.


def _check_rate(eur_rate: float | None) -> None:
    if eur_rate is None:
        return
    if not (isinstance(eur_rate, numbers.Real) and math.isfinite(eur_rate) and eur_rate > 0):
        raise DataError(f"eur_rate = {eur_rate!r}: allowed is a finite number above 0")


def _constant_temperature(temperature: float | None) -> float:
    if temperature is None:
        raise DataError(
            "temperature = None: needed is a series of temperature, or a constant in deg C, as in "
            "temperature=7.0"
        )
    if not (isinstance(temperature, numbers.Real) and abs(temperature) <= MAX_TEMPERATURE_C):
        raise DataError(
            f"temperature = {temperature!r}: allowed is {-MAX_TEMPERATURE_C:g} to "
            f"{MAX_TEMPERATURE_C:g} deg C"
        )
    return float(temperature)
