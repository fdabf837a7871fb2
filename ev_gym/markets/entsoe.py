"""ENTSO-E's transparency platform by `entsoe-py`, which knows its areas, requests and refusals.

The XML is read here: that package fills positions forward without a check, takes whatever comes
first of an hour, and so hides a partial answer. What matters of it: with curve type A03 a missing
position repeats the one before; a period may come in two resolutions; and since 2025 several
auctions of one area are told apart by `classificationSequence`, of which 1 is the coupled one.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from ev_gym.markets.energidataservice import FIRST_QUARTER_DAY
from ev_gym.markets.errors import MarketError, WrongAnswerError
from ev_gym.markets.fetching import Fetcher
from ev_gym.markets.records import (
    Answer,
    Record,
    midnight_s,
    number,
    pieces,
    utc_s,
)

if TYPE_CHECKING:
    import requests

TOKEN = "ENTSOE_API_KEY"
# Of a hundred documents that an answer holds at most, a day takes up to three.
_LONGEST_DAYS = 31
_ITALY = {
    "IT-North": "IT_NORD",
    "IT-Centre-North": "IT_CNOR",
    "IT-Centre-South": "IT_CSUD",
    "IT-South": "IT_SUD",
    "IT-Calabria": "IT_CALA",
    "IT-Sicily": "IT_SICI",
    "IT-Sardinia": "IT_SARD",
}
_MINUTES = {"PT15M": 15, "PT30M": 30, "PT60M": 60}


class _Session:
    """What `entsoe-py` takes for its session: the fetcher, with its repeats and its cache."""

    def __init__(self, fetcher: Fetcher, first_day: date, last_day: date) -> None:
        self.headers: dict[str, str] = {}
        self.fetcher, self.days = fetcher, (first_day, last_day)

    def get(self, url: str, params: dict[str, Any], **_: Any) -> requests.Response:
        # Refusals, and that there is nothing, come as 400 with a document that says why.
        return self.fetcher.get("", params, *self.days, (200, 400, 401, 403))


def answer(fetcher: Fetcher, area: str, first_day: date, last_day: date) -> Answer:
    """Prices of these days, per MWh, in the currency of the answer."""
    try:
        from entsoe import EntsoeRawClient
        from entsoe.exceptions import NoMatchingDataError
    except ModuleNotFoundError:
        raise fetcher.not_set_up(
            first_day,
            last_day,
            "entsoe-py is missing: pip install 'ev-gym[markets]', or '.[markets]' in a checkout",
        ) from None
    token = os.environ.get(TOKEN)
    if not token:
        raise fetcher.not_set_up(
            first_day,
            last_day,
            f"{TOKEN} is not set; allowed: a token of one's own, free, from "
            "https://transparency.entsoe.eu (an account, then a mail to "
            "transparency@entsoe.eu with the subject 'Restful API access')",
        )
    import pandas as pd
    import requests

    records: list[Record] = []
    currencies: set[str] = set()
    for start, end in pieces(first_day, last_day, _LONGEST_DAYS):
        client = EntsoeRawClient(token, _Session(fetcher, start, end), retry_count=1)
        code = _code(area)
        try:
            text = client.query_day_ahead_prices(
                code,
                start=pd.Timestamp(midnight_s(start, fetcher.zone), unit="s", tz="UTC"),
                end=pd.Timestamp(
                    midnight_s(end + timedelta(days=1), fetcher.zone), unit="s", tz="UTC"
                ),
                sequence=1 if code in ("DE_LU", "AT") else None,
            )
        except NoMatchingDataError:
            continue
        except MarketError:
            raise
        except requests.HTTPError as error:  # its text holds the token
            refused = error.response is not None and error.response.status_code in (401, 403)
            problem = f"the token in {TOKEN} was refused" if refused else "the request was refused"
            raise fetcher.error(start, end, problem) from None

        def parse(text: str = text) -> list[Record]:
            found, currency = parse_document(text)
            currencies.update(filter(None, [currency]))
            return found

        records += fetcher.parsed(parse, start, end)
    if len(currencies) > 1:
        problem = f"prices in {sorted(currencies)}, not in one currency"
        raise fetcher.error(first_day, last_day, problem)
    currency = next(iter(currencies), "EUR").lower()
    return Answer(records, f"price_{currency}_per_mwh")


def _code(area: str) -> str:
    """The name of an area in `entsoe-py`, such as SE_3 and DE_LU."""
    if area in _ITALY:
        return _ITALY[area]
    return f"{area[:-1]}_{area[-1]}" if area[-1].isdigit() else area.replace("-", "_")


def parse_document(text: str) -> tuple[list[Record], str]:
    """Records of a document of type A44, and its currency; "" where it says that there are none.

    Raises:
        WrongAnswerError: if it is another document, cut short, or has impossible positions.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise WrongAnswerError(f"the answer is no whole XML document ({error})") from None
    kind = root.tag.split("}")[-1]
    if kind == "Acknowledgement_MarketDocument":
        reason = root.findtext("{*}Reason/{*}text", "")
        if "No matching data found" in reason:
            return [], ""
        raise WrongAnswerError(f"it refuses: {reason}")
    if kind != "Publication_MarketDocument":
        raise WrongAnswerError(f"the document is a {kind}, not one of prices")
    currency = ""
    by_span: dict[tuple[int, int], dict[int, list[Record]]] = {}
    for series in root.findall("{*}TimeSeries"):
        if not _is_coupled_auction(series):
            continue
        units = [_text(series, name) for name in ("currency_Unit.name", "price_Measure_Unit.name")]
        if units[1] != "MWH" or currency not in ("", units[0]):
            raise WrongAnswerError(
                f"prices in {' per '.join(units)}; allowed: one currency per MWH"
            )
        currency = units[0]
        repeats = _text(series, "curveType") == "A03"
        for period in series.findall("{*}Period"):
            start, end = (
                utc_s(_text(period, f"timeInterval/{{*}}{name}")) for name in ("start", "end")
            )
            resolution = _text(period, "resolution")
            if resolution not in _MINUTES:
                raise WrongAnswerError(
                    f"a resolution of {resolution}; allowed: {', '.join(_MINUTES)}"
                )
            minutes = _MINUTES[resolution]
            found = _records(period, start, end, minutes, repeats)
            by_span.setdefault((start, end), {}).setdefault(minutes, []).extend(found)
    records: list[Record] = []
    for (start, _), by_minutes in by_span.items():
        records += by_minutes[_published_minutes(start, list(by_minutes))]
    return records, currency


