"""Where episodes may begin: days of the series, and what is kept for training and testing.

Built-in series are split by worlds (`ev_gym.series.of_scenario`), others by weeks or months.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.durations import DAY_MIN, HOUR_MIN
from ev_gym.scenario import Scenario, ScenarioError
from ev_gym.scenario.scenario import MONTH
from ev_gym.series.dataset import Dataset

SPLITS = (None, "train", "test")
# Of every eight weeks the first six are for training and the last two for testing, so both splits
# hold every season.
CYCLE_WEEKS = 8
TRAIN_WEEKS = 6

# With months as episodes, of every four three are for training and one for testing, another one
# each year, so that in four years both splits hold every month.
CYCLE_MONTHS = 4

START_DTYPE = np.dtype(
    [
        ("world", "i8"),  # its number
        ("world_place", "i8"),  # its place in the tables
        ("minute", "i8"),
        ("horizon_steps", "i8"),
        ("settlement_price", "f8"),
    ],
    align=True,
)


def start_table(
    minutes: Ints,
    horizons_min: Ints,
    hourly: Floats,
    worlds: tuple[int, ...],
    scenario: Scenario,
) -> NDArray[Any]:
    """(W * S,) START_DTYPE: the starts in each world, with horizons and settlement prices.

    Args:
        minutes: (S,) minutes of the series.
        horizons_min: (S,) length of the episode that begins there.
        hourly: (W * H,) all-in price of each hour of the series, world after world.
        worlds: Numbers of the W worlds.
        scenario: Its step is read.
    """
    starts = np.zeros((len(worlds), minutes.size), START_DTYPE)
    starts["world"] = np.array(worlds)[:, np.newaxis]
    starts["world_place"] = np.arange(len(worlds))[:, np.newaxis]
    starts["minute"] = minutes
    starts["horizon_steps"] = horizons_min // scenario.time_step_min
    for of_world, prices in zip(starts, hourly.reshape(len(worlds), -1), strict=True):
        of_world["settlement_price"] = [
            _settlement_price(prices, minute // HOUR_MIN, horizon_min // HOUR_MIN)
            for minute, horizon_min in zip(minutes, horizons_min, strict=True)
        ]
    return starts.ravel()


def _settlement_price(hourly: Floats, first: int, hours: int) -> float:
    """Mean all-in price of the cheapest quarter of an episode's hours."""
    window = (first + np.arange(hours)) % hourly.size
    return float(np.sort(hourly[window])[: hours // 4].mean())


def _runs(weeks: int, split: str | None) -> list[tuple[int, int]]:
    """Stretches of consecutive weeks of a split, as (first week, week after the last)."""
    first, length = (0, TRAIN_WEEKS) if split == "train" else (TRAIN_WEEKS, CYCLE_WEEKS)
    runs = [(c + first, min(c + length, weeks)) for c in range(0, weeks, CYCLE_WEEKS)]
    return [(first, end) for first, end in runs if first < end]


def _day_minutes(scenario: Scenario, dataset: Dataset) -> Ints:
    """(days + 1,) minute of the series at the start hour of each local day, on the grid of steps.

    The last one is of the day after the series.
    """
    offset = dataset.calendar.offset_min
    local = DAY_MIN * np.arange(dataset.weeks * 7 + 1) + 60 * scenario.start_hour
    start = local - offset[np.clip(local // 60, 0, offset.size - 1)]
    start = local - offset[np.clip(start // 60, 0, offset.size - 1)]
    # Where the end of summer time repeats the start hour, its first occurrence is the start.
    early = local - offset[np.clip(local // 60 - 3, 0, offset.size - 1)]
    is_first = early + offset[np.clip(early // 60, 0, offset.size - 1)] == local
    start = np.where(is_first, early, start)
    return np.asarray(start - start % scenario.time_step_min, np.int64)


def _months(scenario: Scenario, dataset: Dataset) -> tuple[Ints, Ints, Ints]:
    """The calendar months that lie in the series: first minute, length in minutes, and number.

    Months are counted from January 1970 on.
    """
    start = _day_minutes(scenario, dataset)
    monday = np.datetime64(dataset.start.astimezone(ZoneInfo(dataset.zone)).date())
    dates = monday + np.arange(start.size)
    month = dates.astype("datetime64[M]")
    first = np.flatnonzero(dates == month.astype("datetime64[D]"))
    minutes, horizons_min = start[first[:-1]], np.diff(start[first])
    return minutes, horizons_min, month[first[:-1]].astype(np.int64)


class Month(NamedTuple):
    """A calendar month of the household's zone in which an episode may take place.

    Attributes:
        first: Its first day, as YYYY-MM-DD.
        day_hours: Length of each of its days: 24 hours, but for the days on which clocks change.
    """

    first: str
    day_hours: tuple[int, ...]


def months_at(scenario: Scenario, dataset: Dataset, firsts_min: Ints) -> list[Month]:
    """The months that begin at the minutes (S,) of a series.

    Raises:
        ScenarioError: where a clock changes by less than an hour.
    """
    horizons_min = [horizon_min(scenario, dataset, minute) for minute in firsts_min.tolist()]
    days_min = _day_minutes(scenario, dataset)
    monday = dataset.start.astimezone(ZoneInfo(dataset.zone)).date()
    months = []
    for minute, length_min in zip(firsts_min.tolist(), horizons_min, strict=True):
        first, end = np.searchsorted(days_min, (minute, minute + length_min)).tolist()
        lengths = np.diff(days_min[first : end + 1])
        if np.any(lengths % HOUR_MIN):
            raise ScenarioError(
                f"days is {MONTH!r}, but in {dataset.zone} a clock changes by less than an hour; "
                "allowed: a number of days"
            )
        hours = tuple((lengths // HOUR_MIN).tolist())
        months.append(Month((monday + timedelta(days=first)).isoformat(), hours))
    return months


def month_of(scenario: Scenario, dataset: Dataset, minute: int) -> tuple[int, int] | None:
    """First minute and length of the month of a minute of the series, which holds it whole.

    None where the month and its look-ahead do not lie in the series.
    """
    minutes, horizons_min, _ = _months(scenario, dataset)
    for first, horizon_min in zip(minutes.tolist(), horizons_min.tolist(), strict=True):
        if first <= minute < first + horizon_min:
            ends = first + horizon_min + scenario.price_window_h * HOUR_MIN
            return (first, horizon_min) if ends <= dataset.weeks * 7 * DAY_MIN else None
    return None


def horizon_min(scenario: Scenario, dataset: Dataset, minute: int) -> int:
    """Length of the episode that begins at a minute of the series."""
    if isinstance(scenario.days, int):
        return scenario.days * DAY_MIN
    month = month_of(scenario, dataset, minute)
    if month is None or month[0] != minute:
        raise ValueError(f"minute {minute} begins no month of the series")
    return month[1]


def check_split(split: str | None) -> None:
    """Refuse (`ScenarioError`) an unknown split."""
    if split not in SPLITS:
        raise ScenarioError(f"split is {split!r}; allowed: None, 'train' or 'test'")


def episode_starts(scenario: Scenario, dataset: Dataset, split: str | None) -> tuple[Ints, Ints]:
    """Where episodes may begin, and how long they are: (S,) minutes each.

    An episode of some days begins at the start hour of a local day, one of a month at its first
    midnight.

    Args:
        scenario: The scenario.
        dataset: Its series.
        split: Which weeks or months of this series; None: all.

    Raises:
        ScenarioError: for a split whose runs of weeks, or whose months, are too short.
    """
    if isinstance(scenario.days, int):
        minutes = _starts_of_days(scenario, dataset, split, scenario.days)
        return minutes, np.full(minutes.size, scenario.days * DAY_MIN)
    minutes, horizons_min, number = _months(scenario, dataset)
    need_min = horizons_min + scenario.price_window_h * HOUR_MIN
    inside = minutes + need_min <= dataset.weeks * 7 * DAY_MIN
    if split is not None:
        year, month = 1970 + number // 12, number % 12
        for_test = (year + month) % CYCLE_MONTHS == CYCLE_MONTHS - 1
        inside &= for_test == (split == "test")
    if not inside.any():
        of_split = "" if split is None else f" of split {split!r}"
        raise ScenarioError(
            f"days is {MONTH!r}, but no whole month{of_split} with a look-ahead of "
            f"{scenario.price_window_h} hours lies in this series of {dataset.weeks} weeks from "
            f"{dataset.start.astimezone(ZoneInfo(dataset.zone)).date()}; allowed: a longer series, "
            "or days=7"
        )
    return minutes[inside], horizons_min[inside]


def _starts_of_days(scenario: Scenario, dataset: Dataset, split: str | None, days: int) -> Ints:
    start = _day_minutes(scenario, dataset)[:-1]
    start = start[(start >= 0) & (start < dataset.weeks * 7 * DAY_MIN)]
    if split is None:
        return np.asarray(start)
    need_min = days * DAY_MIN + scenario.price_window_h * 60
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
            f"{dataset.weeks}; {days} days and a look-ahead of {scenario.price_window_h} "
            f"hours do not fit in one; allowed: {fewer}a longer series, or split=None"
        )
    return np.asarray(start[inside])
