"""Receding horizon: plan on what the household knows, follow the plan for an hour, plan again."""

from __future__ import annotations

import itertools
import math
import operator

import numpy as np
from numpy.typing import NDArray

from baselines.mpc.follow import MARGIN_KW, CarSettings, Follower, last_ampere
from baselines.mpc.forecast import Forecast, Memory, hour_slots
from baselines.mpc.own_peaks import FULL_PRICE, PeakRaise, after, cost_of
from baselines.mpc.plan import (
    Level,
    Limits,
    Outlook,
    PeakOutlook,
    Plan,
    Stay,
    Surplus,
    make_plan,
    site_of,
)
from baselines.mpc.reserve import FREE_KW, Stays
from baselines.policies.base import Future, Policy
from baselines.policies.known_limits import known_limits
from baselines.policies.peak_rule import KnownRule, kept_step, known_rules, last_share
from baselines.policies.view import LASTING, HouseholdView, View
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import DAY_H, HOUR_MIN
from ev_gym.scenario import Scenario, Tariff
from ev_gym.scenario.vehicle import TRIPS

MOST_HOURS = 72
OBSERVED_ZERO_H = 1e-3  # times are observed in float32
# Dearer than anything that a kW more could bring: what keeps a plan on a step of the power charge.
NEVER_PER_KW = 1e4


