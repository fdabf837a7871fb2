"""The power charge: what the highest imports of a month or a year add to the invoice.

A tariff has one *peak rule* or several, whose charges add up. A rule takes the mean power of each
clock interval (an hour, or 15 or 30 minutes), as it counts: times a factor (Ellevio's half at
night; 0 where no charge applies). Of the N highest means p_1 ... p_N of the month or year, on N
different days or on whatever days, it charges C(m) with m = (p_1 + ... + p_N) / N, where C is a
line, `price * m`, or rises in steps (Norway), a mean on a limit being on the higher step. Days
still to come count as the rule's floor (Flanders: 2.5 kW), as does every peak below it; an
unfinished interval counts as its energy so far over its length. Prices and rules are the companies'
own, see `ev_gym.scenario.known_tariffs`.

How the peaks are kept. Call the time that can give at most one of the N peaks a *peak span*: a
local day, or an interval where several peaks may be of one day. Of all finished spans only the N
highest matter. The running span counts as soon as one of its intervals is higher than the lowest of
these N, and then takes that one's place, whatever the other N - 1 are. So a rule's N peaks stand in
a row of `peaks_kw`, the lowest in front and the others from low to high; while a span runs, its
highest finished interval raises the one in front, and when the span is over the row is put in order
again. A step that brings the running interval's mean from `before` to `after`, within one interval,
thus makes the invoice grow by

    C((others + max(lowest, after)) / N) - C((others + max(lowest, before)) / N)

with `lowest` the peak in front and `others` the sum of the other N - 1, which over the steps of a
month adds up to the power charge on its invoice, less C(floor), with which each month begins:
nothing a household does can change that.

The bill of the house alone, which its cars cannot change, is kept beside it in the same way. Where
an episode begins, both start from the peaks of the house alone; `house_peaks_kw` holds them as each
local day begins.

The records may have more places in a row than the N that count: those behind the N-th stay 0.

All energies are imports at the meter, in kWh; an export does not lower an interval's.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.compiling import compiled, compiled_apart
from ev_gym.runtime.durations import HOUR_MIN, QUARTER_MIN
from ev_gym.runtime.records import (
    HourRecord,
    HouseholdState,
    PeakRuleRecord,
    Records,
    Settings,
    StepResult,
)

PEAK_RULE_DTYPE = np.dtype(
    [
        ("count", "i8"),  # how many peaks count, N
        ("interval_min", "i8"),
        ("intervals_per_h", "f8"),
        ("different_days", "i1"),  # 1: each peak is of another day
        ("of_year", "i1"),  # 1: peaks are the highest of a year, 0: of a month
        ("steps", "i1"),  # 1: the charge rises in steps, 0: in a line
        ("floor_kw", "f8"),
    ],
    align=True,
)


class PowerTables(NamedTuple):
    """What the power charge reads, of R rules; a class is a kind of slots alike in all of them.

    Attributes:
        rules: (R,) PEAK_RULE_DTYPE.
        rates: (classes, R, 2) factor, and price per kW of the sum of the N peaks, with VAT.
        step_limits: (classes, R, S) where steps of the mean begin, kW; unused ones are infinite.
        step_prices: (classes, R, S) what each step costs, with VAT.
        power_class: (slots,) class of each slot of base load.
        alone_import_kw: (houses, slots) import of the houses without cars, 0 or more.
        day_rows: (H,) row of `house_peaks_kw` of the day in which each hour lies.
        house_peaks_kw: (houses, days, R, places) kW, the peaks of each house alone with which each
            local day begins.
    """

    rules: NDArray[Any]
    rates: Floats
    step_limits: Floats
    step_prices: Floats
    power_class: NDArray[np.int16]
    alone_import_kw: Floats
    day_rows: Ints
    house_peaks_kw: Floats


# What begins with an hour of the series: bits of `hour.opens`.
NOTHING, DAY, MONTH, YEAR = 0, 1, 2, 4
# Columns of `rates`: the factor, and the price, with VAT, per kW of the sum of the N peaks.
FACTOR, PRICE = 0, 1
# Where the lowest of the N peaks stands, the one that the running span can replace.
LOWEST = 0
# A mean so little below a limit is on it, so that rounding does not decide.
ON_LIMIT_KW = 1e-9
# What keeps a mean below a limit, for whoever wants to stay there.
BELOW_LIMIT_KW = 1e-3


@compiled
def sort_peaks(peaks_kw: Floats, rule: int, count: int) -> None:
    """Put a rule's peaks in order at the end of a peak span.

    Args:
        peaks_kw: (R, places) kW. The first `count` of the rule's row are in order but for the
            lowest place, which the span may have raised; its peak moves up to where it belongs.
        rule: Which row.
        count: How many peaks count, N.
    """
    for place in range(count - 1):
        if peaks_kw[rule, place] > peaks_kw[rule, place + 1]:
            higher_kw = peaks_kw[rule, place]
            peaks_kw[rule, place] = peaks_kw[rule, place + 1]
            peaks_kw[rule, place + 1] = higher_kw


@compiled
def others_kw(peaks_kw: Floats, rule: int, count: int) -> float:
    """The sum (kW) of a rule's peaks but for the lowest."""
    total_kw = 0.0
    for place in range(LOWEST + 1, count):
        total_kw += peaks_kw[rule, place]
    return total_kw


