"""One household: a step of its life, and the beginning of an episode. Scalar code, compiled.

`rows` loops over households; the physics stands in `ev_gym.physics`, chance in `episode`. `tables`
is what `World.tables` gives.
"""

from __future__ import annotations

import math
from typing import Any

from ev_gym.drivers import calendar, draws
from ev_gym.physics import charger, health, meter, power_charge
from ev_gym.physics import household as household_physics
from ev_gym.runtime.compiling import compiled, compiled_apart
from ev_gym.runtime.counter_random import stream_key, uniform

AS_DRAWN = -1


@compiled
def look_around(household: Any, tables: Any) -> None:
    """Bring what house, sun and market do in the coming step into the household's record."""
    settings, price, hours, load_kw = tables.settings[0], tables.price, tables.hours, tables.load_kw
    pv_kw, export_price = tables.pv_kw, tables.export_price
    minute = household.place_min
    slot = (minute // 15) >> settings.load_shift
    household.load_kw = load_kw[household.house, slot]
    household.price_per_kwh = price[(minute // 15) >> settings.price_shift]
    hour = hours[minute // 60]
    household.temperature_c = hour.temperature_c
    if pv_kw.shape[0] > 0:
        household.pv_kw = pv_kw[slot]
    if export_price.shape[0] > 0:
        household.export_price_per_kwh = export_price[(minute // 15) >> settings.price_shift]
    if settings.power_days > 0 and minute % 60 == 0:
        power_charge.open_hour(
            household,
            hour,
            settings,
            tables.rates,
            minute,
            tables.peak_rows,
            tables.house_peaks_kw,
        )


@compiled
def _open_report(household: Any, settings: Any, result: Any) -> None:
    """Write what the house, the sun and the market do in the coming step."""
    result.now_min = household.now_min
    result.load_kw = household.load_kw
    result.pv_kw = 0.0
    result.price_per_kwh = household.price_per_kwh
    result.export_price_per_kwh = 0.0
    if settings.produces != 0:
        result.pv_kw = household.pv_kw
        result.export_price_per_kwh = household.export_price_per_kwh
    result.temperature_c = household.temperature_c
    result.missing_kwh = 0.0
    result.public_kwh = 0.0
    result.power_cost = 0.0
    result.house_power_cost = 0.0
    result.power_term = -0.0  # as every term without cost is; it keeps the sign of a reward of 0


@compiled
def _report_charge(vehicles: Any, cars: Any, reports: Any) -> float:
    """Write each car's energy and SoC; the energy in all batteries (kWh)."""
    stored_kwh = 0.0
    for k in range(vehicles.shape[0]):
        reports[k].energy_kwh = vehicles[k].energy_kwh
        reports[k].soc = vehicles[k].energy_kwh / cars[k].battery_kwh
        stored_kwh += vehicles[k].energy_kwh
    return stored_kwh


@compiled
def _charge_and_bill(
    household: Any, vehicles: Any, tables: Any, actions: Any, result: Any, reports: Any
) -> None:
    """The current of a step and what it costs."""
    settings, cars, levels_kw = tables.settings[0], tables.cars, tables.levels_kw
    load_kw, pv_kw = result.load_kw, result.pv_kw
    charged_kw, discharged_kw = household_physics.charge_cars(
        household.now_min, vehicles, cars, levels_kw, settings, load_kw, pv_kw, actions, reports
    )
    over_kw, alone_over_kw = household_physics.overload_kw(
        vehicles, cars, settings, reports, load_kw, pv_kw
    )
    meter.bill(result, settings, charged_kw, discharged_kw)
    meter.bill_overload(result, settings, over_kw, alone_over_kw)
    if settings.power_days > 0:
        import_kw = meter.import_kw(settings, load_kw + charged_kw, pv_kw + discharged_kw)
        alone_kw = meter.import_kw(settings, load_kw, pv_kw)
        power_charge.charge_power(
            household,
            settings,
            tables.rates,
            import_kw * settings.step_h,
            alone_kw * settings.step_h,
            result,
        )


@compiled
def _pass_calendar(household: Any, vehicles: Any, tables: Any, result: Any, reports: Any) -> None:
    """Cars leave and come home up to the end of the step."""
    settings, cars, hours = tables.settings[0], tables.cars, tables.hours
    offset_min, habits, now_min = tables.offset_min, tables.habits, household.now_min
    moved = False
    for k in range(vehicles.shape[0]):
        vehicle = vehicles[k]
        if calendar.next_event_min(vehicle) <= now_min:
            calendar.pass_calendar(
                vehicle, cars[k], settings, habits, hours, offset_min, now_min, result, reports[k]
            )
            moved = True
    if moved:
        calendar.plug_in(vehicles, settings)
    meter.buy_elsewhere(result, settings)


@compiled
def live(
    household: Any, vehicles: Any, tables: Any, actions: Any, result: Any, reports: Any
) -> float:
    """One step of one household; its reward."""
    settings, cars = tables.settings[0], tables.cars
    _open_report(household, settings, result)
    _charge_and_bill(household, vehicles, tables, actions, result, reports)
    if settings.ageing != 0:
        for k in range(vehicles.shape[0]):
            health.live(vehicles[k], cars[k], reports[k], result.temperature_c, settings.step_h)
    household.now_min += settings.step_min
    household.place_min += settings.step_min
    if household.place_min >= settings.series_min:
        household.place_min -= settings.series_min
    household.steps += 1
    _pass_calendar(household, vehicles, tables, result, reports)
    if settings.ageing != 0:
        meter.bill_wear(result, settings, health.wear(vehicles, cars, reports))
    else:
        health.nothing(result, reports)
    stored_kwh = _report_charge(vehicles, cars, reports)
    if household.steps >= settings.horizon_steps:
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
def _draw_car(vehicle: Any, car: Any, tables: Any, start_min: int) -> None:
    """Draw a car's driver and where the start finds it."""
    hours, offset_min = tables.hours, tables.offset_min
    charger.begin(vehicle, car)
    if car.daily != 0:
        calendar.begin_daily(vehicle, car, hours, offset_min, start_min)
    else:
        draws.begin_vehicle(vehicle, car, tables.habits, hours, offset_min, start_min)


@compiled
def _begin_car(vehicle: Any, car: Any, hour: Any, soc: float) -> None:
    """The battery of a car at the start; `soc` fixes its charge unless NaN."""
    if vehicle.home != 0 and vehicle.plugged == 0 and car.daily == 0:
        # A car that waits for a charger holds what its trip left.
        left_kwh = car.wanted_soc * car.battery_kwh - vehicle.trip_kwh
        vehicle.energy_kwh = max(left_kwh, car.min_soc * car.battery_kwh)
    if not math.isnan(soc):
        vehicle.energy_kwh = soc * car.battery_kwh
    health.begin(vehicle, car, hour.standing_c, hour.temperature_c)


@compiled_apart
def begin(household: Any, vehicles: Any, tables: Any, starts: Any, house: int, socs: Any) -> None:
    """Draw a new episode of one household; `house` and `socs` fix what they give."""
    settings, cars, load_kw = tables.settings[0], tables.cars, tables.load_kw
    key = stream_key(household.key, household.episode)
    household.episode += 1
    household.house = int(uniform(key, 0) * load_kw.shape[0])
    if house != AS_DRAWN:
        household.house = house
    start = starts[int(uniform(key, 1) * starts.shape[0])]
    start_min = start.minute
    household.settlement_price = start.settlement_price
    household.start_min = start_min
    household.now_min = start_min
    household.place_min = start_min % settings.series_min
    household.steps = 0
    household.over = 0
    household.settlement = 0.0
    household.start_stored_kwh = 0.0
    for k in range(vehicles.shape[0]):
        vehicles[k].key = stream_key(key, k)
        _draw_car(vehicles[k], cars[k], tables, start_min)
    calendar.plug_in(vehicles, settings)
    hour = tables.hours[household.place_min // 60]
    for k in range(vehicles.shape[0]):
        soc = socs[k] if socs.shape[0] > 0 else math.nan
        _begin_car(vehicles[k], cars[k], hour, soc)
        household.start_stored_kwh += vehicles[k].energy_kwh
    if settings.power_days > 0:
        power_charge.begin_power(
            household,
            settings,
            tables.hours,
            tables.rates,
            tables.alone_import_kw,
            tables.peak_rows,
            tables.house_peaks_kw,
        )
    look_around(household, tables)


@compiled_apart
def report_start(household: Any, vehicles: Any, tables: Any, result: Any, reports: Any) -> None:
    """Write the results of a step that has not been taken: no charging, no money."""
    settings = tables.settings[0]
    _open_report(household, settings, result)
    meter.bill(result, settings, 0.0, 0.0)
    meter.bill_overload(result, settings, 0.0, 0.0)
    meter.bill_wear(result, settings, 0.0)
    result.pv_kw = 0.0
    result.grid_kw = 0.0
    result.energy_cost = 0.0
    result.house_cost = 0.0
    meter.buy_elsewhere(result, settings)
    for k in range(vehicles.shape[0]):
        reports[k].plugged = float(vehicles[k].plugged)
        reports[k].current_a = 0.0
        reports[k].phases = float(vehicles[k].phases * vehicles[k].plugged)
        reports[k].charge_kw = 0.0
        reports[k].stored_kwh = 0.0
        reports[k].loss_kwh = 0.0
        reports[k].topup_kwh = 0.0
        reports[k].trip_kwh = 0.0
        reports[k].wear_kwh = 0.0
        reports[k].pack_c = vehicles[k].pack_c
        reports[k].health = 1.0 - vehicles[k].calendar_loss - vehicles[k].cycle_loss
    _report_charge(vehicles, tables.cars, reports)
