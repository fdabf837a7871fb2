"""When and how the peak rules of a tariff count in a foreseen household, and what is free of them.

Numbers for `baselines.optimum.peak_rows`, without its programme: T steps, and of each rule I
intervals, S peak spans and P periods (months or years), each counted from 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.foresight import Future
from baselines.optimum.metering import Meter
from ev_gym.physics.power_charge import (
    BELOW_LIMIT_KW,
    DAY,
    FACTOR,
    MONTH,
    NOTHING,
    ON_LIMIT_KW,
    PRICE,
    YEAR,
)
from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.durations import HOUR_MIN

# A mean of the relaxed plan that is so little above a limit is meant to be below it.
ROUNDING_KW = 1e-5


class Rises(NamedTuple):
    """By how much a charge in steps rises where the mean of the peaks reaches limits.

    Attributes:
        limits_kw: (n,) rising,
        money: (n,) and what it rises by at each, weighted, 0 or more.
    """

    limits_kw: Floats
    money: Floats

    def up_to(self, mean_kw: float) -> float:
        """The charge of a mean, less that of a mean of 0."""
        return float(self.money[mean_kw >= self.limits_kw - ON_LIMIT_KW].sum())


class Hinges(NamedTuple):
    """A convex function of the mean: `base + sum_i bend_i max(0, mean - at_i)`."""

    base: float
    at_kw: Floats
    bend: Floats

    def value(self, mean_kw: float) -> float:
        """Of a mean."""
        return float(self.base + (self.bend * np.maximum(0.0, mean_kw - self.at_kw)).sum())


class Stage(NamedTuple):
    """A price (P,) that counts for the peaks that the steps of `counts` (T,) bring together."""

    price: Floats
    counts: Bools


class PeakCalendar(NamedTuple):
    """When and how one peak rule counts.

    Attributes:
        rule: Its number.
        many: How many peaks count, N.
        per_h: Intervals in an hour.
        interval: (T,) interval of each step.
        factor: (T,) by which each step counts.
        peak_span: (I,) span of which only one peak counts (`ev_gym.physics.power_charge`).
        period: (I,) month or year of each interval.
        period_of: (S,) of each span.
        price: (P,) per kW of the sum of the N peaks at each period's end, weighted; 0 of steps.
        earlier: What the peaks before a fall of the price cost besides.
        rises: (P,) of a charge in steps; None: it is a line.
        started_kw: (I,) counted before the first step: not 0 only in the first interval.
        peaks_kw: The N with which the first period begins, the running span's own first.
        floor_kw: The peaks with which the others begin.
    """

    rule: int
    many: int
    per_h: float
    interval: Ints
    factor: Floats
    peak_span: Ints
    period: Ints
    period_of: Ints
    price: Floats
    earlier: tuple[Stage, ...]
    rises: tuple[Rises, ...] | None
    started_kw: Floats
    peaks_kw: tuple[float, ...]
    floor_kw: float

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All prices, that of each period's end first."""
        return (Stage(self.price, np.ones(self.interval.size, np.bool_)), *self.earlier)

    @property
    def charged(self) -> Bools:
        """(P,) whether peaks cost anything at the period's end."""
        if self.rises is None:
            return np.asarray(self.price > 0.0)
        return np.array([bool((rises.money > 0.0).any()) for rises in self.rises])

    def begins_kw(self, period: int) -> float:
        """The sum of the N peaks with which a period begins, as they count."""
        if period > 0:
            return self.many * self.floor_kw
        running_kw, *others_kw = self.peaks_kw
        total_kw = max(running_kw, float(self.started_kw[0]))
        for peak_kw in others_kw:
            total_kw += peak_kw
        return total_kw

    def counted_kw(self, import_kwh: Floats) -> Floats:
        """(I,) what imports (T,) come to in each interval."""
        energies = np.bincount(self.interval, self.factor * import_kwh, self.peak_span.size)
        return np.asarray(self.started_kw + self.per_h * energies)

    def peaks_of(self, counted_kw: Floats, period: int) -> Floats:
        """(N,) the highest peaks of a period in which intervals (I,) count so much, rising."""
        peaks = np.zeros(self.period_of.size)
        np.maximum.at(peaks, self.peak_span, counted_kw)
        given = (self.floor_kw,) * self.many
        if period == 0:
            given = self.peaks_kw[1:]
            peaks[0] = max(peaks[0], self.peaks_kw[0])
        own = np.append(peaks[self.period_of == period], given)
        # Fewer spans than peaks: the others are still to come.
        return np.sort(np.append(own, np.zeros(self.many)))[-self.many :]


