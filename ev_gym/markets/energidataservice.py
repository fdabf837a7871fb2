"""Energi Data Service of Energinet: prices of Denmark and its neighbours, Denmark's carbon.

It takes times as Danish clocks show them, and sends a hundred rows, the newest first, unless told
otherwise. Hours until 2025-09-30 are one data set, quarter-hours from then on another.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from ev_gym.markets.errors import WrongAnswerError
from ev_gym.markets.fetching import Fetcher
from ev_gym.markets.records import Answer, Record, pieces, record, utc_s

FIRST_QUARTER_DAY = date(2025, 10, 1)
_NAMES = {"DE-LU": "DE"}
_CARBON_DAYS = 366  # a request, some 100,000 rows: it does not like many requests


def answer(fetcher: Fetcher, area: str, first_day: date, last_day: date) -> Answer:
    """Prices of these days: DKK for Danish areas, EUR for others, each per MWh."""
    currency = "DKK" if area.startswith("DK") else "EUR"
    records: list[Record] = []
    if first_day < FIRST_QUARTER_DAY:
        end = min(last_day, FIRST_QUARTER_DAY - timedelta(days=1))
        parse = parser("HourUTC", f"SpotPrice{currency}", 60)
        records += _rows(fetcher, "Elspotprices", "HourUTC", parse, area, first_day, end)
    if last_day >= FIRST_QUARTER_DAY:
        start = max(first_day, FIRST_QUARTER_DAY)
        parse = parser("TimeUTC", f"DayAheadPrice{currency}", 15)
        records += _rows(fetcher, "DayAheadPrices", "TimeUTC", parse, area, start, last_day)
    return Answer(records, f"price_{currency.lower()}_per_mwh")


def carbon(fetcher: Fetcher, area: str, first_day: date, last_day: date) -> Answer:
    """Carbon intensity of these days in steps of five minutes."""
    parse = parser("Minutes5UTC", "CO2Emission", 5)
    records: list[Record] = []
    for start, end in pieces(first_day, last_day, _CARBON_DAYS):
        records += _rows(fetcher, "CO2Emis", "Minutes5UTC", parse, area, start, end)
    return Answer(records, "carbon_g_per_kwh")


def _rows(
    fetcher: Fetcher,
    dataset: str,
    stamp: str,
    parse: Callable[[Any], list[Record]],
    area: str,
    first_day: date,
    last_day: date,
) -> list[Record]:
    params = {
        "filter": json.dumps({"PriceArea": [_NAMES.get(area, area)]}),
        "start": f"{first_day}T00:00",
        "end": f"{last_day + timedelta(days=1)}T00:00",
        "sort": f"{stamp} ASC",
        "limit": 0,  # no limit
    }
    return fetcher.records(f"/dataset/{dataset}", params, parse, first_day, last_day)


def parser(stamp: str, value: str, minutes: int) -> Callable[[Any], list[Record]]:
    """A function from an answer to its records, which last so many minutes."""

    def parse(told: Any) -> list[Record]:
        rows = told["records"]
        if told["total"] != len(rows):
            raise WrongAnswerError(f"{len(rows)} of {told['total']} rows")
        areas = sorted({row["PriceArea"] for row in rows})
        if len(areas) > 1:
            raise WrongAnswerError(f"rows of {areas}, not of one area")
        starts = [utc_s(row[stamp] + "Z") for row in rows]  # its times are UTC without saying so
        return [
            record(start, start + 60 * minutes, row[value])
            for start, row in zip(starts, rows, strict=True)
        ]

    return parse
