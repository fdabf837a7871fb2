"""aWATTar: hourly prices of Germany and Austria, asked for and told in milliseconds of UTC."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from ev_gym.markets.errors import WrongAnswerError
from ev_gym.markets.fetching import Fetcher
from ev_gym.markets.records import Answer, Record, midnight_s, pieces, record

_LONGEST_DAYS = 100


def answer(fetcher: Fetcher, area: str, first_day: date, last_day: date) -> Answer:
    """Prices of these days in EUR per MWh."""
    records: list[Record] = []
    for start, end in pieces(first_day, last_day, _LONGEST_DAYS):
        params = {
            "start": 1000 * midnight_s(start, fetcher.zone),
            "end": 1000 * midnight_s(end + timedelta(days=1), fetcher.zone),
        }
        records += fetcher.records("/v1/marketdata", params, parse, start, end)
    return Answer(records, "price_eur_per_mwh")


def parse(told: Any) -> list[Record]:
    """Records in EUR per MWh."""
    units = {item["unit"] for item in told["data"]}
    if not {unit.upper() for unit in units} <= {"EUR/MWH"}:
        raise WrongAnswerError(f"prices in {sorted(units)}; allowed: Eur/MWh")
    return [
        record(item["start_timestamp"] // 1000, item["end_timestamp"] // 1000, item["marketprice"])
        for item in told["data"]
    ]
