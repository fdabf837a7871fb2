"""What a network sees of a household: some dozens of numbers worked out from an observation.

An observation holds 144 prices; what decides is how the running one stands among those before
departure. An observation knows no yesterday; what decides is whether today is cheap, and how high a
peak the house will set by itself. So prices become ranks, and a memory keeps what past days were
like. The same code runs in training and in the policy, and no row looks at another.

All numbers are of the order of 1: kW by the connection's or the car's, prices by their own mean.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.policies.peaks import below_peak_kw
from baselines.policies.view import OBSERVED_ZERO_KWH, View
from ev_gym.physics.charger import FLOOR_A
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.durations import DAY_H, HOUR_MIN
from ev_gym.scenario import Scenario
from ev_gym.scenario.charger import at_charger

HOUSE = (
    "hour_sin",
    "hour_cos",
    "day_sin",
    "day_cos",
    "weekend",
    "load",
    "headroom",
    "temperature",
    "price",
    "price_of_days",
    "low_price_of_days",
    "hours_known",
    "sun",
    "export_price",
    "month_left",
)
RULE = (
    "peak",
    "own_peak_of_month",
    "own_peak_of_days",
    "usual_peak",
    "interval_factor",
    "price_per_kw",
)
ROOM = ("room_below_peak", "room_near_least", "room_is_endless")
CAR = (
    "plugged",
    "soc",
    "stay",
    "short_stay",
    "wanted",
    "needed",
    "needs",
    "needed_h",
    "available",
    "cheaper_h",
    "much_cheaper_h",
    "slack",
    "slow_slack",
    "slack_near_0",
    "slow_slack_near_0",
    "waits_for_nothing",
    "cheapest_of_stay",
    "mean_of_stay",
    "cheapest_after_stay",
)
WINDOW_PARTS = 12
# Features lie in here, so that no rare household drives a network out of what it knows.
MOST = 5.0
# By so much of the typical price a slot is much cheaper.
MUCH = 0.1
# What a day adds to what is remembered of the days before.
DAYS_SHARE = 1.0 / 7.0


@compiled
def _stay_prices(
    prices: Floats, slot_h: float, into_h: Floats, left_h: Floats, typical: Floats, out: Floats
) -> None:
    """How the running price stands among those of each car's stay.

    Args:
        prices: (n, S) of the slots of the price window.
        slot_h: Length of a slot.
        into_h: (n,) how much of the running slot has passed.
        left_h: (n, K) hours to departure.
        typical: (n,) price of past days.
        out: (n, K, 5) hours that are cheaper, hours that are much cheaper, and relative to the
            typical price: the lowest, the mean, and the lowest after the stay, less the running.
    """
    for i in range(prices.shape[0]):
        now, much = prices[i, 0], MUCH * typical[i]
        for k in range(left_h.shape[1]):
            cheaper_h, much_h, least, total, stay_h, after = 0.0, 0.0, now, 0.0, 1e-9, math.inf
            for slot in range(prices.shape[1]):
                begins_h = max(slot * slot_h - into_h[i], 0.0)
                ends_h = (slot + 1) * slot_h - into_h[i]
                price = prices[i, slot]
                long_h = min(ends_h, left_h[i, k]) - begins_h
                if long_h > 0.0:
                    cheaper_h += long_h * (price < now)
                    much_h += long_h * (price < now - much)
                    least = min(least, price)
                    total += long_h * price
                    stay_h += long_h
                else:
                    after = min(after, price)
            out[i, k, 0], out[i, k, 1] = cheaper_h, much_h
            out[i, k, 2] = (least - now) / typical[i]
            out[i, k, 3] = (total / stay_h - now) / typical[i] if stay_h > 1e-6 else 0.0
            out[i, k, 4] = (after - now) / typical[i] if after < math.inf else 0.0


class Memory:
    """What n households remember of past days; begins anew with each episode.

    Attributes:
        price_of_days: (n,) mean price, of some days.
        low_price_of_days: (n,) lowest price of a day, likewise.
        own_peak_of_month_kw: (n, R) highest load of the house in the calendar month, as it counts.
        own_peak_of_days_kw: (n, R) highest load of a day, as it counts, of some days.
    """

    def __init__(self, rows: int, rules: int) -> None:
        self.begun = np.zeros(rows, np.bool_)
        self.hour_of_day = np.zeros(rows)
        self.days_left = np.zeros(rows)
        self.price_of_days = np.ones(rows)
        self.low_price_of_days = np.ones(rows)
        self.today_low = np.full(rows, np.inf)
        self.own_peak_of_month_kw = np.zeros((rows, rules))
        self.own_peak_of_days_kw = np.zeros((rows, rules))
        self.today_kw = np.zeros((rows, rules))

    def of_rows(self, rows: NDArray[np.int64]) -> Memory:
        """A copy of what some households (m,) remember."""
        part = copy.copy(self)
        vars(part).update({name: values[rows] for name, values in vars(self).items()})
        return part

    def take(self, rows: NDArray[np.int64], part: Memory) -> None:
        """Take back what some households remember."""
        for name, values in vars(part).items():
            getattr(self, name)[rows] = values

    def note(self, view: View, step_h: float) -> None:
        """Take in what is observed before a step."""
        price, hour = view.price_per_kwh, view.hour_of_day
        counted_kw = view.interval_factor * (view.load_kw - view.pv_kw)[:, None].clip(min=0.0)
        usual_kw = view.usual_load_kw.max(axis=1)[:, None] * np.ones_like(counted_kw)
        new, days_left = ~self.begun, view.of_house("month_days_left")
        # Of days before the episode it knows what prices of the window and the usual load tell.
        window = view.price_window
        self.price_of_days = np.where(new, window.mean(axis=1), self.price_of_days)
        self.low_price_of_days = np.where(new, window.min(axis=1), self.low_price_of_days)
        self.own_peak_of_days_kw = np.where(new[:, None], usual_kw, self.own_peak_of_days_kw)
        day_over = ~new & (hour < self.hour_of_day)
        month_over = new | (days_left > self.days_left + 1.0)
        share = DAYS_SHARE * day_over
        known_low = np.where(np.isfinite(self.today_low), self.today_low, price)
        self.low_price_of_days += share * (known_low - self.low_price_of_days)
        self.own_peak_of_days_kw += share[:, None] * (self.today_kw - self.own_peak_of_days_kw)
        self.today_low = np.where(new | day_over, price, np.minimum(self.today_low, price))
        fresh = (new | day_over)[:, None]
        self.today_kw = np.where(fresh, counted_kw, np.maximum(self.today_kw, counted_kw))
        of_month = np.where(month_over[:, None], 0.0, self.own_peak_of_month_kw)
        self.own_peak_of_month_kw = np.maximum(of_month, counted_kw)
        self.price_of_days += DAYS_SHARE * step_h / DAY_H * (price - self.price_of_days)
        self.hour_of_day, self.days_left = hour, days_left
        self.begun[:] = True


class Features:
    """From observations to features, and the memory that needs.

    Args:
        scenario: The scenario.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        limits = [at_charger(vehicle, scenario.charger) for vehicle in scenario.vehicles]
        self._max_kw = np.array([limit.max_kw for limit in limits])
        self._least_kw = np.array([FLOOR_A * limit.kw_per_a for limit in limits])
        self._step_h = scenario.time_step_min / HOUR_MIN
        self._rules = len(scenario.tariff.peaks)
        self.names = (
            *HOUSE,
            *(f"{name}_{r}" for name in RULE for r in range(self._rules)),
            *(ROOM if self._rules else ()),
            *(f"price_part_{part:02d}" for part in range(WINDOW_PARTS)),
            *(f"{name}_{k}" for name in CAR for k in range(len(limits))),
        )
        self._memory = Memory(0, self._rules)

    def reset(self, rows: NDArray[np.int64] | None = None) -> None:
        """Begin new episodes in these rows (m,); None: in all."""
        if rows is None or len(self._memory.begun) == 0:
            self._memory = Memory(0, self._rules)  # as many rows as are seen next
        else:
            self._memory.begun[rows] = False

    def state(self) -> list[tuple[str, NDArray[Any]]]:
        """What is remembered, by name, for `restore`."""
        return list(vars(self._memory).items())

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Remember what `state` told."""
        vars(self._memory).update({name: array.copy() for name, array in state.items()})

    def __call__(self, view: View) -> NDArray[np.float32]:
        """The features (n, F) of the observations of all rows, which are taken into memory."""
        n = len(view.load_kw)
        if len(self._memory.begun) != n:
            self._memory = Memory(n, self._rules)
        return self._features(view, self._memory)

    def of_rows(self, view: View, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The same of some rows (m,), whose observations alone are in the view."""
        part = self._memory.of_rows(rows)
        features = self._features(view, part)
        self._memory.take(rows, part)
        return features

    def _features(self, view: View, memory: Memory) -> NDArray[np.float32]:
        n = len(view.load_kw)
        memory.note(view, self._step_h)
        typical = np.maximum(0.05, np.abs(memory.price_of_days))
        columns = [
            *self._house(view, memory, typical),
            *self._of_rules(view, memory),
            *self._window(view, typical),
        ]
        columns += self._of_cars(view, typical)
        features: NDArray[np.float32] = np.concatenate(
            [column.reshape(n, -1) for column in columns], axis=1
        ).astype(np.float32)
        return np.clip(features, -MOST, MOST, out=features)

    def _house(self, view: View, memory: Memory, typical: Floats) -> list[Floats]:
        most_kw = self._max_kw.max()
        return [
            view.of_house("hour_sin"),
            view.of_house("hour_cos"),
            view.of_house("day_sin"),
            view.of_house("day_cos"),
            view.of_house("weekend"),
            view.load_kw / 2.0,
            view.headroom_kw / most_kw,
            (view.of_house("temperature_c") - 8.0) / 8.0,
            view.price_per_kwh / typical - 1.0,
            memory.price_of_days - 1.25,
            memory.low_price_of_days / typical - 1.0,
            view.hours_known / DAY_H - 1.0,
            view.pv_kw / 4.0,
            view.of_house("export_price_per_kwh") / typical,
            view.of_house("month_days_left") / 16.0 - 1.0,
        ]

    def _of_rules(self, view: View, memory: Memory) -> list[Floats]:
        if self._rules == 0:
            return []
        max_kw = self._max_kw.max()
        usual_kw = view.usual_load_kw.max(axis=1)
        room_kw = below_peak_kw(self.scenario, view)
        endless = room_kw > 2.0 * max_kw
        return [
            view.peak_kw / 4.0 - 1.0,
            memory.own_peak_of_month_kw / 4.0 - 1.0,
            memory.own_peak_of_days_kw / 4.0 - 1.0,
            np.repeat(usual_kw[:, None] / 4.0 - 1.0, self._rules, axis=1),
            view.interval_factor,
            view.power_price_per_kw / 50.0,
            np.where(endless, 1.0, room_kw / max_kw),
            np.clip(room_kw - self._least_kw.min(), -1.0, 1.0),
            endless.astype(np.float64),
        ]

    def _window(self, view: View, typical: Floats) -> list[Floats]:
        prices = view.price_window
        parts = np.array_split(prices, WINDOW_PARTS, axis=1)
        means = np.stack([part.mean(axis=1) for part in parts], axis=1)
        return [(means - prices[:, :1]) / typical[:, None]]

    def _of_cars(self, view: View, typical: Floats) -> list[Floats]:
        left_h, prices = view.hours_to_departure, view.price_window
        stay = np.zeros((*left_h.shape, 5))
        _stay_prices(prices, view.slot_h, view.into_slot_h, left_h, typical, stay)
        needed_kwh = view.energy_to_wanted_kwh
        fast_h, slow_h = needed_kwh / self._max_kw, needed_kwh / self._least_kw
        return [
            view.plugged.astype(np.float64),
            view.soc * 2.0 - 1.0,
            left_h / 24.0,
            np.minimum(1.0, left_h / 4.0),
            view.of_cars("wanted_soc"),
            needed_kwh / 10.0,
            (needed_kwh > OBSERVED_ZERO_KWH).astype(np.float64),
            slow_h / np.maximum(0.25, left_h),
            view.available_kw / self._max_kw,
            stay[..., 0] / 8.0,
            stay[..., 1] / 8.0,
            (stay[..., 0] - fast_h) / 4.0,
            (stay[..., 0] - slow_h) / 4.0,
            np.clip(stay[..., 0] - fast_h, -1.0, 1.0),
            np.clip(stay[..., 0] - slow_h, -1.0, 1.0),
            (stay[..., 0] < 0.01).astype(np.float64),
            stay[..., 2],
            stay[..., 3],
            stay[..., 4],
        ]
