"""The rules that home users know from their charging apps: plan, price limit, delay, fixed hours.

Each charges to the wanted SoC at full power while its rule allows, inside the headroom that the
house leaves. Their descriptions follow evcc, a widely used open-source energy manager; the sources
of its documentation (github.com/evcc-io/docs) were read in this project. Where a rule here differs,
its class says so.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.policies.base import Policy
from baselines.policies.peaks import (
    SAME_TIME_H,
    below_peak_kw,
    cheapest_blocks,
    cheapest_powers,
    counts_charge,
)
from baselines.policies.simple_rules import SAME_PRICE, SAME_PRICE_SHARE, cheaper_h
from baselines.policies.view import View
from ev_gym.runtime.arrays import Bools, Floats
from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.durations import DAY_H, HOUR_MIN
from ev_gym.scenario import Scenario


def checked_number(policy: str, name: str, value: Any, low: float, high: float, unit: str) -> float:
    """An argument of a policy as a number.

    Raises:
        ValueError: unless it is a number from `low` to `high`.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise ValueError(
            f"policy {policy}: {name} is {value!r}; allowed: a number from {low:g} to {high:g} "
            f"{unit}"
        )
    return float(value)


@compiled
def _cost_of(prices: Floats, from_slot: float, to_slot: float) -> float:
    """Sum of prices (slots,) over a time that may begin and end in the midst of slots."""
    total, slot = 0.0, math.floor(from_slot)
    while slot < min(to_slot, prices.shape[0]):
        total += prices[slot] * (min(slot + 1.0, to_slot) - max(float(slot), from_slot))
        slot += 1
    return total


@compiled
def _best_now(
    prices: Floats,
    slot_h: float,
    into_h: Floats,
    needed_h: Floats,
    left_h: Floats,
    step_h: float,
    best: Bools,
) -> None:
    """Mark in `best` (n, K) where one block of `needed_h` that begins now is as cheap as any later.

    Later starts are whole steps away; the block ends before departure and within the window.

    Args:
        prices: (n, slots) prices of the window, the running slot first.
        slot_h: Length of a slot.
        into_h: (n,) how much of the running slot has passed.
        needed_h: (n, K) length of each car's block.
        left_h: (n, K) hours to departure.
        step_h: Length of a step.
        best: (n, K) the result.
    """
    step = step_h / slot_h  # in slots, as are the block and its starts
    for i in range(best.shape[0]):
        for k in range(best.shape[1]):
            block, first = needed_h[i, k] / slot_h, into_h[i] / slot_h
            now = _cost_of(prices[i], first, first + block)
            last = min(left_h[i, k] / slot_h, prices.shape[1] - first) - block
            best[i, k], steps = True, 1
            while best[i, k] and steps * step <= last:
                start = first + steps * step
                later = _cost_of(prices[i], start, start + block)
                best[i, k] = later >= now - SAME_PRICE_SHARE * abs(now) - SAME_PRICE
                steps += 1


