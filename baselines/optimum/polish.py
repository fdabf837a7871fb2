"""A plan's last improvement: changes of one or two settings, until none pays any more.

A plan is gone through by windows of 24 h, the last one first. In each, every *single change* is
tried: a car in a step gets the setting below or above, none, or the most. Of two changes, in the
window or one of them in the next, the prices add up but for what they do to each other: so a car
can charge in another step what it does not charge in this one, two cars can change places, and less
can be done in two hours that share a peak. Of each change the `PARTNERS` with which it looks
cheapest are tried. Only what is really cheaper is kept, so the plan never gets dearer. It is gone
through again until nothing is found, or steps for `REPLAYS` episodes have been simulated. Nothing
is drawn at random: the same plan comes out each time.

Prices of single changes can miss a pair that pays. So a short plan, in which that takes about
`SHIFT_STEPS` steps, is then searched without them: each change of a setting to the next ones or
none, and each *shift* are followed to the end. A shift gives a setting less to a step of a car and
one more to another, at most 24 h apart, or exchanges their settings; or it gives a setting less to
one car and one more to another, in the same step. `Polished.settled` says whether that came to an
end with nothing found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.foresight import Future
from baselines.optimum.dynamic_program import Run, replay
from baselines.optimum.trials import LESS, MORE, PAYS, TRIAL_DTYPE, Plan, plan_of, priced, try_all
from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.compiling import as_records, compiled
from ev_gym.runtime.durations import DAY_MIN

REPLAYS = 500
SHIFT_STEPS = 2_000_000
PARTNERS = 3
PROBE_H = 0.25  # so many hours of full power are the energy of which the price is looked at

Trials = NDArray[Any]  # of TRIAL_DTYPE
Levels = Sequence[NDArray[np.float32]]


class Polished(NamedTuple):
    """A run that was polished.

    Attributes:
        run: By the real dynamics; never dearer than before.
        settled: Whether all changes and shifts of the search without prices were tried on this
            very plan, and none was cheaper.
    """

    run: Run
    settled: bool


class Cells(NamedTuple):
    """Steps in which a car is at the charger, in the order of steps.

    Attributes:
        step: (C,) the step.
        car: (C,) the car.
    """

    step: Ints
    car: Ints


class Changes(NamedTuple):
    """Single changes that have been tried up to a window's end.

    Attributes:
        trials: (M,) the changes.
        kwh: (M, K) by how much the energy in each battery then differs.
        prices: (K, 2) of energy there.
    """

    trials: Trials
    kwh: Floats
    prices: Floats


@compiled
def _best_partners(
    trials: Any, kwh: Floats, others: Any, others_kwh: Floats, prices: Floats, same: bool,
    best: Ints, best_cost: Floats,
) -> None:  # fmt: skip
    """Write (M, PARTNERS) with which others each change looks cheapest, the cheapest first.

    Args:
        trials: (M,) the changes.
        kwh: (M, K) energy that they leave.
        others: (N,) what they may be paired with.
        others_kwh: (N, K) likewise.
        prices: (K, 2) of that energy.
        same: Whether both are the same, so that each pair is looked at once.
        best: Written; -1 where no other looks cheaper than nothing.
        best_cost: (M, PARTNERS) to work with.
    """
    for one in range(trials.shape[0]):
        for rank in range(best.shape[1]):
            best[one, rank], best_cost[one, rank] = -1, -PAYS
        for other in range(one + 1 if same else 0, others.shape[0]):
            cost = trials[one].cost + others[other].cost
            for k in range(prices.shape[0]):
                cost += priced(kwh[one, k] + others_kwh[other, k], prices[k])
            of_one = trials[one].step == others[other].step and trials[one].car == others[other].car
            rank = best.shape[1]
            while rank > 0 and cost < best_cost[one, rank - 1] and not of_one:
                rank -= 1
                if rank + 1 < best.shape[1]:
                    best[one, rank + 1] = best[one, rank]
                    best_cost[one, rank + 1] = best_cost[one, rank]
                best[one, rank], best_cost[one, rank] = other, cost


class _Search:
    """A plan being polished.

    Args:
        future: What is foreseen.
        plan: The plan.
        levels: Each car's settings as actions, rising.
    """

    def __init__(self, future: Future, plan: Plan, levels: Levels) -> None:
        settings = future.world.tables.settings[0]
        self.plan, self.levels = plan, levels
        self.steps, self.cars = plan.actions.shape
        self.plugged: Bools = future.vehicles["plugged"][:-1] != 0
        self.day_steps = DAY_MIN // int(settings["step_min"])
        self.car_records = future.world.tables.cars
        self.vehicles: NDArray[Any] = plan.vehicles  # type: ignore[assignment]  # by name, too
        taken = int(future.households["steps"][0]) % self.day_steps  # of the running 24 h
        ends = np.arange(self.day_steps - taken, self.steps, self.day_steps)
        self.ends = [0, *ends.tolist(), self.steps]

    def cells(self, first: int, end: int) -> Cells:
        """Where something can be changed between two steps."""
        step, car = np.nonzero(self.plugged[first:end])
        return Cells(step + first, car)

    def neighbours(self, cells: Cells, by: int) -> NDArray[np.float32]:
        """(C,) the settings so many above those of now; the lowest or highest at the ends."""
        actions = self.plan.actions[cells.step, cells.car]
        found = np.empty_like(actions)
        for k, levels in enumerate(self.levels):
            of_car = cells.car == k
            near = np.abs(actions[of_car, np.newaxis] - levels).argmin(axis=1)
            found[of_car] = levels[np.clip(near + by, 0, len(levels) - 1)]
        return found

    def trials(
        self, one: Cells, level: NDArray[np.float32], other: Cells, other_level: NDArray[np.float32]
    ) -> Trials:
        """Changes of two settings each, without those that change nothing."""
        trials = as_records(np.zeros(len(level), TRIAL_DTYPE))
        first = one.step <= other.step
        actions = self.plan.actions
        for names, cells, second, levels, other_levels in (
            (("step", "car", "was", "level"), one, other, level, other_level),
            (("later", "other", "other_was", "other_level"), other, one, other_level, level),
        ):
            step, car, was, to = names
            trials[step] = np.where(first, cells.step, second.step)
            trials[car] = np.where(first, cells.car, second.car)
            trials[was] = actions[trials[step], trials[car]]
            trials[to] = np.where(first, levels, other_levels)
        differs = (trials["level"] != trials["was"]) | (
            trials["other_level"] != trials["other_was"]
        )
        changes: Trials = trials[differs]
        return changes

    def run(self, trials: Trials, end: int, prices: Floats, most: int) -> tuple[int, Floats]:
        """Try changes up to a step before which a window ends; how many are kept, and energies."""
        kwh = np.zeros((len(trials), self.cars))
        return int(try_all(self.plan, trials, end, prices, most, kwh)), kwh

    def prices(self, end: int) -> Floats:
        """(K, 2) what a kWh less and a kWh more in each battery before a step cost the plan."""
        prices = np.zeros((self.cars, 2))
        if end == self.steps:
            return prices
        energy_kwh = self.vehicles["energy_kwh"][end]
        probe_kwh = PROBE_H * self.car_records["max_kw"]
        at = Cells(np.full(self.cars, end), np.arange(self.cars))
        level = self.plan.actions[end]
        for side, change_kwh in (
            (LESS, -np.minimum(probe_kwh, energy_kwh)),
            (MORE, np.minimum(probe_kwh, self.car_records["battery_kwh"] - energy_kwh)),
        ):
            trials = as_records(np.zeros(self.cars, TRIAL_DTYPE))
            trials["step"], trials["later"] = at.step, at.step
            trials["car"], trials["other"] = at.car, at.car
            for name in ("was", "level", "other_was", "other_level"):
                trials[name] = level
            trials["probe_kwh"] = change_kwh
            self.run(trials, self.steps, prices, np.iinfo(np.int64).max)
            np.divide(trials["cost"], change_kwh, out=prices[:, side], where=change_kwh != 0.0)
        return prices

    def single_changes(self, first: int, end: int) -> Trials:
        """Each setting between two steps to the ones below and above, to none, and to the most."""
        cells = self.cells(first, end)
        top = np.array([levels[-1] for levels in self.levels])[cells.car]
        choices = (self.neighbours(cells, -1), self.neighbours(cells, 1), np.zeros_like(top), top)
        each = [self.trials(cells, level, cells, level) for level in choices]
        trials = np.concatenate(each)
        # The setting below can be none, that above the most.
        names = ["step", "car", "level"]
        _, place = np.unique(trials[names], return_index=True)
        return as_records(trials[place])

    def price(self, first: int, end: int, most: int) -> tuple[int, Changes]:
        """Try the single changes between two steps; how many are kept, and the others."""
        prices = self.prices(end)
        trials = self.single_changes(first, end)
        kept, kwh = self.run(trials, end, prices, most)
        left = (trials["kept"] == 0) & ((trials["cost"] != 0.0) | kwh.any(axis=1))
        left &= ~np.isnan(trials["cost"])
        return kept, Changes(as_records(trials[left]), kwh[left], prices)

    def pair(self, changes: Changes, others: Changes, end: int, most: int) -> int:
        """Try changes with their most promising partners; how many pairs are kept."""
        best = np.empty((len(changes.trials), PARTNERS), np.int64)
        same = changes is others
        _best_partners(
            changes.trials, changes.kwh, others.trials, others.kwh, others.prices, same,
            best, np.empty(best.shape),
        )  # fmt: skip
        one = np.nonzero(best >= 0)[0]
        first, second = changes.trials[one], others.trials[best[best >= 0]]
        cells = [Cells(trials["step"], trials["car"]) for trials in (first, second)]
        trials = self.trials(cells[0], first["level"], cells[1], second["level"])
        return self.run(trials, end, others.prices, most)[0]

    def sweep(self, most: int) -> bool:
        """Go through all windows once, the last one first; whether a change was kept."""
        found, later = False, None
        for place in range(len(self.ends) - 2, -1, -1):
            first, end = self.ends[place : place + 2]
            again = True
            while again:
                kept, changes = self.price(first, end, most)
                kept += self.pair(changes, changes, end, most)
                if later is not None:
                    kept += self.pair(changes, later, self.ends[place + 2], most)
                again = kept > 0
                found |= again
            later = changes
        return found

    def shifts(self) -> Iterator[Trials]:
        """All changes of the search without prices, by the first step."""
        for step in range(self.steps):
            here = self.cells(step, step + 1)
            for level in (self.neighbours(here, -1), self.neighbours(here, 1)):
                yield self.trials(here, level, here, level)
            none = np.zeros(len(here.car), np.float32)
            yield self.trials(here, none, here, none)
            place, partner = np.triu_indices(len(here.car), 1)
            for by in (-1, 1):
                yield self._shift(here, place, here, partner, by)
            ahead = self.cells(step + 1, step + 1 + self.day_steps)
            place, partner = np.nonzero(here.car[:, np.newaxis] == ahead.car)
            for by in (-1, 1):
                yield self._shift(here, place, ahead, partner, by)
            one, other = _of(here, place), _of(ahead, partner)
            levels = [self.plan.actions[cells.step, cells.car] for cells in (one, other)]
            yield self.trials(one, levels[1], other, levels[0])

    def _shift(self, here: Cells, place: Ints, there: Cells, partner: Ints, by: int) -> Trials:
        one, other = _of(here, place), _of(there, partner)
        level, other_level = self.neighbours(one, by), self.neighbours(other, -by)
        actions = self.plan.actions
        both = (level != actions[one.step, one.car]) & (
            other_level != actions[other.step, other.car]
        )
        one, other = _of(one, both), _of(other, both)
        return self.trials(one, level[both], other, other_level[both])

    def shift(self) -> bool:
        """Try each shift once; whether one was kept."""
        no_prices, kept = np.zeros((self.cars, 2)), 0
        for trials in self.shifts():
            kept += self.run(trials, self.steps, no_prices, SHIFT_STEPS)[0]
        return kept > 0


def _of(cells: Cells, which: NDArray[Any]) -> Cells:
    return Cells(cells.step[which], cells.car[which])


def polish(future: Future, run: Run, levels: Levels) -> Polished:
    """A run improved by changes of one or two settings; see the module.

    Args:
        future: What is foreseen.
        run: In this future.
        levels: Each car's settings as actions, rising.
    """
    plan = plan_of(future, run)
    search = _Search(future, plan, levels)
    most, found = REPLAYS * search.steps, True
    while found and plan.simulated[0] < most:
        found = search.sweep(most)
    plan.simulated[0] = 0
    found = True
    short = int(search.plugged.sum()) * search.day_steps * search.steps <= SHIFT_STEPS
    while short and found and plan.simulated[0] < SHIFT_STEPS:
        found = search.shift()
    settled = not found and bool(plan.simulated[0] < SHIFT_STEPS)
    polished = replay(future, plan.actions)
    return Polished(polished if polished.cost < run.cost else run, settled)
