"""The simple rules: charging without control, by load, by price, evenly, or at random."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from baselines.policies.base import Policy
from baselines.policies.headroom import ROUNDING_KW
from baselines.policies.peaks import cheapest_powers, counts_charge
from baselines.policies.view import View
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.counter_random import stream_key, uniform
from ev_gym.runtime.durations import DAY_H, HOUR_MIN
from ev_gym.scenario import Scenario

CHEAPEST_HOURS = 8
# Prices are observed in float32: they are the same within this share of them, and this much.
SAME_PRICE_SHARE, SAME_PRICE = 1e-6, 1e-9


class Uncontrolled(Policy):
    """Full power while plugged in, to a full battery: a wallbox without any control.

    Knows nothing. It misses the least energy of all and pays whatever power costs on arrival. It is
    what happens without coordination, and what others are measured against (for instance Clement-
    Nyns, Haesen and Driesen 2010, doi:10.1109/TPWRS.2009.2036481; only the abstract was read). It
    fails where many arrive at once, in the evening's dear hours, and charges more than is needed.
    """

    name = "uncontrolled"

    def decide(self, view: View) -> Floats:
        """Full power for every car at the charger."""
        return view.plugged.astype(np.float64)


class Never(Policy):
    """Charge nothing at home, and buy all at public chargers.

    Knows nothing. It is no advice but a yardstick: where not charging is a good answer, the wrong
    question is asked, and a policy that pays more than this one had better not be plugged in.
    """

    name = "never"

    def decide(self, view: View) -> Floats:
        """Nothing for any car."""
        return np.zeros(view.plugged.shape)


class LoadBased(Policy):
    """Charge while the house leaves headroom, to the wanted SoC: the teaching server's first task.

    Knows what base load and sun leave of the connection now. It never asks for more than that, all
    lines together, and ignores prices, so it pays for the evening like `uncontrolled`.
    """

    name = "load_based"

    def decide(self, view: View) -> Floats:
        """What fits beside the base load, until the wanted SoC."""
        return self.within_headroom(view, view.wanting)


@compiled
def _sum_cheaper_slots(
    prices: Floats,
    slot_h: float,
    now_per_kwh: Floats,
    counted_h: Floats,
    into_h: Floats,
    left_h: Floats,
    hours: Floats,
) -> None:
    """Write into `hours` (n, K) what `cheaper_h` gives.

    Args:
        prices: (n, slots) prices of the window, the running slot first.
        slot_h: Length of a slot.
        now_per_kwh: (n,) the price to compare with.
        counted_h: (n,) hours of the window that count.
        into_h: (n,) how much of the running slot has passed.
        left_h: (n, K) hours to departure.
        hours: (n, K) the result.
    """
    for i in range(hours.shape[0]):
        now = now_per_kwh[i]
        below = now - SAME_PRICE_SHARE * abs(now) - SAME_PRICE
        for k in range(hours.shape[1]):
            hours[i, k] = 0.0
            end_h = min(counted_h[i], left_h[i, k] + into_h[i])
            for slot in range(min(prices.shape[1], math.ceil(end_h / slot_h))):
                if prices[i, slot] < below:
                    begins_h = max(slot * slot_h - into_h[i], 0.0)
                    ends_h = (slot + 1.0) * slot_h - into_h[i]
                    hours[i, k] += max(min(ends_h, left_h[i, k]) - begins_h, 0.0)


def cheaper_h(view: View, now_per_kwh: Floats, counted_h: Floats) -> Floats:
    """Hours (n, K) before each car's departure whose prices are below `now_per_kwh` (n,).

    Of the price window only the first `counted_h` (n,) hours count, and of the running one what is
    left of it.
    """
    left_h, into_h = view.hours_to_departure, view.into_slot_h
    hours = np.empty(left_h.shape)
    _sum_cheaper_slots(
        view.price_window, view.slot_h, now_per_kwh, counted_h, into_h, left_h, hours
    )
    return hours


class PriceBased(Policy):
    """The cheapest known slots that are enough for the wanted SoC, inside the house's headroom.

    Args:
        power_charge: Whether a power charge counts in the choice, where there is one.

    Knows published prices, planned departure and wanted SoC. In each step it counts the time before
    departure in which prices are lower than now, slot by slot of the market, and charges now if it
    is not enough at full power. So what the house's load or the taper took from it is made up in
    the next cheapest slots. It is the greedy form of what charging apps do with spot prices; `plan`
    is that as home users know it.

    Where a power charge is billed, full power would pay more for the peak than all slots together.
    Then it compares the powers of the charger: for each the bill of the cheapest slots that are
    enough with it, energy, power charge and what is then missing (`cheapest_powers`), beside the
    house's usual load. It charges with the power of the least bill, if the running slot is one of
    its slots. It knows the peaks so far and their prices too, and adds up what several rules cost.

    It fails where the cheapest slots lie beyond the published prices, and where the load of the
    last hours leaves no headroom. One power for all hours takes too little from those in which the
    house draws little; `water_filling` takes what each leaves.
    """

    name = "price_based"

    def __init__(
        self,
        scenario: Scenario,
        continuous: bool = True,
        seed: int = 0,
        *,
        power_charge: bool = True,
    ) -> None:
        super().__init__(scenario, continuous, seed)
        self._counts_charge = counts_charge(self.name, scenario, power_charge)

    def decide(self, view: View) -> Floats:
        """Charge now where the cheaper hours are not enough."""
        now_per_kwh, known_h = view.price_per_kwh, view.hours_known
        if self._counts_charge:
            power_kw = cheapest_powers(self, view, known_h)
            return self.within_headroom(view, power_kw > 0.0, power_kw)
        enough = cheaper_h(view, now_per_kwh, known_h) >= self.needed_h(view)
        return self.within_headroom(view, view.wanting & ~enough)


class PeakShaving(Policy):
    """As evenly as possible over the stay: the least power that still reaches the wanted SoC.

    Knows planned departure and wanted SoC, and stays inside the house's headroom. It is for tariffs
    with a power charge; users of evcc ask for it (its issue 11324). Where less than 6 A would be
    enough it charges with 6 A from the arrival on, whatever the price. It fails where load or the
    taper take the headroom of the last hours, and it wastes energy, because a charging car also
    consumes some itself.
    """

    name = "peak_shaving"

    def decide(self, view: View) -> Floats:
        """The lowest level of the charger that is enough until departure."""
        left_h, wanted_kwh = view.hours_to_departure, view.energy_to_wanted_kwh
        least_kw = np.zeros(left_h.shape)
        for k, (car, level_kw) in enumerate(
            zip(self.scenario.vehicles, self.level_kw, strict=True)
        ):
            hours = np.maximum(left_h[:, k], 1.0 / HOUR_MIN)
            battery_kw = wanted_kwh[:, k] / hours
            needed_kw = (battery_kw + car.aux_kw) / car.eta
            enough = np.searchsorted(level_kw, needed_kw - ROUNDING_KW)
            least_kw[:, k] = level_kw[np.minimum(enough, len(level_kw) - 1)]
        return self.within_headroom(view, view.wanting, least_kw)


class CheapestHours(Policy):
    """The eight cheapest hours of the coming day, inside the house's headroom, to the wanted SoC.

    The teaching server's own price rule (2024); on a market of quarter-hours the 32 cheapest of
    them. Slots of one price all count or none, unless they are the cheapest. Knows the prices of
    the 24 hours from now, with those not published yet filled in. It does not know the departure:
    so it may charge in the first of the eight hours when the last ones would have been enough, and
    cars that leave early miss energy.
    """

    name = "cheapest_hours"

    def decide(self, view: View) -> Floats:
        """Charge while the running slot is one of the cheapest of the coming 24 hours."""
        day = view.price_window[:, : round(DAY_H / view.slot_h)]
        now = day[:, :1]
        cheaper_h = view.slot_h * (day < now).sum(axis=1)
        as_cheap_h = view.slot_h * (day <= now).sum(axis=1)
        cheap = (as_cheap_h <= CHEAPEST_HOURS) | (cheaper_h == 0.0)
        return self.within_headroom(view, view.wanting & cheap[:, None])


@compiled
def _draw_rows(seed: np.uint64, step: int, fractions: Floats) -> None:
    """Numbers (rows, K) of one step, each row's from its own stream."""
    rows, cars = fractions.shape
    for i in range(rows):
        key = stream_key(seed, i)
        for k in range(cars):
            fractions[i, k] = uniform(key, step * cars + k)


