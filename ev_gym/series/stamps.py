"""Stamps of a file or frame: from text to seconds in UTC, and to the interval of each value.

Nothing is guessed that the stamps do not prove. A date such as 03/04/2024 is read only where
another row of the file has a day above 12; a local time that autumn repeats only where the order of
the rows tells which of the two it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ev_gym.scenario.series_file import EPOCH_MS, EPOCH_S, SeriesFile
from ev_gym.series.limits import DataError
from ev_gym.series.local_time import find_zone

_OFFSET = re.compile(r"[T ][\d:.,]+ ?(Z|[+-]\d\d(:?\d\d)?)$")
_DAY_S = 86400
_LONGEST_S = 3600  # of intervals whose length may change; longer ones are gaps
_SHAPE = re.compile(
    r"(?:(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d\d?)(?P=mark)(?P<day>\d\d?)"
    r"|(?P<first>\d\d?)(?P<sign>[-/.])(?P<second>\d\d?)(?P=sign)(?P<last>\d{4}))"
    r"(?:(?:,? +|T)(?P<hour>\d\d?)[:.](?P<minute>\d\d)(?:[:.](?P<sec>\d\d(?:[.,]\d+)?))?)?"
    r"(?P<offset> ?(?:Z|[+-]\d\d(?::?\d\d)?))?"
)
# Some name the whole interval, or the zone beside the hours that occur twice.
_FROM_TO = re.compile(r"(?P<start>.+?) - (?P<end>.+)")
_ZONE_WORD = re.compile(r" ?\(([A-Z]{3,4})\)$")
_KNOWN = "'2023-01-02T00:00Z' or '02.01.2023 00:00'"


class Stamps(NamedTuple):
    """The stamps of a table.

    Attributes:
        seconds: The instants, seconds since 1970 in UTC.
        shape: In words, how they were written.
    """

    seconds: NDArray[np.int64]
    shape: str


def utc_text(seconds: float) -> str:
    """A time as messages show it."""
    stamp = datetime.fromtimestamp(int(seconds), timezone.utc)
    return f"{stamp:%Y-%m-%dT%H:%M}{f':{stamp:%S}' if stamp.second else ''}Z"


# From text to instants.


def looks_like_stamp(text: str) -> bool:
    """Whether a cell may be a date, with or without a time; for advice, not for reading."""
    return _SHAPE.fullmatch(text.partition(" - ")[0].strip()) is not None


def read_stamps(texts: list[str], name: str, rows: NDArray[np.int64], file: SeriesFile) -> Stamps:
    """The instants of stamps as a file writes them; an error names the first that is not clear.

    Rows may also be the newest first; their instants then fall from row to row.
    """
    texts, both = _one_of_two(texts, file.stamp_marks)
    words = [_ZONE_WORD.search(text) for text in texts]
    texts = [_ZONE_WORD.sub("", text) for text in texts]
    epoch = _epoch(texts, file.stamp_format)
    if epoch is not None:
        numbers = np.array([int(text) for text in texts], dtype=np.int64)
        if epoch == EPOCH_S:
            return Stamps(numbers, "seconds since 1970")
        index = pd.DatetimeIndex(pd.to_datetime(numbers, unit="ms", utc=True))
        return Stamps(whole_seconds(index, name, rows), "milliseconds since 1970")
    if file.stamp_format in (EPOCH_S, EPOCH_MS):
        row = next(i for i, text in enumerate(texts) if not text.lstrip("-").isdigit())
        raise DataError(
            f"{name}, row {rows[row]}: stamp {texts[row]!r} is no whole number, as "
            f"stamp_format={file.stamp_format!r} says"
        )
    if file.stamp_format is None:
        plain, shape = texts, "ISO 8601"
        parsed = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
        if parsed.isna().any():
            plain, shape = _in_iso(texts, name, rows)
            shape += both
            parsed = pd.to_datetime(plain, format="ISO8601", utc=True, errors="coerce")
        zoned = [_OFFSET.search(text) is not None for text in plain]
        known = f"an ISO 8601 time or another that is clear, such as {_KNOWN}"
    else:
        shape = known = f"of the form {file.stamp_format!r}"
        zoned = ["%z" in file.stamp_format] * len(texts)
        try:
            parsed = pd.to_datetime(texts, format=file.stamp_format, utc=True, errors="coerce")
        except ValueError as error:
            raise DataError(
                f"{name}: stamp_format = {file.stamp_format!r}: {error}; allowed is a form as for "
                "strptime, such as '%d/%m/%Y %H:%M'"
            ) from None
    parsed = pd.DatetimeIndex(parsed)
    bad = np.flatnonzero(parsed.isna())
    if bad.size:
        raise DataError(f"{name}, row {rows[bad[0]]}: stamp {texts[bad[0]]!r} is not {known}")
    offset = np.array(zoned, dtype=bool)
    if offset.all():
        return Stamps(whole_seconds(parsed, name, rows), f"{shape}, with offset from UTC")
    row = int(np.argmin(offset))
    if file.stamp_zone is None or offset.any():
        more = "" if file.stamp_zone is None else ", unlike other rows of the file"
        raise DataError(
            f"{name}, row {rows[row]}: stamp {texts[row]!r} has no offset from UTC{more}; allowed "
            "are Z or an offset such as +01:00 in every row, or in no row and stamp_zone="
        )
    wall = parsed.tz_localize(None)
    # The order of local times tells which of two they are, so they are read the oldest first.
    turn = slice(None, None, -1 if wall[0] > wall[-1] else 1)
    local = _localized(wall[turn], file.stamp_zone, texts[turn], name, rows[turn])
    for place, word in enumerate(words[turn]):
        if word is not None and local[place].tzname() != word[1]:
            raise DataError(
                f"{name}, row {rows[turn][place]}: stamp {texts[turn][place]!r} is said to be in "
                f"{word[1]}, and is in {local[place].tzname()} on the clock of {file.stamp_zone}"
            )
    seconds = whole_seconds(local.tz_convert("UTC"), name, rows[turn])
    return Stamps(seconds[turn], f"{shape}, on the clock of {file.stamp_zone}")


def _one_of_two(texts: list[str], marks: str) -> tuple[list[str], str]:
    """Where all stamps read "from - to": the one that counts, and words on that."""
    pairs = [_FROM_TO.fullmatch(text) for text in texts]
    chosen = [pair[marks] for pair in pairs if pair is not None]
    return (chosen, f", {marks} of 'from - to'") if len(chosen) == len(texts) else (texts, "")


def _epoch(texts: list[str], stamp_format: str | None) -> str | None:
    """Whether stamps are numbers of seconds or milliseconds since 1970.

    Ten digits may also be a date and an hour (2024013123); such are dates of 2034 as seconds.
    """
    if not all(text.lstrip("-").isdigit() for text in texts):
        return None
    if stamp_format in (EPOCH_S, EPOCH_MS):
        return stamp_format
    if stamp_format is None and all(len(text) == 13 for text in texts):
        return EPOCH_MS
    seconds = all(len(text) == 10 and text[0] == "1" and text[:2] != "19" for text in texts)
    return EPOCH_S if stamp_format is None and seconds else None


def _in_iso(texts: list[str], name: str, rows: NDArray[np.int64]) -> tuple[list[str], str]:
    """The stamps in ISO 8601, and the order of their dates in words.

    What has none of the known shapes stays as it is.
    """
    matches = [_SHAPE.fullmatch(text) for text in texts]
    order = _date_order(matches, texts, name, rows)
    plain = []
    for text, match in zip(texts, matches, strict=True):
        if match is None:
            plain.append(text)
            continue
        part = match.groupdict()
        day = [part["year"], part["month"], part["day"]]
        if part["year"] is None:
            pair = [part["first"], part["second"]]
            day = [part["last"], *(pair if order == "mm/dd" else pair[::-1])]
        clock = "" if part["hour"] is None else f"T{part['hour']:0>2}:{part['minute']}"
        clock += f":{part['sec'].replace(',', '.')}" if part["sec"] else ""
        iso = f"{day[0]}-{day[1]:0>2}-{day[2]:0>2}"
        if clock in ("T24:00", "T24:00:00"):  # the end of a day, which ISO 8601 knew until 2019
            iso, clock = _next_day(iso), "T00:00"
        plain.append(iso + clock + (part["offset"] or "").strip())
    return plain, {"dd/mm": "the day first", "mm/dd": "the month first"}.get(order, "ISO 8601")


def _date_order(
    matches: Sequence[re.Match[str] | None], texts: list[str], name: str, rows: NDArray[np.int64]
) -> str:
    """ "dd/mm" or "mm/dd" where the year stands last, and "" where it stands first."""
    last = [(i, match) for i, match in enumerate(matches) if match and match["last"]]
    if not last:
        return ""
    if all(match["sign"] == "." for _, match in last):
        return "dd/mm"
    first_above = any(int(match["first"]) > 12 for _, match in last)
    second_above = any(int(match["second"]) > 12 for _, match in last)
    if first_above == second_above:
        row, both = last[0][0], "both day and month" if first_above else "neither"
        raise DataError(
            f"{name}, row {rows[row]}: stamp {texts[row]!r} may have day or month first, and "
            f"{both} above 12 shows which; needed is stamp_format=, as in '%d/%m/%Y %H:%M'"
        )
    return "dd/mm" if first_above else "mm/dd"


def _next_day(iso: str) -> str:
    try:
        return str(np.datetime64(iso, "D") + np.timedelta64(1, "D"))
    except ValueError:
        return iso  # no such day, which the parser says


def _localized(
    wall: pd.DatetimeIndex, zone: str, texts: list[str], name: str, rows: NDArray[np.int64]
) -> pd.DatetimeIndex:
    """Local times with their zone; of hours that occur twice the order decides."""
    find_zone(zone, "stamp_zone")
    # Times that the clock skips are shifted here, so that only those that occur twice are missing.
    twice = wall.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").isna()
    summer, unclear = _first_of_two(wall, np.asarray(twice))
    local = wall.tz_localize(zone, ambiguous=summer, nonexistent="NaT")
    bad = np.flatnonzero(np.asarray(local.isna()) | unclear)
    if bad.size:
        row = int(bad[0])
        why = (
            f"occurs twice in {zone} and once in the file"
            if unclear[row]
            else f"does not exist in {zone}"
        )
        raise DataError(
            f"{name}, row {rows[row]}: local time {texts[row]!r} {why}, where the clock is changed "
            "then; write stamps with Z or an offset"
        )
    return local


def _first_of_two(
    wall: pd.DatetimeIndex, twice: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of times that occur twice, which are the first of the two, and which are unclear.

    In a run of such times the clock goes back once, and before that the times are the first. A run
    that does not go back has lost one of its two hours, unless the file begins or ends in it.
    """
    first, unclear = np.zeros(len(wall), np.bool_), np.zeros(len(wall), np.bool_)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], twice, [False]]).astype(np.int8)))
    minutes = wall.to_numpy(dtype="datetime64[s]").astype(np.int64)
    for begin, end in edges.reshape(-1, 2).tolist():
        back = np.flatnonzero(np.diff(minutes[begin:end]) <= 0)
        if back.size:
            first[begin : begin + int(back[0]) + 1] = True
        elif (begin == 0) == (end == len(wall)):
            unclear[begin:end] = True
        else:
            first[begin:end] = end == len(wall)
    return first, unclear


