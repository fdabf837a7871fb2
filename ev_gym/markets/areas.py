"""The market areas: their clocks, currencies, and which sources serve them, first choice first."""

from __future__ import annotations

from typing import NamedTuple


class Area(NamedTuple):
    """One market area.

    Attributes:
        country: By ISO 3166.
        currency: Of its households, by ISO 4217. Prices may come in another: their unit says so.
        zone: IANA time zone of its clocks.
        market_zone: IANA time zone whose midnights bound a day of the market. Europe's coupled
            markets trade the Central European day, also where clocks differ, and so does Great
            Britain (from 23:00 to 23:00 there).
        price_sources: Names of the sources of its prices; the next is tried where one before it
            cannot be reached.
        carbon_sources: The same for its carbon intensity; the last ones know the country only.
    """

    country: str
    currency: str
    zone: str
    market_zone: str
    price_sources: tuple[str, ...]
    carbon_sources: tuple[str, ...]


# The zone of the coupled market's day. Any of its members' would do.
MARKET_ZONE = "Europe/Brussels"
_EXTRAS = ("nordpool", "entsoe")


def _area(country: str, currency: str, zone: str, *sources: str) -> Area:
    return Area(country, currency, zone, MARKET_ZONE, sources, ("energy-charts",))


def _sweden(*sources: str) -> Area:
    first = ("elprisetjustnu", *sources)
    return _area("SE", "SEK", "Europe/Stockholm", *first, "energy-charts", *_EXTRAS)


def _norway(*sources: str) -> Area:
    return _area("NO", "NOK", "Europe/Oslo", *sources, "energy-charts", *_EXTRAS)


def _denmark() -> Area:
    sources = ("energidataservice", "energy-charts", *_EXTRAS)
    area = _area("DK", "DKK", "Europe/Copenhagen", *sources)
    return area._replace(carbon_sources=("energidataservice", "energy-charts"))


def _central(country: str, currency: str, zone: str) -> Area:
    return _area(country, currency, zone, "energy-charts", "entsoe")


def _octopus() -> Area:
    area = _area("GB", "GBP", "Europe/London", "octopus")
    return area._replace(carbon_sources=("carbonintensity",))


AREAS: dict[str, Area] = {
    "SE1": _sweden(),
    "SE2": _sweden(),
    "SE3": _sweden("energidataservice"),
    "SE4": _sweden("energidataservice"),
    "DK1": _denmark(),
    "DK2": _denmark(),
    "NO1": _norway(),
    "NO2": _norway("energidataservice"),
    "NO3": _norway(),
    "NO4": _norway(),
    "NO5": _norway(),
    "FI": _area("FI", "EUR", "Europe/Helsinki", "energy-charts", *_EXTRAS),
    "EE": _area("EE", "EUR", "Europe/Tallinn", "energy-charts", *_EXTRAS),
    "LV": _area("LV", "EUR", "Europe/Riga", "energy-charts", *_EXTRAS),
    "LT": _area("LT", "EUR", "Europe/Vilnius", "energy-charts", *_EXTRAS),
    # aWATTar's prices stay hourly where the market's are quarter-hours, so it comes after.
    "DE-LU": _area(
        "DE", "EUR", "Europe/Berlin", "energy-charts", "energidataservice", "awattar-de", *_EXTRAS
    ),
    "AT": _area("AT", "EUR", "Europe/Vienna", "energy-charts", "awattar-at", *_EXTRAS),
    "BE": _area("BE", "EUR", "Europe/Brussels", "energy-charts", *_EXTRAS),
    "NL": _area("NL", "EUR", "Europe/Amsterdam", "energy-charts", *_EXTRAS),
    "FR": _area("FR", "EUR", "Europe/Paris", "energy-charts", *_EXTRAS),
    "PL": _area("PL", "PLN", "Europe/Warsaw", "energy-charts", *_EXTRAS),
    "CH": _central("CH", "CHF", "Europe/Zurich"),
    "CZ": _central("CZ", "CZK", "Europe/Prague"),
    "SK": _central("SK", "EUR", "Europe/Bratislava"),
    "HU": _central("HU", "HUF", "Europe/Budapest"),
    "SI": _central("SI", "EUR", "Europe/Ljubljana"),
    "HR": _central("HR", "EUR", "Europe/Zagreb"),
    "RO": _central("RO", "RON", "Europe/Bucharest"),
    "BG": _central("BG", "EUR", "Europe/Sofia"),
    "GR": _central("GR", "EUR", "Europe/Athens"),
    "ES": _central("ES", "EUR", "Europe/Madrid"),
    "PT": _central("PT", "EUR", "Europe/Lisbon"),
    "IT-North": _central("IT", "EUR", "Europe/Rome"),
    "IT-Centre-North": _central("IT", "EUR", "Europe/Rome"),
    "IT-Centre-South": _central("IT", "EUR", "Europe/Rome"),
    "IT-South": _central("IT", "EUR", "Europe/Rome"),
    "IT-Calabria": _central("IT", "EUR", "Europe/Rome"),
    "IT-Sicily": _central("IT", "EUR", "Europe/Rome"),
    "IT-Sardinia": _central("IT", "EUR", "Europe/Rome"),
    # The letters of Britain's fourteen grid regions; there is no I and no O.
    **{f"GB-{letter}": _octopus() for letter in "ABCDEFGHJKLMNP"},
}
