"""A car and its driver: battery, on-board charger, health, and when it comes and goes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ev_gym.physics.ageing_models import CHEMISTRIES
from ev_gym.scenario.currencies import default_price
from ev_gym.scenario.known_cars import car_row
from ev_gym.scenario.parameters import (
    ScenarioError,
    check,
    check_unread,
    choice,
    number,
    numbers,
    override,
    section,
    text,
)

DAILY = ("arrival_h", "departure_h", "trip_km", "trip_kwh", "start_soc")
TRIPS = "trips"
AGEING = ("battery_age_years", "wear_price_per_kwh")


@dataclass(frozen=True)
class Driving:
    """When cars come and go, and how far they drive.

    `routines`: drivers whose habits and sessions follow 56 residents of Trondheim (Sorensen et al.
    2021, doi:10.1016/j.dib.2021.107105). `daily`: the same hours every day.
    """

    pattern: str = choice("routines", "how cars come and go", ("routines", "daily"))
    routine_shares: tuple[float, ...] | None = numbers(
        None,
        "",
        "routines: shares of commuters, shift workers and people mostly at home; None: as measured",
        0,
        1,
        many=3,
        optional=True,
    )
    arrival_h: float = number(17.0, "h", "daily: local hour of plug-in", 0, 24)
    departure_h: float = number(7.0, "h", "daily: local hour of departure", 0, 24)
    trip_km: float = number(40.0, "km", "daily: distance between two stays", 0, 2000)
    trip_kwh: float | None = number(
        None,
        "kWh",
        "daily: energy of that trip; None: by distance, car and temperature",
        0,
        500,
        optional=True,
    )
    start_soc: float = number(0.5, "", "daily: SoC at the start of an episode", 0, 1)

    def __post_init__(self) -> None:
        check(self)
        shares = self.routine_shares
        if shares is not None and (len(shares) != 3 or not math.isclose(sum(shares), 1.0)):
            raise ScenarioError(
                f"Driving.routine_shares is {shares!r}; allowed: three shares that add up to 1"
            )
        unread = DAILY if self.pattern == "routines" else ("routine_shares",)
        check_unread(self, unread, f"pattern is {self.pattern!r}")
        if self.trip_kwh is not None:
            check_unread(self, ("trip_km",), "trip_kwh is given")


@dataclass(frozen=True)
class Vehicle:
    """A car as the wallbox and its driver see it.

    Losses: `P_battery = eta * P_ac - aux_kw`, fitted to ADAC's measurements of total AC charging
    losses (2022, as the press reported them); a discharging car obeys the same law the other way
    round, `P_ac = eta * P_battery - aux_kw`. AC power falls only when the battery is nearly full:
    in 95 % of 111 published DC charging curves, the battery accepts the car's AC maximum up to 97 %
    SoC or more.
    """

    name: str = text("car", "what the car is called")
    battery_kwh: float = number(58.0, "kWh", "usable battery, as it is now", 1, 500)
    phases: int = choice(3, "phases of the on-board charger", (1, 2, 3))
    ac_max_kw: float = number(11.0, "kW", "AC power of the on-board charger", 1, 50)
    one_phase_max_a: int = number(
        32, "A", "current on one phase, where phases are switched", 6, 80, whole=True
    )
    line: int = choice(1, "line of the house that the car's first phase is on", (1, 2, 3))
    eta: float = number(0.94, "", "marginal efficiency between wall and battery", 0.5, 1)
    aux_kw: float = number(0.2, "kW", "power the car itself takes meanwhile", 0, 1)
    taper_from_soc: float = number(0.975, "", "SoC above which the acceptance falls", 0.5, 1)
    wanted_soc: float | str = number(
        TRIPS,
        "",
        "SoC the driver wants at departure; 'trips': what the coming days need, and a margin",
        0,
        1,
        word=TRIPS,
    )
    min_soc: float = number(0.1, "", "SoC the car returns with at least", 0, 1)
    limit_soc: float = number(1.0, "", "the owner's limit: charging at home stops there", 0, 1)
    floor_soc: float = number(0.3, "", "bidirectional: nothing is taken below this SoC", 0, 1)
    priority: int = number(0, "", "load management serves higher ones first", 0, 9, whole=True)
    kwh_per_100km: float = number(17.0, "kWh", "consumption per 100 km at 20 deg C", 1, 100)
    chemistry: str | None = choice(
        "nmc622", "cell whose ageing is modelled; None: no heat, no ageing", (*CHEMISTRIES, None)
    )
    battery_age_years: float = number(2.0, "", "age of the battery at the start", 0, 20)
    wear_price_per_kwh: float | None = number(
        None,
        "per kWh",
        "price of each kWh of capacity lost; None: that of the currency (115 USD, BNEF 2024)",
        0,
        1e6,
        optional=True,
    )
    driving: Driving | None = section(Driving, "this car's own driving; None: the scenario's")

    def __post_init__(self) -> None:
        check(self)
        pairs = (("min_soc", "wanted_soc"), ("wanted_soc", "limit_soc"))
        for name, most in (("min_soc", "limit_soc"),) if self.wanted_soc == TRIPS else pairs:
            if getattr(self, name) > getattr(self, most):
                raise ScenarioError(
                    f"Vehicle.{name} is {getattr(self, name)!r}; allowed: at most {most}, "
                    f"{getattr(self, most)!r}"
                )
        if self.chemistry is None:
            check_unread(self, AGEING, "chemistry is None")

    def wear_price_in(self, currency: str) -> float:
        """Price of each kWh of capacity lost; 0 where ageing is not modelled.

        Raises:
            ScenarioError: where it is None, for a currency without an estimate.
        """
        if self.chemistry is None:
            return 0.0
        given = self.wear_price_per_kwh
        name = "wear_price_per_kwh"
        return default_price(name, currency, f"Vehicle.{name}") if given is None else given

    @classmethod
    def model(cls, name: str, /, **changes: Any) -> Vehicle:
        """One of 63 known cars, for instance `Vehicle.model("Renault Zoe", wanted_soc=0.9)`.

        Battery, phases, AC power and consumption: Open EV Data (MIT licence), as of April 2022 and,
        for models since 2023, April 2025. Losses: ADAC 2022 for the four models it measured, the
        default for the others. `ev-gym cars` lists them.

        Raises:
            ScenarioError: for an unknown name, or one that fits several variants (it lists them).
        """
        return override(cls(**car_row(name)), changes, f"vehicle {name!r}")
