"""Built-in sky: hourly clearness, GHI divided by that of the clear sky, as a calibrated process.

It is built like the series of `ev_gym.series.synthetic`: a seasonal mean of the normal score plus a
sum of first-order autoregressions that is fitted to the measured autocorrelation; the measured
quantiles turn scores into clearness. The figures stand in `ev_gym/calibrated/sun.json`. Quantiles
and autocorrelation are those of GHI in Aarhus in 2024. For Stockholm only cloud cover was at hand
(2023 and 2024): its seasonal mean is that of the scores that the same cloud cover had in Aarhus.
The sky is independent of the built-in temperature and prices.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from ev_gym.calibrated import figures
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.series.synthetic import from_scores, season, smooth_gaussian, stream

SKY = 0  # first of two numbers of the sky's random streams; other series have one number


def built_in_clearness(
    start: datetime, hours: int, seed: int = 0, world: int = 0, place: str = "stockholm"
) -> Floats:
    """(hours,) clearness of each hour from `start` (aware).

    A longer series of the same start and world begins with the values of a shorter one.

    Args:
        start: first hour.
        hours: length of the series.
        seed: the family of worlds, 0 or more.
        world: number of the world within the family, 0 or more. The same family and world give the
            same series.
        place: "stockholm" or "aarhus", whose seasons the clearness has.
    """
    fits = figures("sun")
    score = season(day_of_year(start, hours), 1) @ np.array(fits["season"][place])
    for number, part in enumerate(fits["parts"]):
        score += smooth_gaussian(stream(seed, world, SKY, number), hours, 1.0, [part])
    return from_scores(score, fits["quantiles"])


def day_of_year(start: datetime, hours: int) -> Ints:
    """Day of the year in UTC, 1 to 366, of each hour from `start` (aware)."""
    day = (int(start.timestamp()) // 3600 + np.arange(hours, dtype=np.int64)) // 24
    dates = day.astype("datetime64[D]")
    new_year = dates.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    return np.asarray(day - new_year + 1)
