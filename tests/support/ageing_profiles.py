"""A battery's years: the daily cycles behind the regression targets, and eight irregular lives.

Beside them the figures of NREL's package BLAST-Lite 1.1.1 for each;
`tests/validation/compare_with_blast.py` works those of the lives out anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ev_gym.physics import ageing
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import as_records, compiled

AGEING_DTYPE = np.dtype([(name, kind) for name, kind, _, _ in ageing.AGEING_STATE], align=True)
ORDER = ("nmc622", "lfp", "nca", "nmc111")  # of the figures below
DAYS = 365
PER_DAY = 96
STEP_H = 0.25

# Remaining capacity after a year of one full cycle a day in a SoC band, at 10 and at 25 deg C.
TARGETS = {
    (0.5, 0.8): ((0.970, 0.966), (0.989, 0.983), (0.969, 0.949), (0.941, 0.918)),
    (0.2, 0.8): ((0.933, 0.941), (0.983, 0.980), (0.966, 0.947), (0.883, 0.861)),
    (0.7, 1.0): ((0.968, 0.965), (0.988, 0.980), (0.961, 0.936), (0.921, 0.893)),
    (0.4, 0.6): ((0.978, 0.969), (0.992, 0.986), (0.976, 0.959), (0.964, 0.946)),
}


def battery(**fields: float) -> Any:
    """A new battery's record, with some fields set."""
    record = as_records(np.zeros(1, AGEING_DTYPE))
    for name, value in fields.items():
        record[name] = value
    return record[0]


@compiled
def live_through(
    record: Any, chemistry: int, hours: float, soc: Any, pack_c: Any, day_steps: int
) -> float:
    """Remaining capacity of a battery after living through a series of whole days.

    Args:
        record: The battery.
        chemistry: As in `ageing`.
        hours: Length of a step.
        soc: (n + 1,) SoC.
        pack_c: (n + 1,) temperature (deg C).
        day_steps: Steps of a day.
    """
    ageing.begin(record, record.calendar_loss, record.cycle_loss, soc[0])
    for i in range(soc.size - 1):
        warmth_c = 0.5 * (pack_c[i] + pack_c[i + 1])
        ageing.add_step(record, chemistry, soc[i], soc[i + 1], hours, warmth_c, hours)
        if (i + 1) % day_steps == 0:
            ageing.end_day(record, chemistry, soc[i + 1])
    return float(1.0 - record.calendar_loss - record.cycle_loss)


def health_after(chemistry: str, hours: float, soc: Floats, pack_c: Floats) -> float:
    """Remaining capacity of a new battery after a series: see `live_through`."""
    number, day_steps = ageing.CHEMISTRIES[chemistry], round(24.0 / hours)
    return live_through(battery(), number, hours, soc, pack_c, day_steps)


def daily_cycle(
    low: float, high: float, temperature_c: float, days: int = DAYS
) -> tuple[Floats, Floats]:
    """Hourly SoC and temperature of the daily cycle behind the regression targets.

    Charged in 6 hours, full for 7, discharged in 10, empty for 1. The targets do not say so: it was
    found by search; the package's simulate_battery_life gives all 32 with it to their last digit.
    """
    shape = np.interp(np.arange(24), [0, 6, 13, 23, 24], [0, 1, 1, 0, 0])
    soc = low + (high - low) * np.append(np.tile(shape, days), shape[0])
    return soc, np.full(soc.size, float(temperature_c))


class Habits(NamedTuple):
    """How a car is used.

    Attributes:
        use: Mean of a driving day's use, as a share of the battery (a gamma of shape 3).
        chance: Of driving, on a working day and at the weekend.
        goal: SoC at which charging ends.
        per_h: Charging rate.
        cheap: Charging only in some quarters of the night.
        back_per_h: Discharging rate into the house in the evening.
        far: Chance of a day on the motorway with fast chargers.
        first_day_still: On the first day the SoC changes only once, by 0.004.
    """

    use: float
    chance: tuple[float, float] = (1.0, 1.0)
    goal: float = 0.8
    per_h: float = 0.17
    cheap: bool = False
    back_per_h: float = 0.0
    far: float = 0.0
    first_day_still: bool = False


