"""The policy made for power charges: as much as a budget of power leaves, and no more."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from baselines.policies.app_rules import checked_number
from baselines.policies.base import Policy
from baselines.policies.headroom import ROUNDING_KW
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
    fill,
    missing_cost,
    power_charge,
    room_for,
    room_kwh,
    rules_and_hours,
    slots_of,
    terms_of,
)
from baselines.policies.view import View
from ev_gym.drivers.calendar import WORTH_A_STOP_KWH
from ev_gym.runtime.arrays import Bools, Floats
from ev_gym.runtime.compiling import compiled
from ev_gym.scenario import Scenario

RAISE_KW = 0.5  # budgets that are tried lie so far apart
MOST_KW, LEAST_KW, STORED = 0, 1, 2  # columns of what is known of a car


class Work(NamedTuple):
    """Arrays to work in, an entry for each of H cells: compiled code allocates nothing.

    Attributes:
        load_kwh: (H,) what house and cars import.
        room: What a budget leaves.
        taken_kwh: (K, H) what each car takes.
        budget_kw: (R,) what each rule's intervals may reach.
    """

    load_kwh: Floats
    room: Room
    taken_kwh: Floats
    budget_kw: Floats


@compiled
def leave_room(rules: Rules, hours: Hours, i: int, work: Work) -> None:
    """Write into the room what budgets leave beside the load, inside the connection."""
    load_kwh, room = work.load_kwh, work.room
    for cell in range(load_kwh.shape[0]):
        added_kwh = load_kwh[cell] - hours.load_kwh[i, cell]  # by cars before
        room.cell_kwh[cell] = max(0.0, hours.room_kwh[i, cell] - added_kwh)
    running = cell_of(hours, i, 0.0)
    for r in range(rules.cells.shape[0]):
        cells = rules.cells[r]
        for interval in range(load_kwh.shape[0] // cells):
            before_kw = rules.before_kw[i, r] if interval == running // cells else 0.0
            left_kwh = (work.budget_kw[r] - before_kw) * cells * hours.cell_h
            for cell in range(interval * cells, (interval + 1) * cells):
                left_kwh -= hours.factor[i, r, cell] * load_kwh[cell]
            room.counted_kwh[r, interval] = max(0.0, left_kwh)


@compiled
def power_now(
    kwh: float, spare_kwh: float, rest_h: float, step_h: float, powers_kw: Floats, least_kw: float
) -> float:
    """With which power a car begins to take `kwh` from the running slot, evenly over its rest.

    The next higher one of the charger, where the interval's room, with `spare_kwh` besides, allows
    it for a step.
    """
    if kwh <= SAME_KWH:
        return 0.0
    even_kw = max(kwh / rest_h, least_kw)
    for level in range(powers_kw.shape[0]):
        if powers_kw[level] >= even_kw - ROUNDING_KW:
            if powers_kw[level] * step_h <= kwh + spare_kwh + SAME_KWH:
                return float(powers_kw[level])
            break
    return even_kw


@compiled
def _bill(
    slots: Slots,
    rules: Rules,
    hours: Hours,
    terms: Terms,
    car: Floats,
    work: Work,
    i: int,
    k: int,
    want_kwh: float,
    budget_kw: float,
    free_kw: Floats,
) -> tuple[float, float]:
    """What it costs to fill a car under a budget, and what of it is for the running slot.

    `work` then holds what it takes from each cell, and what that leaves of the room. A rule that
    leaves more than the budget, for nothing, leaves that.
    """
    for r in range(free_kw.shape[0]):
        work.budget_kw[r] = max(free_kw[r], budget_kw)
    leave_room(rules, hours, i, work)
    bill, rest_kwh, now_kwh = fill(
        slots, slots.prices.shape[1], rules, hours, terms, i, k, car[MOST_KW], car[LEAST_KW],
        want_kwh, work.room, work.taken_kwh[k],
    )  # fmt: skip
    bill += missing_cost(rest_kwh * car[STORED], terms)
    bill += power_charge(work.taken_kwh[k], work.load_kwh, rules, hours, i, free_kw)
    return bill, now_kwh


@compiled
def _needed_kw(rules: Rules, hours: Hours, i: int, cell: int, work: Work, kwh: float) -> float:
    """The budget that leaves a cell so much beside the load; 0 where no rule counts it."""
    needed_kw, running = 0.0, cell_of(hours, i, 0.0)
    for r in range(rules.cells.shape[0]):
        factor, cells = hours.factor[i, r], rules.cells[r]
        if factor[cell] > 0.0:
            first = cell // cells * cells
            counted_kwh = factor[cell] * kwh
            for other in range(first, first + cells):
                counted_kwh += factor[other] * work.load_kwh[other]
            reached_kw = counted_kwh / (cells * hours.cell_h)
            if cell // cells == running // cells:
                reached_kw += rules.before_kw[i, r]
            if reached_kw > work.budget_kw[r]:
                needed_kw = max(needed_kw, reached_kw)
    return needed_kw


@compiled
def first_budget(
    slots: Slots,
    rules: Rules,
    hours: Hours,
    terms: Terms,
    car: Floats,
    work: Work,
    i: int,
    k: int,
    lowest_kw: float,
    free_kw: Floats,
) -> float:
    """The least budget under which a car can take its least power in some step of its stay.

    That is the lowest one, or, where it leaves that to no step, what load and least power reach.
    """
    for r in range(free_kw.shape[0]):
        work.budget_kw[r] = max(free_kw[r], lowest_kw)
    leave_room(rules, hours, i, work)
    first_kw, slot_h, into_h, left_h = math.inf, slots.slot_h, slots.into_h[i], slots.left_h[i, k]
    for slot in range(slots.prices.shape[1]):
        begins_h = max(slot * slot_h - into_h, 0.0)
        long_h = min((slot + 1.0) * slot_h - into_h, left_h) - begins_h
        if long_h <= SAME_TIME_H:
            break
        cell = cell_of(hours, i, begins_h)
        step_kwh = car[LEAST_KW] * min(long_h, terms.step_h)
        if work.room.cell_kwh[cell] >= step_kwh - SAME_KWH:
            if room_kwh(work.room, rules, hours, i, cell) >= step_kwh - SAME_KWH:
                return lowest_kw
            first_kw = min(first_kw, _needed_kw(rules, hours, i, cell, work, step_kwh))
    return lowest_kw if math.isinf(first_kw) else max(lowest_kw, first_kw)


@compiled
def _best_budget(
    slots: Slots,
    rules: Rules,
    hours: Hours,
    terms: Terms,
    car: Floats,
    work: Work,
    i: int,
    k: int,
    want_kwh: float,
    lowest_kw: float,
    free_kw: Floats,
    most_kw: float,
) -> float:
    """The budget with the least bill; the lower one at a tie.

    A budget under which the car could not charge at all is none where it needs enough for a stop.
    """
    if want_kwh * car[STORED] > WORTH_A_STOP_KWH:
        lowest_kw = first_budget(slots, rules, hours, terms, car, work, i, k, lowest_kw, free_kw)
    best, best_kw, tried_kw = math.inf, lowest_kw, lowest_kw
    while True:
        bill, _ = _bill(slots, rules, hours, terms, car, work, i, k, want_kwh, tried_kw, free_kw)
        if bill < best - SAME_KWH:
            best, best_kw = bill, tried_kw
        tried_kw += RAISE_KW
        if tried_kw > most_kw:
            return best_kw


@compiled
def _fill_all(
    slots: Slots,
    rules: Rules,
    hours: Hours,
    terms: Terms,
    cars: Floats,
    powers_kw: Floats,
    needed_kwh: Floats,
    spare_kwh: Floats,
    free_kw: Floats,
    lowest_kw: Floats,
    most_kw: float,
    work: Work,
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
        needed_kwh: (n, K) at the wall.
        spare_kwh: (n, K) at the wall, what may be stored besides.
        free_kw: (n, R) what costs nothing in each rule.
        lowest_kw: (n,) the least of these.
        most_kw: The highest budget.
        work: To work in.
        now_kw: (n, K) the result: power of the coming step.
        budget_kw: (n,) the result: the budget, raised where that pays.
    """
    for i in range(needed_kwh.shape[0]):
        copy(work.load_kwh, hours.load_kwh[i])
        budget_kw[i] = lowest_kw[i]
        for fills in range(2 * needed_kwh.shape[1]):
            k = fills % needed_kwh.shape[1]
            besides = fills >= needed_kwh.shape[1]
            want_kwh, tried_kw = needed_kwh[i, k], budget_kw[i]
            if besides:
                # Both together, and nothing is raised for it.
                want_kwh, tried_kw = want_kwh + spare_kwh[i, k], lowest_kw[i]
                if spare_kwh[i, k] <= SAME_KWH or now_kw[i, k] > 0.0:
                    continue
                add(work.load_kwh, work.taken_kwh[k], -1.0)
            else:
                work.taken_kwh[k], now_kw[i, k] = 0.0, 0.0
                if want_kwh <= SAME_KWH:
                    continue
                tried_kw = _best_budget(
                    slots, rules, hours, terms, cars[k], work, i, k, want_kwh, tried_kw,
                    free_kw[i], most_kw,
                )  # fmt: skip
                budget_kw[i] = tried_kw
            _, kwh = _bill(
                slots, rules, hours, terms, cars[k], work, i, k, want_kwh, tried_kw, free_kw[i]
            )
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


