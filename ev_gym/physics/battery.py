"""Between AC power and stored energy: losses both ways, the taper near full, what fits and is left.

Losses follow `P_battery = eta * P_ac - P_aux`, the straight line through ADAC's measurements of
total AC charging losses (2022, from press reports; for instance VW ID.3: eta 0.921, P_aux 108 W).
So charging slowly wastes more. A car that is discharged obeys the same law the other way round,
`P_ac = eta * P_battery - P_aux`; that it has the same eta and P_aux is our assumption, for no
measurement of it was found. The acceptance of the battery is its AC maximum up to
`taper_kwh` and falls from there along a straight line; that it does so only over the last 2 to 3 %
is seen in 111 published DC curves (5th percentile at 97 % SoC). That it ends at a tenth of the
maximum at 100 % is our assumption. Within a step the taper is integrated exactly, so results do
not depend on the step's length.
"""

from __future__ import annotations

import math

from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.records import CarParams, VehicleState

ACCEPTANCE_AT_FULL = 0.1
FULL_KWH = 1e-9  # a battery that lacks no more than this is full


@compiled
def acceptance_kw(energy_kwh: float, car: CarParams) -> float:
    """Power (kW, into the battery) that the car accepts at this energy (kWh).

    Of the car it reads `battery_kwh`, `taper_kwh` and `accept_kw`.
    """
    if energy_kwh >= car.battery_kwh - FULL_KWH:
        return 0.0
    if energy_kwh <= car.taper_kwh:
        return float(car.accept_kw)
    share = (energy_kwh - car.taper_kwh) / (car.battery_kwh - car.taper_kwh)
    return float(car.accept_kw * (1.0 - (1.0 - ACCEPTANCE_AT_FULL) * share))


@compiled
def acceptable_ac_kw(energy_kwh: float, car: CarParams) -> float:
    """AC power (kW) that the car could draw at this energy (kWh): none at the owner's limit.

    Of the car it reads `limit_kwh`, `max_kw`, `eta`, `aux_kw`, `battery_kwh`, `taper_kwh` and
    `accept_kw`.
    """
    if energy_kwh >= car.limit_kwh - FULL_KWH:
        return 0.0
    if energy_kwh <= car.taper_kwh:
        return float(car.max_kw)
    accepted_kw = acceptance_kw(energy_kwh, car)
    return float(min(car.max_kw, (accepted_kw + car.aux_kw) / car.eta))


@compiled
def charge(
    energy_kwh: float, car: CarParams, offered_kw: float, hours: float
) -> tuple[float, float]:
    """Charge for some hours.

    The power is constant up to the energy where the acceptance meets it; above, dE/dt equals the
    falling acceptance, whose solution is an exponential. Charging stops at the owner's limit, and a
    car at or above it draws nothing. Power too small for the car's own consumption stores nothing
    and is not drawn.

    Args:
        energy_kwh: Energy in the battery at the start.
        car: Of it are read `eta` and `aux_kw` (losses), `accept_kw`, `taper_kwh` and `battery_kwh`
            (acceptance), and `limit_kwh` (the owner's limit).
        offered_kw: AC power that the charger grants.
        hours: How long.

    Returns:
        The energy drawn (kWh, AC) and the energy stored (kWh).
    """
    power_kw = car.eta * offered_kw - car.aux_kw
    to_limit_kwh = car.limit_kwh - energy_kwh
    if power_kw <= 0.0 or to_limit_kwh <= FULL_KWH or hours <= 0.0:
        return 0.0, 0.0
    band_kwh = car.battery_kwh - car.taper_kwh
    at_full_kw = ACCEPTANCE_AT_FULL * car.accept_kw
    flat_kwh = to_limit_kwh
    if band_kwh > 0.0 and power_kw > at_full_kw:
        above_kwh = band_kwh * (1.0 - power_kw / car.accept_kw) / (1.0 - ACCEPTANCE_AT_FULL)
        flat_kwh = min(to_limit_kwh, max(0.0, car.taper_kwh + above_kwh - energy_kwh))
    flat_h = min(hours, flat_kwh / power_kw)
    on_h = flat_h
    stored_kwh = min(power_kw * flat_h, to_limit_kwh)
    if flat_h < hours and flat_kwh < to_limit_kwh:
        accepted_kw = acceptance_kw(energy_kwh + stored_kwh, car)
        rate_per_h = car.accept_kw * (1.0 - ACCEPTANCE_AT_FULL) / band_kwh
        end_kw = at_full_kw + rate_per_h * (car.battery_kwh - car.limit_kwh)
        start_kw = max(end_kw, min(power_kw, accepted_kw))
        taper_h = min(hours - flat_h, math.log(start_kw / end_kw) / rate_per_h)
        stored_kwh += start_kw / rate_per_h * -math.expm1(-rate_per_h * taper_h)
        on_h += taper_h
    if stored_kwh > to_limit_kwh - FULL_KWH:
        stored_kwh = to_limit_kwh
    return (stored_kwh + car.aux_kw * on_h) / car.eta, stored_kwh


@compiled
def discharge(
    energy_kwh: float, car: CarParams, offered_kw: float, hours: float
) -> tuple[float, float]:
    """Discharge for some hours, at constant power.

    For `offered_kw` at the wall the battery gives `(offered_kw + aux_kw) / eta`. Discharging stops
    at the owner's floor, and a car at or below it gives nothing.

    Args:
        energy_kwh: Energy in the battery at the start.
        car: Of it are read `eta` and `aux_kw` (losses), and `floor_kwh` (the owner's floor).
        offered_kw: AC power to give, above 0.
        hours: How long.

    Returns:
        The energy delivered (kWh, AC) and the energy taken from the battery (kWh).
    """
    left_kwh = energy_kwh - car.floor_kwh
    if offered_kw <= 0.0 or left_kwh <= FULL_KWH or hours <= 0.0:
        return 0.0, 0.0
    power_kw = (offered_kw + car.aux_kw) / car.eta
    on_h = min(hours, left_kwh / power_kw)
    taken_kwh = power_kw * on_h
    if taken_kwh > left_kwh - FULL_KWH:
        taken_kwh = left_kwh
    return min(offered_kw * on_h, taken_kwh), taken_kwh


@compiled
def leave(vehicle: VehicleState, car: CarParams) -> float:
    """Bring a leaving car to its wanted SoC; the energy (kWh) that it was missing.

    The missing energy is bought at a public charger and stored. Of the car, `battery_kwh`
    is read, of the vehicle `wanted_soc`; of the vehicle, `energy_kwh` and `home` are written.
    """
    wanted_kwh = vehicle.wanted_soc * car.battery_kwh
    missing_kwh = max(0.0, wanted_kwh - vehicle.energy_kwh)
    vehicle.energy_kwh = max(wanted_kwh, vehicle.energy_kwh)
    vehicle.home = 0
    return float(missing_kwh)


@compiled
def come_home(vehicle: VehicleState, car: CarParams) -> float:
    """Take the trip's energy out of the battery; what (kWh) had to be bought on the road.

    A car whose trip needs more than it holds above its minimum SoC is charged on the road, and
    returns at that minimum. Of the car, `min_soc` and `battery_kwh` are read, of the vehicle
    `trip_kwh`; of the vehicle, `energy_kwh` and `home` are written.
    """
    before_kwh = vehicle.energy_kwh
    floor_kwh = car.min_soc * car.battery_kwh
    vehicle.energy_kwh = max(floor_kwh, before_kwh - vehicle.trip_kwh)
    vehicle.home = 1
    return float(max(0.0, vehicle.trip_kwh - (before_kwh - floor_kwh)))
