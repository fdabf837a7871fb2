"""How a battery's capacity fades, with time (calendar) and with use (cycling).

Remaining capacity is `1 - calendar_loss - cycle_loss`, as a share of the new one. Each loss y
follows `y = k x^p` of its own progress x; the rate k depends on the day's treatment (see
`ageing_models`). Over a day of constant k the solution is `(y0^(1/p) + k^(1/p) dx)^p` (`further`),
so a day costs the more the more was done in it, whatever the battery's age.

The source, NREL's BLAST-Lite 1.1.1, takes one explicit Euler step a day instead. Its slope at y0
has no bound for a new battery ("explodes sometimes, usually at low DOD near beginning of sim, not
sure why", says its NMC622), so it books 5e-4 per full cycle where a day's use would cost more than
1 %: three cycles a day at -5 deg C cost a battery of 0.1 years a ninth of two. Neither is taken
over. A year of daily cycles ends within 0.0015 of the source's capacity.

The source's mean charging rate is one by time, with which a slow charge beside a fast one makes the
day cheaper than the fast one alone. Here each rate counts by the charge it moved: that is what the
law gives for one charge after another, as far as its square grows in proportion to the rate.

Days are 24 elapsed hours, as in the source's daily periods: the depth of discharge is the highest
less the lowest SoC of the day (no rainflow count), so a longer period would be another model. What
happens within a day is summed into eight numbers of the vehicle's record (`add_step`, `add_jump`)
and turned into losses when the day is over (`end_day`). The sums do not depend on the length of the
steps where charging fills whole steps, or begins with a step and stops within it.

A SoC here is a share of the battery as it was when its record began (`start_health` of the new
one), and does not shrink with it, since what a car uses and charges is energy. So the same energy
becomes a deeper cycle as the battery ages, as with the source's option
is_conserve_energy_throughput, which is its default. Rates and cycles count in units of the new
battery's capacity.
"""

from __future__ import annotations

import functools

import numpy as np

from ev_gym.physics import ageing_models as models
from ev_gym.physics.ageing_models import CHEMISTRIES, NMC622
from ev_gym.runtime.compiling import as_records, compiled, compiled_apart
from ev_gym.runtime.records import AgeingState

__all__ = [
    "AGEING_STATE",
    "CHEMISTRIES",
    "add_jump",
    "add_step",
    "begin",
    "day_over",
    "end_day",
    "losses_at_age",
]

DAY_H = 24.0
ROUNDING_H = 1e-6
KELVIN = 273.15
LEAST_HEALTH = 0.05
FAST_H = 0.5  # estimate: how long a top-up at a public charger takes
SLOW_PER_H = 0.01  # SoC per hour: the source takes less for storage, not charging
DAYS_PER_YEAR = 365

# Part of the vehicle's record. From `day_h` on: the sums of the running day.
AGEING_STATE = (
    ("calendar_loss", "f8", "", "share of the new capacity lost by time"),
    ("cycle_loss", "f8", "", "share of the new capacity lost by use"),
    ("start_health", "f8", "", "share of the new capacity that SoC 1 stands for"),
    ("day_h", "f8", "h", "hours of the running day of ageing"),
    ("swing", "f8", "", "sum of |change of SoC| of that day"),
    ("soc_low", "f8", "", "lowest SoC of that day"),
    ("soc_high", "f8", "", "highest SoC of that day"),
    ("rise", "f8", "", "sum of that day's rises of SoC by more than 1 % an hour"),
    ("rise_rate", "f8", "1/h", "sum of these rises, each times its rate"),
    ("stress_a", "f8", "", "NMC622: integral of SoC (h); else of the calendar rate"),
    ("stress_b", "f8", "", "NMC622: of the temperature (K h); LFP: exp(g/T); NMC111: V^2"),
)


@compiled
def begin_day(battery: AgeingState, soc: float) -> None:
    """Set the sums of the day to 0; the next day begins at this SoC."""
    battery.day_h = 0.0
    battery.swing = 0.0
    battery.soc_low = soc
    battery.soc_high = soc
    battery.rise = 0.0
    battery.rise_rate = 0.0
    battery.stress_a = 0.0
    battery.stress_b = 0.0


@compiled
def begin(battery: AgeingState, calendar_loss: float, cycle_loss: float, soc: float) -> None:
    """Begin a battery's record at these losses (see `losses_at_age`), and its first day."""
    battery.calendar_loss = calendar_loss
    battery.cycle_loss = cycle_loss
    battery.start_health = 1.0 - calendar_loss - cycle_loss
    begin_day(battery, soc)


@compiled
def _add_change(battery: AgeingState, before: float, after: float, on_h: float) -> None:
    """Add a change of SoC that took `on_h` hours."""
    change = after - before
    battery.swing += abs(change)
    battery.soc_low = min(battery.soc_low, after)
    battery.soc_high = max(battery.soc_high, after)
    if change > SLOW_PER_H * on_h > 0.0:
        battery.rise += change
        battery.rise_rate += change * change / on_h


