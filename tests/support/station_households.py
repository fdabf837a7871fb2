"""Scenarios and households of a station, and the commands that it takes."""

from __future__ import annotations

from dataclasses import replace

from ev_gym.scenario import Scenario, preset
from server.station.household import FORCE_OFF, FORCE_ON, Life

DAY = 96
NIGHTLY = Scenario.from_dict(
    {
        "preset": "classic",
        "driving": {"arrival_h": 17.0, "departure_h": 7.1, "trip_kwh": 9.0},
        "vehicles": [{"taper_from_soc": 0.9, "min_soc": 0.1}],
    }
)
# An hour a day at the charger: 500 kWh take eight weeks.
SLOW = Scenario.from_dict(
    {
        "preset": "classic",
        "driving": {"arrival_h": 6.0, "departure_h": 7.0},
        "vehicles": [{"battery_kwh": 500.0, "wanted_soc": 0.0}],
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
# The wrap of the one week begins a month of the power charge.
SWITCHING = Scenario.from_dict(
    {
        "preset": "classic",
        "charger": {"levels_kw": None, "load_management": True, "phase_switching": True},
        "driving": {"arrival_h": 17.0, "departure_h": 7.1, "trip_kwh": 9.0},
        "tariff": {"power_price_per_kw": 65.0, "power_from_h": 6, "power_other_factor": 0.5},
    }
)
SCENARIOS = {
    "classic": preset("classic"),
    "stockholm": preset("stockholm"),
    "villa": VILLA,
    "nightly": NIGHTLY,
}
COMMANDS = ("on", "off", FORCE_ON, FORCE_OFF, "auto")
RARE = {"slow": SLOW, "often": OFTEN, "switching": SWITCHING}


def new_life(scenario: str, policy: str | None = None) -> Life:
    """A household that begins."""
    life = Life({**SCENARIOS, **RARE}[scenario], policy)
    life.begin()
    return life


def commanded(life: Life, command: str) -> None:
    """Give one of the commands."""
    if command in ("on", "off"):
        life.charge(command == "on")
    else:
        life.force(command)