def peak_calendars_of(future: Future) -> list[PeakCalendar]:
    """The calendar of each peak rule; none where peaks do not count."""
    tables, settings = future.world.tables, future.world.tables.settings[0]
    if settings["power_charge"] == 0 or settings["power_weight"] == 0.0:
        return []
    return [_calendar(future, rule) for rule in range(len(tables.power.rules))]


def _calendar(future: Future, number: int) -> PeakCalendar:
    tables, weight = future.world.tables, future.world.tables.settings["power_weight"][0]
    rule, now = tables.power.rules[number], future.households[0]
    intervals = future.households["now_min"][:-1] // rule["interval_min"]
    interval = np.asarray(intervals - intervals[0])
    _, begins = np.unique(interval, return_index=True)
    minute = future.households["place_min"][begins]
    hour = np.asarray(tables.hours["opens"])[minute // HOUR_MIN]
    opens = np.where(minute % HOUR_MIN == 0, hour, NOTHING)
    opens[0] = NOTHING  # what began with the first interval, or before it, is in the record
    period = np.cumsum(opens & (YEAR if rule["of_year"] else MONTH) != 0)
    peak_span = np.cumsum(opens & DAY != 0) if rule["different_days"] else np.arange(opens.size)
    _, firsts = np.unique(peak_span, return_index=True)
    power_class = future.households["power_class"][:-1]
    rates = tables.power.rates[power_class, number]
    started_kw = np.zeros(opens.size)
    started_kw[0] = now["interval_kw"][number]
    price, rises = np.zeros(period[-1] + 1), None
    earlier: tuple[Stage, ...] = ()
    if rule["steps"]:
        rises = tuple(
            _rises(tables, number, np.unique(power_class[period[interval] == own]), weight)
            for own in range(period[-1] + 1)
        )
    else:
        price, earlier = _prices(rates[:, PRICE] * weight, period[interval])
    return PeakCalendar(
        rule=number,
        many=int(rule["count"]),
        per_h=float(rule["intervals_per_h"]),
        interval=interval,
        factor=rates[:, FACTOR],
        peak_span=peak_span,
        period=period,
        period_of=period[firsts],
        price=price,
        earlier=earlier,
        rises=rises,
        started_kw=started_kw,
        peaks_kw=tuple(now["peaks_kw"][number][: rule["count"]].tolist()),
        floor_kw=float(rule["floor_kw"]),
    )


def _prices(price: Floats, period: Ints) -> tuple[Floats, tuple[Stage, ...]]:
    """The price at the end of each period, and the stages before, of prices of the steps (T,).

    Of the price so far the least, q: the sum S of the peaks only grows, so that what it costs is at
    least the sum over steps of q times its growth, which is q at the end times S there, and of each
    fall of q its size times S before it, less the first q times S at the begin. Within a period
    there is mostly one price.
    """
    last, stages = np.zeros(period[-1] + 1), list[Stage]()
    for own in range(last.size):
        steps = np.flatnonzero(period == own)
        least = np.minimum.accumulate(price[steps])
        last[own] = least[-1]
        for place, end in enumerate(np.flatnonzero(np.diff(least)) + 1):
            if place == len(stages):
                stages.append(Stage(np.zeros(last.size), np.zeros(period.size, np.bool_)))
            stages[place].price[own] = least[end - 1] - least[end]
            stages[place].counts[steps[:end]] = True
    return last, tuple(stages)


def _rises(tables: Any, rule: int, classes: Ints, weight: float) -> Rises:
    """What a charge in steps rises by at least, whichever of its prices (classes) holds.

    What a mean's growth costs is the sum of the rises at the limits that it passes, at the prices
    of the moment; so at least the sum of the least rises at the limits that all of them have.
    """
    common: dict[float, float] | None = None
    for row in classes:
        limits, prices = tables.power.step_limits[row, rule], tables.power.step_prices[row, rule]
        used = np.isfinite(limits)
        money = np.diff(prices[used])
        rises = dict(zip(limits[used][1:].tolist(), money.tolist(), strict=True))
        if common is not None:
            both = common.keys() & rises.keys()
            rises = {limit: min(common[limit], rises[limit]) for limit in both}
        common = rises
    ordered = sorted((common or {}).items())
    return Rises(
        np.array([limit for limit, _ in ordered]), weight * np.array([rise for _, rise in ordered])
    )


def hull_of(rises: Rises, low_kw: float, high_kw: float) -> Hinges:
    """The largest convex function below a charge in steps, for means between two.

    Of a function that is level between its rises it is the hull of the points at which each level
    ends, and of the first one; all rise, so no bend is below 0.
    """
    inside = (rises.limits_kw - ON_LIMIT_KW > low_kw) & (rises.limits_kw - ON_LIMIT_KW <= high_kw)
    ends_kw = [*(rises.limits_kw[inside] - ON_LIMIT_KW).tolist(), high_kw]
    below = rises.up_to(low_kw) + np.cumsum(np.append(0.0, rises.money[inside]))
    corners = [(low_kw, float(below[0]))]
    for point in zip(ends_kw, below.tolist(), strict=True):
        while len(corners) > 1 and _turns_down(corners[-2], corners[-1], point):
            corners.pop()
        if point[0] > corners[-1][0]:
            corners.append(point)
    at_kw, money = np.array(corners).T
    slope = np.diff(money) / np.diff(at_kw)
    return Hinges(float(money[0]), at_kw[:-1], np.diff(slope, prepend=0.0))


def _turns_down(one: Any, middle: Any, other: Any) -> bool:
    """Whether the middle one of three points is not below the line between the others."""
    before = (middle[1] - one[1]) * (other[0] - one[0])
    return bool(before >= (other[1] - one[1]) * (middle[0] - one[0]))


def owed_before(calendar: PeakCalendar) -> float:
    """What a line asks for the peaks with which the periods begin, weighted."""
    owed = 0.0
    for stage in calendar.stages:
        owed += float(stage.price[0] * calendar.begins_kw(0))
        for period in range(1, stage.price.size):
            owed += float(stage.price[period] * calendar.begins_kw(period))
    return owed


def import_kwh(future: Future, meter: Meter, charge_kw: Floats) -> Floats:
    """(T,) what a plan (T, K) of mean powers imports, as peaks count it."""
    step_h = future.world.tables.settings["step_h"][0]
    to_cars = charge_kw.sum(axis=1) if meter.netted else np.maximum(charge_kw, 0.0).sum(axis=1)
    return np.asarray(np.maximum(0.0, to_cars * step_h - meter.zero_at))


def free_kw(calendar: PeakCalendar, import_kwh: Floats) -> Floats:
    """(T,) counted power (kW) with which no interval adds to the charge of a plan's imports (T,).

    The larger of the plan's own peak in the peak span and of the N-th highest peak of the period;
    with steps of as much as keeps the mean on its step. Where peaks cost nothing, inf.
    """
    counted_kw = calendar.counted_kw(import_kwh)
    peaks = np.zeros(calendar.period_of.size)
    peaks[0] = calendar.peaks_kw[0]
    np.maximum.at(peaks, calendar.peak_span, counted_kw)
    caps = np.full(calendar.peak_span.size, np.inf)
    for period in np.flatnonzero(calendar.charged):
        highest_kw = calendar.peaks_of(counted_kw, int(period))
        lowest_kw = float(highest_kw[0])
        if calendar.rises is not None:
            mean_kw = highest_kw.mean() - ROUNDING_KW
            limits_kw = calendar.rises[period].limits_kw
            above_kw = limits_kw[limits_kw > mean_kw]
            if above_kw.size == 0:  # on the last step
                continue
            lowest_kw = _level_kw(highest_kw, float(above_kw[0]) - BELOW_LIMIT_KW)
        among = calendar.period == period
        caps[among] = np.maximum(peaks[calendar.peak_span[among]], lowest_kw)
    return caps[calendar.interval]


def _level_kw(peaks_kw: NDArray[np.float64], mean_kw: float) -> float:
    """To which level (kW) peaks (N,), rising, can be filled up for a mean; at least the lowest."""
    spare_kw = peaks_kw.size * mean_kw - peaks_kw.sum()
    level_kw = float(peaks_kw[0])
    for place in range(peaks_kw.size):
        if spare_kw <= 0.0:
            break
        next_kw = peaks_kw[place + 1] if place + 1 < peaks_kw.size else np.inf
        rise_kw = min(spare_kw / (place + 1), next_kw - level_kw)
        level_kw += float(rise_kw)
        spare_kw -= (place + 1) * rise_kw
    return level_kw


def gap_of(calendar: PeakCalendar, hulls: list[Hinges], import_kwh: Floats) -> float:
    """What steps cost beyond their hulls (P,) at a plan's imports (T,), weighted."""
    gap, counted_kw = 0.0, calendar.counted_kw(import_kwh)
    for period, (rises, hull) in enumerate(zip(calendar.rises or (), hulls, strict=True)):
        mean_kw = float(calendar.peaks_of(counted_kw, period).mean()) - ROUNDING_KW
        gap += max(0.0, rises.up_to(mean_kw) - hull.value(mean_kw))
    return gap
