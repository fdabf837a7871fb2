"""Filling cars as `peaks.fill` does, with what the parameters add to the price of each kWh.

A slot of a car's stay is one offer or, where fast charging wears the battery, two: the car's least
power, and the rest of it, so much dearer as it makes all of the slot's energy wear more. Offers are
taken in the order of their prices: what is needed at any price, what is stored besides at what it
is worth, which is less the more there is already.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from baselines.learning.parameters import (
    HOLDING_WEAR,
    MISSING_SHARE,
    POWER_WEAR,
    RESERVE_KWH,
    RESERVE_WORTH_FIRST,
    RESERVE_WORTH_LAST,
    UNKNOWN_PRICE,
)
from baselines.policies.peak_rules import (
    LEAST_KW,
    MOST_KW,
    RAISE_KW,
    STORED,
    Work,
    first_budget,
    leave_room,
    power_now,
)
from baselines.policies.peaks import (
    SAME_KWH,
    SAME_TIME_H,
    Hours,
    Rules,
    Slots,
    Terms,
    add,
    cell_of,
    copy,
    missing_cost,
    power_charge,
    room_kwh,
    take,
)
from ev_gym.drivers.calendar import WORTH_A_STOP_KWH
from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.compiling import compiled

WEAR_UNIT = 1e-6  # of `power_wear` and `holding_wear`


class Outlook(NamedTuple):
    """What n households with K cars know and expect, and how they weigh it.

    Attributes:
        slots: Prices and stays.
        rules: Of the power charge.
        hours: The cells ahead.
        terms: Of the bill.
        cars: (K, 3) most and least power, and what is stored of a kWh.
        powers_kw: (K, levels) of the charger.
        wear_prices: (K,) of a kWh of a battery's capacity.
        hours_known: (n,) of published prices.
        typical_price: (n,) of past days.
        free_kw: (n, R) up to here an interval costs nothing in a rule.
        peak_share: (n,) of the power charge that counts.
        needed_kwh: (n, K) at the wall.
        spare_kwh: (n, K) at the wall, what may be stored besides.
        beyond_kwh: (n, K) at the wall, what is stored beyond the wanted SoC already.
        parameters: (n, P).
    """

    slots: Slots
    rules: Rules
    hours: Hours
    terms: Terms
    cars: Floats
    powers_kw: Floats
    wear_prices: Floats
    hours_known: Floats
    typical_price: Floats
    free_kw: Floats
    peak_share: Floats
    needed_kwh: Floats
    spare_kwh: Floats
    beyond_kwh: Floats
    parameters: Floats


class Offers(NamedTuple):
    """What one car can buy in its stay, the cheapest first; all written.

    Attributes:
        price: (2 S,) of a kWh, with all that the parameters add; rising.
        slot: (2 S,) in which it is.
        first: (2 S,) whether it is the slot's first piece: the car's least power, or all of it.
        begun: (S,) whether the first piece of a slot is taken.
        long_h: (S,) how much of a slot is in the stay.
        cell: (S,) in which it is.
    """

    price: Floats
    slot: Ints
    first: Bools
    begun: Bools
    long_h: Floats
    cell: Ints


def room_for_offers(slots: int) -> Offers:
    """Room for the offers of so many slots."""
    return Offers(
        np.empty(2 * slots), np.empty(2 * slots, np.int64), np.empty(2 * slots, np.bool_),
        np.empty(slots, np.bool_), np.empty(slots), np.empty(slots, np.int64),
    )  # fmt: skip


@compiled
def _make_offers(of: Outlook, i: int, k: int, offers: Offers) -> tuple[int, float]:
    """Write a car's offers; how many there are, and the power of each slot's first piece."""
    slots, p, most_kw, least_kw = (
        of.slots,
        of.parameters[i],
        of.cars[k, MOST_KW],
        of.cars[k, LEAST_KW],
    )
    power_wear = WEAR_UNIT * of.wear_prices[k] * p[POWER_WEAR]
    holding = WEAR_UNIT * of.wear_prices[k] * p[HOLDING_WEAR]
    in_pieces = power_wear > 0.0 and most_kw > least_kw
    first_kw = least_kw if in_pieces else most_kw
    count, left_h = 0, slots.left_h[i, k]
    for rank in range(slots.prices.shape[1]):
        slot = slots.order[i, rank]
        begins_h = max(slot * slots.slot_h - slots.into_h[i], 0.0)
        if begins_h >= left_h - SAME_TIME_H:
            continue
        ends_h = min((slot + 1.0) * slots.slot_h - slots.into_h[i], left_h)
        offers.long_h[slot] = ends_h - begins_h
        offers.cell[slot] = cell_of(of.hours, i, begins_h)
        price = slots.prices[i, slot] + holding * (left_h - begins_h) + power_wear * first_kw
        if slot * slots.slot_h >= of.hours_known[i] - SAME_TIME_H:
            price += p[UNKNOWN_PRICE] * of.typical_price[i]
        place = count
        while place > 0 and offers.price[place - 1] > price:
            offers.price[place] = offers.price[place - 1]
            offers.slot[place] = offers.slot[place - 1]
            place -= 1
        offers.price[place], offers.slot[place] = price, slot
        count += 1
    offers.first[:count] = True
    if in_pieces:
        count = _with_second_pieces(offers, count, power_wear * most_kw)
    return count, first_kw


@compiled
def _with_second_pieces(offers: Offers, count: int, more: float) -> int:
    """Add the rest of each slot's power, so much dearer: what it adds to the wear of all of it."""
    first, second = count - 1, count - 1
    for place in range(2 * count - 1, -1, -1):
        # Merged from the dearest on: nothing is written over before it was read.
        later = first < 0 or (second >= 0 and offers.price[second] + more >= offers.price[first])
        source = second if later else first
        offers.price[place] = offers.price[source] + (more if later else 0.0)
        offers.slot[place], offers.first[place] = offers.slot[source], not later
        second, first = (second - 1, first) if later else (second, first - 1)
    return 2 * count


