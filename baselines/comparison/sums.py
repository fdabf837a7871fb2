"""Figures of a batch of episodes, added up day by day.

So a month of many households needs the memory of one day. A day is 24 elapsed hours from the
episode's start, as the horizon counts them; of a month it is one of the local calendar, which has
23 or 25 hours where clocks change.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.emissions import charging_co2_g
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.durations import DAY_H, HOUR_MIN
from ev_gym.scenario import Scenario
from ev_gym.series.dataset import Dataset
from ev_gym.simulation.results import TERM_FIELDS
from ev_gym.simulation.state_fields import REWARD_TERMS

CHEAP_HOURS = DAY_H // 3  # of each day the cheapest third


class LocalHours:
    """The local clock by the hour: hour of the day and date.

    Args:
        start: When the series began: minute 0 of `now_min`.
        zone: The household's time zone.
        hours: How many hours from then on.
    """

    def __init__(self, start: datetime, zone: str, hours: int) -> None:
        import pandas as pd

        moments = pd.date_range(pd.Timestamp(start), periods=hours, freq="h").tz_convert(zone)
        self.hour = moments.hour.to_numpy(np.int64)
        self.date = moments.tz_localize(None).to_numpy().astype("datetime64[D]")


def price_ranks(price_per_kwh: Floats) -> Ints:
    """The rank of each hour's price in its day, the cheapest 0; of equal ones the earlier first.

    Args:
        price_per_kwh: (hours, n).
    """
    order = price_per_kwh.argsort(axis=0, kind="stable")
    ranks: Ints = order.argsort(axis=0, kind="stable")
    return ranks


class ChargedEnergy(NamedTuple):
    """Where a policy's energy went on one scenario: by the price of its hours, and by the clock.

    Attributes:
        scenario: Its name, with the split.
        policy: Spec of the policy.
        first_hour: Local hour of the first column.
        energy_kwh: (24, 24) by rank of the hour's price in its day and by local hour.
    """

    scenario: str
    policy: str
    first_hour: int
    energy_kwh: Floats


class Sums:
    """What a policy does in a batch of n episodes, day by day.

    Attributes:
        day_costs: (days, n) money, minus the rewards of each day; the settlement is not in it.
        day_co2_g: (days, n) grams of CO2 that charging caused on each day, as
            `ev_gym.emissions` counts them; None where the carbon intensity is not known.
        dates: (days, n) local dates on which these days begin.
        charged_kwh: (24, 24) energy charged, by rank of the hour's price in its day and by local
            hour, from `first_hour` on; what cars feed back is not deducted.
        first_hour: Local hour in which the first episode starts.

    Args:
        scenario: Its step is read.
        count: Number of episodes n.
        clock: The local clock, to the end of the last episode.
        days: Number of days of each episode.
        carbon: Series with the carbon intensity; None: it is not known.
    """

    def __init__(
        self,
        scenario: Scenario,
        count: int,
        clock: LocalHours,
        days: int,
        carbon: Dataset | None = None,
    ) -> None:
        self.scenario, self.clock, self.carbon = scenario, clock, carbon
        self.day_costs = np.zeros((days, count))
        self.day_co2_g = None if carbon is None else np.zeros((days, count))
        self.dates = np.zeros((days, count), "datetime64[D]")
        self.charged_kwh = np.zeros((DAY_H, DAY_H))
        self.first_hour = 0
        self._day = 0
        self._terms = np.zeros((len(TERM_FIELDS), count))
        self._kw = {name: np.zeros(count) for name in ("charge", "discharge", "pv", "exported")}
        self._missing_kwh, self._cheap_kwh = np.zeros(count), np.zeros(count)
        self._peak_kw = np.full(count, -np.inf)

    def add(self, results: NDArray[Any], vehicle_results: NDArray[Any]) -> None:
        """Add a day's records (steps, n) and (steps, n, K)."""
        reward = np.zeros(results.shape)
        for total, name in zip(self._terms, TERM_FIELDS, strict=True):
            total += results[name].sum(axis=0)
            reward += results[name]
        self.day_costs[self._day] = -reward.sum(axis=0)
        vehicle_kw, grid_kw = vehicle_results["charge_kw"], results["grid_kw"]
        charge_kw = vehicle_kw.clip(min=0.0).sum(axis=2)
        self._kw["charge"] += charge_kw.sum(axis=0)
        self._kw["discharge"] += (charge_kw - vehicle_kw.sum(axis=2)).sum(axis=0)
        self._kw["pv"] += results["pv_kw"].sum(axis=0)
        self._kw["exported"] += (-grid_kw).clip(min=0.0).sum(axis=0)
        self._missing_kwh += results["missing_kwh"].sum(axis=0)
        np.maximum(self._peak_kw, grid_kw.max(axis=0), out=self._peak_kw)
        if self.carbon is not None and self.day_co2_g is not None:
            co2_g = charging_co2_g(self.scenario, self.carbon, results, vehicle_kw)
            self.day_co2_g[self._day] = co2_g.sum(axis=0)
        self._add_hours(results, charge_kw)
        self._day += 1

    def _add_hours(self, results: NDArray[Any], charge_kw: Floats) -> None:
        """Where the day's energy went, by hour of the day and rank of the hour's price."""
        steps_an_hour = HOUR_MIN // self.scenario.time_step_min
        shape = (len(results) // steps_an_hour, steps_an_hour, -1)
        hours = results["now_min"].reshape(shape)[:, 0] // HOUR_MIN
        energy_kwh = charge_kw.reshape(shape).sum(axis=1) * self.scenario.step_h
        rank = price_ranks(results["price_per_kwh"].reshape(shape).mean(axis=1))
        local = self.clock.hour[hours]
        if self._day == 0:
            self.first_hour = int(local[0, 0])
        self.dates[self._day] = self.clock.date[hours[0]]
        # The dearest hour of a day of 25 joins the one before it.
        rank = np.minimum(rank, DAY_H - 1)
        np.add.at(self.charged_kwh, (rank, (local - self.first_hour) % DAY_H), energy_kwh)
        self._cheap_kwh += np.where(rank < CHEAP_HOURS, energy_kwh, 0.0).sum(axis=0)

    def figures(self, settlement: Floats, parts: int) -> dict[str, Floats]:
        """By column, (n,): money by term, energies and CO2, each a part of the episode; the peak.

        Args:
            settlement: (n,) money, the worth of the change in stored energy over the episode.
            parts: Into how many parts the episode is divided: its days, or 1.
        """
        count = len(settlement)
        figures: dict[str, Floats] = {}
        cost = np.zeros(count)
        for term, total in zip(REWARD_TERMS, self._terms, strict=True):
            figures[term] = -total / parts + 0.0
            cost += figures[term]
        figures["settlement"] = settlement / parts
        figures["cost"] = cost - figures["settlement"]
        for name, total in self._kw.items():
            figures[f"{name}_kwh"] = total * self.scenario.step_h / parts
        figures["missing_kwh"] = self._missing_kwh / parts
        figures["peak_kw"] = self._peak_kw
        figures["cheap_kwh"] = self._cheap_kwh / parts
        if self.day_co2_g is not None:
            figures["co2_g"] = self.day_co2_g.sum(axis=0) / parts
        return figures
