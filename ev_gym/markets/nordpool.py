"""Nord Pool's data portal by `pynordpool`, which knows its requests: the last weeks only."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from ev_gym.markets.areas import AREAS
from ev_gym.markets.errors import WrongAnswerError
from ev_gym.markets.fetching import Fetcher
from ev_gym.markets.records import Answer, Record, days_of, record

if TYPE_CHECKING:
    import requests

_NAMES = {"DE-LU": "GER"}
_CURRENCIES = ("DKK", "NOK", "PLN", "SEK")  # others pay EUR


class _Response:
    """An answer as `pynordpool` reads it; it has been checked to be JSON, or to be empty."""

    def __init__(self, response: requests.Response, fetcher: Fetcher) -> None:
        # Instead of a missing day it says that there is no content.
        self.status = 204 if response.status_code == 404 else response.status_code
        self._told = fetcher.json(response) if self.status == 200 else None

    async def __aenter__(self) -> _Response:
        return self

    async def __aexit__(self, *_: Any) -> None: ...

    async def json(self) -> Any:
        return self._told


class _Session:
    """What `pynordpool` takes for its session: the fetcher, with its repeats and its cache."""

    def __init__(self, fetcher: Fetcher, day: date) -> None:
        self.fetcher, self.day = fetcher, day

    def get(self, url: str, params: dict[str, Any], **_: Any) -> _Response:
        path = f"/{url.rsplit('/', 1)[1]}"
        response = self.fetcher.get(path, params, self.day, self.day, (200, 204, 404))
        return _Response(response, self.fetcher)


def answer(fetcher: Fetcher, area: str, first_day: date, last_day: date) -> Answer:
    """Prices of these days, per MWh, in the area's currency where the exchange quotes it."""
    try:
        from pynordpool import Currency, NordPoolClient, NordPoolEmptyResponseError
    except ModuleNotFoundError:
        raise fetcher.not_set_up(
            first_day,
            last_day,
            "pynordpool is missing: pip install 'ev-gym[markets]', or '.[markets]' in a checkout; "
            "it needs Python 3.11 or later",
        ) from None
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    currency = AREAS[area].currency if AREAS[area].currency in _CURRENCIES else "EUR"
    name = _NAMES.get(area, area)

    def ask(day: date) -> list[Record]:
        session: Any = _Session(fetcher, day)
        client = NordPoolClient(session)
        question = client.async_get_delivery_period(
            datetime(day.year, day.month, day.day), Currency(currency), [name]
        )
        try:
            # In a thread of its own, because a notebook's runs an event loop already.
            with ThreadPoolExecutor(1) as pool:
                told = pool.submit(asyncio.run, question).result()
        except NordPoolEmptyResponseError:
            return []
        if told.currency != currency:
            raise WrongAnswerError(f"prices in {told.currency}, not in {currency}")
        return [
            record(int(item.start.timestamp()), int(item.end.timestamp()), item.entry[name])
            for item in told.entries
        ]

    records: list[Record] = []
    for day in days_of(first_day, last_day):
        records += fetcher.parsed(partial(ask, day), day, day)
    return Answer(records, f"price_{currency.lower()}_per_mwh")