@compiled
def _worth_kwh(price: float, typical_price: float, p: Floats) -> float:
    """How many kWh beyond the wanted ones are worth such a price."""
    last = p[RESERVE_WORTH_LAST]
    if math.isinf(last) or price <= last * typical_price:
        return math.inf
    first = p[RESERVE_WORTH_FIRST]
    if price >= first * typical_price:
        return 0.0
    return float(-p[RESERVE_KWH] * math.log((price / typical_price - last) / (first - last)))


@compiled
def _fill(
    of: Outlook,
    i: int,
    k: int,
    need_kwh: float,
    spare_kwh: float,
    offers: Offers,
    count: int,
    first_kw: float,
    budget_kw: float,
    work: Work,
) -> tuple[float, float, float]:
    """Fill a car under a budget; what it costs, what is left, what is for the running slot.

    `work` then holds what it takes from each cell, and what that leaves of the room. A rule that
    leaves more than the budget, for nothing, leaves that.

    Args:
        of: What is known.
        i: Number of the household.
        k: Of the car.
        need_kwh: At the wall.
        spare_kwh: At the wall, what may be taken besides, where it is worth its price.
        offers: Of the car.
        count: How many there are.
        first_kw: Power of each slot's first piece.
        budget_kw: The budget.
        work: To work in.
    """
    for r in range(of.free_kw.shape[1]):
        work.budget_kw[r] = max(of.free_kw[i, r], budget_kw)
    leave_room(of.rules, of.hours, i, work)
    slots, most_kw, taken_kwh = of.slots, of.cars[k, MOST_KW], work.taken_kwh[k]
    cost, rest_kwh, now_kwh, dearest = 0.0, need_kwh + spare_kwh, 0.0, 0.0
    taken_kwh[:] = 0.0
    offers.begun[:] = False
    for place in range(count):
        slot, price, first = offers.slot[place], offers.price[place], offers.first[place]
        dearest = price
        if rest_kwh <= SAME_KWH:
            break
        want_kwh = rest_kwh
        if spare_kwh > 0.0:
            held_kwh = of.beyond_kwh[i, k] + max(0.0, spare_kwh - rest_kwh)
            worth_kwh = _worth_kwh(price, of.typical_price[i], of.parameters[i])
            more_kwh = max(0.0, worth_kwh - held_kwh)
            want_kwh = min(rest_kwh, max(0.0, rest_kwh - spare_kwh) + more_kwh)
            if want_kwh <= SAME_KWH:
                break
        long_h, cell = offers.long_h[slot], offers.cell[slot]
        power_kw = first_kw if first else most_kw - first_kw
        able_kwh = min(power_kw * long_h, room_kwh(work.room, of.rules, of.hours, i, cell))
        if first:
            step_kwh = of.cars[k, LEAST_KW] * min(long_h, of.terms.step_h)
            if able_kwh < step_kwh - SAME_KWH:
                continue
            # Of a step it takes all, also where less is needed.
            kwh = min(able_kwh, max(want_kwh, step_kwh))
            offers.begun[slot] = True
        elif offers.begun[slot]:
            kwh = min(able_kwh, want_kwh)
        else:
            continue
        cost += price * kwh
        rest_kwh = max(0.0, rest_kwh - kwh)
        take(work.room, of.rules, of.hours, i, cell, kwh)
        taken_kwh[cell] += kwh
        if slot == 0:
            now_kwh += kwh
    window_h = slots.prices.shape[1] * slots.slot_h - slots.into_h[i]
    later_kwh = min(rest_kwh, most_kw * max(0.0, slots.left_h[i, k] - window_h))
    return cost + dearest * later_kwh, rest_kwh - later_kwh, now_kwh


