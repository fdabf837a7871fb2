"""`water_filling` with parameters: what each slot, kW and stored kWh is worth besides its price."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.policies.app_rules import checked_number
from baselines.policies.peak_rule import USUAL_SHARE, known_rules
from baselines.policies.peak_rules import (
    LEAST_KW,
    MOST_KW,
    RAISE_KW,
    STORED,
    WaterFilling,
    Work,
    first_budget,
    leave_room,
    power_now,
)
from baselines.policies.peaks import (
    SAME_KWH,
    SAME_TIME_H,
    Hours,
    Room,
    Rules,
    Slots,
    Terms,
    add,
    cell_of,
    copy,
    missing_cost,
    power_charge,
    room_for,
    room_kwh,
    rules_and_hours,
    slots_of,
    take,
    terms_of,
)
from baselines.policies.view import View
from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.durations import DAY_H, HOUR_MIN
from ev_gym.scenario import Scenario


class Parameter(NamedTuple):
    """A parameter of the rule.

    Attributes:
        name: Its name.
        unit: Its unit; "" for a number without one.
        neutral: The value with which the rule is `water_filling`.
        start: Where a search begins.
        low: The least value that is searched, and
        high: the greatest one.
        meaning: What it does.
    """

    name: str
    unit: str
    neutral: float
    start: float
    low: float
    high: float
    meaning: str


ANY = math.inf
PARAMETERS = (
    Parameter("power_wear", "1e-6 / kW", 0.0, 20.0, 0.0, 100.0,
              "capacity that a kWh takes off the battery for each kW with which it is charged"),
    Parameter("holding_wear", "1e-6 / h", 0.0, 0.4, -8.0, 8.0,
              "the same for each hour from then to departure; below 0 an early kWh is worth more"),
    Parameter("unknown_price", "typical price", 0.0, 0.0, -0.5, 0.5,
              "how much dearer a slot is taken to be whose price is not published yet"),
    Parameter("load_factor", "", 1.0, 1.0, 0.5, 1.8,
              "by which the house's usual load of later hours is multiplied"),
    Parameter("load_margin_kw", "kW", 0.0, 0.0, -0.3, 1.0,
              "what is added to it"),
    Parameter("own_peak", "mean daily peak", 0.0, 0.8, 0.0, 1.6,
              "the peak that the house alone will set on the month's last day, as it counts"),
    Parameter("own_peak_growth", "mean daily peak", 0.0, 0.15, 0.0, 0.5,
              "what is added for each unit of the logarithm of 1 + the days left of the month"),
    Parameter("peak_share_first", "", 1.0, 1.0, 0.0, 2.0,
              "of the power charge that counts with a whole month ahead"),
    Parameter("peak_share_last", "", 1.0, 1.0, 0.0, 2.0,
              "of the power charge that counts on the month's last day"),
    Parameter("missing_share", "", 1.0, 1.0, 0.3, 3.0,
              "by which what a public charger takes is multiplied"),
    Parameter("raise_from_kwh", "kWh", 1.0, 1.0, 0.0, 15.0,
              "missing in a battery, from which on the budget is raised to the car's least power"),
    Parameter("reserve_soc", "", 0.9, 0.9, 0.4, 1.0,
              "up to here a car is charged beyond the wanted SoC"),
    Parameter("reserve_worth_first", "typical price", ANY, 1.6, 0.0, 4.0,
              "what the first kWh beyond the wanted SoC may cost"),
    Parameter("reserve_worth_last", "typical price", ANY, 0.9, 0.0, 2.0,
              "what a kWh far beyond it may cost"),
    Parameter("reserve_kwh", "kWh", 10.0, 10.0, 1.0, 40.0,
              "within so many kWh the excess of the first over the last falls to 37 %"),
    Parameter("memory_days", "days", 7.0, 7.0, 1.0, 28.0,
              "over which the typical price is averaged: of each day that of its cheapest quarter"),
)  # fmt: skip
NAMES = tuple(parameter.name for parameter in PARAMETERS)
(
    POWER_WEAR, HOLDING_WEAR, UNKNOWN_PRICE, LOAD_FACTOR, LOAD_MARGIN_KW, OWN_PEAK,
    OWN_PEAK_GROWTH, PEAK_SHARE_FIRST, PEAK_SHARE_LAST, MISSING_SHARE, RAISE_FROM_KWH, RESERVE_SOC,
    RESERVE_WORTH_FIRST, RESERVE_WORTH_LAST, RESERVE_KWH, MEMORY_DAYS,
) = range(len(PARAMETERS))  # fmt: skip
NEUTRAL = {parameter.name: parameter.neutral for parameter in PARAMETERS}
WEAR_UNIT = 1e-6  # of `power_wear` and `holding_wear`
PRIOR_DAYS = 3.0  # for so many days seen counts what the usual load lets expect
PEAK_DAYS = 28.0  # daily peaks are averaged over so many
MONTH_DAYS = 30.0
CHEAP_SHARE = 4  # of a day the cheapest quarter


class Offers(NamedTuple):
    """What one car can buy in its stay: pieces of the power of each slot, the cheapest first.

    Attributes:
        price: (2 S,) of a kWh, with all that the parameters add; rising.
        slot: (2 S,) in which it is.
        first: (2 S,) whether it is the slot's first piece: the car's least power, or all of it.
        begun: (S,) whether the first piece of a slot is taken.
    """

    price: Floats
    slot: Ints
    first: Bools
    begun: Bools


@compiled
def _make_offers(
    slots: Slots,
    hours_known: float,
    typical_price: float,
    wear_price: float,
    car: Floats,
    i: int,
    k: int,
    p: Floats,
    offers: Offers,
) -> tuple[int, float]:
    """Write a car's offers; how many there are, and the power of each slot's first piece."""
    power_wear, most_kw = WEAR_UNIT * wear_price * p[POWER_WEAR], car[MOST_KW]
    holding = WEAR_UNIT * wear_price * p[HOLDING_WEAR]
    in_pieces = power_wear > 0.0 and most_kw > car[LEAST_KW]
    first_kw = car[LEAST_KW] if in_pieces else most_kw
    count, left_h = 0, slots.left_h[i, k]
    for rank in range(slots.prices.shape[1]):
        slot = slots.order[i, rank]
        begins_h = max(slot * slots.slot_h - slots.into_h[i], 0.0)
        if begins_h >= left_h - SAME_TIME_H:
            continue
        price = slots.prices[i, slot] + holding * (left_h - begins_h)
        price += power_wear * first_kw
        if slot * slots.slot_h >= hours_known - SAME_TIME_H:
            price += p[UNKNOWN_PRICE] * typical_price
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
    slots: Slots,
    rules: Rules,
    hours: Hours,
    terms: Terms,
    car: Floats,
    i: int,
    k: int,
    need_kwh: float,
    spare_kwh: float,
    typical_price: float,
    p: Floats,
    offers: Offers,
    count: int,
    first_kw: float,
    room: Room,
    taken_kwh: Floats,
) -> tuple[float, float, float]:
    """As `peaks.fill`, with offers for slots, and beyond what is needed only at what it is worth.

    Args:
        slots: The price window.
        rules: Of the power charge.
        hours: The cells ahead.
        terms: Of the bill.
        car: Its most and least power.
        i: Number of the household.
        k: Of the car.
        need_kwh: At the wall.
        spare_kwh: At the wall, what may be taken besides.
        typical_price: Of past days.
        p: The parameters.
        offers: Of the car.
        count: How many there are.
        first_kw: Power of each slot's first piece.
        room: What can be taken; what is taken is taken off.
        taken_kwh: (H,) written, what is taken from each cell.
    """
    slot_h, into_h, left_h = slots.slot_h, slots.into_h[i], slots.left_h[i, k]
    cost, rest_kwh, now_kwh, dearest = 0.0, need_kwh + spare_kwh, 0.0, 0.0
    taken_kwh[:] = 0.0
    offers.begun[:] = False
    for place in range(count):
        slot, price, first = offers.slot[place], offers.price[place], offers.first[place]
        dearest = price
        if rest_kwh <= SAME_KWH:
            break
        most_kwh = rest_kwh
        if spare_kwh > 0.0:
            beyond_kwh = _worth_kwh(price, typical_price, p) - max(0.0, spare_kwh - rest_kwh)
            most_kwh = min(rest_kwh, max(0.0, rest_kwh - spare_kwh) + max(0.0, beyond_kwh))
            if most_kwh <= SAME_KWH:
                break
        begins_h = max(slot * slot_h - into_h, 0.0)
        long_h = min((slot + 1.0) * slot_h - into_h, left_h) - begins_h
        cell = cell_of(hours, i, begins_h)
        power_kw = first_kw if first else car[MOST_KW] - first_kw
        able_kwh = min(power_kw * long_h, room_kwh(room, rules, hours, i, cell))
        if first:
            step_kwh = car[LEAST_KW] * min(long_h, terms.step_h)
            if able_kwh < step_kwh - SAME_KWH:
                continue
            # Of a step it takes all, also where less is needed.
            kwh = min(able_kwh, max(most_kwh, step_kwh))
            offers.begun[slot] = True
        elif offers.begun[slot]:
            kwh = min(able_kwh, most_kwh)
        else:
            continue
        cost += price * kwh
        rest_kwh = max(0.0, rest_kwh - kwh)
        take(room, rules, hours, i, cell, kwh)
        taken_kwh[cell] += kwh
        if slot == 0:
            now_kwh += kwh
    later_h = max(0.0, left_h - (slots.prices.shape[1] * slot_h - into_h))
    later_kwh = min(rest_kwh, car[MOST_KW] * later_h)
    return cost + dearest * later_kwh, rest_kwh - later_kwh, now_kwh


@compiled
def _fill_all(
    slots: Slots,
    rules: Rules,
    hours: Hours,
    terms: Terms,
    cars: Floats,
    powers_kw: Floats,
    hours_known: Floats,
    typical_price: Floats,
    wear_prices: Floats,
    needed_kwh: Floats,
    spare_kwh: Floats,
    free_kw: Floats,
    lowest_kw: Floats,
    most_kw: float,
    parameters: Floats,
    peak_share: Floats,
    work: Work,
    offers: Offers,
    now_kw: Floats,
    budget_kw: Floats,
) -> None:
    """Fill what cars need, in their order, then what they may store besides.

    Args:
        slots: Prices and stays.
        rules: Of the power charge.
        hours: The cells ahead.
        terms: Of the bill.
        cars: (K, 3) most and least power, and what is stored of a kWh.
        powers_kw: (K, levels) of the charger.
        hours_known: (n,) of published prices.
        typical_price: (n,) of past days.
        wear_prices: (K,) of a kWh of the battery's capacity.
        needed_kwh: (n, K) at the wall.
        spare_kwh: (n, K) at the wall, what may be stored besides.
        free_kw: (n, R) what costs nothing in each rule.
        lowest_kw: (n,) the least of these.
        most_kw: The highest budget.
        parameters: (n, P).
        peak_share: (n,) of the power charge that counts.
        work: To work in.
        offers: To work in.
        now_kw: (n, K) the result: power of the coming step.
        budget_kw: (n,) the result: the budget, raised where that pays.
    """
    for i in range(needed_kwh.shape[0]):
        copy(work.load_kwh, hours.load_kwh[i])
        budget_kw[i], p = lowest_kw[i], parameters[i]
        for fills in range(2 * needed_kwh.shape[1]):
            k = fills % needed_kwh.shape[1]
            besides = fills >= needed_kwh.shape[1]
            need_kwh, spare, tried_kw = needed_kwh[i, k], 0.0, budget_kw[i]
            if besides:
                # Both together, and nothing is raised for it.
                spare, tried_kw = spare_kwh[i, k], lowest_kw[i]
                if spare <= SAME_KWH or now_kw[i, k] > 0.0:
                    continue
                add(work.load_kwh, work.taken_kwh[k], -1.0)
            else:
                work.taken_kwh[k], now_kw[i, k] = 0.0, 0.0
                if need_kwh <= SAME_KWH:
                    continue
            count, first_kw = _make_offers(
                slots, hours_known[i], typical_price[i], wear_prices[k], cars[k], i, k, p, offers
            )
            if not besides:
                if need_kwh * cars[k, STORED] > p[RAISE_FROM_KWH]:
                    tried_kw = first_budget(
                        slots, rules, hours, terms, cars[k], work, i, k, tried_kw, free_kw[i]
                    )
                best, try_kw = math.inf, tried_kw
                while True:
                    for r in range(free_kw.shape[1]):
                        work.budget_kw[r] = max(free_kw[i, r], try_kw)
                    leave_room(rules, hours, i, work)
                    bill, rest_kwh, _ = _fill(
                        slots, rules, hours, terms, cars[k], i, k, need_kwh, 0.0,
                        typical_price[i], p, offers, count, first_kw, work.room, work.taken_kwh[k],
                    )  # fmt: skip
                    bill += p[MISSING_SHARE] * missing_cost(rest_kwh * cars[k, STORED], terms)
                    bill += peak_share[i] * power_charge(
                        work.taken_kwh[k], work.load_kwh, rules, hours, i, free_kw[i]
                    )
                    if bill < best - SAME_KWH:
                        best, tried_kw = bill, try_kw
                    try_kw += RAISE_KW
                    if try_kw > most_kw:
                        break
                budget_kw[i] = tried_kw
            for r in range(free_kw.shape[1]):
                work.budget_kw[r] = max(free_kw[i, r], tried_kw)
            leave_room(rules, hours, i, work)
            _, _, kwh = _fill(
                slots, rules, hours, terms, cars[k], i, k, need_kwh, spare, typical_price[i], p,
                offers, count, first_kw, work.room, work.taken_kwh[k],
            )  # fmt: skip
            rest_h = min(slots.slot_h - slots.into_h[i], slots.left_h[i, k])
            step_h = min(terms.step_h, rest_h)
            running = cell_of(hours, i, 0.0)
            now_kw[i, k] = power_now(
                kwh, room_kwh(work.room, rules, hours, i, running), rest_h, step_h, powers_kw[k],
                cars[k, LEAST_KW],
            )  # fmt: skip
            # Whole amperes may take more than was filled in; the next car is to know.
            work.taken_kwh[k, running] += max(0.0, now_kw[i, k] * step_h - kwh)
            add(work.load_kwh, work.taken_kwh[k], 1.0)


class Memory(NamedTuple):
    """What n households have seen in their episodes; all written.

    Attributes:
        hour: (n,) local clock of the last step (h); below 0 before the first.
        days: (n,) that have begun.
        typical_price: (n,) mean of their cheapest quarters.
        interval: (n, R) number of the running interval of each rule in its day.
        counted_kw: (n, R) sum of what the house alone imported in its steps, as it counts.
        steps: (n, R) how many these are.
        today_kw: (n, R) the highest mean of such an interval today.
        peak_kw: (n, R) mean of these of days that are over.
    """

    hour: Floats
    days: Floats
    typical_price: Floats
    interval: Floats
    counted_kw: Floats
    steps: Floats
    today_kw: Floats
    peak_kw: Floats


def _empty_memory(rows: int, rules: int) -> Memory:
    of_house, of_rules = [(rows,)] * 3, [(rows, rules)] * 5
    memory = Memory(*(np.zeros(shape) for shape in (*of_house, *of_rules)))
    memory.hour[:] = -1.0
    return memory


@compiled
def _note(
    memory: Memory, hour: Floats, house_kw: Floats, factor: Floats, interval_h: Floats
) -> None:
    """Take in a step: the clock (n,), the house's import (n,), and how it counts (n, R)."""
    for i in range(hour.shape[0]):
        day_over = hour[i] < memory.hour[i] - 0.5 * DAY_H  # not where clocks are set back
        for r in range(factor.shape[1]):
            interval = math.floor(hour[i] / interval_h[r] + SAME_TIME_H)
            if interval != memory.interval[i, r] and memory.steps[i, r] > 0.0:
                mean_kw = memory.counted_kw[i, r] / memory.steps[i, r]
                memory.today_kw[i, r] = max(memory.today_kw[i, r], mean_kw)
                memory.counted_kw[i, r], memory.steps[i, r] = 0.0, 0.0
            if day_over:
                days = min(memory.days[i], PEAK_DAYS)
                memory.peak_kw[i, r] += (memory.today_kw[i, r] - memory.peak_kw[i, r]) / days
                memory.today_kw[i, r] = 0.0
            memory.interval[i, r] = interval
            memory.counted_kw[i, r] += factor[i, r] * house_kw[i]
            memory.steps[i, r] += 1.0
        if day_over or memory.hour[i] < 0.0:
            memory.days[i] += 1.0
        memory.hour[i] = hour[i]


