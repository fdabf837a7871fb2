"""Action spaces, and from an action to the fractions of maximum current that the physics takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ev_gym.physics.charger import FLOOR_A
from ev_gym.scenario import Scenario, Vehicle
from ev_gym.scenario.charger import at_charger
from ev_gym.simulation.simulator import ActionError

FLOAT32 = np.dtype(np.float32)  # one object for all arrays of it, other than in byte order


def level_fractions(scenario: Scenario, vehicle: Vehicle) -> NDArray[np.float32]:
    """The action of each level of a charger for a car: 0, then 6 A, 7 A and on; or its powers.

    Where phases are switched, 6 to 17 A on one phase come before 6 A on three. A bidirectional
    charger's levels begin with the largest current of discharging.
    """
    levels_kw = scenario.charger.levels_kw
    if levels_kw is not None:
        steps, top = [float(k) for k in range(len(levels_kw))], len(levels_kw) - 1
    else:
        limits = at_charger(vehicle, scenario.charger)
        top, floor_a = limits.max_current_a, int(FLOOR_A)
        # Three amperes on one phase are one on three.
        on_one = range(floor_a, min(limits.one_phase_a, 3 * floor_a - 1) + 1)
        steps = [0.0, *(current_a / 3 for current_a in on_one), *range(floor_a, top + 1)]
        if scenario.charger.bidirectional:
            steps = [-step for step in steps[:0:-1]] + steps
    return np.array([step / top for step in steps], np.float32)


class ActionMap:
    """The action space of a scenario.

    Args:
        scenario: The scenario.
        continuous: True for `Box(0, 1, (K,))`, with a bidirectional charger `Box(-1, 1, (K,))`;
            False for `Discrete` (K = 1) or `MultiDiscrete`.
    """

    def __init__(self, scenario: Scenario, continuous: bool) -> None:
        self.cars = len(scenario.vehicles)
        self.continuous = continuous
        self.levels = [level_fractions(scenario, vehicle) for vehicle in scenario.vehicles]
        self.space: spaces.Space[Any]
        if continuous:
            lowest = -1.0 if scenario.charger.bidirectional else 0.0
            self.space = spaces.Box(lowest, 1.0, (self.cars,), np.float32)
        elif self.cars == 1:
            self.space = spaces.Discrete(len(self.levels[0]))
        else:
            self.space = spaces.MultiDiscrete([len(levels) for levels in self.levels])

    def own_fractions(self, action: Any) -> NDArray[np.float32]:
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
        """The actions of some rows as fractions, (rows, K) float32; the caller's array is kept.

        Args:
            actions: (rows, K), for one row also (K,); discrete with one car (rows,) or a number.
            rows: Number of rows.

        Raises:
            ActionError: for a wrong shape or type, or a level that does not exist. Whether
                fractions lie in the action space is checked where they are used.
        """
        if self.continuous:
            # A read-only or strided array would have the loops compiled once more for its kind.
            plain = type(actions) is np.ndarray and actions.dtype == np.float32
            given: NDArray[np.float32] = actions
            if not (plain and actions.flags.carray):
                given = as_numbers(actions, continuous=True)
            if given.shape == (rows, self.cars):
                return given
            if given.size == rows * self.cars and given.shape[-1:] == (self.cars,):
                return given.reshape(rows, self.cars)
            raise ActionError(
                f"action has shape {given.shape}; allowed: {self._shape(rows, (self.cars,))}"
            )
        return self._from_levels(as_numbers(actions, continuous=False), rows)

    def _from_levels(self, actions: NDArray[np.int64], rows: int) -> NDArray[np.float32]:
        own: tuple[int, ...] = () if self.cars == 1 else (self.cars,)
        if actions.size != rows * self.cars or actions.shape not in ((rows, *own), own):
            raise ActionError(
                f"action has shape {actions.shape}; allowed: {self._shape(rows, own)}"
            )
        chosen = actions.reshape(rows, self.cars)
        fractions = np.empty((rows, self.cars), np.float32)
        for k, levels in enumerate(self.levels):
            bad = (chosen[:, k] < 0) | (chosen[:, k] >= len(levels))
            if bad.any():
                raise ActionError(
                    f"action of vehicle {k} is {chosen[bad, k][0]}; allowed: a whole number from 0 "
                    f"to {len(levels) - 1}"
                )
            fractions[:, k] = levels[chosen[:, k]]
        return fractions

    def _shape(self, rows: int, own: tuple[int, ...]) -> str:
        return f"{own}" if rows == 1 else f"{(rows, *own)}"


def as_numbers(actions: Any, continuous: bool) -> NDArray[Any]:
    """Actions of any shape as contiguous float32 (`continuous`) or int64 (discrete).

    Raises:
        ActionError: where they are not such numbers.
    """
    dtype = np.float32 if continuous else np.int64
    try:
        given = np.asarray(actions)
        with np.errstate(over="ignore"):
            return given.astype(dtype, order="C", casting="same_kind")
    except (TypeError, ValueError):
        allowed = "a number" if continuous else "a whole number"
        raise ActionError(f"action is {actions!r}; allowed: {allowed} for each vehicle") from None
