"""The local calendar of a series, by the hour: summer time, zones with half hours, leap years."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_gym.series.local_time import local_calendar

UTC = timezone.utc
ZONES = [
    "Europe/Stockholm",
    "America/New_York",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Australia/Adelaide",
    "UTC",
]


def test_calendar_of_a_plain_week() -> None:
    start = datetime(2023, 1, 1, 23, tzinfo=UTC)  # Monday 2023-01-02 00:00 in Stockholm
    calendar = local_calendar(start, "Europe/Stockholm", 168)
    assert calendar.offset_min.dtype == np.int64
    assert not calendar.offset_min.any()
    np.testing.assert_array_equal(calendar.minute_of_day, np.tile(np.arange(24) * 60, 7))
    np.testing.assert_array_equal(calendar.weekday, np.repeat(np.arange(7), 24))
    np.testing.assert_array_equal(calendar.day_of_year, np.repeat(np.arange(2, 9), 24))
    assert set(calendar.month) == {1}


def test_calendar_when_summer_time_begins() -> None:
    # Stockholm, Sunday 2023-03-26: 01:00 is followed by 03:00.
    start = datetime(2023, 3, 19, 23, tzinfo=UTC)
    calendar = local_calendar(start, "Europe/Stockholm", 168)
    sunday = slice(6 * 24, 168)
    hours = (calendar.minute_of_day[sunday] // 60).tolist()
    assert hours == [0, 1, *range(3, 24), 0]
    assert calendar.offset_min[sunday].tolist() == [0, 0, *[60] * 22]
    assert calendar.weekday[-2:].tolist() == [6, 0]
    assert calendar.day_of_year[-2:].tolist() == [85, 86]


def test_calendar_when_summer_time_ends() -> None:
    # Stockholm, Sunday 2023-10-29: 02:00 comes twice. The week begins in summer time.
    start = datetime(2023, 10, 22, 22, tzinfo=UTC)
    calendar = local_calendar(start, "Europe/Stockholm", 168)
    sunday = slice(6 * 24, 168)
    hours = (calendar.minute_of_day[sunday] // 60).tolist()
    assert hours == [0, 1, 2, *range(2, 23)]
    assert calendar.offset_min[sunday].tolist() == [0, 0, 0, *[-60] * 21]
    assert calendar.weekday[-1] == 6


def test_calendar_of_a_zone_with_half_hours() -> None:
    start = datetime(2022, 12, 25, 18, 30, tzinfo=UTC)  # Monday 00:00 at +05:30
    calendar = local_calendar(start, "Asia/Kolkata", 336)
    np.testing.assert_array_equal(calendar.minute_of_day, np.tile(np.arange(24) * 60, 14))
    assert not calendar.offset_min.any()
    assert calendar.month[[0, 6 * 24 - 1, 6 * 24]].tolist() == [12, 12, 1]
    assert calendar.day_of_year[[0, 6 * 24 - 1, 6 * 24]].tolist() == [360, 365, 1]


def test_calendar_of_a_leap_year() -> None:
    calendar = local_calendar(datetime(2024, 1, 1, tzinfo=UTC), "UTC", 366 * 24)
    assert calendar.day_of_year[-1] == 366
    assert (calendar.month[59 * 24], calendar.day_of_year[59 * 24]) == (2, 60)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    zone=st.sampled_from(ZONES),
    monday=st.integers(0, 900),
    hours=st.lists(st.integers(0, 53 * 168 - 1), min_size=20, max_size=20),
)
def test_calendar_agrees_with_datetime(zone: str, monday: int, hours: list[int]) -> None:
    day = date(2010, 1, 4) + timedelta(weeks=monday)
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    calendar = local_calendar(start, zone, 53 * 168)
    assert calendar.offset_min[0] == 0
    for hour in hours:
        local = (start + timedelta(hours=hour)).astimezone(ZoneInfo(zone))
        assert calendar.minute_of_day[hour] == local.hour * 60 + local.minute
        assert calendar.weekday[hour] == local.weekday()
        assert calendar.month[hour] == local.month
        assert calendar.day_of_year[hour] == local.timetuple().tm_yday
        minute = hour * 60 + int(calendar.offset_min[hour])
        assert minute % 1440 == calendar.minute_of_day[hour]
