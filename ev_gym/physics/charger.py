"""From an action to a current: whole amperes, nothing below 6 A, phases, the connection's limit.

IEC 61851-1 lets the control pilot signal no current below 6 A; steps of 1 A are the wallboxes'
convention. That both hold for discharging too is our assumption. A car charges on one, two or three
lines of the house, with an ampere of 230 V on each.
"""

from __future__ import annotations

import math

from ev_gym.physics.battery import FULL_KWH, acceptable_ac_kw
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import compiled, compiled_apart
from ev_gym.runtime.records import CarParams, Records, VehicleState

FLOOR_A = 6.0
LINES = 3
VOLT = 230.0
LINE_KW_PER_A = VOLT / 1000.0
# A float32 action k / max times max can fall short of k by its rounding; this forgives it.
ROUNDING_A = 1e-3
# Headroom is a difference of floats; so much is added to it to forgive its rounding.
HEADROOM_ROUNDING_KW = 1e-9
HEADROOM_ROUNDING_A = 1e-9
ABOVE_ALL = 10  # above every priority
CHARGING, DISCHARGING = 1, -1  # directions, the signs of their currents

LineCurrents = tuple[float, float, float]  # A on each line of the house
NO_CURRENT: LineCurrents = (0.0, 0.0, 0.0)
UNLIMITED_A: LineCurrents = (math.inf, math.inf, math.inf)


@compiled
def begin(vehicle: VehicleState, car: CarParams) -> None:
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
def ask(
    vehicle: VehicleState, car: CarParams, levels_kw: Floats, now_min: int, action: float
) -> None:
    """Write the current (A) and AC power (kW) that an action asks for, before any limit.

    `floor(|action| * max_current_a + 1e-3)` amperes, below 6 A none; an action below 0 asks for
    discharging with that current, and current and power are below 0. A charger with power levels
    takes the level nearest to the action, the higher one at a tie, and never discharges. A car that
    is away asks for nothing, and phases are not switched for one in which nothing can flow.
    """
    action *= vehicle.plugged
    phases, asked_a, power_kw = _request(vehicle, car, levels_kw, now_min, action)
    if phases != vehicle.phases:
        _switch(vehicle, car, now_min, phases)
    # Subtracted from 0 instead of negated, because -0.0 would differ from 0.0 in its bytes.
    vehicle.asked_a = 0.0 - asked_a if action < 0.0 else asked_a
    vehicle.offered_kw = 0.0 - power_kw if action < 0.0 else power_kw
    vehicle.current_a = vehicle.asked_a


@compiled
def _request(
    vehicle: VehicleState, car: CarParams, levels_kw: Floats, now_min: int, action: float
) -> tuple[int, float, float]:
    """Phases, current (A) and AC power (kW) that an action asks for, whichever its direction."""
    if levels_kw.shape[0] > 0:
        level = math.floor(max(0.0, action) * (levels_kw.shape[0] - 1) + 0.5)
        level_kw = min(levels_kw[level], car.max_kw)
        return vehicle.phases, level_kw / car.kw_per_a, level_kw
    wanted_a = abs(action) * car.max_current_a
    current_a = math.floor(wanted_a + ROUNDING_A)
    phases, kw_per_a = vehicle.phases, vehicle.kw_per_a
    if car.one_phase_a > 0.0:
        if _has_use(vehicle, car, action):
            phases = _phases_for(vehicle, car, now_min, wanted_a)
            kw_per_a = LINE_KW_PER_A if phases == 1 else car.kw_per_a
        if phases == 1:
            current_a = min(math.floor(car.phases * wanted_a + ROUNDING_A), car.one_phase_a)
    # A product instead of a branch, which random actions would make the processor guess wrong.
    granted_a = float(current_a * (current_a >= FLOOR_A))
    return phases, granted_a, min(granted_a * kw_per_a, car.max_kw)


@compiled
def _has_use(vehicle: VehicleState, car: CarParams, action: float) -> bool:
    """Whether a car can be charged or, for an action below 0, discharged at all."""
    if action < 0.0:
        return bool(vehicle.energy_kwh > car.floor_kwh + FULL_KWH)
    return bool(vehicle.energy_kwh < car.limit_kwh - FULL_KWH)


