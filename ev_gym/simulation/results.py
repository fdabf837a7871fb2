"""The results of steps by their declared names: for one household, for many, and as a table."""

from __future__ import annotations

from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.compiling import as_records
from ev_gym.simulation.state_fields import (
    REWARD_TERMS,
    STEP_DTYPE,
    STEP_FIELDS,
    VEHICLE_STEP_DTYPE,
    VEHICLE_STEP_FIELDS,
)

if TYPE_CHECKING:
    import pandas as pd

_TERMS_FROM = len(STEP_FIELDS) - len(REWARD_TERMS)
NAMES = tuple(field.name for field in STEP_FIELDS[:_TERMS_FROM])
TERM_FIELDS = tuple(f"{term}_term" for term in REWARD_TERMS)
FLAT_TERMS = tuple(f"reward_{term}" for term in REWARD_TERMS)
VEHICLE_NAMES = tuple(field.name for field in VEHICLE_STEP_FIELDS)
_ALL_NAMES = NAMES + VEHICLE_NAMES
_FLAT_NAMES = (*_ALL_NAMES, *FLAT_TERMS, "settlement")
_VIEWS = ("_numbers", "_minutes", "_by_field")
_each_field = itemgetter(*range(len(VEHICLE_NAMES)))

# How much of a step's results an info holds; `EVChargingEnv` explains them.
FULL, FLAT, TERMS, NONE = INFO_MODES = ("full", "flat", "terms", "none")


def checked_info(info: Any) -> str:
    """The `info` argument of an env.

    Raises:
        ValueError: for anything but an info mode.
    """
    if isinstance(info, str) and info in INFO_MODES:
        return info
    raise ValueError(f"info is {info!r}; allowed: 'full', 'flat', 'terms' or 'none'")


class History:
    """The steps of one household so far, in arrays that grow.

    Args:
        cars: Number of vehicles K.
        steps: Steps to make room for.
    """

    def __init__(self, cars: int, steps: int) -> None:
        self.length = 0
        self.results = as_records(np.zeros(steps, STEP_DTYPE))
        self.vehicle_results = as_records(np.zeros((steps, cars), VEHICLE_STEP_DTYPE))
        self._capacity = steps
        self._make_views()

    def _make_views(self) -> None:
        """Make the views from which `info` reads the arrays."""
        plain = self.results.view(np.ndarray)
        self._numbers = plain.view(np.float64).reshape(len(plain), -1)
        self._minutes = plain["now_min"]
        self._by_field = _by_field(self.vehicle_results)

    def next_place(self) -> int:
        """The place of the coming step; arrays that are full grow to twice their length."""
        place = self.length
        if place == self._capacity:
            self.results = as_records(np.concatenate([self.results, self.results]))
            both = np.concatenate([self.vehicle_results, self.vehicle_results])
            self.vehicle_results = as_records(both)
            self._capacity *= 2
            self._make_views()
        return place

    def info(self, place: int, settlement: float, mode: str) -> dict[str, Any]:
        """The results of one step and its settlement, as an info of that mode."""
        if mode == FULL:
            return self._full_info(place, settlement)
        if mode == NONE:
            return {}
        # What collects infos as arrays asks each number for its dtype, so these are NumPy's.
        numbers = list(self._numbers[place])
        terms = (*numbers[_TERMS_FROM:], np.float64(settlement))
        if mode == TERMS:
            return dict(zip(_FLAT_NAMES[-len(terms) :], terms, strict=True))
        numbers[0] = self._minutes[place]
        of_cars = self._by_field[:, place].copy()
        return dict(zip(_FLAT_NAMES, (*numbers[:_TERMS_FROM], *of_cars, *terms), strict=True))

    def _full_info(self, place: int, settlement: float) -> dict[str, Any]:
        # To read the record as a row of floats is twice as fast as item by item. Only the minutes
        # are integers, so they are read by themselves.
        values = self._numbers[place].tolist()
        values[0] = self._minutes.item(place)
        terms = dict(zip(REWARD_TERMS, values[_TERMS_FROM:]))  # noqa: B905  # a check costs 3 % of a step
        values[_TERMS_FROM:] = _each_field(self._by_field[:, place].copy())
        info: dict[str, Any] = dict(zip(_ALL_NAMES, values))  # noqa: B905  # a check costs time here too
        info["reward_terms"] = terms
        info["settlement"] = settlement
        return info

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _VIEWS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._make_views()


