"""How fast four cells lose capacity: constants and rates of NREL's life models.

A loss y follows a power law of its own progress x, `y = k x^p`, with x the days lived (calendar) or
the full cycles moved (cycling). Here stand the rates k of both for a treatment, and the powers p;
`ageing` sums treatments up and turns them into losses.

Equations and constants are those of the package BLAST-Lite 1.1.1 (Copyright (c) 2023 Alliance for
Energy Innovation, LLC; BSD-3-Clause text; restated, none of its code is used), which was compared
with this module figure by figure. The papers behind the models were not opened:

- NMC622, DENSO 50 Ah: K. Smith et al., J. Electrochem. Soc. 168 (2021) 100530,
  doi:10.1149/1945-7111/ac2ebd. The package leaves the paper's break-in terms out, and so do we.
- LFP, 250 Ah prismatic: test data in doi:10.1016/j.est.2023.109042.
- NCA, Panasonic 18650B: calendar data of Keil et al., doi:10.1149/2.0411609jes; cycling data of
  Preger et al., doi:10.1149/1945-7111/abae37.
- NMC111, Sanyo UR18650E: Schmalstieg et al., J. Power Sources 257 (2014) 325,
  doi:10.1016/j.jpowsour.2014.02.012; voltages of Ecker et al.,
  doi:10.1016/j.jpowsour.2013.09.143.

All but NMC622 were fitted at cycles of more than 80 % depth or at 1 C; NMC622 at cycles of 10 % to
100 % depth and up to 1 C. Anything beyond is extrapolated, but for temperature.

Temperature. The package says which cycling tests had (`experimental_range`): NMC622 10 to 60 deg C,
LFP 10 to 45, NCA 15 to 35, NMC111 20 to 40.

- Loss by use, beyond them, is that at the nearest one. NMC622's plating term would grow 6.5-fold
  from 10 to -10 deg C with no cell behind it: none was charged at 1 C below 25 deg C, and none
  showed the knee of plating, says the package. Of LFP it says that cycling extrapolates very
  poorly, since the fit only cancels the temperature of the calendar's law. NCA's and NMC111's
  cycling knows no temperature. Plating in the cold is real (Feinauer et al., J. Power Sources 594
  (2024) 233948: its abstract puts the longest life near 25 deg C); how much of it the 0.1 to 0.2 C
  of a household make in these cells, the source cannot say. So frost may cost more than here.
- Loss by time follows its law below the tests too: it is Arrhenius's, of a reaction that slows down
  with cold, and lies between 0 and its value at the coldest test. NCA's storage tests began at 25
  deg C, and the package's figures for it at 10 deg C rest on the same law.
- Above 60 deg C everything is as at 60 (`health.HOTTEST_C`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import compiled, compiled_apart

NMC622, LFP, NCA, NMC111 = 0, 1, 2, 3  # below 0: a battery that does not age
CHEMISTRIES = {"nmc622": NMC622, "lfp": LFP, "nca": NCA, "nmc111": NMC111}
REFERENCE_K = 298.15


class Nmc622(NamedTuple):
    """Constants of `nmc622_rates`."""

    gas: float = 8.3144  # J/(mol K)
    calendar_j: float = 37000.0  # J/mol
    c0: float = -1.97e-4  # day^-0.5
    c1: float = 0.0101
    c2: float = -0.0157
    c3: float = 0.00835
    c4: float = -4.06e-6  # day^-0.5 / K
    c5: float = 3.32e-5  # day^-0.5 / K
    hot_k: float = 328.15
    calendar_power: float = 0.5
    scale: float = 0.985  # (day / cycle)^0.5
    plating: float = 3.24  # h^0.5
    plating_j: float = -58000.0  # J/mol: worse when cold
    plating_soc: float = 2.1
    plating_offset: float = -0.099
    depth: float = 1.44
    depth_j: float = -13000.0  # J/mol
    cycle_power: float = 0.5
    cycled_from_k: float = 283.15  # K: the coldest of the cycling tests


class Lfp(NamedTuple):
    """Constants of `lfp_calendar`, `lfp_cold` and `lfp_cycle`."""

    a: float = 8.37e4  # day^-0.526
    b: float = -5.21e3  # K
    c: float = -3.56e3  # K / V
    calendar_power: float = 0.526
    d: float = 4.38e-8  # cycle^-0.828
    e: float = 1.55e-8
    f: float = 1.68e-7  # h
    g: float = 2.19e3  # K: worse when cold
    cycle_power: float = 0.828
    cycled_from_k: float = 283.15  # K: the coldest and the hottest of the cycling tests
    cycled_to_k: float = 318.15


class Nca(NamedTuple):
    """Constants of `nca_calendar` and `nca_cycle`."""

    a: float = 75.4  # day^-0.512
    b: float = -3.34e3  # K
    c: float = 353.0  # K
    calendar_power: float = 0.512
    d: float = 1.86e-6  # cycle^-0.699
    e: float = 4.74e-11  # h
    f: float = 1.77e-4
    cycle_power: float = 0.699


class Nmc111(NamedTuple):
    """Constants of `nmc111_calendar` and `nmc111_cycle`."""

    a: float = 7.543  # 1/V, day^-0.75
    b: float = -23.75
    c: float = -6976.0  # K
    calendar_power: float = 0.75
    d: float = 7.348e-3  # V^-2 Ah^-0.5
    e: float = 3.667  # V
    f: float = 7.6e-4
    g: float = 4.081e-3
    cycle_power: float = 0.5
    ah_per_cycle: float = 4.3  # charge moved in a full cycle: 2 x 2.15 Ah


NMC622_FIT = Nmc622()
LFP_FIT = Lfp()
NCA_FIT = Nca()
NMC111_FIT = Nmc111()

# Rest voltage (V) of the Sanyo cell at SoC 0, 0.05, .. 1, within 2.1 mV of the package's 58 points.
NMC111_V = np.array([
    3.331, 3.42, 3.491, 3.544, 3.581, 3.608, 3.627, 3.641, 3.655, 3.673, 3.697,
    3.732, 3.775, 3.821, 3.869, 3.915, 3.965, 4.019, 4.073, 4.118, 4.162,
])  # fmt: skip


def anode_equation_v(soc: float) -> float:
    """Potential of the graphite electrode against lithium (V) at a SoC.

    Safari and Delacourt, J. Electrochem. Soc. 158 (2011) A562, doi:10.1149/1.3567007, with the
    lithiation 0.0085 + 0.7715 SoC of Schimpe et al., doi:10.1149/2.1181714jes (neither was opened;
    as the package has it).
    """
    x = 0.0085 + 0.7715 * soc
    return float(
        0.6379
        + 0.5416 * math.exp(-305.5309 * x)
        - 0.044 * math.tanh((x - 0.1958) / 0.1088)
        - 0.1978 * math.tanh((x - 1.0571) / 0.0854)
        - 0.6875 * math.tanh((x + 0.0117) / 0.0529)
        - 0.0175 * math.tanh((x - 0.5692) / 0.0875)
    )


# Its exponentials would cost 60 ns a step.
ANODE_V = np.array([anode_equation_v(i / 400) for i in range(401)])


@compiled
def _between(table: Floats, soc: float) -> float:
    """A table's value at a SoC: linear between its points, level beyond SoC 0 and 1."""
    last = table.shape[0] - 1
    place = min(float(last), max(0.0, last * soc))
    below = min(last - 1, int(place))
    share = place - below
    return float(table[below] * (1.0 - share) + table[below + 1] * share)


