"""What a caller asks of a reset: seeds, and options that fix what the seed would draw."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.durations import DAY_MIN
from ev_gym.scenario.parameters import check_keys
from ev_gym.series.dataset import Dataset
from ev_gym.simulation.step import AS_DRAWN
from ev_gym.world.episode_starts import month_of
from ev_gym.world.world import World

OPTIONS = ("start", "soc", "house", "world")
LARGEST_SEED = 2**64 - 1


class ResetError(ValueError):
    """A seed or an option of a reset is impossible."""


class FixedDraws(NamedTuple):
    """Values of a reset's options, which replace what the seed would draw."""

    starts: NDArray[Any] | None  # table of the starts that are left; None: as drawn
    house: int  # or AS_DRAWN
    socs: NDArray[np.float64] | None  # (K,) SoC of each car; None: as drawn


NOTHING_FIXED = FixedDraws(None, AS_DRAWN, None)


def checked_seed(seed: Any, rows: int = 1) -> int:
    """The seed of row 0 as an int; each row after it has the next number.

    Raises:
        ResetError: unless the seeds of all rows are unsigned 64-bit integers.
    """
    whole = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not whole or not 0 <= int(seed) <= LARGEST_SEED - rows + 1:
        raise ResetError(
            f"seed is {seed!r}; allowed: a whole number from 0 to {LARGEST_SEED - rows + 1}"
        )
    return int(seed)


def row_seeds(seed: Any, rows: int) -> list[int | None]:
    """The seed of each row, or None for a row without one.

    Args:
        seed: A number s, which gives row i the seed s + i; or a number or None for each row; or
            None for all rows.
        rows: Number of rows.

    Raises:
        ResetError: for an impossible seed, or more or fewer seeds than rows.
    """
    if seed is None:
        return [None] * rows
    if isinstance(seed, Sequence | np.ndarray):
        if len(seed) != rows:
            raise ResetError(f"seed holds {len(seed)} numbers; allowed: {rows}")
        return [None if entry is None else checked_seed(entry) for entry in seed]
    first = checked_seed(seed, rows)
    return [first + row for row in range(rows)]


def checked_mask(mask: Any, rows: int, seeded: bool) -> NDArray[np.bool_]:
    """(rows,) True for each row that is reset; None as the mask means all rows.

    Raises:
        ResetError: for anything but a bool array (rows,) with a True in it; before the rows are
            `seeded`, also for one with a False in it.
    """
    if mask is None:
        return np.ones(rows, np.bool_)
    shape = (rows,)
    fits = isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == shape
    if not fits or not mask.any():
        raise ResetError(
            f"option reset_mask is {mask!r}; allowed: a bool array {shape} with a True in it"
        )
    if not seeded and not mask.all():
        raise ResetError("option reset_mask leaves rows out; the first reset needs all of them")
    checked: NDArray[np.bool_] = mask
    return checked


def given_options(options: Any) -> dict[str, Any]:
    """The options of a reset that are not None.

    Raises:
        ScenarioError: for an unknown option.
        ResetError: for anything but a dict.
    """
    if not isinstance(options, Mapping | None):
        raise ResetError(
            f"options is {options!r}; allowed: None or a dict of " + ", ".join(OPTIONS)
        )
    values = {key: value for key, value in (options or {}).items() if value is not None}
    check_keys(values, OPTIONS, "the options of reset")
    return values


def fixed_draws(options: Mapping[str, Any] | None, world: World) -> FixedDraws:
    """What the options of a reset replace of the seed's draws.

    Args:
        options: `start`, a date (the episode begins at the scenario's start hour) or a time, as an
            ISO string or an object of `datetime`, local unless it has a zone; where episodes are
            months, of any day of the month; `soc`, one number for
            all cars or one for each; `house`, the number of a house from 0; `world`, the number of
            one of the split's worlds.
        world: The world of the scenario.

    Raises:
        ScenarioError: for an unknown option.
        ResetError: for an impossible value, saying what is allowed.
    """
    options = given_options(options)
    starts = None
    if "start" in options:
        minute = _minute_of(options["start"], world)
        if world.scenario.by_month:
            minute = _first_of_month(minute, options["start"], world)
        starts = world.starts_at(minute)
    if "world" in options:
        number = _world(options["world"], world)
        starts = world.starts if starts is None else starts
        starts = starts[starts["world"] == number]
    return FixedDraws(starts, _house(options.get("house"), world), _socs(options.get("soc"), world))


