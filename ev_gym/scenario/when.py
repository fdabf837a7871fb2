"""When something holds: hours of the local day, weekdays, months, called days, from a date on.

Prices, factors and limits are lists of rows. A row says when it holds and what holds then; of the
rows that hold in a quarter-hour, the last one counts. So a list begins with what usually holds, and
goes on with the exceptions and with what holds from a later date on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from ev_gym.scenario.parameters import Row, ScenarioError, check, numbers, text

ALL_WEEK = (0, 1, 2, 3, 4, 5, 6)
WORKDAYS = (0, 1, 2, 3, 4)
ALL_YEAR = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
DAY_QUARTERS = 96

_CLOCK = re.compile(r"(\d\d):(00|15|30|45)")


def quarter_of(clock: str) -> int | None:
    """Quarter-hours from midnight to a time such as "06:30"; None if it is no such time."""
    match = _CLOCK.fullmatch(clock)
    quarter = 4 * int(match[1]) + int(match[2]) // 15 if match else DAY_QUARTERS + 1
    return quarter if quarter <= DAY_QUARTERS else None


def day_of(text: str) -> date | None:
    """The date that a text such as "2026-01-31" is; None if it is none."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


@dataclass(frozen=True, kw_only=True, repr=False)
class Season(Row):
    """From which day on, and in which months, a row holds; by default it always does."""

    valid_from: str | None = text(
        None, "first day on which the row holds, as YYYY-MM-DD; None: always", optional=True
    )
    months: tuple[int, ...] = numbers(
        ALL_YEAR, "", "months in which it holds", 1, 12, many=12, whole=True
    )

    def __post_init__(self) -> None:
        check(self)
        self._refuse("months", not self.months, "at least one")
        no_date = self.valid_from is not None and day_of(self.valid_from) is None
        self._refuse("valid_from", no_date, "a date as YYYY-MM-DD, or None")

    def _refuse(self, name: str, wrong: bool, allowed: str) -> None:
        if wrong:
            raise ScenarioError(
                f"{type(self).__name__}.{name} is {getattr(self, name)!r}; allowed: {allowed}"
            )


@dataclass(frozen=True, kw_only=True, repr=False)
class When(Season):
    """When a row holds: all that is said must be true; by default it always holds.

    A `to_time` before `from_time` reaches over midnight; weekday, month and date are then those of
    each quarter-hour itself.
    """

    from_time: str = text("00:00", "local time from which it holds, on a quarter-hour")
    to_time: str = text("24:00", "local time until which it holds, on a quarter-hour")
    weekdays: tuple[int, ...] = numbers(
        ALL_WEEK, "", "weekdays on which it holds, 0 is Monday", 0, 6, many=7, whole=True
    )
    called: str | None = text(
        None, "name of a list of called days on which alone it holds", optional=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("from_time", "to_time"):
            no_time = quarter_of(getattr(self, name)) is None
            self._refuse(name, no_time, "a quarter-hour as HH:MM, from 00:00 to 24:00")
        self._refuse("from_time", self.from_time == "24:00", "a quarter-hour before 24:00")
        self._refuse("to_time", self.from_time == self.to_time, "another time than from_time")
        self._refuse("weekdays", not self.weekdays, "at least one")

    @property
    def quarters(self) -> tuple[int, int]:
        """The first quarter-hour of the day in which the row holds, and the one after the last."""
        first, end = quarter_of(self.from_time), quarter_of(self.to_time)
        assert first is not None  # the constructor refuses all others
        assert end is not None
        return first, end

    def holds_in(self, quarter: Any, weekday: Any, month: Any) -> Any:
        """Whether it holds in quarter-hours of such days, of whatever year: numbers, or arrays.

        Args:
            quarter: Of the local day, 0 to 95.
            weekday: 0 is Monday.
            month: 1 to 12.
        """
        first, end = self.quarters
        inside = (quarter >= first) & (quarter < end)
        if end < first:
            inside = (quarter >= first) | (quarter < end)
        return inside & np.isin(weekday, self.weekdays) & np.isin(month, self.months)
