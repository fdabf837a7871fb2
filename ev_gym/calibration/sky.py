"""Derive the figures behind the built-in sky.

``derive`` reads measured weather from a folder and returns what ``sun.json`` holds: the parameters
of ``ev_gym.series.synthetic_sky`` and, under ``figures``, statistics of the measured sky that tests
compare the generator with.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ev_gym.calibration.measures import LEAST_CLEAR_W_PER_M2, sky_figures
from ev_gym.calibration.series_fits import (
    NEIGHBOURS,
    fit_parts,
    least_squares,
    normal_scores,
    quantiles,
    read,
    rounded,
)
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.series.sun import clear_sky, mean_over, sub_steps, sun_position
from ev_gym.series.synthetic import season
from ev_gym.series.synthetic_sky import day_of_year

SUN_FILE = "weather_aarhus_hourly_2024.csv"
CLOUD_FILE = "weather_stockholm_hourly_2023-2024.csv"
# Upper ends of classes of cloud cover, %.
CLOUDS = (1.0, 12.5, 25.0, 37.5, 50.0, 62.5, 75.0, 85.0, 95.0, 99.5, 101.0)
SKY_PARTS = ((3, 0), (4, 0), (6, 0), (9, 0), (14, 0), (24, 0), (72, 0), (240, 0))
LAGS = np.concatenate([np.arange(25), 24 * np.arange(2, 11)])


class Place(NamedTuple):
    """Degrees north and east."""

    latitude_deg: float
    longitude_deg: float


PLACES = {"aarhus": Place(56.15, 10.21), "stockholm": Place(59.33, 18.07)}


def derive(folder: Path) -> dict[str, Any]:
    """Return the figures of ``sun.json`` from the measured weather in ``folder``.

    Raises:
        FileNotFoundError: where one of the two files is missing.
    """
    start, ghi = read(folder / SUN_FILE, "ghi_w_per_m2")
    cover = read(folder / SUN_FILE, "cloud_cover_pct")[1]
    clear = clear_hours(start, len(ghi), PLACES["aarhus"])
    daylight = clear > LEAST_CLEAR_W_PER_M2
    clearness = np.divide(ghi, clear, out=np.zeros_like(ghi), where=daylight)
    score = np.zeros(len(ghi))
    score[daylight] = normal_scores(clearness[daylight])
    terms = season(day_of_year(start, len(ghi)), 1)
    aarhus = least_squares(terms[daylight], score[daylight])
    rest = np.where(daylight, score - terms @ aarhus, 0.0)
    by_cloud = _score_by_cloud(score[daylight], cover[daylight])
    first = -start.hour % 24  # whole days of UTC
    days = slice(first, first + (len(ghi) - first) // 24 * 24)
    ratio = np.divide(ghi, clear, out=np.zeros_like(ghi), where=clear > 0.0)
    measured = sky_figures(ratio[days], clear[days], utc_month(start, len(ghi))[days])
    derived: dict[str, Any] = {
        "source": "Open-Meteo: GHI and clouds of Aarhus 2024, clouds of Stockholm 2023-2024",
        "licence": "CC BY 4.0, Open-Meteo",
        "quantiles": quantiles(clearness[daylight]),
        "parts": fit_parts(rest, daylight.astype(np.float64), LAGS, 1.0, SKY_PARTS, NEIGHBOURS),
        "season": {"aarhus": aarhus.tolist(), "stockholm": _stockholm(folder, by_cloud).tolist()},
        "score_by_cloud": {"up_to_pct": list(CLOUDS), "score": by_cloud.tolist()},
        "figures": {"2024": measured},
    }
    figures: dict[str, Any] = rounded(derived)
    return figures


def _score_by_cloud(score: Floats, cover_pct: Floats) -> Floats:
    """Return the mean score of each class of cloud cover."""
    kind = np.digitize(cover_pct, CLOUDS)
    return np.array([score[kind == k].mean() for k in range(len(CLOUDS))])


def _stockholm(folder: Path, by_cloud: Floats) -> Floats:
    """Return the season of the scores that Stockholm's clouds would have had in Aarhus."""
    start, cover = read(folder / CLOUD_FILE, "cloud_cover_pct")
    daylight = clear_hours(start, len(cover), PLACES["stockholm"]) > LEAST_CLEAR_W_PER_M2
    terms = season(day_of_year(start, len(cover)), 1)
    return least_squares(terms[daylight], by_cloud[np.digitize(cover, CLOUDS)][daylight])


def clear_hours(start: datetime, hours: int, place: Place) -> Floats:
    """Return the clear sky's mean GHI of each hour from ``start``, W/m2."""
    return mean_over(clear_sky(sun_position(sub_steps(start, hours), *place).cos_zenith), 60)


def utc_month(start: datetime, hours: int) -> Ints:
    """Return the month, 1 to 12, of each hour from ``start``, in UTC."""
    hour = int(start.timestamp()) // 3600 + np.arange(hours, dtype=np.int64)
    months = hour.astype("datetime64[h]").astype("datetime64[M]").astype(np.int64)
    return np.asarray(months % 12 + 1)
