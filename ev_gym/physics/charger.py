"""From an action to a current: whole amperes, nothing below 6 A, and the connection's limit."""

from __future__ import annotations

import math
from typing import Any

from ev_gym.compiling import compiled, compiled_apart

# IEC 61851-1: the control pilot cannot signal a current below 6 A.
FLOOR_A = 6.0
# A float32 action k / max times max can fall short of k by its rounding; this forgives it.
ROUNDING_A = 1e-3
ROUNDING_KW = 1e-9


@compiled
def ask(vehicle: Any, car: Any, levels_kw: Any, action: float) -> None:
    """Write the current (A) and AC power (kW) that an action asks for, before load management.

    `floor(action * max_current_a + 1e-3)` amperes; steps of 1 A are the wallboxes' convention. A
    charger with power levels takes the level nearest to the action, the higher one at a tie. A car
    that is away asks for nothing.
    """
    action *= vehicle.plugged
    if levels_kw.shape[0] > 0:
        level = math.floor(action * (levels_kw.shape[0] - 1) + 0.5)
        vehicle.offered_kw = min(levels_kw[level], car.max_kw)
        vehicle.asked_a = vehicle.offered_kw / car.kw_per_a
    else:
        current_a = math.floor(action * car.max_current_a + ROUNDING_A)
        # A product instead of a branch, which random actions would make the processor guess wrong.
        vehicle.asked_a = float(current_a * (current_a >= FLOOR_A))
        vehicle.offered_kw = min(vehicle.asked_a * car.kw_per_a, car.max_kw)
    vehicle.current_a = vehicle.asked_a


@compiled
def offered_to_all_kw(vehicles: Any) -> float:
    """Sum of what the cars are offered (kW)."""
    total_kw = 0.0
    for k in range(vehicles.shape[0]):
        total_kw += vehicles[k].offered_kw
    return total_kw


@compiled_apart
def share_connection(vehicles: Any, cars: Any, levels_kw: Any, room_kw: float) -> None:
    """Cut what the cars asked for down to `room_kw` (kW), what the connection leaves.

    Equal whole-ampere shares. A car whose share would be below 6 A gets nothing and its share
    passes on: cars are admitted in vehicle order as long as 6 A each fit. Amperes left over go one
    by one in vehicle order. With power levels each car in order takes the highest level that fits.
    """
    if levels_kw.shape[0] > 0:
        _share_levels(vehicles, cars, levels_kw, room_kw)
    else:
        _share_amperes(vehicles, cars, room_kw)


@compiled
def _share_levels(vehicles: Any, cars: Any, levels_kw: Any, room_kw: float) -> None:
    for k in range(vehicles.shape[0]):
        vehicle, car = vehicles[k], cars[k]
        granted_kw = 0.0
        for level in range(levels_kw.shape[0]):
            power_kw = min(levels_kw[level], car.max_kw)
            if power_kw <= vehicle.offered_kw and power_kw <= room_kw:
                granted_kw = power_kw
        room_kw -= granted_kw
        vehicle.offered_kw = granted_kw
        vehicle.current_a = granted_kw / car.kw_per_a


@compiled
def _share_amperes(vehicles: Any, cars: Any, room_kw: float) -> None:
    left_kw = room_kw
    for k in range(vehicles.shape[0]):
        least_kw = FLOOR_A * cars[k].kw_per_a
        vehicles[k].current_a = 0.0
        if vehicles[k].asked_a > 0.0 and least_kw <= left_kw:
            vehicles[k].current_a = FLOOR_A
            left_kw -= least_kw
    # As many amperes more for everybody who wants them as fit everybody.
    growing = True
    while growing:
        ampere_kw, more_a = 0.0, math.inf
        for k in range(vehicles.shape[0]):
            if 0.0 < vehicles[k].current_a < vehicles[k].asked_a:
                ampere_kw += cars[k].kw_per_a
                more_a = min(more_a, vehicles[k].asked_a - vehicles[k].current_a)
        growing = 0.0 < ampere_kw <= left_kw
        if growing:
            more_a = min(more_a, math.floor(left_kw / ampere_kw))
            left_kw -= more_a * ampere_kw
            for k in range(vehicles.shape[0]):
                if 0.0 < vehicles[k].current_a < vehicles[k].asked_a:
                    vehicles[k].current_a += more_a
    growing = True
    while growing:
        growing = False
        for k in range(vehicles.shape[0]):
            wants_more = 0.0 < vehicles[k].current_a < vehicles[k].asked_a
            if wants_more and cars[k].kw_per_a <= left_kw:
                vehicles[k].current_a += 1.0
                left_kw -= cars[k].kw_per_a
                growing = True
    for k in range(vehicles.shape[0]):
        vehicles[k].offered_kw = min(vehicles[k].current_a * cars[k].kw_per_a, cars[k].max_kw)
