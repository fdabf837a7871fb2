"""How much of a room cars can use: levels, whole amperes, the 6 A floor, one or three phases.

A room is power (kW) that may still be drawn, such as the headroom, what the connection leaves
beside the house. Compiled, because every rule asks it in every step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.physics.charger import FLOOR_A, LINE_KW_PER_A
from ev_gym.runtime.compiling import as_records, compiled
from ev_gym.scenario.charger import AtCharger

# Rooms are differences of observed float32 numbers; this forgives their rounding.
ROUNDING_KW = 1e-4
LIMITS_DTYPE = np.dtype([(name, "f8") for name in AtCharger._fields])


def limit_records(limits: list[AtCharger]) -> NDArray[Any]:
    """The limits of the cars as (K,) records that compiled code reads."""
    return as_records(np.array(limits, LIMITS_DTYPE))


@compiled
def _amperes(room_kw: float, kw_per_a: float, most_a: float) -> float:
    """Whole amperes that fit into a room, at most `most_a`, none below 6 A."""
    current_a = min(max(math.floor((room_kw + ROUNDING_KW) / kw_per_a), 0.0), most_a)
    return 0.0 if current_a < FLOOR_A else current_a


@compiled
def _in_amperes(room_kw: float, car: Any) -> tuple[float, float]:
    """The largest fraction of a car's maximum current that fits, and its power (kW)."""
    current_a = _amperes(room_kw, car.kw_per_a, car.max_current_a)
    if car.one_phase_a > 0.0 and current_a == 0.0:
        # The fraction is of the current on all phases: three amperes on one are one on three.
        current_a = _amperes(room_kw, LINE_KW_PER_A, car.one_phase_a) / car.phases
    return current_a / car.max_current_a, current_a * car.kw_per_a


@compiled
def _in_levels(room_kw: float, car: Any, levels_kw: Any) -> tuple[float, float]:
    """The highest power level that fits as a fraction of all levels, and its power (kW)."""
    highest = 0
    for level in range(levels_kw.shape[0]):
        if min(levels_kw[level], car.max_kw) <= room_kw + ROUNDING_KW:
            highest = level
    return highest / (levels_kw.shape[0] - 1), min(levels_kw[highest], car.max_kw)


@compiled
def fit(
    charging: Any, room_kw: Any, most_kw: Any, cars: Any, levels_kw: Any, fractions: Any
) -> None:
    """Write what the cars marked in `charging` (n, K) may take, as fractions (n, K), 0 elsewhere.

    Cars share `room_kw` (n,) in vehicle order, none with more than `most_kw` (n, K); `levels_kw` is
    empty where the charger has no power levels.
    """
    for i in range(charging.shape[0]):
        left_kw = room_kw[i]
        for k in range(charging.shape[1]):
            fractions[i, k] = 0.0
            if charging[i, k]:
                car_room_kw = min(left_kw, most_kw[i, k])
                if levels_kw.shape[0] > 0:
                    fractions[i, k], charge_kw = _in_levels(car_room_kw, cars[k], levels_kw)
                else:
                    fractions[i, k], charge_kw = _in_amperes(car_room_kw, cars[k])
                left_kw -= charge_kw
