"""A step's results under their declared names: for one household, for many, and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.fields import (
    REWARD_TERMS,
    STEP_DTYPE,
    STEP_FIELDS,
    VEHICLE_STEP_DTYPE,
    VEHICLE_STEP_FIELDS,
)
from ev_gym.simulator import Outputs
from ev_gym.world import World

if TYPE_CHECKING:
    import pandas as pd

_TERMS_FROM = len(STEP_FIELDS) - len(REWARD_TERMS)
NAMES = tuple(field.name for field in STEP_FIELDS[:_TERMS_FROM])
TERM_FIELDS = tuple(f"{term}_term" for term in REWARD_TERMS)
VEHICLE_NAMES = tuple(field.name for field in VEHICLE_STEP_FIELDS)
# All fields of a vehicle's results are float64, so a record is also a row of numbers.
_WIDTH = VEHICLE_STEP_DTYPE.itemsize // 8


def row_info(out: Outputs) -> dict[str, Any]:
    """The results of a single household: Python numbers, arrays (K,), and the reward's terms."""
    values = out.results.item()
    info: dict[str, Any] = dict(zip(NAMES, values, strict=False))
    per_vehicle = out.vehicle_results.view(np.float64).reshape(-1, _WIDTH).T
    info.update(zip(VEHICLE_NAMES, per_vehicle, strict=True))
    info["reward_terms"] = dict(zip(REWARD_TERMS, values[_TERMS_FROM:], strict=True))
    return info


def rows_info(results: NDArray[Any], vehicle_results: NDArray[Any]) -> dict[str, Any]:
    """The results of n households: arrays (n,) and (n, K), and the reward's terms, each (n,)."""
    info: dict[str, Any] = {name: results[name] for name in NAMES}
    info.update((name, vehicle_results[name]) for name in VEHICLE_NAMES)
    info["reward_terms"] = {
        term: results[field] for term, field in zip(REWARD_TERMS, TERM_FIELDS, strict=True)
    }
    return info


def vehicle_columns(name: str, cars: int) -> list[str]:
    """Column names of a vehicle's field: the name itself, with several cars `name_0`, `name_1`..."""
    return [name] if cars == 1 else [f"{name}_{k}" for k in range(cars)]


def history_frame(world: World, steps: Sequence[Outputs]) -> pd.DataFrame:
    """The steps of one household as a table with a column for each declared field.

    The index is the start of each step in the household's local time; `reward` is the sum of the
    terms.
    """
    import pandas as pd

    cars = len(world.scenario.vehicles)
    results = np.concatenate([out.results for out in steps] or [np.empty(0, STEP_DTYPE)])
    vehicles = np.concatenate(
        [out.vehicle_results for out in steps] or [np.empty((0, cars), VEHICLE_STEP_DTYPE)]
    )
    columns: dict[str, Any] = {name: results[name] for name in NAMES}
    for name in VEHICLE_NAMES:
        for k, column in enumerate(vehicle_columns(name, cars)):
            columns[column] = vehicles[name][:, k]
    columns.update((field, results[field]) for field in TERM_FIELDS)
    reward = np.zeros(len(results))
    for field in TERM_FIELDS:
        reward += results[field]
    columns["reward"] = reward
    start = pd.Timestamp(world.dataset.start)
    stamps = start + pd.to_timedelta(results["now_min"], unit="min")
    index = pd.DatetimeIndex(stamps, name="time").tz_convert(world.dataset.zone)
    return pd.DataFrame(columns, index=index)
