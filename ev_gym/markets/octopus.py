"""Octopus Agile: half-hours of Great Britain's fourteen regions, pence per kWh, in pages."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

from ev_gym.markets.fetching import Fetcher
from ev_gym.markets.records import Answer, Record, midnight_s, number, utc_s

# The product whose rates begin on this day; Octopus goes on publishing the rates of old products.
PRODUCT = "AGILE-24-10-01"
SINCE = date(2024, 10, 1)
_HALF_HOUR_S = 1800
_PAGE_ROWS = 1500


def answer(fetcher: Fetcher, area: str, first_day: date, last_day: date) -> Answer:
    """Rates of these days in GBP per kWh without VAT."""
    start_s = midnight_s(first_day, fetcher.zone)
    end_s = midnight_s(last_day + timedelta(days=1), fetcher.zone)
    tariff = f"E-1R-{PRODUCT}-{area[-1]}"
    path = f"/v1/products/{PRODUCT}/electricity-tariffs/{tariff}/standard-unit-rates/"
    records: list[Record] = []
    has_more, page = True, 1
    while has_more:
        params = {
            "period_from": _utc_text(start_s),
            "period_to": _utc_text(end_s),
            "page_size": _PAGE_ROWS,
            "page": page,
        }
        has_more = False

        def parse(told: Any) -> list[Record]:
            nonlocal has_more
            # The page is counted here instead of following the address that the answer gives.
            has_more = told["next"] is not None
            return parse_rates(told, end_s)

        records += fetcher.records(path, params, parse, first_day, last_day)
        page += 1
    return Answer(records, "price_gbp_per_kwh")


def parse_rates(told: Any, end_s: int) -> list[Record]:
    """Records in GBP per kWh without VAT; a rate without an end is valid until `end_s`."""
    records = []
    for item in told["results"]:
        start = utc_s(item["valid_from"])
        end = end_s if item["valid_to"] is None else utc_s(item["valid_to"])
        value = number(item["value_exc_vat"]) / 100.0
        records += [Record(half_hour, 30, value) for half_hour in range(start, end, _HALF_HOUR_S)]
    return records


def _utc_text(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%MZ}"