@compiled
def _draw_ahead(seed: np.uint64, step: int, fractions: Floats) -> None:
    """Numbers (steps, K) of row 0's stream from a step on."""
    steps, cars = fractions.shape
    key = stream_key(seed, 0)
    for i in range(steps):
        for k in range(cars):
            fractions[i, k] = uniform(key, (step + i) * cars + k)


class Random(Policy):
    """Uniformly random actions, discharging included where it is allowed: an untrained agent.

    Row i draws its own numbers from `seed` and i, whatever the number of rows, and goes on drawing
    through all episodes.
    """

    name = "random"
    draws = True
    _step = 0

    def resume(self, decisions: int) -> None:
        """Go on with the numbers that come after so many decisions."""
        self._step = decisions

    def decide(self, view: View) -> Floats:
        """Independent fractions, uniform over the action space."""
        numbers = np.zeros(view.plugged.shape)
        _draw_rows(np.uint64(self.seed), self._step, numbers)
        self._step += 1
        return self._spread(numbers)

    def ahead(self, decisions: int, steps: int) -> NDArray[np.float32]:
        """Row 0's actions (steps, K) after so many decisions: they depend on no observation."""
        numbers = np.empty((steps, len(self.levels)))
        _draw_ahead(np.uint64(self.seed), decisions, numbers)
        return self._spread(numbers).astype(np.float32)

    def to_levels(self, fractions: Floats) -> NDArray[np.int64]:
        """Each level of the charger equally often."""
        counts = np.array([len(of_car) for of_car in self.levels])
        numbers = (fractions - self.lowest) / (1.0 - self.lowest)
        levels: NDArray[np.int64] = np.minimum((numbers * counts).astype(np.int64), counts - 1)
        return levels

    def _spread(self, numbers: Floats) -> Floats:
        """Numbers from 0 to 1 as fractions from the lowest to 1; exact, so it can be undone."""
        return self.lowest + (1.0 - self.lowest) * numbers