class ChargingPlan(Policy):
    """A charging plan: the cheapest slots before departure that take the car to its wanted SoC.

    Args:
        continuous: One unbroken block, the cheapest one, instead of separate slots.
        power_charge: Whether a power charge counts in the choice, where there is one.

    The slots are those of the market at full power, and of equally dear ones the earlier comes
    first. Knows the planned departure, the wanted SoC and the prices of the whole window (36 h by
    default): the published ones and, for times not published yet, the filled-in ones as a guess.
    Without `continuous` it differs from `price_based` in that guess alone: `price_based` counts
    published prices only and so charges today for a departure after tomorrow, where a plan waits
    for a slot that tomorrow will probably offer. Both decide anew in every step, so what load or
    taper took from one slot is made up in another.

    An unbroken block begins where none that begins later is cheaper, and then goes on. Without that
    memory, the rest would often be cheaper elsewhere, and charging would stop and start again
    (evcc's issue 27129). It pauses only while the house leaves no headroom.

    Source: "Ladepläne", documentation of evcc (docs/features/plans); the continuous form is its
    pull request 24423. evcc prefers the later of equal slots and waits for unpublished prices
    instead of guessing them. The Home Assistant integration EV Smart Charging offers the same
    choice between one block and several (its readme).

    Where a power charge is billed, it chooses the power too, as `price_based` does: the one with
    which the cheapest slots, or the cheapest block, cost least, power charge and missing energy
    included. A block keeps to no power: what is left is charged with the one that is best then.

    It fails where tomorrow's prices are not like today's, and where load or the taper take from the
    last hours before departure. Without `power_charge` a tariff that has one makes it dear.
    """

    name = "plan"

    def __init__(
        self,
        scenario: Scenario,
        fractions: bool = True,
        seed: int = 0,
        *,
        continuous: bool = False,
        power_charge: bool = True,
    ) -> None:
        super().__init__(scenario, fractions, seed)
        self._counts_charge = counts_charge(self.name, scenario, power_charge)
        if not isinstance(continuous, bool):
            raise ValueError(
                f"policy plan: continuous is {continuous!r}; allowed: True (one block) or False"
            )
        self.remembers = continuous
        self._in_progress = np.zeros((0, 0), np.bool_)  # (n, K) blocks

    def reset(self, rows: NDArray[np.int64] | None = None) -> None:
        """Forget which blocks had begun."""
        if rows is None or not self._in_progress.size:
            self._in_progress = np.zeros((0, 0), np.bool_)
        else:
            self._in_progress[rows] = False

    def decide(self, view: View) -> Floats:
        """Full power in the slots of the plan."""
        prices = view.price_window
        all_h = np.full(len(prices), view.slot_h * prices.shape[1])
        if self._counts_charge:
            power_kw = (
                self._block_kw(view) if self.remembers else cheapest_powers(self, view, all_h)
            )
            return self.within_headroom(view, power_kw > 0.0, power_kw)
        if self.remembers:
            return self.within_headroom(view, self._in_block(view))
        enough = cheaper_h(view, prices[:, 0].copy(), all_h) >= self.needed_h(view)
        return self.within_headroom(view, view.wanting & ~enough)

    def _block_kw(self, view: View) -> Floats:
        """Power of each car's block; 0 where it has not begun."""
        if self._in_progress.shape != view.wanting.shape:
            self._in_progress = np.zeros_like(view.wanting)
        power_kw = cheapest_blocks(self, view, self._in_progress)
        self._in_progress = view.wanting & (power_kw > 0.0)
        return power_kw

    def _in_block(self, view: View) -> Bools:
        """Whether each car's block has begun, now or before."""
        wanting = view.wanting
        if self._in_progress.shape != wanting.shape:
            self._in_progress = np.zeros_like(wanting)
        best = np.empty_like(wanting)
        step_h = self.scenario.time_step_min / HOUR_MIN
        needed_h, left_h = self.needed_h(view), view.hours_to_departure
        _best_now(view.price_window, view.slot_h, view.into_slot_h, needed_h, left_h, step_h, best)
        self._in_progress = wanting & (self._in_progress | best)
        return self._in_progress


class PriceLimit(Policy):
    """Charge while the all-in price is at most a limit, to the wanted SoC.

    Args:
        limit_per_kwh: The limit in the scenario's currency per kWh; None: the mean of the published
            prices from now on.

    Knows the price now and, for the mean, the published ones. It does not know the departure:
    nothing is guaranteed, and what is missing then is bought at a public charger. With None it
    charges in roughly the cheaper half of the hours, at any level of prices.

    Source: the price limit for charging from the grid in the documentation of evcc
    (docs/features/dynamic-prices). There it is added to `pv_surplus` and charges up to the limit of
    the car. EV Smart Charging has one too; its readme warns that the car may not reach its target.

    It fails where prices stay above a fixed limit for days, or below it always.
    """

    name = "price_limit"

    def __init__(
        self,
        scenario: Scenario,
        continuous: bool = True,
        seed: int = 0,
        *,
        limit_per_kwh: float | None = None,
    ) -> None:
        super().__init__(scenario, continuous, seed)
        self.limit_per_kwh = limit_per_kwh
        if limit_per_kwh is not None:
            unit = f"{scenario.currency}/kWh, or None"
            self.limit_per_kwh = checked_number(
                self.name, "limit_per_kwh", limit_per_kwh, -1e3, 1e3, unit
            )

    def decide(self, view: View) -> Floats:
        """Full power while the price is low enough."""
        if self.limit_per_kwh is None:
            prices = view.price_window
            slots_known = np.maximum(np.round(view.hours_known / view.slot_h), 1.0)
            is_known = np.arange(prices.shape[1]) < slots_known[:, None]
            limit: Any = (prices * is_known).sum(axis=1) / slots_known
        else:
            limit = self.limit_per_kwh
        cheap = view.price_per_kwh <= limit + SAME_PRICE_SHARE * np.abs(limit) + SAME_PRICE
        return self.within_headroom(view, view.wanting & cheap[:, None])


