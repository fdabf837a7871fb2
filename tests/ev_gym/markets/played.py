"""Servers that answer as the sources do: short answers of the documented shape, invented values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest

from ev_gym.markets import MarketError
from tests.support.scripted_server import Act, Request, answer, scripted

CET = ZoneInfo("Europe/Stockholm")


@contextmanager
def source(monkeypatch: pytest.MonkeyPatch, name: str, *acts: Act) -> Iterator[list[Request]]:
    """A server in the place of a source: the requests that arrive there."""
    with scripted(*acts) as (url, requests):
        monkeypatch.setenv(f"EV_GYM_{name.upper().replace('-', '_')}_URL", url)
        yield requests


def telling(tell: Callable[[str, dict[str, str]], Any]) -> Act:
    """Answer every request with what a function of its path and its parameters returns."""

    def act(handler: BaseHTTPRequestHandler, request: Request) -> None:
        told = tell(*asked(request))
        act = told if callable(told) else answer(200, told)
        act(handler, request)

    return act


def asked(request: Request) -> tuple[str, dict[str, str]]:
    """Path and parameters of a request."""
    parts = urlsplit(request.path)
    return parts.path, dict(parse_qsl(parts.query))


def starts(day: date, minutes: int, zone: ZoneInfo = CET) -> list[datetime]:
    """The starts (UTC) of the intervals of a local day."""
    first, end = (
        datetime(d.year, d.month, d.day, tzinfo=zone).astimezone(timezone.utc)
        for d in (day, day + timedelta(days=1))
    )
    step = timedelta(minutes=minutes)
    return [first + n * step for n in range((end - first) // step)]


def value(index: int) -> float:
    """An invented value for the n-th interval of a day; some are below zero."""
    return float((index * 7) % 50 - 5)


def elpris(day: date, minutes: int = 60) -> list[dict[str, Any]]:
    """What elprisetjustnu.se says of a day."""
    step = timedelta(minutes=minutes)
    return [
        {
            "SEK_per_kWh": value(n) / 10,
            "EUR_per_kWh": value(n) / 110,
            "EXR": 11.0,
            "time_start": start.astimezone(CET).isoformat(),
            "time_end": (start + step).astimezone(CET).isoformat(),
        }
        for n, start in enumerate(starts(day, minutes))
    ]


def energinet(params: dict[str, str], stamp: str, minutes: int, **columns: float) -> Any:
    """What Energi Data Service says, newest first: columns are multiples of the invented value."""
    first = datetime.fromisoformat(params["start"]).date()
    end = datetime.fromisoformat(params["end"]).date()
    (area,) = json.loads(params["filter"])["PriceArea"]
    rows = [
        {
            stamp: start.strftime("%Y-%m-%dT%H:%M:%S"),
            "PriceArea": area,
            **{column: factor * value(n) for column, factor in columns.items()},
        }
        for number in range((end - first).days)
        for n, start in enumerate(starts(first + timedelta(days=number), minutes))
    ]
    limit = int(params.get("limit", 100)) or len(rows)
    return {"total": len(rows), "limit": limit, "records": rows[::-1][:limit]}


def charts(days: Sequence[date], minutes: int = 15, **extra: Any) -> dict[str, Any]:
    """What energy-charts.info says of days."""
    stamps = [start for day in days for start in starts(day, minutes)]
    values = [value(n) for day in days for n in range(len(starts(day, minutes)))]
    return {
        "license_info": "CC BY 4.0 from nobody",
        "unix_seconds": [int(start.timestamp()) for start in stamps],
        "price": values,
        "unit": "EUR / MWh",
        "deprecated": False,
        **extra,
    }


def refusal(make: Callable[[], Any], kind: type[MarketError] = MarketError) -> str:
    """The message of the error, of exactly this class, that a call must raise."""
    with pytest.raises(MarketError) as caught:
        make()
    assert type(caught.value) is kind
    return str(caught.value)