def _is_coupled_auction(series: ElementTree.Element) -> bool:
    contract = series.findtext("{*}contract_MarketAgreement.type", "A01")
    sequence = "{*}classificationSequence_AttributeInstanceComponent.position"
    return contract == "A01" and series.findtext(sequence, "1") == "1"


def _published_minutes(start_s: int, minutes: list[int]) -> int:
    """Of the resolutions of one period, that of the market's own products at the time."""
    quarters = start_s >= midnight_s(FIRST_QUARTER_DAY, "Europe/Brussels")
    return min(minutes) if quarters else max(minutes)


def _records(
    period: ElementTree.Element, start_s: int, end_s: int, minutes: int, repeats: bool
) -> list[Record]:
    """Records of a period; where positions repeat, those left out take the value before."""
    step_s, values = 60 * minutes, dict[int, float]()
    last = (end_s - start_s) // step_s
    for point in period.findall("{*}Point"):
        position = int(_text(point, "position"))
        value = number(float(_text(point, "price.amount")))
        if not 1 <= position <= last:
            raise WrongAnswerError(f"position {position} in a period of {last}")
        if values.get(position, value) != value:
            raise WrongAnswerError(
                f"two values of position {position}: {values[position]} and {value}"
            )
        values[position] = value
    if repeats and values:
        for position in range(min(values) + 1, last + 1):
            values.setdefault(position, values[position - 1])
    return [
        Record(start_s + (position - 1) * step_s, minutes, value)
        for position, value in values.items()
    ]


def _text(element: ElementTree.Element, name: str) -> str:
    text = element.findtext(f"{{*}}{name}")
    if text is None:
        raise WrongAnswerError(f"the document lacks {name}")
    return text