@compiled
def _phases_for(vehicle: VehicleState, car: CarParams, now_min: int, wanted_a: float) -> int:
    """All the car's phases or one, whichever the current asked for needs.

    `wanted_a` (A) is meant on all its phases, three or two; on one it is three times or twice as
    much. The car goes down to one phase where all would get less than 6 A and one would not, and up
    to all where they get at least 6 A and one phase cannot carry the request. In the band between
    (4.14 to 7.36 kW with three phases and 32 A, from 2.76 kW with two) the phases stay as they are,
    and so they do for `car.hold_min` after a switch.
    """
    phases: int = vehicle.phases
    if now_min < vehicle.held_until_min:
        return phases
    enough_for_all = wanted_a + ROUNDING_A >= FLOOR_A
    one_phase_a = car.phases * wanted_a
    if not enough_for_all and one_phase_a + ROUNDING_A >= FLOOR_A:
        phases = 1
    elif enough_for_all and one_phase_a > car.one_phase_a + ROUNDING_A:
        phases = car.phases
    return phases


@compiled
def _switch(vehicle: VehicleState, car: CarParams, now_min: int, phases: int) -> None:
    """Switch the phases of a car; if current flows, that costs a pause of `car.pause_h`."""
    vehicle.phases = phases
    vehicle.kw_per_a = LINE_KW_PER_A if phases == 1 else car.kw_per_a
    vehicle.held_until_min = now_min + car.hold_min
    if vehicle.current_a != 0.0:
        vehicle.pause_h = car.pause_h


@compiled
def will_charge(vehicle: VehicleState, car: CarParams) -> bool:
    """Whether a car charges with what it is offered: not at its limit, and above its own needs."""
    below_limit = _has_use(vehicle, car, 1.0)
    return bool(below_limit and car.eta * vehicle.offered_kw > car.aux_kw)


@compiled
def will_discharge(vehicle: VehicleState, car: CarParams) -> bool:
    """Whether a car that is to be discharged has something to give above its floor."""
    above_floor = _has_use(vehicle, car, -1.0)
    return bool(above_floor and vehicle.offered_kw < 0.0)


@compiled
def drop_idle(vehicle: VehicleState, car: CarParams) -> None:
    """Take the current back from a car in which none can flow: it is full, or at its floor."""
    if not will_charge(vehicle, car) and not will_discharge(vehicle, car):
        vehicle.asked_a = 0.0
        vehicle.current_a = 0.0
        vehicle.offered_kw = 0.0


@compiled
def does_nothing(
    vehicle: VehicleState, car: CarParams, levels_kw: Floats, now_min: int, action: float
) -> bool:
    """Whether a car does with an action what it does with 0, whatever the house and others do."""
    if vehicle.plugged == 0 or not _has_use(vehicle, car, action):
        return True
    phases, _, power_kw = _request(vehicle, car, levels_kw, now_min, action)
    flows = power_kw > 0.0 if action < 0.0 else car.eta * power_kw > car.aux_kw
    return bool(not flows and phases == vehicle.phases)


@compiled
def usable_a(vehicle: VehicleState, car: CarParams) -> float:
    """Current (A) that a charging car can use of what it asks for: whole, from 6 on.

    A battery that is nearly full takes less than it asks for, so others can have the rest. What it
    takes less in the course of a step is theirs from the next step on.
    """
    asked_a = vehicle.asked_a
    if vehicle.energy_kwh <= car.taper_kwh:
        return float(asked_a)
    accepted_a = acceptable_ac_kw(vehicle.energy_kwh, car) / vehicle.kw_per_a
    needed_a = float(math.ceil(accepted_a - HEADROOM_ROUNDING_A))
    return float(min(asked_a, max(FLOOR_A, needed_a)))


@compiled
def used_by_all_kw(vehicles: Records[VehicleState], cars: Records[CarParams]) -> float:
    """What the currents that charging cars can use come to (kW), each line at its 230 V.

    Amperes count, not what a car takes of them: 16 A on three phases are 11.04 kW of a car's 11.
    """
    total_kw = 0.0
    for k in range(vehicles.shape[0]):
        if will_charge(vehicles[k], cars[k]):
            total_kw += usable_a(vehicles[k], cars[k]) * vehicles[k].kw_per_a
    return total_kw


@compiled
def on_lines(
    vehicle: VehicleState, car: CarParams, more_a: float, lines_a: LineCurrents
) -> LineCurrents:
    """Currents on the lines of the house once a car draws `more_a` (A) more of each of its own."""
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


@compiled
def share_discharge(
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    levels_kw: Floats,
    headroom_kw: float,
    headroom_a: LineCurrents,
) -> None:
    """Cut discharging down to what the house uses and the grid takes.

    The rule of `share_connection` and `share_lines`, mirrored. A car at its floor gets nothing.

    Args:
        vehicles: (K,) state; current and power of the cars that are to discharge are cut.
        cars: (K,) parameters.
        levels_kw: (0,), for a charger with power levels never discharges.
        headroom_kw: What all cars together may give, kW.
        headroom_a: What they may give on each line, A; infinite where no fuse is looked at.
    """
    left_a = (max(0.0, headroom_a[0]), max(0.0, headroom_a[1]), max(0.0, headroom_a[2]))
    _share(vehicles, cars, levels_kw, max(0.0, headroom_kw), left_a, DISCHARGING)


