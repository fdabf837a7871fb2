"""The generator's prices, temperatures, loads and sky against the measured ones, as tables."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.calibrated import figures
from ev_gym.calibration.heating import winter_to_summer
from ev_gym.calibration.measures import (
    load_figures,
    price_figures,
    quarter_figures,
    sky_figures,
    temperature_figures,
    winter_correlation,
)
from ev_gym.calibration.sky import PLACES, clear_hours, utc_month
from ev_gym.calibration.worlds import (
    BOUNDS,
    START,
    WORLDS,
    YEAR_H,
    ZONE,
    World,
    bounded_figures,
    clock_of_worlds,
    world_of,
)
from ev_gym.runtime.arrays import Floats
from ev_gym.series.synthetic import (
    Clock,
    SyntheticSeries,
    household_load,
    local_clock,
)
from ev_gym.series.synthetic_sky import built_in_clearness
from tests.validation.writing import table

YEARS = len(WORLDS)
# Days of the year on which the measured house stood empty: its holiday.
AWAY_DAYS = (219, 244)

# What it is, name in the figures, place in it, digits.
Row = tuple[str, str, Any, int]
PRICE: tuple[Row, ...] = (
    ("mean (SEK/kWh)", "mean", None, 3),
    ("standard deviation", "sd", None, 3),
    ("1 % quantile", "quantiles", 1, 3),
    ("5 % quantile", "quantiles", 2, 3),
    ("median", "quantiles", 4, 3),
    ("95 % quantile", "quantiles", 6, 3),
    ("99 % quantile", "quantiles", 7, 3),
    ("dearest less cheapest hour of a day, mean", "daily_spread_mean", None, 3),
    ("standard deviation within a day, mean", "within_day_sd_mean", None, 3),
    ("standard deviation of hourly changes", "hourly_change_sd", None, 3),
    ("correlation of a day's mean with the next day's", "daily_mean_correlation_1d_7d", 0, 2),
    ("with that a week later", "daily_mean_correlation_1d_7d", 1, 2),
    ("share of hours below zero", "below_zero_share", None, 3),
    ("mean length of a run of such hours (h)", "below_zero_mean_run_h", None, 1),
    ("winter: correlation with temperature", "winter_correlation_with_temperature", None, 2),
)
QUARTERS: tuple[Row, ...] = (
    (
        "dearest less cheapest of a day, in quarters over in hours",
        "spread_over_spread_of_hours",
        None,
        3,
    ),
    ("autocorrelation after 15 min", "correlation_15min", None, 3),
    (
        "standard deviation from the hour's mean, over that of hours",
        "deviation_sd_over_hourly_sd",
        None,
        3,
    ),
    (
        "standard deviation of changes, over that of hours",
        "quarter_change_sd_over_hourly_sd",
        None,
        3,
    ),
    ("share below zero, over that of hours", "below_zero_share_over_that_of_hours", None, 2),
)
TEMPERATURE: tuple[Row, ...] = (
    ("0.1 % quantile (deg C)", "quantiles", 0, 1),
    ("5 % quantile", "quantiles", 2, 1),
    ("median", "quantiles", 4, 1),
    ("95 % quantile", "quantiles", 6, 1),
    ("99.9 % quantile", "quantiles", 8, 1),
    ("standard deviation of hourly changes (K)", "hourly_change_sd", None, 2),
    ("correlation of a day's mean with the next day's", "daily_mean_correlation_1d_3d_7d", 0, 2),
    ("with that three days later", "daily_mean_correlation_1d_3d_7d", 1, 2),
    ("with that a week later", "daily_mean_correlation_1d_3d_7d", 2, 2),
)
LOAD: tuple[Row, ...] = (
    ("standard deviation of quarter-hours, over the mean", "sd", None, 3),
    ("5 % quantile, over the mean", "quantiles", 2, 3),
    ("25 % quantile", "quantiles", 3, 3),
    ("median", "quantiles", 4, 3),
    ("75 % quantile", "quantiles", 5, 3),
    ("95 % quantile", "quantiles", 6, 3),
    ("99.9 % quantile", "quantiles", 8, 3),
    ("standard deviation of quarter-hourly changes", "quarter_hour_change_sd", None, 3),
    ("correlation after 15 min", "correlation", "15min", 3),
    ("after 1 h", "correlation", "1h", 3),
    ("after 3 h", "correlation", "3h", 3),
    ("after 1 day", "correlation", "1d", 3),
    ("after 7 days", "correlation", "7d", 3),
    ("standard deviation of daily means", "daily_mean_sd", None, 3),
    ("winter over summer", "winter_to_summer", None, 3),
    ("mean while nobody is at home", "away_mean", None, 3),
)
SKY: tuple[Row, ...] = (
    ("mean clearness", "mean", None, 3),
    ("standard deviation", "sd", None, 3),
    ("5 % quantile", "quantiles", 2, 3),
    ("median", "quantiles", 4, 3),
    ("95 % quantile", "quantiles", 6, 3),
    ("correlation after 1 h", "correlation", "1h", 3),
    ("after 6 h", "correlation", "6h", 3),
    ("after 1 day", "correlation", "1d", 3),
    ("standard deviation of a day's clearness", "daily_sd", None, 3),
    ("share of the clear sky's light, May to August", "summer_share", None, 3),
    ("November to February", "winter_share", None, 3),
    ("GHI (kWh/m2 a year)", "ghi_kwh_per_m2", None, 0),
)


@functools.cache
def world(number: int) -> World:
    """A world of the family 0."""
    return world_of(number)


def hourly(series: SyntheticSeries) -> Floats:
    """Hourly means of the prices."""
    return series.price_per_kwh.reshape(-1, 4).mean(axis=1)


def long_clock() -> Clock:
    """The local clock of as many years in a row as there are worlds, without public holidays."""
    return local_clock(START, YEARS * YEAR_H, ZONE)


@functools.cache
def away_hours() -> NDArray[np.bool_]:
    """Which hours of `long_clock` lie in the measured house's holiday."""
    day = long_clock().day_of_year
    return (day >= AWAY_DAYS[0]) & (day < AWAY_DAYS[1])


