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
4. Prices are made in hours and then parted into quarter-hours (``quarter_scores``).

A public holiday is a Sunday in all of this: on those of 2023 to 2026 that fell on workdays SE3 cost
0.35 SEK/kWh on average, on the Sundays around them 0.37 and on the workdays around them 0.60.

Cold days are dear: the price's score falls with the day's temperature anomaly, mostly in winter.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Set
from datetime import date, datetime, timedelta, timezone
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from ev_gym.calibrated import figures
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.compiling import compiled
from ev_gym.series.limits import HOURS_PER_WEEK, QUARTERS_PER_WEEK

WEEKS_PER_YEAR = 52
MEAN_HOURS_PER_YEAR = 8766.0  # 365.25 days
SUNDAY = 6
# Part of the key of every random stream. Of the numbers 0 to 299 it is the one whose world 0 of
# family 0 is most like the measured years, among those whose worlds 1 to 8 and 101 to 104 differ as
# years do: `python -m ev_gym.calibration.worlds` finds it.
FIRST_KEY = 102


# Two patterns of an hour's four quarters, each of mean 0: a line that rises by 1 in an hour, and a
# parabola whose second derivative is 1.
TILT = np.array([-3.0, -1.0, 1.0, 3.0]) / 8.0
BEND = np.array([1.0, -1.0, -1.0, 1.0]) / 32.0


