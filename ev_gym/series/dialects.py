"""Files as three well-known sources write them, told as reading options.

A dialect is named, never guessed. It sets options that are still at their defaults.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import pandas as pd

from ev_gym.scenario.series_file import FLUVIUS, OPEN_METEO, PVGIS, SeriesFile
from ev_gym.series.limits import DataError

# Fluvius, Belgium: "Verbruikshistoriek kwartiertotalen". Which registers count, the user says.
_FLUVIUS = {
    "separator": ";",
    "decimal": ",",
    "stamp_column": "Van (datum)",
    "time_column": "Van (tijdstip)",
    "stamp_zone": "Europe/Brussels",
    "register_column": "Register",
    "columns": ("Volume",),
    "unit": "kwh",
}
_NAMES = {
    OPEN_METEO: {
        "shortwave_radiation": "ghi_w_per_m2",
        "diffuse_radiation": "dhi_w_per_m2",
        "direct_normal_irradiance": "dni_w_per_m2",
    },
    PVGIS: {"T2m": "temperature_c", "G(i)": "ghi_w_per_m2"},
}
_PVGIS_PARTS = ["Gb(i)", "Gd(i)", "Gr(i)"]


def settled(file: SeriesFile, role: str, name: str, lines: Sequence[str]) -> SeriesFile:
    """The options of a file, with what its dialect says of it.

    Args:
        file: Options as given.
        role: "price", "load", "temperature" or "irradiance".
        name: What messages call the file.
        lines: All lines of the file.

    Raises:
        DataError: The file is not of this dialect, of a kind that cannot be used, or of a dialect
            that is not named.
    """
    is_fluvius = bool(lines) and str(_FLUVIUS["stamp_column"]) in lines[0]
    if is_fluvius and file.dialect is None and file.register_column is None:
        raise DataError(
            f"{name}, row 1 (header): a file of Fluvius, a row for each register; needed are "
            f"dialect={FLUVIUS!r} and registers, sum_columns=['Afname Dag', 'Afname Nacht']"
        )
    if file.dialect == FLUVIUS:
        return _with_defaults(file, **_FLUVIUS)
    if file.dialect == OPEN_METEO:
        header = _header(lines, "time,", name, "Open-Meteo")
        if header < 2 or _preamble_value(lines, "utc_offset_seconds") != "0":
            raise DataError(
                f"{name}, row 2: not Open-Meteo's preamble with utc_offset_seconds 0; needed is a "
                "download with the time zone GMT"
            )
        # Radiation is the mean of the hour before the stamp, all else the value at the stamp.
        marks = "end" if role == "irradiance" else "start"
        return _with_defaults(file, skip_rows=header, stamp_zone="UTC", stamp_marks=marks)
    if file.dialect == PVGIS:
        header = _header(lines, "time", name, "PVGIS")
        if lines[header].startswith("time(UTC)"):
            raise DataError(
                f"{name}, row {header + 1} (header): a typical year of PVGIS, whose months are of "
                "different years; needed is PVGIS's hourly data"
            )
        slope = [line for line in lines[:header] if line.startswith("Slope:")]
        if role == "irradiance" and (not slope or slope[0].split()[1] not in ("0", "0.0")):
            raise DataError(
                f"{name}: PVGIS's irradiance on modules, {slope or ['no slope']}; needed is that "
                "on the horizontal, a download with slope 0"
            )
        return _with_defaults(file, skip_rows=header, stamp_format="%Y%m%d:%H%M", stamp_zone="UTC")
    return file


def last_row(file: SeriesFile, lines: Sequence[str]) -> int:
    """Number of lines to read: PVGIS explains its columns in a footer, after an empty line."""
    if file.dialect != PVGIS:
        return len(lines)
    ends = (i for i in range(file.skip_rows, len(lines)) if not lines[i].strip())
    return next(ends, len(lines))


def plain_names(file: SeriesFile, header: list[str]) -> list[str]:
    """The header with this project's names for the columns of a dialect."""
    known = _NAMES.get(file.dialect or "", {})
    return [known.get(column.partition(" (")[0], column) for column in header]


def with_sums(file: SeriesFile, cells: pd.DataFrame) -> pd.DataFrame:
    """PVGIS's cells with GHI and DHI where it gives the components of the light."""
    if file.dialect != PVGIS or not set(_PVGIS_PARTS) <= set(cells.columns):
        return cells
    parts = cells[_PVGIS_PARTS].apply(pd.to_numeric, errors="coerce")
    return cells.assign(ghi_w_per_m2=parts.sum(axis=1, skipna=False), dhi_w_per_m2=cells["Gd(i)"])


def _header(lines: Sequence[str], begins: str, name: str, who: str) -> int:
    """Position of the line that begins so."""
    for position, line in enumerate(lines[:100]):
        if line.startswith(begins):
            return position
    raise DataError(f"{name}: no header that begins with {begins!r}, as {who} writes it")


def _preamble_value(lines: Sequence[str], key: str) -> str | None:
    names, values = csv.reader(lines[:2])
    return dict(zip(names, values, strict=False)).get(key)


def _with_defaults(file: SeriesFile, **options: Any) -> SeriesFile:
    defaults = {field.name: field.default for field in fields(file)}
    left = {key: value for key, value in options.items() if getattr(file, key) == defaults[key]}
    return replace(file, **left)
