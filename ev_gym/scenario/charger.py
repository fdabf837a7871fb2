"""The wallboxes of a household, and the limits of a car at one of them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

from ev_gym.physics.charger import FLOOR_A, VOLT
from ev_gym.scenario.parameters import (
    ScenarioError,
    check,
    check_unread,
    choice,
    number,
    numbers,
    rows,
)
from ev_gym.scenario.vehicle import Vehicle
from ev_gym.scenario.when import When

SWITCHING = ("switch_pause_min", "switch_hold_min")
MOST_DIMMING_ROWS = 200


@dataclass(frozen=True, kw_only=True, repr=False)
class Dimming(When):
    """Hours in which the grid operator limits what all cars of the household together may draw.

    Such as by § 14a EnWG in Germany: a wallbox is dimmed to 4.2 kW. Where an energy manager steers
    n devices of more than 4.2 kW, they share 4.2 + (n - 1) g 4.2 kW, with g = .80, .75, .70, .65,
    .60, .55, .50 for n = 2 to 8 and .45 above: 7.56 kW for two wallboxes, 10.5 kW for three. (With
    a heat pump or air conditioner of more than 11 kW, 0.4 times its power replaces the first 4.2.)
    `kw` is the cars' part of that. Source: BNetzA BK6-22-300, from secondary sources.

    The limit holds whether or not the load is managed, and for what the chargers draw, whether it
    comes from the grid, from the sun or from another car. Below 6 A on a car's phases (4.14 kW on
    three) no current can flow, unless the charger switches phases and one is asked for.

    That the hours stand in the scenario means that they are announced: whoever plans may read them.
    """

    kw: float = number(4.2, "kW", "most that all cars together may draw", 0, 500)


@dataclass(frozen=True)
class Charger:
    """The wallboxes (EVSE), all alike. Currents are whole amperes, none below 6 A (IEC 61851-1).

    With `phase_switching`, a charger of three phases charges on one phase where an action asks for
    less than 6 A on all phases of the car: less than 4.1 kW on three, 2.8 kW on two. How long
    charging pauses for a switch, and how long a switch is kept, are our estimates.
    """

    count: int | None = number(
        None, "", "how many chargers; None: one for each car", 1, 8, whole=True, optional=True
    )
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
        True, "keep charging within what connection and contract leave", (True, False)
    )
    bidirectional: bool = choice(False, "cars can be discharged (V2G)", (True, False))
    phase_switching: bool = choice(
        False, "charge on one phase where less than 6 A on all is asked for", (True, False)
    )
    switch_pause_min: float = number(1.0, "min", "charging pauses for a switch of phases", 0, 60)
    switch_hold_min: int = number(
        30, "min", "time for which a switch of phases is kept", 0, 1440, whole=True
    )

    dimming: tuple[Dimming, ...] = rows(
        (),
        "hours in which charging is limited from outside; of rows that hold the last one counts",
        Dimming,
        many=MOST_DIMMING_ROWS,
        number_is="kw",
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
            amperes = ("max_current_a", "bidirectional", "phase_switching")
            check_unread(self, amperes, "levels_kw is given")
        if self.phase_switching and self.phases != 3:
            raise ScenarioError(
                f"Charger.phase_switching is True and Charger.phases is {self.phases}; allowed: "
                "3 phases"
            )
        if not self.phase_switching:
            check_unread(self, SWITCHING, "phase_switching is False")


class AtCharger(NamedTuple):
    """A car's limits at a charger; `one_phase_a` is 0 where it cannot be switched to one phase."""

    phases: int
    max_current_a: int
    kw_per_a: float
    max_kw: float
    one_phase_a: int


def at_charger(vehicle: Vehicle, charger: Charger) -> AtCharger:
    """Phases, largest current, power per ampere and largest AC power of a car at this charger.

    A car uses as many phases as both have. Its largest current is the smallest number of whole
    amperes that gives its AC power to within 1 %, because the numbers on nameplates are rounded.

    Raises:
        ScenarioError: if the car cannot take 6 A, the lowest current of all chargers, or if the
            charger gives no more power than the car itself uses while it charges.
    """
    phases = min(vehicle.phases, charger.phases)
    kw_per_a = phases * VOLT / 1000.0
    car_a = math.ceil(0.99 * vehicle.ac_max_kw / kw_per_a)
    one_phase_a = 0
    if charger.levels_kw is not None:
        max_kw = min(charger.levels_kw[-1], vehicle.ac_max_kw)
        current_a = car_a
    else:
        current_a = min(charger.max_current_a, car_a)
        max_kw = min(current_a * kw_per_a, vehicle.ac_max_kw)
        if current_a < FLOOR_A:
            raise ScenarioError(
                f"vehicle {vehicle.name!r} takes {car_a} A on {phases} phases (ac_max_kw is "
                f"{vehicle.ac_max_kw!r}); allowed: at least 6 A"
                + ("; give the car or the charger fewer phases" if phases > 1 else "")
            )
        if charger.phase_switching and phases > 1:
            one_phase_a = min(charger.max_current_a, vehicle.one_phase_max_a)
    if vehicle.eta * max_kw <= vehicle.aux_kw:
        raise ScenarioError(
            f"vehicle {vehicle.name!r} needs aux_kw {vehicle.aux_kw!r} and gets {max_kw:g} kW; "
            "allowed: less than eta times the charger's power"
        )
    return AtCharger(phases, current_a, kw_per_a, max_kw, one_phase_a)