@compiled
def step_of(limits_kw: Floats, mean_kw: float) -> int:
    """The step on which a mean lies; limits (S,) rise from 0, unused ones are infinite."""
    step = 0
    while step + 1 < limits_kw.shape[0] and mean_kw >= limits_kw[step + 1] - ON_LIMIT_KW:
        step += 1
    return step


@compiled
def grown_cost(
    peaks_kw: Floats,
    rule: int,
    rules: Records[PeakRuleRecord],
    power: PowerTables,
    power_class: int,
    before_kw: float,
    after_kw: float,
) -> float:
    """What the charge grows by where the running span's peak rises, both at least the lowest."""
    if rules[rule].steps == 0:
        return float(power.rates[power_class, rule, PRICE] * (after_kw - before_kw))
    count = rules[rule].count
    rest_kw = others_kw(peaks_kw, rule, count)
    limits_kw, prices = power.step_limits[power_class, rule], power.step_prices[power_class, rule]
    after = prices[step_of(limits_kw, (rest_kw + after_kw) / count)]
    before = prices[step_of(limits_kw, (rest_kw + before_kw) / count)]
    return float(after - before)


@compiled
def count_import(
    peaks_kw: Floats,
    interval_kw: Floats,
    rules: Records[PeakRuleRecord],
    power: PowerTables,
    power_class: int,
    import_kwh: float,
) -> float:
    """Add an import to the running interval of each rule; what that adds to the invoice.

    Args:
        peaks_kw: (R, places) kW.
        interval_kw: (R,) kW, grows.
        rules: (R,) the rules.
        power: The tables of factors and prices.
        power_class: Class of the step, a row of these tables.
        import_kwh: What was drawn from the grid, kWh.
    """
    cost = 0.0
    for rule in range(rules.shape[0]):
        factor = power.rates[power_class, rule, FACTOR]
        lowest_kw = peaks_kw[rule, LOWEST]
        before_kw = max(lowest_kw, interval_kw[rule])
        interval_kw[rule] += factor * import_kwh * rules[rule].intervals_per_h
        after_kw = max(lowest_kw, interval_kw[rule])
        cost += grown_cost(peaks_kw, rule, rules, power, power_class, before_kw, after_kw)
    return cost