def whole_seconds(index: pd.DatetimeIndex, name: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Seconds since 1970 of stamps in UTC; an error for a fraction of a second."""
    us = index.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)
    seconds = us // 1_000_000
    odd = np.flatnonzero(us % 1_000_000)
    if odd.size:
        row = int(odd[0])
        raise DataError(
            f"{name}, row {rows[row]} ({utc_text(seconds[row])}): the stamp holds a fraction of a "
            "second"
        )
    return seconds


# From instants to intervals.


def intervals(
    stamps_s: NDArray[np.int64], name: str, rows: NDArray[np.int64], marks: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and length of each value's interval, seconds; the intervals have no gaps.

    A length that holds for a day or more is a resolution of the file, and another may follow it. A
    shorter irregularity is a gap or an error.

    Args:
        stamps_s: Stamps, seconds since 1970 in UTC.
        name: What messages call the file.
        rows: Number of each row.
        marks: "start" or "end": what of its interval a stamp marks.
    """
    if stamps_s.size < 2:
        raise DataError(f"{name}: {stamps_s.size} records; at least two are needed to see the step")
    steps = np.diff(stamps_s)
    _check_steps(steps, stamps_s, name, rows)
    if marks == "end":
        lengths = np.concatenate([steps[:1], steps])
        return stamps_s - lengths, lengths
    return stamps_s, np.concatenate([steps, steps[-1:]])


def _check_steps(
    steps: NDArray[np.int64], stamps_s: NDArray[np.int64], name: str, rows: NDArray[np.int64]
) -> None:
    def where(row: int) -> str:
        return f"{name}, row {rows[row]} ({utc_text(stamps_s[row])})"

    backward = np.flatnonzero(steps <= 0)
    if backward.size:
        row = int(backward[0])
        what = "the same stamp as" if steps[row] == 0 else "unsorted, an earlier stamp than"
        raise DataError(f"{where(row + 1)}: {what} the row before, {utc_text(stamps_s[row])}")
    begins = np.concatenate([[0], np.flatnonzero(np.diff(steps)) + 1])
    ends = np.concatenate([begins[1:], [steps.size]])
    lasting = (steps[begins] * (ends - begins) >= _DAY_S) & (steps[begins] <= _LONGEST_S)
    usual = int(steps[begins][lasting][0] if lasting.any() else np.sort(steps)[steps.size // 2])
    finest = int(steps[begins][lasting].min()) if lasting.any() else usual
    for begin, lasts in zip(begins.tolist(), lasting.tolist(), strict=True):
        step = int(steps[begin])
        if lasts and step % finest == 0:
            usual = step
        elif step != usual:
            raise _irregular(where(begin + 1), step, usual, utc_text(stamps_s[begin]))


def _irregular(where: str, step_s: int, usual_s: int, before: str) -> DataError:
    if step_s % usual_s == 0:
        lost = step_s // usual_s - 1
        return DataError(
            f"{where}: gap, {lost} intervals of {usual_s / 60:g} minutes missing after {before}"
        )
    return DataError(
        f"{where}: {step_s / 60:g} minutes after the row before ({before}), off the regular grid "
        f"of {usual_s / 60:g} minutes"
    )
