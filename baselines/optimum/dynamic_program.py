"""One car's best decisions by dynamic programming over the compiled dynamics themselves.

Backwards over the steps, for each energy of a grid, the value of the best decision is

    V_t(E) = max over levels a of r_t(E, a) + V_{t+1}(E'_t(E, a)),  V_T(E) = settlement price * E,

where reward r and next energy E' are what `step_household` of the env makes of the household's
record with E kWh in the battery. Nothing of the physics is written down a second time. Between the
points of the grid V is interpolated linearly. Then, forwards from the real state, each step takes
the level that is best by r and V, by the real dynamics; so the bill that comes out is real.

Where few states can be reached at all, the grid holds each of them, and V is exact. Otherwise its
points lie `SPACING_KWH` apart between the lowest and the highest energy that can be reached; the
energy wanted at the next departure is one of them, because V bends there.

What else a bill depends on is not part of the state and is left out of V: the power charge (limits
on the car's power in each step, `most_kw`, stand in for it), heat and ageing (prices on energy held
and taken out stand in for them), and switches of phases with their pauses and holds. Heat, ageing
and phases are heeded by the forward pass, which starts every step from the real record.

Such limits and prices are assumptions, of which several are tried. Most of the time goes to finding
r and E', which are the same under all; so V is worked out under several of them side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.foresight import Future
from ev_gym.runtime.arrays import Floats, Ints
from ev_gym.runtime.compiling import as_records, compiled, compiled_apart
from ev_gym.runtime.records import (
    HouseholdState,
    Records,
    StepResult,
    VehicleResult,
    VehicleState,
)
from ev_gym.simulation.actions import level_fractions
from ev_gym.simulation.state_fields import (
    STEP_DTYPE,
    VEHICLE_DTYPE,
    VEHICLE_STEP_DTYPE,
)
from ev_gym.simulation.step import read_series, step_household
from ev_gym.world.tables import Tables

SPACING_KWH = 0.25
# All reachable states are found where that takes no more trials, each of one level in one state.
EXACT_TRIALS = 300_000
SAME_KWH = 1e-9
NO_CAR = -1
# Last axis of `Problem.most_kw`.
DRAWN, GRANTED = 0, 1


class Scratch(NamedTuple):
    """Records on which compiled code tries a step.

    Attributes:
        household: (1,) state of the household.
        vehicles: (K,) states of its cars.
        actions: (K,) fractions of each car's maximum current.
        result: (1,) what the step reports of the household.
        vehicle_results: (K,) what it reports of each car.
    """

    household: Records[HouseholdState]
    vehicles: Records[VehicleState]
    actions: NDArray[np.float32]
    result: Records[StepResult]
    vehicle_results: Records[VehicleResult]


class WearPrices(NamedTuple):
    """Prices that stand for wear, of which V knows nothing.

    Attributes:
        holding: Of a kWh held in the battery for an hour.
        cycling: Of a kWh taken out of the battery by discharging.
        power: Of a kWh drawn or fed back, for each kW of its power.
    """

    holding: float = 0.0
    cycling: float = 0.0
    power: float = 0.0


FREE = WearPrices()
HOLDING, CYCLING, POWER = 0, 1, 2  # last axis of `Problem.prices`
NO_LIMITS = np.empty((0, 0, 2))


class Problem(NamedTuple):
    """One car's decisions while the other cars' stand, under A assumptions; for compiled code.

    Attributes:
        tables: Of a world without power charge and ageing.
        car: The car that decides; NO_CAR: none does.
        levels: (L,) its levels as actions, idle first, then by their size.
        actions: (T, K) all cars' actions; the forward pass writes the car's.
        most_kw: (A, T, 2) AC power above which no level is allowed: DRAWN on average in the step,
            and GRANTED by the charger.
        prices: (A, 3) `WearPrices`, what stands for wear.
        scratch: Records on which levels are tried.
    """

    tables: Tables
    car: int
    levels: NDArray[np.float32]
    actions: NDArray[np.float32]
    most_kw: Floats
    prices: Floats
    scratch: Scratch


class Grid(NamedTuple):
    """The energies at which V is known before each step and at the end.

    Attributes:
        energies: Of all steps one after the other (kWh), rising within a step.
        first: (T + 2,) where each step's energies begin, and the end of the last ones.
    """

    energies: Floats
    first: Ints


class Run(NamedTuple):
    """An episode by the real dynamics, T steps and K cars.

    Attributes:
        actions: (T, K) float32.
        households: (T + 1,) the household's record before each step and at the end.
        vehicles: (T + 1, K) the cars' records at the same times.
        charge_kw: (T, K) mean AC power; below 0 it is fed back.
        rewards: (T,) of the steps.
        cost: Minus the sum of all rewards, less the settlement.
    """

    actions: NDArray[np.float32]
    households: NDArray[Any]
    vehicles: NDArray[Any]
    charge_kw: Floats
    rewards: Floats
    cost: float


@compiled
def _try_level(
    problem: Problem,
    household: HouseholdState,
    vehicles: Records[VehicleState],
    step: int,
    energy_kwh: float,
    level: float,
) -> float:
    """The reward of a level in a step, from some energy.

    The state after the step, and what the step reports, are left in the problem's `scratch`.
    """
    scratch, car = problem.scratch, problem.car
    after = scratch.vehicles
    scratch.household[0] = household
    for k in range(after.shape[0]):
        after[k] = vehicles[k]
        scratch.actions[k] = problem.actions[step, k]
    after[car].energy_kwh = energy_kwh
    scratch.actions[car] = level
    return step_household(
        scratch.household[0],
        after,
        problem.tables,
        scratch.actions,
        scratch.result[0],
        scratch.vehicle_results,
    )


@compiled
def _worth(problem: Problem, assumption: int, step: int, level: float, reward: float) -> float:
    """What a level just tried is worth by itself; -inf where the assumption does not allow it."""
    after = problem.scratch.vehicles[problem.car]
    vehicle_result = problem.scratch.vehicle_results[problem.car]
    charge_kw = vehicle_result.charge_kw
    most_kw, prices = problem.most_kw[assumption, step], problem.prices[assumption]
    if level != 0.0 and (charge_kw > most_kw[DRAWN] or after.offered_kw > most_kw[GRANTED]):
        return -math.inf
    step_h = problem.tables.settings[0].step_h
    worth = reward - prices[HOLDING] * after.energy_kwh * step_h
    worth -= prices[CYCLING] * max(0.0, -vehicle_result.stored_kwh)
    return float(worth - prices[POWER] * charge_kw * charge_kw * step_h)


@compiled
def _place(grid: Grid, step: int, energy_kwh: float, near: int) -> tuple[int, int, float]:
    """Between which two energies before a step one lies, and how far from the first to the second.

    Beyond the grid both are its end. The search begins `near` a place, since the levels of a car
    lead from one energy to the next.
    """
    first, last = grid.first[step], grid.first[step + 1] - 1
    if energy_kwh <= grid.energies[first]:
        return first, first, 0.0
    if energy_kwh >= grid.energies[last]:
        return last, last, 0.0
    low = min(max(near, first), last - 1)
    while grid.energies[low] > energy_kwh:
        low -= 1
    while grid.energies[low + 1] <= energy_kwh:
        low += 1
    share = (energy_kwh - grid.energies[low]) / (grid.energies[low + 1] - grid.energies[low])
    return low, low + 1, share


@compiled
def _between(values: Floats, low: int, high: int, share: float) -> float:
    """V between two energies, interpolated."""
    return float(values[low] + share * (values[high] - values[low]))


@compiled
def _count_levels(problem: Problem, vehicles: Records[VehicleState]) -> int:
    """Levels to choose from: a car that is not at the charger has only the first, idle."""
    return int(problem.levels.shape[0]) if vehicles[problem.car].plugged != 0 else 1


@compiled_apart
def _fill_values(
    problem: Problem,
    grid: Grid,
    values: Floats,
    households: Records[HouseholdState],
    vehicles: Records[Records[VehicleState]],
) -> None:
    """Write V (A, energies) of all steps, backwards; that of the end is given."""
    assumptions = problem.most_kw.shape[0]
    after, car = problem.scratch.vehicles, problem.car
    for step in range(problem.actions.shape[0] - 1, -1, -1):
        low = grid.first[step + 1]
        for place in range(grid.first[step], grid.first[step + 1]):
            energy_kwh = grid.energies[place]
            for assumption in range(assumptions):
                values[assumption, place] = -math.inf
            for number in range(_count_levels(problem, vehicles[step])):
                level = problem.levels[number]
                reward = _try_level(
                    problem, households[step], vehicles[step], step, energy_kwh, level
                )
                low, high, share = _place(grid, step + 1, after[car].energy_kwh, low)
                for assumption in range(assumptions):
                    value = _worth(problem, assumption, step, level, reward)
                    value += _between(values[assumption], low, high, share)
                    if value > values[assumption, place]:
                        values[assumption, place] = value


@compiled
def _best_level(
    problem: Problem,
    grid: Grid,
    values: Floats,
    household: HouseholdState,
    vehicles: Records[VehicleState],
    step: int,
) -> float:
    """The best level in a step under the only assumption; of equal ones the first."""
    best, best_level, low = -math.inf, 0.0, grid.first[step + 1]
    car = problem.car
    for number in range(_count_levels(problem, vehicles)):
        level = problem.levels[number]
        reward = _try_level(problem, household, vehicles, step, vehicles[car].energy_kwh, level)
        after_kwh = problem.scratch.vehicles[car].energy_kwh
        low, high, share = _place(grid, step + 1, after_kwh, low)
        value = _worth(problem, 0, step, level, reward) + _between(values[0], low, high, share)
        if value > best:
            best, best_level = value, level
    return best_level


@compiled_apart
def _decide_and_step(
    problem: Problem,
    grid: Grid,
    values: Floats,
    tables: Tables,
    households: Records[HouseholdState],
    vehicles: Records[Records[VehicleState]],
    charge_kw: Floats,
    rewards: Floats,
) -> float:
    """Take all steps from the first record on, deciding for the problem's car; the return.

    Args:
        problem: Of one assumption; its actions are written.
        grid: Of this problem.
        values: (1, energies) V.
        tables: The real world's.
        households: (T + 1,) records, of which the first is given and the others are written.
        vehicles: (T + 1, K) records at the same times.
        charge_kw: (T, K) mean AC powers, written.
        rewards: (T,) written.
    """
    scratch, car, total = problem.scratch, problem.car, 0.0
    for step in range(problem.actions.shape[0]):
        household, after = households[step + 1], vehicles[step + 1]
        if car != NO_CAR and vehicles[step][car].plugged != 0:
            problem.actions[step, car] = _best_level(
                problem, grid, values, households[step], vehicles[step], step
            )
        households[step + 1] = households[step]
        for k in range(after.shape[0]):
            after[k] = vehicles[step][k]
            scratch.actions[k] = problem.actions[step, k]
        actions, result, results = scratch.actions, scratch.result[0], scratch.vehicle_results
        rewards[step] = step_household(household, after, tables, actions, result, results)
        total += rewards[step]
        read_series(household, tables)
        for k in range(after.shape[0]):
            charge_kw[step, k] = results[k].charge_kw
    return total


@compiled_apart
def _energies_after(
    problem: Problem,
    household: HouseholdState,
    vehicles: Records[VehicleState],
    step: int,
    energies: Floats,
    after: Floats,
) -> int:
    """Write the energies to which a step leads from some; how many."""
    count = 0
    for energy_kwh in energies:
        for place in range(_count_levels(problem, vehicles)):
            _try_level(problem, household, vehicles, step, energy_kwh, problem.levels[place])
            after[count] = problem.scratch.vehicles[problem.car].energy_kwh
            count += 1
    return count


@compiled_apart
def _energy_ranges(
    problem: Problem,
    households: Records[HouseholdState],
    vehicles: Records[Records[VehicleState]],
    after: Floats,
    ranges: Floats,
) -> None:
    """Write (T + 1, 2) lowest and highest energies that can be reached; the first is given."""
    for step in range(problem.actions.shape[0]):
        low, high = math.inf, -math.inf
        count = _energies_after(
            problem, households[step], vehicles[step], step, ranges[step], after
        )
        for place in range(count):
            low, high = min(low, after[place]), max(high, after[place])
        ranges[step + 1, 0], ranges[step + 1, 1] = low, high


def problem_of(
    future: Future,
    car: int,
    actions: NDArray[np.float32],
    most_kw: Floats = NO_LIMITS,
    prices: Sequence[WearPrices] = (),
) -> Problem:
    """The problem of one car, with arguments as `Problem` says, in a future."""
    settings = future.world.tables.settings.copy()
    settings["ageing"], settings["power_charge"] = 0, 0
    settings.flags.writeable = False  # as all tables are: compiled code is compiled for that
    scenario = future.world.scenario
    levels = level_fractions(scenario, scenario.vehicles[max(car, 0)])
    return Problem(
        future.world.tables._replace(settings=settings),
        car,
        levels[np.argsort(np.abs(levels), kind="stable")],
        actions.copy(),
        most_kw,
        np.array(prices, np.float64).reshape(-1, len(FREE)),
        Scratch(
            as_records(np.zeros(1, future.households.dtype)),
            as_records(np.zeros(actions.shape[1], VEHICLE_DTYPE)),
            np.zeros(actions.shape[1], np.float32),
            as_records(np.zeros(1, STEP_DTYPE)),
            as_records(np.zeros(actions.shape[1], VEHICLE_STEP_DTYPE)),
        ),
    )


def _reachable_energies(problem: Problem, run: Run) -> list[Floats] | None:
    """All energies that the car can reach, step by step; None where they are too many."""
    energies = [np.array([run.vehicles["energy_kwh"][0, problem.car]])]
    trials = 0
    for step in range(len(run.actions)):
        trials += energies[-1].size * len(problem.levels)
        if trials > EXACT_TRIALS:
            return None
        household, vehicles = run.households[step], run.vehicles[step]
        after = np.empty(energies[-1].size * len(problem.levels))
        count = _energies_after(problem, household, vehicles, step, energies[-1], after)
        different = np.unique(after[:count])
        energies.append(different[np.diff(different, prepend=-math.inf) > SAME_KWH])
    return energies


def _spaced_energies(problem: Problem, run: Run) -> list[Floats]:
    """Points between the energies that the car can reach, the wanted one among them."""
    car, steps = problem.tables.cars[problem.car], len(run.actions)
    ranges = np.empty((steps + 1, 2))
    ranges[0] = run.vehicles["energy_kwh"][0, problem.car]
    after = np.empty(2 * len(problem.levels))
    _energy_ranges(problem, run.households, run.vehicles, after, ranges)
    wanted_kwh = run.vehicles["wanted_soc"][:, problem.car] * car["battery_kwh"]
    first = np.floor((ranges[:, 0] - wanted_kwh) / SPACING_KWH).astype(np.int64)
    last = np.ceil((ranges[:, 1] - wanted_kwh) / SPACING_KWH).astype(np.int64)
    count = last - first + 1
    begin = np.cumsum(count) - count
    step = np.repeat(np.arange(steps + 1), count)
    number = first[step] + np.arange(step.size) - begin[step]
    points = np.clip(wanted_kwh[step] + SPACING_KWH * number, ranges[step, 0], ranges[step, 1])
    rises = np.diff(points, prepend=-math.inf) > 0.0
    rises[begin] = True
    ends = np.cumsum(np.bincount(step[rises], minlength=steps + 1))
    return np.split(points[rises], ends[:-1])


def grid_of(problem: Problem, run: Run) -> Grid:
    """The energies that a problem's car can have before each step of a run, and at its end."""
    by_step = _reachable_energies(problem, run) or _spaced_energies(problem, run)
    first = np.zeros(len(by_step) + 1, np.int64)
    np.cumsum([energies.size for energies in by_step], out=first[1:])
    energies = np.concatenate(by_step)
    return Grid(energies, first)