@compiled
def charge_power(
    household: HouseholdState,
    settings: Settings,
    power: PowerTables,
    import_kwh: float,
    alone_kwh: float,
    result: StepResult,
) -> None:
    """Add a step to the running intervals and write what that adds to both invoices.

    Args:
        household: The state's record; the running intervals grow, the peaks are read.
        settings: The scenario's parameters; `power_weight` is read.
        power: The tables of the power charge.
        import_kwh: What the house with its cars drew from the grid, kWh.
        alone_kwh: What it would have drawn without them, kWh.
        result: The step's record; `power_cost`, `house_power_cost` and `power_term` are written,
            in the scenario's currency.

    A step must lie within one interval, as steps on the grid of steps do that are no longer.
    """
    rules, power_class = power.rules, household.power_class
    result.power_cost = count_import(
        household.peaks_kw, household.interval_kw, rules, power, power_class, import_kwh
    )
    result.house_power_cost = count_import(
        household.house_peaks_kw, household.house_interval_kw, rules, power, power_class, alone_kwh
    )
    result.power_term = -settings.power_weight * (result.power_cost - result.house_power_cost)


@compiled
def open_intervals(
    peaks_kw: Floats,
    interval_kw: Floats,
    rules: Records[PeakRuleRecord],
    minute: int,
    opens: int,
) -> None:
    """Close the intervals that ended at `minute`, and with them the peak span, month or year.

    Args:
        peaks_kw: (R, places) kW, written.
        interval_kw: (R,) kW, written.
        rules: (R,) the rules.
        minute: Minute of the series.
        opens: What begins there, of DAY, MONTH and YEAR; NOTHING within an hour.
    """
    for rule in range(rules.shape[0]):
        if minute % rules[rule].interval_min == 0:
            peaks_kw[rule, LOWEST] = max(peaks_kw[rule, LOWEST], interval_kw[rule])
            interval_kw[rule] = 0.0
            if opens & (YEAR if rules[rule].of_year != 0 else MONTH) != 0:
                for place in range(rules[rule].count):
                    peaks_kw[rule, place] = rules[rule].floor_kw
            elif opens & DAY != 0 or rules[rule].different_days == 0:
                sort_peaks(peaks_kw, rule, rules[rule].count)


