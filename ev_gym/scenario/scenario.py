"""What is simulated: a household, its charger and cars, how they are driven, and what power costs.

Every parameter is declared once, with unit, meaning and bounds. Scenarios are frozen and hashable;
they turn into plain dicts and back, and refuse unknown keys and impossible values when they are
made.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ev_gym.physics.charger import VOLT
from ev_gym.runtime.durations import DAY_MIN, HOUR_MIN
from ev_gym.scenario.charger import Charger, at_charger
from ev_gym.scenario.currencies import check_code
from ev_gym.scenario.known_tariffs import TARIFFS, known_tariff
from ev_gym.scenario.parameters import (
    ScenarioError,
    check,
    check_unread,
    choice,
    nearest,
    number,
    numbers,
    override,
    text,
    to_plain,
)
from ev_gym.scenario.series_source import Data
from ev_gym.scenario.solar import Solar
from ev_gym.scenario.tariff import BEYOND_A_STEP, Tariff, money_of
from ev_gym.scenario.vehicle import Driving, Vehicle

MAX_VEHICLES = 8
RETAIL_AREAS = "GB-"  # areas whose published prices are a supplier's, not a market's
MONTH = "month"  # as `Scenario.days`
LONGEST_MONTH_DAYS = 31
MOST_DAYS = 366


@dataclass(frozen=True)
class Household:
    """The house and its connection to the grid.

    Three phases of 230 V: 16 A are 11 kW, 20 A 14 kW, 25 A 17 kW (3 x 230 V x I). The fuse guards
    each line by itself, so a car on one phase can exceed it where the total power would not.
    Where `connection_kw` is given as well, both hold: the fuse on each line, and it in all.
    """

    fuse_a: float | None = number(
        20.0,
        "A",
        "main fuse, per phase; None, with connection_kw only: no fuse",
        6,
        200,
        optional=True,
    )
    phases: int = choice(3, "phases of the connection", (1, 3))
    annual_kwh: float | None = number(
        None,
        "kWh",
        "base load a year, the mean over the houses; None: 12,000 if generated, else as measured",
        100,
        200_000,
        optional=True,
    )
    connection_kw: float | None = number(
        None,
        "kW",
        "limit of all lines together, besides the fuse on each; None: only the fuse",
        1,
        500,
        optional=True,
    )
    export_limit_kw: float | None = number(
        None, "kW", "most power fed into the grid; None: the connection's", 0, 500, optional=True
    )
    line_shares: tuple[float, ...] | None = numbers(
        None, "", "shares of the base load on the lines; None: equal", 0, 1, many=3, optional=True
    )
    net_load: bool = choice(
        False,
        "the load series is import less export, measured behind PV: below 0 the house exports",
        (True, False),
    )

    def __post_init__(self) -> None:
        check(self)
        if self.fuse_a is None and self.connection_kw is None:
            raise ScenarioError(
                "Household.fuse_a is None and Household.connection_kw is None; allowed: None for "
                "at most one of the two"
            )
        shares = self.line_shares
        if shares is not None and (
            len(shares) != self.phases or not math.isclose(sum(shares), 1.0)
        ):
            raise ScenarioError(
                f"Household.line_shares is {shares!r}; allowed: one share for each of the "
                f"{self.phases} phases, together 1"
            )
        if self.net_load and self.annual_kwh is not None:
            raise ScenarioError(
                f"Household.annual_kwh is {self.annual_kwh!r} and Household.net_load is True; "
                "allowed then: None, because what a house uses cannot be told from its net load"
            )
        if self.export_limit_kw is not None and self.export_limit_kw > self.limit_kw:
            raise ScenarioError(
                f"Household.export_limit_kw is {self.export_limit_kw!r}; allowed: at most what the "
                f"connection carries, {self.limit_kw:g} kW"
            )

    @property
    def limit_kw(self) -> float:
        """Power that the connection carries with all lines alike: the lower of its limits."""
        return min(self.fuses_kw, math.inf if self.connection_kw is None else self.connection_kw)

    @property
    def fuses_kw(self) -> float:
        """Power that the fuses of all lines carry together; infinite without a fuse."""
        return math.inf if self.fuse_a is None else self.phases * VOLT * self.fuse_a / 1000.0


@dataclass(frozen=True)
class RewardWeights:
    """Factors on the reward's terms; all 1 means that the reward is money."""

    energy: float = number(1.0, "", "grid energy for charging", 0, 1000)
    power: float = number(1.0, "", "power charge for charging", 0, 1000)
    wear: float = number(1.0, "", "capacity that the batteries lost", 0, 1000)
    missing: float = number(1.0, "", "energy missing at departure", 0, 1000)
    public: float = number(1.0, "", "energy bought on the road", 0, 1000)
    overload: float = number(1.0, "", "energy above the limit of connection or contract", 0, 1000)

    def __post_init__(self) -> None:
        check(self)


