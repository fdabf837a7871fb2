"""Heat and ageing of a car's battery over a step, and the price of the capacity it lost."""

from __future__ import annotations

from ev_gym.physics import ageing, thermal
from ev_gym.runtime.compiling import compiled, compiled_apart
from ev_gym.runtime.records import CarParams, Records, StepResult, VehicleResult, VehicleState

HOTTEST_C = 60.0  # no ageing model was fitted above; a hotter pack ages as at 60 deg C


@compiled
def begin(vehicle: VehicleState, car: CarParams, standing_c: float, outdoor_c: float) -> None:
    """A battery at the start of an episode: as old as the car says, as warm as one that stood."""
    vehicle.pack_c = standing_c if car.chemistry >= 0 else outdoor_c
    soc = vehicle.energy_kwh / car.battery_kwh
    ageing.begin(vehicle, car.calendar_loss, car.cycle_loss, soc)


@compiled
def warm_and_age(
    vehicle: VehicleState,
    car: CarParams,
    vehicle_result: VehicleResult,
    outdoor_c: float,
    step_h: float,
) -> None:
    """Warm the pack by its share of the losses, and count what the step does to its age.

    Without ageing the pack counts as being as warm as the air. Charging counts as lasting as long
    as the granted power needs for the energy drawn, so its rate does not depend on the length of
    the step.
    """
    if car.chemistry < 0:
        vehicle.pack_c = outdoor_c
        return
    heat_kwh = thermal.HEAT_SHARE * vehicle_result.loss_kwh
    vehicle.pack_c, mean_c = thermal.warm(
        vehicle.pack_c, outdoor_c, heat_kwh, car.rise_k_per_kwh, car.heat_kept, car.heat_mean
    )
    after = vehicle.energy_kwh * car.soc_per_kwh
    before = after - vehicle_result.stored_kwh * car.soc_per_kwh
    on_h = 0.0
    if vehicle_result.charge_kw != 0.0:
        on_h = step_h * vehicle_result.charge_kw / vehicle.offered_kw
    ageing.add_step(vehicle, car.chemistry, before, after, on_h, min(mean_c, HOTTEST_C), step_h)


@compiled_apart
def settle_day(vehicle: VehicleState, car: CarParams) -> float:
    """Turn the day of 24 h that is over into lost capacity (kWh)."""
    soc = vehicle.energy_kwh / car.battery_kwh
    return float(ageing.end_day(vehicle, car.chemistry, soc) * car.new_kwh)


@compiled
def report_wear(
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    vehicle_results: Records[VehicleResult],
) -> float:
    """Write each car's health and, where a day of 24 h is over, its lost capacity.

    Returns:
        What the lost capacity costs.
    """
    cost = 0.0
    for k in range(vehicles.shape[0]):
        vehicle, car, vehicle_result = vehicles[k], cars[k], vehicle_results[k]
        vehicle_result.wear_kwh = 0.0
        if car.chemistry >= 0 and ageing.day_over(vehicle):
            vehicle_result.wear_kwh = settle_day(vehicle, car)
            cost += car.wear_price_per_kwh * vehicle_result.wear_kwh
        vehicle_result.pack_c = vehicle.pack_c
        vehicle_result.health = 1.0 - vehicle.calendar_loss - vehicle.cycle_loss
    return cost


@compiled
def report_no_wear(result: StepResult, vehicle_results: Records[VehicleResult]) -> None:
    """Write what a household shows in which no battery ages: no wear, packs as warm as the air."""
    result.wear_term = -0.0
    for k in range(vehicle_results.shape[0]):
        vehicle_results[k].pack_c = result.temperature_c
        vehicle_results[k].health = 1.0
        vehicle_results[k].wear_kwh = 0.0
