"""What charging costs with a power charge: the bill of cars filled into the cheapest slots.

A filling takes energy from the cheapest slots of the price window before departure, the earlier of
equally dear ones first, with some power, and from no interval more than its room. Its bill holds
the energy, what the intervals above the peaks so far add to the power charge, and what is then
missing, at the public charger's price and with the stop there. It is what a household could work
out by hand from what it observes: the prices, the peaks and their prices, its load.

Time is cut into *cells* of the clock, as long as the shortest interval of the tariff's rules and no
longer than an hour; an interval is one cell or several. They begin with the running hour, of which
the cells that are over hold nothing, and the running one what is left of it. Whether a later cell
counts in the power charge says the tariff, on days of today's kind: of the calendar a policy sees
no more than whether today is a day off.

With several rules each has its own peaks, and the bill is the sum. In a charge of steps, whatever
goes beyond the step that the house is kept on (`peak_rule`) costs all of the next one: who does it
once in a month will do it on its other days too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from baselines.policies.base import Policy
from baselines.policies.known_limits import known_limits
from baselines.policies.peak_rule import KnownRule, day_parts, kept_step, known_rules, shortest_min
from baselines.policies.view import View
from ev_gym.drivers.calendar import WORTH_A_STOP_KWH
from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.scenario import Scenario

SAME_TIME_H = 1e-9  # forgives the rounding of times in float64
SAME_KWH = 1e-6


def counts_charge(policy: str, scenario: Scenario, power_charge: Any) -> bool:
    """Whether a rule counts the power charge: where there is one, unless its option leaves it out.

    Raises:
        ValueError: for an option that is neither True nor False.
    """
    if not isinstance(power_charge, bool):
        raise ValueError(
            f"policy {policy}: power_charge is {power_charge!r}; allowed: True (counted) or False"
        )
    return power_charge and scenario.tariff.has_power_charge


class Slots(NamedTuple):
    """The price window of n households, S slots that are no longer than a cell.

    Attributes:
        prices: (n, S) of its slots, the running one first.
        order: (n, S) their numbers, the cheapest first.
        slot_h: Length of a slot.
        into_h: (n,) how much of the running slot has passed.
        left_h: (n, K) hours to departure.
    """

    prices: Floats
    order: Ints
    slot_h: float
    into_h: Floats
    left_h: Floats


def slots_of(scenario: Scenario, view: View) -> Slots:
    """The price window, cut where a cell ends within one of its slots."""
    prices, slot_h, into_h = view.price_window, view.slot_h, view.into_slot_h
    cell_h = shortest_min(scenario.tariff) / HOUR_MIN
    if slot_h > cell_h:
        parts = round(slot_h / cell_h)
        passed = np.floor(into_h / cell_h + SAME_TIME_H).astype(np.int64)
        place = passed[:, None] + np.arange(prices.shape[1] * parts)
        # What lies beyond the window is as dear as its last slot.
        last = np.minimum(place // parts, prices.shape[1] - 1)
        prices = np.take_along_axis(prices, last, axis=1)
        slot_h, into_h = cell_h, into_h - passed * cell_h
    order = np.argsort(prices, axis=1, kind="stable")
    return Slots(prices, order, slot_h, into_h, view.hours_to_departure)


class Rules(NamedTuple):
    """What n households know of the R rules of their power charge.

    Attributes:
        peaks: (R,) how many count, N.
        cells: (R,) how many cells an interval has.
        before_kw: (n, R) import of the running interval so far over its length, as it counts.
        free_kw: (n, R) up to here an interval costs nothing more: the peak so far or, in a charge
            of steps, the end of the step that is kept; infinite where nothing costs more.
        per_kw: (n, R) price of a kW more in one peak, as it counts; 0 of steps.
        above_kw: (n, R, S) so far above `free_kw` each next step begins, and
        rises: (n, R, S) what the charge grows by there; 0 where there is none.
        costs: (n, R) whether the rule can cost anything.
    """

    peaks: Ints
    cells: Ints
    before_kw: Floats
    free_kw: Floats
    per_kw: Floats
    above_kw: Floats
    rises: Floats
    costs: Bools


class Hours(NamedTuple):
    """The cells of the price window of n households, H of them, those of the running hour first.

    Attributes:
        cell_h: Length of a cell.
        passed_h: (n,) how much of the running hour has passed.
        load_kwh: (n, H) what the house is expected to import in each, of the running one in what is
            left of it.
        room_kwh: (n, H) what connection, contract and dimming leave the cars beside that.
        factor: (n, R, H) by which each counts in each rule; 0: not at all.
        span: (n, R, H) number of the peak span in which each lies: a day or, where several peaks
            may be of one day, an interval; all are one where a single peak counts.
        usual_kw: (n, R) the highest of the next day's usual loads, as it counts.
        alone_kw: (n, R) what the running interval reaches without cars.
    """

    cell_h: float
    passed_h: Floats
    load_kwh: Floats
    room_kwh: Floats
    factor: Floats
    span: Ints
    usual_kw: Floats
    alone_kw: Floats


def rules_and_hours(scenario: Scenario, view: View) -> tuple[Rules, Hours]:
    """What is known and expected of the cells of the price window, the usual loads among it."""
    known, minutes = known_rules(scenario.tariff), shortest_min(scenario.tariff)
    cell_h, per_hour = minutes / HOUR_MIN, HOUR_MIN // minutes
    clock_h = view.hour_of_day
    hours = math.ceil(view.price_window.shape[1] * view.slot_h) + 1
    passed_h, hour = clock_h % 1.0, clock_h.astype(np.int64)
    ends_h = cell_h * (1.0 + np.arange(per_hour * hours))
    left_h = np.clip(ends_h - passed_h[:, None], 0.0, cell_h)
    load_kw = np.resize(view.usual_load_kw.T, (hours, len(hour))).T.repeat(per_hour, axis=1)
    now = slice(0, per_hour)  # the running hour
    load_kw[:, now] = view.load_kw[:, None]
    ahead = per_hour * hour[:, None] + np.arange(per_hour * hours)
    room_kw = np.maximum(0.0, _room_kw(scenario, view, minutes, ahead, load_kw))
    room_kw[:, now] = np.maximum(0.0, view.headroom_kw)[:, None]
    if scenario.tariff.netting != "none":
        load_kw[:, now] = np.maximum(0.0, load_kw[:, now] - view.pv_kw[:, None])
    factor, span = _factors(known, minutes, view, ahead)
    usual_kw = _usual_kw(known, view)
    rules = _rules(known, minutes, view, usual_kw)
    factor[~rules.costs] = 0.0
    counted_kw = factor * load_kw[:, None] * left_h[:, None] / cell_h
    running = np.floor(passed_h / cell_h + SAME_TIME_H).astype(np.int64)[:, None, None]
    cells = rules.cells[:, None]
    in_interval = np.arange(per_hour * hours) // cells == running // cells
    alone_kw = rules.before_kw + (counted_kw * in_interval).sum(axis=2) / rules.cells
    return rules, Hours(
        cell_h=cell_h,
        passed_h=passed_h,
        load_kwh=load_kw * left_h,
        room_kwh=room_kw * left_h,
        factor=factor,
        span=span,
        usual_kw=usual_kw,
        alone_kw=alone_kw,
    )


def _room_kw(scenario: Scenario, view: View, minutes: int, ahead: Ints, load_kw: Floats) -> Floats:
    """What connection and contract leave beside a load (n, H), no more than dimming lets cars take.

    Args:
        scenario: The scenario.
        view: The observations.
        minutes: Of a cell.
        ahead: (n, H) numbers of the cells from today's midnight on; all days are of today's kind.
        load_kw: (n, H) of the house.
    """
    known = known_limits(scenario)
    if known is None:
        return scenario.household.limit_kw - load_kw
    day_off = (view.of_house("weekend") > 0.5).astype(np.int64)
    place = ((view.month - 1)[:, None], day_off[:, None], ahead % day_parts(minutes))
    limits = known.means(minutes)
    room_kw: Floats = np.minimum(limits.in_all_kw[place] - load_kw, limits.cars_kw[place])
    return room_kw


def _factors(
    known: tuple[KnownRule, ...], minutes: int, view: View, ahead: Ints
) -> tuple[Floats, Ints]:
    """By which cells count in each rule, and their peak spans (n, R, H).

    Args:
        known: The rules.
        minutes: Of a cell.
        view: The observations.
        ahead: (n, H) numbers of the cells from today's midnight on.
    """
    shape = (len(ahead), len(known), ahead.shape[1])
    factor, span = np.zeros(shape), np.zeros(shape, np.int64)
    day_off, month = (view.of_house("weekend") > 0.5).astype(np.int64), view.month - 1
    day_cells = day_parts(minutes)
    running = (view.hour_of_day % 1.0 / (minutes / HOUR_MIN) + SAME_TIME_H).astype(np.int64)
    for r, one in enumerate(known):
        table = one.factors(minutes)
        factor[:, r] = table[month[:, None], day_off[:, None], ahead % day_cells]
        # That of the running cell is known.
        factor[np.arange(len(ahead)), r, running] = view.interval_factor[:, r]
        if one.daily:
            span[:, r] = ahead // day_cells
        elif one.rule.count > 1:
            span[:, r] = ahead // (one.rule.interval_min // minutes)
    return factor, span


def _usual_kw(known: tuple[KnownRule, ...], view: View) -> Floats:
    """The highest usual load of the running hour and the next 23 (n, R), as it counts."""
    found = np.zeros((len(view.load_kw), len(known)))
    load_kw, hour = view.usual_load_kw, view.hour_of_day.astype(np.int64)
    day_off, month = (view.of_house("weekend") > 0.5).astype(np.int64), view.month - 1
    clock = (hour[:, None] + np.arange(load_kw.shape[1])) % day_parts(HOUR_MIN)
    for r, one in enumerate(known):
        factor = one.factors(HOUR_MIN)[month[:, None], day_off[:, None], clock]
        found[:, r] = (factor * load_kw).max(axis=1)
    return found


def _rules(known: tuple[KnownRule, ...], minutes: int, view: View, usual_kw: Floats) -> Rules:
    month, factor = view.month - 1, view.interval_factor
    # A price is told by an interval that counts, else by the tariff.
    told = np.where(factor > 0.0, view.power_price_per_kw / np.where(factor > 0.0, factor, 1.0), -1)
    most = max((one.limits_kw.shape[1] for one in known), default=1)
    shape = (*factor.shape, most)
    free_kw, per_kw = view.peak_kw.copy(), np.zeros(factor.shape)
    above_kw, rises = np.full(shape, np.inf), np.zeros(shape)
    for r, one in enumerate(known):
        if one.stepped:
            count = one.rule.count
            expected_kw = np.maximum(one.rule.floor_kw, one.above_usual * usual_kw[:, r])
            _keep_steps(
                one.limits_kw[month], one.step_prices[month], count, told[:, r], expected_kw,
                free_kw[:, r], above_kw[:, r], rises[:, r],
            )  # fmt: skip
        else:
            per_kw[:, r] = np.where(told[:, r] >= 0.0, told[:, r], one.per_kw[month])
    costs = (per_kw > 0.0) | (rises > 0.0).any(axis=2)
    free_kw[~costs] = np.inf
    return Rules(
        peaks=np.array([one.rule.count for one in known], np.int64),
        cells=np.array([one.rule.interval_min // minutes for one in known], np.int64),
        before_kw=view.interval_kw,
        free_kw=free_kw,
        per_kw=per_kw,
        above_kw=above_kw,
        rises=rises,
        costs=costs,
    )


@compiled
def _keep_steps(
    limits_kw: Floats,
    prices: Floats,
    count: int,
    told: Floats,
    expected_kw: Floats,
    free_kw: Floats,
    above_kw: Floats,
    rises: Floats,
) -> None:
    """What `Rules` says of a rule of steps.

    Args:
        limits_kw: (n, S) where the steps begin.
        prices: (n, S) what they cost.
        count: How many peaks count, N.
        told: (n,) price of a kW more, as observed; below 0 where it is not.
        expected_kw: (n,) mean of the peaks that the house will probably set.
        free_kw: (n,) as observed; written.
        above_kw: (n, S) infinite, written.
        rises: (n, S) zeros, written.
    """
    for i in range(free_kw.shape[0]):
        kept_kw, following = kept_step(
            limits_kw[i], prices[i], count, free_kw[i], told[i], expected_kw[i]
        )
        free_kw[i] = kept_kw
        for step in range(following, limits_kw.shape[1]):
            if not math.isinf(limits_kw[i, step]):
                above_kw[i, step] = limits_kw[i, step] - limits_kw[i, following]
                rises[i, step] = prices[i, step] - prices[i, step - 1]


def below_peak_kw(scenario: Scenario, view: View) -> Floats:
    """What the peaks leave beside the present load for the rest of the interval (n,).

    The least over the rules by which the coming step can cost anything; infinite where none does.
    """
    sun_kw = view.pv_kw if scenario.tariff.netting != "none" else 0.0
    known, minutes = known_rules(scenario.tariff), shortest_min(scenario.tariff)
    rules, factor = _rules(known, minutes, view, _usual_kw(known, view)), view.interval_factor
    interval_h = rules.cells * (minutes / HOUR_MIN)
    rest_h = interval_h - view.hour_of_day[:, None] % interval_h
    counts = (factor > 0.0) & rules.costs
    left_kwh = interval_h * (rules.free_kw - rules.before_kw) / np.where(counts, factor, 1.0)
    room_kw = left_kwh / rest_h - view.load_kw[:, None] + np.reshape(sun_kw, (-1, 1))
    least_kw: Floats = np.where(counts, room_kw, np.inf).min(axis=1, initial=np.inf)
    return least_kw


class Terms(NamedTuple):
    """What a bill needs besides prices and hours.

    Attributes:
        public_per_kwh: Of a missing kWh, in the battery.
        public_stop: Of the stop for more than 1 kWh.
        step_h: Length of a step.
    """

    public_per_kwh: float
    public_stop: float
    step_h: float


def terms_of(scenario: Scenario) -> Terms:
    """The terms of a scenario's bills."""
    tariff, step_h = scenario.tariff, scenario.time_step_min / HOUR_MIN
    return Terms(tariff.public_energy_price, tariff.public_stop_price, step_h)


