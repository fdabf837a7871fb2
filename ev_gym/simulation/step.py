"""One household: a step of it, and the beginning of an episode. Scalar code, compiled.

`loops` calls it for many households. The physics stands in `ev_gym.physics`, chance in
`ev_gym.drivers`; `ev_gym.world.tables` holds what both read.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ev_gym.drivers import calendar, draws
from ev_gym.physics import accounts, charger, health, meter, power_charge
from ev_gym.physics import household as household_physics
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import compiled, compiled_apart
from ev_gym.runtime.counter_random import stream_key, uniform
from ev_gym.runtime.durations import HOUR_MIN, QUARTER_MIN
from ev_gym.runtime.records import (
    CarParams,
    EpisodeStart,
    HourRecord,
    HouseholdState,
    Records,
    Settings,
    StepResult,
    VehicleResult,
    VehicleState,
)
from ev_gym.world.limit_tables import limit_kw_at
from ev_gym.world.tables import Tables, world_hours

AS_DRAWN = -1


@compiled
def read_series(household: HouseholdState, tables: Tables) -> None:
    """Bring what house, sun and market do in the coming step into the household's record.

    To be called before the first step and after each step.

    Args:
        household: State; `place_min` and `house` are read, load, sun, prices and temperature are
            written. Where an interval of the power charge or an account ends, the next one begins.
        tables: What the world holds.
    """
    settings, price, hours, load_kw = tables.settings[0], tables.price, tables.hours, tables.load_kw
    pv_kw, export_price = tables.pv_kw, tables.export_price
    minute = household.place_min
    slot = (minute // QUARTER_MIN) >> settings.load_shift
    household.load_kw = load_kw[household.house, slot]
    if settings.net_load != 0:
        # Export is sun that the house leaves over, and import is load.
        household.pv_kw = max(0.0, -household.load_kw)
        household.load_kw = max(0.0, household.load_kw)
    household.price_per_kwh = price[(minute // QUARTER_MIN) >> settings.price_shift]
    hour = hours[minute // HOUR_MIN]
    household.temperature_c = hour.temperature_c
    if pv_kw.shape[0] > 0:
        household.pv_kw = pv_kw[slot]
    if export_price.shape[0] > 0:
        price_slot = (minute // QUARTER_MIN) >> settings.price_shift
        household.export_price_per_kwh = export_price[price_slot]
    if settings.accounts != 0:
        if tables.credit.shape[0] > 0:
            credit_slot = (minute // QUARTER_MIN) >> settings.price_shift
            household.credit_per_kwh = tables.credit[credit_slot]
        if minute % HOUR_MIN == 0:
            accounts.open_accounts(household, settings, hour.opens)
    if settings.power_charge != 0:
        household.power_class = tables.power.power_class[slot]
        if minute % QUARTER_MIN == 0:
            opens = hour.opens if minute % HOUR_MIN == 0 else power_charge.NOTHING
            rules = tables.power.rules
            power_charge.open_intervals(
                household.peaks_kw, household.interval_kw, rules, minute, opens
            )
            power_charge.open_intervals(
                household.house_peaks_kw, household.house_interval_kw, rules, minute, opens
            )


@compiled
def _report_surroundings(household: HouseholdState, settings: Settings, result: StepResult) -> None:
    """Write what the house, the sun and the market do in the coming step."""
    result.now_min = household.now_min
    result.load_kw = household.load_kw
    result.pv_kw = 0.0
    result.price_per_kwh = household.price_per_kwh
    result.export_price_per_kwh = 0.0
    if settings.produces != 0:
        result.pv_kw = household.pv_kw
        result.export_price_per_kwh = household.export_price_per_kwh
    if settings.accounts != 0:
        price, export_price = accounts.marginal_prices(household, settings)
        result.price_per_kwh = price
        if settings.produces != 0:
            result.export_price_per_kwh = export_price
    result.temperature_c = household.temperature_c
    result.missing_kwh = 0.0
    result.public_kwh = 0.0
    result.missing_stops = 0.0
    result.public_stops = 0.0
    result.power_cost = 0.0
    result.house_power_cost = 0.0
    # As all other terms are where nothing costs; 0.0 would change the sign of a reward of -0.0.
    result.power_term = -0.0


@compiled
def _report_energies(
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    vehicle_results: Records[VehicleResult],
) -> float:
    """Write each car's energy and SoC; the energy in all batteries (kWh)."""
    stored_kwh = 0.0
    for k in range(vehicles.shape[0]):
        vehicle_results[k].energy_kwh = vehicles[k].energy_kwh
        vehicle_results[k].soc = vehicles[k].energy_kwh / cars[k].battery_kwh
        stored_kwh += vehicles[k].energy_kwh
    return stored_kwh


