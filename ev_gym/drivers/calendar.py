"""The cars' calendar: who leaves, what is settled then, who comes home, and who gets a charger.

When and how far somebody drives is drawn in `draws`; the fixed daily pattern is worked out here.
Cars leave and return exactly at their minute, whatever the length of a step.

Where there are fewer chargers than cars, cars take them in the order in which they came home (of
those that came in the same minute, the first in the household's order), and a charger that becomes
free goes to the car that has waited longest. Nobody unplugs a car because it is full. So the cars
at the chargers are always those that have been at home longest, whatever the actions.

`habits` is the table of the driving model (`habits.habits_table`).
"""

from __future__ import annotations

import math

from ev_gym.drivers import draws
from ev_gym.physics import ageing, battery, trip
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import compiled, compiled_apart
from ev_gym.runtime.durations import DAY_MIN
from ev_gym.runtime.records import (
    CarParams,
    HourRecord,
    Records,
    Settings,
    StepResult,
    VehicleResult,
    VehicleState,
)

# Nobody stops for less, some 5 km of range, where drivers keep a margin; its price is paid all the
# same.
WORTH_A_STOP_KWH = 1.0


@compiled
def _next_daily(hours: Records[HourRecord], after_min: int, clock_min: int) -> int:
    """First minute of the series from `after_min` on at which local clocks show `clock_min`."""
    local_min = draws.local_minute(hours, after_min)
    wait_min = (clock_min - local_min) % DAY_MIN
    return max(after_min, int(draws.series_minute(hours, local_min + wait_min)))


@compiled
def _plan_daily(
    vehicle: VehicleState,
    car: CarParams,
    hours: Records[HourRecord],
    left_min: int,
) -> None:
    """Write what the daily pattern says of a car that leaves at `left_min`.

    The trips of the coming days are equal ones, one a day; see `draws.wanted_soc`.
    """
    vehicle.arrival_min = _next_daily(hours, left_min, car.arrival_min)
    vehicle.departure_min = _next_daily(hours, vehicle.arrival_min + 1, car.departure_min)
    vehicle.trip_kwh = car.trip_kwh
    if math.isnan(car.trip_kwh):
        arrival_min = vehicle.arrival_min
        vehicle.trip_kwh = trip.planned_kwh(car.trip_km, car, hours, left_min, arrival_min)
    vehicle.wanted_soc = car.wanted_soc
    if math.isnan(car.wanted_soc):
        trip_kwh = car.trip_kwh
        if math.isnan(trip_kwh):
            expected_c = trip.temperature_c(hours, vehicle.arrival_min)
            km = trip.driven_km(car.trip_km, (car.arrival_min - car.departure_min) % DAY_MIN)
            trip_kwh = trip.energy_kwh(km, car, expected_c, expected_c)
        vehicle.wanted_soc = draws.soc_for_trips(vehicle, car, vehicle.days_ahead * trip_kwh)


@compiled
def plan_session(
    vehicle: VehicleState,
    car: CarParams,
    habits: Floats,
    hours: Records[HourRecord],
    left_min: int,
) -> None:
    """Write return, trip, next departure and SoC wanted then, of a car leaving at `left_min`."""
    if car.daily == 0:
        draws.draw_session(vehicle, car, habits, hours, left_min)
        return
    _plan_daily(vehicle, car, hours, left_min)
    vehicle.session += 1


@compiled
def begin_daily(
    vehicle: VehicleState,
    car: CarParams,
    hours: Records[HourRecord],
    start_min: int,
) -> None:
    """Write where the start of an episode finds a car of the daily pattern.

    At home it has the pattern's SoC; away it has the SoC wanted when it left, and the trip is still
    to come.
    """
    draws.draw_planning(vehicle)
    # Three days, because the day on which summer time ends has 25 hours.
    left_min = _next_daily(hours, start_min - 3 * DAY_MIN, car.departure_min)
    _plan_daily(vehicle, car, hours, left_min)
    left_soc = vehicle.wanted_soc
    while vehicle.departure_min <= start_min:
        left_soc = vehicle.wanted_soc
        _plan_daily(vehicle, car, hours, vehicle.departure_min)
    vehicle.session = 0
    if vehicle.arrival_min <= start_min:
        vehicle.home = 1
        vehicle.energy_kwh = car.start_soc * car.battery_kwh
    else:
        vehicle.home = 0
        vehicle.energy_kwh = left_soc * car.battery_kwh


