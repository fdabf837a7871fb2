"""The current of a step: from the cars' actions to what flows, in the order of the current's way.

Discharging comes first, because it makes room for the cars that charge. Powers are means over the
step; the sun feeds all lines alike, as a three-phase inverter does.
"""

from __future__ import annotations

from typing import Any

from ev_gym.physics import battery, charger
from ev_gym.runtime.compiling import compiled, compiled_apart


@compiled
def charge_cars(
    now_min: int,
    vehicles: Any,
    cars: Any,
    levels_kw: Any,
    settings: Any,
    load_kw: float,
    pv_kw: float,
    actions: Any,
    reports: Any,
) -> tuple[float, float]:
    """Charge and discharge the household's K cars over one step.

    Args:
        now_min: Start of the step, in minutes since the series began.
        vehicles: (K,) state records; energies, currents, powers and phases are updated.
        cars: (K,) parameters of the cars at this charger.
        levels_kw: (L,) power levels, or (0,) for a charger in whole amperes.
        settings: The scenario's parameters.
        load_kw: Base load of the house.
        pv_kw: What the sun gives.
        actions: (K,) fractions of each car's maximum current, in [-1, 1]; below 0 to discharge.
        reports: (K,) records of the step, written.

    Returns:
        What all cars drew and what they fed back: mean AC powers (kW), both at least 0.

    A car that leaves within the step is charged or discharged until it leaves.
    """
    for k in range(vehicles.shape[0]):
        charger.ask(vehicles[k], cars[k], levels_kw, now_min, float(actions[k]))
    house_kw = load_kw - pv_kw
    discharged_kw = 0.0
    if settings.bidirectional != 0 and _gives(vehicles):
        discharged_kw = _discharge_all(now_min, vehicles, cars, settings, load_kw, pv_kw, reports)
    if settings.load_management != 0:
        if settings.by_line != 0:
            _manage_lines(vehicles, cars, levels_kw, settings, load_kw, pv_kw, reports)
        else:
            room_kw = settings.limit_kw - house_kw + discharged_kw + charger.ROUNDING_ROOM
            if charger.offered_to_all_kw(vehicles, cars) > room_kw:
                charger.share_connection(vehicles, cars, levels_kw, room_kw)
    charged_kw = _charge_all(now_min, vehicles, cars, settings, reports)
    return charged_kw, discharged_kw


@compiled
def _gives(vehicles: Any) -> bool:
    """Whether some car is asked to discharge."""
    gives = False
    for k in range(vehicles.shape[0]):
        gives = gives or vehicles[k].offered_kw < 0.0
    return gives


@compiled
def _charge_all(now_min: int, vehicles: Any, cars: Any, settings: Any, reports: Any) -> float:
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
            _report(vehicle, settings, drawn_kwh, stored_kwh, reports[k])
            total_kw += reports[k].charge_kw
    return total_kw


@compiled
def _hours_here(vehicle: Any, settings: Any, now_min: int) -> float:
    """How much of the step (h) the car is at the charger."""
    left_min = vehicle.departure_min - now_min
    return float(settings.step_h) if left_min >= settings.step_min else left_min / 60.0


@compiled
def _pause(vehicle: Any, settings: Any) -> float:
    """How much of the step (h) passes in the pause for a switch of phases."""
    if vehicle.pause_h <= 0.0:
        return 0.0
    paused_h = float(min(vehicle.pause_h, settings.step_h))
    vehicle.pause_h -= paused_h
    return paused_h


@compiled
def _report(vehicle: Any, settings: Any, drawn_kwh: float, stored_kwh: float, report: Any) -> None:
    report.plugged = float(vehicle.plugged)
    report.current_a = vehicle.current_a
    report.phases = float(vehicle.phases * vehicle.plugged)
    report.charge_kw = drawn_kwh * settings.steps_per_h
    report.stored_kwh = stored_kwh
    report.loss_kwh = drawn_kwh - stored_kwh
    report.topup_kwh = 0.0
    report.trip_kwh = 0.0


@compiled_apart
def _discharge_all(
    now_min: int,
    vehicles: Any,
    cars: Any,
    settings: Any,
    load_kw: float,
    pv_kw: float,
    reports: Any,
) -> float:
    """Discharge the cars that are asked to, within the export limit; the mean power (kW) of all.

    With load management no line exports more than its fuse carries.
    """
    house = house_a(settings, load_kw, pv_kw)
    most_a = settings.fuse_a + charger.ROUNDING_ROOM
    rooms_a = (most_a + house[0], most_a + house[1], most_a + house[2])
    by_line = 1 if settings.by_line != 0 and settings.load_management != 0 else 0
    room_kw = load_kw - pv_kw + settings.export_limit_kw + charger.ROUNDING_ROOM
    charger.limit_discharge(vehicles, cars, room_kw, by_line, rooms_a)
    total_kw = 0.0
    for k in range(vehicles.shape[0]):
        vehicle, car = vehicles[k], cars[k]
        if vehicle.offered_kw < 0.0:
            hours = _hours_here(vehicle, settings, now_min) - _pause(vehicle, settings)
            given_kwh, taken_kwh = battery.discharge(
                vehicle.energy_kwh, car, -vehicle.offered_kw, hours
            )
            # A car below its floor stays as it is.
            if taken_kwh > 0.0:
                vehicle.energy_kwh = max(car.floor_kwh, vehicle.energy_kwh - taken_kwh)
            _report(vehicle, settings, 0.0 - given_kwh, 0.0 - taken_kwh, reports[k])
            total_kw -= reports[k].charge_kw
    return total_kw