@compiled
def _charge_and_bill(
    household: HouseholdState,
    vehicles: Records[VehicleState],
    tables: Tables,
    actions: NDArray[np.float32],
    result: StepResult,
    vehicle_results: Records[VehicleResult],
) -> None:
    """The current of a step and what it costs."""
    settings, cars, levels_kw = tables.settings[0], tables.cars, tables.levels_kw
    load_kw, pv_kw = result.load_kw, result.pv_kw
    export_limit_kw = meter.export_limit_kw(settings, result.export_price_per_kwh)
    contract_kw = limit_kw_at(tables.contract_kw, settings, household.place_min)
    charged_kw, discharged_kw = household_physics.charge_cars(
        household.now_min,
        vehicles,
        cars,
        levels_kw,
        settings,
        load_kw,
        pv_kw,
        export_limit_kw,
        contract_kw,
        limit_kw_at(tables.cars_limit_kw, settings, household.place_min),
        actions,
        vehicle_results,
    )
    over_kw, alone_over_kw = household_physics.overload_kw(
        vehicles, cars, settings, vehicle_results, load_kw, pv_kw, export_limit_kw, contract_kw
    )
    meter.bill(result, settings, charged_kw, discharged_kw)
    meter.bill_overload(result, settings, over_kw, alone_over_kw)
    if settings.accounts != 0 or settings.power_charge != 0:
        used_kw = load_kw + charged_kw
        import_kwh = meter.import_kw(settings, used_kw, pv_kw + discharged_kw) * settings.step_h
        alone_kwh = meter.import_kw(settings, load_kw, pv_kw) * settings.step_h
        if settings.accounts != 0:
            alone_net_kw = load_kw - meter.sun_alone_kw(export_limit_kw, load_kw, pv_kw)
            accounts.bill_accounts(
                household, result, settings, import_kwh, alone_kwh, alone_net_kw * settings.step_h
            )
        if settings.power_charge != 0:
            power_charge.charge_power(
                household, settings, tables.power, import_kwh, alone_kwh, result
            )


@compiled
def _pass_calendar(
    household: HouseholdState,
    vehicles: Records[VehicleState],
    tables: Tables,
    result: StepResult,
    vehicle_results: Records[VehicleResult],
) -> None:
    """Let cars leave and come home up to the end of the step."""
    settings, cars, now_min = tables.settings[0], tables.cars, household.now_min
    moved = False
    for k in range(vehicles.shape[0]):
        vehicle = vehicles[k]
        if calendar.next_event_min(vehicle) <= now_min:
            calendar.pass_calendar(
                vehicle,
                cars[k],
                settings,
                tables.habits,
                world_hours(tables, household.world_place),
                now_min,
                result,
                vehicle_results[k],
            )
            moved = True
    if moved:
        calendar.plug_in(vehicles, settings)
    meter.buy_elsewhere(result, settings)


@compiled
def step_household(
    household: HouseholdState,
    vehicles: Records[VehicleState],
    tables: Tables,
    actions: NDArray[np.float32],
    result: StepResult,
    vehicle_results: Records[VehicleResult],
) -> float:
    """One step of one household.

    Args:
        household: State before the step, and after it; load, sun, prices and temperature stay those
            of the step until `read_series` is called.
        vehicles: (K,) state of the cars, before and after.
        tables: What the world holds.
        actions: (K,) fractions of each car's maximum current, in [-1, 1]; below 0 to discharge.
        result: What the step reports of the household, written.
        vehicle_results: (K,) what it reports of each car, written.

    Returns:
        The reward.
    """
    settings, cars = tables.settings[0], tables.cars
    _report_surroundings(household, settings, result)
    _charge_and_bill(household, vehicles, tables, actions, result, vehicle_results)
    if settings.ageing != 0:
        outdoor_c, step_h = result.temperature_c, settings.step_h
        for k in range(vehicles.shape[0]):
            health.warm_and_age(vehicles[k], cars[k], vehicle_results[k], outdoor_c, step_h)
    household.now_min += settings.step_min
    household.place_min += settings.step_min
    if household.place_min >= (household.world_place + 1) * settings.series_min:
        household.place_min -= settings.series_min
    household.steps += 1
    _pass_calendar(household, vehicles, tables, result, vehicle_results)
    if settings.ageing != 0:
        meter.bill_wear(result, settings, health.report_wear(vehicles, cars, vehicle_results))
    else:
        health.report_no_wear(result, vehicle_results)
    stored_kwh = _report_energies(vehicles, cars, vehicle_results)
    if household.steps >= household.horizon_steps:
        household.over = 1
        change_kwh = stored_kwh - household.start_stored_kwh
        household.settlement = change_kwh * household.settlement_price
    return float(
        result.energy_term
        + result.power_term
        + result.wear_term
        + result.missing_term
        + result.public_term
        + result.overload_term
    )


