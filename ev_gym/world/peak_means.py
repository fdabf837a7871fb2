"""The peaks that a rule counts in each month, for invoices that show the mean of several months.

The physics books each month's own peaks, step by step; this is the same rule on whole months.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.durations import HOUR_MIN, QUARTER_MIN
from ev_gym.scenario import PeakRule, Scenario
from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError
from ev_gym.world.tables import alone_loads
from ev_gym.world.tariff_tables import Quarters, peak_factor


class Imports(NamedTuple):
    """What was imported in steps that follow one another, arrays (T,).

    Attributes:
        minute: Minute of the series at which each step begins.
        kwh: What it drew from the grid.
    """

    minute: Ints
    kwh: Floats


def peak_mean_kw(rule: PeakRule, quarters: Quarters, imports: Imports, step_min: int) -> float:
    """The mean of a rule's N peaks in some steps of a month, kW, each at least its floor.

    Args:
        rule: The rule.
        quarters: The clock of the series.
        imports: The steps of the month, or a part of it.
        step_min: Minutes of a step.
    """
    interval = imports.minute // rule.interval_min
    known, place = np.unique(interval, return_inverse=True)
    # A step of 30 or 60 minutes counts as its quarter-hours do in the mean.
    slot_quarters = max(1, step_min // QUARTER_MIN)
    of_slots = peak_factor(rule, quarters).reshape(-1, slot_quarters).mean(axis=1)
    factor = of_slots[imports.minute // (slot_quarters * QUARTER_MIN)]
    weighted_kwh = np.bincount(place, factor * imports.kwh, minlength=known.size)
    means_kw = weighted_kwh * HOUR_MIN / rule.interval_min
    if rule.different_days:
        day = quarters.day[known * rule.interval_min // QUARTER_MIN]
        highest: dict[np.datetime64, float] = {}
        for of_day, mean_kw in zip(day, means_kw, strict=True):
            highest[of_day] = max(highest.get(of_day, 0.0), float(mean_kw))
        means_kw = np.array(list(highest.values()))
    peaks_kw = np.sort(means_kw)[::-1][: rule.count]
    peaks_kw = np.append(peaks_kw, np.zeros(rule.count - peaks_kw.size))
    return float(np.maximum(peaks_kw, rule.floor_kw).mean())


def house_imports(
    scenario: Scenario, dataset: Dataset, place_min: NDArray[np.int64], load_kw: Floats
) -> Imports:
    """What the house of an episode imports without its cars, in all steps of the series.

    Args:
        scenario: The scenario.
        dataset: The series.
        place_min: Minute of the series of each step of the episode,
        load_kw: and its base load, by which the house is found.

    Raises:
        DataError: if no house of the series has this load.
    """
    step_min = scenario.time_step_min
    slot_min = max(step_min, QUARTER_MIN)
    loads_kw, alone_kw = alone_loads(scenario, dataset)
    if scenario.household.net_load:
        loads_kw = np.maximum(0.0, loads_kw)  # what is below is shown as sun
    apart_kw = np.abs(loads_kw[:, place_min // slot_min] - load_kw).max(axis=1)
    house = int(apart_kw.argmin())
    if apart_kw[house] > 1e-9:
        raise DataError(
            f"history's load_kw is that of no house of the series (the nearest is "
            f"{apart_kw[house]:.3g} kW away); allowed: the series that were simulated, as dataset"
        )
    minute = np.arange(0, loads_kw.shape[1] * slot_min, step_min)
    kwh = alone_kw[house, minute // slot_min] * step_min / HOUR_MIN
    return Imports(minute, kwh)


def trailing_means(
    own_kw: list[float], earlier_kw: list[float], months: int, floor_kw: float
) -> list[float]:
    """For each month the mean over it and the months before; missing ones count as the floor.

    Args:
        own_kw: The months' own means of peaks, in order.
        earlier_kw: Those of the months before the first, the latest last.
        months: Over how many months the mean is taken.
        floor_kw: What a missing month counts as.
    """
    before_kw = [floor_kw] * months + [max(floor_kw, kw) for kw in earlier_kw]
    whole_kw = before_kw + own_kw
    first = len(before_kw)
    return [
        sum(whole_kw[place - months + 1 : place + 1]) / months
        for place in range(first, len(whole_kw))
    ]