def _by_field(vehicle_results: NDArray[Any]) -> NDArray[np.float64]:
    """A view of shape (fields, steps, K); all fields of a vehicle's results are float64."""
    plain = vehicle_results.view(np.ndarray)
    numbers = plain.view(np.float64).reshape(*plain.shape, len(VEHICLE_NAMES))
    return np.moveaxis(numbers, 2, 0)


def rows_info(
    results: NDArray[Any],
    vehicle_results: NDArray[Any],
    settlement: NDArray[np.float64],
    mode: str = FULL,
) -> dict[str, Any]:
    """The results of n households as infos of a mode: arrays (n,) and (n, K).

    Args:
        results: (n,) STEP_DTYPE.
        vehicle_results: (n, K) VEHICLE_STEP_DTYPE.
        settlement: (n,), 0 where no episode has ended.
        mode: One of INFO_MODES.
    """
    info: dict[str, Any] = {}
    if mode in (FULL, FLAT):
        info.update((name, results[name]) for name in NAMES)
        info.update((name, vehicle_results[name]) for name in VEHICLE_NAMES)
    if mode == FULL:
        fields = zip(REWARD_TERMS, TERM_FIELDS, strict=True)
        info["reward_terms"] = {term: results[field] for term, field in fields}
    elif mode != NONE:
        info.update((f"reward_{term}", results[f"{term}_term"]) for term in REWARD_TERMS)
    if mode != NONE:
        info["settlement"] = settlement
    return info


def record_infos(
    infos: dict[str, Any], results: NDArray[Any], vehicle_results: NDArray[Any]
) -> None:
    """Copy full infos of n households, as `rows_info` makes them, into records (n,) and (n, K)."""
    for name in NAMES:
        results[name] = infos[name]
    for name in VEHICLE_NAMES:
        vehicle_results[name] = infos[name]
    for term, field in zip(REWARD_TERMS, TERM_FIELDS, strict=True):
        results[field] = infos["reward_terms"][term]


def vehicle_columns(name: str, cars: int) -> list[str]:
    """Names of the columns of a vehicle's field: `name`, with several cars `name_0`, `name_1`..."""
    return [name] if cars == 1 else [f"{name}_{k}" for k in range(cars)]


def history_frame(start: datetime, zone: str, history: History) -> pd.DataFrame:
    """The steps of one household as a table with a column for each declared field.

    The index is the start of each step in the household's local time. A further column, `reward`,
    is the sum of the reward's terms.

    Args:
        start: When the series began: minute 0 of `now_min`.
        zone: The household's time zone.
        history: The steps.
    """
    length = history.length
    return steps_frame(start, zone, history.results[:length], history.vehicle_results[:length])


def steps_frame(
    start: datetime, zone: str, results: NDArray[Any], vehicle_results: NDArray[Any]
) -> pd.DataFrame:
    """Step records (steps,) and (steps, K) as a table like that of `history_frame`."""
    import pandas as pd

    columns: dict[str, Any] = {name: results[name] for name in NAMES}
    for name in VEHICLE_NAMES:
        for k, column in enumerate(vehicle_columns(name, vehicle_results.shape[1])):
            columns[column] = vehicle_results[name][:, k]
    reward = np.zeros(len(results))
    for field in TERM_FIELDS:
        columns[field] = results[field]
        reward += results[field]
    columns["reward"] = reward
    stamps = pd.Timestamp(start) + pd.to_timedelta(results["now_min"], unit="min")
    index = pd.DatetimeIndex(stamps, name="time").tz_convert(zone)
    return pd.DataFrame(columns, index=index)
