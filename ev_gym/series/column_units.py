"""Columns of users' tables as series in kW, currency per kWh, degrees Celsius, W/m2 and g/kWh.

The end of a column's name gives its unit. The docstring of `ev_gym.series.dataset.Dataset` holds
the rules: which units there are, and which values are plausible.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ev_gym.series.files_and_frames import Table
from ev_gym.series.limits import (
    MAX_CARBON_G_PER_KWH,
    MAX_IRRADIANCE_W_PER_M2,
    MAX_LOAD_KW,
    MAX_PRICE_PER_KWH,
    MAX_TEMPERATURE_C,
    DataError,
)
from ev_gym.series.price_levels import HUNDREDTHS, check_level

_PRICE = re.compile(r"(?:^|_)(ore|öre|øre|ct|[a-z]{3})_per_(kwh|mwh)$")
_LOAD = re.compile(r"(?:^|(?<!_per)_)(kw|w|kwh|wh)$")
_TEMPERATURE = re.compile(r"(?:^|_)(c)$")
_IRRADIANCE = re.compile(r"(?:^|_)(ghi|dhi|dni)_w_per_m2$")
_IRRADIANCES = ["ghi", "dhi", "dni"]
_CARBON = re.compile(r"(?:^|_)(g)_per_kwh$")
_PATTERNS = {
    "price": _PRICE,
    "load": _LOAD,
    "temperature": _TEMPERATURE,
    "irradiance": _IRRADIANCE,
    "carbon": _CARBON,
}
_ALLOWED = {
    "price": "a name that ends in _<currency>_per_kwh or _<currency>_per_mwh, as in "
    "'price_sek_per_kwh', 'price_ore_per_kwh', 'price_eur_per_mwh'",
    "load": "a name that ends in _kw, _w, or _kwh or _wh (energy per interval), as in 'load_kw', "
    "or unit=, as in unit='kwh'",
    "temperature": "a name that ends in _c, as in 'temperature_c'",
    "irradiance": "a name that ends in ghi_w_per_m2, dhi_w_per_m2 or dni_w_per_m2",
    "carbon": "a name that ends in _g_per_kwh, as in 'carbon_g_per_kwh', or unit='g_per_kwh'",
}
NET_LOAD_HINT = " A load below 0 is allowed as a net load (`net_load`)."
_KW_PER_UNIT = {"kw": 1.0, "w": 0.001}
_KWH_PER_UNIT = {"kwh": 1.0, "wh": 0.001}
_ROUNDING_KW = 1e-9  # by which a sum less others may fall short of 0
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
# Numbers in which thousands are parted too, by the decimal sign that they show.
_GROUPED = {
    ",": re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+,\d+"),
    ".": re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+\.\d+"),
}


@dataclass(frozen=True)
class Series:
    """Values (columns, intervals) on a regular grid of time; the first begins at `start_s`."""

    table: Table
    start_s: int
    step_s: int
    values: NDArray[np.float64]


def price_series(table: Table, currency: str, eur_rate: float | None) -> Series:
    """The chosen price column in `currency` per kWh."""
    (name,) = _choose(table, "price", _PRICE, "price_column")
    values = _numbers(table, name) * _price_factor(table, name, currency, eur_rate)
    unit = f"{currency} per kWh"
    _check_range(table, name, values, (-MAX_PRICE_PER_KWH, MAX_PRICE_PER_KWH), unit)
    series = _regular(table, [values])
    check_level(series.values[0], currency, f"{table.span()}: {name}")
    return series


def load_series(table: Table, net_load: bool = False) -> Series:
    """The chosen load columns, one row each, or the one house that they add up to; kW.

    Below 0 only of a net load: import less export.
    """
    file = table.file
    plus, less = list(file.sum_columns), list(file.less_columns)
    if less and not plus:
        raise DataError(
            f"{table.header}: less_columns = {less} without sum_columns; needed are the columns "
            "that they are taken off"
        )
    if plus and file.columns and file.register_column is None:
        raise DataError(
            f"{table.header}: columns = {list(file.columns)} beside sum_columns = {plus}; allowed "
            "is one of the two: houses of their own, or one house"
        )
    if not plus:
        names = _choose(table, "load", _LOAD, "load_columns")
        return _regular(table, [_kw(table, name, net_load) for name in names])
    _check_chosen(table, "load", _LOAD, [*plus, *less], "sum_columns and less_columns")
    total = np.sum([_kw(table, name) for name in plus], axis=0)
    if less:
        total = total - np.sum([_kw(table, name) for name in less], axis=0)
    what = " + ".join(plus) + "".join(f" - {name}" for name in less)
    least_kw = -MAX_LOAD_KW if net_load else 0.0
    bad = np.flatnonzero((total < least_kw - _ROUNDING_KW) | (total > MAX_LOAD_KW))
    if bad.size:
        row, hint = int(bad[0]), "" if net_load else NET_LOAD_HINT
        raise DataError(
            f"{table.where(row)}: {what} is {total[row]:g} kW; allowed is {least_kw:g} to "
            f"{MAX_LOAD_KW:g} kW{hint and '.'}{hint}"
        )
    return _regular(table, [total if net_load else np.maximum(total, 0.0)])


def _kw(table: Table, name: str, net_load: bool = False) -> NDArray[np.float64]:
    """A load column in kW, one value for each interval."""
    unit = _unit_of(table, _LOAD, name)
    values = _numbers(table, name)
    if table.file.counter:
        values = _differences(table, name, values, unit)
    elif unit in _KWH_PER_UNIT:
        _check_no_counter(table, name, values)
    if unit in _KWH_PER_UNIT:
        kw = values * _KWH_PER_UNIT[unit] * 3600 / table.lengths_s[: values.size]
    else:
        kw = values * _KW_PER_UNIT[unit]
    limits_kw = (-MAX_LOAD_KW if net_load else 0.0, MAX_LOAD_KW)
    _check_range(table, name, kw, limits_kw, "kW", "" if net_load else NET_LOAD_HINT)
    return np.asarray(kw)


def _differences(
    table: Table, name: str, readings: NDArray[np.float64], unit: str
) -> NDArray[np.float64]:
    """The energy between each two readings; where they fall, the meter began again at 0."""
    if unit not in _KWH_PER_UNIT:
        raise DataError(f"{table.header}: {name!r} is in {unit}; counter=True needs kwh or wh")
    rises = np.diff(readings)
    return np.where(rises < 0.0, readings[1:], rises)


def _check_no_counter(table: Table, name: str, values: NDArray[np.float64]) -> None:
    """Refuse energies that only rise, but for resets: so does a meter's reading.

    What a house uses in an interval falls about as often as it rises.
    """
    steps = np.diff(values)
    rises, falls = int((steps > 0.0).sum()), int((steps < 0.0).sum())
    if rises >= 8 * max(1, falls):
        raise DataError(
            f"{table.span()}: {name} rises {rises} times and falls {falls} times, as a running "
            "counter does and the energy of an interval does not; counter=True takes the "
            "differences of its readings"
        )


def temperature_series(table: Table) -> Series:
    """The chosen temperature column in degrees Celsius."""
    (name,) = _choose(table, "temperature", _TEMPERATURE, "temperature_column")
    values = _numbers(table, name)
    _check_range(table, name, values, (-MAX_TEMPERATURE_C, MAX_TEMPERATURE_C), "deg C")
    return _regular(table, [values])


def carbon_series(table: Table) -> Series:
    """The chosen column of carbon intensity in grams of CO2 per kWh."""
    (name,) = _choose(table, "carbon", _CARBON, "columns")
    values = _numbers(table, name)
    _check_range(table, name, values, (0.0, MAX_CARBON_G_PER_KWH), "g/kWh")
    return _regular(table, [values])


def irradiance_series(table: Table) -> tuple[list[str], Series]:
    """Names among ghi, dhi and dni, in this order, and their columns in W/m2, one row each."""
    if table.file.unit is not None:
        raise DataError(f"{table.header}: unit = {table.file.unit!r}; irradiance is read in W/m2")
    names, columns = _IRRADIANCES[: len(table.file.columns)], list(table.file.columns)
    if columns:
        _check_present(table, columns, "columns")
    else:
        columns = _choose(table, "irradiance", _IRRADIANCE, "columns")
        by_name = {_unit(_IRRADIANCE, column): column for column in columns}
        names = [name for name in _IRRADIANCES if name in by_name]
        if len(columns) > len(names):
            raise DataError(f"{table.header}: {columns} name one irradiance twice")
        columns = [by_name[name] for name in names]
    if names != _IRRADIANCES[: len(columns)]:
        raise DataError(
            f"{table.header}: irradiance is given by {columns}; allowed are GHI, GHI with DHI, or "
            "both with DNI"
        )
    rows = []
    for column in columns:
        values = _numbers(table, column)
        _check_range(table, column, values, (0.0, MAX_IRRADIANCE_W_PER_M2), "W/m2")
        rows.append(values)
    return names, _regular(table, rows)


def _regular(table: Table, rows: list[NDArray[np.float64]]) -> Series:
    """Values as a series in steps of the file's finest resolution, each for its whole interval."""
    values = np.array(rows)
    step_s = table.step_s
    parts = table.lengths_s[: values.shape[1]] // step_s
    if np.any(parts != 1):
        values = np.repeat(values, parts, axis=1)
    return Series(table, int(table.seconds[0]), step_s, values)


