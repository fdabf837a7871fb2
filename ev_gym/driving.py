"""The cars' calendar within a step: who leaves, what is settled then, and who comes home.

When and how far somebody drives is drawn in `episode`; the fixed daily pattern is worked out here.
Cars leave and return exactly at their minute, whatever the length of a step.
"""

from __future__ import annotations

from typing import Any

from ev_gym import episode
from ev_gym.compiling import compiled, compiled_apart
from ev_gym.physics import battery

DAY_MIN = 24 * 60


@compiled
def _next_daily(offset_min: Any, after_min: int, clock_min: int) -> int:
    """First minute of the series from `after_min` on when local clocks show `clock_min`."""
    local_min = episode.local_minute(offset_min, after_min)
    wait_min = (clock_min - local_min) % DAY_MIN
    return max(after_min, int(episode.series_minute(offset_min, local_min + wait_min)))


@compiled
def plan_session(vehicle: Any, settings: Any, habits: Any, offset_min: Any, left_min: int) -> None:
    """Write return, trip and next departure of a car that leaves at `left_min`."""
    if settings.daily == 0:
        episode.draw_session(vehicle, habits, offset_min, left_min)
        return
    arrival_min = _next_daily(offset_min, left_min, settings.arrival_min)
    vehicle.arrival_min = arrival_min
    vehicle.departure_min = _next_daily(offset_min, arrival_min + 1, settings.departure_min)
    vehicle.trip_kwh = settings.trip_kwh
    vehicle.session += 1


@compiled
def begin_daily(vehicle: Any, car: Any, settings: Any, offset_min: Any, start_min: int) -> None:
    """Set a car of the daily pattern at the start of an episode.

    At the charger it has the pattern's SoC; away it has the wanted SoC, as it left, and the trip
    is still to come.
    """
    # Two days, because the day on which summer time ends has 25 hours.
    arrival_min = _next_daily(offset_min, start_min - 2 * DAY_MIN, settings.arrival_min)
    departure_min = _next_daily(offset_min, arrival_min + 1, settings.departure_min)
    while departure_min <= start_min:
        arrival_min = _next_daily(offset_min, departure_min, settings.arrival_min)
        departure_min = _next_daily(offset_min, arrival_min + 1, settings.departure_min)
    vehicle.session = 0
    vehicle.arrival_min = arrival_min
    vehicle.departure_min = departure_min
    vehicle.trip_kwh = settings.trip_kwh
    if arrival_min <= start_min:
        vehicle.plugged = 1
        vehicle.energy_kwh = settings.start_soc * car.battery_kwh
    else:
        vehicle.plugged = 0
        vehicle.energy_kwh = car.wanted_soc * car.battery_kwh


@compiled
def next_event_min(vehicle: Any) -> int:
    """Minute at which the car leaves, or comes home."""
    return int(vehicle.departure_min if vehicle.plugged != 0 else vehicle.arrival_min)


@compiled_apart
def pass_calendar(
    vehicle: Any,
    car: Any,
    settings: Any,
    habits: Any,
    offset_min: Any,
    until_min: int,
    result: Any,
    report: Any,
) -> None:
    """Let one car leave and come home as planned up to and including `until_min`.

    At a departure the car is brought to its wanted SoC; the energy for that is added to
    `result.missing_kwh`. At a return the trip's energy leaves the battery; what was bought on the
    road is added to `result.public_kwh`. Both are added to the car's `report.topup_kwh`. Where
    `settings.stays_home` says that nobody leaves, a departure only passes: the next is planned.
    """
    waiting = True
    while waiting:
        if vehicle.plugged != 0 and vehicle.departure_min <= until_min:
            if settings.stays_home == 0:
                missing_kwh = battery.leave(vehicle, car)
                result.missing_kwh += missing_kwh
                report.topup_kwh += missing_kwh
            plan_session(vehicle, settings, habits, offset_min, vehicle.departure_min)
        elif vehicle.plugged == 0 and vehicle.arrival_min <= until_min:
            public_kwh = battery.come_home(vehicle, car)
            result.public_kwh += public_kwh
            report.topup_kwh += public_kwh
            report.trip_kwh += vehicle.trip_kwh
        else:
            waiting = False
