"""A scenario's numbers as records that compiled code reads by attribute."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.equipment import at_charger
from ev_gym.scenario import Scenario

SHIFT_OF_MIN = {15: 0, 30: 1, 60: 2}

SETTINGS_DTYPE = np.dtype(
    [
        ("step_min", "i8"),
        ("step_h", "f8"),
        ("horizon_steps", "i8"),
        ("limit_kw", "f8"),
        ("load_management", "i1"),
        ("series_min", "i8"),
        ("price_shift", "i8"),  # slots are quarter-hours times a power of two
        ("load_shift", "i8"),
        ("public_price_per_kwh", "f8"),
        ("overload_price_per_kwh", "f8"),
        ("energy_weight", "f8"),
        ("missing_weight", "f8"),
        ("public_weight", "f8"),
        ("overload_weight", "f8"),
        ("daily", "i1"),
        ("arrival_min", "i8"),
        ("departure_min", "i8"),
        ("trip_kwh", "f8"),
        ("start_soc", "f8"),
        ("stays_home", "i1"),  # 1: the daily departure is planned, but nobody leaves
    ],
    align=True,
)

CAR_DTYPE = np.dtype(
    [
        ("battery_kwh", "f8"),
        ("max_current_a", "f8"),
        ("kw_per_a", "f8"),
        ("max_kw", "f8"),  # AC power at this charger
        ("battery_kw", "f8"),  # what of it reaches the battery
        ("accept_kw", "f8"),  # what the battery accepts below the taper
        ("taper_kwh", "f8"),
        ("eta", "f8"),
        ("aux_kw", "f8"),
        ("wanted_soc", "f8"),
        ("min_soc", "f8"),
    ],
    align=True,
)


def settings_record(
    scenario: Scenario, world_min: int, price_slot_min: int, load_slot_min: int
) -> NDArray[Any]:
    """(1,) SETTINGS_DTYPE: the scenario's numbers; series and slots in minutes."""
    settings = np.zeros(1, SETTINGS_DTYPE)
    weights, driving, tariff = scenario.reward_weights, scenario.driving, scenario.tariff
    values = {
        "step_min": scenario.time_step_min,
        "step_h": scenario.step_h,
        "horizon_steps": scenario.horizon_steps,
        "limit_kw": scenario.household.limit_kw,
        "load_management": scenario.charger.load_management,
        "series_min": world_min,
        "price_shift": SHIFT_OF_MIN[price_slot_min],
        "load_shift": SHIFT_OF_MIN[load_slot_min],
        "public_price_per_kwh": tariff.public_price_per_kwh,
        "overload_price_per_kwh": tariff.overload_price_per_kwh,
        "energy_weight": weights.energy,
        "missing_weight": weights.missing,
        "public_weight": weights.public,
        "overload_weight": weights.overload,
        "daily": driving.pattern == "daily",
        "arrival_min": round(60 * driving.arrival_h),
        "departure_min": round(60 * driving.departure_h),
        "trip_kwh": driving.trip_kwh,
        "start_soc": driving.start_soc,
        "stays_home": False,  # `world.unending` sets it
    }
    for name, value in values.items():
        settings[name] = value
    return settings


def car_records(scenario: Scenario) -> NDArray[Any]:
    """(K,) CAR_DTYPE: the cars as they are at this charger."""
    cars = np.zeros(len(scenario.vehicles), CAR_DTYPE)
    for k, vehicle in enumerate(scenario.vehicles):
        limits = at_charger(vehicle, scenario.charger)
        cars[k] = (
            vehicle.battery_kwh,
            limits.max_current_a,
            limits.kw_per_a,
            limits.max_kw,
            vehicle.eta * limits.max_kw - vehicle.aux_kw,
            vehicle.eta * vehicle.ac_max_kw - vehicle.aux_kw,
            vehicle.taper_from_soc * vehicle.battery_kwh,
            vehicle.eta,
            vehicle.aux_kw,
            vehicle.wanted_soc,
            vehicle.min_soc,
        )
    return cars
