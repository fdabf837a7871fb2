"""Derive the figures behind the built-in prices, temperature and base load.

``derive`` reads measured series from a folder and returns what ``series.json`` holds: the
parameters of the generator in ``ev_gym.series.synthetic`` and, under ``figures``, statistics of the
measured series (``measures``) that tests compare the generator with.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.calibration.heating import derive_heating
from ev_gym.calibration.measures import (
    load_figures,
    means_by,
    monthly,
    per_day,
    price_figures,
    quarter_figures,
    temperature_figures,
    winter_correlation,
)
from ev_gym.calibration.prices import (
    ZONE,
    Prices,
    danish_prices,
    first_hour,
    swedish_prices,
    within_hour,
)
from ev_gym.calibration.series_fits import (
    NEIGHBOURS,
    SCORES,
    fit_parts,
    least_squares,
    normal_scores,
    quantiles,
    read,
    rounded,
)
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.series.public_holidays import public_holidays
from ev_gym.series.synthetic import Clock, daily_mean, local_clock, price_terms, season

WEATHER_FILE = "weather_stockholm_hourly_2023-2024.csv"
LOAD_FILE = "household_load_uci_sceaux_15min_2008.csv"
YEARS = (2023, 2024)  # of the weather
PROFILES = ("by_month", "by_hour_workday", "by_hour_weekend", "by_hour_winter", "by_hour_summer")
# A day whose load is below this share of the year's mean counts as absence. That holds for 25 days
# in August and no others.
ABSENCE_BELOW = 0.3

# (time constant, period) in hours: parts of which the fit of a Gaussian process chooses some
PRICE_PARTS = (
    (1, 0),
    (3, 0),
    (6, 0),
    (12, 0),
    (48, 0),
    (240, 0),
    (960, 0),
    (24, 24),
    (120, 24),
    (24, 12),
    (72, 12),
)
WEATHER_PARTS = ((3, 0), (12, 0), (24, 0), (48, 0), (120, 0), (360, 0))
LOAD_PARTS = ((0.25, 0), (1, 0), (2, 0), (4, 0), (12, 0), (48, 0), (240, 0), (72, 24), (72, 12))

# How houses differ is assumed: two were measured, one for its household, one for its heating.
ASSUMPTIONS: dict[str, Any] = {
    "note": "not derived from data: how houses differ",
    "heating_share_factor": [0.6, 1.4],
    "heating_begins_spread_c": 2.0,
    "habit_shift_sd_h": 1.0,
    "habit_strength": [0.7, 1.1],
    "size_spread": 0.5,
    "summer_holiday": {"first_day_of_year": [165, 225], "days": [7, 28]},
    "winter_holiday": {"first_day_of_year": [1, 120], "days": [0, 7]},
}


def derive(folder: Path) -> dict[str, Any]:
    """Return the figures of ``series.json`` from the measured series in ``folder``.

    Raises:
        FileNotFoundError: where one of the files is missing.
    """
    start, temperature_c = read(folder / WEATHER_FILE, "temperature_c")
    start, temperature_c = _whole_years(start, temperature_c, ZONE)
    clock = local_clock(start, len(temperature_c), ZONE)
    temperature, anomaly_c = _derive_temperature(temperature_c, clock)
    for year in YEARS:
        kept = clock.year == year
        temperature["figures"][str(year)] = temperature_figures(
            temperature_c[kept], part_of(clock, kept)
        )
    load_start, load_kw = read(folder / LOAD_FILE, "load_kw")
    load_clock = _with_holidays(load_start, len(load_kw) // 4, "Europe/Paris", "FR")
    load, by_month = _derive_load(load_kw, load_clock)
    derived: dict[str, Any] = {
        "temperature": temperature,
        "price": _derive_price(
            swedish_prices(folder), danish_prices(folder), anomaly_c, temperature_c
        ),
        "load": load,
        "heating": derive_heating(folder, by_month, temperature_c, clock),
        "assumptions": ASSUMPTIONS,
    }
    figures: dict[str, Any] = rounded(derived)
    return figures


def _with_holidays(start: datetime, hours: int, zone: str, country: str) -> Clock:
    return local_clock(start, hours, zone, public_holidays(country, start.date(), hours // 24 + 2))


def part_of(clock: Clock, kept: NDArray[np.bool_]) -> Clock:
    """Return the clock of some of the hours; its days count from 0."""
    part = Clock(*(field[kept] for field in clock))
    return part._replace(day=part.day - part.day[0])


def _derive_temperature(temperature_c: Floats, clock: Clock) -> tuple[dict[str, Any], Floats]:
    """Return the figures and the hourly anomaly of the local day's mean, deg C."""
    terms = season(clock.day_of_year)
    by_hour = np.empty((24, terms.shape[1]))
    for hour in range(24):
        in_hour = clock.standard_hour == hour
        by_hour[hour] = least_squares(terms[in_hour], temperature_c[in_hour])
    mean_c = terms @ by_hour.mean(axis=0)
    cycle_c = np.einsum("ij,ij->i", terms, by_hour[clock.standard_hour]) - mean_c
    rest_c = temperature_c - mean_c - cycle_c
    # the width of each day's cycle relative to that of its season, by projection within the day
    inner_c = rest_c - daily_mean(rest_c, clock.day)
    width = per_day(inner_c * cycle_c, clock) / per_day(cycle_c**2, clock)
    bright = per_day(np.abs(cycle_c), clock) > 1.0  # in winter there is hardly any cycle
    weather_c = rest_c - width[clock.day] * cycle_c
    variance = least_squares(terms[:, :3], weather_c**2)
    scaled = weather_c / np.sqrt(terms[:, :3] @ variance)
    figures = {
        "source": f"Open-Meteo, Stockholm, hourly {YEARS[0]}-{YEARS[1]}",
        "licence": "CC BY 4.0, Open-Meteo",
        "hour_by_season_c": by_hour.tolist(),
        "cycle_sd": width[bright].std(),
        "cycle_h": 48.0,
        "variance_by_season": variance.tolist(),
        "parts": fit_parts(
            scaled, np.ones(len(scaled)), np.arange(0, 337), 1.0, WEATHER_PARTS, NEIGHBOURS
        ),
        "figures": {},
    }
    return figures, daily_mean(rest_c, clock.day)


