"""What charging costs with a power charge: the bill of cars filled into the cheapest slots.

A filling takes energy from the cheapest slots of the price window before departure, the earlier of
equally dear ones first, with some power, and from no hour more than its room. Its bill holds the
energy, what the hours above the month's peak add to the power charge, and what is then missing, at
the public charger's price and with the stop there. It is what a household could work out by hand
from what it observes: the prices, the month's peak and its price, its load.

Hours are those of the clock, the running one first; of that, what is left. Whether a later hour
counts in the power charge says the tariff, on days of today's kind: of the calendar a policy sees
no more than whether today is a day off.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.policies.base import Policy
from baselines.policies.peak_rule import factor_table, month_prices, rule_of
from baselines.policies.view import View
from ev_gym.drivers.calendar import WORTH_A_STOP_KWH
from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.durations import DAY_H, HOUR_MIN
from ev_gym.scenario import Scenario, Tariff

MONTHS = 12
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


class Hours(NamedTuple):
    """The hours of the price window of n households, H of them, the running one first.

    Attributes:
        passed_h: (n,) how much of the running hour has passed.
        load_kwh: (n, H) what the house is expected to import in each, of the running one in what is
            left of it.
        room_kwh: (n, H) what the connection leaves the cars beside that.
        factor: (n, H) by which each counts in the power charge; 0: not at all.
        span: (H,) or (n, H) number of the peak span in which each lies: a day or, where several
            peaks may be hours of one day, an hour.
        before_kwh: (n,) import of the running hour so far, as it counts.
        free_kw: (n,) the peak up to which an hour costs nothing more: the month's peak so far or,
            where that is more, what the running hour reaches without cars.
        price_per_kw: (n,) of a kW more in one peak span, as it counts.
    """

    passed_h: Floats
    load_kwh: Floats
    room_kwh: Floats
    factor: Floats
    span: Ints
    before_kwh: Floats
    free_kw: Floats
    price_per_kw: Floats


def hours_ahead(scenario: Scenario, view: View) -> Hours:
    """What is known and expected of the hours of the price window, the usual loads among it."""
    clock_h = view.hour_of_day
    count = math.ceil(view.price_window.shape[1] * view.slot_h) + 1
    passed_h, hour = clock_h % 1.0, clock_h.astype(np.int64)
    ahead = hour[:, None] + np.arange(count)
    left_h = np.ones(ahead.shape)
    left_h[:, 0] -= passed_h
    load_kw = np.resize(view.usual_load_kw.T, (count, len(hour))).T.copy()
    load_kw[:, 0] = view.load_kw
    room_kw = np.maximum(0.0, scenario.household.limit_kw - load_kw)
    room_kw[:, 0] = np.maximum(0.0, view.headroom_kw)
    if scenario.tariff.netting != "none":
        load_kw[:, 0] = np.maximum(0.0, load_kw[:, 0] - view.pv_kw)
    price_per_kw = _price_per_kw(scenario, view)
    factor = np.where(price_per_kw[:, None] > 0.0, _factors(scenario, view, ahead), 0.0)
    before_kwh = view.interval_kw
    alone_kw = before_kwh + factor[:, 0] * load_kw[:, 0] * left_h[:, 0]
    return Hours(
        passed_h=passed_h,
        load_kwh=load_kw * left_h,
        room_kwh=room_kw * left_h,
        factor=factor,
        span=ahead // DAY_H if rule_of(scenario.tariff).different_days else ahead,
        before_kwh=before_kwh,
        free_kw=np.maximum(view.peak_kw, alone_kw),
        price_per_kw=price_per_kw,
    )


def below_peak_kw(scenario: Scenario, view: View) -> Floats:
    """What the month's peak leaves beside the present load for the rest of the hour (n,)."""
    sun_kw = view.pv_kw if scenario.tariff.netting != "none" else 0.0
    factor, rest_h = view.interval_factor, 1.0 - view.hour_of_day % 1.0
    counts = factor > 0.0
    left_kwh = (view.peak_kw - view.interval_kw) / np.where(counts, factor, 1.0)
    room_kw: Floats = np.where(counts, left_kwh / rest_h - view.load_kw + sun_kw, np.inf)
    return room_kw


def _month(view: View) -> Ints:
    """The month (n,) of today, 1 to 12."""
    angle = np.arctan2(view.of_house("day_sin"), view.of_house("day_cos"))
    month: Ints = 1 + np.floor(angle / (2 * math.pi) % 1.0 * MONTHS).astype(np.int64)
    return month


