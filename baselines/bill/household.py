"""A household as a person describes it, as one scenario for each tariff to be compared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, NamedTuple

from ev_gym.scenario import Scenario, ScenarioError, preset
from ev_gym.scenario.currencies import PER_SEK
from ev_gym.scenario.known_tariffs import COUNTRY_OF, known_tariff
from ev_gym.scenario.parameters import to_plain
from ev_gym.scenario.series_source import BUILT_IN

WEEK_DAYS = 7
YEAR_DAYS = 365
LOOK_AHEAD_DAYS = 3  # beyond the last month, so that its prices are known ahead


class Place(NamedTuple):
    """Where a country's household is taken to be, unless its scenario says: in a large town.

    Attributes:
        code: The country by ISO 3166, for its public holidays.
        zone: Its clock.
        latitude_deg: Of the town,
        longitude_deg: and its longitude, for the sun.
    """

    code: str
    zone: str
    latitude_deg: float
    longitude_deg: float


SWEDEN = "Sweden"
PLACES = {
    SWEDEN: Place("SE", "Europe/Stockholm", 59.33, 18.07),
    "Norway": Place("NO", "Europe/Oslo", 59.91, 10.75),
    "Denmark": Place("DK", "Europe/Copenhagen", 55.68, 12.57),
    "Finland": Place("FI", "Europe/Helsinki", 60.17, 24.94),
    "Belgium (Flanders)": Place("BE", "Europe/Brussels", 51.22, 4.40),
    "Netherlands": Place("NL", "Europe/Amsterdam", 52.37, 4.90),
    "Germany": Place("DE", "Europe/Berlin", 52.52, 13.40),
    "Austria": Place("AT", "Europe/Vienna", 48.21, 16.37),
    "France": Place("FR", "Europe/Paris", 48.86, 2.35),
    "Spain": Place("ES", "Europe/Madrid", 40.42, -3.70),
    "United Kingdom": Place("GB", "Europe/London", 51.51, -0.13),
}
CHANGED = ", changed"  # behind the name of a tariff that a setting changes
OWN = "goteborg-2026"  # the household, where no other is named
YEAR = re.compile(r"-(20\d\d)\b")


def usual_household(tariffs: Sequence[str]) -> Scenario:
    """The household where no other is named, on the calendar of the latest of these tariffs."""
    years = [int(match[1]) for name in tariffs if (match := YEAR.search(name))]
    base = preset(OWN)
    if not years:
        return base
    new_year = date(max(years), 1, 1)
    monday = new_year - timedelta(days=new_year.weekday())
    return replace(base, data=replace(base.data, start=monday.isoformat()))


def _stands_in_sweden(base: Scenario) -> bool:
    """Whether a scenario has the clock and the holidays that all presets have."""
    return (base.data.zone, base.data.holidays) == (PLACES[SWEDEN].zone, PLACES[SWEDEN].code)


Setting = tuple[tuple[str, ...], Any]  # the place of a parameter, and its value
EACH_CAR = "vehicle"  # the first word of places that mean every car


def scenarios(
    base: Scenario,
    tariffs: Sequence[str],
    changes: Mapping[str, Any],
    settings: Sequence[Setting] = (),
    first_month: str | None = None,
    months: int | None = None,
) -> list[Scenario]:
    """The household under each tariff.

    With a tariff of another country than Sweden the clock, the public holidays and the place on
    earth are that country's, unless the scenario has others than the presets. Built-in prices are
    then converted (`ev_gym.scenario.currencies.PER_SEK`), which `notes` says.

    Args:
        base: A scenario to start from.
        tariffs: Names of known tariffs; none: the scenario's own.
        changes: Overrides on the scenario, as nested dicts.
        settings: Single parameters, laid over these; `vehicle.limit_soc` is that of every car.
        first_month: Where prices are a market's, the first month, as YYYY-MM;
        months: and their number.

    Raises:
        ScenarioError: for an unknown tariff, tariffs of different currencies, or an impossible
            household.
    """
    if not tariffs:
        tariff: Any = base.tariff
        return [_scenario(base, tariff, None, changes, settings, first_month, months)]
    known = [known_tariff(name) for name in tariffs]
    if len({tariff.currency for tariff in known}) > 1:
        raise ScenarioError(
            "tariffs are in different currencies: "
            + ", ".join(f"{tariff.name} in {tariff.currency}" for tariff in known)
            + "; allowed: those of one currency side by side"
        )
    return [
        _scenario(base, tariff, COUNTRY_OF[tariff.name], changes, settings, first_month, months)
        for tariff in known
    ]


def _scenario(
    base: Scenario,
    tariff: Any,
    country: str | None,
    changes: Mapping[str, Any],
    settings: Sequence[Setting],
    first_month: str | None,
    months: int | None,
) -> Scenario:
    if tariff.currency != base.currency:
        for car in base.vehicles:
            if car.wear_price_per_kwh is not None:
                raise ScenarioError(
                    f"wear_price_per_kwh of {car.name!r} is {car.wear_price_per_kwh!r} in "
                    f"{base.currency}, but tariff {tariff.name!r} is in {tariff.currency}; allowed "
                    "then: None, which is the estimate for the currency"
                )
    plain = base.to_dict()
    plain["currency"] = tariff.currency
    plain["tariff"] = to_plain(tariff)
    if any(at[0] == "tariff" for at, _ in settings):
        plain["tariff"] |= {"name": tariff.name + CHANGED, "source": None}
    if country is not None and _stands_in_sweden(base) and country != SWEDEN:
        place = PLACES[country]
        plain["data"] |= {"zone": place.zone, "holidays": place.code}
        if base.solar.peak_kw > 0.0 or any(at == ("solar", "peak_kw") for at, _ in settings):
            there = {"latitude_deg": place.latitude_deg, "longitude_deg": place.longitude_deg}
            plain["solar"] |= there
    _lay_over(plain, changes)
    for at, value in settings:
        owners = plain["vehicles"] if at[0] == EACH_CAR else [plain]
        for owner in owners:
            _set(owner, at[1:] if at[0] == EACH_CAR else at, value)
    data = plain["data"]
    built_in = data["price"] in (None, BUILT_IN) and data["source"] == "synthetic"
    if built_in and tariff.currency != "SEK" and data["sek_rate"] is None:
        data["sek_rate"] = PER_SEK.get(tariff.currency)
    price = data["price"]
    if isinstance(price, Mapping) and price.get("market") is not None:
        data |= _weeks_of(first_month, months)
        if str(price["market"]).startswith("GB-"):
            data["prices_known"] = "agile"
    elif _has_files(data) and all(at != ("data", "start") for at, _ in settings):
        data |= {"start": None, "weeks": None, "complete_weeks": True}
    return Scenario.from_dict(plain)


def _has_files(data: Mapping[str, Any]) -> bool:
    return any(isinstance(data[part], Mapping) for part in ("price", "load"))


def _set(owner: dict[str, Any], at: tuple[str, ...], value: Any) -> None:
    """Set a parameter in nested dicts; a part that is not there, or only named, becomes one."""
    for key in at[:-1]:
        part = owner.get(key)
        if isinstance(part, (list, tuple)):
            raise ScenarioError(
                f"{'.'.join(at)} is a part of the list {key!r}; allowed: all of the list, as in "
                f"{key}=VALUE"
            )
        if not isinstance(part, dict):
            owner[key] = {}
        owner = owner[key]
    owner[at[-1]] = value


def _lay_over(plain: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Lay nested overrides over a plain dict; lists and texts replace what was there."""
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(plain.get(key), dict):
            _lay_over(plain[key], value)
        else:
            plain[key] = value


