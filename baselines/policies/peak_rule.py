"""What a policy knows of a power charge before it sees a day: the rules that a tariff states.

A household can read them in its price list. Of the calendar a policy sees the time of the year and
whether today is a day off, so days are told apart by that alone; of prices and factors from several
dates on it takes the last ones.

*Steps.* Where the charge rises in steps, all of a step costs the same, and a month begins with
peaks of 0: what then costs nothing is no budget, because the house alone will use it up. So such a
rule is kept by the step that the house alone will probably reach, or that is reached already: no
interval goes beyond the step's end, even where the mean of the N peaks would allow it once.
"""

from __future__ import annotations

import functools
import math
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from ev_gym.physics.power_charge import BELOW_LIMIT_KW, step_of
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.durations import DAY_MIN, HOUR_MIN, QUARTER_MIN
from ev_gym.scenario import PeakRule, Tariff
from ev_gym.scenario.when import ALL_YEAR, DAY_QUARTERS, WORKDAYS

DAYS_OFF = (5, 6)
PERIOD_DAYS = {"month": 30, "year": 365}
# Fitted to 96 months of `stockholm` in its training worlds: the highest usual hour as a share of
# the mean daily peak, and how far a month's peaks spread (standard deviation of their logarithms).
USUAL_SHARE, SPREAD = 0.72, 0.35
# Prices are observed in float32: two are the same within this share.
SAME_SHARE = 1e-5


class KnownRule(NamedTuple):
    """A rule of the power charge, as a tariff states it.

    Attributes:
        rule: The rule.
        daily: Whether each of several peaks is of another day.
        factor: (12, 2, 96) by how much quarter-hours count in each month, on workdays and on days
            off; of each kind of days, as on the one that counts most.
        per_kw: (12,) with VAT, what a kW more in one of the N peaks adds in each month; 0 where the
            charge rises in steps.
        limits_kw: (12, S) where the steps of the mean begin; unused ones are infinite.
        step_prices: (12, S) with VAT, what they cost.
        above_usual: By how much the mean of a house's N peaks is probably above its highest usual
            hour.
    """

    rule: PeakRule
    daily: bool
    factor: Floats
    per_kw: Floats
    limits_kw: Floats
    step_prices: Floats
    above_usual: float

    @property
    def stepped(self) -> bool:
        """Whether the charge rises in steps."""
        return any(price.steps_kw is not None for price in self.rule.prices)

    def factors(self, minutes: int) -> Floats:
        """`factor` of longer parts of a day, (12, 2, parts): their means."""
        quarters = minutes // QUARTER_MIN
        means: Floats = self.factor.reshape(*self.factor.shape[:2], -1, quarters).mean(axis=3)
        return means


@functools.lru_cache(maxsize=16)
def known_rules(tariff: Tariff) -> tuple[KnownRule, ...]:
    """The rules of a power charge; none where peaks cost nothing."""
    if not tariff.has_power_charge:
        return ()
    return tuple(_known_rule(tariff, rule) for rule in tariff.peaks)


def _known_rule(tariff: Tariff, rule: PeakRule) -> KnownRule:
    with_taxes = (1.0 + last_share(tariff.levy)) * (1.0 + last_share(tariff.vat))
    most = max(2, *(len(price.steps_kw or ()) for price in rule.prices))
    shape = (len(ALL_YEAR), most)
    per_kw, limits_kw, prices = np.zeros(len(ALL_YEAR)), np.full(shape, np.inf), np.zeros(shape)
    limits_kw[:, 0] = 0.0
    for price in rule.prices:
        months = np.array(price.months) - 1
        per_kw[months] = price.per_kw
        if price.steps_kw is not None and price.steps_price is not None:
            limits_kw[months, 1:], prices[months] = np.inf, 0.0
            for place, (limit, due) in enumerate(
                zip(price.steps_kw, price.steps_price, strict=True)
            ):
                limits_kw[months, place], prices[months, place] = limit, due * with_taxes
    days = PERIOD_DAYS[rule.over]
    highest = NormalDist().inv_cdf(1.0 - rule.count / (2.0 * days))
    return KnownRule(
        rule=rule,
        daily=rule.different_days and rule.count > 1,
        factor=np.array([[_day_factors(rule, month, off) for off in (0, 1)] for month in ALL_YEAR]),
        per_kw=per_kw * with_taxes / rule.count,
        limits_kw=limits_kw,
        step_prices=prices,
        above_usual=math.exp(SPREAD * highest - 0.5 * SPREAD * SPREAD) / USUAL_SHARE,
    )


