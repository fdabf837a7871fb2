"""The prices and base loads of one local day as 24 numbers, the form of the classic protocol.

The number of an hour is the mean over all hours with its local name: where summer time ends, that
is two. Where it begins, the hour that the clocks skip gets the number of the hour before it, or at
midnight of the one after it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.durations import DAY_MIN
from ev_gym.world.world import World

ORE = 100.0  # in one krona; hundredths of the currency elsewhere


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
    """The means of an hourly series (hours,) by local hour, for the local day of a minute."""
    local_min = 60 * np.arange(len(hourly)) + world.tables.hours["offset_min"]
    day = local_min // DAY_MIN
    today = day == day[place_min // 60]
    hour, values = local_min[today] % DAY_MIN // 60, hourly[today]
    means, mean = [], float(values[0])
    for name in range(24):
        same_name = values[hour == name]
        mean = float(same_name.mean()) if same_name.size else mean
        means.append(round(mean, 2))
    return means