def _weeks_of(first_month: str | None, months: int | None) -> dict[str, Any]:
    """First Monday and number of weeks that hold some months and their look-ahead."""
    if first_month is None:
        raise ScenarioError(
            "prices are a market's, and no first month is given; allowed: a month as YYYY-MM"
        )
    try:
        first = date.fromisoformat(f"{first_month}-01")
    except ValueError:
        raise ScenarioError(
            f"first month is {first_month!r}; allowed: a month as YYYY-MM"
        ) from None
    count = 12 if months is None else months
    year, month = divmod(first.year * 12 + first.month - 1 + count, 12)
    end = date(year, month + 1, 1) + timedelta(days=LOOK_AHEAD_DAYS)
    monday = first - timedelta(days=first.weekday())
    return {"start": monday.isoformat(), "weeks": -(-(end - monday).days // WEEK_DAYS)}


def in_words(scenario: Scenario) -> str:
    """The household in a line: its cars, what they drive, the fuse and the EVSE."""
    house, charger, driving = scenario.household, scenario.charger, scenario.driving
    cars = ", ".join(car.name or "a car" for car in scenario.vehicles)
    if driving.pattern == "daily":
        km = f"{driving.trip_km * YEAR_DAYS:,.0f} km a year each, alike every day"
    else:
        km = f"driven as {driving.pattern!r} says"
    fuse = "" if house.fuse_a is None else f"main fuse {house.phases} x {house.fuse_a:g} A; "
    return f"{cars} ({km}); {fuse}EVSE {charger.phases} x {charger.max_current_a} A"


def notes(scenario: Scenario) -> list[str]:
    """What of a household was not measured but built in, and how its money was converted."""
    data = scenario.data
    said = []
    if data.zone != PLACES[SWEDEN].zone:
        said.append(
            f"the clock is that of {data.zone}, public holidays are those of {data.holidays}"
        )
    if data.origin("load") == BUILT_IN:
        said.append("the load is built in, that of a house in Stockholm")
    if data.origin("temperature") == BUILT_IN:
        said.append(
            "the weather is built in, Stockholm's; in the cold a car takes more for each kilometre"
        )
    if data.origin("price") == BUILT_IN:
        rate = "" if data.sek_rate is None else f", at {data.sek_rate:g} {scenario.currency} a SEK"
        said.append(f"spot prices are built in, like those of Sweden's SE3{rate}")
    if data.complete_weeks:
        said.append(
            "series that begin or end with a month go on to the Monday before or after it with the "
            "values of a week later or earlier, all outside the months of the bill, but for an "
            "hour or two of the first day where a file's days are those of UTC"
        )
    if scenario.solar.peak_kw > 0.0 and data.origin("sun") == BUILT_IN:
        place = f"{scenario.solar.latitude_deg:g} N, {scenario.solar.longitude_deg:g} E"
        said.append(f"the sky is built in, Stockholm's clouds under the sun at {place}")
    return said
