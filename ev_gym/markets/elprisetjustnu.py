"""elprisetjustnu.se: Sweden's four areas, one file a day in local time, SEK without VAT."""

from __future__ import annotations

from datetime import date
from typing import Any

from ev_gym.markets.fetching import Fetcher
from ev_gym.markets.records import Answer, Record, days_of, record, utc_s


def answer(fetcher: Fetcher, area: str, first_day: date, last_day: date) -> Answer:
    """What the source has of these days."""
    records: list[Record] = []
    for day in days_of(first_day, last_day):
        path = f"/api/v1/prices/{day:%Y}/{day:%m-%d}_{area}.json"
        records += fetcher.records(path, {}, parse, day, day)
    return Answer(records, "price_sek_per_kwh")


def parse(told: Any) -> list[Record]:
    """Records in SEK per kWh."""
    return [
        record(utc_s(item["time_start"]), utc_s(item["time_end"]), item["SEK_per_kWh"])
        for item in told
    ]
