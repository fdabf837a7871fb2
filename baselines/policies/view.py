"""What policies see: observations field by field, of many households at once or one by one."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.durations import DAY_H, DAY_MIN, HOUR_MIN
from ev_gym.scenario import Scenario
from ev_gym.series.limits import PRICE_MINUTES
from ev_gym.simulation.observation import observation_scales, observation_slices
from ev_gym.world.tables import window_slot_min

# An energy observed in float32 is nothing below this.
OBSERVED_ZERO_KWH = 1e-3
MONTHS, YEAR_DAYS = 12, 365
LASTING = ("month", "year")  # netting whose balance outlives the prices that are known
WINDOW_STARTS = ("price_h00", "price_m0000")
USUAL_LOAD = tuple(f"usual_load_kw_h{hour:02d}" for hour in range(DAY_H))


def _hour_of_day(angle: Any) -> Any:
    """Local clock (h) of the angle whose sine and cosine are observed, rounded to the minute."""
    return (angle / (2 * math.pi) * DAY_MIN + 0.5) // 1.0 % DAY_MIN / HOUR_MIN


def _month(angle: Any) -> Any:
    """Month, 1 to 12, of the angle whose sine and cosine are observed; wrong for a day at most."""
    return 1 + angle / (2 * math.pi) % 1.0 * MONTHS // 1.0 % MONTHS


class Layout(NamedTuple):
    """Where everything stands in an observation.

    Attributes:
        slices: Where each field stands, by its name.
        window: Where the price window stands.
        merged: How many of its slots a step takes, 1 or more; a policy sees their mean.
        slot_h: Length of a slot as a policy sees it (h).
        lasting_balance: Whether import and export are netted over a month or a year.
        usual_load: Where the usual load of each hour stands; empty where it is not observed.
        scales: (2, D) offset and factor of each number of a scaled observation.
    """

    slices: Mapping[str, slice]
    window: slice
    merged: int
    slot_h: float
    lasting_balance: bool
    usual_load: list[int]
    scales: NDArray[np.float32]


def layouts(scenario: Scenario) -> dict[int, Layout]:
    """The layouts of a scenario's observations by their length, which the market's slots decide."""
    found = {}
    for market_min in PRICE_MINUTES:
        slot_min = window_slot_min(scenario, market_min)
        slices = observation_slices(scenario, slot_min)
        first = min(place.start for name, place in slices.items() if name in WINDOW_STARTS)
        slots = scenario.price_window_h * HOUR_MIN // slot_min
        length = max(place.stop for place in slices.values())
        merged = max(1, scenario.time_step_min // slot_min)
        slot_h = merged * slot_min / HOUR_MIN
        window = slice(first, first + slots)
        scales = observation_scales(scenario, slot_min)
        usual_load = [slices[name].start for name in USUAL_LOAD if name in slices]
        lasting = scenario.tariff.netting in LASTING
        found[length] = Layout(slices, window, merged, slot_h, lasting, usual_load, scales)
    return found


class HouseholdView(NamedTuple):
    """One household's observation as Python numbers: a row of a `View`, for planning one by one.

    Attributes:
        hour_of_day: Local clock (h), from 0 to below 24.
        month: 1 to 12.
        weekend: Whether today is a Saturday, a Sunday or a public holiday.
        load_kw: Base load of the coming step.
        headroom_kw: What base load and sun leave the cars of it.
        pv_kw: What the sun gives in the coming step.
        price_per_kwh: All-in price of one more kWh in the coming step.
        price_window: Mean all-in prices of the running slot of the market and the next ones; of
            whole steps, where those are longer.
        slot_h: Length of such a slot (h).
        export_price_per_kwh: What one more exported kWh earns in the coming step.
        balance_kwh: Import less export since the time began over which they are netted; 0 where
            that is a step.
        peak_kw: For each rule of the power charge: it grows with intervals above it.
        interval_kw: For each rule, import of the running interval so far, as it counts.
        interval_factor: For each rule, by which the coming step counts.
        power_price_per_kw: For each rule, what a kW more, imported for the running interval, adds
            beyond the peak.
        plugged: Whether each car is at the charger.
        minutes_to_departure: Time to each car's planned departure; 0 while it is away.
        soc: State of charge of each car; while away, as at departure.
        wanted_soc: SoC wanted at each car's departure; 0 while it is away.
        usual_load_kw: Mean load of the running hour and the next 23 in the last 7 days; empty where
            it is not observed, which it is with a power charge.
        month_days_left: Time to the end of the month (days); 0 where it is not observed, likewise.
        year_days_left: The same of the year; always known.
    """

    hour_of_day: float
    month: int
    weekend: bool
    load_kw: float
    headroom_kw: float
    pv_kw: float
    price_per_kwh: float
    price_window: list[float]
    slot_h: float
    export_price_per_kwh: float
    balance_kwh: float
    peak_kw: list[float]
    interval_kw: list[float]
    interval_factor: list[float]
    power_price_per_kw: list[float]
    plugged: list[bool]
    minutes_to_departure: list[int]
    soc: list[float]
    wanted_soc: list[float]
    usual_load_kw: list[float]
    month_days_left: float
    year_days_left: float


class View:
    """Observations of n households by name, in float64: of the house (n,), of its K cars (n, K).

    Of the R rules of a power charge (n, R).

    A field is read when it is asked for. Units and meanings are those of
    `ev_gym.observation_fields`; a field that a scenario does not have is 0.

    Args:
        observation: (n, D) float32, physical.
        layout: Where each field stands.
    """

    def __init__(self, observation: NDArray[np.float32], layout: Layout) -> None:
        self._observation = observation
        self._slices = layout.slices
        self._layout = layout

    def of_rows(self, rows: Bools) -> View:
        """The same of some of the households, where (n,) `rows` are True."""
        return type(self)(self._observation[rows], self._layout)

    def of_house(self, name: str) -> Floats:
        """A field of the house, (n,)."""
        place = self._slices.get(name)
        if place is None:
            return np.zeros(len(self._observation))
        return self._observation[:, place.start].astype(np.float64)

    def of_rules(self, name: str) -> Floats:
        """A field of the power charge's R rules, (n, R); without a power charge (n, 0)."""
        place = self._slices.get(name)
        if place is None:
            return np.zeros((len(self._observation), 0))
        return self._observation[:, place].astype(np.float64, order="C")

    def of_cars(self, name: str) -> Floats:
        """A field of the cars, (n, K)."""
        place = self._slices.get(name)
        if place is None:
            return np.zeros(self.plugged.shape)
        return self._observation[:, place].astype(np.float64, order="C")

    def households(self) -> list[HouseholdView]:
        """Each household's observation as Python numbers."""
        rows, windows = self._observation.tolist(), self.price_window.tolist()
        return [self._household(*both) for both in zip(rows, windows, strict=True)]

    def _household(self, row: list[float], price_window: list[float]) -> HouseholdView:
        slices = self._slices

        def of_house(name: str) -> float:
            return row[slices[name].start] if name in slices else 0.0

        def of_rules(name: str) -> list[float]:
            return row[slices[name]] if name in slices else []

        day = math.atan2(of_house("day_sin"), of_house("day_cos"))
        return HouseholdView(
            hour_of_day=_hour_of_day(math.atan2(of_house("hour_sin"), of_house("hour_cos"))),
            month=int(_month(day)),
            weekend=of_house("weekend") > 0.5,
            load_kw=of_house("load_kw"),
            headroom_kw=of_house("headroom_kw"),
            pv_kw=of_house("pv_kw"),
            price_per_kwh=of_house("price_per_kwh"),
            price_window=price_window,
            slot_h=self.slot_h,
            export_price_per_kwh=of_house("export_price_per_kwh"),
            balance_kwh=of_house("balance_kwh"),
            peak_kw=of_rules("peak_kw"),
            interval_kw=of_rules("interval_kw"),
            interval_factor=of_rules("interval_factor"),
            power_price_per_kw=of_rules("power_price_per_kw"),
            plugged=[flag > 0.5 for flag in row[slices["plugged"]]],
            minutes_to_departure=[
                round(HOUR_MIN * hours) for hours in row[slices["hours_to_departure"]]
            ],
            soc=row[slices["soc"]],
            wanted_soc=row[slices["wanted_soc"]],
            usual_load_kw=[row[place] for place in self._layout.usual_load],
            month_days_left=of_house("month_days_left"),
            year_days_left=(1.0 - day / (2 * math.pi) % 1.0) * YEAR_DAYS,
        )

    @functools.cached_property
    def hour_of_day(self) -> Floats:
        """Local clock (h), from 0 to below 24."""
        angle = np.arctan2(self.of_house("hour_sin"), self.of_house("hour_cos"))
        hours: Floats = _hour_of_day(angle)
        return hours

    @property
    def load_kw(self) -> Floats:
        """Base load of the coming step."""
        return self.of_house("load_kw")

    @property
    def pv_kw(self) -> Floats:
        """What the sun gives in the coming step."""
        return self.of_house("pv_kw")

    @property
    def headroom_kw(self) -> Floats:
        """What base load and sun leave of the lowest limit in all; no more than dimming does."""
        return self.of_house("headroom_kw")

    @property
    def price_per_kwh(self) -> Floats:
        """All-in price of the coming step."""
        return self.of_house("price_per_kwh")

    @property
    def hours_known(self) -> Floats:
        """Hours from the start of the running slot of the market until which prices are known."""
        return self.of_house("hours_known")

    @property
    def price_window(self) -> Floats:
        """Mean all-in prices (n, slots) of the running slot of the market and the next ones.

        A slot is as long as one of the market or, where steps are longer, as a step.

        Where a month or a year is netted and more was exported than imported, a kWh costs what it
        would have earned. The window does not tell that; what it costs less now, all slots do.
        """
        prices = self._observation[:, self._layout.window].astype(np.float64, order="C")
        if self._layout.merged > 1:
            prices = prices.reshape(len(prices), -1, self._layout.merged).mean(axis=2)
        if self._layout.lasting_balance:
            less = np.where(
                self.of_house("balance_kwh") < 0.0, prices[:, 0] - self.price_per_kwh, 0.0
            )
            prices = prices - less[:, None]
        return prices

    @property
    def slot_h(self) -> float:
        """Length of a slot of the price window (h)."""
        return self._layout.slot_h

    @property
    def into_slot_h(self) -> Floats:
        """How much of the running slot has passed (h)."""
        return self.hour_of_day % self._layout.slot_h

    @functools.cached_property
    def month(self) -> Ints:
        """Month, 1 to 12."""
        angle = np.arctan2(self.of_house("day_sin"), self.of_house("day_cos"))
        month: Ints = _month(angle).astype(np.int64)
        return month

    @property
    def peak_kw(self) -> Floats:
        """The power charge grows with intervals above it, (n, R)."""
        return self.of_rules("peak_kw")

    @property
    def interval_kw(self) -> Floats:
        """Import of the running interval so far over its length, as it counts, (n, R)."""
        return self.of_rules("interval_kw")

    @property
    def interval_factor(self) -> Floats:
        """By which the coming step counts there, (n, R)."""
        return self.of_rules("interval_factor")

    @property
    def power_price_per_kw(self) -> Floats:
        """What a kW more, imported for the running interval, adds beyond the peak, (n, R)."""
        return self.of_rules("power_price_per_kw")

    @property
    def usual_load_kw(self) -> Floats:
        """Mean base load (n, 24) of the running hour and the next 23 in the last 7 days."""
        places = self._layout.usual_load
        if not places:
            return np.zeros((len(self._observation), DAY_H))
        return self._observation[:, places].astype(np.float64, order="C")

    @property
    def plugged(self) -> Bools:
        """Whether each car is at the charger."""
        at_charger: Bools = self._observation[:, self._slices["plugged"]] > 0.5
        return at_charger

    @property
    def soc(self) -> Floats:
        """State of charge; while away, as at departure."""
        return self.of_cars("soc")

    @property
    def hours_to_departure(self) -> Floats:
        """Time to the planned departure (h); 0 while away."""
        return self.of_cars("hours_to_departure")

    @property
    def energy_to_wanted_kwh(self) -> Floats:
        """What is missing in the battery to the wanted SoC; 0 while away."""
        return self.of_cars("energy_to_wanted_kwh")

    @property
    def available_kw(self) -> Floats:
        """AC power that the car could take now; 0 while away, and at its owner's limit."""
        return self.of_cars("available_kw")

    @property
    def wanting(self) -> Bools:
        """Whether each car is at the charger and below its wanted SoC, (n, K)."""
        return self.plugged & (self.energy_to_wanted_kwh > OBSERVED_ZERO_KWH)
