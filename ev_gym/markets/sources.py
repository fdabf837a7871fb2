"""The sources: where they are, what they offer, and whom to thank."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from ev_gym.markets import (
    awattar,
    carbonintensity,
    elprisetjustnu,
    energidataservice,
    energy_charts,
    entsoe,
    nordpool,
    octopus,
)
from ev_gym.markets.fetching import Fetcher
from ev_gym.markets.records import Answer

Asked = Callable[[Fetcher, str, date, date], Answer]


class Source(NamedTuple):
    """One source.

    Attributes:
        base_url: Its address; the variable `EV_GYM_<NAME>_URL` replaces it, for mirrors.
        attribution: Whom to name beside its figures.
        licence: Terms of its figures, as far as they are known.
        prices: Asks for prices; None: it has none.
        carbon: Asks for carbon intensity; None: it has none.
        since: First day that it has prices of; None: not known, or all.
    """

    base_url: str
    attribution: str
    licence: str
    prices: Asked | None = None
    carbon: Asked | None = None
    since: date | None = None


SOURCES: dict[str, Source] = {
    "elprisetjustnu": Source(
        base_url="https://www.elprisetjustnu.se",
        attribution="Prices: elprisetjustnu.se",
        licence="free to use with a link to elprisetjustnu.se",
        prices=elprisetjustnu.answer,
        since=date(2022, 11, 1),
    ),
    "energidataservice": Source(
        base_url="https://api.energidataservice.dk",
        attribution="Source: Energinet (energidataservice.dk)",
        licence="CC BY 4.0",
        prices=energidataservice.answer,
        carbon=energidataservice.carbon,
    ),
    "energy-charts": Source(
        base_url="https://api.energy-charts.info",
        attribution="Source: energy-charts.info (Fraunhofer ISE)",
        licence="CC BY 4.0 for some areas, restricted for others; see energy-charts.info",
        prices=energy_charts.answer,
        carbon=energy_charts.carbon,
    ),
    "awattar-de": Source(
        base_url="https://api.awattar.de",
        attribution="Prices: aWATTar",
        licence="no open licence; about 100 requests a day",
        prices=awattar.answer,
    ),
    "awattar-at": Source(
        base_url="https://api.awattar.at",
        attribution="Prices: aWATTar",
        licence="no open licence; about 100 requests a day",
        prices=awattar.answer,
    ),
    "octopus": Source(
        base_url="https://api.octopus.energy",
        attribution=f"Prices: Octopus Energy, {octopus.PRODUCT}",
        licence="no open licence",
        prices=octopus.answer,
        since=octopus.SINCE,
    ),
    "entsoe": Source(
        base_url="https://web-api.tp.entsoe.eu/api",
        attribution="Source: ENTSO-E Transparency Platform",
        licence="terms of transparency.entsoe.eu",
        prices=entsoe.answer,
    ),
    "nordpool": Source(
        base_url="https://dataportal-api.nordpoolgroup.com/api",
        attribution="Prices: Nord Pool",
        licence="no open licence",
        prices=nordpool.answer,
    ),
    "carbonintensity": Source(
        base_url="https://api.carbonintensity.org.uk",
        attribution="Source: carbonintensity.org.uk (NESO)",
        licence="CC BY 4.0",
        carbon=carbonintensity.carbon,
    ),
}
