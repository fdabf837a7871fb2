"""The simple rules: what homes do without control, and by load or price alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from baselines.policy import NOTHING_KWH, ROUNDING_KW, Floats, Policy, View
from ev_gym.compiling import compiled
from ev_gym.episode import stream_key, uniform

CHEAPEST_OF_DAY = 8


class Uncontrolled(Policy):
    """Full power while plugged in, to a full battery: a wallbox without any control.

    Knows nothing. It misses the least energy of all and pays whatever power costs on arrival.
    """

    name = "uncontrolled"

    def decide(self, view: View) -> Floats:
        """Full power for every car at the charger."""
        return view.plugged.astype(np.float64)


class LoadBased(Policy):
    """Charge while the house leaves room, to the wanted SoC: the teaching server's first task.

    Knows what base load and sun leave of the connection now. It never asks for more than that, all
    lines together, and ignores prices.
    """

    name = "load_based"

    def decide(self, view: View) -> Floats:
        """What fits beside the base load, until the wanted SoC."""
        return self.within_room(view, view.plugged & (view.energy_to_wanted_kwh > NOTHING_KWH))


class PriceBased(Policy):
    """The cheapest known hours that are enough for the wanted SoC, inside the house's room.

    Knows published prices, planned departure and wanted SoC. In each step it counts the hours
    before departure that are cheaper than now; it charges now if at full power they are not
    enough. So what the house's load or the taper took from it is made up in the next cheapest
    hours. It fails where the cheapest hours lie beyond the published prices, and where load in the
    last hours leaves no room.
    """

    name = "price_based"

    def decide(self, view: View) -> Floats:
        """Charge now where the cheaper hours are not enough."""
        window = np.arange(view.price_window.shape[1])
        into_hour = view.hour_of_day % 1.0
        begins = np.maximum(window[None, :] - into_hour[:, None], 0.0)
        ends = window[None, :] + 1.0 - into_hour[:, None]
        known = window[None, :] < view.hours_known[:, None]
        now = view.price_per_kwh[:, None]
        cheaper = known & (view.price_window < now - 1e-6 * np.abs(now) - 1e-9)
        charging = np.zeros(view.plugged.shape, np.bool_)
        for k in range(view.plugged.shape[1]):
            leaves = view.hours_to_departure[:, k, None]
            hours = np.clip(np.minimum(ends, leaves) - begins, 0.0, None)
            needed_h = view.energy_to_wanted_kwh[:, k] / self.battery_kw[k]
            enough = (hours * cheaper).sum(axis=1) >= needed_h
            charging[:, k] = ~enough & (view.energy_to_wanted_kwh[:, k] > NOTHING_KWH)
        return self.within_room(view, view.plugged & charging)


class PeakShaving(Policy):
    """As evenly as possible over the stay: the least power that still reaches the wanted SoC.

    Knows planned departure and wanted SoC, and stays inside the house's room. For tariffs with a
    power charge. Where less than 6 A would do it charges with 6 A from the arrival on, prices or
    not; it fails where load or the taper take the last hours' room.
    """

    name = "peak_shaving"

    def decide(self, view: View) -> Floats:
        """The lowest level of the charger that is enough until departure."""
        least_kw = np.zeros(view.plugged.shape)
        for k, (car, level_kw) in enumerate(
            zip(self.scenario.vehicles, self.level_kw, strict=True)
        ):
            hours = np.maximum(view.hours_to_departure[:, k], 1.0 / 60.0)
            stored_kw = view.energy_to_wanted_kwh[:, k] / hours
            needed_kw = (stored_kw + car.aux_kw) / car.eta
            enough = np.searchsorted(level_kw, needed_kw - ROUNDING_KW)
            least_kw[:, k] = level_kw[np.minimum(enough, len(level_kw) - 1)]
        wanting = view.plugged & (view.energy_to_wanted_kwh > NOTHING_KWH)
        return self.within_room(view, wanting, least_kw)


class CheapestHours(Policy):
    """The eight cheapest hours of the coming day, inside the house's room, to the wanted SoC.

    The teaching server's own price rule (2024). Knows prices of the 24 hours from now, with those
    not published yet filled in; does not know the departure, so it may charge in the first of
    eight hours when the last ones would have been enough, and misses cars that leave early.
    """

    name = "cheapest_hours"

    def decide(self, view: View) -> Floats:
        """Charge while fewer than eight of the coming 24 hours are cheaper than the running one."""
        day = view.price_window[:, :24]
        cheap = (day < day[:, :1]).sum(axis=1) < CHEAPEST_OF_DAY
        wanting = view.energy_to_wanted_kwh > NOTHING_KWH
        return self.within_room(view, view.plugged & wanting & cheap[:, None])


@compiled
def _draw_rows(seed: np.uint64, step: int, fractions: Floats) -> None:
    rows, cars = fractions.shape
    for i in range(rows):
        key = stream_key(seed, i)
        for k in range(cars):
            fractions[i, k] = uniform(key, step * cars + k)


@compiled
def _draw_ahead(seed: np.uint64, step: int, fractions: Floats) -> None:
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
        drawn = np.zeros(view.plugged.shape)
        _draw_rows(np.uint64(self.seed), self._step, drawn)
        self._step += 1
        return self._spread(drawn)

    def ahead(self, decisions: int, steps: int) -> NDArray[np.float32]:
        """Row 0's actions (steps, K) after so many decisions: they depend on nothing it sees."""
        drawn = np.empty((steps, len(self.levels)))
        _draw_ahead(np.uint64(self.seed), decisions, drawn)
        return self._spread(drawn).astype(np.float32)

    def to_levels(self, fractions: Floats) -> NDArray[np.int64]:
        """Each level of the charger equally often."""
        counts = np.array([len(own) for own in self.levels])
        drawn = (fractions - self.lowest) / (1.0 - self.lowest)
        levels: NDArray[np.int64] = np.minimum((drawn * counts).astype(np.int64), counts - 1)
        return levels

    def _spread(self, drawn: Floats) -> Floats:
        """Numbers from 0 to 1 as fractions from the lowest to 1; exact, so it can be undone."""
        return self.lowest + (1.0 - self.lowest) * drawn
