"""Records of a market's answer, and the check that they cover the asked days once and wholly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ev_gym.markets.errors import NotPublished, WrongAnswerError

# What markets publish: five minutes are Denmark's carbon intensity.
ALLOWED_MINUTES = (5, 15, 30, 60)


class Record(NamedTuple):
    """One interval of an answer: its start (seconds since 1970, UTC), its length, its value."""

    start_s: int
    minutes: int
    value: float


class Answer(NamedTuple):
    """What a source said.

    Attributes:
        records: As published: in any order, perhaps repeated, perhaps more than was asked for.
        name: Of the series; its end is the unit.
        licence: Where the answer itself states one.
    """

    records: list[Record]
    name: str
    licence: str | None = None


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(timezone.utc)


def today(zone: str) -> date:
    """The date on the clock of a time zone."""
    return now().astimezone(ZoneInfo(zone)).date()


def days_of(first_day: date, last_day: date) -> Iterator[date]:
    """Every day from the first to the last."""
    for number in range((last_day - first_day).days + 1):
        yield first_day + timedelta(days=number)


def pieces(first_day: date, last_day: date, longest: int) -> Iterator[tuple[date, date]]:
    """The days in pieces (first, last) of at most `longest` days, for sources with a limit."""
    while first_day <= last_day:
        end = min(last_day, first_day + timedelta(days=longest - 1))
        yield first_day, end
        first_day = end + timedelta(days=1)


def midnight_s(day: date, zone: str) -> int:
    """When a day begins on the clock of a zone, in seconds since 1970."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp())


def utc_s(text: str) -> int:
    """Seconds since 1970 of an ISO 8601 time with Z or an offset.

    Raises:
        WrongAnswerError: for anything else.
    """
    try:
        stamp = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, AttributeError):
        raise WrongAnswerError(f"{text!r} is not a time") from None
    if stamp.tzinfo is None:
        raise WrongAnswerError(f"{text!r} has no offset from UTC")
    return int(stamp.timestamp())


def number(value: Any) -> float:
    """A finite number of JSON.

    Raises:
        WrongAnswerError: for anything else, such as null or text.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise WrongAnswerError(f"{value!r} is not a finite number")
    return float(value)


def record(start_s: int, end_s: int, value: Any) -> Record:
    """A record from its two ends.

    Raises:
        WrongAnswerError: for a length that no market publishes, or a value that is no number.
    """
    minutes, rest_s = divmod(end_s - start_s, 60)
    if rest_s or minutes not in ALLOWED_MINUTES:
        raise WrongAnswerError(
            f"an interval of {(end_s - start_s) / 60:g} minutes; allowed: "
            + ", ".join(map(str, ALLOWED_MINUTES))
        )
    return Record(start_s, minutes, number(value))


def from_stamps(stamps_s: Sequence[int], values: Sequence[Any]) -> list[Record]:
    """Records of an answer that gives starts alone, each as long as its nearer neighbour is far.

    A null is no record: the check of the days finds the gap that it leaves.

    Raises:
        WrongAnswerError: for a length that no market publishes, or a value that is no number.
    """
    if len(stamps_s) != len(values):
        raise WrongAnswerError(f"{len(stamps_s)} times with {len(values)} values")
    unique = sorted(set(stamps_s))
    steps = [after - before for before, after in pairwise(unique)] or [3600]
    around_s = zip([steps[0], *steps], [*steps, steps[-1]], strict=True)
    step_s = {stamp: min(steps) for stamp, steps in zip(unique, around_s, strict=False)}
    return [
        record(stamp, stamp + step_s[stamp], value)
        for stamp, value in zip(stamps_s, values, strict=True)
        if value is not None
    ]


def complete_days(
    records: Iterable[Record],
    first_day: date,
    last_day: date,
    zone: str,
    open_from: date,
    in_parts: bool = False,
) -> list[Record]:
    """The records of the asked days, in order, once each.

    Args:
        records: In any order; those outside of the days are left out.
        first_day: First local day.
        last_day: Last local day.
        zone: IANA time zone of the days.
        open_from: From this day on, what is missing may not have been published yet.
        in_parts: Whether days are published bit by bit; otherwise a day with some of its values is
            wrong.

    Raises:
        NotPublished: if the records end before the last day, and the rest may be yet to come.
        WrongAnswerError: for a gap, an overlap, or two values of one time; it names day and time.
    """
    start_s, end_s = midnight_s(first_day, zone), midnight_s(last_day + timedelta(days=1), zone)
    # The pairs of equal records fall together here.
    ordered = sorted({item for item in records if start_s <= item.start_s < end_s})
    expected_s = start_s
    for before, item in zip([None, *ordered], ordered, strict=False):
        if before is not None and item.start_s == before.start_s:
            raise WrongAnswerError(
                f"two values for {_local(item.start_s, zone)}: {before.value:g} "
                f"({before.minutes} min) and {item.value:g} ({item.minutes} min)"
            )
        if item.start_s < expected_s:
            raise WrongAnswerError(f"intervals overlap at {_local(item.start_s, zone)}")
        if item.start_s > expected_s:
            raise WrongAnswerError(_gap(expected_s, item.start_s, zone))
        expected_s = item.start_s + 60 * item.minutes
    if expected_s == end_s:
        return ordered
    day = datetime.fromtimestamp(expected_s, ZoneInfo(zone)).date()
    begins_day = expected_s == midnight_s(day, zone)
    if day >= open_from and (begins_day or in_parts):
        until = "" if begins_day else f" beyond {_local(expected_s, zone)}"
        raise NotPublished(f"{day} is not published yet{until}")
    raise WrongAnswerError(_gap(expected_s, end_s, zone))


def _gap(start_s: int, end_s: int, zone: str) -> str:
    return f"no value from {_local(start_s, zone)} to {_local(end_s, zone)}"


def _local(seconds: int, zone: str) -> str:
    """A time as messages show it, with its offset: it may be one of the hour that occurs twice."""
    return f"{datetime.fromtimestamp(seconds, ZoneInfo(zone)):%Y-%m-%d %H:%M%z}"
