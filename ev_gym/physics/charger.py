"""From an action to a current: whole amperes, nothing below 6 A, phases, the connection's limit.

IEC 61851-1 lets the control pilot signal no current below 6 A; steps of 1 A are the wallboxes'
convention. That both hold for discharging too is our assumption. A car charges on one, two or three
lines of the house, with an ampere of 230 V on each.
"""

from __future__ import annotations

import math
from typing import Any

from ev_gym.physics.battery import FULL_KWH
from ev_gym.runtime.compiling import compiled, compiled_apart

FLOOR_A = 6.0
LINES = 3
VOLT = 230.0
LINE_KW_PER_A = VOLT / 1000.0
# A float32 action k / max times max can fall short of k by its rounding; this forgives it.
ROUNDING_A = 1e-3
# What the connection leaves is a difference of floats; this (kW or A) forgives its rounding.
ROUNDING_ROOM = 1e-9
ABOVE_ALL = 10

Rooms = tuple[float, float, float]


@compiled
def begin(vehicle: Any, car: Any) -> None:
    """A car at the start of an episode: no current, all its phases, no switch to wait for."""
    vehicle.asked_a = 0.0
    vehicle.current_a = 0.0
    vehicle.offered_kw = 0.0
    vehicle.phases = car.phases
    vehicle.kw_per_a = car.kw_per_a
    vehicle.held_until_min = 0
    vehicle.pause_h = 0.0


# --- what an action asks for ---


@compiled
def ask(vehicle: Any, car: Any, levels_kw: Any, now_min: int, action: float) -> None:
    """Write the current (A) and AC power (kW) that an action asks for, before any limit.

    `floor(|action| * max_current_a + 1e-3)` amperes, below 6 A none; an action below 0 asks for
    discharging with that current, and current and power are below 0. A charger with power levels
    takes the level nearest to the action, the higher one at a tie, and never discharges. A car that
    is away asks for nothing.
    """
    action *= vehicle.plugged
    if levels_kw.shape[0] > 0:
        level = math.floor(max(0.0, action) * (levels_kw.shape[0] - 1) + 0.5)
        vehicle.offered_kw = min(levels_kw[level], car.max_kw)
        vehicle.asked_a = vehicle.offered_kw / car.kw_per_a
    else:
        wanted_a = abs(action) * car.max_current_a
        current_a = math.floor(wanted_a + ROUNDING_A)
        if car.one_phase_a > 0.0:
            _choose_phases(vehicle, car, now_min, wanted_a)
            if vehicle.phases == 1:
                current_a = min(math.floor(LINES * wanted_a + ROUNDING_A), car.one_phase_a)
        # A product instead of a branch, which random actions would make the processor guess wrong.
        granted_a = float(current_a * (current_a >= FLOOR_A))
        power_kw = min(granted_a * vehicle.kw_per_a, car.max_kw)
        # Not times -1, because a current of -0 would differ in its bytes.
        vehicle.asked_a = 0.0 - granted_a if action < 0.0 else granted_a
        vehicle.offered_kw = 0.0 - power_kw if action < 0.0 else power_kw
    vehicle.current_a = vehicle.asked_a


@compiled
def _choose_phases(vehicle: Any, car: Any, now_min: int, wanted_a: float) -> None:
    """Switch between three phases and one, where the current asked for needs it.

    `wanted_a` (A) is meant on three phases; on one it is three times as much. Down to one phase
    where three would get less than 6 A and one would not; up to three where they get at least 6 A
    and one phase cannot carry the request. In the band between (4.14 to 7.36 kW with 32 A) the
    phases stay as they are. A switch is kept for `car.hold_min` and, if current flows, costs a
    pause of `car.pause_h`.
    """
    if now_min < vehicle.held_until_min:
        return
    enough_for_three = wanted_a + ROUNDING_A >= FLOOR_A
    one_phase_a = LINES * wanted_a
    phases = vehicle.phases
    if not enough_for_three and one_phase_a + ROUNDING_A >= FLOOR_A:
        phases = 1
    elif enough_for_three and one_phase_a > car.one_phase_a + ROUNDING_A:
        phases = LINES
    if phases != vehicle.phases:
        vehicle.phases = phases
        vehicle.kw_per_a = LINE_KW_PER_A if phases == 1 else car.kw_per_a
        vehicle.held_until_min = now_min + car.hold_min
        if vehicle.current_a != 0.0:
            vehicle.pause_h = car.pause_h


