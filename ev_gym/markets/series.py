"""Prices and carbon intensity as series: the two functions that users call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from ev_gym.markets.areas import AREAS, Area
from ev_gym.markets.errors import (
    MarketError,
    NotPublished,
    NotSetUp,
    Unreachable,
    WrongAnswerError,
)
from ev_gym.markets.fetching import LOG, Fetcher
from ev_gym.markets.records import Answer, Record, complete_days, today
from ev_gym.markets.sources import SOURCES, Asked

if TYPE_CHECKING:
    import pandas as pd


def prices(
    area: str, first_day: date, last_day: date, *, source: str | None = None
) -> pd.Series[float]:
    """Day-ahead prices of a market area, without VAT, as a source publishes them.

    Answers are kept in the user's cache folder. Where the market went from hours to quarter-hours
    within the days (2025-10-01 in most of Europe), so does the series.

    Args:
        area: A key of `AREAS`, such as "SE3", "DE-LU", "GB-C".
        first_day: First day of the market, on the clock of the area's `market_zone`.
        last_day: Last one, included.
        source: A key of `SOURCES`; None: the area's first, and where that cannot be reached, the
            next, which a warning of the logger `ev_gym.markets` tells.

    Returns:
        Values (intervals,) with a UTC index of their starts, which covers the days wholly. The end
        of `name` is the unit: `price_sek_per_kwh`, `price_eur_per_mwh` and so on, which differs
        between sources. `attrs` holds "source", "attribution" and "licence", all texts.

    Raises:
        NotPublished: if the days are not complete yet.
        Unreachable: if no source answers.
        NotSetUp: if the source needs a package or a token that is missing.
        MarketError: if an argument is none of those allowed, or the answer is wrong or partial. It
            names source, area and day. The others are of this class, too.
    """
    found = _area(area, first_day, last_day)
    names = _chosen(area, found.price_sources, source, first_day)
    asked = {name: SOURCES[name].prices for name in names}
    # Tomorrow's prices come in the afternoon, all at once.
    open_from = today(found.market_zone) + timedelta(days=1)
    return _first_answer(area, first_day, last_day, asked, open_from, in_parts=False)


def carbon_g_per_kwh(
    area: str, first_day: date, last_day: date, *, source: str | None = None
) -> pd.Series[float]:
    """Carbon intensity of the electricity used in a market area, as measured.

    That of energy-charts and of Great Britain is the whole country's. Five-minute values are given
    as the means of quarter-hours.

    Args:
        area: A key of `AREAS`.
        first_day: First day, on the clock of the area's `market_zone`.
        last_day: Last one, included; today's values come only as the day goes by.
        source: As for `prices`.

    Returns:
        Values (intervals,) in grams of CO2 equivalent per kWh, named `carbon_g_per_kwh`; index and
        `attrs` as those of `prices`.

    Raises:
        NotPublished, Unreachable, NotSetUp, MarketError: as for `prices`.
    """
    found = _area(area, first_day, last_day)
    names = _chosen(area, found.carbon_sources, source, None)
    asked = {name: SOURCES[name].carbon for name in names}
    open_from = today(found.market_zone)
    return _first_answer(area, first_day, last_day, asked, open_from, in_parts=True)


def _area(area: str, first_day: date, last_day: date) -> Area:
    if area not in AREAS:
        raise MarketError(f"area is {area!r}; allowed: {', '.join(AREAS)}")
    for name, day in (("first_day", first_day), ("last_day", last_day)):
        if isinstance(day, datetime) or not isinstance(day, date):
            raise MarketError(f"{name} is {day!r}; allowed: a datetime.date")
    if first_day > last_day:
        raise MarketError(f"last_day is {last_day}; allowed: from first_day, {first_day}, on")
    return AREAS[area]


def _chosen(
    area: str, served_by: Sequence[str], source: str | None, first_day: date | None
) -> list[str]:
    """Names of the sources to ask, in this order."""
    if source is not None and source not in served_by:
        raise MarketError(f"source is {source!r}; allowed for {area}: {', '.join(served_by)}")
    names = list(served_by) if source is None else [source]
    since = {name: SOURCES[name].since for name in names}
    if first_day is None:
        return names
    reaching = [name for name in names if (begin := since[name]) is None or begin <= first_day]
    if not reaching:
        begins = ", ".join(f"{name} since {since[name]}" for name in names)
        raise MarketError(f"first_day is {first_day}; allowed for {area}: {begins}")
    return reaching


def _first_answer(
    area: str,
    first_day: date,
    last_day: date,
    asked: dict[str, Asked | None],
    open_from: date,
    in_parts: bool,
) -> pd.Series[float]:
    failures: list[MarketError] = []
    for name, ask in asked.items():
        assert ask is not None  # AREAS names only those that have it
        if failures:
            LOG.warning("%s; trying %s", failures[-1], name)
        try:
            return _answer(name, ask, area, first_day, last_day, open_from, in_parts)
        except (Unreachable, NotSetUp) as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    raise Unreachable("; ".join(map(str, failures)))


def _answer(
    name: str,
    ask: Asked,
    area: str,
    first_day: date,
    last_day: date,
    open_from: date,
    in_parts: bool,
) -> pd.Series[float]:
    zone = AREAS[area].market_zone
    with Fetcher(name, area, SOURCES[name].base_url, zone) as fetcher:
        answer = ask(fetcher, area, first_day, last_day)
        try:
            records = complete_days(answer.records, first_day, last_day, zone, open_from, in_parts)
        except NotPublished as error:
            raise NotPublished(f"{name}, {area}: {error}") from None
        except WrongAnswerError as error:
            raise fetcher.error(first_day, last_day, error) from None
    return _series(answer, records, name)


def _series(answer: Answer, records: list[Record], source: str) -> pd.Series[float]:
    import pandas as pd

    index = pd.to_datetime([record.start_s for record in records], unit="s", utc=True)
    series = pd.Series([record.value for record in records], index, name=answer.name)
    if {record.minutes for record in records} == {5}:
        series = series.resample("15min").mean()
    series.index.name = "timestamp_utc"
    series.attrs = {
        "source": source,
        "attribution": SOURCES[source].attribution,
        "licence": answer.licence or SOURCES[source].licence,
    }
    return series
