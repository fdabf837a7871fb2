"""Tables and records as the compiled physics takes them, for the tests of single functions."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ev_gym.physics import charger, household, meter
from ev_gym.runtime.compiling import as_records
from ev_gym.scenario import Charger, Scenario, Vehicle, preset
from ev_gym.simulation.state_fields import VEHICLE_DTYPE, VEHICLE_STEP_DTYPE
from ev_gym.world.parameter_records import car_records, settings_record
from ev_gym.world.world import World, build_world
from tests.support.scenario_strategies import SERIES

NO_LEVELS = np.empty(0)
NEVER_MIN = 10**6


class Tables(NamedTuple):
    """The cars' parameters (K,), the scenario's, and the charger's levels."""

    cars: Any
    settings: Any
    levels_kw: Any


def tables_of(scenario: Scenario) -> Tables:
    """The parameters of a scenario as the physics of a step takes them."""
    return Tables(
        as_records(car_records(scenario)),
        as_records(settings_record(scenario, 14 * 24 * 60, 60, 15, 60))[0],
        np.array(scenario.charger.levels_kw or (), np.float64),
    )


def cars_at(*cars: Vehicle, **changes: Any) -> Tables:
    """The same for a scenario with these cars."""
    return tables_of(Scenario(vehicles=cars, **changes))


def classic_car() -> Any:
    """The parameters of the teaching server's car at its charger."""
    return tables_of(preset("classic")).cars[0]


def world_of(*cars: Vehicle, **changes: Any) -> World:
    """The tables of a scenario with these cars."""
    return build_world(Scenario(vehicles=cars, **changes), SERIES["hourly"], None)


def table_of(car: Vehicle, max_current_a: int = 32, phases: int = 3) -> Any:
    """The parameters of one car at a charger in amperes."""
    return cars_at(car, charger=Charger(phases=phases, max_current_a=max_current_a)).cars[0]


def states(count: int = 1) -> Any:
    """Records of plugged cars."""
    records = as_records(np.zeros(count, VEHICLE_DTYPE))
    records["plugged"] = 1
    return records


def ready(cars: Any, energy_kwh: Any = 20.0) -> Any:
    """Records of plugged cars with these parameters (K,), as an episode begins them."""
    records = states(len(cars))
    for k in range(len(cars)):
        charger.begin(records[k], cars[k])
    records["energy_kwh"], records["departure_min"] = energy_kwh, NEVER_MIN
    return records


class Step(NamedTuple):
    """What a step of some cars did: the cars' results (K,) and mean powers (kW)."""

    vehicle_results: Any
    charged_kw: float
    discharged_kw: float
    over_kw: float
    alone_over_kw: float


def step(
    vehicles: Any,
    tables: Tables,
    actions: Any,
    load_kw: float = 0.0,
    pv_kw: float = 0.0,
    now_min: int = 0,
    export_price_per_kwh: float = 0.0,
    contract_kw: float = math.inf,
    cars_limit_kw: float = math.inf,
) -> Step:
    """One step of these cars while the house takes and the sun gives so much."""
    export_limit_kw = meter.export_limit_kw(tables.settings, export_price_per_kwh)
    vehicle_results = as_records(np.full(len(vehicles), np.nan, VEHICLE_STEP_DTYPE))
    fractions = np.array(actions, np.float32)
    charged_kw, discharged_kw = household.charge_cars(
        now_min,
        vehicles,
        tables.cars,
        tables.levels_kw,
        tables.settings,
        load_kw,
        pv_kw,
        export_limit_kw,
        contract_kw,
        cars_limit_kw,
        fractions,
        vehicle_results,
    )
    over_kw, alone_over_kw = household.overload_kw(
        vehicles,
        tables.cars,
        tables.settings,
        vehicle_results,
        load_kw,
        pv_kw,
        export_limit_kw,
        contract_kw,
    )
    return Step(vehicle_results, charged_kw, discharged_kw, over_kw, alone_over_kw)
