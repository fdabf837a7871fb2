"""Built-in series: day-ahead prices, outdoor temperature and base load of a few houses.

A generator calibrated on measured series, not a copy of them: its parameters are the derived
figures in ``ev_gym/calibrated/series.json``. All three kinds of series are built in one way:

1. A seasonal mean for each hour of the day: two harmonics of the year (prices and temperature) or
   a profile for workdays and weekends (load; prices have offsets for Saturday and Sunday).
2. Around it a stationary Gaussian process: a sum of first-order autoregressions with time
   constants from minutes to weeks, some of which modulate a daily cycle, so that the shape of the
   day varies from day to day. Their variances are fitted to the measured autocorrelation.
   A mean-reverting sum of factors is the usual model of spot prices: Lucia and Schwartz (2002),
   doi:10.1023/A:1013846631785; review by Weron (2014), doi:10.1016/j.ijforecast.2014.08.008.
3. Prices and load are modelled as normal scores and mapped back through the measured quantiles
   (Uniejewski, Weron and Ziel (2018), doi:10.1109/TPWRS.2017.2734563, "N-PIT"). This brings the
   heavy tails, the hours below zero and the bursts of a single house, and it bounds the series.

Cold days are dear: the price's score falls with the day's temperature anomaly, mostly in winter.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from ev_gym.calibrated import figures
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.series.limits import HOURS_PER_WEEK

WEEKS_PER_YEAR = 52
MEAN_HOURS_PER_YEAR = 8766.0  # 365.25 days
NEGLIGIBLE = 1e-9
# Of the seeds 0 to 19, that whose 52 weeks from 2 January 2023 are most like the measured years.
TYPICAL_SEED = 14


class SyntheticSeries(NamedTuple):
    """Built-in series on one calendar; all arrays are float64.

    Attributes:
        price_per_kwh: (weeks * 168,) spot price of each hour, SEK/kWh without tax and VAT.
        temperature_c: (weeks * 168,) outdoor temperature of each hour, deg C.
        load_kw: (houses, weeks * 672) mean base load of each quarter-hour, kW.
    """

    price_per_kwh: Floats
    temperature_c: Floats
    load_kw: Floats


class Clock(NamedTuple):
    """Local calendar of consecutive hours; each array has one entry an hour.

    Attributes:
        hour: local hour of day, 0 to 23.
        standard_hour: the same without summer time, because the sun knows none.
        weekday: 0 is Monday.
        day_of_year: 1 to 366.
        year: calendar year.
        day: number of the local day, counted from the first.
    """

    hour: Ints
    standard_hour: Ints
    weekday: Ints
    day_of_year: Ints
    year: Ints
    day: Ints


def synthetic_series(
    start: datetime, weeks: int, houses: int, zone: str, annual_kwh: float, seed: int = TYPICAL_SEED
) -> SyntheticSeries:
    """Return prices like SE3's in 2023-2024, Stockholm's temperature and the load of houses.

    A house's load is household electricity plus heating. Household electricity has the quarter-hour
    statistics of one measured house (UCI 235, Sceaux). Heating follows the temperature as a heat
    pump's power does; no measured Swedish load was at hand, so its share of the year's consumption
    and the temperature at which it begins are assumptions (``assumptions`` in ``series.json``), as
    are the differences between houses in size, habits and holidays.

    House ``2k`` and house ``2k + 1`` have sizes ``1 + a`` and ``1 - a`` (``a`` is 0 for the first
    two), so that the mean annual consumption of one house or of any even number of houses is
    exactly ``annual_kwh`` and tends to it otherwise. "Annual" is the mean power of the first 52
    weeks (generated in any case) times 8,766 h. A house has the same load whatever ``houses`` is.

    Args:
        start: first hour, time-zone aware; Monday 00:00 in ``zone``.
        weeks: number of weeks.
        houses: number of houses.
        zone: IANA name of the time zone that people live by.
        annual_kwh: mean annual consumption of a house without vehicles, kWh.
        seed: the same seed gives the same series. Prices, temperature and each house have random
            streams of their own.

    Raises:
        ValueError: for a start, a count or a consumption outside what is allowed.
    """
    _check(start, weeks, houses, zone, annual_kwh)
    hours = HOURS_PER_WEEK * max(weeks, WEEKS_PER_YEAR)
    clock = local_clock(start, hours, zone)
    fits = figures("series")
    temperature_c, anomaly_c = _temperature(clock, fits["temperature"], _stream(seed, 0))
    price_per_kwh = _price(clock, anomaly_c, fits["price"], _stream(seed, 1))
    load_kw = np.empty((houses, weeks * HOURS_PER_WEEK * 4))
    for house in range(houses):
        year_kw = _house(house, clock, temperature_c, fits, _stream(seed, 2 + house))
        load_kw[house] = year_kw[: load_kw.shape[1]]
    load_kw *= annual_kwh / MEAN_HOURS_PER_YEAR
    size = weeks * HOURS_PER_WEEK
    return SyntheticSeries(price_per_kwh[:size], temperature_c[:size], load_kw)


def local_clock(start: datetime, hours: int, zone: str) -> Clock:
    """Return the local calendar of ``hours`` hours from ``start`` (aware) in the IANA ``zone``."""
    tz = ZoneInfo(zone)
    first = start.astimezone(timezone.utc)
    local = [(first + timedelta(hours=h)).astimezone(tz) for h in range(hours)]
    summer_h = [(when.dst() or timedelta(0)).total_seconds() / 3600 for when in local]
    dates = np.array([when.toordinal() for when in local], dtype=np.int64)
    hour = np.array([when.hour for when in local], dtype=np.int64)
    year = np.array([when.year for when in local], dtype=np.int64)
    new_year = {y: datetime(y, 1, 1).toordinal() for y in set(year.tolist())}
    return Clock(
        hour=hour,
        standard_hour=(hour - np.array(summer_h).astype(np.int64)) % 24,
        weekday=(dates - 1) % 7,
        day_of_year=dates - np.array([new_year[y] for y in year.tolist()]) + 1,
        year=year,
        day=dates - dates[0],
    )


def season(day_of_year: Ints, harmonics: int = 2) -> Floats:
    """Return (n, 1 + 2 * harmonics): 1 and cosines and sines of the day of the year."""
    angle = 2.0 * np.pi * (day_of_year - 0.5) / 365.25
    waves = [f(k * angle) for k in range(1, harmonics + 1) for f in (np.cos, np.sin)]
    return np.column_stack([np.ones_like(angle), *waves])


def recursive(inflow: Floats, decay: Floats) -> Floats:
    """Return y with ``y[t] = decay[t] * y[t-1] + inflow[t]``, y[-1] = 0, for 0 <= decay < 1.

    Each pass doubles the number of earlier steps whose effect is counted, so that NumPy needs no
    loop over t. With the same decay a in all steps and L for a lag of one step, the passes are the
    factors of 1 / (1 - aL) = (1 + aL)(1 + a^2 L^2)(1 + a^4 L^4)...

    Args:
        inflow: (n,) what enters in each step.
        decay: (n,), or (1,) for the same decay in all steps.
    """
    y, lag = inflow.copy(), 1
    factor = decay[1:] if len(decay) > 1 else decay  # takes y from step i to step i + lag
    while lag < len(y) and factor.max() > NEGLIGIBLE:
        y[lag:] += factor * y[:-lag]
        factor = factor[lag:] * factor[:-lag] if len(factor) > 1 else factor * factor
        lag *= 2
    return y


def gaussian(rng: np.random.Generator, steps: int, step_h: Floats, parts: list[Any]) -> Floats:
    """Return a stationary Gaussian series of mean 0, (steps,).

    Args:
        rng: source of chance.
        steps: length of the series.
        step_h: (steps,) or (1,), time since the step before, h. Market prices move little at night
            and much in the morning, so their steps count as longer in the morning than at night.
        parts: (time constant in h, period in h or 0, variance) of each part. A part without a
            period is a first-order autoregression; a part with one is two of them, which are the
            amplitudes of the cosine and of the sine of that period.
    """
    total = np.zeros(steps)
    angle = np.arange(steps) * (2.0 * np.pi * step_h.mean())
    for constant_h, period_h, variance in parts:
        decay = np.exp(-step_h / constant_h)
        waves = [np.cos(angle / period_h), np.sin(angle / period_h)] if period_h else [1.0]
        for wave in waves:
            noise = rng.standard_normal(steps)
            first = noise[0]
            noise *= np.sqrt(1.0 - decay * decay)
            noise[0] = first
            total += math.sqrt(variance) * wave * recursive(noise, decay)
    return total


def smooth_gaussian(
    rng: np.random.Generator, steps: int, step_h: float, parts: list[Any]
) -> Floats:
    """Return the mean of each two neighbours of a ``gaussian`` series, (steps,).

    Without the mean, series change more from step to step than measured ones do: what an appliance
    or a cloud begins within one step it often ends within the next.
    """
    rough = gaussian(rng, steps + 1, np.array([step_h]), parts)
    return 0.5 * (rough[1:] + rough[:-1])


def _stream(seed: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(number,))))


def _temperature(
    clock: Clock, fits: dict[str, Any], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return temperature and the anomaly of the local day's mean, both hourly, deg C."""
    terms = season(clock.day_of_year)
    by_hour = np.array(fits["hour_by_season_c"])
    mean_c = terms @ by_hour.mean(axis=0)
    daily_cycle_c = np.einsum("ij,ij->i", terms, by_hour[clock.standard_hour]) - mean_c
    hours = len(mean_c)
    # a clear day has a wide daily cycle, an overcast one hardly any
    clearness = fits["cycle_sd"] * smooth_gaussian(rng, hours, 1.0, [[fits["cycle_h"], 0, 1.0]])
    spread_c = np.sqrt(terms[:, :3] @ np.array(fits["variance_by_season"]))
    weather_c = spread_c * smooth_gaussian(rng, hours, 1.0, fits["parts"])
    temperature_c = mean_c + (1.0 + clearness) * daily_cycle_c + weather_c
    return temperature_c, daily_mean(temperature_c - mean_c - daily_cycle_c, clock.day)