@compiled
def _used_sun_kw(settings: Any, pv_kw: float, used_kw: float) -> float:
    """What of the sun is not cut off at the export limit while `used_kw` is used behind it."""
    return float(min(pv_kw, max(0.0, settings.export_limit_kw + used_kw)))


@compiled
def house_a(settings: Any, load_kw: float, pv_kw: float) -> charger.Rooms:
    """Current (A) that the house alone takes on each line; below 0 it exports."""
    sun_a = pv_kw * settings.sun_a_per_kw
    return (
        load_kw * settings.load_1_a_per_kw - sun_a,
        load_kw * settings.load_2_a_per_kw - sun_a,
        load_kw * settings.load_3_a_per_kw - sun_a,
    )


@compiled
def _manage_lines(
    vehicles: Any,
    cars: Any,
    levels_kw: Any,
    settings: Any,
    load_kw: float,
    pv_kw: float,
    reports: Any,
) -> None:
    """Cut charging down where it would exceed the fuse of a line; discharging adds to the room.

    Of sun that would be cut off without the cars, only what is used without them is counted on.
    """
    asked = (0.0, 0.0, 0.0)
    given = (0.0, 0.0, 0.0)
    for k in range(vehicles.shape[0]):
        if charger.takes(vehicles[k], cars[k]):
            asked = charger.on_lines(vehicles[k], cars[k], vehicles[k].current_a, asked)
        elif vehicles[k].current_a < 0.0:
            fed_a = -reports[k].charge_kw / vehicles[k].kw_per_a
            given = charger.on_lines(vehicles[k], cars[k], fed_a, given)
    if asked[0] + asked[1] + asked[2] > 0.0:
        house = house_a(settings, load_kw, _used_sun_kw(settings, pv_kw, load_kw))
        most_a = settings.fuse_a + charger.ROUNDING_ROOM
        rooms_a = (
            most_a - house[0] + given[0],
            most_a - house[1] + given[1],
            most_a - house[2] + given[2],
        )
        if asked[0] > rooms_a[0] or asked[1] > rooms_a[1] or asked[2] > rooms_a[2]:
            charger.share_lines(vehicles, cars, levels_kw, rooms_a)


@compiled
def overload_kw(
    vehicles: Any, cars: Any, settings: Any, reports: Any, load_kw: float, pv_kw: float
) -> tuple[float, float]:
    """Mean power (kW) drawn above the connection's limit: with the cars, and by the house alone.

    Where the fuse of each line is looked at, the lines' excesses are added up. What is fed into the
    grid has a limit of its own and is no overload.
    """
    if settings.by_line != 0:
        return _over_fuses_kw(vehicles, cars, settings, reports, load_kw, pv_kw)
    house_kw = load_kw - pv_kw
    cars_kw = 0.0
    for k in range(vehicles.shape[0]):
        cars_kw += reports[k].charge_kw
    over_kw = max(0.0, house_kw + cars_kw - settings.limit_kw)
    return over_kw, max(0.0, house_kw - settings.limit_kw)


@compiled
def _over_fuses_kw(
    vehicles: Any, cars: Any, settings: Any, reports: Any, load_kw: float, pv_kw: float
) -> tuple[float, float]:
    net_kw = load_kw
    for k in range(vehicles.shape[0]):
        net_kw += reports[k].charge_kw
    house = house_a(settings, load_kw, _used_sun_kw(settings, pv_kw, load_kw))
    lines = house_a(settings, load_kw, _used_sun_kw(settings, pv_kw, net_kw))
    for k in range(vehicles.shape[0]):
        if reports[k].charge_kw != 0.0:
            drawn_a = reports[k].charge_kw / vehicles[k].kw_per_a
            lines = charger.on_lines(vehicles[k], cars[k], drawn_a, lines)
    return _over_kw(settings, lines), _over_kw(settings, house)


@compiled
def _over_kw(settings: Any, lines_a: charger.Rooms) -> float:
    over_a = max(0.0, lines_a[0] - settings.fuse_a)
    over_a += max(0.0, lines_a[1] - settings.fuse_a)
    over_a += max(0.0, lines_a[2] - settings.fuse_a)
    return float(over_a * charger.LINE_KW_PER_A)
