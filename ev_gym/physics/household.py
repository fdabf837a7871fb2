"""One step of one household, in the order of the current's way: house, charger, battery, meter."""

from __future__ import annotations

from typing import Any

from ev_gym.compiling import compiled
from ev_gym.physics import battery, charger, meter


@compiled
def charge_cars(
    now_min: int,
    vehicles: Any,
    cars: Any,
    levels_kw: Any,
    settings: Any,
    actions: Any,
    result: Any,
    vehicle_results: Any,
) -> None:
    """Charge the household's K cars over one step and bill it.

    Args:
        now_min: Start of the step, in minutes since the series began.
        vehicles: (K,) state records; energies, currents and powers are updated.
        cars: (K,) parameters of the cars at this charger.
        levels_kw: (L,) power levels, or (0,) for a charger in whole amperes.
        settings: The scenario's parameters.
        actions: (K,) fractions of each car's maximum current, in [0, 1].
        result: The step's record; `load_kw` and `price_per_kwh` are read, bills are written.
        vehicle_results: (K,) records of the step, written.

    A car that leaves within the step is charged until it leaves.
    """
    for k in range(vehicles.shape[0]):
        charger.ask(vehicles[k], cars[k], levels_kw, float(actions[k]))
    room_kw = settings.limit_kw - result.load_kw + charger.ROUNDING_KW
    if settings.load_management != 0 and charger.offered_to_all_kw(vehicles) > room_kw:
        charger.share_connection(vehicles, cars, levels_kw, room_kw)
    total_kw = 0.0
    for k in range(vehicles.shape[0]):
        vehicle, car, report = vehicles[k], cars[k], vehicle_results[k]
        report.plugged = float(vehicle.plugged)
        report.current_a = vehicle.current_a
        drawn_kwh, stored_kwh = 0.0, 0.0
        if vehicle.offered_kw > 0.0:
            hours = min(settings.step_h, (vehicle.departure_min - now_min) / 60.0)
            drawn_kwh, stored_kwh = battery.charge(
                vehicle.energy_kwh, car, vehicle.offered_kw, hours
            )
            # From below half of a small battery, the sum can round up past full.
            vehicle.energy_kwh = min(car.battery_kwh, vehicle.energy_kwh + stored_kwh)
        report.charge_kw = drawn_kwh / settings.step_h
        report.stored_kwh = stored_kwh
        report.loss_kwh = drawn_kwh - stored_kwh
        report.topup_kwh = 0.0
        report.trip_kwh = 0.0
        total_kw += report.charge_kw
    meter.charge_bills(result, settings, total_kw)