@functools.cache
def appliances() -> Floats:
    """(4 n,) what the measured house's habits would draw in these years, without heating.

    Relative to the mean of the days at home.
    """
    rng = np.random.Generator(np.random.PCG64(3))
    known = figures("series")["load"]
    return household_load(long_clock(), away_hours(), 0, 1.0, known, rng)


def year_of(clock: Clock, year: int) -> Clock:
    """The clock of one of the years in a row."""
    kept = Clock(*(part[year * YEAR_H : (year + 1) * YEAR_H] for part in clock))
    return kept._replace(day=kept.day - kept.day[0])


def hours_of(year: int, per_hour: int = 1) -> slice:
    """Where a year's values lie in the years in a row."""
    return slice(year * YEAR_H * per_hour, (year + 1) * YEAR_H * per_hour)


def value(found: dict[str, Any], row: Row) -> float:
    """A figure by its place; NaN where it is missing."""
    _, name, place, _ = row
    if name not in found:
        return math.nan
    return float(found[name] if place is None else found[name][place])


def compare(
    rows: Sequence[Row],
    measured: dict[str, dict[str, Any]],
    ours: dict[str, dict[str, Any]],
    many: Sequence[dict[str, Any]],
) -> str:
    """A table: the measured columns, ours, and mean and range of many worlds.

    A measured figure outside that range has a star; what was not measured is left out.
    """
    head = ["figure", *measured, *ours, f"mean of {len(many)} worlds", "their range"]
    lines = []
    for row in rows:
        digits = row[3]
        years = [value(found, row) for found in many]
        known = [value(found, row) for found in measured.values()]
        cells = [
            ""
            if math.isnan(number)
            else f"{number:.{digits}f}" + ("" if min(years) <= number <= max(years) else " *")
            for number in known
        ]
        shown = [value(found, row) for found in ours.values()] + [float(np.mean(years))]
        cells += [f"{number:.{digits}f}" for number in shown]
        lines.append([row[0], *cells, f"{min(years):.{digits}f} to {max(years):.{digits}f}"])
    return table(head, lines)


def _measured(kind: str) -> dict[str, dict[str, Any]]:
    return {f"measured {year}": own for year, own in figures("series")[kind]["figures"].items()}


def _prices_of(number: int) -> dict[str, Any]:
    own, clock = world(number).series, clock_of_worlds()
    found = price_figures(hourly(own), clock)
    correlation = winter_correlation(hourly(own), own.temperature_c, clock)
    return {**found, "winter_correlation_with_temperature": correlation}