NO_GRID, NO_VALUES = Grid(np.zeros(1), np.zeros(2, np.int64)), np.zeros((1, 1))


def _run(future: Future, problem: Problem, grid: Grid, values: Floats) -> Run:
    households, vehicles = np.empty_like(future.households), np.empty_like(future.vehicles)
    households[0], vehicles[0] = future.households[0], future.vehicles[0]
    charge_kw, rewards = np.empty(problem.actions.shape), np.empty(len(problem.actions))
    tables = future.world.tables
    total = _decide_and_step(
        problem, grid, values, tables, households, vehicles, charge_kw, rewards
    )
    cost = -total - float(households["settlement"][-1])
    return Run(problem.actions, households, vehicles, charge_kw, rewards, cost)


def replay(future: Future, actions: NDArray[np.float32]) -> Run:
    """What the real dynamics make of these actions (T, K) in a future."""
    return _run(future, problem_of(future, NO_CAR, actions), NO_GRID, NO_VALUES)


def improve(future: Future, problem: Problem, grid: Grid, run: Run) -> list[Run]:
    """Decide anew for one car, the others as in a run; what the real dynamics make of it.

    Args:
        future: The household's future.
        problem: Which car decides, and under what limits and prices.
        grid: Of this problem.
        run: The run whose actions the problem holds.

    Returns:
        A run for each of the problem's assumptions.
    """
    price, end = future.households["settlement_price"][0], grid.first[-2]
    values = np.empty((len(problem.prices), grid.energies.size))
    values[:, end:] = price * grid.energies[end:]
    _fill_values(problem, grid, values, run.households, run.vehicles)
    runs = []
    for place in range(len(values)):
        only = slice(place, place + 1)
        alone = problem._replace(
            actions=run.actions.copy(),
            most_kw=problem.most_kw[only],
            prices=problem.prices[only],
        )
        runs.append(_run(future, alone, grid, values[only]))
    return runs
