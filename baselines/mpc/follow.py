"""How `mpc` follows its plan within an hour: what every car is told in every step.

A plan says how much each battery is to hold at the end of the hour. What is missing of that is
charged evenly over the rest of the hour, in whole amperes or levels: slow charging wears the
battery less, and the later steps can still answer to what the load does. No step imports more than
what the planned peak still leaves, if the load stays as it is; so at the hour's end, where the load
is known, the peak is kept to the ampere. Of the sun, what the house leaves is taken as it comes; a
car that is discharged follows what the house takes, and gives what else it is to give as late as it
can. The last ampere is taken or left by what it costs.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from baselines.mpc.memory import Sight
from baselines.mpc.plan import Car, Plan, Site, Stay
from baselines.policies.headroom import ROUNDING_KW
from baselines.policies.view import NOTHING_KWH


class Settings(NamedTuple):
    """What a car can be told, from nothing to full power; of a power in kW each entry tells.

    Attributes:
        fraction: Of the maximum current.
        power_kw: At the wall.
        stored_kw: Into the battery while charging.
        taken_kw: Out of it while discharging.
    """

    fraction: list[float]
    power_kw: list[float]
    stored_kw: list[float]
    taken_kw: list[float]

    def within(self, room_kw: float) -> int:
        """The highest setting that fits into a room."""
        return max(0, bisect_right(self.power_kw, room_kw + ROUNDING_KW) - 1)


class Follower:
    """Follows one plan through one step.

    Args:
        site: Of the scenario.
        sight: What is known.
        plan: Of the running hour.
        step_h: Length of a step.
        managed: Whether load management shares the connection.
    """

    def __init__(self, site: Site, sight: Sight, plan: Plan, step_h: float, managed: bool) -> None:
        self._step_h, self._managed, self._bidirectional = step_h, managed, site.bidirectional
        self._left_h = 1.0 - sight.hour_of_day % 1.0
        self._room_kw = site.limit_kw - sight.load_kw + sight.sun_kw
        self._net_kw = sight.load_kw - (sight.sun_kw if site.netted else 0.0)
        # Imports (kWh) that the planned peak leaves the cars in this hour, if the load stays.
        self._budget_kwh = math.inf
        if sight.power_price > 0.0:
            hour_kwh = (plan.peak_kw - sight.hour_kwh) / sight.factor
            self._budget_kwh = hour_kwh - self._net_kw * self._left_h

    def tell(
        self, car: Car, own: Settings, want_kwh: float, leaves_h: float, rather_more: RatherMore
    ) -> float:
        """The fraction for a car that is to store so much more until the hour, or its stay, ends.

        Args:
            car: The car.
            own: Its settings.
            want_kwh: What is to be stored; below 0 to be taken out.
            leaves_h: How long it stays.
            rather_more: What decides about the last ampere.
        """
        until_h = min(self._left_h, leaves_h)
        step_h = min(self._step_h, until_h)
        if step_h <= 0.0:
            return 0.0
        if want_kwh > NOTHING_KWH:
            choice = self._charge(car, own, want_kwh, step_h, until_h, rather_more)
            if not self._managed:
                self._room_kw -= own.power_kw[choice]
            self._budget_kwh -= own.power_kw[choice] * step_h
            self._net_kw += own.power_kw[choice]
            return own.fraction[choice]
        if want_kwh < -NOTHING_KWH and self._bidirectional:
            choice = self._discharge(own, -want_kwh, step_h, until_h)
            self._net_kw -= own.power_kw[choice]
            return -own.fraction[choice]
        return 0.0

    def _charge(
        self,
        car: Car,
        own: Settings,
        want_kwh: float,
        step_h: float,
        until_h: float,
        rather_more: RatherMore,
    ) -> int:
        most = own.within(min(self._room_kw, self._budget_kwh / step_h))
        able_kwh = min(want_kwh, self._budget_kwh * car.stored_per_kwh)
        choice = 0
        if able_kwh > NOTHING_KWH:
            choice = min(bisect_left(own.stored_kw, able_kwh / until_h - ROUNDING_KW), most)
        if self._net_kw < 0.0:
            from_sun = max(1, own.within(-self._net_kw))
            wanted = bisect_right(own.stored_kw, want_kwh / step_h + ROUNDING_KW) - 1
            choice = max(choice, min(from_sun, wanted, most))
        more_kwh, less_kwh = (own.stored_kw[max(0, i)] * step_h for i in (choice, choice - 1))
        if more_kwh > want_kwh > less_kwh and not rather_more(want_kwh, less_kwh, more_kwh):
            choice -= 1
        return choice

    def _discharge(self, own: Settings, give_kwh: float, step_h: float, until_h: float) -> int:
        now_kwh = give_kwh - own.taken_kw[-1] * (until_h - step_h)
        choice = max(0, bisect_right(own.taken_kw, now_kwh / step_h + ROUNDING_KW) - 1)
        if self._net_kw > 0.0:
            for_house = max(1, own.within(self._net_kw))
            wanted = bisect_right(own.taken_kw, give_kwh / step_h + ROUNDING_KW) - 1
            choice = max(choice, min(for_house, wanted))
        return choice


class RatherMore(NamedTuple):
    """Decides whether the last ampere of an hour is taken, where no setting gives just enough.

    Where the plan charges later too, the nearer setting is taken: later makes up for it. Else a
    kWh that misses costs the public charger's price, if the plan reaches no more than what is
    wanted, and one that is stored too much is worth something at the next stay.
    """

    later: bool
    price_per_kwh: float  # of a stored kWh now
    missing_per_kwh: float
    worth_per_kwh: float

    def __call__(self, want_kwh: float, less_kwh: float, more_kwh: float) -> bool:
        """Whether to store `more_kwh` and not `less_kwh`, where `want_kwh` in between is wanted."""
        short_kwh, over_kwh = want_kwh - less_kwh, more_kwh - want_kwh
        if self.later:
            return short_kwh >= over_kwh
        gain = short_kwh * self.missing_per_kwh + over_kwh * self.worth_per_kwh
        return gain > (more_kwh - less_kwh) * self.price_per_kwh


def rather_more(
    site: Site, plan: Plan, place: int, stay: Stay, price: float, worth: float
) -> RatherMore:
    """How the last ampere of a stay's running hour is decided, at these prices a kWh."""
    car = site.cars[stay.k]
    needed = plan.energy_kwh[place] <= car.wanted_kwh + NOTHING_KWH
    missing = site.public_per_kwh if needed else worth
    return RatherMore(plan.more[place], price / car.stored_per_kwh, missing, worth)
