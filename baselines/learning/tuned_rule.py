"""`water_filling` with parameters: what each slot, kW and stored kWh is worth besides its price."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.learning.offers import Outlook, fill_all, room_for_offers
from baselines.learning.parameters import (
    COMING_SHARE,
    LOAD_FACTOR,
    LOAD_MARGIN_KW,
    LOAD_PERSISTENCE,
    MEMORY_DAYS,
    OWN_PEAK,
    OWN_PEAK_GROWTH,
    PARAMETERS,
    PEAK_SHARE_FIRST,
    PEAK_SHARE_LAST,
    RESERVE_SOC,
    RESERVE_WORTH_FIRST,
    RESERVE_WORTH_LAST,
    parameters_of,
)
from baselines.policies.peak_rule import USUAL_SHARE, known_rules
from baselines.policies.peak_rules import STORED, WaterFilling, Work
from baselines.policies.peaks import (
    SAME_TIME_H,
    Hours,
    room_for,
    rules_and_hours,
    slots_of,
    terms_of,
)
from baselines.policies.view import View
from ev_gym.runtime.arrays import Bools, Floats
from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.durations import DAY_H, HOUR_MIN
from ev_gym.scenario import Scenario

PRIOR_DAYS = 3.0  # for so many days seen counts what the usual load lets expect
PEAK_DAYS = 28.0  # daily peaks are averaged over so many
MONTH_DAYS = 30.0
CHEAP_SHARE = 4  # of a day the cheapest quarter


class Memory(NamedTuple):
    """What n households have seen in their episodes; all written.

    Attributes:
        hour: (n,) local clock of the last step (h); below 0 before the first.
        days: (n,) that have begun.
        hours_known: (n,) of published prices, in the last step.
        published: (n,) how many times prices were.
        coming_price: (n,) mean of the cheapest quarter of what was published last.
        typical_price: (n,) mean of these.
        interval: (n, R) number of the running interval of each rule in its day.
        counted_kw: (n, R) sum of what the house alone imported in its steps, as it counts.
        steps: (n, R) how many these are.
        today_kw: (n, R) the highest mean of such an interval today.
        peak_kw: (n, R) mean of these of days that are over.
    """

    hour: Floats
    days: Floats
    hours_known: Floats
    published: Floats
    coming_price: Floats
    typical_price: Floats
    interval: Floats
    counted_kw: Floats
    steps: Floats
    today_kw: Floats
    peak_kw: Floats


def _empty_memory(rows: int, rules: int) -> Memory:
    of_house, of_rules = [(rows,)] * 6, [(rows, rules)] * 5
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

    What it weighs besides: what fast charging and held energy wear off; the peak that the house
    alone will probably set before the month is over, from its daily peaks so far; whether prices
    are low beside those of past days, of which it then stores more; that the house may draw more
    than usual. All else is as in `water_filling`.

    It knows what `water_filling` knows, and what it saw before in the episode: the house's daily
    peaks, and the prices of the days since.

    Source: ours, as `water_filling`.

    It fails where `water_filling` does, and where houses, cars or prices differ much from those
    that its parameters were tuned on.
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
        house_kw = view.load_kw
        if self._netted:
            house_kw = np.maximum(0.0, house_kw - view.pv_kw)
        _note(memory, hour, house_kw, view.interval_factor, self._interval_h)
        known_h = view.hours_known
        news = (known_h > memory.hours_known + SAME_TIME_H) | (memory.published == 0.0)
        memory.hours_known[:] = known_h
        if news.any():
            coming_price = _cheap_price(view.of_rows(news))
            published = memory.published[news] + 1.0
            days = np.minimum(published, self._of_rows(news)[:, MEMORY_DAYS])
            typical_price = memory.typical_price[news]
            typical_price += (coming_price - typical_price) / days
            memory.published[news], memory.coming_price[news] = published, coming_price
            memory.typical_price[news] = typical_price

    def _typical_price(self, rows: Bools) -> Floats:
        """The typical price (m,) of the households where `rows` (n,) are True."""
        memory, coming = self._memory, self._of_rows(rows)[:, COMING_SHARE]
        coming_price = memory.coming_price[: len(rows)][rows]
        typical_price = memory.typical_price[: len(rows)][rows]
        found: Floats = typical_price + coming * (coming_price - typical_price)
        return found

    def _of_rows(self, rows: Bools) -> Floats:
        """The parameters (m, P) of those of the n households where `rows` are True."""
        return np.broadcast_to(self.parameters, (len(rows), len(PARAMETERS)))[rows]

    def _fill(
        self, view: View, rows: Bools, wanted_kwh: Floats, spare_kwh: Floats
    ) -> tuple[Floats, Floats]:
        p = np.ascontiguousarray(self._of_rows(rows))
        now_kw, budget_kw = np.zeros(view.plugged.shape), np.zeros(len(view.plugged))
        slots, (rules, hours) = slots_of(self.scenario, view), rules_and_hours(self.scenario, view)
        hours = _with_margin(hours, view, p)
        stored, cells = self._cars[:, STORED], hours.load_kwh.shape[1]
        work = Work(
            np.empty(cells), room_for(rules, cells), np.empty((len(stored), cells)),
            np.empty(len(rules.cells)),
        )  # fmt: skip
        free_kw = np.maximum(rules.free_kw, np.maximum(hours.alone_kw, hours.usual_kw))
        free_kw = np.maximum(free_kw, self._own_peaks_kw(view, rows, hours, p))
        beyond = np.maximum(0.0, view.soc - view.of_cars("wanted_soc"))
        beyond_kwh = np.where(view.plugged, beyond * self._battery_kwh, 0.0)
        left = np.minimum(1.0, view.of_house("month_days_left") / MONTH_DAYS)
        last = p[:, PEAK_SHARE_LAST]
        outlook = Outlook(
            slots=slots,
            rules=rules,
            hours=hours,
            terms=terms_of(self.scenario),
            cars=self._cars,
            powers_kw=self.powers_kw,
            wear_prices=self._wear_prices,
            hours_known=view.hours_known,
            typical_price=self._typical_price(rows),
            free_kw=free_kw,
            peak_share=last + (p[:, PEAK_SHARE_FIRST] - last) * left,
            needed_kwh=wanted_kwh / stored,
            spare_kwh=spare_kwh / stored,
            beyond_kwh=beyond_kwh / stored,
            parameters=p,
        )
        fill_all(
            outlook, free_kw.min(axis=1, initial=np.inf), self.scenario.household.limit_kw,
            room_for_offers(slots.prices.shape[1]), work, now_kw, budget_kw,
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
        """What batteries may hold beyond what is wanted (n, K), in cars at the charger.

        Nothing where the running slot is dearer than any of it is worth.
        """
        rows = np.ones(len(wanted_kwh), np.bool_)
        p = self._of_rows(rows)
        reserve_kwh = (p[:, RESERVE_SOC, None] - view.soc) * self._battery_kwh - wanted_kwh
        worth = np.maximum(p[:, RESERVE_WORTH_FIRST], p[:, RESERVE_WORTH_LAST])
        taking = view.plugged & (view.available_kw > 0.0)
        at_any_price = np.isinf(worth)
        most_price = np.where(at_any_price, 0.0, worth) * self._typical_price(rows)
        taking &= (at_any_price | (most_price >= view.price_per_kwh))[:, None]
        if not self.scenario.tariff.has_power_charge:
            # At any price it would be wasted where hours are not scarce.
            taking &= np.isfinite(p[:, RESERVE_WORTH_LAST, None])
        spare_kwh: Floats = np.where(taking, np.maximum(0.0, reserve_kwh), 0.0)
        return spare_kwh


def _cheap_price(view: View) -> Floats:
    """Mean of the cheapest quarter of the published prices (n,); of the window where none are."""
    prices = view.price_window
    slots = np.clip(np.round(view.hours_known / view.slot_h), 0, prices.shape[1])
    slots = np.where(slots < CHEAP_SHARE, prices.shape[1], slots)
    place = np.arange(prices.shape[1])
    prices = np.sort(np.where(place < slots[:, None], prices, np.inf), axis=1)
    cheap = place < (slots // CHEAP_SHARE)[:, None]
    found: Floats = np.where(cheap, prices, 0.0).sum(axis=1) / cheap.sum(axis=1)
    return found


def _with_margin(hours: Hours, view: View, p: Floats) -> Hours:
    """The same with more or less load than usual in the hours after the running one."""
    load_kwh, per_hour = hours.load_kwh.copy(), round(1.0 / hours.cell_h)
    later = load_kwh[:, per_hour:]
    later *= p[:, LOAD_FACTOR, None]
    more_kw = view.load_kw - view.usual_load_kw[:, 0]
    ahead = 1 + np.arange(later.shape[1]) // per_hour
    more_kw = more_kw[:, None] * p[:, LOAD_PERSISTENCE, None] ** ahead
    later += (more_kw + p[:, LOAD_MARGIN_KW, None]) * hours.cell_h
    np.maximum(later, 0.0, out=later)
    return hours._replace(load_kwh=load_kwh)
