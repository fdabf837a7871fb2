"""A scenario's numbers as records that compiled code reads by attribute."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.drivers.habits import SHARES, habits_table
from ev_gym.physics import ageing, thermal
from ev_gym.physics.charger import LINE_KW_PER_A, LINES
from ev_gym.physics.power_charge import MONTH, NOTHING, YEAR
from ev_gym.scenario import Scenario, Tariff, Vehicle
from ev_gym.scenario.charger import at_charger
from ev_gym.scenario.vehicle import TRIPS

# With what the balance of each kind of netting begins anew: bits of `opens`, NOTHING: every hour.
BALANCE_OPENS = {"none": -1, "step": -1, "hour": NOTHING, "month": MONTH, "year": YEAR}
SHIFT_OF_MIN = {15: 0, 30: 1, 60: 2}

SETTINGS_DTYPE = np.dtype(
    [
        ("step_min", "i8"),
        ("step_h", "f8"),
        ("steps_per_h", "f8"),
        ("limit_kw", "f8"),  # of all lines together, where they carry the same
        ("by_line", "i1"),  # 1: the fuse of each line counts; 0: all lines carry the same
        ("fuse_a", "f8"),  # infinite without a fuse
        ("total_kw", "f8"),  # besides the fuses, limit of all lines together; infinite without one
        ("load_1_a_per_kw", "f8"),  # current on line 1 of each kW of base load
        ("load_2_a_per_kw", "f8"),
        ("load_3_a_per_kw", "f8"),
        ("sun_a_per_kw", "f8"),  # current that each kW of sun feeds into each line
        ("export_limit_kw", "f8"),
        ("curtail_below_price", "f8"),  # export price below which nothing is exported
        ("load_management", "i1"),
        ("bidirectional", "i1"),
        ("produces", "i1"),  # 1: sun or cars can feed the house and the grid
        ("net_load", "i1"),  # 1: what the load series has below 0, the house exports
        ("switching", "i1"),  # 1: the charger switches between one and three phases
        ("chargers", "i8"),
        ("series_min", "i8"),  # length of the series of a world
        ("price_shift", "i8"),  # a slot of prices is 2 ** price_shift quarter-hours
        ("load_shift", "i8"),  # the same for slots of base load
        ("window_shift", "i8"),  # the same for slots of the price window
        ("netted", "i1"),  # 1: within a step, exports are subtracted from imports
        ("power_charge", "i1"),  # 1: peaks cost something
        ("accounts", "i1"),  # 1: some energies run on beyond a step
        ("balance_opens", "i8"),  # with what the balance begins anew; -1: no netting beyond a step
        ("credit_limit_kwh", "f8"),  # import of a month up to which there are credits; 0: no limit
        ("ageing", "i1"),  # 1: the ageing of some car's battery is modelled
        ("public_price_per_kwh", "f8"),
        ("public_stop_cost", "f8"),
        ("overload_price_per_kwh", "f8"),
        ("energy_weight", "f8"),
        ("power_weight", "f8"),
        ("wear_weight", "f8"),
        ("missing_weight", "f8"),
        ("public_weight", "f8"),
        ("overload_weight", "f8"),
        ("stays_home", "i1"),  # 1: the daily departure is planned, but nobody leaves
    ],
    align=True,
)

CAR_DTYPE = np.dtype(
    [
        ("battery_kwh", "f8"),
        ("soc_per_kwh", "f8"),
        ("limit_kwh", "f8"),  # energy at which charging at home stops
        ("floor_kwh", "f8"),  # energy below which nothing is discharged
        ("max_current_a", "f8"),
        ("kw_per_a", "f8"),  # AC power of each ampere on all its phases
        ("max_kw", "f8"),  # AC power at this charger
        ("battery_kw", "f8"),  # what of max_kw reaches the battery
        ("accept_kw", "f8"),  # power that the battery accepts up to taper_kwh
        ("taper_kwh", "f8"),  # energy above which it accepts less and less
        ("eta", "f8"),
        ("aux_kw", "f8"),
        ("wanted_soc", "f8"),  # NaN: it follows from the coming trips
        ("min_soc", "f8"),
        ("limit_soc", "f8"),
        ("one_phase_a", "f8"),  # largest current on one phase; 0: phases are never switched
        ("pause_h", "f8"),  # how long charging pauses for a switch of phases
        ("hold_min", "i8"),  # how long a switch of phases is kept
        ("phases", "i8"),
        ("on_1", "f8"),  # 1: with all its phases in use, the car takes current from line 1
        ("on_2", "f8"),
        ("on_3", "f8"),
        ("one_1", "f8"),  # 1: with one phase in use, the car takes current from line 1
        ("one_2", "f8"),
        ("one_3", "f8"),
        ("priority", "i8"),
        ("chemistry", "i8"),  # -1: neither heat nor ageing is modelled
        ("new_kwh", "f8"),  # capacity of the new battery
        ("wear_price_per_kwh", "f8"),
        ("calendar_loss", "f8"),  # at the start of an episode
        ("cycle_loss", "f8"),
        ("rise_k_per_kwh", "f8"),  # the three constants of `ev_gym.physics.thermal.warm`
        ("heat_kept", "f8"),
        ("heat_mean", "f8"),
        ("kwh_per_km", "f8"),
        ("daily", "i1"),
        ("arrival_min", "i8"),
        ("departure_min", "i8"),
        ("trip_km", "f8"),  # distance of the daily trip
        ("trip_kwh", "f8"),  # energy of the daily trip; NaN: it follows from trip_km
        ("start_soc", "f8"),
        ("commuter_share", "f8"),
        ("shift_share", "f8"),
        ("home_share", "f8"),
    ],
    align=True,
)


def has_accounts(tariff: Tariff) -> bool:
    """Whether some energies run on beyond a step."""
    return BALANCE_OPENS[tariff.netting] >= NOTHING or tariff.credits_up_to_kwh is not None


def _fill(record: NDArray[Any], values: dict[str, Any]) -> None:
    for name, value in values.items():
        record[name] = value


def settings_record(
    scenario: Scenario, series_min: int, price_slot_min: int, load_slot_min: int, window_min: int
) -> NDArray[Any]:
    """(1,) SETTINGS_DTYPE: the scenario's numbers, and lengths of the series and their slots."""
    settings = np.zeros(1, SETTINGS_DTYPE)
    house, charger, tariff = scenario.household, scenario.charger, scenario.tariff
    _fill(
        settings,
        {
            "step_min": scenario.time_step_min,
            "step_h": scenario.step_h,
            "steps_per_h": 60 / scenario.time_step_min,
            "limit_kw": house.limit_kw,
            "fuse_a": math.inf if house.fuse_a is None else house.fuse_a,
            "total_kw": math.inf if house.connection_kw is None else house.connection_kw,
            "export_limit_kw": (
                house.limit_kw if house.export_limit_kw is None else house.export_limit_kw
            ),
            "curtail_below_price": (
                -math.inf
                if scenario.solar.curtail_below_price is None
                else scenario.solar.curtail_below_price
            ),
            "load_management": charger.load_management,
            "bidirectional": charger.bidirectional,
            "produces": charger.bidirectional or scenario.has_sun,
            "net_load": house.net_load,
            "switching": charger.phase_switching,
            "chargers": charger.count or len(scenario.vehicles),
            "series_min": series_min,
            "price_shift": SHIFT_OF_MIN[price_slot_min],
            "load_shift": SHIFT_OF_MIN[load_slot_min],
            "window_shift": SHIFT_OF_MIN[window_min],
            "netted": tariff.netting != "none",
            "power_charge": tariff.has_power_charge,
            "accounts": has_accounts(tariff),
            "balance_opens": BALANCE_OPENS[tariff.netting],
            "credit_limit_kwh": tariff.credits_up_to_kwh or 0.0,
            "ageing": any(vehicle.chemistry is not None for vehicle in scenario.vehicles),
            "public_price_per_kwh": tariff.public_energy_price,
            "public_stop_cost": tariff.public_stop_price,
            "overload_price_per_kwh": tariff.overload_price,
            "stays_home": False,  # `ev_gym.world.world.unending` sets it
        },
    )
    _fill(settings, _lines(scenario))
    weights = scenario.reward_weights
    _fill(settings, {f"{name}_weight": value for name, value in vars(weights).items()})
    return settings