class Room(NamedTuple):
    """What cells and intervals of one household can still give; all written.

    Attributes:
        cell_kwh: (H,) what the connection leaves in each cell.
        counted_kwh: (R, H) what a rule's budget leaves in each of its intervals, as it counts.
    """

    cell_kwh: Floats
    counted_kwh: Floats


@compiled
def room_kwh(room: Room, rules: Rules, hours: Hours, i: int, cell: int) -> float:
    """What a cell can still give."""
    least_kwh = room.cell_kwh[cell]
    for r in range(rules.cells.shape[0]):
        factor = hours.factor[i, r, cell]
        if factor > 0.0:
            least_kwh = min(least_kwh, room.counted_kwh[r, cell // rules.cells[r]] / factor)
    return float(least_kwh)


@compiled
def take(room: Room, rules: Rules, hours: Hours, i: int, cell: int, kwh: float) -> None:
    """Take energy from a cell."""
    room.cell_kwh[cell] -= kwh
    for r in range(rules.cells.shape[0]):
        room.counted_kwh[r, cell // rules.cells[r]] -= hours.factor[i, r, cell] * kwh


@compiled
def cell_of(hours: Hours, i: int, begins_h: float) -> int:
    """The cell in which a time lies, so many hours ahead."""
    cell: int = math.floor((begins_h + hours.passed_h[i]) / hours.cell_h + SAME_TIME_H)
    return cell


@compiled
def fill(
    slots: Slots,
    count: int,
    rules: Rules,
    hours: Hours,
    terms: Terms,
    i: int,
    k: int,
    power_kw: float,
    least_kw: float,
    need_kwh: float,
    room: Room,
    taken_kwh: Floats,
) -> tuple[float, float, float]:
    """Fill what is needed into the cheapest slots; what it costs, what is left, what is for now.

    What does not fit before the prices end, but would before departure, costs as much as the
    dearest slot that does: a later hour will do.

    Args:
        slots: The price window.
        count: How many of its slots count.
        rules: Of the power charge.
        hours: The cells ahead.
        terms: Of the bill.
        i: Number of the household.
        k: Of the car.
        power_kw: With which the car charges.
        least_kw: What it takes for a step at least, if it charges at all.
        need_kwh: At the wall.
        room: What can be taken; what is taken is taken off.
        taken_kwh: (H,) written, what is taken from each cell.
    """
    prices, slot_h, into_h = slots.prices[i], slots.slot_h, slots.into_h[i]
    left_h = slots.left_h[i, k]
    cost, rest_kwh, now_kwh, dearest = 0.0, need_kwh, 0.0, 0.0
    taken_kwh[:] = 0.0
    for place in range(prices.shape[0]):
        slot = slots.order[i, place]
        begins_h = max(slot * slot_h - into_h, 0.0)
        if slot >= count or begins_h >= left_h - SAME_TIME_H:
            continue
        dearest = prices[slot]
        if rest_kwh <= SAME_KWH:
            break
        long_h = min((slot + 1.0) * slot_h - into_h, left_h) - begins_h
        cell = cell_of(hours, i, begins_h)
        able_kwh = min(power_kw * long_h, room_kwh(room, rules, hours, i, cell))
        step_kwh = least_kw * min(long_h, terms.step_h)
        if able_kwh < step_kwh - SAME_KWH:
            continue
        # Of a step it takes all, also where less is needed.
        kwh = min(able_kwh, max(rest_kwh, step_kwh))
        cost += prices[slot] * kwh
        rest_kwh = max(0.0, rest_kwh - kwh)
        take(room, rules, hours, i, cell, kwh)
        taken_kwh[cell] += kwh
        if slot == 0:
            now_kwh = kwh
    later_h = max(0.0, left_h - (count * slot_h - into_h))
    later_kwh = min(rest_kwh, power_kw * later_h)
    return cost + dearest * later_kwh, rest_kwh - later_kwh, now_kwh


@compiled
def _rule_charge(
    taken_kwh: Floats, load_kwh: Floats, rules: Rules, hours: Hours, i: int, r: int, free_kw: float
) -> float:
    """What one rule adds; arguments as below."""
    total_kw, span_kw, highest_kw, spans, last_span = 0.0, 0.0, 0.0, 0, -1
    cells, factor = rules.cells[r], hours.factor[i, r]
    interval_h = cells * hours.cell_h
    running = cell_of(hours, i, 0.0) // cells
    for interval in range(taken_kwh.shape[0] // cells):
        first = interval * cells
        if hours.span[i, r, first] != last_span:
            spans += 1 if span_kw > 0.0 else 0
            total_kw += span_kw if spans <= rules.peaks[r] else 0.0
            span_kw, last_span = 0.0, hours.span[i, r, first]
        alone_kwh, own_kwh = 0.0, 0.0
        for cell in range(first, first + cells):
            alone_kwh += factor[cell] * load_kwh[cell]
            own_kwh += factor[cell] * taken_kwh[cell]
        if own_kwh > 0.0:
            before_kw = rules.before_kw[i, r] if interval == running else 0.0
            alone_kw = alone_kwh / interval_h + before_kw
            span_kw = max(span_kw, alone_kw + own_kwh / interval_h - max(free_kw, alone_kw))
            highest_kw = max(highest_kw, span_kw)
    spans += 1 if span_kw > 0.0 else 0
    total_kw += span_kw if spans <= rules.peaks[r] else 0.0
    cost = rules.per_kw[i, r] * total_kw
    for step in range(rules.rises.shape[2]):
        if highest_kw > rules.above_kw[i, r, step] + SAME_KWH:
            cost += rules.rises[i, r, step]
    return float(cost)


@compiled
def power_charge(
    taken_kwh: Floats, load_kwh: Floats, rules: Rules, hours: Hours, i: int, free_kw: Floats
) -> float:
    """What cells with so much charging add to the power charge: of each span its highest interval.

    What the house and other cars bring above the peaks costs the same without this car.

    Args:
        taken_kwh: (H,) what the car takes from each cell.
        load_kwh: (H,) what house and other cars import.
        rules: Of the power charge.
        hours: The cells ahead.
        i: Number of the household.
        free_kw: (R,) up to here an interval costs nothing.
    """
    cost = 0.0
    for r in range(free_kw.shape[0]):
        if rules.costs[i, r]:
            cost += _rule_charge(taken_kwh, load_kwh, rules, hours, i, r, free_kw[r])
    return cost


@compiled
def copy(target: Floats, numbers: Floats) -> None:
    """Write numbers into another array."""
    for place in range(target.shape[0]):
        target[place] = numbers[place]


@compiled
def add(sums: Floats, numbers: Floats, times: float) -> None:
    """Add numbers, so many times, to sums, place by place."""
    for place in range(sums.shape[0]):
        sums[place] += times * numbers[place]


@compiled
def missing_cost(missing_kwh: float, terms: Terms) -> float:
    """What a public charger takes for energy that is missing in the battery."""
    stop = terms.public_stop if missing_kwh > WORTH_A_STOP_KWH else 0.0
    return terms.public_per_kwh * missing_kwh + stop


@compiled
def _choose_powers(
    slots: Slots,
    counts: Ints,
    rules: Rules,
    hours: Hours,
    terms: Terms,
    free_kw: Floats,
    wanted_kwh: Floats,
    cars: Floats,
    powers_kw: Floats,
    room: Room,
    taken_kwh: Floats,
    load_kwh: Floats,
    chosen_kw: Floats,
) -> None:
    """Write into `chosen_kw` (n, K) what `cheapest_powers` gives.

    Args:
        slots: The price window.
        counts: (n,) how many of its slots count.
        rules: Of the power charge.
        hours: The cells ahead.
        terms: Of the bill.
        free_kw: (n, R) up to here an interval costs nothing.
        wanted_kwh: (n, K) missing in the battery; 0 where a car does not want to charge.
        cars: (K, 2) efficiency and own consumption of the cars.
        powers_kw: (K, levels) from which to choose.
        room: To work in, as are the next two.
        taken_kwh: (H,).
        load_kwh: (H,).
        chosen_kw: (n, K) the result.
    """
    for i in range(wanted_kwh.shape[0]):
        copy(load_kwh, hours.load_kwh[i])
        for k in range(wanted_kwh.shape[1]):
            chosen_kw[i, k] = 0.0
            if wanted_kwh[i, k] <= 0.0:
                continue
            best, best_kw = math.inf, 0.0
            for level in range(powers_kw.shape[1] - 1, -2, -1):
                # Once more with the best, for what it takes from each cell.
                power_kw = powers_kw[k, level] if level >= 0 else best_kw
                battery_kw = cars[k, 0] * power_kw - cars[k, 1]
                if battery_kw <= 0.0:
                    continue
                room.cell_kwh[:] = math.inf
                room.counted_kwh[:] = math.inf
                need_kwh = wanted_kwh[i, k] / battery_kw * power_kw
                cost, rest_kwh, now_kwh = fill(
                    slots, counts[i], rules, hours, terms, i, k, power_kw, power_kw, need_kwh,
                    room, taken_kwh,
                )  # fmt: skip
                cost += missing_cost(rest_kwh / power_kw * battery_kw, terms)
                cost += power_charge(taken_kwh, load_kwh, rules, hours, i, free_kw[i])
                if level >= 0 and cost < best - SAME_KWH:
                    best, best_kw = cost, power_kw
                if level < 0:
                    add(load_kwh, taken_kwh, 1.0)
                    chosen_kw[i, k] = power_kw if now_kwh > 0.0 else 0.0


def _wanted_kwh(view: View) -> Floats:
    """What is missing in each battery (n, K); 0 where a car does not want to charge."""
    return np.where(view.wanting, view.energy_to_wanted_kwh, 0.0)


def _losses(scenario: Scenario) -> Floats:
    """(K, 2) efficiency and own consumption of the cars."""
    return np.array([[car.eta, car.aux_kw] for car in scenario.vehicles])


def _where_wanting(view: View, choose: Callable[[View, Bools, Floats], None]) -> Floats:
    """Powers (n, K): 0 but where a car of the household wants to charge; only there it is chosen.

    Args:
        view: The observations.
        choose: Is given those of such households, which ones they are (n,), and their powers to
            write.
    """
    all_kw = np.zeros(view.plugged.shape)
    rows = np.asarray(view.wanting.any(axis=1))
    if rows.any():
        chosen_kw = all_kw[rows]
        choose(view.of_rows(rows), rows, chosen_kw)
        all_kw[rows] = chosen_kw
    return all_kw


def cheapest_powers(policy: Policy, view: View, counted_h: Floats) -> Floats:
    """The power (n, K) with which each car charges now; 0: it waits for a cheaper slot.

    For each power of the charger, what the cheapest slots before departure cost that are enough
    with it: their energy, what their hours add to the power charge if the house takes its usual
    load, and what is missing then, at a public charger. The power with the least bill is taken, the
    higher one at a tie. Cars come in order; each finds the hours as the ones before leave them.

    Args:
        policy: Whose scenario and cars it is.
        view: The observations.
        counted_h: (n,) hours of the price window that count.
    """

    def choose(view: View, rows: Bools, chosen_kw: Floats) -> None:
        slots, (rules, hours) = (
            slots_of(policy.scenario, view),
            rules_and_hours(policy.scenario, view),
        )
        counts = np.maximum(np.round(counted_h[rows] / slots.slot_h), 1.0).astype(np.int64)
        free_kw = np.maximum(rules.free_kw, hours.alone_kw)
        cells = hours.load_kwh.shape[1]
        _choose_powers(
            slots, counts, rules, hours, terms_of(policy.scenario), free_kw, _wanted_kwh(view),
            _losses(policy.scenario), policy.powers_kw, room_for(rules, cells), np.empty(cells),
            np.empty(cells), chosen_kw,
        )  # fmt: skip

    return _where_wanting(view, choose)


def room_for(rules: Rules, cells: int) -> Room:
    """Room for what so many cells can give."""
    return Room(np.empty(cells), np.empty((len(rules.cells), cells)))


@compiled
def _fill_block(
    slots: Slots,
    hours: Hours,
    i: int,
    begins_h: float,
    ends_h: float,
    power_kw: float,
    taken_kwh: Floats,
) -> float:
    """What one block of charging costs; `taken_kwh` (H,) is what it takes from each cell."""
    prices, slot_h, into_h = slots.prices[i], slots.slot_h, slots.into_h[i]
    taken_kwh[:] = 0.0
    cost, slot = 0.0, math.floor((begins_h + into_h) / slot_h + SAME_TIME_H)
    while slot < prices.shape[0] and slot * slot_h - into_h < ends_h - SAME_TIME_H:
        from_h = max(slot * slot_h - into_h, begins_h)
        kwh = power_kw * (min((slot + 1.0) * slot_h - into_h, ends_h) - from_h)
        cost += prices[slot] * kwh
        taken_kwh[cell_of(hours, i, from_h)] += kwh
        slot += 1
    return cost


@compiled
def _choose_blocks(
    slots: Slots,
    rules: Rules,
    hours: Hours,
    terms: Terms,
    free_kw: Floats,
    wanted_kwh: Floats,
    cars: Floats,
    powers_kw: Floats,
    begun: Bools,
    taken_kwh: Floats,
    load_kwh: Floats,
    chosen_kw: Floats,
) -> None:
    """Write into `chosen_kw` (n, K) what `cheapest_blocks` gives; arguments as above."""
    for i in range(wanted_kwh.shape[0]):
        copy(load_kwh, hours.load_kwh[i])
        prices = slots.prices[i]
        for k in range(wanted_kwh.shape[1]):
            chosen_kw[i, k] = 0.0
            if wanted_kwh[i, k] <= 0.0:
                continue
            best, best_kw, best_start_h, best_end_h = math.inf, 0.0, 0.0, 0.0
            left_h = slots.left_h[i, k]
            end_h = min(left_h, prices.shape[0] * slots.slot_h - slots.into_h[i])
            for level in range(powers_kw.shape[1] - 1, -1, -1):
                power_kw = powers_kw[k, level]
                battery_kw = cars[k, 0] * power_kw - cars[k, 1]
                if battery_kw <= 0.0:
                    continue
                long_h = wanted_kwh[i, k] / battery_kw
                start_h = 0.0
                while start_h == 0.0 or (start_h <= end_h - long_h and not begun[i, k]):
                    stop_h = min(start_h + long_h, end_h)
                    cost = _fill_block(slots, hours, i, start_h, stop_h, power_kw, taken_kwh)
                    later_h = min(start_h + long_h, left_h) - stop_h
                    cost += later_h * power_kw * prices[prices.shape[0] - 1]
                    done_kwh = (stop_h - start_h + later_h) * battery_kw
                    cost += missing_cost(wanted_kwh[i, k] - done_kwh, terms)
                    cost += power_charge(taken_kwh, load_kwh, rules, hours, i, free_kw[i])
                    if cost < best - SAME_KWH:
                        best, best_kw, best_start_h, best_end_h = cost, power_kw, start_h, stop_h
                    start_h += terms.step_h
            _fill_block(slots, hours, i, best_start_h, best_end_h, best_kw, taken_kwh)
            add(load_kwh, taken_kwh, 1.0)
            if best_start_h == 0.0:
                chosen_kw[i, k] = best_kw


def cheapest_blocks(policy: Policy, view: View, begun: Bools) -> Floats:
    """As `cheapest_powers`, for one unbroken block: (n, K) its power, 0 before it begins.

    Of all powers and all starts whole steps away, those with the least bill; the earlier start and
    the higher power at a tie.

    Args:
        policy: Whose scenario and cars it is.
        view: The observations.
        begun: (n, K) whether a block is under way, which then goes on.
    """

    def choose(view: View, rows: Bools, chosen_kw: Floats) -> None:
        slots, (rules, hours) = (
            slots_of(policy.scenario, view),
            rules_and_hours(policy.scenario, view),
        )
        free_kw = np.maximum(rules.free_kw, hours.alone_kw)
        cells = hours.load_kwh.shape[1]
        _choose_blocks(
            slots, rules, hours, terms_of(policy.scenario), free_kw, _wanted_kwh(view),
            _losses(policy.scenario), policy.powers_kw, begun[rows], np.empty(cells),
            np.empty(cells), chosen_kw,
        )  # fmt: skip

    return _where_wanting(view, choose)