def daily_mean(hourly: Floats, day: Ints) -> Floats:
    """Return for each hour the mean over its local day; ``day`` counts from 0."""
    mean: Floats = np.bincount(day, hourly) / np.bincount(day)
    return mean[day]


def _price(
    clock: Clock, anomaly_c: Floats, fits: dict[str, Any], rng: np.random.Generator
) -> Floats:
    """Return hourly prices, SEK/kWh."""
    by_hour = np.array(fits["hour_by_season_and_weekend"])
    score = np.einsum("ij,ij->i", price_terms(clock), by_hour[clock.hour])
    score += anomaly_c * (season(clock.day_of_year, 1) @ np.array(fits["per_degree_by_season"]))
    step_h = np.array(fits["hour_length_h"])[clock.hour]
    score += gaussian(rng, len(score), step_h, fits["parts"])
    return from_scores(score, fits["quantiles"])


def price_terms(clock: Clock) -> Floats:
    """Return (n, 7): the five terms of the season, Saturday, Sunday."""
    days_off = [clock.weekday == 5, clock.weekday == 6]
    return np.column_stack([season(clock.day_of_year), *days_off]).astype(np.float64)


def from_scores(score: Floats, quantiles: list[float]) -> Floats:
    """Map normal scores to values; the quantiles are those at evenly spaced scores of -4 to 4."""
    return np.interp(score, np.linspace(-4.0, 4.0, len(quantiles)), quantiles)


