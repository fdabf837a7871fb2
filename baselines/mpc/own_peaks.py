"""What `mpc` expects of a rule's peaks: what the house alone will set, and how surely.

A kW above the N-th highest peak is paid, but only if no later days of the house alone would have
set it anyway. So what a plan pays for it is the price times the chance that they will not: that
fewer than N days of the month (or year), those seen and those to come, reach it. Peaks of days to
come are taken to be drawn one by one from a lognormal distribution. Today counts as a day to come
until it is over. Each rule of a tariff has its own intervals, factors and N.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from baselines.policies.peak_rule import SPREAD, USUAL_SHARE

PEAK_DAYS = 28  # so many are remembered
# For so many days seen counts what the usual load lets expect; with 6, months cost the same.
PRIOR_DAYS = 3.0
# The chance is worked out so many kW apart, and rounded to sixths: few pieces for the programme.
STEP_KW, SHARES = 0.2, 6
SAME_TIME = 1e-9


class PeakRaise(NamedTuple):
    """The next kW above the peak, and what share of the power charge's price each is to cost."""

    width_kw: float
    price_share: float


FULL_PRICE = [PeakRaise(math.inf, 1.0)]


def after(raises: list[PeakRaise], more_kw: float) -> list[PeakRaise]:
    """What kW cost above a peak that is already so much higher."""
    found = []
    for width_kw, share in raises:
        taken_kw = min(width_kw, more_kw)
        more_kw -= taken_kw
        if width_kw > taken_kw:
            found.append(PeakRaise(width_kw - taken_kw, share))
    return found


def cost_of(raises: list[PeakRaise], more_kw: float) -> float:
    """What a peak that is so much higher costs, as a share of a kW's price."""
    cost = 0.0
    for width_kw, share in raises:
        cost += min(width_kw, more_kw) * share
        more_kw -= min(width_kw, more_kw)
    return cost


class OwnPeaks:
    """The highest intervals, as they count, of the days of a house without its cars.

    Args:
        days: How many peaks count in the rule, N.
        interval_h: Length of its intervals.
    """

    def __init__(self, days: int, interval_h: float = 1.0) -> None:
        self._days, self._interval_h = days, interval_h
        self._interval = -1  # number of the running one in its hour
        self._steps: list[float] = []  # import of its steps, as it counts
        self._peaks_kw: deque[float] = deque(maxlen=PEAK_DAYS)
        self._month_peaks_kw: list[float] = []
        self._today_kw = 0.0
        self._days_left = 0.0

    def note(self, counted_kw: float, into_h: float) -> None:
        """Take in what the house imports in a step, as it counts, so far into its hour."""
        interval = int(into_h / self._interval_h + SAME_TIME)
        if interval != self._interval:
            self._end_interval()
        self._interval = interval
        self._steps.append(counted_kw)

    def end_hour(self, day_over: bool) -> None:
        """Take in that the hour is over, and whether the day is too."""
        self._end_interval()
        self._interval = -1
        if day_over:
            self._peaks_kw.append(self._today_kw)
            self._month_peaks_kw.append(self._today_kw)
            self._today_kw = 0.0

    def _end_interval(self) -> None:
        if self._steps:
            self._note_interval(math.fsum(self._steps) / len(self._steps))
        self._steps = []

    def _note_interval(self, counted_kw: float) -> None:
        self._today_kw = max(self._today_kw, counted_kw)

    def note_month(self, days_left: float) -> None:
        """Take in how many days the month (or year) still has; in a new one peaks begin anew."""
        if days_left > self._days_left + 1.0:
            self._month_peaks_kw.clear()
        self._days_left = days_left

    def raises(self, peak_kw: float, usual_kw: float) -> list[PeakRaise]:
        """What it costs to raise the month's peak, kW by kW; the last one is as wide as needed.

        Args:
            peak_kw: The N-th highest peak so far, also of hours in which cars were charged.
            usual_kw: The highest of the day's usual hours, as they count.
        """
        expected_kw = PRIOR_DAYS * usual_kw / USUAL_SHARE + math.fsum(self._peaks_kw)
        expected_kw /= PRIOR_DAYS + len(self._peaks_kw)
        if expected_kw <= 0.0:
            return FULL_PRICE
        found: list[PeakRaise] = []
        level_kw = peak_kw
        while True:
            chance = self._stays_below(level_kw + 0.5 * STEP_KW, expected_kw)
            share = round(SHARES * chance) / SHARES
            if share >= 1.0:
                return [*found, *FULL_PRICE]
            if found and found[-1].price_share == share:
                found[-1] = PeakRaise(found[-1].width_kw + STEP_KW, share)
            else:
                found.append(PeakRaise(STEP_KW, share))
            level_kw += STEP_KW

    def _stays_below(self, level_kw: float, expected_kw: float) -> float:
        """The chance that fewer than N days of the month reach this level without cars."""
        lacking = self._days - sum(peak_kw >= level_kw for peak_kw in self._month_peaks_kw)
        deviation = math.log(level_kw / expected_kw) + 0.5 * SPREAD * SPREAD
        reached = 0.5 * math.erfc(deviation / (SPREAD * math.sqrt(2.0)))
        days = math.ceil(self._days_left)
        return math.fsum(
            math.comb(days, n) * reached**n * (1.0 - reached) ** (days - n)
            for n in range(min(lacking, days + 1))
        )