@compiled
def share_connection(
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    levels_kw: Floats,
    headroom_kw: float,
) -> None:
    """Cut what the cars asked for down to `headroom_kw` (kW), what the connection leaves in all.

    Cars of a higher priority get all they can before the next ones. Among equals, equal
    whole-ampere shares: a car whose share would be below 6 A gets nothing and its share passes on
    (cars are admitted in vehicle order as long as 6 A each fit), and amperes left over go one by
    one in vehicle order. A car at its charge limit gets nothing. With power levels each car in
    order takes the highest level that fits.
    """
    _share(vehicles, cars, levels_kw, max(0.0, headroom_kw), UNLIMITED_A, CHARGING)


@compiled
def share_lines(
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    levels_kw: Floats,
    headroom_kw: float,
    headroom_a: LineCurrents,
) -> None:
    """Cut what the cars asked for down to `headroom_a` (A), what is left on each line of the house.

    The rule of `share_connection` in amperes: an ampere of a car takes one of each of its lines. A
    car stops growing when one of its lines is full, or what is left in all is used up; the others
    go on.

    Args:
        vehicles: (K,) state; current and power of the cars that are to charge are cut.
        cars: (K,) parameters.
        levels_kw: (L,) power levels, or (0,).
        headroom_kw: What is left in all, kW; infinite where only lines have a limit.
        headroom_a: What is left on each line, A.
    """
    left_a = (max(0.0, headroom_a[0]), max(0.0, headroom_a[1]), max(0.0, headroom_a[2]))
    _share(vehicles, cars, levels_kw, max(0.0, headroom_kw), left_a, CHARGING)


# Below, `left_kw` is what the connection still leaves in all and `left_a` what it leaves on each
# line; what does not limit is infinite. `direction` says which cars share; while they do, the
# currents of those that discharge are above 0, too.


@compiled_apart
def _share(
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    levels_kw: Floats,
    left_kw: float,
    left_a: LineCurrents,
    direction: int,
) -> None:
    """Share what is left among the cars, those of the highest priority first."""
    priority = _next_priority(cars, ABOVE_ALL)
    while priority >= 0:
        if levels_kw.shape[0] > 0:
            left_kw, left_a = _grant_levels(vehicles, cars, levels_kw, priority, left_kw, left_a)
        else:
            left_kw, left_a = _admit(vehicles, cars, priority, left_kw, left_a, direction)
            left_kw, left_a = _grow(vehicles, cars, priority, left_kw, left_a, direction)
        priority = _next_priority(cars, priority)
    if levels_kw.shape[0] == 0:
        for k in range(vehicles.shape[0]):
            vehicle = vehicles[k]
            if direction * vehicle.asked_a > 0.0:
                power_kw = min(vehicle.current_a * vehicle.kw_per_a, cars[k].max_kw)
                # Subtracted from 0 instead of negated, because of the bytes of -0.0.
                if direction == DISCHARGING:
                    power_kw, vehicle.current_a = 0.0 - power_kw, 0.0 - vehicle.current_a
                vehicle.offered_kw = power_kw


@compiled
def _next_priority(cars: Records[CarParams], below: int) -> int:
    """Highest priority of a car below another; -1 if there is none."""
    found = -1
    for k in range(cars.shape[0]):
        if cars[k].priority < below:
            found = max(found, int(cars[k].priority))
    return found


@compiled
def _fits(
    vehicle: VehicleState, car: CarParams, more_a: float, left_kw: float, left_a: LineCurrents
) -> bool:
    """Whether a car can draw `more_a` (A) more."""
    if more_a * vehicle.kw_per_a > left_kw:
        return False
    taken_a = on_lines(vehicle, car, more_a, NO_CURRENT)
    return taken_a[0] <= left_a[0] and taken_a[1] <= left_a[1] and taken_a[2] <= left_a[2]


@compiled
def _left(
    vehicle: VehicleState, car: CarParams, more_a: float, left_kw: float, left_a: LineCurrents
) -> tuple[float, LineCurrents]:
    """What is left after a car draws `more_a` (A) more."""
    return left_kw - more_a * vehicle.kw_per_a, on_lines(vehicle, car, -more_a, left_a)