def _plain(column: str) -> str:
    """A column's name in small letters, with a unit in brackets in this project's way.

    "Verbrauch [kWh]" is "verbrauch_kwh", and "Day-ahead (EUR/MWh)" is "day-ahead_eur_per_mwh".
    """
    name = re.sub(r"\s*[(\[]([^()\[\]]*)[)\]]$", r"_\1", column.strip().lower())
    return name.replace("°", "").replace("€", "eur").replace("/", "_per_").replace("²", "2")


def _unit(pattern: re.Pattern[str], column: str) -> str:
    """The unit at the end of a column's name, or "" where it has no unit of that pattern."""
    match = pattern.search(_plain(column))
    return str(match.group(1)) if match else ""


def _unit_of(table: Table, pattern: re.Pattern[str], column: str) -> str:
    """The unit of a column: the file's option, or what its name ends in."""
    return _unit(pattern, table.file.unit or column)


def may_hold(table: Table, role: str) -> bool:
    """Whether a column that counts, or the file's option, has a unit of that role."""
    file = table.file
    named = [*file.columns, *file.sum_columns]
    return any(_unit_of(table, _PATTERNS[role], name) for name in named or table.cells.columns)


def chosen(table: Table, role: str) -> list[str]:
    """Names of the columns of prices, loads, temperatures or carbon intensity that are read.

    Raises:
        DataError: There are none, or several and none is named.
    """
    return _choose(table, role, _PATTERNS[role], "columns")


