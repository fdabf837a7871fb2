"""How `mpc` follows its plan within an hour: what every car is set to in every step.

A plan says how much each battery is to hold at the end of the running slot of one price, which is
the hour or a quarter of it. What is missing of that is charged evenly over the rest of the slot, in
whole amperes or levels: slow charging wears the battery less, and the later steps can still answer
to what the load does. No step imports more than the planned peak of any rule still allows in its
running interval, if the load stays as it is; so at the interval's end, when the load is known, the
peak is kept to the ampere. Sun that the house leaves over is taken as it comes. A car that is
discharged follows what the house takes, and gives the rest of what it is to give as late as it can.
Whether the last ampere of an hour is taken is decided by what it costs.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from baselines.mpc.plan import Car, Plan, Site, Stay
from baselines.policies.headroom import ROUNDING_KW
from baselines.policies.view import OBSERVED_ZERO_KWH, HouseholdView
from ev_gym.drivers.calendar import WORTH_A_STOP_KWH

# What the load may rise by within an hour without breaking its peak: found by trying on training
# worlds, where it saved 0.6 +- 0.6 % of the costs.
MARGIN_KW = 0.2


class CarSettings(NamedTuple):
    """What a car can be set to, from nothing to full power; each entry stands for one setting.

    Attributes:
        fraction: Of the maximum current.
        wall_kw: Power at the wall.
        charging_kw: Into the battery while it charges.
        discharging_kw: Out of the battery while it discharges.
    """

    fraction: list[float]
    wall_kw: list[float]
    charging_kw: list[float]
    discharging_kw: list[float]

    def highest_within(self, headroom_kw: float) -> int:
        """The highest setting that fits into a headroom."""
        return max(0, bisect_right(self.wall_kw, headroom_kw + ROUNDING_KW) - 1)


class LastAmpere(NamedTuple):
    """Whether the last ampere of a slot is taken, where no setting stores just enough.

    Where the plan charges later too, the nearer setting is taken: later hours make up for it.
    Otherwise a kWh that is missing costs the public charger's price, if the plan reaches no more
    than what is wanted, and one that is stored too much is worth something at the next stay.

    Attributes:
        charges_later: Whether the plan charges after this slot too.
        price_per_kwh: Of a kWh stored now.
        missing_per_kwh: What a kWh too little costs.
        surplus_per_kwh: What a kWh too much is worth.
        stop_cost: What a stop for missing energy costs besides.
    """

    charges_later: bool
    price_per_kwh: float
    missing_per_kwh: float
    surplus_per_kwh: float
    stop_cost: float = 0.0

    def is_taken(self, want_kwh: float, less_kwh: float, more_kwh: float) -> bool:
        """Whether to store `more_kwh` and not `less_kwh`, where `want_kwh` between them is due."""
        short_kwh, over_kwh = want_kwh - less_kwh, more_kwh - want_kwh
        if self.charges_later:
            return short_kwh >= over_kwh
        gain = short_kwh * self.missing_per_kwh + over_kwh * self.surplus_per_kwh
        if short_kwh > WORTH_A_STOP_KWH:
            gain += self.stop_cost
        return gain > (more_kwh - less_kwh) * self.price_per_kwh


def last_ampere(
    site: Site,
    plan: Plan,
    place: int,
    slot: int,
    stay: Stay,
    price_per_kwh: float,
    worth_per_kwh: float,
) -> LastAmpere:
    """How the last ampere of a stay's running slot is decided.

    Args:
        site: Of the scenario.
        plan: Of the running hour.
        place: Of the stay in the plan's lists.
        slot: Number of the running slot in the plan.
        stay: The stay.
        price_per_kwh: Of an AC kWh now.
        worth_per_kwh: Of a kWh in the battery at the next arrival.
    """
    car = site.cars[stay.k]
    is_needed = plan.energy_kwh[place][slot] <= stay.wanted_kwh + OBSERVED_ZERO_KWH
    return LastAmpere(
        charges_later=plan.charges_later[place][slot],
        price_per_kwh=price_per_kwh / car.stored_per_kwh,
        missing_per_kwh=site.public_per_kwh if is_needed else worth_per_kwh,
        surplus_per_kwh=worth_per_kwh,
        stop_cost=site.stop_cost if is_needed else 0.0,
    )


class Follower:
    """Follows one plan through one step; cars come in order, each leaves less to the next.

    Args:
        site: Of the scenario.
        household: What is observed.
        plan: Of the running hour.
        slot_left_h: What is left of the running slot.
        step_h: Length of a step.
        managed: Whether load management shares the connection.
    """

    def __init__(
        self,
        site: Site,
        household: HouseholdView,
        plan: Plan,
        slot_left_h: float,
        step_h: float,
        managed: bool,
    ) -> None:
        self._step_h, self._managed, self._bidirectional = step_h, managed, site.bidirectional
        self._slot_left_h = slot_left_h
        load_kw, pv_kw = household.load_kw, household.pv_kw
        export_kw = site.export_kw(site.energy_weight * household.export_price_per_kwh)
        self._headroom_kw = site.limits.headroom_kw(load_kw, pv_kw, export_kw)
        if site.limits_change:
            self._headroom_kw = min(self._headroom_kw, household.headroom_kw)
        self._net_kw = load_kw - (pv_kw if site.netted else 0.0)
        self._leave_budgets(site, household, plan)

    def _leave_budgets(self, site: Site, household: HouseholdView, plan: Plan) -> None:
        """What the planned peaks leave the cars, if the load stays as it is or rises to the usual.

        Of each rule: what is left of its running interval, imports (kWh) in that time, and the
        power in later intervals of the hour.
        """
        sun_kw = household.pv_kw if site.netted else 0.0
        usual_kw = [load_kw - sun_kw for load_kw in household.usual_load_kw[:1]]
        later_kw = max([self._net_kw, *usual_kw]) + MARGIN_KW
        self._rest_h: list[float] = []
        self._budget_kwh: list[float] = []
        self._later_kw: list[float] = []
        for r, (interval_h, factor) in enumerate(
            zip(site.interval_h, household.interval_factor, strict=True)
        ):
            if household.power_price_per_kw[r] > 0.0 and math.isfinite(plan.peak_kw[r]):
                left_kw = (plan.peak_kw[r] - household.interval_kw[r]) / factor
                rest_h = interval_h - household.hour_of_day % interval_h
                first_h = min(self._step_h, rest_h)
                budget_kwh = left_kw * interval_h - self._net_kw * first_h
                self._rest_h.append(rest_h)
                self._budget_kwh.append(budget_kwh - later_kw * (rest_h - first_h))
                self._later_kw.append(max(0.0, plan.peak_kw[r] / factor - later_kw))

    def _spared_kwh(self, until_h: float) -> float:
        """What the budgets leave in so many hours."""
        rooms = zip(self._budget_kwh, self._rest_h, self._later_kw, strict=True)
        left_kwh = [
            budget_kwh + later_kw * max(0.0, until_h - rest_h)
            for budget_kwh, rest_h, later_kw in rooms
        ]
        return min(left_kwh, default=math.inf)

    def fraction_of(
        self,
        car: Car,
        settings: CarSettings,
        want_kwh: float,
        stay_h: float,
        last_ampere: LastAmpere,
    ) -> float:
        """The fraction of its maximum current that a car is set to; below 0 it is discharged.

        Args:
            car: The car.
            settings: What it can be set to.
            want_kwh: What is to be stored until the slot or the stay ends; below 0 to be taken out.
            stay_h: How long it stays.
            last_ampere: What decides about the last ampere.
        """
        until_h = min(self._slot_left_h, stay_h)
        step_h = min(self._step_h, until_h)
        if step_h <= 0.0:
            return 0.0
        if want_kwh > OBSERVED_ZERO_KWH:
            choice = self._charge(car, settings, want_kwh, step_h, until_h, last_ampere)
            if not self._managed:
                self._headroom_kw -= settings.wall_kw[choice]
            taken_kwh = settings.wall_kw[choice] * step_h
            self._budget_kwh = [budget_kwh - taken_kwh for budget_kwh in self._budget_kwh]
            self._net_kw += settings.wall_kw[choice]
            return settings.fraction[choice]
        if want_kwh < -OBSERVED_ZERO_KWH and self._bidirectional:
            choice = self._discharge(settings, -want_kwh, step_h, until_h)
            self._net_kw -= settings.wall_kw[choice]
            return -settings.fraction[choice]
        return 0.0

    def _charge(
        self,
        car: Car,
        settings: CarSettings,
        want_kwh: float,
        step_h: float,
        until_h: float,
        last_ampere: LastAmpere,
    ) -> int:
        """The number of the setting that charges so much by then."""
        charging_kw = settings.charging_kw
        budget_kwh = min(self._budget_kwh, default=math.inf)
        most = settings.highest_within(min(self._headroom_kw, budget_kwh / step_h))
        able_kwh = min(want_kwh, self._spared_kwh(until_h) * car.stored_per_kwh)
        choice = 0
        if able_kwh > OBSERVED_ZERO_KWH:
            choice = min(bisect_left(charging_kw, able_kwh / until_h - ROUNDING_KW), most)
        if self._net_kw < 0.0:
            of_sun = max(1, settings.highest_within(-self._net_kw))
            enough = bisect_right(charging_kw, want_kwh / step_h + ROUNDING_KW) - 1
            choice = max(choice, min(of_sun, enough, most))
        more_kwh, less_kwh = (charging_kw[max(0, i)] * step_h for i in (choice, choice - 1))
        if more_kwh > want_kwh > less_kwh and not last_ampere.is_taken(
            want_kwh, less_kwh, more_kwh
        ):
            choice -= 1
        return choice

    def _discharge(
        self, settings: CarSettings, give_kwh: float, step_h: float, until_h: float
    ) -> int:
        """The number of the setting that discharges so much by then."""
        discharging_kw = settings.discharging_kw
        now_kwh = give_kwh - discharging_kw[-1] * (until_h - step_h)
        choice = max(0, bisect_right(discharging_kw, now_kwh / step_h + ROUNDING_KW) - 1)
        if self._net_kw > 0.0:
            for_house = max(1, settings.highest_within(self._net_kw))
            enough = bisect_right(discharging_kw, give_kwh / step_h + ROUNDING_KW) - 1
            choice = max(choice, min(for_house, enough))
        return choice
