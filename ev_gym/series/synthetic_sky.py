"""Built-in sky: hourly clearness, GHI over that of the clear sky, as a calibrated process.

Built as the other series of `ev_gym.series.synthetic`: a seasonal mean of the normal score, around
it a sum of first-order autoregressions fitted to the measured autocorrelation, mapped back through
the measured quantiles. The figures stand in `ev_gym/calibrated/sun.json`. Quantiles and
autocorrelation are those of GHI in Aarhus in 2024; of Stockholm only cloud cover was at hand (2023
and 2024), and its season is that of the scores which such clouds had in Aarhus. The sky is
independent of the built-in temperature and prices.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from ev_gym.calibrated import figures
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.series.synthetic import TYPICAL_SEED, from_scores, season, smooth_gaussian

STREAM = 0  # streams with two numbers are the sky's; other series' have one


def built_in_clearness(
    start: datetime, hours: int, seed: int = TYPICAL_SEED, place: str = "stockholm"
) -> Floats:
    """Clearness of each hour from `start` (aware), (hours,); a longer series begins with a shorter.

    Args:
        start: first hour.
        hours: length of the series.
        seed: one seed, one result.
        place: whose season, "stockholm" or "aarhus".
    """
    known = figures("sun")
    score = season(day_of_year(start, hours), 1) @ np.array(known["season"][place])
    for number, part in enumerate(known["parts"]):
        key = np.random.SeedSequence(seed, spawn_key=(STREAM, number))
        rng = np.random.Generator(np.random.PCG64(key))
        score += smooth_gaussian(rng, hours, 1.0, [part])
    return from_scores(score, known["quantiles"])


def day_of_year(start: datetime, hours: int) -> Ints:
    """Day of the year in UTC, 1 to 366, of each hour from `start` (aware)."""
    day = (int(start.timestamp()) // 3600 + np.arange(hours, dtype=np.int64)) // 24
    dates = day.astype("datetime64[D]")
    new_year = dates.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    return np.asarray(day - new_year + 1)