@compiled
def anode_v(soc: float) -> float:
    """`anode_equation_v` from its table of 401 points."""
    return float(_between(ANODE_V, soc))


@compiled
def nmc111_v(soc: float) -> float:
    """Rest voltage (V) of the Sanyo cell, from 21 points."""
    return float(_between(NMC111_V, soc))


@compiled
def arrhenius(energy_j: float, kelvin: float) -> float:
    """exp(-E / R (1 / T - 1 / 298.15 K)): 1 at 25 deg C."""
    return float(math.exp(-energy_j / NMC622_FIT.gas * (1.0 / kelvin - 1.0 / REFERENCE_K)))


@compiled
def nmc622_calendar(soc: float, kelvin: float) -> float:
    """Calendar rate of NMC622 (day^-0.5) at a mean SoC s and temperature T (K).

    A(T, calendar_j) (c0 + c1 s + c2 s^2 + c3 s^3 + c4 s T + c5 max(0, T - hot_k)), at least 0, with
    A of `arrhenius`.
    """
    fit = NMC622_FIT
    by_soc = fit.c0 + soc * (fit.c1 + soc * (fit.c2 + soc * fit.c3)) + fit.c4 * soc * kelvin
    by_soc += fit.c5 * max(0.0, kelvin - fit.hot_k)
    return float(max(0.0, arrhenius(fit.calendar_j, kelvin) * by_soc))


@compiled
def nmc622_cycle(soc: float, kelvin: float, depth: float, rate_per_h: float) -> float:
    """Cycling rate of NMC622 (cycle^-0.5), below 10 deg C that at 10 deg C.

    scale k_cal (max(0, plating A(T, plating_j) sqrt(D C) (1 + plating_soc s) + plating_offset)
        + depth A(T, depth_j) D^6)
    with k_cal of `nmc622_calendar` at the same T.

    Args:
        soc: s, the day's mean SoC.
        kelvin: T, the day's mean temperature (K).
        depth: D, highest less lowest SoC of the day.
        rate_per_h: C, mean charging rate (1/h, in units of the new battery's capacity).
    """
    fit = NMC622_FIT
    kelvin = max(kelvin, fit.cycled_from_k)
    plating = fit.plating * arrhenius(fit.plating_j, kelvin)
    plating *= math.sqrt(depth * rate_per_h) * (1.0 + fit.plating_soc * soc)
    deep = fit.depth * arrhenius(fit.depth_j, kelvin) * (depth * depth * depth) ** 2
    stress = max(0.0, plating + fit.plating_offset) + deep
    return float(fit.scale * nmc622_calendar(soc, kelvin) * stress)


