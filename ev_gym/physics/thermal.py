"""Temperature of a vehicle's battery pack: one lump that takes losses up as heat, outdoors.

    C dT/dt = Q - U (T - T_out)

With heat Q and outdoor temperature T_out constant over a step of h hours the solution is

    T_eq = T_out + Q / U,   T1 = T_eq + (T0 - T_eq) exp(-h / tau),   tau = C / U

and the mean over the step T_eq + (T0 - T_eq) (1 - exp(-h / tau)) tau / h. Two steps of half the
length give the same as one, so results do not depend on the step's length.

No verified source was found for a car's pack as a whole. The parameters are engineering estimates:

- mass 6 kg/kWh and 0.9 to 1 kJ/(kg K), both common estimates, give C = 5.7 kJ/K per kWh;
- time constant of a parked car's pack 12 h (a guess; U = 0.13 W/K per kWh, 8 W/K for 60 kWh);
- a quarter of the charging losses arises in or at the pack (a guess: the rest is lost in charger,
  cables and electronics, which have their own path to the air).

No heating or cooling of the pack is modelled, and the car stands and drives at outdoor temperature.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import compiled

CAPACITY_PER_KWH = 6.0 * 0.95 / 3600.0  # kg/kWh kJ/(kg K), as kWh/K per kWh of battery
TAU_H = 12.0
HEAT_SHARE = 0.25  # of a charge's or a discharge's losses


def constants(
    battery_kwh: float,
    step_h: float,
    capacity_per_kwh: float = CAPACITY_PER_KWH,
    tau_h: float = TAU_H,
) -> tuple[float, float, float]:
    """The constants of `warm` for a battery (kWh) and steps of some hours.

    Args:
        battery_kwh: Energy of the battery.
        step_h: Length of a step (hours).
        capacity_per_kwh: Heat (kWh) that warms the pack by 1 K, per kWh of battery.
        tau_h: Time constant of the exchange with the air (hours).

    Returns:
        tau / (C h), by which 1 kWh of heat a step lifts the equilibrium (K/kWh); exp(-h / tau);
        and (1 - exp(-h / tau)) tau / h.
    """
    x = step_h / tau_h
    rise_k_per_kwh = tau_h / (capacity_per_kwh * battery_kwh * step_h)
    return rise_k_per_kwh, math.exp(-x), -math.expm1(-x) / x


@compiled
def warm(
    pack_c: float,
    outdoor_c: float,
    heat_kwh: float,
    rise_k_per_kwh: float,
    kept: float,
    mean: float,
) -> tuple[float, float]:
    """The pack's temperature (deg C) after a step, and its mean over the step.

    Args:
        pack_c: Temperature before the step.
        outdoor_c: Temperature of the air over the step.
        heat_kwh: Heat set free in the pack over the step, spread evenly.
        rise_k_per_kwh: First of `constants`.
        kept: Second of `constants`.
        mean: Third of `constants`.
    """
    level_c = outdoor_c + heat_kwh * rise_k_per_kwh
    above_k = pack_c - level_c
    return level_c + above_k * kept, level_c + above_k * mean


def standing_c(temperature_c: Floats | NDArray[np.float32]) -> Floats:
    """Temperature of a pack without losses when each hour begins, deg C.

    It is the one to which many hours of `warm` lead.

    Args:
        temperature_c: (H,) outdoor temperatures of the hours, which repeat for ever.

    Returns:
        (H,) temperatures of the pack.
    """
    _, kept, _ = constants(1.0, 1.0)
    air_c = np.asarray(temperature_c, np.float64).tolist()
    end_c = 0.0  # after a round that begins at 0 deg C
    for outdoor_c in air_c:
        end_c = outdoor_c + (end_c - outdoor_c) * kept
    pack_c = end_c / (1.0 - kept ** len(air_c))  # a round that begins here ends here
    standing = np.empty(len(air_c))
    for hour, outdoor_c in enumerate(air_c):
        standing[hour] = pack_c
        pack_c = outdoor_c + (pack_c - outdoor_c) * kept
    return standing