class Mpc(Policy):
    """Receding horizon (model predictive control): the cheapest plan for what is known, hourly.

    *The rule.* At each full hour with a car at the charger, and whenever one comes or goes, a
    linear programme (`mpc.plan`) plans the hours until the last planned departure, at most 72: all
    cars together, within what the connection leaves beside the expected load, with discharging
    where the charger can. Only its first hour is followed (`mpc.follow`), then it is solved anew.
    So new prices, a load that was not expected and energy that was not stored are answered within
    the hour.

    *What it knows.* The observation, and what it saw before in the episode. Prices of the window,
    which fills what is not published yet with the last known day; beyond it its last day repeats.
    Planned departures, energies, wanted SoC. Sun: the present one, then that of the same hour
    yesterday. Base load: the present one, then the usual one, which is observed with a power
    charge; without one, the mean of the same hour in the last 7 days, before that the present load.
    Or, with `load_error`, the true load times 1 + load_error * noise (uniform from -1 to 1, drawn
    for each hour), which only a local env can tell. Of weekends it knows only whether today is one:
    later days count as workdays in the power charge and in limits. Contracted power and dimmed
    hours stand in the scenario, so it plans with them.

    *Power charge.* A kW above the N-th highest peak is paid once and lasts for the month, but only
    if the house alone would not have set that peak anyway. So it costs its price times the chance
    that the house will not, which follows from its own daily peaks so far, the usual load, and the
    days that the month has left, of a year at most 30 (`mpc.own_peaks`); where some days do not
    count, or several peaks may be of one day, it costs the full price. With `load_error` the
    house's own peak at the month's end is told, with its error, and a kW above it costs the full
    price. A plan pays it on each of its days, if N is more than one: to share the price among the
    month's remaining days would count on later stays that need the higher peak as well, and seldom
    one does. Each of several rules has its own peaks, prices and chances. Of intervals shorter than
    an hour a plan knows what leaves room for 6 A, and pays for a higher peak at once where none
    does. In a charge of steps it stays on the step that the house alone will probably reach
    (`policies.peak_rule`), or pays all of the next one.

    *Accounts.* Where a month or a year is netted, the present sign of the balance is taken to stay:
    while more is imported than exported, sun costs what the grid costs, and else the grid what the
    sun would earn. Where an hour is netted that holds for the running one. Support up to a monthly
    limit stands in the prices of the window, also for hours beyond the limit. An export price that
    does not follow the spot price stays as it is now.

    *Terminal value.* What misses at departure costs the public charger's price and a stop there.
    What a car holds beyond the wanted SoC saves the next stay from buying it: it is worth what a
    stored kWh was worth to the plans made at the last 28 arrivals (the price of the first row of
    the programme); before three arrivals, the mean price of the cheapest quarter of the hours
    known, as the score's settlement values it. The first kWh beyond are worth more, as a reserve
    for a next stay that is too short for what it needs (`mpc.reserve`).

    *Wear.* Charging with more power costs more, holding energy costs by the hour, and taking it out
    costs (`mpc.plan`, with the sizes). What each of these parts brings is in `docs/planners.md`.

    *Where it comes from.* The field's standard planner. Peak charges by receding horizon: Perez-
    Pineiro, Skogestad and Boyd (2023), "Home Energy Management with Dynamic Tariffs and Tiered Peak
    Power Charges", arXiv:2307.07580. Charging of cars: Sortomme and El-Sharkawi (2011), "Optimal
    Charging Strategies for Unidirectional Vehicle-to-Grid", doi:10.1109/TSG.2010.2090910. Neither
    was opened here (only their titles and references were seen); what is done is said above.

    *When it fails.* Where a sudden load breaks the planned peak; where the taper near full takes
    more time than planned; where much is charged within a day or in the cold, which wears the
    battery more than the plan knows; where a car comes seldom, or prices differ much from those it
    learned from; where a trip is unusually long; where lines are loaded unequally; where the house
    takes more than was expected in the last hours before a departure; where a year's balance soon
    changes its sign.

    Args:
        scenario: The scenario.
        continuous: Whether actions are fractions, or levels of the charger.
        seed: Of the forecast's error.
        load_error: None: the load is learned. 0: a perfect forecast; else its error as a share.

    Raises:
        ValueError: for a `load_error` that is no number from 0.
    """

    name = "mpc"
    remembers = True

    def __init__(
        self,
        scenario: Scenario,
        continuous: bool = True,
        seed: int = 0,
        load_error: float | None = None,
    ) -> None:
        super().__init__(scenario, continuous, seed)
        if load_error is not None and (
            isinstance(load_error, bool)
            or not isinstance(load_error, (int, float))
            or not 0.0 <= load_error < math.inf
        ):
            raise ValueError(
                f"load_error is {load_error!r}; allowed: None, or a number from 0, such as 0.2"
            )
        self.load_error = load_error
        self.clairvoyant = load_error is not None
        self.site = site_of(scenario)
        self.settings = [self._settings(k) for k in range(len(scenario.vehicles))]
        self._planners: list[Planner] = []

    def _settings(self, k: int) -> CarSettings:
        car = self.scenario.vehicles[k]
        charging = [
            (float(fraction), min(float(power_kw), self.limits[k].max_kw))
            for fraction, power_kw in zip(self.levels[k], self.level_kw[k], strict=True)
            if fraction > 0.0
        ]
        powers_kw = [power_kw for _, power_kw in charging]
        return CarSettings(
            fraction=[0.0, *(fraction for fraction, _ in charging)],
            wall_kw=[0.0, *powers_kw],
            charging_kw=[0.0, *(max(0.0, car.eta * kw - car.aux_kw) for kw in powers_kw)],
            discharging_kw=[0.0, *((kw + car.aux_kw) / car.eta for kw in powers_kw)],
        )

    def reset(self, rows: NDArray[np.int64] | None = None) -> None:
        """Forget what the households of these rows remember, and their forecasts."""
        for row in range(len(self._planners)) if rows is None else rows.tolist():
            if row < len(self._planners):
                self._planners[row] = Planner(self)

    def foresee(self, futures: list[Future]) -> None:
        """Make a load forecast from the future of every row, in order.

        To be called after `reset`, which forgets it.
        """
        if self.load_error is None:
            return
        step_min = self.scenario.time_step_min
        for row, future in enumerate(futures):
            forecast = Forecast(future, step_min, self.load_error, self.seed, MOST_HOURS)
            self._planner(row).take_forecast(forecast)

    def _planner(self, row: int) -> Planner:
        while len(self._planners) <= row:
            self._planners.append(Planner(self))
        return self._planners[row]

    def decide(self, view: View) -> Floats:
        """What each household's own plan says of this step."""
        households = enumerate(view.households())
        return np.array([self._planner(row).decide(household) for row, household in households])


def _export_follows(tariff: Tariff) -> bool:
    """Whether the export price follows the spot price as the import price does."""
    return all(
        any(row.spot_factor != 0.0 for row in rows) for rows in (tariff.export, tariff.energy)
    )


