"""Scenarios and households of a station, and the commands that it takes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ev_gym.scenario import Scenario, preset
from ev_gym.simulation.observation import observation_slices
from server.station.household import FORCE_OFF, FORCE_ON, StationHousehold

DAY = 96
NIGHTLY = Scenario.from_dict(
    {
        "preset": "classic",
        "driving": {"arrival_h": 17.0, "departure_h": 7.1, "trip_kwh": 9.0},
        "vehicles": [{"taper_from_soc": 0.9, "min_soc": 0.1}],
    }
)
# At random, the seven hours before midnight fill the car every other day.
OFTEN = Scenario.from_dict(
    {
        "preset": "classic",
        "driving": {"arrival_h": 17.0, "departure_h": 7.0, "trip_kwh": 26.0},
        "vehicles": [{"wanted_soc": 1.0}],
    }
)
# Cars that could be discharged, the sun, a charger that switches phases.
VILLA = replace(preset("stockholm-villa"), vehicles=preset("stockholm-villa").vehicles[:1])
SCENARIOS = {
    "classic": preset("classic"),
    "stockholm": preset("stockholm"),
    "villa": VILLA,
    "nightly": NIGHTLY,
}
COMMANDS = ("on", "off", FORCE_ON, FORCE_OFF, "auto")
RARE = {"often": OFTEN}
SLICES = observation_slices(NIGHTLY)


def discharge(observation: NDArray[np.float32]) -> float:
    """A policy that takes from the car what it gives."""
    return -1.0


def erratic(observation: NDArray[np.float32]) -> float:
    """A policy that decides otherwise in nearly every tick, as the battery happens to stand."""
    return float(abs(np.sin(1e4 * float(observation.sum()))))


def failing(observation: NDArray[np.float32]) -> float:
    """A policy that answers what is no action from noon on."""
    (hour_sin,), (hour_cos,) = (observation[SLICES[name]] for name in ("hour_sin", "hour_cos"))
    return math.nan if hour_sin < 1e-6 and hour_cos < 0.0 else 0.5


def new_household(scenario: str, policy: str | None = None) -> StationHousehold:
    """A household that begins."""
    household = StationHousehold({**SCENARIOS, **RARE}[scenario], policy)
    household.begin()
    return household


def give_command(household: StationHousehold, command: str) -> None:
    """Give one of the commands."""
    if command in ("on", "off"):
        household.charge(command == "on")
    else:
        household.force(command)