def own_currency(table: Table) -> str:
    """The currency in which a table's prices are; of a hundredth that several have, the first."""
    (name,) = chosen(table, "price")
    match = _PRICE.search(_plain(table.file.unit or name))
    assert match is not None  # `chosen` lets no other name through
    unit = str(match.group(1))
    return HUNDREDTHS[unit][0] if unit in HUNDREDTHS else unit.upper()


def _choose(table: Table, role: str, pattern: re.Pattern[str], option: str) -> list[str]:
    """Names of the columns to read: those that the file's options name, or the only known one."""
    names, file = [str(column) for column in table.cells.columns], table.file
    unread = file.counter or file.less_columns or (file.sum_columns and not file.register_column)
    if role != "load" and unread:
        raise DataError(
            f"{table.header}: counter, sum_columns and less_columns are for a load, not for a "
            f"{role}; needed is one column"
        )
    listed = file.sum_columns if file.register_column else file.columns
    if listed:
        _check_chosen(table, role, pattern, list(listed), option)
        if role != "load" and len(listed) > 1:
            raise DataError(f"{table.header}: {list(listed)}; needed is one {role} column")
        return list(listed)
    found = names if file.unit is not None else [name for name in names if _unit(pattern, name)]
    if len(found) > 1 and role != "irradiance":
        ways = f"{option}= or the file's own columns="
        if role == "load":
            ways += (
                ", each a house of its own, or add them up with sum_columns= and take others off "
                "with less_columns="
            )
        raise DataError(f"{table.header}: several {role} columns, {found}; choose with {ways}")
    _check_chosen(table, role, pattern, found, option)
    return found