_PARTS = {
    "household": Household,
    "solar": Solar,
    "charger": Charger,
    "driving": Driving,
    "tariff": Tariff,
    "data": Data,
    "reward_weights": RewardWeights,
}


@dataclass(frozen=True)
class Scenario:
    """One household with its cars, its prices and its horizon."""

    name: str = text("stockholm", "what the scenario is called")
    household: Household = field(default_factory=Household)
    solar: Solar = field(default_factory=Solar)
    charger: Charger = field(default_factory=Charger)
    vehicles: tuple[Vehicle, ...] = field(
        default_factory=lambda: (Vehicle.model("Volkswagen ID.3 58 kWh"),)
    )
    driving: Driving = field(default_factory=Driving)
    tariff: Tariff = field(default_factory=lambda: TARIFFS["ellevio-2025"])
    data: Data = field(default_factory=Data)
    reward_weights: RewardWeights = field(default_factory=RewardWeights)
    currency: str = text("SEK", "currency of every price and bill")
    time_step_min: int = choice(15, "length of a step in minutes", (1, 5, 15, 30, 60))
    start_hour: int = number(12, "h", "local hour at which an episode starts", 0, 23, whole=True)
    days: int | str = number(
        1,
        "d",
        "horizon of an episode: days of 24 hours, or a calendar month",
        1,
        MOST_DAYS,
        whole=True,
        word=MONTH,
    )
    price_window_h: int = number(36, "h", "hours of prices in the observation", 1, 48, whole=True)
    price_window: str = choice(
        "market",
        "resolution of these prices: the market's own, or hourly means",
        ("market", "hourly"),
    )

    def __post_init__(self) -> None:
        check(self)
        self._check_parts()
        vehicles = self.vehicles
        if not isinstance(vehicles, tuple) or not all(isinstance(v, Vehicle) for v in vehicles):
            raise ScenarioError(f"Scenario.vehicles is {vehicles!r}; allowed: a tuple of Vehicle")
        if not 1 <= len(vehicles) <= MAX_VEHICLES:
            raise ScenarioError(
                f"Scenario.vehicles holds {len(vehicles)}; allowed: 1 to {MAX_VEHICLES} vehicles"
            )
        if self.charger.phases > self.household.phases:
            raise ScenarioError(
                f"Charger.phases is {self.charger.phases}, but Household.phases is "
                f"{self.household.phases}; allowed: no more phases than the house has"
            )
        if self.charger.count is not None and self.charger.count > len(vehicles):
            raise ScenarioError(
                f"Charger.count is {self.charger.count}; allowed: at most one for each of the "
                f"{len(vehicles)} vehicles"
            )
        if self.by_month and self.start_hour != 0:
            raise ScenarioError(
                f"Scenario.start_hour is {self.start_hour}, but Scenario.days is {MONTH!r}, and a "
                "month begins at 00:00; allowed then: 0"
            )
        if self.solar.curtail_below_price is not None and self.tariff.netting in BEYOND_A_STEP:
            raise ScenarioError(
                f"Solar.curtail_below_price is {self.solar.curtail_below_price!r}, but "
                f"Tariff.netting is {self.tariff.netting!r}, with which an exported kWh earns what "
                "the balance says; allowed then: None"
            )
        if self.household.net_load and self.solar.peak_kw > 0.0:
            raise ScenarioError(
                f"Solar.peak_kw is {self.solar.peak_kw!r}, but Household.net_load is True, and the "
                "sun is in the net load; allowed then: 0"
            )
        for vehicle in vehicles:
            if at_charger(vehicle, self.charger).one_phase_a == 0:
                check_unread(vehicle, ("one_phase_max_a",), self._why_no_switch(vehicle))
            vehicle.wear_price_in(self.currency)
            if vehicle.line > self.household.phases:
                raise ScenarioError(
                    f"Vehicle.line is {vehicle.line}, but Household.phases is "
                    f"{self.household.phases}; allowed: a line that the house has"
                )

    def _check_parts(self) -> None:
        for name, kind in _PARTS.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise ScenarioError(f"Scenario.{name} is {value!r}; allowed: a {kind.__name__}")
        code = self.currency
        check_code(code, "Scenario.currency")
        if self.tariff.currency != code:
            raise ScenarioError(
                f"Tariff.currency is {self.tariff.currency!r}, but Scenario.currency is {code!r}; "
                "allowed: a tariff in the scenario's currency"
            )
        if self.data.sek_rate is not None and code == "SEK":
            raise ScenarioError(
                f"Data.sek_rate is {self.data.sek_rate!r}, but Scenario.currency is 'SEK', as "
                "built-in prices are; allowed then: None"
            )
        market = getattr(self.data.price, "market", None)
        factors = {row.spot_factor for row in self.tariff.energy} - {0.0, 1.0}
        if market is not None and market.startswith(RETAIL_AREAS) and factors:
            raise ScenarioError(
                f"Data.price.market is {market!r}, whose prices are Octopus Agile's own rates, but "
                f"Tariff.energy multiplies them by {max(factors)!r}; allowed: a tariff that takes "
                "them as they are, such as 'octopus-agile-rates-2026'"
            )
        self.tariff.check_called(self.charger.dimming)
        shortest = min((rule.interval_min for rule in self.tariff.peaks), default=60)
        if shortest < self.time_step_min:
            raise ScenarioError(
                f"PeakRule.interval_min is {shortest}, but Scenario.time_step_min is "
                f"{self.time_step_min}; allowed: steps no longer than the interval"
            )

    def _why_no_switch(self, vehicle: Vehicle) -> str:
        """Why the charger never switches this car to one phase, for a message."""
        if not self.charger.phase_switching:
            return "Charger.phase_switching is False"
        return f"the vehicle has {vehicle.phases} phase"

    @property
    def has_sun(self) -> bool:
        """Whether the house itself can export: with PV, or by its net load."""
        return self.solar.peak_kw > 0.0 or self.household.net_load

    @property
    def by_month(self) -> bool:
        """Whether an episode is a calendar month."""
        return self.days == MONTH

    @property
    def longest_days(self) -> int:
        """Days of an episode; where it is a month, of the longest one."""
        return LONGEST_MONTH_DAYS if isinstance(self.days, str) else self.days

    @property
    def horizon_steps(self) -> int:
        """Steps of an episode; of a month the most, with the hour by which autumn's is longer."""
        autumn_min = HOUR_MIN if self.by_month else 0
        return (self.longest_days * DAY_MIN + autumn_min) // self.time_step_min

    @property
    def step_h(self) -> float:
        """Length of a step in hours."""
        return self.time_step_min / 60.0

    def to_dict(self) -> dict[str, Any]:
        """Every parameter as plain JSON values; `Scenario.from_dict` turns them back."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @classmethod
    def from_dict(cls, changes: Mapping[str, Any]) -> Scenario:
        """The preset that the key `"preset"` names (by default `stockholm`), with overrides.

        `vehicles` is a list of dicts; a dict with the key `"model"` starts from that known car.
        `tariff` is a known tariff's name, such as `"goteborg-2026"`, or a dict; one with the key
        `"like"` starts from the known tariff of that name. The currency is the tariff's. Where a
        dict changes it, everything in money must be given with it.

        Raises:
            ScenarioError: for an unknown key or an impossible value, saying what is allowed.
        """
        if not isinstance(changes, Mapping):
            raise ScenarioError(f"scenario is {changes!r}; allowed: a dict of overrides")
        changes = dict(changes)
        base = preset(changes.pop("preset", "stockholm"))
        if "vehicles" in changes:
            vehicles = changes["vehicles"]
            if not isinstance(vehicles, (list, tuple)):
                raise ScenarioError(f"vehicles is {vehicles!r}; allowed: a list of dicts")
            changes["vehicles"] = tuple(_vehicle(entry, base.vehicles[0]) for entry in vehicles)
        if "tariff" in changes or "currency" in changes:
            changes["tariff"] = _tariff(changes.get("tariff", {}), base, changes.get("currency"))
            changes.setdefault("currency", changes["tariff"].currency)
        return override(base, changes, "the scenario")

    def fingerprint(self) -> str:
        """Hash of every parameter, as hexadecimal digits."""
        plain = self.to_dict()
        if self.data.carbon is None:  # so that older scenarios keep their fingerprints
            del plain["data"]["carbon"]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def with_horizon(scenario: Scenario, days: int | str) -> Scenario:
    """The scenario with another horizon; one of a month begins at midnight."""
    if days == MONTH:
        return replace(scenario, days=days, start_hour=0)
    return replace(scenario, days=days)


def _tariff(entry: Any, base: Scenario, currency: Any) -> Tariff:
    """The tariff that overrides of a scenario name or hold; in its `currency`, where it is given.

    Raises:
        ScenarioError: for money of a tariff that goes on into another currency.
    """
    if isinstance(entry, Tariff):
        return entry
    if isinstance(entry, str):
        return known_tariff(entry)
    if not isinstance(entry, Mapping):
        raise ScenarioError(f"tariff is {entry!r}; allowed: a tariff's name, or a dict")
    changes = dict(entry)
    start = known_tariff(changes.pop("like")) if "like" in changes else base.tariff
    if changes or currency is not None:  # it is no longer what its name says
        changes = {"name": "own", "source": None, **changes}
    if currency is not None:
        check_code(currency, "Scenario.currency")
        changes.setdefault("currency", currency)
    if changes.get("currency", start.currency) != start.currency:
        kept = [name for name in money_of(start) if name not in changes]
        if kept:
            raise ScenarioError(
                f"currency is {changes['currency']!r}, but the tariff {start.name!r} is in "
                f"{start.currency}; allowed: with another currency a known tariff's name, or all "
                f"of its money anew: {', '.join(kept)}"
            )
    return override(start, changes, "the scenario.tariff")


def _vehicle(entry: Any, base: Vehicle) -> Vehicle:
    if isinstance(entry, Vehicle):
        return entry
    if isinstance(entry, Mapping) and "model" in entry:
        rest = {key: value for key, value in entry.items() if key != "model"}
        return override(Vehicle.model(entry["model"]), rest, f"vehicle {entry['model']!r}")
    if not isinstance(entry, Mapping):
        raise ScenarioError(
            f"vehicle is {entry!r}; allowed: a dict of parameters, or {{'model': 'Renault Zoe'}}"
        )
    return override(base, entry, "the scenario.vehicles")


# By name, functions that make a scenario, the default one first; the module `presets` registers
# the built-in ones.
_PRESETS: dict[str, Callable[[], Scenario]] = {}


def register(name: str) -> Callable[[Callable[[], Scenario]], Callable[[], Scenario]]:
    """Decorator: what the function returns becomes the preset of that name."""

    def register_maker(make: Callable[[], Scenario]) -> Callable[[], Scenario]:
        _PRESETS[name] = make
        return make

    return register_maker


def preset_names() -> tuple[str, ...]:
    """Names of all presets, the default first."""
    return tuple(_PRESETS)


def preset_summary(name: str) -> str:
    """One sentence on what a preset holds."""
    return " ".join((_PRESETS[name].__doc__ or "").split())


def preset(name: Any) -> Scenario:
    """The preset of that name.

    Raises:
        ScenarioError: for an unknown name, listing the known ones.
    """
    if not isinstance(name, str) or name not in _PRESETS:
        raise ScenarioError(
            f"unknown scenario {name!r}{nearest(name, _PRESETS)}; presets: {', '.join(_PRESETS)}; "
            "or pass a dict of overrides or a Scenario"
        )
    return _PRESETS[name]()


def as_scenario(scenario: str | Scenario | Mapping[str, Any]) -> Scenario:
    """A scenario from a preset's name, a `Scenario`, or a dict of overrides.

    Raises:
        ScenarioError: for anything else, an unknown name or key, or an impossible value.
    """
    if isinstance(scenario, Scenario):
        return scenario
    if isinstance(scenario, str):
        return preset(scenario)
    if isinstance(scenario, Mapping):
        return Scenario.from_dict(scenario)
    raise ScenarioError(
        f"scenario is {scenario!r}; allowed: a preset's name, a Scenario, or a dict of overrides"
    )