@compiled_apart
def _draw_car(
    vehicle: VehicleState, car: CarParams, tables: Tables, world_place: int, start_min: int
) -> None:
    """Draw a car's driver and where the start finds it."""
    hours = world_hours(tables, world_place)
    charger.begin(vehicle, car)
    if car.daily != 0:
        calendar.begin_daily(vehicle, car, hours, start_min)
    else:
        draws.begin_vehicle(vehicle, car, tables.habits, hours, start_min)


@compiled
def _begin_battery(
    vehicle: VehicleState, car: CarParams, hour: HourRecord, start_min: int, soc: float
) -> None:
    """The battery of a car at the start; `soc` fixes its charge unless NaN."""
    if vehicle.plugged != 0 and car.daily == 0:
        draws.charge_at_once(vehicle, car, start_min)
    if not math.isnan(soc):
        vehicle.energy_kwh = soc * car.battery_kwh
    health.begin(vehicle, car, hour.standing_c, hour.temperature_c)


@compiled_apart
def begin_episode(
    household: HouseholdState,
    vehicles: Records[VehicleState],
    tables: Tables,
    starts: Records[EpisodeStart],
    house: int,
    socs: Floats,
) -> None:
    """Draw a new episode of one household.

    Args:
        household: State; its random stream (`key`, `episode`) is read, all but `key` is written.
        vehicles: (K,) state of the cars, written.
        tables: What the world holds.
        starts: (S,) where the episode may begin; one is drawn.
        house: Number of the house, or AS_DRAWN.
        socs: (K,) SoC of each car at the start, or (0,) for as drawn.
    """
    settings, cars, load_kw = tables.settings[0], tables.cars, tables.load_kw
    key = stream_key(household.key, household.episode)
    household.episode += 1
    household.house = int(uniform(key, 0) * load_kw.shape[0])
    if house != AS_DRAWN:
        household.house = house
    start = starts[int(uniform(key, 1) * starts.shape[0])]
    start_min = start.minute
    household.settlement_price = start.settlement_price
    household.horizon_steps = start.horizon_steps
    household.world = start.world
    household.world_place = start.world_place
    household.start_min = start_min
    household.now_min = start_min
    first_min = start.world_place * settings.series_min
    household.place_min = first_min + start_min % settings.series_min
    household.steps = 0
    household.over = 0
    household.settlement = 0.0
    household.start_stored_kwh = 0.0
    for k in range(vehicles.shape[0]):
        vehicles[k].key = stream_key(key, k)
        _draw_car(vehicles[k], cars[k], tables, start.world_place, start_min)
    calendar.plug_in(vehicles, settings)
    hour = tables.hours[household.place_min // HOUR_MIN]
    for k in range(vehicles.shape[0]):
        soc = socs[k] if socs.shape[0] > 0 else math.nan
        _begin_battery(vehicles[k], cars[k], hour, start_min, soc)
        household.start_stored_kwh += vehicles[k].energy_kwh
    hours = tables.hours
    if settings.power_charge != 0:
        power_charge.begin_power(household, settings, hours, tables.power)
    if settings.accounts != 0:
        accounts.begin_accounts(household, settings, hours, tables.accounts)
    read_series(household, tables)


@compiled_apart
def report_start(
    household: HouseholdState,
    vehicles: Records[VehicleState],
    tables: Tables,
    result: StepResult,
    vehicle_results: Records[VehicleResult],
) -> None:
    """Write the results of a step that has not been taken: no charging, no money.

    Args:
        household: State before the step.
        vehicles: (K,) state of the cars.
        tables: What the world holds.
        result: Result of the household, written.
        vehicle_results: (K,) results of the cars, written.
    """
    settings = tables.settings[0]
    _report_surroundings(household, settings, result)
    meter.bill(result, settings, 0.0, 0.0)
    meter.bill_overload(result, settings, 0.0, 0.0)
    meter.bill_wear(result, settings, 0.0)
    result.pv_kw = 0.0
    result.grid_kw = 0.0
    result.energy_cost = 0.0
    result.house_cost = 0.0
    meter.buy_elsewhere(result, settings)
    for k in range(vehicles.shape[0]):
        vehicle, vehicle_result = vehicles[k], vehicle_results[k]
        vehicle_result.plugged = float(vehicle.plugged)
        vehicle_result.current_a = 0.0
        vehicle_result.phases = float(vehicle.phases * vehicle.plugged)
        vehicle_result.charge_kw = 0.0
        vehicle_result.stored_kwh = 0.0
        vehicle_result.loss_kwh = 0.0
        vehicle_result.topup_kwh = 0.0
        vehicle_result.trip_kwh = 0.0
        vehicle_result.wear_kwh = 0.0
        vehicle_result.pack_c = vehicle.pack_c
        vehicle_result.health = 1.0 - vehicle.calendar_loss - vehicle.cycle_loss
    _report_energies(vehicles, tables.cars, vehicle_results)