def _check_present(table: Table, wanted: list[str], option: str) -> None:
    names = [str(column) for column in table.cells.columns]
    for name in wanted:
        if name not in names:
            raise DataError(f"{table.header}: no column {name!r} ({option}) among {names}")


def _check_chosen(
    table: Table, role: str, pattern: re.Pattern[str], wanted: list[str], option: str
) -> None:
    """Refuse columns that are not there or have no known unit."""
    _check_present(table, wanted, option)
    unknown = [name for name in wanted if not _unit_of(table, pattern, name)]
    if unknown or not wanted:
        raise DataError(
            f"{table.header}: no known {role} unit in "
            f"{table.file.unit or unknown or list(table.cells.columns)}; allowed is "
            f"{_ALLOWED[role]}"
        )


def _price_factor(table: Table, column: str, currency: str, eur_rate: float | None) -> float:
    """What to multiply a price column with to get `currency` per kWh."""
    match = _PRICE.search(_plain(table.file.unit or column))
    assert match is not None  # _choose lets no other name through
    unit, energy = match.groups()
    per_kwh = 1.0 if energy == "kwh" else 0.001
    if unit == currency.lower():
        return per_kwh
    if currency in HUNDREDTHS.get(unit, ()):
        return 0.01 * per_kwh
    if unit == "eur" and eur_rate is not None:
        return eur_rate * per_kwh
    need = f"eur_rate= ({currency} per EUR)" if unit == "eur" else f"a column in {currency}"
    raise DataError(f"{table.header}: {column!r} is not in {currency}; needed is {need}")


def decimal_of(table: Table, column: str) -> str:
    """The decimal sign of a column of text: as the file's options say, or as its cells prove.

    Commas alone are decimal, unless every one of them could part thousands from hundreds.
    """
    if table.file.decimal is not None:
        return table.file.decimal
    cells = [cell.strip() for cell in table.cells[column] if isinstance(cell, str)]
    commas = [cell for cell in cells if "," in cell and not _GROUPED["."].fullmatch(cell)]
    points = [cell for cell in cells if "." in cell and not _GROUPED[","].fullmatch(cell)]
    if not commas or points:
        return "."
    if all(_THOUSANDS.fullmatch(cell) for cell in commas):
        row = next(i for i, cell in enumerate(table.cells[column]) if "," in cell)
        raise DataError(
            f"{table.where(row)}: {column} = {table.cells[column].iloc[row]!r} may hold a decimal "
            "comma or a comma between thousands; needed is decimal=',' for the first"
        )
    return ","


def _numbers(table: Table, column: str) -> NDArray[np.float64]:
    """The cells of a column as float64; an error names the first that is not a finite number."""
    cells = table.cells[column]
    decimal = decimal_of(table, column)
    plain = cells.map(lambda cell: _plain_number(cell, decimal))
    values = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        cell = cells.iloc[int(bad[0])]
        value = repr(cell) if isinstance(cell, str) else cell
        what = "is empty" if not str(cell).strip() else f"= {value} is not a finite number"
        raise DataError(f"{table.where(int(bad[0]))}: {column} {what}")
    return values


def _plain_number(cell: object, decimal: str) -> object:
    """A cell as Python writes numbers: a decimal point, nothing between thousands."""
    if not isinstance(cell, str):
        return cell
    text, other = cell.strip().replace("\u2212", "-"), {",": ".", ".": ","}[decimal]
    if _GROUPED[decimal].fullmatch(text):
        text = text.replace(other, "")
    return "no number" if other in text else text.replace(decimal, ".")


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
