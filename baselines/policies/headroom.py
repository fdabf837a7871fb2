"""How much of a headroom cars can use: levels, whole amperes, the 6 A floor, all phases or one.

A headroom is power (kW) that may still be drawn, such as what the connection leaves beside the
house. Compiled, because every rule needs it in every step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.physics.charger import FLOOR_A, LINE_KW_PER_A
from ev_gym.runtime.arrays import Bools, Floats
from ev_gym.runtime.compiling import as_records, compiled
from ev_gym.runtime.records import Record, Records
from ev_gym.scenario.charger import AtCharger

# Headrooms are differences of observed float32 numbers; this forgives their rounding.
ROUNDING_KW = 1e-4
LIMITS_DTYPE = np.dtype([(name, "f8") for name in AtCharger._fields])


class CarLimits(Record):
    """A car's limits at its charger, `LIMITS_DTYPE`: the fields of `AtCharger`."""


def limit_records(limits: list[AtCharger]) -> NDArray[Any]:
    """The limits of the cars as (K,) records that compiled code reads."""
    return as_records(np.array(limits, LIMITS_DTYPE))


@compiled
def _amperes(headroom_kw: float, kw_per_a: float, most_a: float) -> float:
    """Whole amperes that fit into a headroom, at most `most_a`, none below 6 A."""
    current_a = min(max(math.floor((headroom_kw + ROUNDING_KW) / kw_per_a), 0.0), most_a)
    return 0.0 if current_a < FLOOR_A else current_a


@compiled
def _in_amperes(headroom_kw: float, limits: CarLimits) -> tuple[float, float]:
    """The largest fraction of a car's maximum current that fits, and its power (kW)."""
    current_a = _amperes(headroom_kw, limits.kw_per_a, limits.max_current_a)
    if limits.one_phase_a > 0.0 and current_a == 0.0:
        # The fraction is of the current on all phases: three amperes on one are one on three.
        current_a = _amperes(headroom_kw, LINE_KW_PER_A, limits.one_phase_a) / limits.phases
    return current_a / limits.max_current_a, current_a * limits.kw_per_a


@compiled
def _in_levels(headroom_kw: float, limits: CarLimits, levels_kw: Floats) -> tuple[float, float]:
    """The highest power level that fits as a fraction of all levels, and its power (kW)."""
    highest = 0
    for level in range(levels_kw.shape[0]):
        if min(levels_kw[level], limits.max_kw) <= headroom_kw + ROUNDING_KW:
            highest = level
    return highest / (levels_kw.shape[0] - 1), min(levels_kw[highest], limits.max_kw)


@compiled
def fit(
    charging: Bools,
    headroom_kw: Floats,
    most_kw: Floats,
    limits: Records[CarLimits],
    levels_kw: Floats,
    fractions: Floats,
) -> None:
    """Write what cars may take of a headroom that they share in vehicle order, as fractions.

    Args:
        charging: (n, K) which cars may take something; the others get 0.
        headroom_kw: (n,) for all cars of a household.
        most_kw: (n, K) what no car may exceed.
        limits: (K,) of the cars.
        levels_kw: Power levels of the charger; empty where it has none.
        fractions: (n, K), written.
    """
    for i in range(charging.shape[0]):
        left_kw = headroom_kw[i]
        for k in range(charging.shape[1]):
            fractions[i, k] = 0.0
            if charging[i, k]:
                most = min(left_kw, most_kw[i, k])
                if levels_kw.shape[0] > 0:
                    fractions[i, k], charge_kw = _in_levels(most, limits[k], levels_kw)
                else:
                    fractions[i, k], charge_kw = _in_amperes(most, limits[k])
                left_kw -= charge_kw
