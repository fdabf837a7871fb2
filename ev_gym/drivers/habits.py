"""The habits of drivers: which there are, and the table of them that compiled code reads.

A habit is a row of the table: quantiles at the 31 normal scores from -3 to 3, or a few numbers in
the first columns. `draws` uses them, `ev_gym.calibration` derives them.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from ev_gym.calibrated import figures
from ev_gym.runtime.durations import DAY_MIN

ROUTINES = ("commuter", "shift worker", "mostly at home")

# What the driving model keeps of a driver; a vehicle's record holds these beside its own state.
DRIVER_FIELDS: tuple[tuple[str, str, str, str], ...] = (
    ("routine", "i8", "", "0 commuter, 1 shift worker, 2 mostly at home"),
    ("plug_in_odds", "f8", "", "odds of plugging in on the day it left, relative to all drivers"),
    ("plug_in_later_odds", "f8", "", "odds of plugging in on each later day, likewise"),
    ("leave_odds", "f8", "", "odds of leaving on the day it was plugged in, likewise"),
    ("leave_later_odds", "f8", "", "odds of leaving on each later day, likewise"),
    ("energy_score", "f8", "", "habitual energy of a session, as a normal score"),
    ("arrival_score", "f8", "", "habitual hour of plug-in on weekdays, as a normal score"),
    ("arrival_scatter", "f8", "", "standard deviation of that score from day to day"),
    ("weekend_arrival_score", "f8", "", "habitual hour of plug-in on weekends"),
    ("weekend_arrival_scatter", "f8", "", "standard deviation of that score"),
    ("departure_score", "f8", "", "habitual hour of plug-out on weekdays, as a normal score"),
    ("departure_scatter", "f8", "", "standard deviation of that score from day to day"),
    ("weekend_departure_score", "f8", "", "habitual hour of plug-out on weekends"),
    ("weekend_departure_scatter", "f8", "", "standard deviation of that score"),
    ("days_ahead", "i8", "", "days of trips that the car is to hold at a departure"),
    ("margin_soc", "f8", "", "SoC that it is to hold beyond them and its minimum"),
)

# How drivers plan ahead. Franke 2014 (TU Chemnitz; 79 drivers of half a year, as the press reported
# it) found 20 to 25 % of the range kept as a buffer, and that people differ (Franke et al. 2012,
# doi:10.1111/j.1464-0597.2011.00474.x). With the default minimum SoC of 10 % the margins come to
# reserves of 15 to 35 %. How many days people look ahead is our assumption.
MOST_DAYS_AHEAD = 3
LEAST_MARGIN_SOC, MOST_MARGIN_SOC = 0.05, 0.25
SOC_NOTCHES = 20  # a SoC is set in an app in whole 5 %

DAY_START_H = 4  # a local day of driving runs from 04:00 to 04:00
HOUR_EDGES = (8, 10, 13, 15, 17, 19, 21)  # hours that part it into eight bins
# Of who leaves before 10:00 the hour of return is drawn; of who leaves later, the time away.
WORK_EDGE_BIN = 2
SCORE_LIMIT = 3.0
SCORES_PER_UNIT = 5  # scores lie 0.2 apart
KNOTS = 31
LONG_GAP_H = (24, 48, 96)  # hours since the last session at which the energy score takes a step
STAY_H = (1, 2, 3, 4, 6)  # hours of the stay at which it takes a step
MIN_MINUTES = 30  # shortest stay and shortest time away
MAX_MINUTES = 7 * DAY_MIN  # longest stay and longest time away
MAX_DAYS = 7

# Rows of the habits table.
SHARES = 0  # 3 columns: shares of the routines among users
EXP = 1  # exp(score): turns a driver's score into odds
MEAN = 2  # + routine: means of the habits' scores, columns in the order of DRIVER_FIELDS
SPREAD = 5  # + 0..4: Cholesky factor of the first habits' covariance; + 5: the others' deviations
PLUG_IN = 11  # columns: odds by bin of departure, weekday then weekend; later days
LEAVE = 12  # columns: odds by bin of arrival, weekday then weekend; later days
ARRIVAL = 13  # + 12 * weekend + kind, which is the routine: hour of plug-in, back the same day;
#               3 + routine: hour, on a later day; 4 + bin of departure, from 2: hours away
DEPARTURE = 37  # + 3 * weekend + routine: hour of plug-out, on a later day
STAY = 43  # + bin of arrival: hours plugged in, leaving the same day
NOISE = 51  # + weekend: scatter of the arrival's score; + 2 + weekend: of the departure's
ENERGY = 55  # kWh at the wall
GAP_STEP = 56  # columns: step of the energy score by time since the last session
STAY_STEP = 57  # columns: step of the energy score by stay
STAY_NOISE = 58  # columns: scatter of the energy score by stay
DISTANCE = 59  # km driven for each kWh at the wall
HABITS = 13
TOGETHER = 5  # so many of the habits, the first ones, are correlated
TABLE_ROWS = 60

# Names of the rows in `calibrated/driving.json`: first row, number of rows.
ROWS_BY_NAME = {
    "shares": (SHARES, 1),
    "mean": (MEAN, 3),
    "spread": (SPREAD, TOGETHER + 1),
    "plug_in_odds": (PLUG_IN, 1),
    "leave_odds": (LEAVE, 1),
    "arrival_h": (ARRIVAL, 24),
    "departure_h": (DEPARTURE, 6),
    "stay_h": (STAY, 8),
    "noise": (NOISE, 4),
    "energy_kwh": (ENERGY, 1),
    "gap_step": (GAP_STEP, 1),
    "stay_step": (STAY_STEP, 1),
    "stay_noise": (STAY_NOISE, 1),
    "km_per_kwh": (DISTANCE, 1),
}


@functools.cache
def habits_table() -> NDArray[np.float64]:
    """The drivers' habits as compiled code reads them, from `calibrated/driving.json`.

    Returns:
        Array (60, 31), read-only: one habit a row, addressed by this module's constants.
    """
    named = figures("driving")["habits"]
    table = np.zeros((TABLE_ROWS, KNOTS))
    table[EXP] = np.exp(np.linspace(-SCORE_LIMIT, SCORE_LIMIT, KNOTS))
    for name, (first, count) in ROWS_BY_NAME.items():
        rows = named[name] if isinstance(named[name][0], list) else [named[name]]
        for row, values in zip(range(first, first + count), rows, strict=True):
            table[row, : len(values)] = values
    table.setflags(write=False)
    return table
