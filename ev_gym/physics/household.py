"""The current of a step: from the cars' actions to what flows, in the order of the current's way.

Discharging comes first, because it adds to the headroom of the cars that charge. Powers are means
over the step; the sun feeds all lines alike, as a three-phase inverter does.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ev_gym.physics import battery, charger
from ev_gym.physics.charger import LineCurrents
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import compiled, compiled_apart
from ev_gym.runtime.records import CarParams, Records, Settings, VehicleResult, VehicleState


@compiled
def charge_cars(
    now_min: int,
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    levels_kw: Floats,
    settings: Settings,
    load_kw: float,
    pv_kw: float,
    export_limit_kw: float,
    contract_kw: float,
    cars_limit_kw: float,
    actions: NDArray[np.float32],
    vehicle_results: Records[VehicleResult],
) -> tuple[float, float]:
    """Charge and discharge the household's K cars over one step.

    Args:
        now_min: Start of the step, in minutes since the series began.
        vehicles: (K,) state; energies, currents, powers and phases are updated.
        cars: (K,) parameters of the cars at this charger.
        levels_kw: (L,) power levels, or (0,) for a charger in whole amperes.
        settings: The scenario's parameters.
        load_kw: Base load of the house.
        pv_kw: What the sun gives.
        export_limit_kw: Most power fed into the grid in this step.
        contract_kw: Most that house and cars may draw by contract; infinite where there is none.
        cars_limit_kw: Most that all charging cars together may draw, whether the load is managed or
            not; infinite where nothing dims them.
        actions: (K,) fractions of each car's maximum current, in [-1, 1]; below 0 to discharge.
        vehicle_results: (K,) what the step reports of each car; what it charged is written.

    Returns:
        What all cars drew and what they fed back: mean AC powers (kW), both at least 0.

    A car that leaves within the step is charged or discharged until it leaves.
    """
    for k in range(vehicles.shape[0]):
        charger.ask(vehicles[k], cars[k], levels_kw, now_min, float(actions[k]))
        charger.drop_idle(vehicles[k], cars[k])
    discharged_kw, lasting_kw = 0.0, 0.0
    if settings.bidirectional != 0 and _any_discharges(vehicles):
        discharged_kw, lasting_kw = _discharge_all(
            now_min,
            vehicles,
            cars,
            levels_kw,
            settings,
            load_kw,
            pv_kw,
            export_limit_kw,
            vehicle_results,
        )
    dimmed_kw = cars_limit_kw + charger.HEADROOM_ROUNDING_KW
    if settings.load_management != 0:
        if settings.by_line != 0:
            used_sun_kw = _used_sun_kw(export_limit_kw, pv_kw, load_kw)
            headroom_kw = min(settings.total_kw, contract_kw) - load_kw + used_sun_kw + lasting_kw
            headroom_kw = min(headroom_kw + charger.HEADROOM_ROUNDING_KW, dimmed_kw)
            alone_a = house_a(settings, load_kw, used_sun_kw)
            _manage_lines(
                vehicles, cars, levels_kw, settings, alone_a, headroom_kw, vehicle_results
            )
        else:
            headroom_kw = charging_headroom_kw(
                settings, load_kw, pv_kw, export_limit_kw, contract_kw
            )
            headroom_kw += lasting_kw
            headroom_kw = min(headroom_kw + charger.HEADROOM_ROUNDING_KW, dimmed_kw)
            if charger.used_by_all_kw(vehicles, cars) > headroom_kw:
                charger.share_connection(vehicles, cars, levels_kw, headroom_kw)
    elif cars_limit_kw < math.inf and charger.used_by_all_kw(vehicles, cars) > dimmed_kw:
        charger.share_connection(vehicles, cars, levels_kw, dimmed_kw)
    charged_kw = _charge_all(now_min, vehicles, cars, settings, vehicle_results)
    return charged_kw, discharged_kw


@compiled
def charging_headroom_kw(
    settings: Settings, load_kw: float, pv_kw: float, export_limit_kw: float, contract_kw: float
) -> float:
    """What connection and contract leave to cars (kW): the lower less the base load, with the sun.

    Sun that is cut off at the export limit without them is no room: whether more of it could be had
    would be seen only once they charge.
    """
    limit_kw = min(settings.limit_kw, contract_kw)
    return float(limit_kw - load_kw + _used_sun_kw(export_limit_kw, pv_kw, load_kw))


@compiled
def _any_discharges(vehicles: Records[VehicleState]) -> bool:
    """Whether some car is asked to discharge."""
    discharges = False
    for k in range(vehicles.shape[0]):
        discharges = discharges or vehicles[k].offered_kw < 0.0
    return discharges


@compiled
def _charge_all(
    now_min: int,
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    settings: Settings,
    vehicle_results: Records[VehicleResult],
) -> float:
    """Charge the cars that are not discharged; the mean power (kW) of all."""
    total_kw = 0.0
    for k in range(vehicles.shape[0]):
        vehicle, car = vehicles[k], cars[k]
        if vehicle.offered_kw >= 0.0:
            drawn_kwh, stored_kwh = 0.0, 0.0
            paused_h = _pause(vehicle, settings) if settings.switching != 0 else 0.0
            if vehicle.offered_kw > 0.0:
                hours = _hours_here(vehicle, settings, now_min) - paused_h
                drawn_kwh, stored_kwh = battery.charge(
                    vehicle.energy_kwh, car, vehicle.offered_kw, hours
                )
                # From below half of a small battery, the sum can round up past the limit.
                full_kwh = max(vehicle.energy_kwh, car.limit_kwh)
                vehicle.energy_kwh = min(full_kwh, vehicle.energy_kwh + stored_kwh)
            _report_charge(vehicle, settings, drawn_kwh, stored_kwh, vehicle_results[k])
            total_kw += vehicle_results[k].charge_kw
    return total_kw


@compiled
def _hours_here(vehicle: VehicleState, settings: Settings, now_min: int) -> float:
    """How much of the step (h) the car is at the charger."""
    left_min = vehicle.departure_min - now_min
    return float(settings.step_h) if left_min >= settings.step_min else left_min / 60.0


@compiled
def _pause(vehicle: VehicleState, settings: Settings) -> float:
    """How much of the step (h) passes in the pause for a switch of phases."""
    if vehicle.pause_h <= 0.0:
        return 0.0
    paused_h = float(min(vehicle.pause_h, settings.step_h))
    vehicle.pause_h -= paused_h
    return paused_h


@compiled
def _report_charge(
    vehicle: VehicleState,
    settings: Settings,
    drawn_kwh: float,
    stored_kwh: float,
    vehicle_result: VehicleResult,
) -> None:
    """Write what flowed to one car; both energies are below 0 where it was discharged."""
    vehicle_result.plugged = float(vehicle.plugged)
    vehicle_result.current_a = vehicle.current_a
    vehicle_result.phases = float(vehicle.phases * vehicle.plugged)
    vehicle_result.charge_kw = drawn_kwh * settings.steps_per_h
    vehicle_result.stored_kwh = stored_kwh
    vehicle_result.loss_kwh = drawn_kwh - stored_kwh
    vehicle_result.topup_kwh = 0.0
    vehicle_result.trip_kwh = 0.0


@compiled_apart
def _discharge_all(
    now_min: int,
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    levels_kw: Floats,
    settings: Settings,
    load_kw: float,
    pv_kw: float,
    export_limit_kw: float,
    vehicle_results: Records[VehicleResult],
) -> tuple[float, float]:
    """Discharge the cars that are asked to, within the export limit.

    With load management no line exports more than its fuse carries.

    Returns:
        The mean power (kW) of all, and of it what lasts through the whole step.
    """
    headroom_kw = load_kw - pv_kw + export_limit_kw + charger.HEADROOM_ROUNDING_KW
    headroom_a = charger.UNLIMITED_A
    if settings.by_line != 0 and settings.load_management != 0:
        alone_a = house_a(settings, load_kw, pv_kw)
        most_a = settings.fuse_a + charger.HEADROOM_ROUNDING_A
        headroom_a = (most_a + alone_a[0], most_a + alone_a[1], most_a + alone_a[2])
    if _discharge_exceeds(vehicles, cars, headroom_kw, headroom_a):
        charger.share_discharge(vehicles, cars, levels_kw, headroom_kw, headroom_a)
    total_kw, lasting_kw = 0.0, 0.0
    for k in range(vehicles.shape[0]):
        vehicle, car = vehicles[k], cars[k]
        if vehicle.offered_kw < 0.0:
            hours = _hours_here(vehicle, settings, now_min) - _pause(vehicle, settings)
            delivered_kwh, taken_kwh = battery.discharge(
                vehicle.energy_kwh, car, -vehicle.offered_kw, hours
            )
            # A car below its floor stays as it is.
            if taken_kwh > 0.0:
                vehicle.energy_kwh = max(car.floor_kwh, vehicle.energy_kwh - taken_kwh)
            _report_charge(
                vehicle, settings, 0.0 - delivered_kwh, 0.0 - taken_kwh, vehicle_results[k]
            )
            total_kw -= vehicle_results[k].charge_kw
            lasting_kw += _lasting_kw(vehicle, vehicle_results[k])
    return total_kw, lasting_kw


@compiled
def _discharge_exceeds(
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    headroom_kw: float,
    headroom_a: LineCurrents,
) -> bool:
    """Whether the currents asked for exceed what may be fed in, in all or on a line."""
    total_kw, lines_a = 0.0, charger.NO_CURRENT
    for k in range(vehicles.shape[0]):
        if vehicles[k].current_a < 0.0:
            total_kw -= vehicles[k].current_a * vehicles[k].kw_per_a
            lines_a = charger.on_lines(vehicles[k], cars[k], -vehicles[k].current_a, lines_a)
    return bool(
        total_kw > headroom_kw
        or lines_a[0] > headroom_a[0]
        or lines_a[1] > headroom_a[1]
        or lines_a[2] > headroom_a[2]
    )


@compiled
def _lasting_kw(vehicle: VehicleState, vehicle_result: VehicleResult) -> float:
    """What of a car's discharging (kW) lasts through the whole step: all, or nothing.

    Only that makes room for others. A car that leaves, pauses or reaches its floor in the step has
    fed in less on average than it was granted; for some time it feeds in nothing.
    """
    delivered_kw = -vehicle_result.charge_kw
    lasts = delivered_kw >= -vehicle.offered_kw - charger.HEADROOM_ROUNDING_KW
    return float(delivered_kw) if lasts else 0.0


@compiled
def _used_sun_kw(export_limit_kw: float, pv_kw: float, used_kw: float) -> float:
    """What of the sun is not cut off at the export limit while `used_kw` is used behind it."""
    return float(min(pv_kw, max(0.0, export_limit_kw + used_kw)))


@compiled
def house_a(settings: Settings, load_kw: float, pv_kw: float) -> LineCurrents:
    """Current (A) that the house alone takes on each line; below 0 it exports."""
    sun_a = pv_kw * settings.sun_a_per_kw
    return (
        load_kw * settings.load_1_a_per_kw - sun_a,
        load_kw * settings.load_2_a_per_kw - sun_a,
        load_kw * settings.load_3_a_per_kw - sun_a,
    )


@compiled
def _manage_lines(
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    levels_kw: Floats,
    settings: Settings,
    alone_a: LineCurrents,
    headroom_kw: float,
    vehicle_results: Records[VehicleResult],
) -> None:
    """Cut charging down where it would exceed the fuse of a line, or `headroom_kw` in all.

    Discharging adds to the headroom. Of the sun that would be cut off without the cars, only what
    is used without them counts in `alone_a`, the currents (A) of the house alone, and in
    `headroom_kw`, which is infinite where only the fuses count.
    """
    charged_a, discharged_a = charger.NO_CURRENT, charger.NO_CURRENT
    for k in range(vehicles.shape[0]):
        if charger.will_charge(vehicles[k], cars[k]):
            used_a = charger.usable_a(vehicles[k], cars[k])
            charged_a = charger.on_lines(vehicles[k], cars[k], used_a, charged_a)
        elif vehicles[k].current_a < 0.0:
            fed_a = _lasting_kw(vehicles[k], vehicle_results[k]) / vehicles[k].kw_per_a
            discharged_a = charger.on_lines(vehicles[k], cars[k], fed_a, discharged_a)
    if charged_a[0] + charged_a[1] + charged_a[2] > 0.0:
        most_a = settings.fuse_a + charger.HEADROOM_ROUNDING_A
        headroom_a = (
            most_a - alone_a[0] + discharged_a[0],
            most_a - alone_a[1] + discharged_a[1],
            most_a - alone_a[2] + discharged_a[2],
        )
        if (
            charged_a[0] > headroom_a[0]
            or charged_a[1] > headroom_a[1]
            or charged_a[2] > headroom_a[2]
            or (charged_a[0] + charged_a[1] + charged_a[2]) * charger.LINE_KW_PER_A > headroom_kw
        ):
            charger.share_lines(vehicles, cars, levels_kw, headroom_kw, headroom_a)


@compiled
def overload_kw(
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    settings: Settings,
    vehicle_results: Records[VehicleResult],
    load_kw: float,
    pv_kw: float,
    export_limit_kw: float,
    contract_kw: float,
) -> tuple[float, float]:
    """Mean power (kW) drawn above the connection's limit: with the cars, and by the house alone.

    Where the fuse of each line is looked at, the lines' excesses are added up; where there is a
    limit in all as well, the connection's or the contract's, the larger of that sum and of the
    excess in all counts. What is fed into the grid has a limit of its own and is no overload.
    """
    house_kw = load_kw - pv_kw
    cars_kw = 0.0
    for k in range(vehicles.shape[0]):
        cars_kw += vehicle_results[k].charge_kw
    if settings.by_line != 0:
        over_kw, alone_kw = _over_fuses_kw(
            vehicles, cars, settings, vehicle_results, load_kw, pv_kw, export_limit_kw
        )
        total_kw = min(settings.total_kw, contract_kw)
        over_kw = max(over_kw, house_kw + cars_kw - total_kw)
        return over_kw, max(alone_kw, house_kw - total_kw)
    limit_kw = min(settings.limit_kw, contract_kw)
    over_kw = max(0.0, house_kw + cars_kw - limit_kw)
    return over_kw, max(0.0, house_kw - limit_kw)


@compiled
def _over_fuses_kw(
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    settings: Settings,
    vehicle_results: Records[VehicleResult],
    load_kw: float,
    pv_kw: float,
    export_limit_kw: float,
) -> tuple[float, float]:
    """`overload_kw` where the fuse of each line is looked at."""
    net_kw = load_kw
    for k in range(vehicles.shape[0]):
        net_kw += vehicle_results[k].charge_kw
    alone_a = house_a(settings, load_kw, _used_sun_kw(export_limit_kw, pv_kw, load_kw))
    lines_a = house_a(settings, load_kw, _used_sun_kw(export_limit_kw, pv_kw, net_kw))
    for k in range(vehicles.shape[0]):
        if vehicle_results[k].charge_kw != 0.0:
            drawn_a = vehicle_results[k].charge_kw / vehicles[k].kw_per_a
            lines_a = charger.on_lines(vehicles[k], cars[k], drawn_a, lines_a)
    return _over_kw(settings, lines_a), _over_kw(settings, alone_a)


@compiled
def _over_kw(settings: Settings, lines_a: LineCurrents) -> float:
    """Power (kW) of what the lines carry above their fuses."""
    over_a = max(0.0, lines_a[0] - settings.fuse_a)
    over_a += max(0.0, lines_a[1] - settings.fuse_a)
    over_a += max(0.0, lines_a[2] - settings.fuse_a)
    return float(over_a * charger.LINE_KW_PER_A)