@compiled
def takes(vehicle: Any, car: Any) -> bool:
    """Whether a car charges with what it is offered; one at its limit needs no share."""
    return bool(vehicle.offered_kw > 0.0 and vehicle.energy_kwh < car.limit_kwh - FULL_KWH)


@compiled
def offered_to_all_kw(vehicles: Any, cars: Any) -> float:
    """Sum of what the cars that charge are offered (kW)."""
    total_kw = 0.0
    for k in range(vehicles.shape[0]):
        if takes(vehicles[k], cars[k]):
            total_kw += vehicles[k].offered_kw
    return total_kw


@compiled
def on_lines(vehicle: Any, car: Any, more_a: float, lines_a: Rooms) -> Rooms:
    """The currents (A) on the three lines of the house after a car took so much more."""
    if vehicle.phases == car.phases:
        return (
            lines_a[0] + more_a * car.on_1,
            lines_a[1] + more_a * car.on_2,
            lines_a[2] + more_a * car.on_3,
        )
    return (
        lines_a[0] + more_a * car.one_1,
        lines_a[1] + more_a * car.one_2,
        lines_a[2] + more_a * car.one_3,
    )


# --- what the connection leaves ---


@compiled_apart
def limit_discharge(vehicles: Any, cars: Any, room_kw: float, by_line: int, rooms_a: Rooms) -> None:
    """Cut discharging down to what the house uses and the grid takes.

    Cars in vehicle order (priorities are for charging) get as many whole amperes as fit, none below
    6 A, into `room_kw` (kW) for all and, `by_line`, into what is left on each line (A).
    """
    left_kw = max(0.0, room_kw)
    for k in range(vehicles.shape[0]):
        vehicle, car = vehicles[k], cars[k]
        if vehicle.asked_a < 0.0:
            current_a = 0.0 - vehicle.asked_a
            if 0.0 - vehicle.offered_kw > left_kw:
                current_a = min(current_a, math.floor(left_kw / vehicle.kw_per_a))
            for line in range(LINES):
                if by_line != 0 and _takes(vehicle, car, by_line, line) > 0.0:
                    current_a = min(current_a, math.floor(rooms_a[line]))
            current_a = float(current_a * (current_a >= FLOOR_A))
            rooms_a = _less(vehicle, car, by_line, current_a, rooms_a)
            vehicle.current_a = 0.0 - current_a
            vehicle.offered_kw = 0.0 - min(current_a * vehicle.kw_per_a, car.max_kw)
            left_kw += vehicle.offered_kw


@compiled
def share_connection(vehicles: Any, cars: Any, levels_kw: Any, room_kw: float) -> None:
    """Cut what the cars asked for down to `room_kw` (kW), what the connection leaves in all.

    Cars of a higher priority get all they can before the next ones. Among equals, equal
    whole-ampere shares: a car whose share would be below 6 A gets nothing and its share passes on
    (cars are admitted in vehicle order as long as 6 A each fit), and amperes left over go one by
    one in vehicle order. A car at its charge limit gets nothing. With power levels each car in
    order takes the highest level that fits.
    """
    _share(vehicles, cars, levels_kw, 0, (max(0.0, room_kw), 0.0, 0.0))


@compiled
def share_lines(vehicles: Any, cars: Any, levels_kw: Any, rooms_a: Rooms) -> None:
    """Cut what the cars asked for down to what is left on each line of the house (A).

    The rule of `share_connection` in amperes: an ampere of a car takes one of each of its lines. A
    car stops growing when one of its lines is full; the others go on.
    """
    rooms = (max(0.0, rooms_a[0]), max(0.0, rooms_a[1]), max(0.0, rooms_a[2]))
    _share(vehicles, cars, levels_kw, 1, rooms)


@compiled_apart
def _share(vehicles: Any, cars: Any, levels_kw: Any, by_line: int, rooms: Rooms) -> None:
    priority = _next_priority(cars, ABOVE_ALL)
    while priority >= 0:
        if levels_kw.shape[0] > 0:
            rooms = _grant_levels(vehicles, cars, levels_kw, by_line, priority, rooms)
        else:
            rooms = _admit(vehicles, cars, by_line, priority, rooms)
            rooms = _grow(vehicles, cars, by_line, priority, rooms)
        priority = _next_priority(cars, priority)
    if levels_kw.shape[0] == 0:
        for k in range(vehicles.shape[0]):
            vehicle = vehicles[k]
            if vehicle.asked_a > 0.0:
                vehicle.offered_kw = min(vehicle.current_a * vehicle.kw_per_a, cars[k].max_kw)