def price_table() -> str:
    """Hourly prices of SE3 against generated ones."""
    measured = _measured("price")
    del measured["measured all"]
    measured["to June 2026"] = measured.pop("measured 2026")
    many = [_prices_of(number) for number in WORLDS]
    return compare(PRICE, measured, {"world 0": _prices_of(0)}, many)


def quarter_table() -> str:
    """Quarter-hours of SE3 and DK1, October 2025 to June 2026, against generated ones."""
    measured = {
        f"measured {area}": own for area, own in figures("series")["price"]["quarters"].items()
    }

    def quarters_of(number: int) -> dict[str, Any]:
        return quarter_figures(world(number).series.price_per_kwh, clock_of_worlds())

    many = [quarters_of(number) for number in WORLDS]
    return compare(QUARTERS, measured, {"world 0": quarters_of(0)}, many)


def worlds_table() -> str:
    """Every world that the presets offer, and what years were measured to be like."""
    known = figures("series")
    blank = [None] * len(BOUNDS)
    rows: list[tuple[str, list[float | None]]] = []
    for year, own in known["price"]["figures"].items():
        if year == "all":
            continue
        found = [own["mean"], own["daily_spread_mean"], None, 100.0 * own["below_zero_share"]]
        air = known["temperature"]["figures"].get(year)
        found += [None if air is None else float(np.mean(air["by_month_mean"]))]
        name = "to June 2026" if year == "2026" else year
        rows.append((f"measured {name}", found + blank[len(found) :]))
    own = known["price"]["quarters"]["SE3"]
    spread = own["mean"] * own["spread_of_hours_over_mean"]
    quarters = [own["mean"], spread, spread * own["spread_over_spread_of_hours"]]
    rows.append(("measured October 2025 to June 2026", quarters + blank[3:]))
    by_month = known["heating"]["figures"]["2020-2022"]["by_month"]
    contrast = winter_to_summer(by_month)
    rows.append(("measured, a house in Trondheim", [*blank[:6], contrast, *blank[7:]]))
    rows += [(f"world {number}", [*bounded_figures(world(number))]) for number in (0, *WORLDS)]
    rows += [
        ("allowed from", [bound.least for bound in BOUNDS]),
        ("to", [bound.most for bound in BOUNDS]),
    ]
    lines = [
        [
            name,
            *(
                "" if each is None else f"{each:.{bound.digits}f}"
                for each, bound in zip(found, BOUNDS, strict=True)
            ),
        ]
        for name, found in rows
    ]
    return table(["", *(bound.what for bound in BOUNDS)], lines)


def temperature_table() -> str:
    """Temperatures of Stockholm in 2023 and 2024 against generated ones."""

    def air_of(number: int) -> dict[str, Any]:
        return temperature_figures(world(number).series.temperature_c, clock_of_worlds())

    many = [air_of(number) for number in WORLDS]
    return compare(TEMPERATURE, _measured("temperature"), {"world 0": air_of(0)}, many)


def load_table() -> str:
    """The measured house against its own habits, generated, without heating."""
    clock, away = long_clock(), away_hours()
    many = [
        load_figures(appliances()[hours_of(k, 4)], year_of(clock, k), away[hours_of(k)])
        for k in range(YEARS)
    ]
    return compare(LOAD, _measured("load"), {}, many)


def sky_of(place: str, number: int) -> tuple[Floats, Floats]:
    """Clearness and the clear sky's GHI (W/m2) of each hour of a world."""
    return built_in_clearness(START, YEAR_H, world=number, place=place), clear_hours(
        START, YEAR_H, PLACES[place]
    )


def sky_table() -> str:
    """Clearness in Aarhus in 2024 against that of worlds there, and Stockholm's."""
    first = -START.hour % 24  # whole days of UTC
    days = slice(first, first + (YEAR_H - first) // 24 * 24)
    month = utc_month(START, YEAR_H)[days]

    def sky_at(place: str, number: int) -> dict[str, Any]:
        clearness, clear = sky_of(place, number)
        return sky_figures(clearness[days], clear[days], month)

    known = figures("sun")["figures"]
    measured = {f"measured Aarhus {year}": own for year, own in known.items()}
    ours = {"world 0, Stockholm": sky_at("stockholm", 0)}
    return compare(SKY, measured, ours, [sky_at("aarhus", number) for number in WORLDS])
