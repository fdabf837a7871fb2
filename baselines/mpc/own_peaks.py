"""What `mpc` expects of the month's peak: what the house alone will set, and how surely.

A kW above the N-th highest peak is paid, but only if no later days of the house alone would have
set it anyway. So what a plan pays for it is the price times the chance that they will not: that
fewer than N days of the month, those seen and those to come, reach it. Peaks of days to come are
taken to be drawn one by one from a lognormal distribution. Today counts as a day to come until it
is over.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

PEAK_DAYS = 28  # so many are remembered
# Fitted to 96 months of `stockholm` in its training worlds: the highest usual hour as a share of
# the mean daily peak, and how far a month's peaks spread (standard deviation of their logarithms).
USUAL_SHARE, SPREAD = 0.72, 0.35
# For so many days seen counts what the usual load lets expect; with 6, months cost the same.
PRIOR_DAYS = 3.0
# The chance is worked out so many kW apart, and rounded to sixths: few pieces for the programme.
STEP_KW, SHARES = 0.2, 6


class PeakRaise(NamedTuple):
    """The next kW above the peak, and what share of the power charge's price each is to cost."""

    width_kw: float
    price_share: float


FULL_PRICE = [PeakRaise(math.inf, 1.0)]


class OwnPeaks:
    """The highest hours, as they count, of the days of a house without its cars.

    Args:
        days: How many peaks count in the power charge, N.
    """

    def __init__(self, days: int) -> None:
        self._days = days
        self._peaks_kw: deque[float] = deque(maxlen=PEAK_DAYS)
        self._month_peaks_kw: list[float] = []
        self._today_kw = 0.0
        self._days_left = 0.0

    def note_hour(self, counted_kw: float, day_over: bool) -> None:
        """Take in what the house imported in an hour, as it counts."""
        self._today_kw = max(self._today_kw, counted_kw)
        if day_over:
            self._peaks_kw.append(self._today_kw)
            self._month_peaks_kw.append(self._today_kw)
            self._today_kw = 0.0

    def note_month(self, days_left: float) -> None:
        """Take in how many days the month still has; in a new one peaks begin anew."""
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
