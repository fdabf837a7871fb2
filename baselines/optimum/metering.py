"""The money of a foreseen household as convex functions: the meter's bill, and the power charge.

Numbers for `baselines.optimum.relaxation`, without its programme: arrays over T steps and H hours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baselines.foresight import Future
from baselines.optimum.reach import Reach, export_limit_kw, steps_of, sun_kw
from ev_gym.physics.power_charge import DAY, FACTOR, MONTH, NOTHING, PRICE
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.durations import HOUR_MIN


class Meter(NamedTuple):
    """The energy bill of each step as a convex function that nowhere exceeds it.

    It is `base + slope x + sum_i bend_i max(0, x - at_i)`, where x is the kWh at the meter that
    flow to the cars, less (where import and export are `netted`) those that flow from them.

    Attributes:
        netted: Whether the meter sees only the difference within a step.
        low: (T,) least x,
        high: (T,) and largest x.
        base: (T,) as above, before weights.
        slope: (T,) as above, before weights.
        at: (2, T) as above; without meaning where the bend is 0.
        bend: (2, T) as above, before weights.
        feed_price: (T,) what a kWh from the cars earns besides, where nothing is netted.
        zero_at: (T,) x at which the import that a power charge counts begins.
    """

    netted: bool
    low: Floats
    high: Floats
    base: Floats
    slope: Floats
    at: Floats
    bend: Floats
    feed_price: Floats
    zero_at: Floats


class PowerCalendar(NamedTuple):
    """When and how the power charge counts, over H hours, P peak spans and M months, each from 0.

    Attributes:
        hour: (T,) hour of each step.
        peak_span: (H,) day or hour of which only the peak counts (`ev_gym.physics.power_charge`).
        month: (H,) month of each hour.
        factor: (H,) by which each hour counts.
        month_of: (P,) month of each peak span.
        price: (M,) of each month, per kW of the sum of the N peaks, weighted.
        started_kwh: (H,) counted before the first step: not 0 only in the first hour.
        peaks_kw: Those with which the first month begins, the running peak span's own first.
    """

    hour: Ints
    peak_span: Ints
    month: Ints
    factor: Floats
    month_of: Ints
    price: Floats
    started_kwh: Floats
    peaks_kw: tuple[float, ...]


def meter_of(future: Future, reach: Reach) -> Meter:
    """The energy bill of each step, without weights."""
    settings, results = future.world.tables.settings[0], future.results
    step_h = settings["step_h"]
    limit_kwh = export_limit_kw(future) * step_h
    price = np.asarray(results["price_per_kwh"])
    export = np.asarray(results["export_price_per_kwh"])
    load_kwh, sun_kwh = steps_of(future, "load_kw") * step_h, sun_kw(future) * step_h
    high = (reach.charge_kw * future.charge_h).sum(axis=1)
    most_discharge = (reach.discharge_kw * future.charge_h).sum(axis=1)
    cut_at = sun_kwh - limit_kwh - load_kwh  # from here on no sun is cut off
    zero_at = sun_kwh - load_kwh
    if settings["netted"]:
        low = -np.minimum(most_discharge, np.maximum(0.0, -cut_at))
        at = np.stack([low, cut_at, zero_at, high])
        slopes = np.stack([np.zeros_like(price), export, price])
        net = np.maximum(low - zero_at, -limit_kwh)
        base = net * np.where(net >= 0.0, price, export)
        feed_price = np.zeros_like(price)
    else:
        low = np.zeros_like(high)
        at = np.stack([low, cut_at, high, high])
        slopes = np.stack([price - export, price, price])
        base = load_kwh * price - np.minimum(sun_kwh, load_kwh + limit_kwh) * export
        zero_at, feed_price = -load_kwh, export
    at[1:3] = np.clip(at[1:3], low, high)
    slopes = convex_slopes(np.diff(at, axis=0), slopes)
    base = base - slopes[0] * low
    bend = np.diff(slopes, axis=0)
    netted = bool(settings["netted"])
    return Meter(netted, low, high, base, slopes[0], at[1:3], bend, feed_price, zero_at)


def convex_slopes(lengths: Floats, slopes: Floats) -> Floats:
    """Slopes (3, T) of the largest convex function below three straight pieces (3, T).

    The slope of piece i is the largest over a <= i of the least over b >= i of the mean slope of
    the pieces from a to b. A piece without length takes the slope of a neighbour.
    """
    best = np.full(lengths.shape, -np.inf)
    for i in range(3):
        for a in range(i + 1):
            least = np.full(lengths.shape[1], np.inf)
            for b in range(i, 3):
                length = lengths[a : b + 1].sum(axis=0)
                rise = (lengths[a : b + 1] * slopes[a : b + 1]).sum(axis=0)
                mean = np.divide(rise, length, out=np.full_like(rise, np.inf), where=length > 0.0)
                least = np.minimum(least, mean)
            best[i] = np.maximum(best[i], least)
    empty = lengths <= 0.0
    best[1] = np.where(empty[1], np.where(empty[0], best[2], best[0]), best[1])
    best[0] = np.where(empty[0], best[1], best[0])
    best[2] = np.where(empty[2], best[1], best[2])
    return np.where(empty.all(axis=0), slopes, best)


def power_calendar_of(future: Future) -> PowerCalendar | None:
    """The power charge's calendar; None where no power charge counts."""
    tables, settings = future.world.tables, future.world.tables.settings[0]
    if settings["power_charge"] == 0 or settings["power_weight"] == 0.0:
        return None
    hours = future.households["now_min"][:-1] // HOUR_MIN
    hour = np.asarray(hours - hours[0])
    _, begins = np.unique(hour, return_index=True)
    record = tables.hours[future.households["place_min"][begins] // HOUR_MIN]
    opens = np.asarray(record["opens"])
    opens[0] = NOTHING  # what began with the first hour, or before it, is in the record
    month = np.cumsum(opens & MONTH != 0)
    different_days = tables.power.rules["different_days"][0] != 0
    peak_span = np.cumsum(opens & DAY != 0) if different_days else np.arange(opens.size)
    rates = tables.power.rates[future.households["power_class"][begins], 0]
    price = np.full(month[-1] + 1, np.inf)
    # Within a month there is one price; the least of several would still be a bound.
    np.minimum.at(price, month, rates[:, PRICE] * settings["power_weight"])
    now = future.households[0]
    started_kwh = np.zeros(peak_span.size)
    started_kwh[0] = now["interval_kw"][0]
    (peaks_kw,) = now["peaks_kw"].tolist()  # fails where a tariff has more than one rule
    _, firsts = np.unique(peak_span, return_index=True)
    factor = rates[:, FACTOR]
    return PowerCalendar(
        hour, peak_span, month, factor, month[firsts], price, started_kwh, tuple(peaks_kw)
    )


def owed_before(future: Future, calendar: PowerCalendar) -> float:
    """What of the first month's power charge was owed before the first step, weighted."""
    running_kw, *others_kw = calendar.peaks_kw
    owed_kw = max(running_kw, calendar.started_kwh[0])
    for peak_kw in others_kw:
        owed_kw += peak_kw
    return float(calendar.price[0] * owed_kw)


def hourly_caps(future: Future, calendar: PowerCalendar, meter: Meter, charge_kw: Floats) -> Floats:
    """(T,) counted power (kW) with which no hour adds to the power charge of a plan (T, K).

    The larger of the plan's own peak in the peak span and of the N-th highest peak of its month.
    """
    settings = future.world.tables.settings[0]
    to_cars = charge_kw.sum(axis=1) if meter.netted else np.maximum(charge_kw, 0.0).sum(axis=1)
    import_kwh = np.maximum(0.0, to_cars * settings["step_h"] - meter.zero_at)
    hourly = calendar.started_kwh + calendar.factor * np.bincount(calendar.hour, import_kwh)
    peaks = np.zeros(calendar.month_of.size)
    peaks[0] = calendar.peaks_kw[0]
    np.maximum.at(peaks, calendar.peak_span, hourly)
    caps = np.empty(calendar.peak_span.size)
    for month, price in enumerate(calendar.price):
        month_peaks = peaks[calendar.month_of == month]
        if month == 0:
            month_peaks = np.append(month_peaks, calendar.peaks_kw[1:])
        count = int(future.world.tables.power.rules["count"][0])
        lowest = np.sort(month_peaks)[-count] if month_peaks.size >= count else 0.0
        among = calendar.month == month
        caps[among] = (
            np.maximum(peaks[calendar.peak_span[among]], lowest) if price > 0.0 else np.inf
        )
    return caps[calendar.hour]