def _factors(scenario: Scenario, view: View, ahead: NDArray[np.int64]) -> Floats:
    """By which hours count (n, H); `ahead` counts them from today's midnight on."""
    table = _tables_of(scenario.tariff)[0]
    day_off = (view.of_house("weekend") > 0.5).astype(np.int64)
    factor: Floats = table[(_month(view) - 1)[:, None], day_off[:, None], ahead % DAY_H]
    factor[:, 0] = view.interval_factor  # which is known
    return factor


def _price_per_kw(scenario: Scenario, view: View) -> Floats:
    """Price (n,) of a kW more in one peak; told by an hour that counts, else by the tariff."""
    factor = view.interval_factor
    price = _tables_of(scenario.tariff)[1][_month(view) - 1]
    counts = factor > 0.0
    told: Floats = np.where(counts, view.power_price_per_kw / np.where(counts, factor, 1.0), price)
    return told


@functools.lru_cache(maxsize=16)
def _tables_of(tariff: Tariff) -> tuple[Floats, Floats]:
    rule = rule_of(tariff)
    return factor_table(rule), month_prices(tariff, rule)


class Terms(NamedTuple):
    """What a bill needs besides prices and hours.

    Attributes:
        public_per_kwh: Of a missing kWh, in the battery.
        public_stop: Of the stop for more than 1 kWh.
        peaks: How many peaks count, N.
        slot_h: Length of a slot.
        step_h: Length of a step.
    """

    public_per_kwh: float
    public_stop: float
    peaks: int
    slot_h: float
    step_h: float


def terms_of(scenario: Scenario, view: View) -> Terms:
    """The terms of a scenario's bills."""
    tariff, step_h = scenario.tariff, scenario.time_step_min / HOUR_MIN
    return Terms(
        tariff.public_energy_price,
        tariff.public_stop_price,
        rule_of(tariff).count if tariff.has_power_charge else 1,
        view.slot_h,
        step_h,
    )


@compiled
def fill(
    prices: Floats,
    order: Ints,
    slots: int,
    terms: Terms,
    into_h: float,
    passed_h: float,
    left_h: float,
    power_kw: float,
    least_kw: float,
    need_kwh: float,
    room_kwh: Floats,
    taken_kwh: Floats,
) -> tuple[float, float, float]:
    """Fill what is needed into the cheapest slots; what it costs, what is left, what is for now.

    What does not fit before the prices end, but would before departure, costs as much as the
    dearest slot that does: a later hour will do.

    Args:
        prices: (S,) of the slots, the running one first.
        order: (S,) their numbers, the cheapest first.
        slots: How many of the window count.
        terms: Lengths of slot and step.
        into_h: How much of the running slot has passed.
        passed_h: How much of the running hour has passed.
        left_h: Hours to departure.
        power_kw: With which the car charges.
        least_kw: What it takes for a step at least, if it charges at all.
        need_kwh: At the wall.
        room_kwh: (H,) what each hour can give; what is taken is taken off.
        taken_kwh: (H,) written, what is taken from each hour.
    """
    cost, rest_kwh, now_kwh, dearest = 0.0, need_kwh, 0.0, 0.0
    taken_kwh[:] = 0.0
    for place in range(order.shape[0]):
        slot = order[place]
        begins_h = max(slot * terms.slot_h - into_h, 0.0)
        if slot >= slots or begins_h >= left_h - SAME_TIME_H:
            continue
        dearest = prices[slot]
        if rest_kwh <= SAME_KWH:
            break
        long_h = min((slot + 1.0) * terms.slot_h - into_h, left_h) - begins_h
        hour = math.floor(begins_h + passed_h + SAME_TIME_H)
        able_kwh = min(power_kw * long_h, room_kwh[hour])
        step_kwh = least_kw * min(long_h, terms.step_h)
        if able_kwh < step_kwh - SAME_KWH:
            continue
        # Of a step it takes all, also where less is needed.
        kwh = min(able_kwh, max(rest_kwh, step_kwh))
        cost += prices[slot] * kwh
        rest_kwh = max(0.0, rest_kwh - kwh)
        room_kwh[hour] -= kwh
        taken_kwh[hour] += kwh
        if slot == 0:
            now_kwh = kwh
    later_h = max(0.0, left_h - (slots * terms.slot_h - into_h))
    later_kwh = min(rest_kwh, power_kw * later_h)
    return cost + dearest * later_kwh, rest_kwh - later_kwh, now_kwh