@compiled
def _best_budget(
    of: Outlook,
    i: int,
    k: int,
    offers: Offers,
    count: int,
    first_kw: float,
    lowest_kw: float,
    most_kw: float,
    work: Work,
) -> float:
    """The budget with the least bill for what a car needs; the lower one at a tie."""
    p, car, need_kwh, free_kw = of.parameters[i], of.cars[k], of.needed_kwh[i, k], of.free_kw[i]
    if need_kwh * car[STORED] > WORTH_A_STOP_KWH:
        lowest_kw = first_budget(
            of.slots, of.rules, of.hours, of.terms, car, work, i, k, lowest_kw, free_kw
        )
    best, best_kw, tried_kw = math.inf, lowest_kw, lowest_kw
    while True:
        bill, rest_kwh, _ = _fill(of, i, k, need_kwh, 0.0, offers, count, first_kw, tried_kw, work)
        bill += p[MISSING_SHARE] * missing_cost(rest_kwh * car[STORED], of.terms)
        bill += of.peak_share[i] * power_charge(
            work.taken_kwh[k], work.load_kwh, of.rules, of.hours, i, free_kw
        )
        if bill < best - SAME_KWH:
            best, best_kw = bill, tried_kw
        tried_kw += RAISE_KW
        if tried_kw > most_kw:
            return best_kw


@compiled
def fill_all(
    of: Outlook,
    lowest_kw: Floats,
    most_kw: float,
    offers: Offers,
    work: Work,
    now_kw: Floats,
    budget_kw: Floats,
) -> None:
    """Fill what cars need, in their order, then what they may store besides.

    Args:
        of: What is known.
        lowest_kw: (n,) the least of what costs nothing.
        most_kw: The highest budget.
        offers: To work in.
        work: To work in.
        now_kw: (n, K) the result: power of the coming step.
        budget_kw: (n,) the result: the budget, raised where that pays.
    """
    slots, cars = of.slots, of.cars
    for i in range(of.needed_kwh.shape[0]):
        copy(work.load_kwh, of.hours.load_kwh[i])
        budget_kw[i] = lowest_kw[i]
        for fills in range(2 * len(cars)):
            k = fills % len(cars)
            besides = fills >= len(cars)
            spare_kwh = of.spare_kwh[i, k] if besides else 0.0
            if besides:
                if spare_kwh <= SAME_KWH or now_kw[i, k] > 0.0:
                    continue
                add(work.load_kwh, work.taken_kwh[k], -1.0)
            else:
                work.taken_kwh[k], now_kw[i, k] = 0.0, 0.0
                if of.needed_kwh[i, k] <= SAME_KWH:
                    continue
            count, first_kw = _make_offers(of, i, k, offers)
            tried_kw = lowest_kw[i]  # nothing is raised for what is stored besides
            if not besides:
                tried_kw = budget_kw[i] = _best_budget(
                    of, i, k, offers, count, first_kw, budget_kw[i], most_kw, work
                )
            _, _, kwh = _fill(
                of, i, k, of.needed_kwh[i, k], spare_kwh, offers, count, first_kw, tried_kw, work
            )
            rest_h = min(slots.slot_h - slots.into_h[i], slots.left_h[i, k])
            step_h = min(of.terms.step_h, rest_h)
            running = cell_of(of.hours, i, 0.0)
            now_kw[i, k] = power_now(
                kwh, room_kwh(work.room, of.rules, of.hours, i, running), rest_h, step_h,
                of.powers_kw[k], cars[k, LEAST_KW],
            )  # fmt: skip
            # Whole amperes may take more than was filled in; the next car is to know.
            work.taken_kwh[k, running] += max(0.0, now_kw[i, k] * step_h - kwh)
            add(work.load_kwh, work.taken_kwh[k], 1.0)