def _day_factors(rule: PeakRule, month: int, day_off: int) -> Floats:
    """(96,) by how much the quarter-hours of a day count, on its kind of days at most."""
    quarter = np.arange(DAY_QUARTERS)
    by_day = [
        rule.factor_in(quarter, np.array(day), np.array(month))
        for day in (DAYS_OFF if day_off else WORKDAYS)
    ]
    most: Floats = np.max(by_day, axis=0)
    return most


def last_share(rows: Any) -> float:
    """A share such as VAT, of several from different dates on the last one."""
    return float(rows[-1].share) if rows else 0.0


def shortest_min(tariff: Tariff) -> int:
    """Minutes of the shortest interval over which power is averaged; an hour where none is."""
    return min((known.rule.interval_min for known in known_rules(tariff)), default=HOUR_MIN)


def day_parts(minutes: int) -> int:
    """How many parts of so many minutes a day has."""
    return DAY_MIN // minutes


@compiled
def _present_step(
    limits_kw: Floats, prices: Floats, count: int, peak_kw: float, price_per_kw: float
) -> int:
    """The step on which the mean of the peaks is, told by the price of the next one; -1: unknown.

    Of several with such a price the lowest that such a peak can belong to: the N - 1 others are
    together N - 1 times the step's begin or more.
    """
    for step in range(limits_kw.shape[0]):
        end_kw = limits_kw[step + 1] if step + 1 < limits_kw.shape[0] else math.inf
        if math.isinf(end_kw):
            return step if price_per_kw == 0.0 else -1
        own = (prices[step + 1] - prices[step]) / (end_kw - limits_kw[step]) / count
        most_kw = count * end_kw - (count - 1.0) * limits_kw[step]
        if abs(own - price_per_kw) <= SAME_SHARE * own and peak_kw <= most_kw and own > 0.0:
            return step
    return -1


@compiled
def kept_step(
    limits_kw: Floats,
    prices: Floats,
    count: int,
    peak_kw: float,
    price_per_kw: float,
    expected_kw: float,
) -> tuple[float, int]:
    """Up to where (kW) an interval keeps a rule of steps on its step, and the number of the next.

    The step is the one that is reached already or, where that is higher, the one on which the mean
    of the house's own peaks will probably be. On the last step, and where all later ones cost the
    same, no power is too much: infinite.

    Args:
        limits_kw: (S,) where the steps begin; unused ones are infinite.
        prices: (S,) what they cost.
        count: How many peaks count, N.
        peak_kw: As observed: an interval may go so far without reaching the next step.
        price_per_kw: As observed, of a kW that counts in full; below 0 where that is not known.
        expected_kw: Mean of the peaks that the house will probably set alone.
    """
    expected = step_of(limits_kw, expected_kw)
    present = _present_step(limits_kw, prices, count, peak_kw, price_per_kw)
    # Where it is not told, the house is taken to be where it will be.
    present = expected if present < 0 else present
    step = max(expected, present)
    following = step + 1
    while following < limits_kw.shape[0] and prices[following] <= prices[step]:
        following += 1
    if following >= limits_kw.shape[0] or math.isinf(limits_kw[following]):
        return math.inf, following
    free_kw = limits_kw[following] - BELOW_LIMIT_KW
    if present + 1 < limits_kw.shape[0]:
        # What one peak alone may be, if the others stay as they are.
        once_kw = peak_kw + count * (limits_kw[following] - limits_kw[present + 1])
        free_kw = min(free_kw, once_kw)
    return free_kw, following
