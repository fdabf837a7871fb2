"""What training may know beyond an observation: a potential, and more numbers for a critic.

A month's power charge is paid the moment a peak rises, however early in the month; what the house
alone would have owed by its end is given back in pieces later. That is right over a month and hard
to learn from. The potential moves these payments to where they are decided, and changes no return.

With C the power charge so far this month, with the cars, C_h the same of the house alone, and E_h
what the house alone will owe at the month's end, the potential of a state is

    potential = (C - C_h) - max(0, C - E_h),

so that reward plus the rise of the potential holds, in place of the power charge, minus the rise of
what C exceeds E_h by. It is 0 as a month begins (C = C_h <= E_h) and as it ends (C_h = E_h <= C),
so over whole months the sum of rewards is the same, whatever is done. With a discount g the shaped
reward is r + g * potential(next) - potential; that this leaves every policy's rank as it is shows
Ng, Harada and Russell 1999, "Policy invariance under reward transformations", ICML.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.physics.power_charge import (
    LOWEST,
    MONTH,
    PRICE,
    PowerTables,
    others_kw,
    pass_alone,
    step_of,
)
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.durations import DAY_MIN, HOUR_MIN, QUARTER_MIN
from ev_gym.runtime.records import HouseholdState, Records
from ev_gym.simulation.simulator import Simulator


@compiled
def _owed(peaks_kw: Floats, interval_kw: Floats, power: PowerTables, power_class: int) -> float:
    """The power charge of peaks so far (R, places) and running intervals (R,), as priced now."""
    owed = 0.0
    for rule in range(power.rules.shape[0]):
        count = power.rules[rule].count
        total_kw = others_kw(peaks_kw, rule, count)
        total_kw += max(peaks_kw[rule, LOWEST], interval_kw[rule])
        if power.rules[rule].steps == 0:
            owed += power.rates[power_class, rule, PRICE] * total_kw
        else:
            step = step_of(power.step_limits[power_class, rule], total_kw / count)
            owed += power.step_prices[power_class, rule, step]
    return owed


@compiled
def _potentials(
    households: Records[HouseholdState],
    power: PowerTables,
    month_rows: NDArray[np.int64],
    owed_at_end: Floats,
    out: Floats,
) -> None:
    """Potential (n, 2) and what the house alone will still add to its charge."""
    for i in range(households.shape[0]):
        household = households[i]
        kind = household.power_class
        owed = _owed(household.peaks_kw, household.interval_kw, power, kind)
        alone = _owed(household.house_peaks_kw, household.house_interval_kw, power, kind)
        row = month_rows[household.place_min // HOUR_MIN]
        at_end = max(alone, owed_at_end[household.house, row])
        out[i, 0] = owed - alone - max(0.0, owed - at_end)
        out[i, 1] = at_end - alone


class Privileged:
    """What the simulator knows and a household does not, of all rows.

    Args:
        simulator: The rows' simulator.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        scenario = simulator.world.scenario
        self._has_charge = scenario.tariff.has_power_charge
        self._battery_kwh = np.array([vehicle.battery_kwh for vehicle in scenario.vehicles])
        self.names = (
            "house_will_add",
            *(
                f"{name}_{k}"
                for name in ("back", "stay", "wanted", "trip")
                for k in range(len(scenario.vehicles))
            ),
        )
        if self._has_charge:
            self._month_rows, self._owed_at_end = _months(simulator)

    def __call__(self) -> tuple[Floats, NDArray[np.float32]]:
        """The potential (n,) in the scenario's currency, and the critic's vector (n, P)."""
        households, vehicles = self._simulator.households, self._simulator.vehicles
        charge = np.zeros((len(households), 2))
        if self._has_charge:
            power = self._simulator.tables.power
            _potentials(households, power, self._month_rows, self._owed_at_end, charge)
        now_min = np.asarray(households["now_min"])[:, None]
        from_min = np.maximum(now_min, vehicles["arrival_min"])
        columns = [
            charge[:, 1:] / 100.0,
            np.clip((vehicles["arrival_min"] - now_min) / DAY_MIN, 0.0, 3.0),
            np.clip((vehicles["departure_min"] - from_min) / DAY_MIN, 0.0, 3.0),
            vehicles["wanted_soc"],
            vehicles["trip_kwh"] / 20.0,
        ]
        return charge[:, 0], np.concatenate(columns, axis=1).astype(np.float32)


def _months(simulator: Simulator) -> tuple[NDArray[np.int64], Floats]:
    """For each hour the row of its month, and what each house alone owes at each month's end."""
    tables = simulator.tables
    hours, power, settings = tables.hours, tables.power, tables.settings[0]
    opens = np.asarray(hours["opens"])
    begins = np.flatnonzero(opens & MONTH)
    rows = np.searchsorted(begins, np.arange(len(hours)), side="right") - 1
    ends = np.append(begins[1:], len(hours))
    houses = tables.load_kw.shape[0]
    owed = np.zeros((houses, len(begins)))
    shape = power.house_peaks_kw.shape[2:]
    for m, end in enumerate(ends):
        day = power.day_rows[end - 1]
        first = int(np.searchsorted(power.day_rows, day))
        kind = int(power.power_class[-1 if end == len(hours) else _slot(settings, end) - 1])
        for house in range(houses):
            peaks_kw = power.house_peaks_kw[house, day].copy().reshape(shape)
            interval_kw = np.zeros(shape[0])
            pass_alone(
                peaks_kw, interval_kw, settings, hours, power, house, first * HOUR_MIN,
                int(end) * HOUR_MIN,
            )  # fmt: skip
            owed[house, m] = _owed(peaks_kw, interval_kw, power, kind)
    return rows, owed


def _slot(settings: Any, hour: int) -> int:
    return hour * (HOUR_MIN // QUARTER_MIN) >> int(settings["load_shift"])