class KnownAhead:
    """A rule of the power charge, and what an episode has told of its price.

    Attributes:
        known: The rule.
        factors: (12, 2, 24) by how much hours count in each month, on workdays and on days off.
        price_per_kw: Of a kW more in one peak; the year's dearest, until an hour tells it.
    """

    def __init__(self, known: KnownRule) -> None:
        self.known = known
        self.factors = known.factors(HOUR_MIN)
        self.price_per_kw = float(known.per_kw.max())

    def note(self, household: HouseholdView, r: int) -> None:
        """Take in the price, where the coming step tells it."""
        if household.interval_factor[r] > 0.0:
            self.price_per_kw = self.told(household, r)

    def told(self, household: HouseholdView, r: int) -> float:
        """Price of a kW that counts in full, as observed; below 0 where it is not."""
        factor = household.interval_factor[r]
        return household.power_price_per_kw[r] / factor if factor > 0.0 else -1.0

    def usual_kw(self, household: HouseholdView) -> float:
        """The highest of the day's usual hours, as it counts on a workday."""
        factors, first = self.factors[household.month - 1, 0], int(household.hour_of_day)
        counted_kw = [
            load_kw * float(factors[h % DAY_H])
            for h, load_kw in enumerate(household.usual_load_kw, first)
        ]
        return max(counted_kw, default=0.0)

    def later_factors(
        self, household: HouseholdView, hour: list[int], day: list[int]
    ) -> list[float]:
        """How the hours after the running one will count.

        Of the calendar only today's kind of day is observed. So a weekend whose days all count in
        part is heeded today; every later day is taken for one that counts in full.
        """
        off_today, factors = int(household.weekend), self.factors[household.month - 1]
        return [
            float(factors[off_today if d == 0 else 0, h])
            for h, d in zip(hour[1:], day[1:], strict=True)
        ]


