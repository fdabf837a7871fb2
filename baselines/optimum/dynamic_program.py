"""One car's best decisions by dynamic programming over the compiled dynamics themselves.

Backwards over the steps, for each energy of a grid, the worth of the best decision is

    V_t(E) = max over levels a of r_t(E, a) + V_{t+1}(E'_t(E, a)),  V_T(E) = settlement price * E,

where reward r and next energy E' are what `ev_gym.living.live` makes of the household's record with
E kWh in the battery. Nothing of the physics is written down a second time. Between the points of
the grid V is interpolated linearly. Then, forwards from the real state, each step takes the level
that is best by r and V, and lives it by the real dynamics; so the bill that comes out is real.

The grid holds the states that can be reached at all, one by one, where these are few: V is exact
then. Otherwise its points lie `SPACING_KWH` apart between the lowest and the highest energy that
can be reached, the wanted energy being one of them, because V bends there.

What else a bill depends on is not part of the state and is left out of V: the power charge (limits
on the car's power in each step, `most_kw`, stand in for it), heat and ageing (prices on energy held
and taken out stand in), switches of phases with their pauses and holds. The last two are seen by
the forward pass, which starts every step from the real record.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.foresight import Future
from ev_gym.actions import level_fractions
from ev_gym.compiling import as_records, compiled, compiled_apart
from ev_gym.fields import HOUSEHOLD_DTYPE, STEP_DTYPE, VEHICLE_DTYPE, VEHICLE_STEP_DTYPE
from ev_gym.living import live, look_around
from ev_gym.tables import Tables

Floats = NDArray[np.float64]

SPACING_KWH = 0.25
# Trials, of a level from a state, up to which all reachable states are looked for.
EXACT_TRIALS = 300_000
SAME_KWH = 1e-9
NO_CAR = -1


class Scratch(NamedTuple):
    """Records on which compiled code tries a step."""

    household: NDArray[Any]
    vehicles: NDArray[Any]
    actions: NDArray[np.float32]
    result: NDArray[Any]
    reports: NDArray[Any]


class Prices(NamedTuple):
    """What stands for wear where V knows none, a price each of

    Attributes:
        holding: A kWh held in the battery for an hour.
        cycling: A kWh taken out of the battery by discharging.
        hurrying: A kWh drawn or fed back, for each kW of its power.
    """

    holding: float = 0.0
    cycling: float = 0.0
    hurrying: float = 0.0


FREE = Prices()


class Problem(NamedTuple):
    """One car's decisions while the other cars' stand, as compiled code reads it.

    Attributes:
        tables: Of a world without power charge and ageing.
        car: Whose decisions; NO_CAR: nobody's.
        levels: (L,) its levels as actions, idle first, then by their size.
        actions: (T, K) all cars' actions; the forward pass writes the car's.
        most_kw: (T, 2) AC powers, drawn on average and granted, above which no level is allowed.
        prices: That stand for wear.
        scratch: For trials.
    """

    tables: Tables
    car: int
    levels: NDArray[np.float32]
    actions: NDArray[np.float32]
    most_kw: Floats
    prices: Prices
    scratch: Scratch


class Grid(NamedTuple):
    """Energies (kWh, rising) for each step: those of step t from `first[t]` to `first[t + 1]`."""

    energies: Floats
    first: NDArray[np.int64]
    values: Floats


class Run(NamedTuple):
    """An episode lived by the real dynamics, T steps and K cars.

    Attributes:
        actions: (T, K) float32.
        households: (T + 1,) records before each step and at the end.
        vehicles: (T + 1, K) likewise.
        charge_kw: (T, K) mean AC power, below 0 fed back.
        cost: Minus the sum of all rewards, less the settlement.
    """

    actions: NDArray[np.float32]
    households: NDArray[Any]
    vehicles: NDArray[Any]
    charge_kw: Floats
    cost: float


@compiled_apart
def _try(
    problem: Any, household: Any, vehicles: Any, step: int, energy_kwh: float, level: float
) -> float:
    """What a level in a step is worth by itself, from some energy; -inf where it is not allowed."""
    scratch, car = problem.scratch, problem.car
    own, report = scratch.vehicles, scratch.reports[car]
    scratch.household[0] = household
    for k in range(own.shape[0]):
        own[k] = vehicles[k]
        scratch.actions[k] = problem.actions[step, k]
    own[car].energy_kwh = energy_kwh
    scratch.actions[car] = level
    worth = live(
        scratch.household[0],
        own,
        problem.tables,
        scratch.actions,
        scratch.result[0],
        scratch.reports,
    )
    drawn_kw, granted_kw = problem.most_kw[step, 0], problem.most_kw[step, 1]
    if level != 0.0 and (report.charge_kw > drawn_kw or own[car].offered_kw > granted_kw):
        return -math.inf
    prices, step_h = problem.prices, problem.tables.settings[0].step_h
    worth -= prices.holding * own[car].energy_kwh * step_h
    worth -= prices.cycling * max(0.0, -report.stored_kwh)
    return float(worth - prices.hurrying * report.charge_kw * report.charge_kw * step_h)


@compiled
def _look_up(grid: Any, step: int, energy_kwh: float) -> float:
    """V before a step, interpolated; beyond the grid as at its end."""
    low, high = grid.first[step], grid.first[step + 1] - 1
    if energy_kwh <= grid.energies[low]:
        return float(grid.values[low])
    if energy_kwh >= grid.energies[high]:
        return float(grid.values[high])
    while high - low > 1:
        middle = (low + high) // 2
        if grid.energies[middle] <= energy_kwh:
            low = middle
        else:
            high = middle
    share = (energy_kwh - grid.energies[low]) / (grid.energies[high] - grid.energies[low])
    return float(grid.values[low] + share * (grid.values[high] - grid.values[low]))


@compiled
def _count_levels(problem: Any, vehicles: Any) -> int:
    """Levels to choose from: a car that is not at the charger has only the first, idle."""
    return int(problem.levels.shape[0]) if vehicles[problem.car].plugged != 0 else 1


@compiled
def _best(
    problem: Any, grid: Any, household: Any, vehicles: Any, step: int, energy_kwh: float
) -> tuple[float, float]:
    """The worth of the best level in a step, and that level; of equal ones the first."""
    best, chosen = -math.inf, 0.0
    for place in range(_count_levels(problem, vehicles)):
        level = problem.levels[place]
        worth = _try(problem, household, vehicles, step, energy_kwh, level)
        if worth > -math.inf:
            worth += _look_up(grid, step + 1, problem.scratch.vehicles[problem.car].energy_kwh)
            if worth > best:
                best, chosen = worth, level
    return best, chosen


@compiled
def _go_back(problem: Any, grid: Any, households: Any, vehicles: Any) -> None:
    """Fill V of all steps; that of the end is given."""
    for step in range(problem.actions.shape[0] - 1, -1, -1):
        household, own = households[step], vehicles[step]
        for place in range(grid.first[step], grid.first[step + 1]):
            energy_kwh = grid.energies[place]
            grid.values[place], _ = _best(problem, grid, household, own, step, energy_kwh)


@compiled
def _go_forth(
    problem: Any, grid: Any, tables: Any, households: Any, vehicles: Any, charge_kw: Any
) -> float:
    """Live all steps from the first record on, deciding for `problem.car`; the return."""
    scratch, car, total = problem.scratch, problem.car, 0.0
    for step in range(problem.actions.shape[0]):
        household, own = households[step + 1], vehicles[step + 1]
        if car != NO_CAR and vehicles[step, car].plugged != 0:
            energy_kwh = vehicles[step, car].energy_kwh
            _, problem.actions[step, car] = _best(
                problem, grid, households[step], vehicles[step], step, energy_kwh
            )
        households[step + 1] = households[step]
        for k in range(own.shape[0]):
            own[k] = vehicles[step, k]
            scratch.actions[k] = problem.actions[step, k]
        actions, result, reports = scratch.actions, scratch.result[0], scratch.reports
        total += live(household, own, tables, actions, result, reports)
        look_around(household, tables)
        for k in range(own.shape[0]):
            charge_kw[step, k] = reports[k].charge_kw
    return total


@compiled
def _decide(
    problem: Any,
    grid: Any,
    before: Any,
    cars_before: Any,
    tables: Any,
    households: Any,
    vehicles: Any,
    charge_kw: Any,
) -> float:
    """Fill V from the records of a run, unless nobody decides, and live by it; the return.

    One function for both, so that the step is compiled once for them.
    """
    if problem.car != NO_CAR:
        _go_back(problem, grid, before, cars_before)
    return _go_forth(problem, grid, tables, households, vehicles, charge_kw)


@compiled
def _reach(
    problem: Any, household: Any, vehicles: Any, step: int, energies: Any, after: Any
) -> int:
    """Write the energies that a step leads to from some; how many."""
    count = 0
    for energy_kwh in energies:
        for place in range(_count_levels(problem, vehicles)):
            _try(problem, household, vehicles, step, energy_kwh, problem.levels[place])
            after[count] = problem.scratch.vehicles[problem.car].energy_kwh
            count += 1
    return count


@compiled
def _spread(
    problem: Any,
    households: Any,
    vehicles: Any,
    first: int,
    end: int,
    energies: Any,
    after: Any,
    bounds: Any,
) -> int:
    """Write the energies that a step leads to from some, and go on from the outermost of these.

    Args:
        problem: Whose levels to try.
        households: (T + 1,) records before each step.
        vehicles: (T + 1, K) likewise.
        first: The first step, and
        end: that after the last one.
        energies: (n,) kWh before the first step.
        after: (m,) takes the energies after the last step.
        bounds: (T + 1, 2) takes the lowest and the highest energy after each step.

    Returns:
        How many energies were written into `after`.
    """
    count = 0
    for step in range(first, end):
        count = _reach(problem, households[step], vehicles[step], step, energies, after)
        low, high = math.inf, -math.inf
        for place in range(count):
            low, high = min(low, after[place]), max(high, after[place])
        bounds[step + 1, 0], bounds[step + 1, 1] = low, high
        energies = bounds[step + 1]
    return count


def pose(
    future: Future,
    car: int,
    actions: NDArray[np.float32],
    most_kw: Floats,
    prices: Prices = FREE,
) -> Problem:
    """The problem of one car while the others act as given."""
    settings = future.world.tables.settings.copy()
    settings["ageing"], settings["power_days"] = 0, 0
    settings.flags.writeable = False  # as all tables are: compiled code is compiled for that
    scenario = future.world.scenario
    levels = level_fractions(scenario, scenario.vehicles[max(car, 0)])
    return Problem(
        future.world.tables._replace(settings=settings),
        car,
        levels[np.argsort(np.abs(levels), kind="stable")],
        actions.copy(),
        most_kw,
        prices,
        Scratch(
            as_records(np.zeros(1, HOUSEHOLD_DTYPE)),
            as_records(np.zeros(actions.shape[1], VEHICLE_DTYPE)),
            np.zeros(actions.shape[1], np.float32),
            as_records(np.zeros(1, STEP_DTYPE)),
            as_records(np.zeros(actions.shape[1], VEHICLE_STEP_DTYPE)),
        ),
    )


def _exact(problem: Problem, run: Run) -> list[Floats] | None:
    """All states that the car can reach, step by step; None where they are too many."""
    states = [np.array([run.vehicles["energy_kwh"][0, problem.car]])]
    trials, bounds = 0, np.empty((len(run.actions) + 1, 2))
    for step in range(len(run.actions)):
        trials += states[-1].size * len(problem.levels)
        if trials > EXACT_TRIALS:
            return None
        after = np.empty(states[-1].size * len(problem.levels))
        count = _spread(
            problem, run.households, run.vehicles, step, step + 1, states[-1], after, bounds
        )
        found = np.unique(after[:count])
        states.append(found[np.diff(found, prepend=-math.inf) > SAME_KWH])
    return states


def _spaced(problem: Problem, run: Run) -> list[Floats]:
    """Points between the energies that the car can reach, the wanted one among them."""
    car, steps = problem.tables.cars[problem.car], len(run.actions)
    bounds = np.empty((steps + 1, 2))
    bounds[0] = run.vehicles["energy_kwh"][0, problem.car]
    after = np.empty(2 * len(problem.levels))
    _spread(problem, run.households, run.vehicles, 0, steps, bounds[0], after, bounds)
    wanted_kwh = car["wanted_soc"] * car["battery_kwh"]
    first = np.floor((bounds[:, 0] - wanted_kwh) / SPACING_KWH).astype(np.int64)
    last = np.ceil((bounds[:, 1] - wanted_kwh) / SPACING_KWH).astype(np.int64)
    return [
        np.unique(np.clip(wanted_kwh + SPACING_KWH * np.arange(one, other + 1), *own))
        for one, other, own in zip(first, last, bounds, strict=True)
    ]


def grid_of(problem: Problem, run: Run) -> Grid:
    """The energies that a problem's car can have before each step of a run, and at its end."""
    states = _exact(problem, run) or _spaced(problem, run)
    first = np.zeros(len(states) + 1, np.int64)
    np.cumsum([own.size for own in states], out=first[1:])
    energies = np.concatenate(states)
    return Grid(energies, first, np.zeros(energies.size))


