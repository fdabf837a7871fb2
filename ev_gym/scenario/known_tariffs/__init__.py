"""Tariffs by name, a module for each country; a name ends in the year of its price list."""

from __future__ import annotations

import warnings
from typing import Any

from ev_gym.scenario.known_tariffs import (
    austria,
    denmark,
    finland,
    flanders,
    france,
    germany,
    netherlands,
    norway,
    spain,
    sweden,
    united_kingdom,
)
from ev_gym.scenario.parameters import ScenarioError, nearest
from ev_gym.scenario.tariff import Tariff

COUNTRIES: tuple[Any, ...] = (
    *(sweden, norway, denmark, flanders, netherlands, germany, spain, france, united_kingdom),
    *(finland, austria),
)
TARIFFS: dict[str, Tariff] = {
    tariff.name: tariff for country in COUNTRIES for tariff in country.TARIFFS
}
COUNTRY_OF: dict[str, str] = {
    tariff.name: country.COUNTRY for country in COUNTRIES for tariff in country.TARIFFS
}

# Names from before they carried their year.
OLD_NAMES = {
    "ellevio": "ellevio-2025",
    "goteborg": "goteborg-2025",
    "vattenfall_time": "vattenfall-time-2025",
    "vattenfall_flat": "vattenfall-flat-2025",
    "seom": "seom-2020",
}


def known_tariff(name: Any) -> Tariff:
    """The tariff of that name, one of `TARIFFS`; an old name still works, with a warning.

    Raises:
        ScenarioError: for an unknown name, listing the known ones.
    """
    if isinstance(name, str) and name in OLD_NAMES:
        warnings.warn(
            f"tariff {name!r} is now called {OLD_NAMES[name]!r}; the old name goes in 0.2",
            DeprecationWarning,
            stacklevel=2,
        )
        name = OLD_NAMES[name]
    if not isinstance(name, str) or name not in TARIFFS:
        raise ScenarioError(
            f"unknown tariff {name!r}{nearest(name, TARIFFS)}; tariffs: {', '.join(TARIFFS)}"
        )
    return TARIFFS[name]