@compiled
def _request_a(vehicle: VehicleState, car: CarParams, direction: int) -> float:
    """Current (A) that a car can use in a direction; 0 if it asks for none or has no use for it."""
    if direction == CHARGING:
        asks = vehicle.asked_a > 0.0 and will_charge(vehicle, car)
        return usable_a(vehicle, car) if asks else 0.0
    return float(-vehicle.asked_a) if will_discharge(vehicle, car) else 0.0


@compiled
def _grant_levels(
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    levels_kw: Floats,
    priority: int,
    left_kw: float,
    left_a: LineCurrents,
) -> tuple[float, LineCurrents]:
    """The highest level that fits, for each car of a priority; what is left after them."""
    for k in range(vehicles.shape[0]):
        vehicle, car = vehicles[k], cars[k]
        if car.priority == priority:
            granted_kw, used_a = 0.0, 0.0
            most_a = _request_a(vehicle, car, CHARGING)
            for level in range(levels_kw.shape[0]):
                power_kw = min(levels_kw[level], car.max_kw)
                level_a = min(power_kw / car.kw_per_a, most_a)
                fits = _fits(vehicle, car, level_a, left_kw, left_a)
                if power_kw <= vehicle.offered_kw and fits and most_a > 0.0:
                    granted_kw, used_a = power_kw, level_a
            vehicle.offered_kw = granted_kw
            vehicle.current_a = granted_kw / car.kw_per_a
            left_kw, left_a = _left(vehicle, car, used_a, left_kw, left_a)
    return left_kw, left_a


@compiled
def _admit(
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    priority: int,
    left_kw: float,
    left_a: LineCurrents,
    direction: int,
) -> tuple[float, LineCurrents]:
    """6 A for each car of a priority that asks, as long as they fit; what is left after them."""
    for k in range(vehicles.shape[0]):
        vehicle, car = vehicles[k], cars[k]
        if car.priority == priority and direction * vehicle.asked_a > 0.0:
            vehicle.current_a = 0.0
            asks = _request_a(vehicle, car, direction) > 0.0
            if asks and _fits(vehicle, car, FLOOR_A, left_kw, left_a):
                vehicle.current_a = FLOOR_A
                left_kw, left_a = _left(vehicle, car, FLOOR_A, left_kw, left_a)
    return left_kw, left_a


@compiled
def _grow(
    vehicles: Records[VehicleState],
    cars: Records[CarParams],
    priority: int,
    left_kw: float,
    left_a: LineCurrents,
    direction: int,
) -> tuple[float, LineCurrents]:
    """As many amperes more for everybody who can grow as fit everybody, else one by one."""
    growing = True
    while growing:
        # What an ampere more for everybody takes, and how many more everybody still asks for.
        more_a, everybody_kw, everybody_a = math.inf, 0.0, NO_CURRENT
        for k in range(vehicles.shape[0]):
            if _can_grow(vehicles[k], cars[k], priority, left_kw, left_a, direction):
                request_a = _request_a(vehicles[k], cars[k], direction)
                more_a = min(more_a, request_a - vehicles[k].current_a)
                everybody_kw += vehicles[k].kw_per_a
                everybody_a = on_lines(vehicles[k], cars[k], 1.0, everybody_a)
        growing = more_a < math.inf
        if growing and left_kw < math.inf:
            more_a = min(more_a, math.floor(left_kw / everybody_kw))
        if growing and left_a[0] < math.inf:
            for line in range(LINES):
                if everybody_a[line] > 0.0:
                    more_a = min(more_a, math.floor(left_a[line] / everybody_a[line]))
        all_together = more_a >= 1.0
        before_kw, before_a = left_kw, left_a
        for k in range(vehicles.shape[0]):
            free_kw = before_kw if all_together else left_kw
            free_a = before_a if all_together else left_a
            if _can_grow(vehicles[k], cars[k], priority, free_kw, free_a, direction):
                vehicles[k].current_a += max(1.0, more_a)
                left_kw, left_a = _left(vehicles[k], cars[k], max(1.0, more_a), left_kw, left_a)
    return left_kw, left_a


@compiled
def _can_grow(
    vehicle: VehicleState,
    car: CarParams,
    priority: int,
    left_kw: float,
    left_a: LineCurrents,
    direction: int,
) -> bool:
    """Whether a car of a priority is admitted, can use more than it has, and an ampere fits."""
    admitted = car.priority == priority and direction * vehicle.asked_a > 0.0
    if not admitted or vehicle.current_a <= 0.0:
        return False
    wants_more = vehicle.current_a < _request_a(vehicle, car, direction)
    return bool(wants_more and _fits(vehicle, car, 1.0, left_kw, left_a))