NO_GRID = Grid(np.zeros(1), np.zeros(2, np.int64), np.zeros(1))


def _lived(future: Future, problem: Problem, grid: Grid, before: Run | Future) -> Run:
    households, vehicles = np.empty_like(future.households), np.empty_like(future.vehicles)
    households[0], vehicles[0] = future.households[0], future.vehicles[0]
    charge_kw = np.empty(problem.actions.shape)
    known = before.households, before.vehicles
    total = _decide(problem, grid, *known, future.world.tables, households, vehicles, charge_kw)
    cost = -total - float(households["settlement"][-1])
    return Run(problem.actions, households, vehicles, charge_kw, cost)


def replay(future: Future, actions: NDArray[np.float32]) -> Run:
    """Live a future with these actions (T, K) by the real dynamics."""
    return _lived(future, pose(future, NO_CAR, actions, np.empty((0, 2))), NO_GRID, future)


def improve(future: Future, problem: Problem, grid: Grid, run: Run) -> Run:
    """Decide anew for one car, the others as in a run; what the real dynamics make of it.

    Args:
        future: The household's future.
        problem: Whose decisions, and under what limits and prices.
        grid: Of this problem; V is written.
        run: The run whose actions the problem holds.
    """
    price, end = future.households["settlement_price"][0], grid.first[-2]
    grid.values[end:] = price * grid.energies[end:]
    return _lived(future, problem, grid, run)
