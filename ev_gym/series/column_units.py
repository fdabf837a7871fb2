"""Columns of users' tables as series in kW, currency per kWh, degrees Celsius and W/m2.

The end of a column's name gives its unit. The docstring of `ev_gym.series.dataset.Dataset` holds
the rules: which units there are, and which values are plausible.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ev_gym.series.files_and_frames import Table
from ev_gym.series.limits import (
    MAX_IRRADIANCE_W_PER_M2,
    MAX_LOAD_KW,
    MAX_PRICE_PER_KWH,
    MAX_TEMPERATURE_C,
    DataError,
)

_PRICE = re.compile(r"(?:^|_)(ore|öre|[a-z]{3})_per_(kwh|mwh)$")
_LOAD = re.compile(r"(?:^|(?<!_per)_)(kw|w|kwh)$")
_TEMPERATURE = re.compile(r"(?:^|_)(c)$")
_IRRADIANCE = re.compile(r"(?:^|_)(ghi|dhi|dni)_w_per_m2$")
_IRRADIANCES = ["ghi", "dhi", "dni"]
_ALLOWED = {
    "price": "a name that ends in _<currency>_per_kwh or _<currency>_per_mwh, as in "
    "'price_sek_per_kwh', 'price_ore_per_kwh', 'price_eur_per_mwh'",
    "load": "a name that ends in _kw, _w or _kwh (energy per interval), as in 'load_kw'",
    "temperature": "a name that ends in _c, as in 'temperature_c'",
    "irradiance": "a name that ends in ghi_w_per_m2, dhi_w_per_m2 or dni_w_per_m2",
}
_KW_PER_UNIT = {"kw": 1.0, "w": 0.001}


class Columns(NamedTuple):
    """Names of the columns to take; None: those whose name ends in a known unit."""

    price: str | None = None
    load: str | Sequence[str] | None = None
    temperature: str | None = None


@dataclass(frozen=True)
class Series:
    """Values (columns, intervals) on a regular grid of time; the first begins at `start_s`."""

    table: Table
    start_s: int
    step_s: int
    values: NDArray[np.float64]


def price_series(table: Table, column: str | None, currency: str, eur_rate: float | None) -> Series:
    """The chosen price column in `currency` per kWh."""
    (name,) = _choose(table, "price", _PRICE, column, "price_column")
    values = _numbers(table, name) * _price_factor(table, name, currency, eur_rate)
    unit = f"{currency} per kWh"
    _check_range(table, name, values, (-MAX_PRICE_PER_KWH, MAX_PRICE_PER_KWH), unit)
    return Series(table, int(table.seconds[0]), table.step_s, values[np.newaxis])


def load_series(table: Table, columns: str | Sequence[str] | None, net_load: bool) -> Series:
    """The chosen load columns, one row each, in kW; below 0 only of a net load."""
    houses, lowest_kw, hint = [], 0.0, " A load below 0 is allowed as a net load (`net_load`)."
    if net_load:
        lowest_kw, hint = -MAX_LOAD_KW, ""
    for name in _choose(table, "load", _LOAD, columns, "load_columns"):
        factor = _KW_PER_UNIT.get(_unit(_LOAD, name), 3600 / table.step_s)
        values = _numbers(table, name) * factor
        _check_range(table, name, values, (lowest_kw, MAX_LOAD_KW), "kW", hint)
        houses.append(values)
    return Series(table, int(table.seconds[0]), table.step_s, np.array(houses))


def temperature_series(table: Table, column: str | None) -> Series:
    """The chosen temperature column in degrees Celsius."""
    (name,) = _choose(table, "temperature", _TEMPERATURE, column, "temperature_column")
    values = _numbers(table, name)
    _check_range(table, name, values, (-MAX_TEMPERATURE_C, MAX_TEMPERATURE_C), "deg C")
    return Series(table, int(table.seconds[0]), table.step_s, values[np.newaxis])


def irradiance_series(table: Table) -> tuple[list[str], Series]:
    """Names among ghi, dhi and dni, in this order, and their columns in W/m2, one row each."""
    columns = _choose(table, "irradiance", _IRRADIANCE, None, "")
    by_name = {_unit(_IRRADIANCE, column): column for column in columns}
    names = [name for name in _IRRADIANCES if name in by_name]
    if len(columns) > len(names):
        raise DataError(f"{table.header}: {columns} name one irradiance twice")
    if names != _IRRADIANCES[: len(names)]:
        raise DataError(
            f"{table.header}: irradiance is given by {columns}; allowed are GHI, GHI with DHI, or "
            "both with DNI"
        )
    rows = []
    for name in names:
        values = _numbers(table, by_name[name])
        _check_range(table, by_name[name], values, (0.0, MAX_IRRADIANCE_W_PER_M2), "W/m2")
        rows.append(values)
    return names, Series(table, int(table.seconds[0]), table.step_s, np.array(rows))


def _unit(pattern: re.Pattern[str], column: str) -> str:
    """The unit at the end of a column's name, or "" where it has no unit of that pattern."""
    match = pattern.search(column.lower())
    return str(match.group(1)) if match else ""