def _lines(scenario: Scenario) -> dict[str, Any]:
    """Currents of base load and sun on each line, and whether lines can differ at all."""
    house = scenario.household
    shares = (*(house.line_shares or (1.0 / house.phases,) * house.phases), 0.0, 0.0)
    limits = [at_charger(vehicle, scenario.charger) for vehicle in scenario.vehicles]
    even_load = house.line_shares is None or len(set(house.line_shares)) == 1
    even_cars = all(car.phases == house.phases and car.one_phase_a == 0 for car in limits)
    by_line = house.fuse_a is not None and not (even_load and even_cars)
    return {
        "by_line": by_line,
        "load_1_a_per_kw": shares[0] / LINE_KW_PER_A,
        "load_2_a_per_kw": shares[1] / LINE_KW_PER_A,
        "load_3_a_per_kw": shares[2] / LINE_KW_PER_A,
        "sun_a_per_kw": 1.0 / (LINES * LINE_KW_PER_A),
    }


def car_records(scenario: Scenario) -> NDArray[Any]:
    """(K,) CAR_DTYPE: the cars as they are at this charger, with their drivers."""
    cars = np.zeros(len(scenario.vehicles), CAR_DTYPE)
    for k, vehicle in enumerate(scenario.vehicles):
        record = cars[k : k + 1]
        _fill(record, _at_home(vehicle, scenario))
        _fill(record, _health(vehicle, scenario))
        _fill(record, _driver(vehicle, scenario))
    return cars


