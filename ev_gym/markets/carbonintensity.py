"""carbonintensity.org.uk: Great Britain's carbon intensity in half-hours, as measured."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

from ev_gym.markets.fetching import Fetcher
from ev_gym.markets.records import Answer, Record, midnight_s, pieces, record, utc_s

_LONGEST_DAYS = 13  # it answers for fourteen at most


def carbon(fetcher: Fetcher, area: str, first_day: date, last_day: date) -> Answer:
    """Carbon intensity of Great Britain, whatever the region, on these days."""
    records: list[Record] = []
    for start, end in pieces(first_day, last_day, _LONGEST_DAYS):
        times = (midnight_s(start, fetcher.zone), midnight_s(end + timedelta(1), fetcher.zone))
        texts = [f"{datetime.fromtimestamp(s, timezone.utc):%Y-%m-%dT%H:%MZ}" for s in times]
        records += fetcher.records(f"/intensity/{texts[0]}/{texts[1]}", {}, parse, start, end)
    return Answer(records, "carbon_g_per_kwh")


def parse(told: Any) -> list[Record]:
    """Records in grams per kWh; half-hours without a measured value are left out."""
    return [
        record(utc_s(item["from"]), utc_s(item["to"]), item["intensity"]["actual"])
        for item in told["data"]
        if item["intensity"]["actual"] is not None
    ]
