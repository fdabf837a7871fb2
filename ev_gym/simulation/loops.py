"""The compiled loops over rows: each row is one household, stepped by the same scalar code.

Each row holds what `ev_gym.simulation.step` takes for one household. The shapes are those of n
households with K cars each, S starts, and observations of length D.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ev_gym.physics.charger import does_nothing
from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.compiling import compiled
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
def mask_rows(
    households: Records[HouseholdState],
    vehicles: Records[Records[VehicleState]],
    tables: Tables,
    fractions: NDArray[np.float32],
    of_car: Ints,
    masks: NDArray[np.bool_],
) -> int:
    """Write which choices of the coming step can do anything else than a fraction of 0.

    Args:
        households: (n,) state.
        vehicles: (n, K) state of the cars, after as before.
        tables: What the world holds.
        fractions: (C,) of all choices of all cars.
        of_car: (C,) the car of each.
        masks: (n, C) written; True also for a fraction of 0.

    Returns:
        0, since callers of loops over parts add up what these return.
    """
    cars, levels_kw = tables.cars, tables.levels_kw
    for i in range(households.shape[0]):
        now_min, of_row = households[i].now_min, vehicles[i]
        for choice in range(fractions.shape[0]):
            fraction, k = float(fractions[choice]), of_car[choice]
            masks[i, choice] = fraction == 0.0 or not does_nothing(
                of_row[k], cars[k], levels_kw, now_min, fraction
            )
    return 0


@compiled
def bad_actions(actions: NDArray[np.float32], lowest: float) -> int:
    """How many actions (n, K) are no number from `lowest` to 1."""
    bad = 0
    for action in actions.flat:
        bad += not lowest <= action <= 1.0
    return bad


@compiled
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


@compiled
def _read_series_all(households: Records[HouseholdState], tables: Tables, truncated: Bools) -> int:
    """What the coming step of each row brings; how many rows have reached their horizon."""
    over = 0
    for i in range(households.shape[0]):
        read_series(households[i], tables)
        truncated[i] = households[i].over != 0
        over += households[i].over
    return over


@compiled
def _observe_all(
    households: Records[HouseholdState],
    vehicles: Records[Records[VehicleState]],
    tables: Tables,
    observations: NDArray[np.float32],
) -> None:
    for i in range(households.shape[0]):
        observe(households[i], vehicles[i], tables, observations[i])


@compiled
def _block_end(households: Records[HouseholdState], first: int, autoreset: bool) -> int:
    """Where the block that begins with row `first` ends: at most BLOCK_ROWS on.

    With `autoreset` it ends before the next row whose episode was over before.
    """
    end = min(first + BLOCK_ROWS, households.shape[0])
    if autoreset:
        for i in range(first + 1, end):
            if households[i].over != 0:
                return i
    return end


@compiled
def step_rows(
    households: Records[HouseholdState],
    vehicles: Records[Records[VehicleState]],
    tables: Tables,
    autoreset: bool,
    actions: NDArray[np.float32],
    observations: NDArray[np.float32],
    results: Records[StepResult],
    vehicle_results: Records[Records[VehicleResult]],
    rewards: Floats,
    truncated: Bools,
) -> int:
    """Step every row, or with `autoreset` those rows whose episode is not over.

    A block of rows stays in the cache from loop to loop, and each loop does one thing. The rows
    stand at different times of the series, so what they look up there is seldom in the cache: in a
    loop of its own the processor fetches that for many rows at once, where in one big loop each
    row would wait alone.

    Args:
        households: (n,) state, before and after.
        vehicles: (n, K) state of the cars, before and after.
        tables: What the world holds.
        autoreset: Whether a row whose episode was over before stays as it is, for `begin_rows` to
            begin a new one. Its reward is 0 and it is not truncated.
        actions: (n, K) fractions of each car's maximum current, in [-1, 1].
        observations: (n, D) what is known before the next step, written.
        results: (n,) results of the households, written.
        vehicle_results: (n, K) results of the cars, written.
        rewards: (n,) written.
        truncated: (n,) whether the horizon is reached, written.

    Returns:
        In how many rows the episode is over.
    """
    over = 0
    first = 0
    while first < households.shape[0]:
        if autoreset and households[first].over != 0:
            rewards[first], truncated[first] = 0.0, False
            over += 1
            first += 1
            continue
        end = _block_end(households, first, autoreset)
        block, block_vehicles = households[first:end], vehicles[first:end]
        _step_all(
            block,
            block_vehicles,
            tables,
            actions[first:end],
            results[first:end],
            vehicle_results[first:end],
            rewards[first:end],
        )
        over += _read_series_all(block, tables, truncated[first:end])
        _observe_all(block, block_vehicles, tables, observations[first:end])
        first = end
    return int(over)


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
