"""energy-charts.info of Fraunhofer ISE: prices of most of Europe, and carbon of its countries."""

from __future__ import annotations

from datetime import date
from typing import Any

from ev_gym.markets.areas import AREAS
from ev_gym.markets.errors import WrongAnswerError
from ev_gym.markets.fetching import Fetcher
from ev_gym.markets.records import Answer, Record, from_stamps, pieces

_LONGEST_DAYS = 366


def answer(fetcher: Fetcher, area: str, first_day: date, last_day: date) -> Answer:
    """Prices of these days in EUR per MWh, with the licence that the answer states."""
    licences: list[str] = []

    def parse(told: Any) -> list[Record]:
        licences.append(str(told.get("license_info", "")))
        return parse_prices(told)

    records = _asked(fetcher, "/price", {"bzn": area}, parse, first_day, last_day)
    licence = next(filter(None, licences), None)
    return Answer(records, "price_eur_per_mwh", licence)


def carbon(fetcher: Fetcher, area: str, first_day: date, last_day: date) -> Answer:
    """Carbon intensity of the area's country on these days."""
    params = {"country": AREAS[area].country.lower()}
    records = _asked(fetcher, "/co2eq", params, parse_carbon, first_day, last_day)
    return Answer(records, "carbon_g_per_kwh")


def _asked(
    fetcher: Fetcher, path: str, params: dict[str, str], parse: Any, first_day: date, last_day: date
) -> list[Record]:
    records: list[Record] = []
    for start, end in pieces(first_day, last_day, _LONGEST_DAYS):
        days = {"start": f"{start}", "end": f"{end}"}
        records += fetcher.records(path, params | days, parse, start, end)
    return records


def parse_prices(told: Any) -> list[Record]:
    """Records in EUR per MWh."""
    unit = "".join(told["unit"].split())
    if unit.upper() != "EUR/MWH":
        raise WrongAnswerError(f"prices in {told['unit']!r}; allowed: EUR/MWh")
    return from_stamps(told["unix_seconds"], told["price"])


def parse_carbon(told: Any) -> list[Record]:
    """Records in grams per kWh, as measured; what is only forecast is left out."""
    return from_stamps(told["unix_seconds"], told["co2eq"])
