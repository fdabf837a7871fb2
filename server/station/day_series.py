"""The prices and base loads of one local day, as the classic protocol tells them: 24 numbers.

The number of an hour is the mean of all that carries its local name. Where summer time ends, two
hours do; where it begins, the hour that the clocks skip is told like the one before it, or that of
midnight like the one after.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.durations import DAY_MIN
from ev_gym.world.world import World

ORE = 100.0  # of one krona; hundredths of the currency elsewhere


def prices_ore(world: World, place_min: int) -> list[float]:
    """Spot prices without tax, transfer and VAT of the local day at a minute of the series.

    In hundredths of the currency per kWh, rounded to 2 decimals.
    """
    price = world.dataset.price_per_kwh
    return _by_hour(world, place_min, ORE * price.reshape(len(world.tables.hours), -1).mean(axis=1))


def loads_kw(world: World, house: int, place_min: int) -> list[float]:
    """Mean base loads of a house on the local day at a minute of the series, kW, 2 decimals."""
    load_kw = world.tables.load_kw[house]
    return _by_hour(world, place_min, load_kw.reshape(len(world.tables.hours), -1).mean(axis=1))


def _by_hour(world: World, place_min: int, hourly: NDArray[np.float64]) -> list[float]:
    """Of a series by the hour (hours,), the means by local hour of one day."""
    local_min = 60 * np.arange(len(hourly)) + world.tables.offset_min
    day = local_min // DAY_MIN
    today = day == day[place_min // 60]
    hour, values = local_min[today] % DAY_MIN // 60, hourly[today]
    told, mean = [], float(values[0])
    for name in range(24):
        own = values[hour == name]
        mean = float(own.mean()) if own.size else mean
        told.append(round(mean, 2))
    return told
