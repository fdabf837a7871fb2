"""Where episodes may begin: days of the series, and the weeks kept for training and testing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import DAY_MIN
from ev_gym.scenario import Scenario, ScenarioError
from ev_gym.series.dataset import Dataset

SPLITS = (None, "train", "test")
# Of every eight weeks the first six are for training and the last two for testing, so both splits
# hold every season.
CYCLE_WEEKS = 8
TRAIN_WEEKS = 6

START_DTYPE = np.dtype([("minute", "i8"), ("settlement_price", "f8")], align=True)


def start_table(minutes: NDArray[np.int64], hourly: Floats, scenario: Scenario) -> NDArray[Any]:
    """(S,) START_DTYPE: starts, in minutes of the series, with their settlement prices."""
    starts = np.zeros(minutes.size, START_DTYPE)
    starts["minute"] = minutes
    starts["settlement_price"] = _settlement_prices(hourly, minutes, scenario)
    return starts


def _settlement_prices(hourly: Floats, minutes: NDArray[np.int64], scenario: Scenario) -> Floats:
    """For each start, the mean all-in price of the cheapest quarter of its episode's hours."""
    count = scenario.days * 24
    window = np.arange(count)
    cheapest = count // 4
    return np.array(
        [
            np.sort(hourly[(minute // 60 + window) % hourly.size])[:cheapest].mean()
            for minute in minutes
        ]
    )


def _runs(weeks: int, split: str | None) -> list[tuple[int, int]]:
    """Stretches of consecutive weeks of a split, as (first week, week after the last)."""
    first, length = (0, TRAIN_WEEKS) if split == "train" else (TRAIN_WEEKS, CYCLE_WEEKS)
    runs = [(c + first, min(c + length, weeks)) for c in range(0, weeks, CYCLE_WEEKS)]
    return [(first, end) for first, end in runs if first < end]


def start_minutes(scenario: Scenario, dataset: Dataset, split: str | None) -> NDArray[np.int64]:
    """Where episodes may begin: the start hour of each allowed local day, on the grid of steps.

    Raises:
        ScenarioError: for an unknown split, or one whose runs of weeks are too short.
    """
    if split not in SPLITS:
        raise ScenarioError(f"split is {split!r}; allowed: None, 'train' or 'test'")
    offset = dataset.calendar.offset_min
    local = DAY_MIN * np.arange(dataset.weeks * 7) + 60 * scenario.start_hour
    start = local - offset[np.clip(local // 60, 0, offset.size - 1)]
    start = local - offset[np.clip(start // 60, 0, offset.size - 1)]
    # Where the end of summer time repeats the start hour, its first occurrence is the start.
    early = local - offset[np.clip(local // 60 - 3, 0, offset.size - 1)]
    is_first = early + offset[np.clip(early // 60, 0, offset.size - 1)] == local
    start = np.where(is_first, early, start)
    start -= start % scenario.time_step_min
    start = start[(start >= 0) & (start < offset.size * 60)].astype(np.int64)
    if split is None:
        return np.asarray(start)
    need_min = scenario.days * DAY_MIN + scenario.price_window_h * 60
    week_min = 7 * DAY_MIN
    runs = _runs(dataset.weeks, split)
    inside = np.zeros(start.size, bool)
    for first, end in runs:
        inside |= (start >= first * week_min) & (start + need_min <= end * week_min)
    if not inside.any():
        longest = max((end - first for first, end in runs), default=0)
        most = (longest * week_min - scenario.price_window_h * 60) // DAY_MIN - 1
        fewer = f"at most {most} days, " if most > 0 else ""
        raise ScenarioError(
            f"split {split!r} has runs of at most {longest} weeks in this series of "
            f"{dataset.weeks}; {scenario.days} days and a look-ahead of {scenario.price_window_h} "
            f"hours do not fit in one; allowed: {fewer}a longer series, or split=None"
        )
    return np.asarray(start[inside])
