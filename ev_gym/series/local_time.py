"""The local clock of a series: time zones, the Monday it begins on, its calendar by the hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ev_gym.series.limits import HOURS_PER_WEEK, DataError

WEEK_S = HOURS_PER_WEEK * 3600


class Calendar(NamedTuple):
    """The local clock at each hour since the start; read-only int64 arrays of one length.

    Attributes:
        offset_min: Local clock minus elapsed time, in minutes, relative to the first hour:
            `local_minute = minute + offset_min[minute // 60]`. The first entry is 0.
        minute_of_day: Local minute of the day (0 to 1439) at which the hour begins.
        weekday: Local weekday, 0 = Monday.
        month: Local month, 1 to 12.
        day_of_year: Local day of the year, 1 to 366.
    """

    offset_min: NDArray[np.int64]
    minute_of_day: NDArray[np.int64]
    weekday: NDArray[np.int64]
    month: NDArray[np.int64]
    day_of_year: NDArray[np.int64]


class Span(NamedTuple):
    """The weeks of a data set: seconds since 1970 in UTC, and the zone of the local clock.

    With `complete_weeks`, series that begin or end with a month are taken on to these weeks' ends.
    """

    start_s: int
    end_s: int
    zone: str
    complete_weeks: bool = False

    @property
    def weeks(self) -> int:
        """Number of weeks, of 168 hours each."""
        return (self.end_s - self.start_s) // WEEK_S


def find_zone(name: str, what: str = "zone") -> ZoneInfo:
    """The time zone of an IANA name; for an unknown one a `DataError` that calls it `what`."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        # Which of them is raised depends on how the name is wrong (empty, a folder, a number).
        raise DataError(
            f"{what} = {name!r} is not a known time zone; allowed is an IANA name such as "
            "'Europe/Stockholm'"
        ) from None


def check_local_monday(start: datetime, zone: str) -> None:
    """Refuse (`DataError`) an aware time that is not a Monday 00:00 on the clock of `zone`."""
    local = start.astimezone(find_zone(zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if local.weekday() != 0 or local.replace(tzinfo=None) != midnight:
        monday = (midnight + timedelta(days=7 - local.weekday())).date()
        raise DataError(
            f"start = {start.isoformat()} is {local:%A %Y-%m-%d %H:%M} in {zone}; allowed is a "
            f"Monday 00:00 there, the next is {monday}"
        )


def local_calendar(start: datetime, zone: str, hours: int) -> Calendar:
    """The local clock of `zone` at each of `hours` hours from `start` (aware).

    Where the clock changes inside such an hour (on Lord Howe Island only), the calendar has the
    change from the next hour on.
    """
    tz = find_zone(zone)
    utc_s = int(start.timestamp()) + 3600 * np.arange(hours, dtype=np.int64)
    offsets = (datetime.fromtimestamp(s, tz).utcoffset() for s in utc_s.tolist())
    offset_s = np.fromiter(
        ((offset or timedelta()).total_seconds() for offset in offsets), np.int64, count=hours
    )
    local_s = utc_s + offset_s
    day = local_s // 86400
    dates = day.astype("datetime64[D]")
    new_year = dates.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    calendar = Calendar(
        offset_min=(offset_s - offset_s[0]) // 60,
        minute_of_day=local_s % 86400 // 60,
        weekday=(day + 3) % 7,  # 1970-01-01, day 0, was a Thursday
        month=dates.astype("datetime64[M]").astype(np.int64) % 12 + 1,
        day_of_year=day - new_year + 1,
    )
    for array in calendar:
        array.setflags(write=False)
    return calendar