def _at_home(vehicle: Vehicle, scenario: Scenario) -> dict[str, Any]:
    limits = at_charger(vehicle, scenario.charger)
    lines = [(vehicle.line - 1 + phase) % LINES + 1 for phase in range(limits.phases)]
    return {
        "battery_kwh": vehicle.battery_kwh,
        "soc_per_kwh": 1.0 / vehicle.battery_kwh,
        "limit_kwh": vehicle.limit_soc * vehicle.battery_kwh,
        "floor_kwh": vehicle.floor_soc * vehicle.battery_kwh,
        "max_current_a": limits.max_current_a,
        "kw_per_a": limits.kw_per_a,
        "max_kw": limits.max_kw,
        "battery_kw": vehicle.eta * limits.max_kw - vehicle.aux_kw,
        "accept_kw": vehicle.eta * vehicle.ac_max_kw - vehicle.aux_kw,
        "taper_kwh": vehicle.taper_from_soc * vehicle.battery_kwh,
        "eta": vehicle.eta,
        "aux_kw": vehicle.aux_kw,
        "wanted_soc": math.nan if vehicle.wanted_soc == TRIPS else vehicle.wanted_soc,
        "min_soc": vehicle.min_soc,
        "limit_soc": vehicle.limit_soc,
        "one_phase_a": limits.one_phase_a,
        "pause_h": scenario.charger.switch_pause_min / 60.0,
        "hold_min": scenario.charger.switch_hold_min,
        "phases": limits.phases,
        **{f"on_{line}": 1.0 for line in lines},
        f"one_{vehicle.line}": 1.0,
        "priority": vehicle.priority,
    }


def _health(vehicle: Vehicle, scenario: Scenario) -> dict[str, Any]:
    if vehicle.chemistry is None:
        return {"chemistry": -1}
    chemistry = ageing.CHEMISTRIES[vehicle.chemistry]
    calendar_loss, cycle_loss = ageing.losses_at_age(chemistry, vehicle.battery_age_years)
    rise_k_per_kwh, kept, mean = thermal.constants(vehicle.battery_kwh, scenario.step_h)
    return {
        "chemistry": chemistry,
        "new_kwh": vehicle.battery_kwh / (1.0 - calendar_loss - cycle_loss),
        "wear_price_per_kwh": vehicle.wear_price_in(scenario.currency),
        "calendar_loss": calendar_loss,
        "cycle_loss": cycle_loss,
        "rise_k_per_kwh": rise_k_per_kwh,
        "heat_kept": kept,
        "heat_mean": mean,
    }


def _driver(vehicle: Vehicle, scenario: Scenario) -> dict[str, Any]:
    driving = vehicle.driving or scenario.driving
    shares = driving.routine_shares or habits_table()[SHARES, :3]
    return {
        "kwh_per_km": vehicle.kwh_per_100km / 100.0,
        "daily": driving.pattern == "daily",
        "arrival_min": round(60 * driving.arrival_h),
        "departure_min": round(60 * driving.departure_h),
        "trip_km": driving.trip_km,
        "trip_kwh": math.nan if driving.trip_kwh is None else driving.trip_kwh,
        "start_soc": driving.start_soc,
        "commuter_share": shares[0],
        "shift_share": shares[1],
        "home_share": shares[2],
    }