def _world(number: Any, world: World) -> int:
    whole = isinstance(number, numbers.Integral) and not isinstance(number, bool)
    if not whole or int(number) not in world.numbers:
        raise ResetError(
            f"option world is {number!r}; allowed with split={world.split!r}: "
            + ", ".join(map(str, world.numbers))
        )
    return int(number)


def _house(house: Any, world: World) -> int:
    if house is None:
        return AS_DRAWN
    count = world.tables.load_kw.shape[0]
    whole = isinstance(house, numbers.Integral) and not isinstance(house, bool)
    if not whole or not 0 <= int(house) < count:
        raise ResetError(
            f"option house is {house!r}; allowed: a whole number from 0 to {count - 1}"
        )
    return int(house)


def _socs(soc: Any, world: World) -> NDArray[np.float64] | None:
    if soc is None:
        return None
    cars = len(world.scenario.vehicles)
    try:
        values = np.asarray(soc)
    except ValueError:  # lists of different lengths within a list
        values = np.array(None)
    numeric = values.dtype.kind in "iuf" and values.shape in ((), (cars,))
    if not numeric or not np.all((values >= 0) & (values <= 1)):
        raise ResetError(f"option soc is {soc!r}; allowed: a number from 0 to 1, or {cars} of them")
    return np.full(cars, values, np.float64)


def _first_of_month(minute: int, start: Any, world: World) -> int:
    """The first minute of the month in which a minute of the series lies."""
    month = month_of(world.scenario, world.dataset, minute)
    if month is None:
        raise ResetError(
            f"option start is {start!r}, but of its month some, or the look-ahead of "
            f"{world.scenario.price_window_h} hours, lies outside the series of "
            f"{world.dataset.weeks} weeks from {_first_day(world.dataset)}; allowed: a day of a "
            "whole month, or a scenario with days=7"
        )
    return month[0]


def _first_day(dataset: Dataset) -> date:
    return dataset.start.astimezone(ZoneInfo(dataset.zone)).date()


def _minute_of(start: Any, world: World) -> int:
    """The minute of the series at the date or time of the option `start`."""
    dataset, scenario = world.dataset, world.scenario
    zone = ZoneInfo(dataset.zone)
    moment = start
    if isinstance(start, str):
        try:
            is_date = len(start) == 10
            moment = date.fromisoformat(start) if is_date else datetime.fromisoformat(start)
        except ValueError:
            moment = None
    by_day = isinstance(moment, date) and not isinstance(moment, datetime)
    if by_day:
        moment = datetime.combine(moment, time(scenario.start_hour))
    if not isinstance(moment, datetime):
        raise ResetError(
            f"option start is {start!r}; allowed: a date or time, such as '2025-06-01' or "
            "'2025-06-01T12:00'"
        )
    if moment.tzinfo is None:
        local, moment = moment, moment.replace(tzinfo=zone)
        try:
            clock_time = moment.astimezone(timezone.utc).astimezone(zone).replace(tzinfo=None)
        except OverflowError:  # at an end of the calendar, far from every series
            clock_time = local
        if clock_time != local and not by_day:
            raise ResetError(
                f"option start is {start!r}, which summer time skips in {dataset.zone}; allowed: "
                f"a time that its clocks show, such as {clock_time.isoformat()!r}"
            )
    minute, rest = divmod(moment - dataset.start, timedelta(minutes=1))
    end = dataset.weeks * 7 * DAY_MIN
    if not 0 <= minute < end or rest or minute % scenario.time_step_min:
        first = dataset.start.astimezone(zone)
        last = (dataset.start + timedelta(minutes=end)).astimezone(zone)
        raise ResetError(
            f"option start is {start!r}; allowed: from {first.isoformat()} to before "
            f"{last.isoformat()}, on whole steps of {scenario.time_step_min} minutes"
        )
    return minute