def _derive_price(
    prices: Prices, danish: Prices, anomaly_c: Floats, temperature_c: Floats
) -> dict[str, Any]:
    """Return the figures; temperatures are those of the first hours of the prices."""
    price = prices.hours
    clock = _with_holidays(first_hour(), len(price), ZONE, "SE")
    score = normal_scores(price)
    terms = price_terms(clock)
    by_hour = np.empty((24, terms.shape[1]))
    for hour in range(24):
        in_hour = clock.hour == hour
        by_hour[hour] = least_squares(terms[in_hour], score[in_hour])
    rest = score - np.einsum("ij,ij->i", terms, by_hour[clock.hour])
    known = np.arange(len(price)) < len(anomaly_c)
    cold = anomaly_c[:, None] * season(clock.day_of_year[known], 1)
    per_degree = least_squares(cold, rest[known])
    # later temperatures are not at hand: what they did to the price counts as chance
    rest[known] -= cold @ per_degree
    pace = _pace(price, score, clock)
    years: dict[str, dict[str, Any]] = {}
    for year in np.unique(clock.year).tolist():
        kept = clock.year == year
        found = price_figures(price[kept], part_of(clock, kept))
        years[str(year)] = {name: found[name] for name in found if name not in PROFILES}
        if known[kept].all():
            years[str(year)]["winter_correlation_with_temperature"] = winter_correlation(
                price[kept], temperature_c[kept[known]], part_of(clock, kept)
            )
    return {
        "source": "Energinet and elprisetjustnu.se, day-ahead prices of SE3, hourly 2023 to "
        "September 2025, then quarter-hourly to June 2026; DK1 within the hour",
        "licence": "CC BY 4.0, Source: Energinet (energidataservice.dk); quarter-hours until March "
        "2026 and exchange rates: elprisetjustnu.se",
        "quantiles": quantiles(price),
        "hour_by_season_and_weekend": by_hour.tolist(),
        "hour_length_h": pace.tolist(),
        "per_degree_by_season": per_degree.tolist(),
        "parts": fit_parts(
            rest, np.ones(len(rest)), np.arange(0, 24 * 29), 1.0, PRICE_PARTS, ((0, 1.0),)
        ),
        "within_hour": within_hour([prices, danish]),
        "figures": {**years, "all": price_figures(price, clock)},
        "quarters": {
            name: quarter_figures(area.quarters, area.quarters_clock)
            for name, area in (("SE3", prices), ("DK1", danish))
        },
    }


