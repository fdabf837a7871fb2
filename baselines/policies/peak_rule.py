"""What a policy knows of a power charge before it sees a day: how hours count, and their price.

A household can read it in its tariff. Of the calendar a policy sees the time of the year and
whether today is a day off, so days are told apart by that alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import DAY_H
from ev_gym.scenario import PeakRule, Tariff
from ev_gym.scenario.when import ALL_YEAR, WORKDAYS

DAYS_OFF = (5, 6)
HOUR_QUARTERS = 4


def rule_of(tariff: Tariff) -> PeakRule:
    """The power charge's rule."""
    (rule,) = tariff.peaks
    return rule


def hour_factors(rule: PeakRule, month: int, day_off: bool) -> Floats:
    """(24,) by how much the hours of a day count; of its kind of days, by the one that counts most.

    Args:
        rule: The rule.
        month: 1 to 12.
        day_off: Whether it is a Saturday, a Sunday or a public holiday.
    """
    days = DAYS_OFF if day_off else WORKDAYS
    quarter = np.arange(HOUR_QUARTERS * DAY_H)
    by_day = [rule.factor_in(quarter, np.array(day), np.array(month)) for day in days]
    most: Floats = np.max(by_day, axis=0).reshape(DAY_H, HOUR_QUARTERS).mean(axis=1)
    return most


def factor_table(rule: PeakRule) -> Floats:
    """(12, 2, 24) `hour_factors` of each month, of workdays and of days off."""
    return np.array(
        [[hour_factors(rule, month, off) for off in (False, True)] for month in ALL_YEAR]
    )


def month_prices(tariff: Tariff, rule: PeakRule) -> Floats:
    """(12,) with VAT, what a kW more in one of the N peaks adds in each month; steps by their mean.

    Of prices from several dates on, the last ones.
    """
    prices = np.zeros(len(ALL_YEAR))
    for price in rule.prices:
        per_kw = price.per_kw
        if price.steps_kw is not None and price.steps_price is not None:
            per_kw = (price.steps_price[-1] - price.steps_price[0]) / price.steps_kw[-1]
        prices[np.array(price.months) - 1] = per_kw
    with_taxes = (1.0 + last_share(tariff.levy)) * (1.0 + last_share(tariff.vat))
    shown: Floats = prices * with_taxes / rule.count
    return shown


def last_share(rows: Any) -> float:
    """A share such as VAT, of several from different dates on the last one."""
    return float(rows[-1].share) if rows else 0.0
