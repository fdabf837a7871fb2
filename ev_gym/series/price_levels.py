"""Mean prices that no market has had, by currency: such a series is in another unit than it says.

Day-ahead prices were high in Italy in August 2022, 547 EUR/MWh in the mean of the month (Rystad
Energy in Il Sole 24 Ore, September 2022), and in DK1's dearest week, from 2022-08-26 on, 599. They
were low in SE3's cheapest week of 2016 to 2024, 3.2 EUR/MWh in August 2024, and in Norway in June
2020, about 2 (NVE). SE3's yearly means of those years were 22 to 138 öre/kWh.

The bounds are 0.7 and 700 EUR/MWh, with room on both sides. They lie a factor of 1000 apart, so
kWh taken for MWh, or the reverse, always lies outside. A factor of 100 shows less often: öre called
kronor where the true mean is above 8 öre, kronor called öre where it is below 75. Single prices may
go to the market's own limits and beyond (`limits.MAX_PRICE_PER_KWH`).

A mean is that of the prices without their signs, since a week with as many hours below as above
zero has a mean of 0. A series of nothing but zeros is allowed: it is a question of one's own, and
no unit is wrong in it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ev_gym.series.limits import DataError

LEAST_EUR, MOST_EUR = 0.0007, 0.7  # per kWh
USUAL_EUR = 0.06  # per kWh, to tell which of two possible units is likelier
# Rough value of one EUR, 2015 to 2026: the bounds need no better. Currencies without an entry are
# not checked.
PER_EUR = {
    "EUR": 1.0,
    "SEK": 10.8,
    "NOK": 10.8,
    "DKK": 7.46,
    "GBP": 0.86,
    "CHF": 1.0,
    "PLN": 4.4,
    "CZK": 25.0,
    "RON": 4.9,
    "USD": 1.1,
}
# Hundredths of a currency, by the word in the names of columns.
HUNDREDTHS = {
    "ore": ("SEK", "NOK", "DKK"),
    "öre": ("SEK", "NOK", "DKK"),
    "øre": ("NOK", "DKK"),
    "ct": ("EUR",),
}


def bounds(currency: str) -> tuple[float, float]:
    """The least and the most that a mean price is allowed to be, `currency` per kWh."""
    rate = PER_EUR[currency]
    return LEAST_EUR * rate, MOST_EUR * rate


def check_level(price_per_kwh: NDArray[np.float64], currency: str, where: str) -> None:
    """Refuse (`DataError`) prices whose mean no market had, naming the unit that is likely.

    Args:
        price_per_kwh: Prices of equal intervals, `currency` per kWh, shape (intervals,).
        currency: Three-letter code.
        where: How the message begins: file, rows, column.
    """
    if currency not in PER_EUR or not price_per_kwh.any():
        return
    least, most = bounds(currency)
    mean = float(np.abs(price_per_kwh).mean())
    if least <= mean <= most:
        return
    raise DataError(
        f"{where} has a mean (without signs) of {mean:.3g} {currency}/kWh; a market's is "
        f"{least:.2g} to {most:.2g} {currency}/kWh{_likely(mean, currency)}"
    )


def _likely(mean: float, currency: str) -> str:
    """Words on the unit whose factor brings the mean nearest to a usual one."""
    units = {0.001: f"{currency}/MWh", 1000.0: f"{currency}/kWh instead of per MWh"}
    hundredth = next((word for word, of in HUNDREDTHS.items() if currency in of), None)
    if hundredth is not None:
        units |= {
            0.01: f"{hundredth}/kWh".replace("ore", "öre"),
            100.0: f"{currency}/kWh instead of {hundredth}".replace("ore", "öre"),
        }
    least, most = bounds(currency)
    usual = USUAL_EUR * PER_EUR[currency]
    fits = [factor for factor in units if least <= mean * factor <= most]
    if not fits:
        return ""
    best = min(fits, key=lambda factor: abs(math.log(mean * factor / usual)))
    return f"; are the numbers in {units[best]}?"
