"""Action spaces, and how actions become the fractions of maximum current that physics reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ev_gym.physics.charger import FLOOR_A
from ev_gym.scenario import Scenario, Vehicle
from ev_gym.scenario.charger import at_charger
from ev_gym.simulation.simulator import ActionError

# NumPy has one object for this type in the machine's byte order, so `is` recognises it.
FLOAT32 = np.dtype(np.float32)


def level_fractions(scenario: Scenario, vehicle: Vehicle) -> NDArray[np.float32]:
    """(L,) for each level of a charger, the fraction of the car's maximum current that asks for it.

    The levels are 0, 6 A, 7 A and so on, or the charger's power levels. Where the charger switches
    phases, 6 to 17 A on one phase come before 6 A on three, and 6 to 11 A before 6 A on two. The
    levels of a bidirectional charger begin with the largest current of discharging.
    """
    levels_kw = scenario.charger.levels_kw
    if levels_kw is not None:
        steps, top = [float(k) for k in range(len(levels_kw))], len(levels_kw) - 1
    else:
        limits = at_charger(vehicle, scenario.charger)
        top, floor_a = limits.max_current_a, int(FLOOR_A)
        # A fraction means a current on all phases; 3 A on one phase give as much power as 1 A on
        # three.
        phases = limits.phases
        one_phase_a = range(floor_a, min(limits.one_phase_a, phases * floor_a - 1) + 1)
        steps = [0.0, *(current_a / phases for current_a in one_phase_a), *range(floor_a, top + 1)]
        if scenario.charger.bidirectional:
            steps = [-step for step in steps[:0:-1]] + steps
    return np.array([step / top for step in steps], np.float32)


class ActionMap:
    """The action space of a scenario, and the way from its actions to fractions.

    Args:
        scenario: The scenario.
        continuous: True for `Box(0, 1, (K,))`, with a bidirectional charger `Box(-1, 1, (K,))`;
            False for `Discrete` (K = 1) or `MultiDiscrete`.

    Attributes:
        choices: Of discrete actions the fraction (C,) and the car (C,) of each choice, those of
            the first car first; of continuous ones nothing (0,).
    """

    def __init__(self, scenario: Scenario, continuous: bool) -> None:
        self.cars = len(scenario.vehicles)
        self.continuous = continuous
        self.levels = [level_fractions(scenario, vehicle) for vehicle in scenario.vehicles]
        of_cars = [] if continuous else self.levels
        self.choices = (
            np.concatenate([np.empty(0, np.float32), *of_cars]),
            np.repeat(np.arange(len(of_cars)), [len(levels) for levels in of_cars]),
        )
        self.space: spaces.Space[Any]
        if continuous:
            lowest = -1.0 if scenario.charger.bidirectional else 0.0
            self.space = spaces.Box(lowest, 1.0, (self.cars,), np.float32)
        elif self.cars == 1:
            self.space = spaces.Discrete(len(self.levels[0]))
        else:
            self.space = spaces.MultiDiscrete([len(levels) for levels in self.levels])

    def fractions_of_one(self, action: Any) -> NDArray[np.float32]:
        """The action of a single household as fractions, (K,) float32 contiguous."""
        if (
            self.continuous
            and type(action) is np.ndarray
            and action.dtype is FLOAT32
            and action.shape == (self.cars,)
            and action.flags.carray
        ):
            return action
        fractions: NDArray[np.float32] = self.fractions(action, 1)[0]
        return fractions

    def fractions(self, actions: Any, rows: int) -> NDArray[np.float32]:
        """The actions of some rows as fractions, (rows, K) float32, without a copy if possible.

        Args:
            actions: (rows, K); for one row also (K,). Discrete actions of one car: (rows,); for one
                row also a number.
            rows: Number of rows.

        Raises:
            ActionError: for a wrong shape or type, or a level that does not exist. Whether
                fractions lie in the action space is checked where they are used.
        """
        if self.continuous:
            # For a read-only or a strided array Numba would compile the loops anew, so these are
            # copied.
            plain = type(actions) is np.ndarray and actions.dtype == np.float32
            fractions: NDArray[np.float32] = actions
            if not (plain and actions.flags.carray):
                fractions = as_numbers(actions, continuous=True)
            if fractions.shape == (rows, self.cars):
                return fractions
            if fractions.size == rows * self.cars and fractions.shape[-1:] == (self.cars,):
                return fractions.reshape(rows, self.cars)
            allowed = self._shape(rows, (self.cars,))
            raise ActionError(f"action has shape {fractions.shape}; allowed: {allowed}")
        return self._from_levels(as_numbers(actions, continuous=False), rows)

    def _from_levels(self, actions: NDArray[np.int64], rows: int) -> NDArray[np.float32]:
        of_row: tuple[int, ...] = () if self.cars == 1 else (self.cars,)
        if actions.size != rows * self.cars or actions.shape not in ((rows, *of_row), of_row):
            raise ActionError(
                f"action has shape {actions.shape}; allowed: {self._shape(rows, of_row)}"
            )
        indices = actions.reshape(rows, self.cars)
        fractions = np.empty((rows, self.cars), np.float32)
        for k, levels in enumerate(self.levels):
            bad = (indices[:, k] < 0) | (indices[:, k] >= len(levels))
            if bad.any():
                raise ActionError(
                    f"action of vehicle {k} is {indices[bad, k][0]}; allowed: a whole number from "
                    f"0 to {len(levels) - 1}"
                )
            fractions[:, k] = levels[indices[:, k]]
        return fractions

    def _shape(self, rows: int, of_row: tuple[int, ...]) -> str:
        return f"{of_row}" if rows == 1 else f"{(rows, *of_row)}"


def as_numbers(actions: Any, continuous: bool) -> NDArray[Any]:
    """Actions of any shape as contiguous float32 (`continuous`) or int64 (discrete).

    Raises:
        ActionError: if they are not such numbers.
    """
    dtype = np.float32 if continuous else np.int64
    try:
        array = np.asarray(actions)
        with np.errstate(over="ignore"):
            return array.astype(dtype, order="C", casting="same_kind")
    except (TypeError, ValueError):
        allowed = "a number" if continuous else "a whole number"
        raise ActionError(f"action is {actions!r}; allowed: {allowed} for each vehicle") from None