class Delayed(Policy):
    """As late as possible: full power from the last moment that is early enough, with a margin.

    Args:
        margin_h: Hours before departure at which charging shall be over.

    Knows the planned departure and the wanted SoC, no prices. The battery is warm at departure and
    does not stand at a high SoC for long, which slows its calendar ageing.

    Source: evcc's plan without a tariff, and its late charging ("Spätes Laden", same page as for
    `plan`). The margin of a quarter of an hour is our choice.

    It fails where load or the taper take more than the margin from the last hours, and where many
    do it: their morning peaks coincide.
    """

    name = "delayed"

    def __init__(
        self,
        scenario: Scenario,
        continuous: bool = True,
        seed: int = 0,
        *,
        margin_h: float = 0.25,
    ) -> None:
        super().__init__(scenario, continuous, seed)
        self.margin_h = checked_number(self.name, "margin_h", margin_h, 0.0, DAY_H, "h")
        # One step more, since the next decision must not come too late.
        self._spare_h = self.margin_h + scenario.time_step_min / HOUR_MIN

    def decide(self, view: View) -> Floats:
        """Full power once no more time is left than it takes, the margin and one step included."""
        due = view.hours_to_departure < self.needed_h(view) + self._spare_h
        return self.within_headroom(view, view.wanting & due)


class Night(Policy):
    """Fixed hours of the night, by the local clock, to the wanted SoC.

    Args:
        from_h: Local hour at which charging may begin, 0 to 24.
        to_h: Local hour by which it ends; one that is before `from_h` is of the next day.
        power_charge: Whether a power charge counts in the choice, where there is one.

    Knows nothing but its clock. It is the timer of nearly every car and wallbox, made for tariffs
    with two prices (the default fits Ellevio's power charge, where 22 to 6 counts half). Clement-
    Nyns, Haesen and Driesen (2010, doi:10.1109/TPWRS.2009.2036481; only the abstract was read) name
    charging after a fixed delay, beside charging on arrival, as what happens without coordination.

    Where a power charge is billed, the peak that the nights have set is paid for, and by day the
    house leaves much of it. So a car that the hours before its planned departure do not bring to
    the wanted SoC charges in other hours too, with what stays below the peaks so far: of several
    rules, below the least of those that cost something then.

    It fails where the car needs more than those hours or is not at home in them, where other hours
    are cheaper, and where all cars begin at once. A step that is not wholly inside is left out.
    """

    name = "night"

    def __init__(
        self,
        scenario: Scenario,
        continuous: bool = True,
        seed: int = 0,
        *,
        from_h: float = 22.0,
        to_h: float = 6.0,
        power_charge: bool = True,
    ) -> None:
        super().__init__(scenario, continuous, seed)
        self._counts_charge = counts_charge(self.name, scenario, power_charge)
        self.from_h = checked_number(self.name, "from_h", from_h, 0.0, DAY_H, "h")
        self.to_h = checked_number(self.name, "to_h", to_h, 0.0, DAY_H, "h")
        if from_h == to_h:
            raise ValueError(
                f"policy night: from_h and to_h are both {from_h!r}; allowed: different hours"
            )
        # From 0 to 24 is the whole day, of which the remainder is 0.
        self._length_h = (to_h - from_h) % DAY_H or float(DAY_H)
        self._latest_start_h = self._length_h - scenario.time_step_min / HOUR_MIN

    def decide(self, view: View) -> Floats:
        """Full power in steps that lie within those hours, in others what costs no peak."""
        since_h = (view.hour_of_day - self.from_h) % DAY_H
        night = since_h <= self._latest_start_h + SAME_TIME_H
        fractions = self.within_headroom(view, view.wanting & night[:, None])
        if self._counts_charge:
            short = self._night_h(since_h[:, None], view.hours_to_departure) < self.needed_h(view)
            by_day = self.within_headroom(
                view,
                view.wanting & short & ~night[:, None],
                headroom_kw=np.minimum(view.headroom_kw, below_peak_kw(self.scenario, view)),
            )
            fractions = np.maximum(fractions, by_day)
        return fractions

    def _night_h(self, since_h: Floats, left_h: Floats) -> Floats:
        """Hours of the night (n, K) among the next `left_h`, `since_h` after one began."""

        def until(time_h: Floats) -> Floats:
            nights, part_h = np.divmod(time_h, DAY_H)
            hours: Floats = nights * self._length_h + np.minimum(part_h, self._length_h)
            return hours

        return until(since_h + left_h) - until(since_h)