class WaterFilling(Policy):
    """The needed energy into the cheapest slots, under a budget of power for every hour.

    Args:
        reserve_soc: Up to here a car is charged beyond the wanted SoC, as far as the budget leaves
            something that costs no power charge; 0: never. Without a power charge it is not used.

    The budget begins where an interval costs no more power charge: at the peak so far, or at what
    the house alone will draw in its highest hour, if a day is as usual. What it leaves beside the
    house's usual load is filled, slot by slot, the cheapest first, an hour that counts half twice
    as high. The budget is raised, by 0.5 kW at a time, as far as that makes the bill of the stay
    less: of the energy, of what the raise adds to the power charge, and of what else were missing
    and bought at a public charger. Where it leaves the car's least current in no step of the stay,
    and more than 1 kWh is needed, it first rises to the least that does, whatever this stay alone
    would save: the peak serves the month's other stays too. In each step it is worked out anew,
    from a peak that is now higher or a load that was not the usual one.

    Of several rules each has its own peak; the budget begins at the lowest of them, and a raise
    pays for those that it exceeds. In a charge of steps it begins at the end of the step that the
    house alone will probably reach (`peak_rule`), and a raise beyond costs all of the next step.

    Knows planned departure, wanted SoC, the prices of the whole window (those not published yet
    filled in), the peaks and their prices, and the usual load of each hour. Under a budget, hours
    are scarce, so it fills a reserve when they are not: a stay of two hours that needs 30 kWh would
    otherwise cost a peak or a public charger.

    Source: that loads are poured like water on a house's own load is Shinwari, Youssef and Hamouda
    2012, doi:10.1109/TCE.2012.6311325; the budget, its raise and the reserve are ours. The paper
    itself was not read.

    It fails where the house draws more than usual in the hours it counted on, also for a quarter of
    an hour where those count, and where a higher peak would have paid off over many stays: it looks
    at one. A reserve is bought at prices that a later day may undercut.
    """

    name = "water_filling"

    def __init__(
        self,
        scenario: Scenario,
        continuous: bool = True,
        seed: int = 0,
        *,
        reserve_soc: float = 0.9,
    ) -> None:
        super().__init__(scenario, continuous, seed)
        self.reserve_soc = checked_number(self.name, "reserve_soc", reserve_soc, 0.0, 1.0, "")
        least_kw = [powers[powers > ROUNDING_KW][0] for powers in self.powers_kw]
        max_kw = self.powers_kw[:, -1]
        self._cars = np.stack([max_kw, least_kw, self.battery_kw / max_kw], axis=1)
        self._battery_kwh = np.array([car.battery_kwh for car in scenario.vehicles])

    def decide(self, view: View) -> Floats:
        """What the running slot is filled with."""
        now_kw, _ = self.fill(view)
        return self.within_headroom(view, now_kw > 0.0, now_kw)

    def fill(self, view: View) -> tuple[Floats, Floats]:
        """Power (n, K) of the coming step, and the budgets (n,) after raising."""
        now_kw, budget_kw = np.zeros(view.plugged.shape), np.zeros(len(view.plugged))
        wanted_kwh = np.where(view.wanting, view.energy_to_wanted_kwh, 0.0)
        spare_kwh = self._spare_kwh(view, wanted_kwh)
        rows = np.asarray(((wanted_kwh > 0.0) | (spare_kwh > 0.0)).any(axis=1))
        if rows.any():
            of_rows = self._fill(view.of_rows(rows), rows, wanted_kwh[rows], spare_kwh[rows])
            now_kw[rows], budget_kw[rows] = of_rows
        return now_kw, budget_kw

    def _fill(
        self, view: View, rows: Bools, wanted_kwh: Floats, spare_kwh: Floats
    ) -> tuple[Floats, Floats]:
        """The same of those households alone, where `rows` are True, that have a car to fill."""
        now_kw, budget_kw = np.zeros(view.plugged.shape), np.zeros(len(view.plugged))
        slots, (rules, hours) = slots_of(self.scenario, view), rules_and_hours(self.scenario, view)
        stored, cells = self._cars[:, STORED], hours.load_kwh.shape[1]
        work = Work(
            np.empty(cells), room_for(rules, cells), np.empty((len(stored), cells)),
            np.empty(len(rules.cells)),
        )  # fmt: skip
        free_kw = np.maximum(rules.free_kw, np.maximum(hours.alone_kw, hours.usual_kw))
        _fill_all(
            slots, rules, hours, terms_of(self.scenario), self._cars, self.powers_kw,
            wanted_kwh / stored, spare_kwh / stored, free_kw,
            free_kw.min(axis=1, initial=np.inf), self.scenario.household.limit_kw, work, now_kw,
            budget_kw,
        )  # fmt: skip
        return now_kw, budget_kw

    def _spare_kwh(self, view: View, wanted_kwh: Floats) -> Floats:
        """What batteries may hold beyond what is wanted (n, K), in cars at the charger."""
        if not self.scenario.tariff.has_power_charge:
            return np.zeros(wanted_kwh.shape)
        reserve_kwh = (self.reserve_soc - view.soc) * self._battery_kwh - wanted_kwh
        taking = view.plugged & (view.available_kw > 0.0)
        spare_kwh: Floats = np.where(taking, np.maximum(0.0, reserve_kwh), 0.0)
        return spare_kwh