LIVES = {
    "commuter": Habits(0.2, chance=(1.0, 0.4)),
    "saver": Habits(0.16, chance=(0.8, 0.8), per_h=0.06, cheap=True),
    "seldom": Habits(0.15, chance=(0.25, 0.25)),
    "v2g": Habits(0.15, cheap=True, back_per_h=0.12),
    "traveller": Habits(0.16, goal=0.9, far=0.06),
    "parked_full": Habits(0.1, chance=(0.0, 0.1), goal=1.0),
    "first_day_still": Habits(0.15, chance=(0.25, 0.25), first_day_still=True),
    "deep": Habits(0.9, goal=0.98),
}

# Remaining capacity after a year of each life by the package, in the order of ORDER, where it does
# three things as we do: see `as_ours` of `tests/validation/compare_with_blast.py`.
BLAST = {
    "commuter": (0.964153, 0.990408, 0.967905, 0.948913),
    "saver": (0.978002, 0.991034, 0.968460, 0.960473),
    "seldom": (0.979536, 0.992522, 0.968212, 0.972049),
    "v2g": (0.944225, 0.986621, 0.966214, 0.919404),
    "traveller": (0.914226, 0.986368, 0.960038, 0.911283),
    "parked_full": (0.984527, 0.992770, 0.959312, 0.980128),
    "first_day_still": (0.979515, 0.992340, 0.967305, 0.971877),
    "deep": (0.895003, 0.980534, 0.955142, 0.832972),
}


def outdoor_c(dice: np.random.RandomState) -> Floats:
    """(n + 1,) air like Stockholm's: seasons, days, and weather that lasts some days (deg C)."""
    day = np.arange(DAYS * PER_DAY + 1) / PER_DAY
    weather = np.zeros(DAYS + 2)
    for d in range(1, DAYS + 2):
        weather[d] = 0.8 * weather[d - 1] + 2.4 * dice.normal()
    season = 8.0 - 10.0 * np.cos(2 * np.pi * (day - 20) / 365)
    daily = -3.5 * np.cos(2 * np.pi * (day - 0.1))
    return season + daily + np.interp(day, np.arange(DAYS + 2), weather)


def day_of(habits: Habits, dice: np.random.RandomState, d: int) -> tuple[Floats, Floats]:
    """How each quarter of a day would change the SoC: by driving, and by charging (PER_DAY,)."""
    driving, charging = np.zeros(PER_DAY), np.full(PER_DAY, habits.per_h * STEP_H)
    drives = dice.random_sample() < habits.chance[d % 7 >= 5]
    far = dice.random_sample() < habits.far
    use = min(0.9, dice.gamma(3.0, habits.use / 3.0))
    leaves, returns, legs = dice.randint(28, 38), dice.randint(60, 80), dice.randint(1, 5)
    cheap = dice.random_sample(PER_DAY) < 0.5
    if habits.cheap:
        charging[24:84] = 0.0
        charging[~cheap] = 0.0
    if far:
        driving[40:72] = np.where(np.arange(32) % 10 < 7, -0.09, 0.2)
        charging[40:72] = 0.0
    elif drives:
        driving[leaves : leaves + legs] = driving[returns - legs : returns] = -0.5 * use / legs
        charging[leaves:returns] = 0.0
    driving[72:80] -= habits.back_per_h * STEP_H
    if habits.first_day_still and d == 0:
        driving[:], charging[:] = 0.0, 0.0
        driving[10] = 0.004
    return driving, charging


def life(name: str) -> tuple[Floats, Floats]:
    """SoC and temperature (n + 1 quarter-hour points) of a year, the same on every machine."""
    habits = LIVES[name]
    dice = np.random.RandomState(list(LIVES).index(name))  # a frozen stream, unlike default_rng
    air_c = outdoor_c(dice)
    soc = [0.6]
    for d in range(DAYS):
        driving, charging = day_of(habits, dice, d)
        for drive, charge in zip(driving.tolist(), charging.tolist(), strict=True):
            now = min(1.0, max(0.05, soc[-1] + drive))
            if drive == 0.0 and now < habits.goal:
                now = min(habits.goal, now + charge)
            soc.append(now)
    return np.array(soc), air_c