@compiled
def _next_priority(cars: Any, below: int) -> int:
    """Highest priority of a car below another; -1 if there is none."""
    found = -1
    for k in range(cars.shape[0]):
        if cars[k].priority < below:
            found = max(found, int(cars[k].priority))
    return found


@compiled
def _takes(vehicle: Any, car: Any, by_line: int, line: int) -> float:
    """What an ampere takes of a room: 1 A of each of the car's lines; of the one total, its kW."""
    if by_line == 0:
        return float(vehicle.kw_per_a) if line == 0 else 0.0
    return float(on_lines(vehicle, car, 1.0, (0.0, 0.0, 0.0))[line])


@compiled
def _fits(vehicle: Any, car: Any, by_line: int, more_a: float, rooms: Rooms) -> bool:
    fits = True
    for line in range(LINES):
        fits = fits and more_a * _takes(vehicle, car, by_line, line) <= rooms[line]
    return fits


@compiled
def _less(vehicle: Any, car: Any, by_line: int, more_a: float, rooms: Rooms) -> Rooms:
    """The rooms after a car took so many amperes more."""
    return (
        rooms[0] - more_a * _takes(vehicle, car, by_line, 0),
        rooms[1] - more_a * _takes(vehicle, car, by_line, 1),
        rooms[2] - more_a * _takes(vehicle, car, by_line, 2),
    )


@compiled
def _grant_levels(
    vehicles: Any, cars: Any, levels_kw: Any, by_line: int, priority: int, rooms: Rooms
) -> Rooms:
    for k in range(vehicles.shape[0]):
        vehicle, car = vehicles[k], cars[k]
        if car.priority == priority:
            granted_kw = 0.0
            for level in range(levels_kw.shape[0]):
                power_kw = min(levels_kw[level], car.max_kw)
                fits = _fits(vehicle, car, by_line, power_kw / car.kw_per_a, rooms)
                if power_kw <= vehicle.offered_kw and fits and takes(vehicle, car):
                    granted_kw = power_kw
            vehicle.offered_kw = granted_kw
            vehicle.current_a = granted_kw / car.kw_per_a
            rooms = _less(vehicle, car, by_line, vehicle.current_a, rooms)
    return rooms


@compiled
def _admit(vehicles: Any, cars: Any, by_line: int, priority: int, rooms: Rooms) -> Rooms:
    """6 A for each car that asks, as long as they fit."""
    for k in range(vehicles.shape[0]):
        vehicle, car = vehicles[k], cars[k]
        if car.priority == priority and vehicle.asked_a > 0.0:
            vehicle.current_a = 0.0
            if takes(vehicle, car) and _fits(vehicle, car, by_line, FLOOR_A, rooms):
                vehicle.current_a = FLOOR_A
                rooms = _less(vehicle, car, by_line, FLOOR_A, rooms)
    return rooms


@compiled
def _grow(vehicles: Any, cars: Any, by_line: int, priority: int, rooms: Rooms) -> Rooms:
    """As many amperes more for everybody who can grow as fit everybody, else one by one."""
    growing = True
    while growing:
        more_a, everybody = math.inf, (0.0, 0.0, 0.0)
        for k in range(vehicles.shape[0]):
            if _can_grow(vehicles[k], cars[k], by_line, priority, rooms):
                more_a = min(more_a, vehicles[k].asked_a - vehicles[k].current_a)
                everybody = _less(vehicles[k], cars[k], by_line, -1.0, everybody)
        growing = more_a < math.inf
        for line in range(LINES):
            if everybody[line] > 0.0:
                more_a = min(more_a, math.floor(rooms[line] / everybody[line]))
        before = rooms
        for k in range(vehicles.shape[0]):
            own = before if more_a >= 1.0 else rooms
            if _can_grow(vehicles[k], cars[k], by_line, priority, own):
                vehicles[k].current_a += max(1.0, more_a)
                rooms = _less(vehicles[k], cars[k], by_line, max(1.0, more_a), rooms)
    return rooms


@compiled
def _can_grow(vehicle: Any, car: Any, by_line: int, priority: int, rooms: Rooms) -> bool:
    wants_more = car.priority == priority and 0.0 < vehicle.current_a < vehicle.asked_a
    return wants_more and _fits(vehicle, car, by_line, 1.0, rooms)
