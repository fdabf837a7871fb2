"""What a file of series was understood to hold, in words, before a simulation runs on it."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from ev_gym.runtime.arrays import Floats
from ev_gym.scenario.series_file import SeriesFile
from ev_gym.series import column_units, pairing, sun
from ev_gym.series.files_and_frames import Table, read_csv
from ev_gym.series.local_time import WEEK_S, find_zone

ROLES = ("price", "load", "temperature", "irradiance", "carbon")
_HOUR_S, _DAY_S = 3600, 86400
_YEAR_H = 8766.0


class Report(NamedTuple):
    """A file in words, and the series in it.

    Attributes:
        lines: What was understood, for a person.
        unit: Unit of the values.
        start_s: Start of the first interval, seconds since 1970 in UTC.
        step_s: Length of an interval, seconds.
        columns: By name, the values of a series, shape (intervals,).
    """

    lines: list[str]
    unit: str
    start_s: int
    step_s: int
    columns: dict[str, Floats]


def roles_of(file: SeriesFile) -> list[str]:
    """Which of `ROLES` a file may hold, by the units of its columns.

    Raises:
        FileNotFoundError, DataError: As of a simulation.
    """
    table = read_csv(file, "load")
    return [role for role in ROLES if column_units.may_hold(table, role)]


def report(
    file: SeriesFile,
    role: str,
    zone: str,
    place: tuple[float, float] | None = None,
    net_load: bool = False,
) -> Report:
    """Read a file as a simulation would, and tell what was found.

    Args:
        file: The file and its reading options.
        role: One of `ROLES`.
        zone: IANA time zone in which days are counted.
        place: Latitude and longitude, degrees, by which irradiance is checked; None: it is not.
        net_load: Whether a load may be import less export, below 0 where a house exports.

    Raises:
        FileNotFoundError, DataError: As of a simulation; the message names file and row.
    """
    clock = find_zone(zone)
    table = read_csv(file, role)
    names, unit, series = _series(table, role, net_load)
    if role == "irradiance" and place is not None:
        _check_sun(series, place)
    end_s = series.start_s + series.values.shape[1] * series.step_s
    lines = [f"{file.path}: {role}"]
    lines += [_line("read as", text) for text in table.understood]
    lines += [
        _line("intervals", _resolution(table)),
        _line("from", f"{_local(series.start_s, clock)} to {_local(end_s, clock)} in {zone}"),
        _line("whole weeks", _weeks(series.start_s, end_s, clock)),
        _line("gaps", "none"),
        _line("clock", _clock_changes(series.start_s, end_s, clock)),
    ]
    for name, values in zip(names, series.values, strict=True):
        lines.append(_line("column", _name(table, name)))
        lines += _figures(series, values, role, unit, clock)
    read = {*names, *table.file.columns, *table.file.sum_columns, *table.file.less_columns}
    others = [str(name) for name in table.cells.columns if str(name) not in read]
    lines += [_line("not read", ", ".join(others))] if others else []
    columns = dict(zip(names, series.values, strict=True))
    return Report(lines, unit, series.start_s, series.step_s, columns)


def _line(label: str, text: str) -> str:
    return f"  {label:<12} {text}"


def _series(table: Table, role: str, net_load: bool) -> tuple[list[str], str, column_units.Series]:
    """Names of the series, their unit, and their values."""
    if role == "price":
        currency = column_units.own_currency(table)
        price = column_units.price_series(table, currency, None)
        return column_units.chosen(table, role), f"{currency}/kWh", price
    if role == "load":
        load = pairing.in_steps(column_units.load_series(table, net_load), pairing.QUARTER_S, 0)
        file = table.file
        if file.sum_columns:
            less = "".join(f" - {name}" for name in file.less_columns)
            return [" + ".join(file.sum_columns) + less], "kW", load
        return column_units.chosen(table, role), "kW", load
    if role == "temperature":
        return (
            column_units.chosen(table, role),
            "deg C",
            column_units.temperature_series(table),
        )
    if role == "carbon":
        return column_units.chosen(table, role), "g/kWh", column_units.carbon_series(table)
    kinds, light = column_units.irradiance_series(table)
    return [f"{kind}_w_per_m2" for kind in kinds], "W/m2", light


def _check_sun(series: column_units.Series, place: tuple[float, float]) -> None:
    hourly = pairing.in_steps(series, _HOUR_S, 0)
    start = datetime.fromtimestamp(hourly.start_s, timezone.utc)
    ghi = hourly.values[0]
    position = sun.sun_position(sun.sub_steps(start, ghi.size), *place)
    where = f"latitude {place[0]:g}, longitude {place[1]:g}"
    sun.check_hours(ghi, start, position, where)


def _name(table: Table, name: str) -> str:
    """A column's name, and how its numbers were read where that was found out."""
    if name not in table.cells or table.file.decimal is not None:
        return name
    words = {".": "point", ",": "comma"}
    sign = words[column_units.decimal_of(table, name)]
    return f"{name}, with a decimal {sign}, as its numbers show"


def _resolution(table: Table) -> str:
    """The lengths of the intervals, in the order in which they come."""
    lengths = table.lengths_s
    begins = [0, *(np.flatnonzero(np.diff(lengths)) + 1).tolist()]
    words = [f"{lengths[begins[0]] / 60:g} minutes"]
    words += [f"from row {table.rows[i]} on {lengths[i] / 60:g} minutes" for i in begins[1:]]
    return f"{lengths.size} of {', '.join(words)}"


def _local(moment_s: int, clock: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(moment_s, clock):%a %Y-%m-%d %H:%M}"


def _weeks(start_s: int, end_s: int, clock: ZoneInfo) -> str:
    monday_s = pairing.first_monday(start_s, clock)
    weeks = max(0, (end_s - monday_s) // WEEK_S)
    return f"{weeks} from {datetime.fromtimestamp(monday_s, clock):%Y-%m-%d}" if weeks else "none"


def _clock_changes(start_s: int, end_s: int, clock: ZoneInfo) -> str:
    """The days of 23 and of 25 hours that lie in the series."""
    day = datetime.fromtimestamp(start_s, clock).date()
    last = datetime.fromtimestamp(end_s - 1, clock).date()
    found = []
    while day <= last:
        following = day + timedelta(days=1)
        hours = (_midnight_s(following, clock) - _midnight_s(day, clock)) / _HOUR_S
        if hours != 24:
            found.append(f"{day} has {hours:g} hours")
        day = following
    more = f" and {len(found) - 4} more" if len(found) > 4 else ""
    return ", ".join(found[:4]) + more if found else "not changed"


def _midnight_s(day: date, clock: ZoneInfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=clock).timestamp()


def _figures(
    series: column_units.Series, values: Floats, role: str, unit: str, clock: ZoneInfo
) -> list[str]:
    """Mean and extremes of a column, and when these were."""

    def at(place: int) -> str:
        return (
            f"{values[place]:.4g} {unit}, {_local(series.start_s + place * series.step_s, clock)}"
        )

    mean = f"{values.mean():.4g} {unit}"
    if role == "load":
        mean += f", {values.mean() * _YEAR_H:.0f} kWh a year"
    if role == "price":
        mean += f"; {(values < 0.0).mean():.1%} of the time below zero"
    return [
        _line("  mean", mean),
        _line("  least", at(int(values.argmin()))),
        _line("  most", at(int(values.argmax()))),
    ]
