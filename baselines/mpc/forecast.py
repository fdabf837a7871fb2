"""What `mpc` expects of the load: from the past hours of the episode, or from its future."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.mpc.own_peaks import OwnPeaks
from baselines.policies.base import Future
from baselines.policies.peak_rule import known_rules
from baselines.policies.view import HouseholdView
from ev_gym.physics.power_charge import FACTOR, LOWEST, MONTH, YEAR
from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.counter_random import stream_key, uniform
from ev_gym.runtime.durations import DAY_H, DAY_MIN, HOUR_MIN
from ev_gym.scenario import PeakRule

# How many days are remembered, and how many stays; their worth is learned from so many on.
LOAD_DAYS, PRICE_DAYS = 7, 7
STAYS, LEAST_STAYS = 28, 3
# Of a year's peaks the house is expected to set those of so many days to come. With all days of the
# year plans paid at once for peaks that the house might set half a year later, and a month of
# `stockholm` with 200 a kW and year cost 520 instead of 302.
YEAR_DAYS_AHEAD = 30.0


def hour_slots(household: HouseholdView) -> list[float]:
    """Lengths (h) of the slots of the price window that lie in the rest of the running hour."""
    slot_h, into_h = household.slot_h, household.hour_of_day % 1.0
    first_h = slot_h - into_h % slot_h
    return [first_h] + [slot_h] * round((1.0 - into_h - first_h) / slot_h)


def mean_price(household: HouseholdView) -> float:
    """Mean price per kWh of the rest of the running hour."""
    lengths_h = hour_slots(household)
    both = zip(lengths_h, household.price_window, strict=False)
    return math.fsum(slot_h * price for slot_h, price in both) / math.fsum(lengths_h)


class Memory:
    """What a household has seen of load, sun and prices, hour by hour on its own clock.

    Args:
        rules: Of the power charge.
        netted: Whether the meter nets the sun with the load.

    Attributes:
        own_peaks: For each rule, what the house has imported at most, day by day.
    """

    def __init__(self, rules: Sequence[PeakRule], netted: bool) -> None:
        self.own_peaks = [OwnPeaks(rule.count, rule.interval_min / HOUR_MIN) for rule in rules]
        self._of_year = [rule.over == "year" for rule in rules]
        self.hour = -1  # of the local clock
        self.hours = 0  # that have begun; in autumn one of the clock comes twice
        self._into_h = 0.0  # how much of the running hour had passed before the last step
        self._netted = netted
        self._loads_kw: list[deque[float]] = [deque(maxlen=LOAD_DAYS) for _ in range(DAY_H)]
        self._pv_kw = [0.0] * DAY_H
        self._prices: deque[float] = deque(maxlen=PRICE_DAYS * DAY_H)
        self._values: deque[float] = deque(maxlen=STAYS)
        self._steps: list[tuple[float, float]] = []  # load and sun of the running hour's steps

    def note(self, household: HouseholdView) -> None:
        """Take in what holds in the coming step."""
        hour, into_h = int(household.hour_of_day), household.hour_of_day % 1.0
        if hour != self.hour or into_h <= self._into_h:
            self._end_hour(hour)
            for own, of_year in zip(self.own_peaks, self._of_year, strict=True):
                year_days = min(YEAR_DAYS_AHEAD, household.year_days_left)
                own.note_month(year_days if of_year else household.month_days_left)
            self.hours += 1
            self._prices.append(mean_price(household))
        self._into_h = into_h
        load_kw, pv_kw = household.load_kw, household.pv_kw
        import_kw = max(0.0, load_kw - (pv_kw if self._netted else 0.0))
        self._steps.append((load_kw, pv_kw))
        for own, factor in zip(self.own_peaks, household.interval_factor, strict=True):
            own.note(factor * import_kw, into_h)

    def _end_hour(self, hour: int) -> None:
        if self._steps:
            load_kw, pv_kw = (
                math.fsum(part) / len(self._steps) for part in zip(*self._steps, strict=True)
            )
            self._loads_kw[self.hour].append(load_kw)
            self._pv_kw[self.hour] = pv_kw
            for own in self.own_peaks:
                own.end_hour(day_over=hour < self.hour)
        self._steps, self.hour = [], hour

    def load_kw(self, hour: int, now_kw: float) -> float:
        """Mean load of the same hour in the last 7 days; the present one where none was seen."""
        loads_kw = self._loads_kw[hour]
        return math.fsum(loads_kw) / len(loads_kw) if loads_kw else now_kw

    def pv_kw(self, hour: int) -> float:
        """What the sun gave when the clock last showed this hour; 0 if it has not."""
        return self._pv_kw[hour]

    def learn_value(self, per_kwh: float) -> None:
        """Take in what a stored kWh was worth when a car arrived."""
        self._values.append(per_kwh)

    def value_per_kwh(self, prices: list[float]) -> float:
        """What a stored kWh more is worth at the next arrival: the mean of the last 28 of them.

        Before the third, the mean price of the cheapest quarter of the hours seen or to be seen.

        Args:
            prices: Of the running hour and those to come.
        """
        if len(self._values) >= LEAST_STAYS:
            return math.fsum(self._values) / len(self._values)
        hours = sorted([*self._prices, *prices[1:]])
        cheapest = hours[: max(1, len(hours) // 4)]
        return math.fsum(cheapest) / len(cheapest)


@compiled
def _draw_noise(seed: Any, key: Any, episode: Any, noise: Any) -> None:
    stream = stream_key(stream_key(seed, key), episode)
    for i in range(noise.shape[0]):
        noise[i] = 2.0 * uniform(stream, i) - 1.0


def _final_peaks_kw(future: Future, rule: int) -> NDArray[np.float64]:
    """For each step the N peaks (T, N) when its month (or year) ends, while no car charges.

    The lowest of them is the first.
    """
    tables, results = future.world.tables, future.results
    settings, before, after = tables.settings[0], future.households[:-1], future.households[1:]
    # The record that opens a month holds nothing of the last one: what a step adds is added here.
    sun_kw = results["pv_kw"] if settings["netted"] else 0.0
    import_kwh = np.maximum(0.0, results["load_kw"] - sun_kw) * settings["step_h"]
    record = tables.power.rules[rule]
    factor = tables.power.rates[before["power_class"], rule, FACTOR]
    counted_kwh = factor * import_kwh
    interval_kw = before["interval_kw"][:, rule] + counted_kwh * record["intervals_per_h"]
    peaks_kw = before["peaks_kw"][:, rule].copy()  # (T, places)
    peaks_kw[:, LOWEST] = np.maximum(peaks_kw[:, LOWEST], interval_kw)
    peaks_kw.sort(axis=1)
    hour, minute = np.divmod(after["place_min"], HOUR_MIN)
    period = YEAR if record["of_year"] else MONTH
    over = (minute == 0) & (tables.hours["opens"][hour] & period != 0)
    over[-1] = True
    ends = np.flatnonzero(over)
    last = ends[np.searchsorted(ends, np.arange(over.size))]
    final: NDArray[np.float64] = peaks_kw[last, -int(record["count"]) :]
    return final


class Forecast:
    """A load forecast with an error of known size, made from the household's future.

    The true load of each hour is multiplied by 1 + error * noise, with noise uniform from -1 to 1,
    drawn by the seed, the household's own random stream, and the hour: so it is the same in
    whatever row the household stands. Beyond the horizon each day is like the last one.

    Args:
        future: The household from now on.
        step_min: Length of a step.
        error: 0 for the true load.
        seed: Of the noise.
        slots: How many hours ahead may be asked for.
    """

    def __init__(self, future: Future, step_min: int, error: float, seed: int, slots: int) -> None:
        house, load_kw = future.households, np.asarray(future.results["load_kw"], np.float64)
        hour = house["now_min"] // HOUR_MIN - house["now_min"][0] // HOUR_MIN
        noise = np.empty(int(hour[-1]) + 2)
        key, episode = house["key"][0], np.uint64(house["episode"][0])
        _draw_noise(np.uint64(seed), key, episode, noise)
        forecast_kw = load_kw * (1.0 + error * noise[1 + hour[:-1]])
        last_day_kw = forecast_kw[-(DAY_MIN // step_min) :]
        beyond_kw = np.resize(last_day_kw, slots * HOUR_MIN // step_min)
        self._sums = np.concatenate([[0.0], np.cumsum(np.concatenate([forecast_kw, beyond_kw]))])
        rules = len(known_rules(future.world.scenario.tariff))
        self._peaks_kw = [
            _final_peaks_kw(future, rule) * (1.0 + error * noise[0]) for rule in range(rules)
        ]

    def mean_kw(self, step: int, steps: int) -> float:
        """Mean load over so many steps from one on."""
        return float((self._sums[step + steps] - self._sums[step]) / steps)

    def final_peaks_kw(self, step: int, rule: int) -> list[float]:
        """A rule's N peaks when the running month (or year), or the future, ends, lowest first.

        They are those of the house alone, if the future begins with an episode. If it begins later,
        the peaks that the cars had set by then count: they are paid for, whatever comes.
        """
        peaks_kw = self._peaks_kw[rule]
        final: list[float] = peaks_kw[min(step, len(peaks_kw) - 1)].tolist()
        return final
