"""What charges: the wallbox, the car, and the limits of a car at a wallbox."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from ev_gym.cars import car_row
from ev_gym.parameters import (
    ScenarioError,
    check,
    check_unread,
    choice,
    number,
    numbers,
    override,
    text,
)

VOLT = 230.0
FLOOR_A = 6


@dataclass(frozen=True)
class Charger:
    """The wallbox (EVSE). Currents are whole amperes, none below 6 A (IEC 61851-1)."""

    phases: int = choice(3, "phases of the charger", (1, 3))
    max_current_a: int = number(16, "A", "largest current per phase", 6, 80, whole=True)
    levels_kw: tuple[float, ...] | None = numbers(
        None,
        "kW",
        "power levels instead of currents, rising from 0",
        0,
        100,
        many=100,
        optional=True,
    )
    load_management: bool = choice(
        True, "keep charging within what the connection leaves", (True, False)
    )

    def __post_init__(self) -> None:
        check(self)
        levels = self.levels_kw
        if levels is not None:
            rising = all(a < b for a, b in itertools.pairwise(levels))
            if len(levels) < 2 or levels[0] != 0 or not rising:
                raise ScenarioError(
                    f"Charger.levels_kw is {levels!r}; allowed: at least two rising levels from 0"
                )
            check_unread(self, ("max_current_a",), "levels_kw is given")


@dataclass(frozen=True)
class Vehicle:
    """A car as the wallbox and its driver see it.

    Losses: `P_battery = eta * P_ac - aux_kw`, fitted to ADAC's measurements of total AC charging
    losses (2022, as the press reported them). AC power tapers only near full: over 111 published
    DC curves the acceptance falls below the AC maximum above 97 % SoC (5th percentile).
    """

    name: str = text("car", "what the car is called")
    battery_kwh: float = number(58.0, "kWh", "usable battery", 1, 500)
    phases: int = choice(3, "phases of the on-board charger", (1, 2, 3))
    ac_max_kw: float = number(11.0, "kW", "AC power of the on-board charger", 1, 50)
    eta: float = number(0.94, "", "marginal efficiency from the wall to the battery", 0.5, 1)
    aux_kw: float = number(0.2, "kW", "power the car itself takes while charging", 0, 1)
    taper_from_soc: float = number(0.975, "", "SoC above which the acceptance falls", 0.5, 1)
    wanted_soc: float = number(0.8, "", "SoC the driver wants at departure", 0, 1)
    min_soc: float = number(0.1, "", "SoC the car returns with at least", 0, 1)

    def __post_init__(self) -> None:
        check(self)
        if self.min_soc > self.wanted_soc:
            raise ScenarioError(
                f"Vehicle.min_soc is {self.min_soc!r}; allowed: at most wanted_soc, "
                f"{self.wanted_soc!r}"
            )

    @classmethod
    def model(cls, name: str, /, **changes: Any) -> Vehicle:
        """One of 31 known cars, for instance `Vehicle.model("Renault Zoe", wanted_soc=0.9)`.

        Battery, phases and AC power: Open EV Data (MIT licence), as of April 2022. Losses: ADAC
        2022 for the four models it measured, the default for the others.

        Raises:
            ScenarioError: for an unknown name, or one that fits several variants (it lists them).
        """
        return override(cls(**car_row(name)), changes, f"vehicle {name!r}")


class AtCharger(NamedTuple):
    """A car's limits at a charger."""

    max_current_a: int
    kw_per_a: float
    max_kw: float


def at_charger(vehicle: Vehicle, charger: Charger) -> AtCharger:
    """Largest current, power per ampere and largest AC power of a car at this charger.

    A car uses as many phases as both have. Its largest current is the least whole one with which
    it reaches its AC power within 1 %, as nameplates are rounded.

    Raises:
        ScenarioError: if the car cannot take the 6 A below which no charger goes.
    """
    kw_per_a = min(vehicle.phases, charger.phases) * VOLT / 1000.0
    own_a = math.ceil(0.99 * vehicle.ac_max_kw / kw_per_a)
    if charger.levels_kw is not None:
        max_kw = min(charger.levels_kw[-1], vehicle.ac_max_kw)
        current_a = own_a
    else:
        current_a = min(charger.max_current_a, own_a)
        max_kw = min(current_a * kw_per_a, vehicle.ac_max_kw)
        if current_a < FLOOR_A:
            raise ScenarioError(
                f"vehicle {vehicle.name!r} takes {own_a} A on {charger.phases} phases "
                f"(ac_max_kw is {vehicle.ac_max_kw!r}); allowed: at least 6 A; give the car or the "
                "charger fewer phases"
            )
    if vehicle.eta * max_kw <= vehicle.aux_kw:
        raise ScenarioError(
            f"vehicle {vehicle.name!r} needs aux_kw {vehicle.aux_kw!r} and gets {max_kw:g} kW; "
            "allowed: less than eta times the charger's power"
        )
    return AtCharger(current_a, kw_per_a, max_kw)
