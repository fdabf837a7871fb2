"""Measured day-ahead prices of SE3 and DK1, and the figures of their pattern within the hour."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from ev_gym.calibration.series_fits import SCORES, least_squares, quantiles, read
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.series.public_holidays import public_holidays
from ev_gym.series.synthetic import BEND, TILT, Clock, local_clock

PRICE_FILE = "price_dayahead_SE3_hourly_2016-2024.csv"
LATER_PRICE_FILE = "price_dayahead_SE3_hourly_2025-01_2025-09.csv"
QUARTER_FILE = "price_dayahead_SE3_15min_2025-10_2026-06.csv"
RATE_FILE = "fx_sek_per_eur_daily_2025-01_2026-04.csv"
DANISH_PRICE_FILE = "price_dayahead_DK1_hourly_2021-2025.csv"
DANISH_QUARTER_FILE = "price_dayahead_DK1_15min_2025-10_2026-06.csv"
ZONE = "Europe/Stockholm"
FIRST_YEAR = 2023
EUR_PER_MWH = "price_eur_per_mwh"


class Prices(NamedTuple):
    """Measured prices of one market area from 1 January 2023, 00:00 local time.

    Attributes:
        hours: (n,) hourly means, per kWh.
        quarters: (4 m,) quarter-hours, per kWh; those of the last m hours.
        quarters_clock: local clock of these m hours; public holidays are Sundays.
    """

    hours: Floats
    quarters: Floats
    quarters_clock: Clock


def swedish_prices(folder: Path) -> Prices:
    """SE3 from 2023 to mid-2026, SEK/kWh.

    Until the end of 2024 the file has prices in SEK. Later prices in EUR are turned into SEK by the
    rate of their local day, and those after the last known day (2026-04-14) by its rate.

    Raises:
        FileNotFoundError: where one of the files is missing.
    """
    start, first = read(folder / PRICE_FILE, "price_ore_per_kwh")
    parts = [first / 100.0]
    for file in (LATER_PRICE_FILE, QUARTER_FILE):
        begin, price = read(folder / file, EUR_PER_MWH)
        per_hour = 4 if file == QUARTER_FILE else 1
        rate = _sek_per_eur(folder, begin, len(price) // per_hour).repeat(per_hour)
        parts.append(price * rate / 1000.0)
    return _prices(start, parts, begin, "SE")


def danish_prices(folder: Path) -> Prices:
    """DK1 from 2023 to April 2025 and from October 2025 to mid-2026, EUR/kWh.

    Raises:
        FileNotFoundError: where one of the files is missing.
    """
    start, hours = read(folder / DANISH_PRICE_FILE, EUR_PER_MWH)
    begin, quarters = read(folder / DANISH_QUARTER_FILE, EUR_PER_MWH)
    return _prices(start, [hours / 1000.0, quarters / 1000.0], begin, "DK")


def first_hour() -> datetime:
    """The first hour of what is used of the measured prices."""
    return datetime(FIRST_YEAR, 1, 1, tzinfo=ZoneInfo(ZONE)).astimezone(timezone.utc)


def _prices(start: datetime, parts: list[Floats], begin: datetime, country: str) -> Prices:
    """From series of hours, the first of which begins at `start`, and one of quarter-hours."""
    quarters = parts[-1]
    hours = np.concatenate([*parts[:-1], quarters.reshape(-1, 4).mean(axis=1)])
    size = len(quarters) // 4
    days_off = public_holidays(country, begin.date(), size // 24 + 2)
    clock = local_clock(begin, size, ZONE, days_off)
    return Prices(hours[int((first_hour() - start).total_seconds()) // 3600 :], quarters, clock)


def _sek_per_eur(folder: Path, start: datetime, hours: int) -> Floats:
    """The rate of each hour's local day; after the last known day that day's."""
    import pandas as pd

    path = folder / RATE_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    rates = pd.read_csv(path)
    days = [date.fromisoformat(day).toordinal() for day in rates["date_local"]]
    tz = ZoneInfo(ZONE)
    local = [(start + timedelta(hours=h)).astimezone(tz).toordinal() for h in range(hours)]
    place = np.searchsorted(days, local, side="right") - 1
    return np.asarray(rates["sek_per_eur"].to_numpy(dtype=np.float64)[place])


def within_hour(areas: list[Prices]) -> dict[str, Any]:
    """Return how quarter-hours differ from their hour's mean (`synthetic.quarter_scores`).

    Each hour's deviations are projected on tilt and bend. A deviation of the score makes one of the
    price as large as the quantiles are steep there, so least squares of the price's deviations find
    what tilt and bend of the score they come from. All areas weigh alike, and all hours by that
    steepness: where the price stands still at zero, its score tells nothing.
    """
    rows = [_tilt_and_bend(area) for area in areas]
    tilt, bend, slope, curve, steep, hour = (
        np.concatenate(parts) for parts in zip(*rows, strict=True)
    )
    in_hour = (hour[:, None] == np.arange(24)).astype(np.float64)
    terms = steep[:, None] * np.column_stack([in_hour, slope])
    fitted = least_squares(terms, tilt)
    rest = tilt - terms @ fitted
    spread = [
        np.sqrt((rest[hour == h] ** 2).sum() / (steep[hour == h] ** 2).sum()) for h in range(24)
    ]
    return {
        "tilt_by_hour": fitted[:24].tolist(),
        "tilt_per_slope": fitted[24],
        "tilt_sd_by_hour": spread,
        "bend_per_curvature": least_squares((steep * curve)[:, None], bend)[0],
    }


def _tilt_and_bend(area: Prices) -> tuple[Floats, Floats, Floats, Floats, Floats, Ints]:
    """Return per hour: tilt and bend of the price, slope and curvature of the hourly score, how
    steep the price is in the score, local hour. Prices are in units of their standard deviation."""
    scale = area.hours.std()
    curve = np.array(quantiles(area.hours / scale))
    quarters = area.quarters.reshape(-1, 4) / scale
    mean = quarters.mean(axis=1)
    # equal quantiles (many hours cost nothing) would leave the score undefined
    score = np.interp(mean, curve + 1e-9 * np.arange(len(curve)), SCORES)
    steep = np.interp(score, SCORES, np.gradient(curve, SCORES))
    rest = quarters - mean[:, None]
    inner = slice(1, -1)
    return (
        (rest @ TILT / (TILT @ TILT))[inner],
        (rest @ BEND / (BEND @ BEND))[inner],
        0.5 * (score[2:] - score[:-2]),
        score[2:] + score[:-2] - 2.0 * score[1:-1],
        steep[inner],
        area.quarters_clock.hour[inner],
    )
