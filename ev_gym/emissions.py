"""Grams of CO2 that charging causes, from the steps of an episode and the grid's carbon intensity.

A step emits what it draws from the grid times the intensity of its time. Charging is made
answerable for the difference between the household with its cars and the house alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import HOUR_MIN, QUARTER_MIN
from ev_gym.scenario import Scenario
from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError
from ev_gym.series.of_scenario import dataset_of
from ev_gym.simulation.results import vehicle_columns

if TYPE_CHECKING:
    import pandas as pd


def charging_co2_g(scenario: Scenario, dataset: Dataset, steps: Any, charge_kw: Floats) -> Floats:
    """Grams of CO2 equivalent that the cars added in each step; below 0 where they saved some.

    Counted is import with the cars less import of the house alone, times the carbon intensity of
    the step, which is the average of the grid and not that of the plant that ran for it. Import is
    what the meter shows: with the tariff's `netting` "none" all that is used, else what is used
    beyond sun and discharging within the step. Netting over an hour, a month or a year moves money
    and no electricity, so here it is netting within the step too.

    Not counted is exported energy: it earns no grams, so sun that a car takes instead of the grid
    is free, and a car that discharges saves only the import of its own house. Neither are energy
    from public chargers, whose hours are not known, what batteries hold more or less at the end,
    and the making of cars and batteries.

    Args:
        scenario: What was simulated.
        dataset: Its series, with carbon intensity.
        steps: `now_min`, `load_kw`, `pv_kw` and `grid_kw` by name, each (...): step records, or a
            table.
        charge_kw: (..., K) mean AC power of each car, below 0 where it discharges.

    Returns:
        (...) grams.

    Raises:
        DataError: if the data set has no carbon intensity.
    """
    if scenario.tariff.netting == "none":
        added_kw = charge_kw.clip(min=0.0).sum(axis=-1)
    else:
        # The reported sun lacks what the export limit cut off, which is cut only beyond the load.
        alone_kw = np.asarray(steps["load_kw"]) - np.asarray(steps["pv_kw"])
        added_kw = np.asarray(steps["grid_kw"]).clip(min=0.0) - alone_kw.clip(min=0.0)
    intensity = _g_per_kwh(dataset, np.asarray(steps["now_min"]), scenario.time_step_min)
    grams: Floats = added_kw * scenario.step_h * intensity
    return grams


def history_co2_g(
    scenario: Scenario, history: pd.DataFrame, dataset: Dataset | None = None
) -> Floats:
    """`charging_co2_g` of each step of an episode.

    Args:
        scenario: What was simulated.
        history: The T steps of the episode, such as `env.unwrapped.history`.
        dataset: The series that were simulated, where they are not those that the scenario names.

    Returns:
        (T,) grams.

    Raises:
        DataError: if the series hold no carbon intensity.
    """
    dataset = dataset_of(scenario) if dataset is None else dataset
    charge_kw = history[vehicle_columns("charge_kw", len(scenario.vehicles))].to_numpy()
    return charging_co2_g(scenario, dataset, history, charge_kw)


def _g_per_kwh(dataset: Dataset, now_min: NDArray[np.int64], step_min: int) -> Floats:
    """Carbon intensity of each step: its mean, or in a short step that of its interval."""
    if dataset.carbon_g_per_kwh is None:
        raise DataError("the series hold no carbon intensity; allowed: a scenario with data.carbon")
    hours = dataset.temperature_c.size
    interval_min = HOUR_MIN * hours // dataset.carbon_g_per_kwh.size
    quarters = np.repeat(dataset.carbon_g_per_kwh, interval_min // QUARTER_MIN)
    slot_min = max(step_min, QUARTER_MIN)
    slots = quarters.reshape(-1, slot_min // QUARTER_MIN).mean(axis=1)
    # Where the series reach their end, they go on from their beginning.
    of_steps: Floats = slots[now_min % (HOUR_MIN * hours) // slot_min]
    return of_steps
