"""Limits that a scenario announces for hours ahead: contracted power, and dimming of the cars.

A household knows its contract, and dimmed hours stand in the scenario, so a policy may plan with
both. As with the power charge it sees the time of the year and whether today is a day off, but no
date: rows of a later date are taken to hold, and so are those of called days.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from baselines.policies.peak_rule import DAYS_OFF
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import HOUR_MIN, QUARTER_MIN
from ev_gym.scenario import ContractedPower, Dimming, Scenario
from ev_gym.scenario.when import ALL_YEAR, DAY_QUARTERS, WORKDAYS

ROUNDING = 1e-6  # of a quarter-hour: times are observed in float32


class KnownLimits(NamedTuple):
    """The limits in each quarter-hour; infinite where there is none.

    Attributes:
        in_all_kw: (12, 2, 96) what house and cars may draw, the connection's own limit among it, in
            each month, on workdays and on days off; of each kind of days the least.
        cars_kw: (12, 2, 96) what all cars together may draw, likewise.
    """

    in_all_kw: Floats
    cars_kw: Floats

    def means(self, minutes: int) -> KnownLimits:
        """Both in longer parts of a day, (12, 2, parts): their means."""
        shape = (*self.cars_kw.shape[:2], -1, minutes // QUARTER_MIN)
        return _means(self.in_all_kw.reshape(shape), self.cars_kw.reshape(shape))

    def between(self, month: int, day_off: bool, from_h: float, to_h: float) -> tuple[float, float]:
        """Means of both from one time of a day (h) to another, on quarter-hours or within one."""
        per_hour = HOUR_MIN / QUARTER_MIN
        first = math.floor(from_h * per_hour + ROUNDING)
        end = max(first + 1, math.ceil(to_h * per_hour - ROUNDING))
        part = (month - 1, int(day_off), slice(first, end))
        found = _means(self.in_all_kw[part], self.cars_kw[part])
        return float(found.in_all_kw), float(found.cars_kw)


def _means(in_all_kw: Floats, cars_kw: Floats) -> KnownLimits:
    """Means over the last axis.

    Where cars are dimmed for a part of the time, the limit in all holds for them in the rest.
    """
    free = np.isinf(cars_kw)
    in_part = free & ~free.all(axis=-1, keepdims=True)
    limits_kw = np.where(in_part, in_all_kw, cars_kw)
    return KnownLimits(in_all_kw.mean(axis=-1), limits_kw.mean(axis=-1))


def known_limits(scenario: Scenario) -> KnownLimits | None:
    """What a scenario tells of limits that change; None where none does."""
    contracts, dimming = scenario.tariff.contracts, scenario.charger.dimming
    if not contracts and not dimming:
        return None
    return _known_limits(contracts, dimming, scenario.household.limit_kw)


@functools.lru_cache(maxsize=16)
def _known_limits(
    contracts: tuple[ContractedPower, ...], dimming: tuple[Dimming, ...], connection_kw: float
) -> KnownLimits:
    named: dict[str | None, list[ContractedPower]] = {}
    for row in contracts:
        named.setdefault(row.name, []).append(row)
    return KnownLimits(
        np.minimum(connection_kw, _least([_by_kind(rows) for rows in named.values()])),
        _least([_by_kind(dimming)]),
    )


def _least(limits_kw: list[Floats]) -> Floats:
    free_kw = np.full((len(ALL_YEAR), 2, DAY_QUARTERS), np.inf)
    least: Floats = np.min([free_kw, *limits_kw], axis=0)
    return least


def _by_kind(rows: Iterable[ContractedPower | Dimming]) -> Floats:
    """(12, 2, 96) the limit of the last row that holds; of each kind of days the least."""
    days, quarter = (*WORKDAYS, *DAYS_OFF), np.arange(DAY_QUARTERS)
    month, day = np.array(ALL_YEAR)[:, None, None], np.array(days)[:, None]
    limits_kw = np.full((len(ALL_YEAR), len(days), DAY_QUARTERS), np.inf)
    for row in rows:
        limits_kw[row.holds_in(quarter, day, month)] = row.kw
    workdays, days_off = limits_kw[:, : len(WORKDAYS)], limits_kw[:, len(WORKDAYS) :]
    return np.stack([workdays.min(axis=1), days_off.min(axis=1)], axis=1)
