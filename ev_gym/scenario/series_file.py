"""How one file of a series is read: its place, its dialect, and which of its columns count.

Every file has options of its own. What an option leaves open the reader finds out only where the
file itself proves it, and otherwise refuses the file; `docs/data.md` shows each with an example.
"""

from __future__ import annotations

from dataclasses import dataclass

from ev_gym.scenario.parameters import (
    PATH_LENGTH,
    check,
    check_unread,
    choice,
    number,
    text,
    texts,
)

EPOCH_S, EPOCH_MS = "epoch_s", "epoch_ms"
OPEN_METEO, PVGIS, FLUVIUS = "open-meteo", "pvgis", "fluvius"
MOST_COLUMNS = 1000


@dataclass(frozen=True)
class SeriesFile:
    """One file of a series, and how it is read.

    *Columns.* `columns` are series of their own: houses of a load, or GHI, DHI and DNI in this
    order. `sum_columns` are parts of one house, such as high and low register, and are added;
    `less_columns`, such as export, are taken off. With `register_column` the file is long: it has a
    row for each register and interval, `columns` names the one column of values, and `sum_columns`
    and `less_columns` name registers.

    *Counters.* With `counter` a column holds a meter's readings, and each interval takes the
    difference of two. Where a reading falls, the meter began again at 0.
    """

    path: str | None = text(
        None,
        "absolute, beside the scenario's file, or in the folder that EV_GYM_DATA names",
        longest=PATH_LENGTH,
        optional=True,
    )
    dialect: str | None = choice(
        None, "who wrote the file as it is; None: nobody in particular",
        (None, OPEN_METEO, PVGIS, FLUVIUS),
    )  # fmt: skip
    separator: str | None = choice(
        None, "between cells; None: as the header shows", (None, ",", ";", "\t", "|")
    )
    decimal: str | None = choice(
        None, "decimal sign; None: as the numbers show", (None, ".", ",")
    )  # fmt: skip
    skip_rows: int = number(0, "", "rows before the header", 0, 1000, whole=True)
    stamp_column: str | None = text(
        None, "stamps, or their dates; None: timestamp_utc or else the first", optional=True
    )
    time_column: str | None = text(None, "times of day, where not in stamp_column", optional=True)
    stamp_format: str | None = text(
        None,
        "as for strptime, or epoch_s or epoch_ms; None: ISO 8601, dd.mm.yyyy and what else is "
        "certain",
        optional=True,
    )
    stamp_zone: str | None = text(None, "time zone of stamps without offset", optional=True)
    stamp_marks: str = choice("start", "what of its interval a stamp marks", ("start", "end"))
    columns: tuple[str, ...] = texts((), "columns that count", many=MOST_COLUMNS)
    sum_columns: tuple[str, ...] = texts((), "columns to add up", many=MOST_COLUMNS)
    less_columns: tuple[str, ...] = texts((), "columns to take off that sum", many=MOST_COLUMNS)
    register_column: str | None = text(
        None, "column that names the register of each row", optional=True
    )
    unit: str | None = text(
        None, "unit of the columns, such as kwh, where their names hold none", optional=True
    )
    counter: bool = choice(False, "whether the columns are running counters", (False, True))
    pair: str | None = choice(
        None,
        "position: a series that overlaps the calendar but lacks hours of it takes them from other "
        "years; None: that is refused",
        (None, "position"),
    )

    def __post_init__(self) -> None:
        check(self)
        if self.counter:
            check_unread(self, ("stamp_marks",), "a counter's reading is of the moment it marks")


@dataclass(frozen=True)
class PriceSource(SeriesFile):
    """A file of prices, or the published prices of a bidding area."""

    market: str | None = text(
        None, "bidding area, such as SE3, instead of a file: prices as published", optional=True
    )
    provider: str | None = text(None, "who is asked for them; None: the usual one", optional=True)


@dataclass(frozen=True)
class CarbonSource(SeriesFile):
    """A file of the grid's carbon intensity, or the published one of a bidding area."""

    market: str | None = text(
        None, "bidding area, such as DE-LU, instead of a file: intensity as published",
        optional=True,
    )  # fmt: skip
    provider: str | None = text(None, "who is asked for it; None: the usual one", optional=True)