def _house(
    house: int,
    clock: Clock,
    temperature_c: Floats,
    fits: dict[str, Any],
    rng: np.random.Generator,
) -> Floats:
    """Return quarter-hour loads in units of the mean load of all houses."""
    assumptions = fits["assumptions"]
    away = _absence(clock, assumptions, rng)
    shift = round(4.0 * rng.normal(0.0, assumptions["habit_shift_sd_h"]))
    strength = rng.uniform(*assumptions["habit_strength"])
    share = rng.uniform(*assumptions["heating_share"])
    heating_below_c = rng.uniform(*assumptions["heating_begins_c"])
    household = household_load(clock, away, shift, strength, fits["load"], rng)
    # the building follows the outdoor temperature slowly
    decay = np.exp([-1.0 / assumptions["building_h"]])
    first_c = temperature_c[0]
    building_c = first_c + recursive((1.0 - decay) * (temperature_c - first_c), decay)
    heating = np.maximum(0.0, heating_below_c - building_c).repeat(4)
    year = WEEKS_PER_YEAR * HOURS_PER_WEEK * 4
    load: Floats = (1.0 - share) * household / household[:year].mean()
    load += share * heating / heating[:year].mean()
    load *= _size(house, assumptions["size_spread"])
    return load


def household_load(
    clock: Clock,
    away: NDArray[np.bool_],
    shift: int,
    strength: float,
    fits: dict[str, Any],
    rng: np.random.Generator,
) -> Floats:
    """Return quarter-hour household electricity relative to the mean of days at home.

    Args:
        clock: calendar of the hours.
        away: for each hour, whether nobody is at home.
        shift: quarter-hours by which this house lives later than the measured one.
        strength: factor on the daily profile; 1 is the measured house.
        fits: figures of the measured house.
        rng: source of chance.
    """
    weekend = (clock.weekday >= 5).astype(np.int64).repeat(4)
    quarter = clock.hour.repeat(4) * 4 + np.tile(np.arange(4), len(clock.hour))
    hour = (quarter - shift) // 4 % 24
    mean, spread = np.array(fits["score_mean"]), np.array(fits["score_sd"])
    yearly = season(clock.day_of_year, 1)[:, 1:] @ np.array(fits["score_by_season"])
    chance = smooth_gaussian(rng, len(hour), 0.25, fits["parts"])
    middle = mean.mean()
    score = middle + strength * (mean[weekend, hour] - middle) + spread[weekend, hour] * chance
    score += yearly.repeat(4)
    # in an empty house only the refrigerator and appliances on standby use power
    empty = fits["away_score_mean"] + fits["away_score_sd"] * chance
    return from_scores(np.where(away.repeat(4), empty, score), fits["quantiles"])