@compiled
def lfp_calendar(soc: float, kelvin: float) -> float:
    """Calendar rate of LFP (day^-0.526): a exp((b + c U(s)) / T), U the anode's potential (V)."""
    return float(LFP_FIT.a * math.exp((LFP_FIT.b + LFP_FIT.c * anode_v(soc)) / kelvin))


@compiled
def lfp_cold(kelvin: float) -> float:
    """What cold adds to the cycling of LFP: exp(g / T), T within 10 to 45 deg C.

    The source adds a second term, exp(-1.55e5 / T), which is zero (1e-226 at 25 deg C).
    """
    tested_k = min(max(kelvin, LFP_FIT.cycled_from_k), LFP_FIT.cycled_to_k)
    return float(math.exp(LFP_FIT.g / tested_k))


@compiled
def lfp_cycle(depth: float, rate_per_h: float, cold: float) -> float:
    """Cycling rate of LFP (cycle^-0.828): (d + e D + f R) cold, R the day's mean |rate| (1/h)."""
    return float((LFP_FIT.d + LFP_FIT.e * depth + LFP_FIT.f * rate_per_h) * cold)


@compiled
def nca_calendar(soc: float, kelvin: float) -> float:
    """Calendar rate of NCA (day^-0.512): a exp((b + c s) / T)."""
    return float(NCA_FIT.a * math.exp((NCA_FIT.b + NCA_FIT.c * soc) / kelvin))


@compiled
def nca_cycle(depth: float, rate_per_h: float) -> float:
    """Cycling rate of NCA (cycle^-0.699): 2 (d + e R + f D), R the day's mean |rate| (1/h).

    For 2 the source has exp(3.34e-11 / T) + exp(-2.81e-9 / T), which is 2 at every temperature.
    """
    return 2.0 * (NCA_FIT.d + NCA_FIT.e * rate_per_h + NCA_FIT.f * depth)


@compiled
def nmc111_calendar(volt: float, kelvin: float) -> float:
    """Calendar rate of NMC111 (day^-0.75): 1e6 (a V + b) exp(c / T), V the rest voltage."""
    fit = NMC111_FIT
    return float(1e6 * (fit.a * volt + fit.b) * math.exp(fit.c / kelvin))


@compiled
def nmc111_cycle(depth: float, rms_v: float) -> float:
    """Cycling rate of NMC111 (cycle^-0.5): sqrt(Ah per cycle) (d (V_rms - e)^2 + f + g D)."""
    fit = NMC111_FIT
    per_ah = fit.d * (rms_v - fit.e) ** 2 + fit.f + fit.g * depth
    return per_ah * math.sqrt(fit.ah_per_cycle)


@compiled_apart
def stresses(chemistry: int, soc: float, kelvin: float) -> tuple[float, float]:
    """What `ageing.add_step` averages over a day: of LFP, NCA or NMC111 at a SoC and kelvin (K).

    Returns:
        The calendar rate; and what the cycling rate needs besides depth and rate of charge: LFP's
        `lfp_cold`, NMC111's square of the voltage (V^2), nothing of NCA.
    """
    if chemistry == LFP:
        return lfp_calendar(soc, kelvin), lfp_cold(kelvin)
    if chemistry == NCA:
        return nca_calendar(soc, kelvin), 0.0
    volt = nmc111_v(soc)
    return nmc111_calendar(volt, kelvin), volt * volt


@compiled
def cycle_rate(chemistry: int, depth: float, rate_per_h: float, stress: float) -> float:
    """Cycling rate of LFP, NCA or NMC111; `stress` is the day's mean of `stresses`' second."""
    if chemistry == LFP:
        return lfp_cycle(depth, rate_per_h, stress)
    if chemistry == NCA:
        return nca_cycle(depth, rate_per_h)
    return nmc111_cycle(depth, math.sqrt(stress))


@compiled
def powers(chemistry: int) -> tuple[float, float]:
    """The powers p of the laws of calendar and cycling."""
    if chemistry == NMC622:
        return NMC622_FIT.calendar_power, NMC622_FIT.cycle_power
    if chemistry == LFP:
        return LFP_FIT.calendar_power, LFP_FIT.cycle_power
    if chemistry == NCA:
        return NCA_FIT.calendar_power, NCA_FIT.cycle_power
    return NMC111_FIT.calendar_power, NMC111_FIT.cycle_power