class SyntheticSeries(NamedTuple):
    """Built-in series on one calendar; all arrays are float64.

    Attributes:
        price_per_kwh: (weeks * 672,) spot price of each quarter-hour, SEK/kWh without tax and VAT.
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
        weekday: 0 is Monday; a public holiday counts as a Sunday, 6.
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
    start: datetime,
    weeks: int,
    houses: int,
    zone: str,
    annual_kwh: float,
    seed: int = 0,
    world: int = 0,
    holidays: Set[date] = frozenset(),
) -> SyntheticSeries:
    """Return prices like SE3's from 2023 to mid-2026, Stockholm's temperature and loads of houses.

    A house's load is household electricity plus heating. Household electricity has the quarter-hour
    statistics of one measured house (UCI 235, Sceaux). Heating follows the temperature; its share
    of the year's consumption, the temperature at which it begins and the building's inertia are
    fitted to another, an electrically heated house in Trondheim. How houses differ from these two
    in size, habits and holidays is assumed (``assumptions`` in ``series.json``).

    House ``2k`` and house ``2k + 1`` of a world have sizes ``1 + a`` and ``1 - a`` (``a`` is 0 for
    the first two), so that the mean annual consumption of one house or of any even number of houses
    is exactly ``annual_kwh`` and tends to it otherwise. "Annual" is the mean power of the first 52
    weeks (generated in any case) times 8,766 h. A house has the same load whatever ``houses`` is.

    Args:
        start: first hour, time-zone aware; Monday 00:00 in ``zone``.
        weeks: number of weeks.
        houses: number of houses.
        zone: IANA name of the time zone that people live by.
        annual_kwh: mean annual consumption of a house without vehicles, kWh.
        seed: the family of worlds, 0 or more.
        world: number of the world within the family, 0 or more. The same family and world give the
            same series. Prices, temperature and each house have random streams of their own.
        holidays: public holidays, local dates; prices and loads are those of a Sunday.

    Raises:
        ValueError: for a start, a count or a consumption outside what is allowed.
    """
    _check(start, weeks, houses, zone, annual_kwh, seed, world)
    hours = HOURS_PER_WEEK * max(weeks, WEEKS_PER_YEAR)
    clock = local_clock(start, hours, zone, frozenset(holidays))
    fits = figures("series")
    temperature_c, anomaly_c = _temperature(clock, fits["temperature"], stream(seed, world, 0))
    price_per_kwh = _price(clock, anomaly_c, fits["price"], stream(seed, world, 1))
    load_kw = np.empty((houses, weeks * QUARTERS_PER_WEEK))
    for house in range(houses):
        year_kw = _house(house, clock, temperature_c, fits, stream(seed, world, 2 + house))
        load_kw[house] = year_kw[: load_kw.shape[1]]
    load_kw *= annual_kwh / MEAN_HOURS_PER_YEAR
    return SyntheticSeries(
        price_per_kwh[: weeks * QUARTERS_PER_WEEK],
        temperature_c[: weeks * HOURS_PER_WEEK],
        load_kw,
    )


@functools.lru_cache(maxsize=8)  # the worlds of a family share it
def local_clock(
    start: datetime, hours: int, zone: str, holidays: frozenset[date] = frozenset()
) -> Clock:
    """Return the local calendar of ``hours`` hours from ``start`` (aware), as read-only arrays.

    Args:
        start: first hour.
        hours: number of hours.
        zone: IANA name of the time zone.
        holidays: public holidays, local dates.
    """
    tz = ZoneInfo(zone)
    first = start.astimezone(timezone.utc)
    local = [(first + timedelta(hours=h)).astimezone(tz) for h in range(hours)]
    summer_h = [(when.dst() or timedelta(0)).total_seconds() / 3600 for when in local]
    dates = np.array([when.toordinal() for when in local], dtype=np.int64)
    hour = np.array([when.hour for when in local], dtype=np.int64)
    year = np.array([when.year for when in local], dtype=np.int64)
    new_year = {y: datetime(y, 1, 1).toordinal() for y in set(year.tolist())}
    day_off = np.isin(dates, [day.toordinal() for day in holidays])
    clock = Clock(
        hour=hour,
        standard_hour=(hour - np.array(summer_h).astype(np.int64)) % 24,
        weekday=np.where(day_off, SUNDAY, (dates - 1) % 7),
        day_of_year=dates - np.array([new_year[y] for y in year.tolist()]) + 1,
        year=year,
        day=dates - dates[0],
    )
    for array in clock:
        array.setflags(write=False)
    return clock


def season(day_of_year: Ints, harmonics: int = 2) -> Floats:
    """Return (n, 1 + 2 * harmonics): 1 and cosines and sines of the day of the year."""
    angle = 2.0 * np.pi * (day_of_year - 0.5) / 365.25
    waves = [f(k * angle) for k in range(1, harmonics + 1) for f in (np.cos, np.sin)]
    return np.column_stack([np.ones_like(angle), *waves])


@compiled
def add_autoregression(
    total: Floats, noise: Floats, decay: Floats, innovation: Floats, weight: Floats
) -> None:
    """Add ``weight * y`` to ``total``: ``y[t] = decay[t] * y[t-1] + innovation[t] * noise[t]``.

    ``y[0]`` is ``noise[0]``. All arrays are (n,), and only ``total`` is written to.
    """
    y = noise[0]
    total[0] += weight[0] * y
    for t in range(1, len(total)):
        y = decay[t] * y + innovation[t] * noise[t]
        total[t] += weight[t] * y


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
    total, noise = np.zeros(steps), np.empty(steps)
    for constant_h, period_h, variance in parts:
        decay = np.broadcast_to(np.exp(-step_h / constant_h), steps).copy()
        innovation = np.sqrt(1.0 - decay * decay)
        for wave in waves(steps, float(step_h.mean()), period_h):
            rng.standard_normal(out=noise)
            add_autoregression(total, noise, decay, innovation, math.sqrt(variance) * wave)
    return total


@functools.lru_cache(maxsize=16)  # all houses of all worlds share them
def waves(steps: int, step_h: float, period_h: float) -> tuple[Floats, ...]:
    """Return cosine and sine of a period at each step, (steps,) each; ones for the period 0."""
    if not period_h:
        return (np.ones(steps),)
    angle = np.arange(steps) * (2.0 * np.pi * step_h / period_h)
    return np.cos(angle), np.sin(angle)


def smooth_gaussian(
    rng: np.random.Generator, steps: int, step_h: float, parts: list[Any]
) -> Floats:
    """Return the mean of each two neighbours of a ``gaussian`` series, (steps,).

    Without the mean, series change more from step to step than measured ones do: what an appliance
    or a cloud begins within one step it often ends within the next.
    """
    rough = gaussian(rng, steps + 1, np.array([step_h]), parts)
    return 0.5 * (rough[1:] + rough[:-1])


def stream(seed: int, world: int, *number: int) -> np.random.Generator:
    """Return the source of chance of one series of a world of a family."""
    key = np.random.SeedSequence((FIRST_KEY, seed, world), spawn_key=number)
    return np.random.Generator(np.random.PCG64(key))


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
    """Return quarter-hourly prices, SEK/kWh."""
    by_hour = np.array(fits["hour_by_season_and_weekend"])
    score = np.einsum("ij,ij->i", price_terms(clock), by_hour[clock.hour])
    score += anomaly_c * (season(clock.day_of_year, 1) @ np.array(fits["per_degree_by_season"]))
    step_h = np.array(fits["hour_length_h"])[clock.hour]
    score += gaussian(rng, len(score), step_h, fits["parts"])
    return from_scores(quarter_scores(score, clock, fits["within_hour"], rng), fits["quantiles"])


def quarter_scores(
    score: Floats, clock: Clock, fits: dict[str, Any], rng: np.random.Generator
) -> Floats:
    """Return the normal scores of quarter-hours, (4 n,), from those of hours, (n,).

    Within an hour the score is a line plus a slight parabola around the hour's own score. The line
    is about twice as steep as one from the hour before to the hour after: that is the saw-tooth of
    real prices, whose first quarter is the dearest where prices fall and the cheapest where they
    rise. Its slope varies besides by chance, most at the ramps of the day.
    """
    around = np.pad(score, 1, mode="edge")
    slope = 0.5 * (around[2:] - around[:-2])
    curvature = around[2:] + around[:-2] - 2.0 * score
    tilt = np.array(fits["tilt_by_hour"])[clock.hour] + fits["tilt_per_slope"] * slope
    tilt += np.array(fits["tilt_sd_by_hour"])[clock.hour] * rng.standard_normal(len(score))
    bend = fits["bend_per_curvature"] * curvature
    quarters: Floats = score[:, None] + tilt[:, None] * TILT + bend[:, None] * BEND
    return quarters.ravel()


def price_terms(clock: Clock) -> Floats:
    """Return (n, 7): the five terms of the season, Saturday, Sunday."""
    days_off = [clock.weekday == 5, clock.weekday == 6]
    return np.column_stack([season(clock.day_of_year), *days_off]).astype(np.float64)


def from_scores(score: Floats, quantiles: list[float]) -> Floats:
    """Map normal scores to values; the quantiles are those at evenly spaced scores of -4 to 4."""
    values = np.empty(len(score))
    interpolate(np.ascontiguousarray(score), np.array(quantiles, dtype=np.float64), values)
    return values


@compiled
def interpolate(score: Floats, quantiles: Floats, values: Floats) -> None:
    """Write to ``values`` the quantiles at scores; five times as fast as `numpy.interp`."""
    last = len(quantiles) - 1
    for i in range(len(score)):
        place = (min(max(score[i], -4.0), 4.0) + 4.0) * (last / 8.0)
        below = min(int(place), last - 1)
        low, high = quantiles[below], quantiles[below + 1]
        values[i] = low + (place - below) * (high - low)


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
    fitted, spread_c = fits["heating"], assumptions["heating_begins_spread_c"]
    share = fitted["share"] * rng.uniform(*assumptions["heating_share_factor"])
    heating_below_c = fitted["begins_c"] + rng.uniform(-spread_c, spread_c)
    household = household_load(clock, away, shift, strength, fits["load"], rng)
    # the building follows the outdoor temperature slowly
    building_c = building_temperature(temperature_c, fitted["building_h"])
    heating = np.maximum(0.0, heating_below_c - building_c).repeat(4)
    year = WEEKS_PER_YEAR * HOURS_PER_WEEK * 4
    load: Floats = (1.0 - share) * household / household[:year].mean()
    load += share * heating / heating[:year].mean()
    load *= _size(house, assumptions["size_spread"])
    return load


def building_temperature(temperature_c: Floats, constant_h: float) -> Floats:
    """Return the outdoor temperature as a building follows it, hourly, deg C, (n,).

    It is the exponentially weighted mean of the hours so far, with ``constant_h`` as time constant.
    """
    first_c = temperature_c[0]
    excess_c = np.zeros(len(temperature_c))
    share = 1.0 - math.exp(-1.0 / constant_h)
    same = np.ones(len(temperature_c))
    inflow_c = temperature_c - first_c  # 0 at first
    add_autoregression(excess_c, inflow_c, (1.0 - share) * same, share * same, same)
    building_c: Floats = first_c + excess_c
    return building_c


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
    weekend = (clock.weekday >= 5).astype(np.int64)
    # the hour of the day that the measured house lived at each quarter-hour
    lived = (np.arange(96) - shift) // 4 % 24
    first = (clock.hour * 4)[:, None] + np.arange(4)
    cell = (24 * weekend[:, None] + lived[first]).ravel()
    mean, spread = np.array(fits["score_mean"]), np.array(fits["score_sd"])
    middle = mean.mean()
    profile = (middle + strength * (mean - middle)).ravel()
    yearly = season(clock.day_of_year, 1)[:, 1:] @ np.array(fits["score_by_season"])
    chance = smooth_gaussian(rng, len(cell), 0.25, fits["parts"])
    score = profile[cell] + spread.ravel()[cell] * chance + yearly.repeat(4)
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


def _check(
    start: datetime,
    weeks: int,
    houses: int,
    zone: str,
    annual_kwh: float,
    seed: int,
    world: int,
) -> None:
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
    for name, number in (("seed", seed), ("world", world)):
        if number < 0:
            raise ValueError(f"{name} is {number}: it must be 0 or more")
    if not 0.0 < annual_kwh < math.inf:
        raise ValueError(f"annual_kwh is {annual_kwh}: it must be above 0 and finite")
