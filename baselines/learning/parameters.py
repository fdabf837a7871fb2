"""The parameters of `TunedFilling`: their names, units and ranges, and what each does."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from baselines.policies.app_rules import checked_number
from ev_gym.runtime.arrays import Floats


class Parameter(NamedTuple):
    """A parameter of the rule.

    Attributes:
        name: Its name.
        unit: Its unit; "" for a number without one.
        neutral: The value with which the rule is `water_filling`.
        start: Where a search begins; found by shorter ones, on training worlds of `stockholm`.
        low: The least value that is searched, and
        high: the greatest one.
        meaning: What it does.
    """

    name: str
    unit: str
    neutral: float
    start: float
    low: float
    high: float
    meaning: str


ANY = math.inf
PARAMETERS = (
    Parameter("power_wear", "1e-6 / kW", 0.0, 35.0, 0.0, 100.0,
              "capacity that a kWh takes off the battery for each kW with which it is charged"),
    Parameter("holding_wear", "1e-6 / h", 0.0, 0.0, -8.0, 8.0,
              "the same for each hour from then to departure; below 0 an early kWh is worth more"),
    Parameter("unknown_price", "typical price", 0.0, 0.1, -0.5, 0.5,
              "how much dearer a slot is taken to be whose price is not published yet"),
    Parameter("load_factor", "", 1.0, 1.3, 0.5, 1.8,
              "by which the house's usual load of later hours is multiplied"),
    Parameter("load_margin_kw", "kW", 0.0, 0.0, -0.3, 1.0,
              "what is added to it"),
    Parameter("load_persistence", "", 0.0, 0.55, 0.0, 0.95,
              "how much of what the house draws more than usual now it draws an hour later"),
    Parameter("own_peak", "mean daily peak", 0.0, 0.05, 0.0, 1.6,
              "the peak that the house alone will set on the month's last day, as it counts"),
    Parameter("own_peak_growth", "mean daily peak", 0.0, 0.33, 0.0, 0.5,
              "what is added for each unit of the logarithm of 1 + the days left of the month"),
    Parameter("peak_share_first", "", 1.0, 1.2, 0.0, 2.0,
              "of the power charge that counts with a whole month ahead"),
    Parameter("peak_share_last", "", 1.0, 1.1, 0.0, 2.0,
              "of the power charge that counts on the month's last day"),
    Parameter("missing_share", "", 1.0, 1.7, 0.3, 3.0,
              "by which what a public charger takes is multiplied"),
    Parameter("reserve_soc", "", 0.9, 0.98, 0.4, 1.0,
              "up to here a car is charged beyond the wanted SoC"),
    Parameter("reserve_worth_first", "typical price", ANY, 2.5, 0.0, 4.0,
              "what the first kWh beyond the wanted SoC may cost"),
    Parameter("reserve_worth_last", "typical price", ANY, 1.2, 0.0, 2.0,
              "what a kWh far beyond it may cost"),
    Parameter("reserve_kwh", "kWh", 10.0, 14.0, 1.0, 40.0,
              "within so many kWh the excess of the first over the last falls to 37 %"),
    Parameter("memory_days", "days", 7.0, 9.0, 1.0, 28.0,
              "over which the typical price is averaged: of each day that of its cheapest quarter"),
    Parameter("coming_share", "", 0.0, 0.1, 0.0, 1.0,
              "of the typical price that is the cheapest quarter of what was published last"),
)  # fmt: skip
NAMES = tuple(parameter.name for parameter in PARAMETERS)
(
    POWER_WEAR, HOLDING_WEAR, UNKNOWN_PRICE, LOAD_FACTOR, LOAD_MARGIN_KW, LOAD_PERSISTENCE,
    OWN_PEAK, OWN_PEAK_GROWTH, PEAK_SHARE_FIRST, PEAK_SHARE_LAST, MISSING_SHARE, RESERVE_SOC,
    RESERVE_WORTH_FIRST, RESERVE_WORTH_LAST, RESERVE_KWH, MEMORY_DAYS, COMING_SHARE,
) = range(len(PARAMETERS))  # fmt: skip
NEUTRAL = {parameter.name: parameter.neutral for parameter in PARAMETERS}


def parameters_of(values: dict[str, float]) -> Floats:
    """All parameters (P,) in their order, from some of them by name; the others are neutral.

    Raises:
        ValueError: for an unknown name, or a value that is no number or beyond what is searched.
    """
    for name in values:
        if name not in NAMES:
            raise ValueError(
                f"policy tuned_filling has no parameter {name!r}; allowed: {', '.join(NAMES)}"
            )
    found = [
        one.neutral
        if values.get(one.name, one.neutral) == one.neutral
        else checked_number(
            "tuned_filling", one.name, values[one.name], one.low, one.high, one.unit
        )
        for one in PARAMETERS
    ]
    return np.array(found)