@compiled
def opens_at(hours: Records[HourRecord], minute: int) -> int:
    """What begins at a minute of the series; NOTHING within an hour."""
    return int(hours[minute // HOUR_MIN].opens) if minute % HOUR_MIN == 0 else NOTHING


@compiled_apart
def pass_alone(
    peaks_kw: Floats,
    interval_kw: Floats,
    settings: Settings,
    hours: Records[HourRecord],
    power: PowerTables,
    house: int,
    first_min: int,
    end_min: int,
) -> None:
    """Let a house without its cars pass some time, step by step as `charge_power` counts.

    So the bill of a house whose cars never charge equals that of the house alone to the bit.

    Args:
        peaks_kw: (R, places) kW as of `first_min`, written.
        interval_kw: (R,) kW, written.
        settings: The scenario's parameters; `step_min`, `step_h` and `load_shift` are read.
        hours: (H,) records of the hours of the series.
        power: The tables of the power charge.
        house: Number of the house.
        first_min: From this minute of the series, whose own opening is done.
        end_min: Up to this one, whose opening is not done.
    """
    for minute in range(first_min, end_min, settings.step_min):
        if minute > first_min:
            opens = opens_at(hours, minute)
            open_intervals(peaks_kw, interval_kw, power.rules, minute, opens)
        slot = (minute // QUARTER_MIN) >> settings.load_shift
        import_kwh = power.alone_import_kw[house, slot] * settings.step_h
        power_class = power.power_class[slot]
        count_import(peaks_kw, interval_kw, power.rules, power, power_class, import_kwh)


@compiled_apart
def begin_power(
    household: HouseholdState,
    settings: Settings,
    hours: Records[HourRecord],
    power: PowerTables,
) -> None:
    """Both bills at an episode's start: those of the house alone since the month or year began.

    The table gives the peaks as of the day's begin; its intervals so far are added up here.

    Args:
        household: The state's record; `house` and `place_min` are read, the bills written.
        settings: As in `pass_alone`.
        hours: As in `pass_alone`.
        power: The tables of the power charge.
    """
    first = household.place_min // HOUR_MIN
    while hours[first].opens & DAY == 0:
        first -= 1
    peaks_kw, interval_kw = household.peaks_kw, household.interval_kw
    for rule in range(peaks_kw.shape[0]):
        interval_kw[rule] = 0.0
        for place in range(peaks_kw.shape[1]):
            begun_kw = power.house_peaks_kw[household.house, power.day_rows[first], rule, place]
            peaks_kw[rule, place] = begun_kw
    first_min = first * HOUR_MIN
    pass_alone(
        peaks_kw, interval_kw, settings, hours, power, household.house, first_min,
        household.place_min,
    )  # fmt: skip
    for rule in range(peaks_kw.shape[0]):
        household.house_interval_kw[rule] = interval_kw[rule]
        for place in range(peaks_kw.shape[1]):
            household.house_peaks_kw[rule, place] = peaks_kw[rule, place]


@compiled
def tabulate_peaks(
    settings: Settings,
    hours: Records[HourRecord],
    power: PowerTables,
    house_peaks_kw: Floats,
    peaks_kw: Floats,
    interval_kw: Floats,
) -> None:
    """Fill the table `house_peaks_kw`, which is given as zeros, from the series.

    Args:
        settings: As in `pass_alone`.
        hours: As in `pass_alone`; the first hour begins a day, a month and a year.
        power: The tables of the power charge, of which this one is not read.
        house_peaks_kw: As in `PowerTables`, written.
        peaks_kw: (R, places) zeros, to work in.
        interval_kw: (R,) zeros, to work in.
    """
    day_rows, rules = power.day_rows, power.rules
    for house in range(house_peaks_kw.shape[0]):
        first = 0
        interval_kw[:] = 0.0
        for hour in range(hours.shape[0]):
            opens = hours[hour].opens
            if opens & DAY != 0:
                if hour > 0:
                    pass_alone(
                        peaks_kw, interval_kw, settings, hours, power, house, first * HOUR_MIN,
                        hour * HOUR_MIN,
                    )  # fmt: skip
                open_intervals(peaks_kw, interval_kw, rules, hour * HOUR_MIN, opens)
                for rule in range(peaks_kw.shape[0]):
                    for place in range(peaks_kw.shape[1]):
                        house_peaks_kw[house, day_rows[hour], rule, place] = peaks_kw[rule, place]
                first = hour


@compiled
def free_peak_kw(peaks_kw: Floats, rule: int, power: PowerTables, power_class: int) -> float:
    """Up to here (kW) an interval of the running peak span adds nothing to the charge.

    The lowest of the N peaks; with steps as much as keeps the mean on its step.
    """
    lowest_kw = float(peaks_kw[rule, LOWEST])
    if power.rules[rule].steps == 0:
        return lowest_kw
    count, limits_kw = power.rules[rule].count, power.step_limits[power_class, rule]
    rest_kw = others_kw(peaks_kw, rule, count)
    step = step_of(limits_kw, (rest_kw + lowest_kw) / count)
    if step + 1 == limits_kw.shape[0] or math.isinf(limits_kw[step + 1]):
        return lowest_kw
    return float(max(lowest_kw, count * limits_kw[step + 1] - rest_kw - BELOW_LIMIT_KW))


@compiled
def price_above(peaks_kw: Floats, rule: int, power: PowerTables, power_class: int) -> float:
    """What a kW more in one peak costs above `free_peak_kw`, as it counts.

    With steps the rise to the next one over the length of the present one; 0 on the last.
    """
    if power.rules[rule].steps == 0:
        return float(power.rates[power_class, rule, PRICE])
    count, limits_kw = power.rules[rule].count, power.step_limits[power_class, rule]
    prices = power.step_prices[power_class, rule]
    mean_kw = (others_kw(peaks_kw, rule, count) + peaks_kw[rule, LOWEST]) / count
    step = step_of(limits_kw, mean_kw)
    if step + 1 == limits_kw.shape[0] or math.isinf(limits_kw[step + 1]):
        return 0.0
    rise = prices[step + 1] - prices[step]
    return float(rise / (limits_kw[step + 1] - limits_kw[step]) / count)