class Planner:
    """The planner of one household; households know nothing of each other."""

    def __init__(self, policy: Mpc) -> None:
        scenario, weights = policy.scenario, policy.scenario.reward_weights
        tariff = scenario.tariff
        self.steps = 0
        self._policy, self._site, self._scenario = policy, policy.site, scenario
        self._battery_kwh = [car.battery_kwh for car in scenario.vehicles]
        self._rules = [KnownAhead(known) for known in known_rules(tariff)]
        self._known_limits = known_limits(scenario)
        self._memory = Memory([ahead.known.rule for ahead in self._rules], self._site.netted)
        self._stays_seen = [
            Stays(car.battery_kwh, car.wanted_soc == TRIPS) for car in scenario.vehicles
        ]
        self._forecast: Forecast | None = None
        self._forecast_from = 0  # the step with which the forecast begins
        self._with_taxes = (1.0 + last_share(tariff.levy)) * (1.0 + last_share(tariff.vat))
        self._export_follows = _export_follows(tariff)
        self._netting = tariff.netting
        self._energy_weight, self._power_weight = weights.energy, weights.power
        # The number of the hour and the departures for which the plan was made.
        self._planned_for: tuple[int, ...] = ()
        self._plugged = [False] * len(scenario.vehicles)  # in the step before
        self._stays: list[Stay] = []
        self._plan: Plan | None = None
        self._slots_h: list[float] = []  # of the running hour, from when it was planned
        self._worth_per_kwh = 0.0

    def take_forecast(self, forecast: Forecast) -> None:
        """Use a forecast of the load from the coming step on."""
        self._forecast, self._forecast_from = forecast, self.steps

    def decide(self, household: HouseholdView) -> list[float]:
        """The fractions of the K cars."""
        if self._policy.clairvoyant and self._forecast is None:
            raise ValueError(
                f"policy {self._policy.name} with load_error {self._policy.load_error!r} was not "
                "told the future; allowed: a local env, and after each reset "
                "baselines.foresight.tell_future(policy, env)"
            )
        self._memory.note(household)
        for k, seen in enumerate(self._stays_seen):
            seen.note(
                household.plugged[k],
                household.soc[k],
                household.wanted_soc[k],
                household.minutes_to_departure[k],
            )
        for r, ahead in enumerate(self._rules):
            ahead.note(household, r)
        fractions = [0.0] * len(household.plugged)
        if any(household.plugged):
            now_min = self.steps * self._scenario.time_step_min
            departures = [now_min + left if left else -1 for left in household.minutes_to_departure]
            situation = (self._memory.hours, *departures)
            if situation != self._planned_for or self._plan is None:
                self._plan = self._plan_anew(household)
                self._planned_for = situation
            self._follow(household, self._plan, fractions)
        self._plugged = household.plugged
        self.steps += 1
        return fractions

    def _energy_kwh(self, household: HouseholdView, k: int) -> float:
        return household.soc[k] * self._battery_kwh[k]

    def _plan_anew(self, household: HouseholdView) -> Plan:
        self._stays = [
            Stay(
                k,
                self._energy_kwh(household, k),
                household.minutes_to_departure[k] / HOUR_MIN,
                household.wanted_soc[k] * self._battery_kwh[k],
            )
            for k, plugged in enumerate(household.plugged)
            if plugged
        ]
        outlook = self._outlook(household, max(stay.hours for stay in self._stays))
        plan = make_plan(self._site, outlook, self._stays)
        for stay, value in zip(self._stays, plan.value_per_kwh, strict=True):
            if not self._plugged[stay.k]:
                self._memory.learn_value(value)
        self._slots_h = outlook.slots_h[0]
        self._worth_per_kwh = outlook.worth_per_kwh
        return plan

    def _outlook(self, household: HouseholdView, stay_h: float) -> Outlook:
        """What is known or expected until the last car leaves, in so many hours."""
        memory = self._memory
        first_h = 1.0 - household.hour_of_day % 1.0
        hours = min(MOST_HOURS, 1 + math.ceil(max(0.0, stay_h - first_h) - OBSERVED_ZERO_H))
        slots_h, slot_prices = self._prices_by_hour(household, hours)
        prices = [
            math.fsum(map(operator.mul, of_slots, lengths_h)) / math.fsum(lengths_h)
            for of_slots, lengths_h in zip(slot_prices, slots_h, strict=True)
        ]
        export_prices = self._export_prices(household, slot_prices[0][0], prices[:hours])
        hour = [(memory.hour + h) % DAY_H for h in range(hours)]
        day = [(memory.hour + h) // DAY_H for h in range(hours)]
        worth_per_kwh = memory.value_per_kwh(prices)
        load_kw = self._load_kw(household, first_h, hour)
        pv_kw = [household.pv_kw, *(memory.pv_kw(later) for later in hour[1:])]
        net_kw = [
            max(0.0, load - (sun if self._site.netted else 0.0))
            for load, sun in zip(load_kw, pv_kw, strict=True)
        ]
        return Outlook(
            slots_h=slots_h[:hours],
            slot_prices_per_kwh=slot_prices[:hours],
            export_price_per_kwh=export_prices,
            export_kw=[self._site.export_kw(price) for price in export_prices],
            load_kw=load_kw,
            pv_kw=pv_kw,
            day=day,
            rules=[
                self._peak_outlook(household, r, hour, day, first_h, net_kw)
                for r in range(len(self._rules))
            ],
            worth_per_kwh=worth_per_kwh,
            reserves=[self._reserve(stay, worth_per_kwh) for stay in self._stays],
            limits=self._limits(household, slots_h[:hours], hour, day),
        )

    def _limits(
        self,
        household: HouseholdView,
        slots_h: list[list[float]],
        hour: list[int],
        day: list[int],
    ) -> list[list[Limits]] | None:
        """The limits of each slot of the hours, where they change.

        Days after today are taken for workdays.
        """
        known = self._known_limits
        if known is None:
            return None
        found = []
        for h, lengths_h in enumerate(slots_h):
            ends_h = hour[h] + 1.0 - math.fsum(lengths_h) + np.cumsum(lengths_h)
            day_off = household.weekend and day[h] == 0
            found.append(
                [
                    Limits(*known.between(household.month, day_off, end_h - slot_h, end_h))
                    for slot_h, end_h in zip(lengths_h, ends_h.tolist(), strict=True)
                ]
            )
        return found

    def _export_prices(
        self, household: HouseholdView, price_now: float, prices: list[float]
    ) -> list[float]:
        """Of an exported kWh, weighted, for each hour of whose import the price is given.

        Import and export prices differ by tax and transfer, assumed to stay those of now; an export
        price that does not follow the spot price stays as it is. With a balance over a month or a
        year its present sign is taken to stay: each kWh that is exported then earns what one costs.
        """
        if self._netting in LASTING and household.balance_kwh != 0.0:
            return prices
        export_price = self._energy_weight * household.export_price_per_kwh
        if self._netting == "hour" and household.balance_kwh > 0.0:
            # What is told holds for this hour alone.
            return [prices[0], *(price / self._with_taxes for price in prices[1:])]
        if not self._export_follows:
            return [export_price] * len(prices)
        apart = price_now / self._with_taxes - export_price
        return [price / self._with_taxes - apart for price in prices]

    def _prices_by_hour(
        self, household: HouseholdView, hours: int
    ) -> tuple[list[list[float]], list[list[float]]]:
        """Lengths (h) and weighted prices of the slots of each hour of the window, or of more.

        An hour of one price is one slot.
        """
        prices = [self._energy_weight * price for price in household.price_window]
        slots_h = [hour_slots(household)]
        per_hour, first = round(1.0 / household.slot_h), len(slots_h[0])
        day_slots = min(DAY_H * per_hour, len(prices))
        while len(prices) < first + (hours - 1) * per_hour:
            prices.append(prices[-day_slots])
        found = [prices[:first]]
        for begin in range(first, len(prices) - per_hour + 1, per_hour):
            slots_h.append([household.slot_h] * per_hour)
            found.append(prices[begin : begin + per_hour])
        for h, of_slots in enumerate(found):
            if min(of_slots) == max(of_slots):
                slots_h[h], found[h] = [math.fsum(slots_h[h])], of_slots[:1]
        return slots_h, found

    def _load_kw(self, household: HouseholdView, first_h: float, hour: list[int]) -> list[float]:
        """Expected load of each hour."""
        memory, forecast = self._memory, self._forecast
        if forecast is None:
            if household.usual_load_kw:
                usual_kw = itertools.cycle(household.usual_load_kw)
                return [household.load_kw, *itertools.islice(usual_kw, 1, len(hour))]
            later_kw = [memory.load_kw(later, household.load_kw) for later in hour[1:]]
            return [household.load_kw, *later_kw]
        hour_steps = HOUR_MIN // self._scenario.time_step_min
        now, first_steps = self.steps - self._forecast_from, max(1, round(first_h * hour_steps))
        load_kw = [forecast.mean_kw(now, first_steps)]
        load_kw += [
            forecast.mean_kw(now + first_steps + h * hour_steps, hour_steps)
            for h in range(len(hour) - 1)
        ]
        return load_kw

    def _peak_outlook(
        self,
        household: HouseholdView,
        r: int,
        hour: list[int],
        day: list[int],
        first_h: float,
        net_kw: list[float],
    ) -> PeakOutlook:
        """What is known or expected of a rule of the power charge."""
        ahead = self._rules[r]
        factor = [
            household.interval_factor[r],
            *ahead.later_factors(household, hour, day),
        ]
        interval_kw = household.interval_kw[r]
        plain = PeakOutlook(
            factor=factor,
            peak_kw=household.peak_kw[r],
            interval_kw=interval_kw,
            price_per_kw=self._power_weight * ahead.price_per_kw,
            raises=FULL_PRICE,
        )
        final_kw = None
        if self._forecast is not None:
            final_kw = self._forecast.final_peaks_kw(self.steps - self._forecast_from, r)
        # What the house alone is expected to reach is no choice of a plan.
        alone_kw = [f * kw for f, kw in zip(factor, net_kw, strict=True)]
        if ahead.known.rule.interval_min == HOUR_MIN:
            alone_kw[0] = interval_kw + alone_kw[0] * first_h
        if ahead.known.stepped:
            return self._kept_step(household, r, plain, max(alone_kw), final_kw)
        if final_kw is None:
            plain = plain._replace(raises=self._raises(household, r))
        else:
            plain = plain._replace(peak_kw=max(household.peak_kw[r], final_kw[0]))
        if ahead.known.rule.interval_min < HOUR_MIN and any(factor) and plain.price_per_kw > 0.0:
            return self._short_intervals(plain, r, max(alone_kw), net_kw, len(set(day)))
        return plain

    def _kept_step(
        self,
        household: HouseholdView,
        r: int,
        plain: PeakOutlook,
        alone_kw: float,
        final_kw: list[float] | None,
    ) -> PeakOutlook:
        """The same of a charge of steps: the step that is kept, and what the next one costs."""
        ahead, known = self._rules[r], self._rules[r].known
        usual_kw = ahead.usual_kw(household)
        expected_kw = max(known.rule.floor_kw, known.above_usual * usual_kw)
        if final_kw is not None:
            expected_kw = math.fsum(final_kw) / len(final_kw)
        limits_kw = known.limits_kw[household.month - 1]
        prices = known.step_prices[household.month - 1]
        told = ahead.told(household, r)
        peak_kw, following = kept_step(
            limits_kw, prices, known.rule.count, household.peak_kw[r], told, expected_kw
        )
        if math.isinf(peak_kw):
            return plain._replace(price_per_kw=0.0)
        ends = [float(kw) for kw in limits_kw[following + 1 :] if math.isfinite(kw)]
        next_step = Level(
            (ends[0] if ends else self._site.limit_kw) - float(limits_kw[following]),
            self._power_weight * float(prices[following] - prices[following - 1]),
        )
        return plain._replace(
            peak_kw=max(peak_kw, alone_kw),
            price_per_kw=NEVER_PER_KW if self._power_weight > 0.0 else 0.0,
            levels=(next_step,),
        )

    def _short_intervals(
        self, plain: PeakOutlook, r: int, alone_kw: float, net_kw: list[float], days: int
    ) -> PeakOutlook:
        """The same of intervals shorter than an hour, with the levels at which cars can charge."""
        site, rule = self._site, self._rules[r].known.rule
        least_kw = min(site.cars[stay.k].least_kw for stay in self._stays)
        least_kw *= site.step_h / site.interval_h[r]
        # Above what the house will draw alone, which is no choice of a plan.
        peak_kw = max(plain.peak_kw, alone_kw)
        raises = after(plain.raises, peak_kw - plain.peak_kw)
        needed_kw = sorted(
            factor * (kw + least_kw + MARGIN_KW)
            for factor, kw in zip(plain.factor, net_kw, strict=True)
            if factor > 0.0
        )
        tried_kw = {needed_kw[place] - peak_kw for place in (0, len(needed_kw) // 2, -1)}
        price_per_kw = plain.price_per_kw * (min(days, rule.count) if site.daily[r] else 1)
        levels = [
            Level(more_kw, price_per_kw * cost_of(raises, more_kw))
            for more_kw in sorted(tried_kw)
            if more_kw > 0.0
        ]
        return plain._replace(peak_kw=peak_kw, raises=raises, levels=tuple(levels))

    def _raises(self, household: HouseholdView, r: int) -> list[PeakRaise]:
        """What the kW above the peak of a rule cost, where the load is learned."""
        ahead, rule = self._rules[r], self._rules[r].known.rule
        factors = ahead.factors[household.month - 1]
        of_days = rule.different_days or rule.count == 1
        each_day_counts = of_days and bool((factors > 0.0).any(axis=1).all())
        if not household.usual_load_kw or not each_day_counts:
            return FULL_PRICE
        return self._memory.own_peaks[r].raises(household.peak_kw[r], ahead.usual_kw(household))

    def _reserve(self, stay: Stay, worth_per_kwh: float) -> list[Surplus]:
        """What a stay's kWh beyond the wanted ones are worth more than others."""
        site = self._site
        dearer_per_kwh = site.public_per_kwh - worth_per_kwh
        car = site.cars[stay.k]
        free_kw = car.stored_per_kwh * car.max_kw
        if self._scenario.tariff.has_power_charge:
            free_kw = min(FREE_KW, free_kw)
        return self._stays_seen[stay.k].reserve(
            stay.wanted_kwh, car.limit_kwh, free_kw, dearer_per_kwh, site.stop_cost
        )

    def _running_slot(self, household: HouseholdView) -> tuple[int, float]:
        """Number of the running slot in the plan of this hour, and what is left of it (h)."""
        left_h = 1.0 - household.hour_of_day % 1.0
        for slot in range(len(self._slots_h) - 1):
            later_h = math.fsum(self._slots_h[slot + 1 :])
            if left_h > later_h + OBSERVED_ZERO_H:
                return slot, left_h - later_h
        return len(self._slots_h) - 1, left_h

    def _follow(self, household: HouseholdView, plan: Plan, fractions: list[float]) -> None:
        site, scenario = self._site, self._scenario
        managed = scenario.charger.load_management
        slot, slot_left_h = self._running_slot(household)
        follower = Follower(site, household, plan, slot_left_h, scenario.step_h, managed)
        price_per_kwh = self._energy_weight * household.price_per_kwh
        for place, stay in enumerate(self._stays):
            k = stay.k
            fractions[k] = follower.fraction_of(
                site.cars[k],
                self._policy.settings[k],
                want_kwh=plan.energy_kwh[place][slot] - self._energy_kwh(household, k),
                stay_h=household.minutes_to_departure[k] / HOUR_MIN,
                last_ampere=last_ampere(
                    site, plan, place, slot, stay, price_per_kwh, self._worth_per_kwh
                ),
            )