class TunedFilling(WaterFilling):
    """`water_filling` that weighs more than prices, by the parameters of PARAMETERS.

    Args:
        parameters: Some of them by name; the others are neutral, and with all neutral the rule is
            `water_filling`.

    What it weighs besides: what charging fast and holding energy wear off; the peak that the house
    alone will probably set before the month is over, from its daily peaks so far; whether prices
    are low beside those of past days, of which it then stores more; that the house may draw more
    than usual. All else is as in `water_filling`.
    """

    name = "tuned_filling"
    remembers = True

    def __init__(
        self, scenario: Scenario, continuous: bool = True, seed: int = 0, **parameters: float
    ) -> None:
        super().__init__(scenario, continuous, seed)
        self.parameters = parameters_of(parameters)[None]
        self._rules = known_rules(scenario.tariff)
        self._interval_h = np.array([one.rule.interval_min / HOUR_MIN for one in self._rules])
        self._stepped = np.array([one.stepped for one in self._rules], np.bool_)
        self._of_year = np.array([one.rule.over == "year" for one in self._rules], np.bool_)
        weight = scenario.reward_weights.wear
        self._wear_prices = np.array(
            [
                0.0 if car.chemistry is None else weight * car.wear_price_in(scenario.currency)
                for car in scenario.vehicles
            ]
        )
        self._netted = scenario.tariff.netting != "none"
        self._memory = _empty_memory(0, len(self._rules))

    def reset(self, rows: NDArray[np.int64] | None = None) -> None:
        """Forget what the households of these rows remember."""
        for part, empty in zip(self._memory, _empty_memory(1, len(self._rules)), strict=True):
            known = slice(None) if rows is None else rows[rows < len(part)]
            part[known] = empty

    def decide(self, view: View) -> Floats:
        """What the running slot is filled with."""
        self._remember(view)
        return super().decide(view)

    def _remember(self, view: View) -> None:
        hour = view.hour_of_day
        missing = len(hour) - len(self._memory.hour)
        if missing > 0:
            more = _empty_memory(missing, len(self._rules))
            self._memory = Memory(*map(np.concatenate, zip(self._memory, more, strict=True)))
        memory = Memory(*(part[: len(hour)] for part in self._memory))
        days = memory.days.copy()
        house_kw = view.load_kw
        if self._netted:
            house_kw = np.maximum(0.0, house_kw - view.pv_kw)
        _note(memory, hour, house_kw, view.interval_factor, self._interval_h)
        begun = memory.days > days
        if begun.any():
            of_rows = view.of_rows(begun)
            slots = round(DAY_H / of_rows.slot_h)
            prices = np.sort(of_rows.price_window[:, :slots], axis=1)
            cheap = prices[:, : max(1, prices.shape[1] // CHEAP_SHARE)].mean(axis=1)
            memory_days = self._of_rows(begun)[:, MEMORY_DAYS]
            typical_price = memory.typical_price[begun]
            typical_price += (cheap - typical_price) / np.minimum(memory.days[begun], memory_days)
            memory.typical_price[begun] = typical_price

    def _of_rows(self, rows: Bools) -> Floats:
        """The parameters (m, P) of those of the n households where `rows` are True."""
        return np.broadcast_to(self.parameters, (len(rows), len(PARAMETERS)))[rows]

    def _fill(
        self, view: View, rows: Bools, wanted_kwh: Floats, spare_kwh: Floats
    ) -> tuple[Floats, Floats]:
        p = np.ascontiguousarray(self._of_rows(rows))
        now_kw, budget_kw = np.zeros(view.plugged.shape), np.zeros(len(view.plugged))
        slots, (rules, hours) = slots_of(self.scenario, view), rules_and_hours(self.scenario, view)
        hours = _with_margin(hours, p)
        stored, cells = self._cars[:, STORED], hours.load_kwh.shape[1]
        work = Work(
            np.empty(cells), room_for(rules, cells), np.empty((len(stored), cells)),
            np.empty(len(rules.cells)),
        )  # fmt: skip
        count = slots.prices.shape[1]
        offers = Offers(
            np.empty(2 * count),
            np.empty(2 * count, np.int64),
            np.empty(2 * count, bool),
            np.empty(count, bool),
        )
        free_kw = np.maximum(rules.free_kw, np.maximum(hours.alone_kw, hours.usual_kw))
        free_kw = np.maximum(free_kw, self._own_peaks_kw(view, rows, hours, p))
        left = np.minimum(1.0, view.of_house("month_days_left") / MONTH_DAYS)
        last = p[:, PEAK_SHARE_LAST]
        _fill_all(
            slots, rules, hours, terms_of(self.scenario), self._cars, self.powers_kw,
            view.hours_known, self._memory.typical_price[: len(rows)][rows], self._wear_prices,
            wanted_kwh / stored, spare_kwh / stored, free_kw,
            free_kw.min(axis=1, initial=np.inf), self.scenario.household.limit_kw, p,
            last + (p[:, PEAK_SHARE_FIRST] - last) * left, work, offers, now_kw, budget_kw,
        )  # fmt: skip
        return now_kw, budget_kw

    def _own_peaks_kw(self, view: View, rows: Bools, hours: Hours, p: Floats) -> Floats:
        """What the house alone will set in each rule (n, R); nothing is expected of steps."""
        memory = self._memory
        seen_days = np.clip(memory.days[: len(rows)][rows] - 1.0, 0.0, PEAK_DAYS)[:, None]
        mean_kw = PRIOR_DAYS * hours.usual_kw / USUAL_SHARE
        mean_kw = mean_kw + seen_days * memory.peak_kw[: len(rows)][rows]
        mean_kw /= PRIOR_DAYS + seen_days
        days_left = view.of_house("month_days_left")[:, None]
        days_left = np.where(self._of_year, MONTH_DAYS, days_left)
        share = p[:, OWN_PEAK, None] + p[:, OWN_PEAK_GROWTH, None] * np.log1p(days_left)
        return np.where(self._stepped, 0.0, share * mean_kw)

    def _spare_kwh(self, view: View, wanted_kwh: Floats) -> Floats:
        """What batteries may hold beyond what is wanted (n, K), in cars at the charger."""
        p = self._of_rows(np.ones(len(wanted_kwh), np.bool_))
        reserve_kwh = (p[:, RESERVE_SOC, None] - view.soc) * self._battery_kwh - wanted_kwh
        taking = view.plugged & (view.available_kw > 0.0)
        if not self.scenario.tariff.has_power_charge:
            # At any price it would be wasted where hours are not scarce.
            taking &= np.isfinite(p[:, RESERVE_WORTH_LAST, None])
        spare_kwh: Floats = np.where(taking, np.maximum(0.0, reserve_kwh), 0.0)
        return spare_kwh


def _with_margin(hours: Hours, p: Floats) -> Hours:
    """The same with more or less load than usual in the hours after the running one."""
    load_kwh, per_hour = hours.load_kwh.copy(), round(1.0 / hours.cell_h)
    later = load_kwh[:, per_hour:]
    later *= p[:, LOAD_FACTOR, None]
    later += p[:, LOAD_MARGIN_KW, None] * hours.cell_h
    np.maximum(later, 0.0, out=later)
    return hours._replace(load_kwh=load_kwh)


def parameters_of(values: dict[str, float]) -> Floats:
    """All parameters (P,) in their order, from some of them by name; the others are neutral.

    Raises:
        ValueError: for an unknown name, or a value that is no number or beyond what is searched.
    """
    for name in values:
        if name not in NAMES:
            raise ValueError(
                f"policy tuned_filling has no parameter {name!r}; allowed: {', '.join(NAMES)}"
            )
    found = [
        one.neutral
        if values.get(one.name, one.neutral) == one.neutral
        else checked_number(
            "tuned_filling", one.name, values[one.name], one.low, one.high, one.unit
        )
        for one in PARAMETERS
    ]
    return np.array(found)
