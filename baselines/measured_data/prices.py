"""Hourly prices of SE3, in EUR from Energinet and in öre by the European Central Bank's rates."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from ev_gym.markets import prices
from ev_gym.markets.fetching import Fetcher

if TYPE_CHECKING:
    import pandas as pd

HEADER = "timestamp_utc,price_eur_per_mwh,price_ore_per_kwh\n"
ZONE = "Europe/Stockholm"
_ECB = "https://data-api.ecb.europa.eu"
_LONGEST_HOLIDAY = timedelta(days=10)


def rows_of_year(year: int) -> str:
    """Lines of CSV, one an hour of the local year; the time is the start in UTC.

    The auction is held on the day before delivery, so its rate is the last one published before
    the day of delivery: over a weekend that of Friday.

    Raises:
        MarketError: if one of the sources cannot be reached, or its answer is wrong or partial.
    """
    first, last = date(year, 1, 1), date(year, 12, 31)
    rates = sek_per_eur(first - _LONGEST_HOLIDAY, last)
    series: pd.Series[float] = prices("SE3", first, last, source="energidataservice")
    lines = []
    for stamp, price in series.items():
        day = stamp.tz_convert(ZONE).date()  # type: ignore[attr-defined]  # its index holds times
        rate = rates[max(known for known in _days_before(day) if known in rates)]
        # Zero is added so that nothing is written as -0.0.
        eur, ore = (round(value, 2) + 0.0 for value in (price, price * rate / 10.0))
        lines.append(f"{stamp:%Y-%m-%dT%H:%MZ},{eur},{ore}\n")
    return "".join(lines)


def _days_before(day: date) -> list[date]:
    return [day - timedelta(days=n) for n in range(1, _LONGEST_HOLIDAY.days + 1)]


def sek_per_eur(first_day: date, last_day: date) -> dict[date, float]:
    """The reference rates of the European Central Bank, by the day of their publication.

    Raises:
        MarketError: if it cannot be reached, or its answer is wrong or lacks more than holidays.
    """
    with Fetcher("ecb", "SEK per EUR", _ECB, "Europe/Berlin") as fetcher:
        params = {"startPeriod": f"{first_day}", "endPeriod": f"{last_day}", "format": "csvdata"}
        path = "/service/data/EXR/D.SEK.EUR.SP00.A"
        response = fetcher.get(path, params, first_day, last_day, (200,))
        try:
            rates = {
                date.fromisoformat(row["TIME_PERIOD"]): float(row["OBS_VALUE"])
                for row in csv.DictReader(io.StringIO(response.text))
                if row["OBS_VALUE"]
            }
        except (KeyError, ValueError) as error:
            problem = f"the answer is no table of rates ({type(error).__name__} {error})"
            raise fetcher.error(first_day, last_day, problem) from None
        known = [first_day - timedelta(days=1), *sorted(rates), last_day]
        for before, after in pairwise(known):
            if after - before >= _LONGEST_HOLIDAY:
                problem = f"no rate between {before} and {after}"
                raise fetcher.error(first_day, last_day, problem)
    return rates
