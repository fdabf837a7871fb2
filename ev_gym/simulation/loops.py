"""The compiled loops over rows: each row is one household, stepped by the same scalar code.

Each row holds what `ev_gym.simulation.step` takes for one household. The shapes are those of n
households with K cars each, S starts, and observations of length D.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.compiling import compiled, compiled_apart
from ev_gym.runtime.records import (
    EpisodeStart,
    HouseholdState,
    Records,
    StepResult,
    VehicleResult,
    VehicleState,
)
from ev_gym.simulation.observation import observe
from ev_gym.simulation.step import (
    AS_DRAWN,
    begin_episode,
    read_series,
    report_start,
    step_household,
)
from ev_gym.world.tables import Tables

BLOCK_ROWS = 64


@compiled
def begin_rows(
    households: Records[HouseholdState],
    vehicles: Records[Records[VehicleState]],
    tables: Tables,
    starts: Records[EpisodeStart],
    rows: Ints,
    house: int,
    socs: Floats,
) -> None:
    """Draw a new episode for some of the rows.

    Args:
        households: (n,) state.
        vehicles: (n, K) state of the cars.
        tables: What the world holds.
        starts: (S,) where episodes may begin.
        rows: (m,) numbers of the rows.
        house: Number of the house of all these rows, or AS_DRAWN.
        socs: (K,) SoC of each car at the start, or (0,) for as drawn.
    """
    for i in rows:
        begin_episode(households[i], vehicles[i], tables, starts, house, socs)


@compiled
def report_rows(
    households: Records[HouseholdState],
    vehicles: Records[Records[VehicleState]],
    tables: Tables,
    rows: Ints,
    observations: NDArray[np.float32],
    results: Records[StepResult],
    vehicle_results: Records[Records[VehicleResult]],
) -> None:
    """Write what some of the rows show before a step.

    Args:
        households: (n,) state.
        vehicles: (n, K) state of the cars.
        tables: What the world holds.
        rows: (m,) numbers of the rows.
        observations: (n, D), of which these rows are written, as of the results.
        results: (n,) results of the households.
        vehicle_results: (n, K) results of the cars.
    """
    for i in rows:
        report_start(households[i], vehicles[i], tables, results[i], vehicle_results[i])
        observe(households[i], vehicles[i], tables, observations[i])


@compiled
def bad_actions(actions: NDArray[np.float32], lowest: float) -> int:
    """How many actions (n, K) are no number from `lowest` to 1."""
    bad = 0
    for action in actions.flat:
        bad += not lowest <= action <= 1.0
    return bad


@compiled_apart
def _begin_or_step(
    household: HouseholdState,
    vehicles: Records[VehicleState],
    tables: Tables,
    starts: Records[EpisodeStart],
    actions: NDArray[np.float32],
    no_socs: Floats,
    result: StepResult,
    vehicle_results: Records[VehicleResult],
) -> float:
    """A new episode where the last one is over, else a step; the reward."""
    if household.over != 0:
        begin_episode(household, vehicles, tables, starts, AS_DRAWN, no_socs)
        report_start(household, vehicles, tables, result, vehicle_results)
        return 0.0
    return step_household(household, vehicles, tables, actions, result, vehicle_results)


@compiled_apart
def _step_all(
    households: Records[HouseholdState],
    vehicles: Records[Records[VehicleState]],
    tables: Tables,
    actions: NDArray[np.float32],
    results: Records[StepResult],
    vehicle_results: Records[Records[VehicleResult]],
    rewards: Floats,
) -> None:
    for i in range(households.shape[0]):
        rewards[i] = step_household(
            households[i], vehicles[i], tables, actions[i], results[i], vehicle_results[i]
        )


@compiled_apart
def _read_series_all(households: Records[HouseholdState], tables: Tables, truncated: Bools) -> int:
    """What the coming step of each row brings; how many rows have reached their horizon."""
    ended = 0
    for i in range(households.shape[0]):
        read_series(households[i], tables)
        truncated[i] = households[i].over != 0
        ended += households[i].over
    return ended


@compiled_apart
def _observe_all(
    households: Records[HouseholdState],
    vehicles: Records[Records[VehicleState]],
    tables: Tables,
    observations: NDArray[np.float32],
) -> None:
    for i in range(households.shape[0]):
        observe(households[i], vehicles[i], tables, observations[i])


@compiled
def step_rows(
    households: Records[HouseholdState],
    vehicles: Records[Records[VehicleState]],
    tables: Tables,
    starts: Records[EpisodeStart],
    autoreset: bool,
    actions: NDArray[np.float32],
    no_socs: Floats,
    observations: NDArray[np.float32],
    results: Records[StepResult],
    vehicle_results: Records[Records[VehicleResult]],
    rewards: Floats,
    truncated: Bools,
) -> int:
    """Step every row, or with `autoreset` begin a new episode where the last one is over.

    A block of rows stays in the cache from loop to loop, and each loop does one thing. The rows
    stand at different times of the series, so what they look up there is seldom in the cache: in a
    loop of its own the processor fetches that for many rows at once, where in one big loop each
    row would wait alone.

    Args:
        households: (n,) state, before and after.
        vehicles: (n, K) state of the cars, before and after.
        tables: What the world holds.
        starts: (S,) where new episodes may begin.
        autoreset: Whether rows whose episode is over begin a new one instead of stepping.
        actions: (n, K) fractions of each car's maximum current, in [-1, 1].
        no_socs: (0,), because new episodes begin as drawn.
        observations: (n, D) what is known before the next step, written.
        results: (n,) results of the households, written.
        vehicle_results: (n, K) results of the cars, written.
        rewards: (n,) written.
        truncated: (n,) whether the horizon is reached, written.

    Returns:
        How many rows have reached their horizon.
    """
    ended = 0
    for first in range(0, households.shape[0], BLOCK_ROWS):
        end = min(first + BLOCK_ROWS, households.shape[0])
        block, block_vehicles = households[first:end], vehicles[first:end]
        block_actions, block_rewards = actions[first:end], rewards[first:end]
        block_results, block_vehicle_results = results[first:end], vehicle_results[first:end]
        over = 0
        for i in range(block.shape[0]):
            over += block[i].over
        if autoreset and over > 0:
            for i in range(block.shape[0]):
                block_rewards[i] = _begin_or_step(
                    block[i],
                    block_vehicles[i],
                    tables,
                    starts,
                    block_actions[i],
                    no_socs,
                    block_results[i],
                    block_vehicle_results[i],
                )
        else:
            _step_all(
                block,
                block_vehicles,
                tables,
                block_actions,
                block_results,
                block_vehicle_results,
                block_rewards,
            )
        ended += _read_series_all(block, tables, truncated[first:end])
        _observe_all(block, block_vehicles, tables, observations[first:end])
    return int(ended)


@compiled
def step_one(
    household: Records[HouseholdState],
    vehicles: Records[Records[VehicleState]],
    tables: Tables,
    actions: NDArray[np.float32],
    observation: NDArray[np.float32],
    results: Records[StepResult],
    vehicle_results: Records[Records[VehicleResult]],
    place: int,
) -> tuple[int, float]:
    """Step one household and write its results into one row of their history.

    Args:
        household: (1,) state, before and after.
        vehicles: (1, K) state of the cars, before and after.
        tables: What the world holds.
        actions: (K,) fractions of each car's maximum current, in [-1, 1].
        observation: (D,) what is known before the next step, written.
        results: (m,) history of the household's results.
        vehicle_results: (m, K) history of the cars' results.
        place: Row of both histories that is written.

    Returns:
        1 at the horizon, else 0, and the reward. Where the action of car k is bad the first number
        is -1 - k, and nothing has changed.
    """
    lowest = -1.0 if tables.settings[0].bidirectional != 0 else 0.0
    for k in range(actions.shape[0]):
        if not lowest <= actions[k] <= 1.0:
            return -1 - k, 0.0
    reward = step_household(
        household[0], vehicles[0], tables, actions, results[place], vehicle_results[place]
    )
    read_series(household[0], tables)
    observe(household[0], vehicles[0], tables, observation)
    return int(household[0].over), reward