@compiled
def power_charge(
    taken_kwh: Floats,
    load_kwh: Floats,
    factor: Floats,
    span: Ints,
    before_kwh: float,
    free_kw: float,
    price_per_kw: float,
    peaks: int,
) -> float:
    """What hours with so much charging add to the power charge: of each peak span its highest hour.

    What the house and other cars bring above the peak costs the same without this car.

    Args:
        taken_kwh: (H,) what the car takes from each hour.
        load_kwh: (H,) what house and other cars import.
        factor: (H,) by which each counts.
        span: (H,) the peak span in which each lies.
        before_kwh: Import of the running hour so far, as it counts.
        free_kw: Up to here an hour costs nothing.
        price_per_kw: Of a kW above it, in each span.
        peaks: More spans than these do not count.
    """
    total_kw, highest_kw, spans = 0.0, 0.0, 0
    for hour in range(taken_kwh.shape[0]):
        if hour > 0 and span[hour] != span[hour - 1]:
            spans += 1 if highest_kw > 0.0 else 0
            total_kw += highest_kw if spans <= peaks else 0.0
            highest_kw = 0.0
        if taken_kwh[hour] > 0.0:
            alone_kwh = factor[hour] * load_kwh[hour] + (before_kwh if hour == 0 else 0.0)
            counted_kwh = alone_kwh + factor[hour] * taken_kwh[hour]
            highest_kw = max(highest_kw, counted_kwh - max(free_kw, alone_kwh))
    spans += 1 if highest_kw > 0.0 else 0
    total_kw += highest_kw if spans <= peaks else 0.0
    return price_per_kw * total_kw


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
    prices: Floats,
    order: Ints,
    slots: Ints,
    terms: Terms,
    into_h: Floats,
    hours: Hours,
    left_h: Floats,
    wanted_kwh: Floats,
    cars: Floats,
    powers_kw: Floats,
    room_kwh: Floats,
    taken_kwh: Floats,
    load_kwh: Floats,
    chosen_kw: Floats,
) -> None:
    """Write into `chosen_kw` (n, K) what `cheapest_powers` gives.

    Args:
        prices: (n, S) of the window.
        order: (n, S) its slots, the cheapest first.
        slots: (n,) how many of them count.
        terms: Of the bill.
        into_h: (n,) how much of the running slot has passed.
        hours: The hours ahead.
        left_h: (n, K) to departure.
        wanted_kwh: (n, K) missing in the battery; 0 where a car does not want to charge.
        cars: (K, 2) efficiency and own consumption of the cars.
        powers_kw: (K, levels) from which to choose.
        room_kwh: (H,) to work in, as are the next two.
        taken_kwh: (H,).
        load_kwh: (H,).
        chosen_kw: (n, K) the result.
    """
    for i in range(left_h.shape[0]):
        copy(load_kwh, hours.load_kwh[i])
        for k in range(left_h.shape[1]):
            chosen_kw[i, k] = 0.0
            if wanted_kwh[i, k] <= 0.0:
                continue
            best, best_kw = math.inf, 0.0
            for level in range(powers_kw.shape[1] - 1, -2, -1):
                # Once more with the best, for what it takes from each hour.
                power_kw = powers_kw[k, level] if level >= 0 else best_kw
                battery_kw = cars[k, 0] * power_kw - cars[k, 1]
                if battery_kw <= 0.0:
                    continue
                room_kwh[:] = math.inf
                need_kwh = wanted_kwh[i, k] / battery_kw * power_kw
                cost, rest_kwh, now_kwh = fill(
                    prices[i], order[i], slots[i], terms, into_h[i], hours.passed_h[i],
                    left_h[i, k], power_kw, power_kw, need_kwh, room_kwh, taken_kwh,
                )  # fmt: skip
                cost += missing_cost(rest_kwh / power_kw * battery_kw, terms)
                cost += power_charge(
                    taken_kwh, load_kwh, hours.factor[i], hours.span[i], hours.before_kwh[i],
                    hours.free_kw[i], hours.price_per_kw[i], terms.peaks,
                )  # fmt: skip
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
    slots = np.maximum(np.round(counted_h / view.slot_h), 1.0).astype(np.int64)

    def choose(view: View, rows: Bools, chosen_kw: Floats) -> None:
        prices, hours = view.price_window, hours_ahead(policy.scenario, view)
        count = hours.factor.shape[1]
        _choose_powers(
            prices, np.argsort(prices, axis=1, kind="stable"), slots[rows],
            terms_of(policy.scenario, view), view.into_slot_h, hours, view.hours_to_departure,
            _wanted_kwh(view), _losses(policy.scenario), policy.powers_kw,
            np.empty(count), np.empty(count), np.empty(count), chosen_kw,
        )  # fmt: skip

    return _where_wanting(view, choose)


