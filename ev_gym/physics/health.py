"""Heat and ageing of a car's battery over a step, and the price of the capacity it lost."""

from __future__ import annotations

from typing import Any

from ev_gym.physics import ageing, thermal
from ev_gym.runtime.compiling import compiled, compiled_apart

HOTTEST_C = 60.0  # the ageing models were fitted up to here; a hotter pack ages as at this


@compiled
def begin(vehicle: Any, car: Any, standing_c: float, outdoor_c: float) -> None:
    """A battery at the start of an episode: as old as the car says, as warm as one that stood."""
    vehicle.pack_c = standing_c if car.chemistry >= 0 else outdoor_c
    soc = vehicle.energy_kwh / car.battery_kwh
    ageing.begin(vehicle, car.calendar_loss, car.cycle_loss, soc)


@compiled
def live(vehicle: Any, car: Any, report: Any, outdoor_c: float, step_h: float) -> None:
    """Warm the pack by its share of the losses, and count what the step does to its age.

    Without ageing the pack counts as warm as the air. Charging counts as lasting as long as the
    power granted would have needed for the energy drawn, so its rate does not depend on the length
    of the step.
    """
    if car.chemistry < 0:
        vehicle.pack_c = outdoor_c
        return
    heat_kwh = thermal.HEAT_SHARE * report.loss_kwh
    vehicle.pack_c, mean_c = thermal.warm(
        vehicle.pack_c, outdoor_c, heat_kwh, car.rise_k_per_kwh, car.heat_kept, car.heat_mean
    )
    after = vehicle.energy_kwh * car.soc_per_kwh
    before = after - report.stored_kwh * car.soc_per_kwh
    on_h = 0.0
    if report.charge_kw != 0.0:
        on_h = step_h * report.charge_kw / vehicle.offered_kw
    ageing.live(vehicle, car.chemistry, before, after, on_h, min(mean_c, HOTTEST_C), step_h)


@compiled_apart
def settle_day(vehicle: Any, car: Any) -> float:
    """Turn the day that is over into lost capacity (kWh)."""
    soc = vehicle.energy_kwh / car.battery_kwh
    return float(ageing.end_day(vehicle, car.chemistry, soc) * car.new_kwh)


@compiled
def wear(vehicles: Any, cars: Any, reports: Any) -> float:
    """Write each car's health and, where a day of 24 h is over, its lost capacity; their cost."""
    cost = 0.0
    for k in range(vehicles.shape[0]):
        vehicle, car, report = vehicles[k], cars[k], reports[k]
        report.wear_kwh = 0.0
        if car.chemistry >= 0 and ageing.day_over(vehicle):
            report.wear_kwh = settle_day(vehicle, car)
            cost += car.wear_price_per_kwh * report.wear_kwh
        report.pack_c = vehicle.pack_c
        report.health = 1.0 - vehicle.calendar_loss - vehicle.cycle_loss
    return cost


@compiled
def nothing(result: Any, reports: Any) -> None:
    """Write what a household in which no battery ages shows: packs as warm as the air."""
    result.wear_term = -0.0
    for k in range(reports.shape[0]):
        reports[k].pack_c = result.temperature_c
        reports[k].health = 1.0
        reports[k].wear_kwh = 0.0