@compiled
def add_step(
    battery: AgeingState,
    chemistry: int,
    before: float,
    after: float,
    on_h: float,
    pack_c: float,
    h: float,
) -> None:
    """Add a step to the running day.

    Args:
        battery: The battery's state.
        chemistry: A number of CHEMISTRIES.
        before: SoC before the step.
        after: SoC after it, reached along a straight line in the first `on_h` hours.
        on_h: How long the battery was charged or discharged, at most `h`.
        pack_c: Mean temperature of the pack over the step (deg C).
        h: Length of the step (hours).
    """
    battery.day_h += h
    soc_h = after * h - 0.5 * (after - before) * on_h
    kelvin = pack_c + KELVIN
    _add_change(battery, before, after, on_h)
    if chemistry == NMC622:
        battery.stress_a += soc_h
        battery.stress_b += kelvin * h
    else:
        stress_a, stress_b = models.stresses(chemistry, soc_h / h, kelvin)
        battery.stress_a += stress_a * h
        battery.stress_b += stress_b * h


@compiled
def add_jump(battery: AgeingState, before: float, after: float) -> None:
    """Add a change of SoC that takes none of the household's time.

    It is that of a trip, or of a top-up at a public charger, whose rise counts as lasting FAST_H
    hours.
    """
    _add_change(battery, before, after, FAST_H)


@compiled
def day_over(battery: AgeingState) -> bool:
    """Whether the running day has had its 24 hours."""
    return bool(battery.day_h >= DAY_H - ROUNDING_H)


@compiled
def further(loss: float, rate: float, progress: float, power: float) -> float:
    """The loss after more progress dx along y = k x^p: (y0^(1/p) + k^(1/p) dx)^p.

    It never falls, and rises with k and with dx, whatever y0.
    """
    if rate <= 0.0 or progress <= 0.0:
        return loss
    inverse = 1.0 / power
    return float(max(loss, (loss**inverse + rate**inverse * progress) ** power))


@compiled
def _rates(battery: AgeingState, chemistry: int) -> tuple[float, float]:
    """The rates k of calendar and cycling for the treatment of the day."""
    health = 1.0 - battery.calendar_loss - battery.cycle_loss
    unit = battery.start_health
    depth = min(1.0, (battery.soc_high - battery.soc_low) * unit / health)
    mean_per_h = battery.swing * unit / battery.day_h
    stress_a, stress_b = battery.stress_a / battery.day_h, battery.stress_b / battery.day_h
    if chemistry != NMC622:
        return stress_a, models.cycle_rate(chemistry, depth, mean_per_h, stress_b)
    charging_per_h = mean_per_h  # as the source has it for a day without charging
    if battery.rise > 0.0:
        charging_per_h = battery.rise_rate / battery.rise * unit
    calendar_rate = models.nmc622_calendar(stress_a, stress_b)
    return calendar_rate, models.nmc622_cycle(stress_a, stress_b, depth, charging_per_h)


@compiled_apart
def end_day(battery: AgeingState, chemistry: int, soc: float) -> float:
    """Turn the day into losses and begin the next at this SoC.

    Returns:
        The share of the new battery's capacity that the day cost, never below 0. A battery with
        less than LEAST_HEALTH left, which no model speaks of, loses nothing more.
    """
    if battery.calendar_loss + battery.cycle_loss > 1.0 - LEAST_HEALTH:
        begin_day(battery, soc)
        return 0.0
    calendar_rate, cycle_rate = _rates(battery, chemistry)
    calendar_power, cycle_power = models.powers(chemistry)
    days = battery.day_h / DAY_H
    cycles = 0.5 * battery.swing * battery.start_health
    calendar = further(battery.calendar_loss, calendar_rate, days, calendar_power)
    cycle = further(battery.cycle_loss, cycle_rate, cycles, cycle_power)
    calendar = min(calendar, 1.0 - LEAST_HEALTH)
    cycle = max(battery.cycle_loss, min(cycle, 1.0 - LEAST_HEALTH - calendar))
    lost = calendar - battery.calendar_loss + cycle - battery.cycle_loss
    battery.calendar_loss = calendar
    battery.cycle_loss = cycle
    begin_day(battery, soc)
    return float(lost)


@compiled
def _reference_soc(hour: float) -> float:
    """SoC of the reference day: 6 h charging, 7 h full, 10 h discharging, 1 h empty."""
    return 0.5 + 0.3 * (min(1.0, hour / 6.0) - min(1.0, max(0.0, (hour - 13.0) / 10.0)))


@compiled_apart
def _grow_old(battery: AgeingState, chemistry: int, days: int) -> None:
    """Let a new battery live so many reference days."""
    begin(battery, 0.0, 0.0, _reference_soc(0.0))
    for _ in range(days):
        for hour in range(24):
            before, after = _reference_soc(float(hour)), _reference_soc(hour + 1.0)
            add_step(battery, chemistry, before, after, 1.0, 10.0, 1.0)
        end_day(battery, chemistry, _reference_soc(0.0))


@functools.lru_cache(maxsize=64)
def losses_at_age(chemistry: int, years: float) -> tuple[float, float]:
    """Calendar and cycle loss of a battery that has lived for years as the reference does.

    The reference is one cycle a day between 50 % and 80 % at 10 deg C, for `365 years` whole days.
    """
    days = round(DAYS_PER_YEAR * years)
    if days == 0:
        return 0.0, 0.0
    layout = np.dtype([(name, dtype) for name, dtype, _, _ in AGEING_STATE], align=True)
    battery = as_records(np.zeros(1, layout))[0]
    _grow_old(battery, chemistry, days)
    return float(battery["calendar_loss"]), float(battery["cycle_loss"])