@compiled
def _fill_block(
    prices: Floats,
    slot_h: float,
    into_h: float,
    passed_h: float,
    begins_h: float,
    ends_h: float,
    power_kw: float,
    taken_kwh: Floats,
) -> float:
    """What one block of charging costs; `taken_kwh` (H,) is what it takes from each hour."""
    taken_kwh[:] = 0.0
    cost, slot = 0.0, math.floor((begins_h + into_h) / slot_h + SAME_TIME_H)
    while slot < prices.shape[0] and slot * slot_h - into_h < ends_h - SAME_TIME_H:
        from_h = max(slot * slot_h - into_h, begins_h)
        kwh = power_kw * (min((slot + 1.0) * slot_h - into_h, ends_h) - from_h)
        cost += prices[slot] * kwh
        taken_kwh[math.floor(from_h + passed_h + SAME_TIME_H)] += kwh
        slot += 1
    return cost


@compiled
def _choose_blocks(
    prices: Floats,
    terms: Terms,
    into_h: Floats,
    hours: Hours,
    left_h: Floats,
    wanted_kwh: Floats,
    cars: Floats,
    powers_kw: Floats,
    begun: Bools,
    taken_kwh: Floats,
    load_kwh: Floats,
    chosen_kw: Floats,
) -> None:
    """Write into `chosen_kw` (n, K) what `cheapest_blocks` gives; arguments as above."""
    for i in range(left_h.shape[0]):
        copy(load_kwh, hours.load_kwh[i])
        for k in range(left_h.shape[1]):
            chosen_kw[i, k] = 0.0
            if wanted_kwh[i, k] <= 0.0:
                continue
            best, best_kw, best_start_h, best_end_h = math.inf, 0.0, 0.0, 0.0
            end_h = min(left_h[i, k], prices.shape[1] * terms.slot_h - into_h[i])
            for level in range(powers_kw.shape[1] - 1, -1, -1):
                power_kw = powers_kw[k, level]
                battery_kw = cars[k, 0] * power_kw - cars[k, 1]
                if battery_kw <= 0.0:
                    continue
                long_h = wanted_kwh[i, k] / battery_kw
                start_h = 0.0
                while start_h == 0.0 or (start_h <= end_h - long_h and not begun[i, k]):
                    stop_h = min(start_h + long_h, end_h)
                    cost = _fill_block(
                        prices[i], terms.slot_h, into_h[i], hours.passed_h[i], start_h, stop_h,
                        power_kw, taken_kwh,
                    )  # fmt: skip
                    later_h = min(start_h + long_h, left_h[i, k]) - stop_h
                    cost += later_h * power_kw * prices[i, prices.shape[1] - 1]
                    done_kwh = (stop_h - start_h + later_h) * battery_kw
                    cost += missing_cost(wanted_kwh[i, k] - done_kwh, terms)
                    cost += power_charge(
                        taken_kwh, load_kwh, hours.factor[i], hours.span[i],
                        hours.before_kwh[i], hours.free_kw[i], hours.price_per_kw[i], terms.peaks,
                    )  # fmt: skip
                    if cost < best - SAME_KWH:
                        best, best_kw, best_start_h, best_end_h = cost, power_kw, start_h, stop_h
                    start_h += terms.step_h
            _fill_block(
                prices[i], terms.slot_h, into_h[i], hours.passed_h[i], best_start_h, best_end_h,
                best_kw, taken_kwh,
            )  # fmt: skip
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
        hours = hours_ahead(policy.scenario, view)
        count = hours.factor.shape[1]
        _choose_blocks(
            view.price_window, terms_of(policy.scenario, view), view.into_slot_h, hours,
            view.hours_to_departure, _wanted_kwh(view), _losses(policy.scenario),
            policy.powers_kw, begun[rows], np.empty(count), np.empty(count), chosen_kw,
        )  # fmt: skip

    return _where_wanting(view, choose)