@compiled
def next_event_min(vehicle: VehicleState) -> int:
    """Minute at which the car leaves, or comes home."""
    return int(vehicle.departure_min if vehicle.home != 0 else vehicle.arrival_min)


@compiled
def plug_in(vehicles: Records[VehicleState], settings: Settings) -> None:
    """Set `plugged` of all cars: at a charger are those at home longest, as many as it has.

    To be called at an episode's start, and at the end of each step in which somebody left or came:
    a car charges from the next step on. At the start, a car that has waited for a charger is found
    charged as if it had had one since it came, which is an approximation.

    Args:
        vehicles: (K,) state; `home` and `arrival_min` are read, `plugged` is written.
        settings: The scenario's parameters; of them the number of `chargers` is read.
    """
    for k in range(vehicles.shape[0]):
        before = 0
        for j in range(vehicles.shape[0]):
            wait_min = vehicles[k].arrival_min - vehicles[j].arrival_min
            if vehicles[j].home != 0 and (wait_min > 0 or (wait_min == 0 and j < k)):
                before += 1
        plugged = vehicles[k].home != 0 and before < settings.chargers
        vehicles[k].plugged = 1 if plugged else 0


@compiled
def _count_jump(vehicle: VehicleState, car: CarParams, before_kwh: float) -> None:
    """Count a jump of the SoC, from a trip or a top-up, as use of the battery.

    What was bought on the road was used up on the trip and is not counted.
    """
    if car.chemistry >= 0:
        soc = vehicle.energy_kwh / car.battery_kwh
        ageing.add_jump(vehicle, before_kwh / car.battery_kwh, soc)


@compiled_apart
def pass_calendar(
    vehicle: VehicleState,
    car: CarParams,
    settings: Settings,
    habits: Floats,
    hours: Records[HourRecord],
    until_min: int,
    result: StepResult,
    vehicle_result: VehicleResult,
) -> None:
    """Let one car leave and come home as planned up to and including `until_min`.

    At a departure the car is brought to its wanted SoC, whether it was at a charger or waited for
    one; the energy for that is added to `result.missing_kwh`, and a stop where it is more than
    `WORTH_A_STOP_KWH`. At a return the trip's energy leaves the battery; what was bought on the
    road is added to `result.public_kwh`, with its stop. Both are added to the
    `vehicle_result.topup_kwh`. Where `settings.stays_home` says that nobody leaves, a departure
    only passes and the next one is planned. `plug_in` has to be called afterwards.

    Args:
        vehicle: The car's state, updated.
        car: Its parameters.
        settings: The scenario's parameters.
        habits: The table of the driving model.
        hours: (H,) the hours of the series.
        until_min: Minute since the series began.
        result: What the step reports of the household.
        vehicle_result: What it reports of this car.
    """
    events_left = True
    while events_left:
        before_kwh = vehicle.energy_kwh
        if vehicle.home != 0 and vehicle.departure_min <= until_min:
            if settings.stays_home == 0:
                missing_kwh = battery.leave(vehicle, car)
                _count_jump(vehicle, car, before_kwh)
                result.missing_kwh += missing_kwh
                result.missing_stops += 1.0 if missing_kwh > WORTH_A_STOP_KWH else 0.0
                vehicle_result.topup_kwh += missing_kwh
            plan_session(vehicle, car, habits, hours, vehicle.departure_min)
        elif vehicle.home == 0 and vehicle.arrival_min <= until_min:
            public_kwh = battery.come_home(vehicle, car)
            _count_jump(vehicle, car, before_kwh)
            result.public_kwh += public_kwh
            result.public_stops += 1.0 if public_kwh > WORTH_A_STOP_KWH else 0.0
            vehicle_result.topup_kwh += public_kwh
            vehicle_result.trip_kwh += vehicle.trip_kwh
        else:
            events_left = False
