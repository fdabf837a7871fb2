"""n households side by side: it resets rows, steps rows, and owns the arrays of their state.

Each row is one household. The loops over the rows (`loops`) run compiled, and every row is stepped
by the same scalar code (`step`), so a row of many equals a household alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime import threads
from ev_gym.runtime.compiling import as_records, entry_point
from ev_gym.simulation import loops
from ev_gym.simulation.observation import (
    PHYSICAL,
    SCALED,
    observation_bounds,
    observation_scales,
)
from ev_gym.simulation.state_fields import (
    STEP_DTYPE,
    VEHICLE_DTYPE,
    VEHICLE_STEP_DTYPE,
    household_dtype,
)
from ev_gym.simulation.step import AS_DRAWN
from ev_gym.world.tables import Tables
from ev_gym.world.world import World


class ActionError(ValueError):
    """An action is not a number, not finite, or outside the action space."""


class Outputs(NamedTuple):
    """What a reset or a step writes, one row per household.

    Attributes:
        observations: (n, D) float32.
        results: (n,) STEP_DTYPE.
        vehicle_results: (n, K) VEHICLE_STEP_DTYPE.
        rewards: (n,) float64.
        truncated: (n,) bool.
    """

    observations: NDArray[np.float32]
    results: NDArray[Any]
    vehicle_results: NDArray[Any]
    rewards: NDArray[np.float64]
    truncated: NDArray[np.bool_]


class Simulator:
    """n households of one world.

    Args:
        world: The tables that all of them read.
        count: Number of households n.
        observation: "physical" or "scaled", as observations are to be.

    Attributes:
        tables: What the compiled loops read: the world's tables, with the scales of observations.
    """

    def __init__(self, world: World, count: int, observation: str = PHYSICAL) -> None:
        self.world = world
        self.count = count
        self.observation = observation
        self.tables = self._tables()
        self.width = observation_bounds(world)[0].size
        cars = len(world.scenario.vehicles)
        self.households = as_records(np.zeros(count, household_dtype(*world.peaks_shape)))
        self.vehicles = as_records(np.zeros((count, cars), VEHICLE_DTYPE))
        self._no_socs = np.empty(0)
        self._lowest = -1.0 if world.scenario.charger.bidirectional else 0.0
        self._parts = threads.parts(count)
        self._bad_actions: Callable[..., int] | None = None
        self._step_rows: Callable[..., int] | None = None
        self._step_one: Callable[..., tuple[int, float]] | None = None
        self._begin_rows: Callable[..., None] | None = None
        self._report_rows: Callable[..., None] | None = None
        self._mask_rows: Callable[..., int] | None = None

    def __getstate__(self) -> dict[str, Any]:
        machine_code = ("_bad_actions", "_step_rows", "_step_one", "_begin_rows", "_report_rows")
        return vars(self) | dict.fromkeys((*machine_code, "_mask_rows", "tables"))

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.tables = self._tables()

    def _tables(self) -> Tables:
        if self.observation != SCALED:
            return self.world.tables
        scales = observation_scales(self.world.scenario, self.world.window_slot_min)
        scales.flags.writeable = False  # as compiled code knows all tables
        return self.world.tables._replace(observation_scales=scales)

    def outputs(self) -> Outputs:
        """Fresh arrays for what a reset or a step writes."""
        shape = self.vehicles.shape
        return Outputs(
            np.empty((self.count, self.width), np.float32),
            as_records(np.empty(self.count, STEP_DTYPE)),
            as_records(np.empty(shape, VEHICLE_STEP_DTYPE)),
            np.empty(self.count, np.float64),
            np.empty(self.count, np.bool_),
        )

    def seed(self, seeds: NDArray[np.uint64], rows: NDArray[np.int64]) -> None:
        """Give rows (m,) their random streams; the next reset draws each stream's first episode."""
        self.households["key"][rows] = seeds
        self.households["episode"][rows] = 0

    def begin(
        self,
        rows: NDArray[np.int64],
        starts: NDArray[Any] | None = None,
        house: int = AS_DRAWN,
        socs: NDArray[np.float64] | None = None,
    ) -> None:
        """Begin a new episode in some rows.

        Args:
            rows: (m,) row numbers.
            starts: Table of starts to draw from; None: the world's.
            house: The house for all these rows, or AS_DRAWN.
            socs: (K,) SoC of each car at the start, or None for as drawn.
        """
        args = (
            self.households,
            self.vehicles,
            self.tables,
            self.world.starts if starts is None else starts,
            rows,
            house,
            self._no_socs if socs is None else socs,
        )
        if self._begin_rows is None:
            self._begin_rows = entry_point(loops.begin_rows, *args)
        self._begin_rows(*args)

    def report(self, rows: NDArray[np.int64], out: Outputs) -> None:
        """Write what rows (m,) show before a step: observations, and results without any flow."""
        args = (
            self.households,
            self.vehicles,
            self.tables,
            rows,
            out.observations,
            out.results,
            out.vehicle_results,
        )
        if self._report_rows is None:
            self._report_rows = entry_point(loops.report_rows, *args)
        self._report_rows(*args)

    def step(self, actions: NDArray[np.float32], out: Outputs, autoreset: bool) -> int:
        """Step every row, or with `autoreset` begin a new episode where the last one is over.

        Args:
            actions: (n, K) fractions of each car's maximum current, in [0, 1], or [-1, 1] if
                bidirectional.
            out: Where observations, results, rewards and flags go.
            autoreset: Whether rows whose episode is over begin a new one.

        Returns:
            How many rows have reached their horizon.

        Raises:
            ActionError: for a NaN or a number outside that range; nothing has changed then.
        """
        actions = np.ascontiguousarray(actions)
        if self._bad_actions is None:
            self._bad_actions = entry_point(loops.bad_actions, actions, self._lowest)
        if self._bad_actions(actions, self._lowest):
            fine = (actions >= self._lowest) & (actions <= 1.0)
            raise _bad_action(actions, int(fine.argmin()), self._lowest)
        calls = [self._step_args(part, actions, out, autoreset) for part in self._parts]
        if self._step_rows is None:
            self._step_rows = entry_point(loops.step_rows, *calls[0])
        over = threads.run_parts(self._step_rows, calls)
        if not over or not autoreset:
            return over
        # The rows that were over before have waited; a new episode begins there.
        waiting = np.flatnonzero(self.households["over"] > out.truncated)
        if waiting.size == 0:
            return over
        shares = [(rows, out) for rows in threads.shares(waiting)]
        return over - threads.run_parts(self._begin_anew, shares)

    def _begin_anew(self, rows: NDArray[np.int64], out: Outputs) -> int:
        """Begin new episodes in rows (m,) and write what they show; how many rows."""
        self.begin(rows)
        self.report(rows, out)
        return len(rows)

    def _step_args(
        self, part: slice | None, actions: NDArray[np.float32], out: Outputs, autoreset: bool
    ) -> tuple[Any, ...]:
        """What the compiled loop takes, for some of the rows or (None) for all."""
        arrays = (self.households, self.vehicles, actions, *out)
        if part is not None:
            arrays = tuple(array[part] for array in arrays)  # type: ignore[assignment]  # as many
        households, vehicles, actions, *written = arrays
        return households, vehicles, self.tables, autoreset, actions, *written

    def step_one(
        self,
        actions: NDArray[np.float32],
        observation: NDArray[np.float32],
        results: NDArray[Any],
        vehicle_results: NDArray[Any],
        place: int,
    ) -> tuple[bool, float]:
        """Step the first row only: whether its horizon is reached, and the reward.

        Args:
            actions: (K,) contiguous, fractions of each car's maximum current, in [0, 1], or
                [-1, 1] if bidirectional.
            observation: (D,) where the observation goes.
            results: (m,) STEP_DTYPE, history of the household's results.
            vehicle_results: (m, K) VEHICLE_STEP_DTYPE, history of the cars' results.
            place: Row of both histories in which the results go.

        Raises:
            ActionError: for a NaN or a number outside that range; nothing has changed then.
        """
        args = (
            self.households,
            self.vehicles,
            self.tables,
            actions,
            observation,
            results,
            vehicle_results,
            place,
        )
        if self._step_one is None:
            self._step_one = entry_point(loops.step_one, *args)
        over, reward = self._step_one(*args)
        if over < 0:
            raise _bad_action(actions[np.newaxis], -1 - over, self._lowest)
        return over > 0, reward

    def action_masks(
        self, fractions: NDArray[np.float32], of_car: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """(n, C) which choices of the coming step can do anything else than a fraction of 0.

        Args:
            fractions: (C,) of all choices of all cars, as in `ActionMap.choices`.
            of_car: (C,) the car of each.
        """
        masks = np.empty((self.count, len(fractions)), np.bool_)
        tables = self.tables
        calls = [
            (self.households, self.vehicles, tables, fractions, of_car, masks)
            if part is None
            else (
                self.households[part],
                self.vehicles[part],
                tables,
                fractions,
                of_car,
                masks[part],
            )
            for part in self._parts
        ]
        if self._mask_rows is None:
            self._mask_rows = entry_point(loops.mask_rows, *calls[0])
        threads.run_parts(self._mask_rows, calls)
        return masks

    def settlements(self) -> NDArray[np.float64]:
        """(n,) value of the change in stored energy since each episode began; 0 before its end.

        The change of all batteries in kWh at the mean all-in price of the cheapest quarter of the
        episode's hours.
        """
        return np.array(self.households["settlement"])


def _bad_action(actions: NDArray[np.float32], place: int, lowest: float) -> ActionError:
    row, car = divmod(place, actions.shape[1])
    where = f" in row {row}" if len(actions) > 1 else ""
    return ActionError(
        f"action of vehicle {car}{where} is {float(actions[row, car])!r}; allowed: a number from "
        f"{lowest:g} to 1"
    )
