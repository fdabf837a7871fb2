"""Hourly weather of Stockholm from Open-Meteo's archive."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from ev_gym.markets.errors import WrongAnswerError
from ev_gym.markets.fetching import Fetcher
from ev_gym.markets.records import number

HEADER = "timestamp_utc,temperature_c,cloud_cover_pct,wind_speed_10m_kmh,precipitation_mm\n"
LATITUDE, LONGITUDE = 59.33, 18.07
_OPEN_METEO = "https://archive-api.open-meteo.com"
_UNITS = {
    "temperature_2m": "°C",
    "cloud_cover": "%",
    "wind_speed_10m": "km/h",
    "precipitation": "mm",
}


def rows_of_year(year: int) -> str:
    """Lines of CSV, one an hour of the local year, which begins an hour before that of UTC.

    Raises:
        MarketError: if the source cannot be reached, or its answer is wrong or partial.
    """
    first, last = date(year - 1, 12, 31), date(year, 12, 31)
    with Fetcher("open-meteo", "Stockholm", _OPEN_METEO, "UTC") as fetcher:
        params = {
            "latitude": LATITUDE,
            "longitude": LONGITUDE,
            "start_date": f"{first}",
            "end_date": f"{last}",
            "hourly": ",".join(_UNITS),
            "timezone": "GMT",
        }
        response = fetcher.get("/v1/archive", params, first, last, (200,))
        try:
            rows = parse(fetcher.json(response), first, last)
        except WrongAnswerError as error:
            raise fetcher.error(first, last, error) from None
        except (LookupError, TypeError, ValueError) as error:
            problem = f"the answer is not of the documented shape ({type(error).__name__} {error})"
            raise fetcher.error(first, last, problem) from None
    return "".join(rows[23:-1])


def parse(told: Any, first: date, last: date) -> list[str]:
    """Lines of CSV, one an hour of these days (UTC).

    Raises:
        WrongAnswerError: for other units, a missing hour or a missing value, which it names.
    """
    hourly, units = told["hourly"], told["hourly_units"]
    for name, unit in _UNITS.items():
        if units[name] != unit:
            raise WrongAnswerError(f"{name} is in {units[name]!r}; allowed: {unit!r}")
    hours = 24 * ((last - first).days + 1)
    begin = datetime(first.year, first.month, first.day)
    wanted = [f"{begin + timedelta(hours=n):%Y-%m-%dT%H:%M}" for n in range(hours)]
    if hourly["time"] != wanted:
        missing = sorted(set(wanted) - set(hourly["time"]))
        raise WrongAnswerError(f"hours are missing or out of order, the first is {missing[:1]}")
    lines = []
    for time, *values in zip(wanted, *(hourly[name] for name in _UNITS), strict=True):
        for name, value in zip(_UNITS, values, strict=True):
            if value is None:
                raise WrongAnswerError(f"no {name} at {time}Z")
            number(value)
        lines.append(f"{time}Z," + ",".join(map(str, values)) + "\n")
    return lines