def _choose(
    table: Table,
    role: str,
    pattern: re.Pattern[str],
    columns: str | Sequence[str] | None,
    option: str,
) -> list[str]:
    """Names of the columns to read: those in `columns`, or where None all with a known unit."""
    names = [str(column) for column in table.cells.columns]
    if columns is not None:
        chosen = [columns] if isinstance(columns, str) else list(columns)
        for name in chosen:
            if name not in names:
                raise DataError(f"{table.header}: no column {name!r} ({option}) among {names}")
    else:
        chosen = [name for name in names if _unit(pattern, name)]
    unknown = [name for name in chosen if not _unit(pattern, name)]
    if unknown or not chosen:
        raise DataError(
            f"{table.header}: no known {role} unit in {unknown or names}; allowed is "
            f"{_ALLOWED[role]}"
        )
    many = len({_unit(pattern, name) for name in chosen}) > 1 if role == "load" else len(chosen) > 1
    if columns is None and many and role != "irradiance":
        raise DataError(f"{table.header}: several {role} columns, {chosen}; choose with {option}=")
    return chosen


def _price_factor(table: Table, column: str, currency: str, eur_rate: float | None) -> float:
    """What to multiply a price column with to get `currency` per kWh."""
    match = _PRICE.search(column.lower())
    assert match is not None  # _choose lets no other name through
    unit, energy = match.groups()
    per_kwh = 1.0 if energy == "kwh" else 0.001
    if unit == currency.lower():
        return per_kwh
    if unit in ("ore", "öre") and currency in ("SEK", "NOK", "DKK"):
        return 0.01 * per_kwh
    if unit == "eur" and eur_rate is not None:
        return eur_rate * per_kwh
    need = f"eur_rate= ({currency} per EUR)" if unit == "eur" else f"a column in {currency}"
    raise DataError(f"{table.header}: {column!r} is not in {currency}; needed is {need}")


def _numbers(table: Table, column: str) -> NDArray[np.float64]:
    """The cells of a column as float64; an error names the first that is not a finite number."""
    cells = table.cells[column]
    values = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        cell = cells.iloc[int(bad[0])]
        value = repr(cell) if isinstance(cell, str) else cell
        what = "is empty" if not str(cell).strip() else f"= {value} is not a finite number"
        raise DataError(f"{table.where(int(bad[0]))}: {column} {what}")
    return values


def _check_range(
    table: Table,
    column: str,
    values: NDArray[np.float64],
    limits: tuple[float, float],
    unit: str,
    hint: str = "",
) -> None:
    low, high = limits
    bad = np.flatnonzero((values < low) | (values > high))
    if bad.size:
        row = int(bad[0])
        raise DataError(
            f"{table.where(row)}: {column} = {table.cells[column].iloc[row]} is {values[row]:g} "
            f"{unit}; allowed is {low:g} to {high:g} {unit}: is the unit in the name right?" + hint
        )
