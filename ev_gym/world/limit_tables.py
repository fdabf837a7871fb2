"""Limits that change with the hour, as tables: contracted power, and dimming of the cars.

A table has an entry for each slot of base load, so that a step looks it up as it does the load. In
a step longer than a quarter-hour the lowest limit of its quarter-hours holds throughout.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.durations import QUARTER_MIN
from ev_gym.runtime.records import Settings
from ev_gym.scenario import ContractedPower, Dimming, Scenario
from ev_gym.series.dataset import Dataset
from ev_gym.world.tariff_tables import Quarters, by_name, holds, quarters_of


def contract_limits(scenario: Scenario, dataset: Dataset, slot_min: int, worlds: int) -> Floats:
    """Contracted power (kW) in each slot of the series of all worlds, one behind another.

    Args:
        scenario: Its tariff's contracts are read; of several names the least counts.
        dataset: Of a world; only its calendar is read.
        slot_min: Minutes of a slot of base load.
        worlds: How many there are.

    Returns:
        (slots,), infinite where no contract holds; (0,) without contracts.
    """
    contracts = scenario.tariff.contracts
    if not contracts:
        return np.empty(0)
    quarters = quarters_of(scenario.tariff, dataset)
    by_quarter = np.min([_limits(named, quarters) for named in by_name(contracts)], axis=0)
    return _in_slots(by_quarter, slot_min, worlds)


def cars_limits(scenario: Scenario, dataset: Dataset, slot_min: int, worlds: int) -> Floats:
    """What all cars together may draw (kW), likewise; (0,) where nothing dims them."""
    if not scenario.charger.dimming:
        return np.empty(0)
    quarters = quarters_of(scenario.tariff, dataset)
    return _in_slots(_limits(scenario.charger.dimming, quarters), slot_min, worlds)


def _limits(rows: Iterable[ContractedPower | Dimming], quarters: Quarters) -> Floats:
    """(Q,) the limit of the last row that holds in each quarter-hour; infinite where none does."""
    limits_kw = np.full(quarters.day.size, np.inf)
    for row in rows:
        limits_kw[holds(row, quarters)] = row.kw
    return limits_kw


def _in_slots(by_quarter: Floats, slot_min: int, worlds: int) -> Floats:
    of_world = by_quarter.reshape(-1, slot_min // QUARTER_MIN).min(axis=1)
    return np.tile(of_world, worlds)


@compiled
def limit_kw_at(limits_kw: Floats, settings: Settings, place_min: int) -> float:
    """What a table of limits has (kW) for the step that begins there; infinite without a table."""
    if limits_kw.shape[0] == 0:
        return math.inf
    return float(limits_kw[(place_min // QUARTER_MIN) >> settings.load_shift])