def _pace(price: Floats, score: Floats, clock: Clock) -> Floats:
    """Return (24,) how much time the step into each hour counts for, 1 on average.

    The mean size of the price's changes (less their mean for the hour and the kind of day) is
    divided by the mean slope that turns changes of the score into changes of the price. The ratio
    is squared, because it is variance that grows in proportion to time.
    """
    slope = np.gradient(np.array(quantiles(price)), SCORES)
    change = np.append(0.0, np.diff(price))
    for weekend in (False, True):
        for hour in range(24):
            alike = (clock.hour == hour) & ((clock.weekday >= 5) == weekend)
            change[alike] -= change[alike].mean()
    steepness = np.interp(score, SCORES, slope)
    size = np.array(means_by(np.abs(change), clock.hour, range(24)))
    pace: Floats = (size / np.array(means_by(steepness, clock.hour, range(24)))) ** 2
    pace /= pace.mean()
    return pace


def _derive_load(load_kw: Floats, clock: Clock) -> tuple[dict[str, Any], Floats]:
    """Return the figures and the season by month with assumed holidays, over its mean, (12,)."""
    daily = per_day(load_kw.reshape(-1, 4).mean(axis=1), clock)
    away = (daily < ABSENCE_BELOW * load_kw.mean())[clock.day]
    home = ~away.repeat(4)
    relative = load_kw / load_kw[home].mean()
    score = np.zeros(len(load_kw))
    score[home] = normal_scores(relative[home])
    duration = quantiles(relative[home])
    empty = np.interp(relative[~home], duration, SCORES)
    terms = season(clock.day_of_year, 1).repeat(4, axis=0)
    by_season = least_squares(terms[home], score[home])[1:]
    usual_kw = terms @ least_squares(terms[home], relative[home])
    usual_kw *= 1.0 - (1.0 - relative[~home].mean()) * holiday_share(clock.day_of_year).repeat(4)
    by_month = monthly(usual_kw.reshape(-1, 4).mean(axis=1), clock)
    score -= terms[:, 1:] @ by_season
    cell = clock.hour.repeat(4) + 24 * (clock.weekday >= 5).astype(np.int64).repeat(4)
    mean, spread = _by_cell(score[home], cell[home])
    # the correlations are those of the load itself: the refrigerator dominates those of the scores
    usual, variation = _by_cell(relative[home], cell[home])
    rest = np.where(home, (relative - usual[cell]) / variation[cell], 0.0)
    lags = np.concatenate([np.arange(0, 193), 96 * np.arange(3, 15)])
    figures = {
        "source": "one house in Sceaux, France, quarter-hours of 2008 (UCI data set 235)",
        "licence": "CC BY 4.0, Hebrail and Berard, UCI Machine Learning Repository",
        "quantiles": duration,
        "score_mean": mean.reshape(2, 24).tolist(),
        "score_sd": spread.reshape(2, 24).tolist(),
        "score_by_season": by_season.tolist(),
        "away_score_mean": empty.mean(),
        "away_score_sd": empty.std(),
        "parts": fit_parts(rest, home.astype(np.float64), lags, 0.25, LOAD_PARTS, NEIGHBOURS),
        "figures": {"2008": load_figures(load_kw, clock, away)},
    }
    return figures, by_month


def holiday_share(day_of_year: Ints) -> Floats:
    """Return the share of generated houses that stand empty on each day of the year, (n,)."""
    share = np.zeros(len(day_of_year))
    for name in ("summer_holiday", "winter_holiday"):
        first, last = ASSUMPTIONS[name]["first_day_of_year"]
        shortest, longest = ASSUMPTIONS[name]["days"]
        begins = np.arange(first, last + 1)
        for days in range(shortest, longest + 1):
            since = day_of_year[:, None] - begins
            away = ((since >= 0) & (since < days)).mean(axis=1)
            share += away / (longest - shortest + 1)
    return share


def _by_cell(values: Floats, cell: Ints) -> tuple[Floats, Floats]:
    """Return (48,) mean and standard deviation by hour of workdays, then of weekends."""
    parts = [values[cell == k] for k in range(48)]
    return np.array([part.mean() for part in parts]), np.array([part.std() for part in parts])


def _whole_years(start: datetime, values: Floats, zone: str) -> tuple[datetime, Floats]:
    """Cut an hourly series to the local calendar years ``YEARS``; return its start and values."""
    clock = local_clock(start, len(values), zone)
    hours = np.flatnonzero((clock.year >= YEARS[0]) & (clock.year <= YEARS[-1]))
    return start + timedelta(hours=int(hours[0])), values[hours]
