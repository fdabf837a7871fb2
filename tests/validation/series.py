"""The generator's prices, temperatures, loads and sky against the measured ones, as tables."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.calibrated import figures
from ev_gym.calibration.measures import (
    load_figures,
    price_figures,
    sky_figures,
    temperature_figures,
)
from ev_gym.calibration.sky import PLACES, clear_hours, utc_month
from ev_gym.runtime.arrays import Floats
from ev_gym.series.synthetic import (
    Clock,
    SyntheticSeries,
    household_load,
    local_clock,
    synthetic_series,
)
from ev_gym.series.synthetic_sky import built_in_clearness
from tests.validation.writing import table

ZONE = "Europe/Stockholm"
START = datetime(2023, 1, 1, 23, tzinfo=timezone.utc)  # Monday 2 January, 00:00 local
YEAR_H = 52 * 168
YEARS = 8  # generated besides the built-in one, with another seed
SEED = 1
ANNUAL_KWH = 12_000.0
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
    ("standard deviation within a day, mean", "within_day_sd_mean", None, 3),
    ("standard deviation of hourly changes", "hourly_change_sd", None, 3),
    ("correlation of a day's mean with the next day's", "daily_mean_correlation_1d_7d", 0, 2),
    ("with that a week later", "daily_mean_correlation_1d_7d", 1, 2),
    ("share of hours below zero", "below_zero_share", None, 3),
    ("mean length of a run of such hours (h)", "below_zero_mean_run_h", None, 1),
    ("winter: correlation with temperature", "winter_correlation_with_temperature", None, 2),
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


class Years(NamedTuple):
    """The built-in year of 16 houses, and `YEARS` other generated years in a row of one house."""

    built_in: SyntheticSeries
    more: SyntheticSeries
    clock: Clock  # of all the years


@functools.cache
def generated() -> Years:
    """The built-in series, and more of their kind."""
    return Years(
        synthetic_series(START, 52, 16, ZONE, ANNUAL_KWH),
        synthetic_series(START, 52 * YEARS, 1, ZONE, ANNUAL_KWH, seed=SEED),
        local_clock(START, YEARS * YEAR_H, ZONE),
    )


@functools.cache
def away_hours() -> NDArray[np.bool_]:
    """Which hours of the generated years lie in the measured house's holiday."""
    day = generated().clock.day_of_year
    return (day >= AWAY_DAYS[0]) & (day < AWAY_DAYS[1])


@functools.cache
def appliances() -> Floats:
    """(4 n,) what the measured house's habits would draw in the generated years, without heating.

    Relative to the mean of the days at home.
    """
    rng = np.random.Generator(np.random.PCG64(3))
    known = figures("series")["load"]
    return household_load(generated().clock, away_hours(), 0, 1.0, known, rng)


def year_of(clock: Clock, year: int) -> Clock:
    """The clock of one of the generated years."""
    kept = Clock(*(part[year * YEAR_H : (year + 1) * YEAR_H] for part in clock))
    return kept._replace(day=kept.day - kept.day[0])


def hours_of(year: int, per_hour: int = 1) -> slice:
    """Where a year's values lie in the generated years."""
    return slice(year * YEAR_H * per_hour, (year + 1) * YEAR_H * per_hour)


def value(found: dict[str, Any], row: Row) -> float:
    """A figure by its place."""
    _, name, place, _ = row
    return float(found[name] if place is None else found[name][place])


def compare(
    rows: Sequence[Row],
    measured: dict[str, dict[str, Any]],
    ours: dict[str, dict[str, Any]],
    many: Sequence[dict[str, Any]],
) -> str:
    """A table: the measured columns, ours, and mean and range of many generated years.

    A measured figure outside that range has a star.
    """
    head = ["figure", *measured, *ours, f"mean of {len(many)} generated years", "their range"]
    lines = []
    for row in rows:
        digits = row[3]
        years = [value(found, row) for found in many]
        known = [value(found, row) for found in measured.values()]
        stars = ["" if min(years) <= number <= max(years) else " *" for number in known]
        cells = [f"{number:.{digits}f}{star}" for number, star in zip(known, stars, strict=True)]
        shown = [value(found, row) for found in ours.values()] + [float(np.mean(years))]
        cells += [f"{number:.{digits}f}" for number in shown]
        lines.append([row[0], *cells, f"{min(years):.{digits}f} to {max(years):.{digits}f}"])
    return table(head, lines)


def _measured(kind: str) -> dict[str, dict[str, Any]]:
    return {f"measured {year}": own for year, own in figures("series")[kind]["figures"].items()}


def price_table() -> str:
    """Prices of SE3 in 2023 and 2024 against generated ones."""
    years = generated()
    one = years.built_in
    ours = price_figures(one.price_per_kwh, one.temperature_c, year_of(years.clock, 0))
    many = [
        price_figures(
            years.more.price_per_kwh[hours_of(k)],
            years.more.temperature_c[hours_of(k)],
            year_of(years.clock, k),
        )
        for k in range(YEARS)
    ]
    return compare(PRICE, _measured("price"), {"built-in": ours}, many)


def temperature_table() -> str:
    """Temperatures of Stockholm in 2023 and 2024 against generated ones."""
    years = generated()
    ours = temperature_figures(years.built_in.temperature_c, year_of(years.clock, 0))
    many = [
        temperature_figures(years.more.temperature_c[hours_of(k)], year_of(years.clock, k))
        for k in range(YEARS)
    ]
    return compare(TEMPERATURE, _measured("temperature"), {"built-in": ours}, many)


def load_table() -> str:
    """The measured house against its own habits, generated, without heating."""
    years, away = generated(), away_hours()
    many = [
        load_figures(appliances()[hours_of(k, 4)], year_of(years.clock, k), away[hours_of(k)])
        for k in range(YEARS)
    ]
    return compare(LOAD, _measured("load"), {}, many)


def sky_of(place: str, seed: int | None = None) -> tuple[Floats, Floats]:
    """Clearness and the clear sky's GHI (W/m2) of each hour of a generated year."""
    hours = YEAR_H
    chance = {} if seed is None else {"seed": seed}
    return built_in_clearness(START, hours, place=place, **chance), clear_hours(
        START, hours, PLACES[place]
    )


def sky_table() -> str:
    """Clearness in Aarhus in 2024 against that of generated years there, and Stockholm's."""
    first = -START.hour % 24  # whole days of UTC
    days = slice(first, first + (YEAR_H - first) // 24 * 24)
    month = utc_month(START, YEAR_H)[days]

    def sky_at(place: str, seed: int | None = None) -> dict[str, Any]:
        clearness, clear = sky_of(place, seed)
        return sky_figures(clearness[days], clear[days], month)

    known = figures("sun")["figures"]
    measured = {f"measured Aarhus {year}": own for year, own in known.items()}
    ours = {"built-in Stockholm": sky_at("stockholm")}
    return compare(SKY, measured, ours, [sky_at("aarhus", SEED + k) for k in range(YEARS)])