def _absence(
    clock: Clock, assumptions: dict[str, Any], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return for each hour whether the house is empty: two holidays in every calendar year."""
    away = np.zeros(len(clock.hour), dtype=np.bool_)
    for year in range(int(clock.year[0]), int(clock.year[-1]) + 1):
        for holiday in ("summer_holiday", "winter_holiday"):
            earliest, latest = assumptions[holiday]["first_day_of_year"]
            shortest, longest = assumptions[holiday]["days"]
            first = rng.integers(earliest, latest, endpoint=True)
            days = rng.integers(shortest, longest, endpoint=True)
            day = clock.day_of_year
            away |= (clock.year == year) & (day >= first) & (day < first + days)
    return away


def _size(house: int, spread: float) -> float:
    """Return a house's size relative to the mean: 1 + a or 1 - a, evenly spread over pairs."""
    pair, evenly, part = house // 2, 0.0, 0.5
    while pair:  # the radical inverse of van der Corput: 0, 1/2, 1/4, 3/4, 1/8, ...
        evenly += part * (pair % 2)
        pair, part = pair // 2, part / 2.0
    return 1.0 + spread * evenly * (1.0 if house % 2 == 0 else -1.0)


def _check(start: datetime, weeks: int, houses: int, zone: str, annual_kwh: float) -> None:
    try:
        tz = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(
            f"zone is {zone!r}: it must be an IANA name such as 'Europe/Stockholm'"
        ) from None
    if start.tzinfo is None:
        raise ValueError(f"start is {start}: it needs a time zone (UTC)")
    local = start.astimezone(tz)
    if (local.weekday(), local.hour, local.minute, local.second) != (0, 0, 0, 0):
        raise ValueError(f"start is {local} in {zone}: it must be a Monday 00:00 there")
    if weeks < 1:
        raise ValueError(f"weeks is {weeks}: it must be at least 1")
    if houses < 1:
        raise ValueError(f"houses is {houses}: it must be at least 1")
    if not 0.0 < annual_kwh < math.inf:
        raise ValueError(f"annual_kwh is {annual_kwh}: it must be above 0 and finite")
