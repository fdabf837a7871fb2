"""Tables and records as the compiled physics takes them, for the tests of single functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ev_gym.compiling import as_records
from ev_gym.equipment import Charger, Vehicle
from ev_gym.fields import VEHICLE_DTYPE
from ev_gym.presets import preset
from ev_gym.scenario import Scenario
from ev_gym.sources import dataset_of
from ev_gym.world import World, build_world
from tests.strategies import SERIES

NO_LEVELS = np.empty(0)


def classic_car() -> Any:
    """The parameters of the teaching server's car at its charger."""
    scenario = preset("classic")
    return build_world(scenario, dataset_of(scenario), None).cars[0]


def world_of(*cars: Vehicle, **changes: Any) -> World:
    """The tables of a scenario with these cars."""
    return build_world(Scenario(vehicles=cars, **changes), SERIES["hourly"], None)


def table_of(car: Vehicle, max_current_a: int = 32, phases: int = 3) -> Any:
    """The parameters of one car at a charger in amperes."""
    return world_of(car, charger=Charger(phases=phases, max_current_a=max_current_a)).cars[0]


def states(count: int = 1) -> Any:
    """Records of plugged cars."""
    records = as_records(np.zeros(count, VEHICLE_DTYPE))
    records["plugged"] = 1
    return records
