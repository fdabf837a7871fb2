"""A plan's last improvement: changes of one or two settings, until none pays any more.

A plan is gone through by windows of 24 h, the last one first. In each, every *single change* is
tried: in a step, or in all steps of an hour, a car gets a setting less or more, none, the most or,
where it can be discharged, the least. Of two changes, in the window or one of them in the next, the
prices add up but for what they do to each other: so a car can charge at another time what it does
not charge now, two cars can change places, and less can be done in two hours that share a peak. Of
each change the `PARTNERS` with which it looks cheapest are tried. Only what is really cheaper is
kept, so the plan never gets dearer. Where something was kept, and next to it, it is gone through
again, until nothing is found or steps for `REPLAYS` episodes have been simulated, and `LEAST_STEPS`
at least. Nothing is drawn at random: the same plan comes out each time.

Prices of single changes can miss a pair that pays. So a short plan, in which that takes about
`SHIFT_STEPS` steps (several cars share them), is then searched without them: each change of a
step's setting to the next ones or none, and each *shift* are followed to the end. A shift gives a
setting less to a step of a car and one more to another, at most 24 h apart, or exchanges their
settings; or it gives a setting less to one car and one more to another, in the same step.
`Polished.settled` says whether that came to an end with nothing found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.foresight import Future
from baselines.optimum.dynamic_program import Run, replay
from baselines.optimum.trials import (
    HALVES,
    LESS,
    MORE,
    PAYS,
    TRIAL_DTYPE,
    Plan,
    Trial,
    plan_of,
    priced,
    try_all,
)
from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.compiling import as_records, compiled
from ev_gym.runtime.durations import DAY_MIN, HOUR_MIN

REPLAYS = 1500
LEAST_STEPS = 600_000
SHIFT_STEPS = 2_000_000  # of one car
PARTNERS = 3
PAIRS_A_STEP = 64  # so many pairs are looked at in the time of a simulated step
PROBE_H = 0.25  # so many hours of full power are the energy of which the price is looked at

Trials = NDArray[Any]  # of TRIAL_DTYPE
NO_LIMIT = np.iinfo(np.int64).max


class Polished(NamedTuple):
    """A run that was polished.

    Attributes:
        run: By the real dynamics; never dearer than before.
        settled: Whether all changes and shifts of the search without prices were tried on this
            very plan, and none was cheaper.
    """

    run: Run
    settled: bool


class Spans(NamedTuple):
    """Steps of cars, in which they get another setting.

    Attributes:
        step: (S,) the first step.
        length: (S,) how many.
        car: (S,) the car.
        by: (S,) by how many settings they change; 0 where they get a level.
        level: (S,) that level.
    """

    step: Ints
    length: Ints
    car: Ints
    by: Ints
    level: NDArray[np.float32]

    def of(self, which: NDArray[Any]) -> Spans:
        """Some of them."""
        return Spans(*(part[which] for part in self))

    def changed(self, by: int = 0, level: Any = 0.0) -> Spans:
        """The same steps, with another change."""
        levels = np.broadcast_to(np.asarray(level, np.float32), self.step.shape)
        return self._replace(by=np.full_like(self.by, by), level=levels)


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
def _overlap(one: Trial, other: Trial) -> bool:
    """Whether two single changes are of the same car and have a step in common."""
    apart = one.step >= other.step + other.length or other.step >= one.step + one.length
    return bool(one.car == other.car and not apart)


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
            of_one = _overlap(trials[one], others[other])
            rank = best.shape[1]
            while rank > 0 and cost < best_cost[one, rank - 1] and not of_one:
                rank -= 1
                if rank + 1 < best.shape[1]:
                    best[one, rank + 1] = best[one, rank]
                    best_cost[one, rank + 1] = best_cost[one, rank]
                best[one, rank], best_cost[one, rank] = other, cost


def _spans_of(trials: Trials) -> Spans:
    """The first halves of changes."""
    return Spans(*(np.asarray(trials[name]) for name in HALVES[0]))


def _trials_of(one: Spans, other: Spans | None = None) -> Trials:
    """Changes of a half, or of two halves each."""
    trials = as_records(np.zeros(len(one.step), TRIAL_DTYPE))
    for spans, names in zip((one, other), HALVES, strict=True):
        if spans is not None:
            for name, values in zip(names, spans, strict=True):
                trials[name] = values
    return trials


class _Search:
    """A plan being polished.

    Args:
        future: What is foreseen.
        plan: The plan.
    """

    def __init__(self, future: Future, plan: Plan) -> None:
        self.plan = plan
        self.step_min = int(future.world.tables.settings["step_min"][0])
        self.steps, self.cars = plan.actions.shape
        self.plugged: Bools = future.vehicles["plugged"][:-1] != 0
        self.day_steps = DAY_MIN // self.step_min
        self.hour = future.households["now_min"] // HOUR_MIN
        self.car_records = future.world.tables.cars
        self.vehicles: NDArray[Any] = plan.vehicles  # type: ignore[assignment]  # Records is what compiled code sees
        taken = int(future.households["steps"][0]) % self.day_steps  # of the running 24 h
        ends = np.arange(self.day_steps - taken, self.steps, self.day_steps)
        self.ends = [0, *ends.tolist(), self.steps]

    def cells(self, first: int, end: int) -> Spans:
        """Each step between two in which a car is at the charger."""
        step, car = np.nonzero(self.plugged[first:end])
        zeros = np.zeros_like(step)
        return Spans(step + first, zeros + 1, car, zeros, zeros.astype(np.float32))

    def hours(self, first: int, end: int) -> Spans:
        """Each hour between two steps, where it has several, with a car at the charger."""
        _, begin, length = np.unique(self.hour[first:end], return_index=True, return_counts=True)
        at_charger = np.add.reduceat(self.plugged[first:end], begin) & (length > 1)[:, np.newaxis]
        place, car = np.nonzero(at_charger)
        zeros = np.zeros_like(car)
        levels = zeros.astype(np.float32)
        return Spans(begin[place] + first, length[place], car, zeros, levels)

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
        for side, change_kwh in (
            (LESS, -np.minimum(probe_kwh, energy_kwh)),
            (MORE, np.minimum(probe_kwh, self.car_records["battery_kwh"] - energy_kwh)),
        ):
            trials = as_records(np.zeros(self.cars, TRIAL_DTYPE))
            trials["step"], trials["car"] = end, np.arange(self.cars)
            trials["probe_kwh"] = change_kwh
            self.run(trials, self.steps, prices, NO_LIMIT)
            np.divide(trials["cost"], change_kwh, out=prices[:, side], where=change_kwh != 0.0)
        return prices

    def single_changes(self, first: int, end: int) -> Trials:
        """Each step between two, and each hour: a setting less or more, none, most, least."""
        each = []
        lowest, highest = self.plan.levels[:, 0], self.plan.levels.max(axis=1)
        for spans in (self.cells(first, end), self.hours(first, end)):
            each += [spans.changed(by=-1), spans.changed(by=1), spans.changed(level=0.0)]
            each.append(spans.changed(level=highest[spans.car]))
            each.append(spans.changed(level=lowest[spans.car]).of(lowest[spans.car] < 0.0))
        trials = _trials_of(Spans(*(np.concatenate(parts) for parts in zip(*each, strict=True))))
        return as_records(trials[np.argsort(trials["step"], kind="stable")])

    def price(self, first: int, end: int, prices: Floats, most: int) -> tuple[int, Changes]:
        """Try the single changes between two steps; how many are kept, and the others."""
        trials = self.single_changes(first, end)
        kept, kwh = self.run(trials, end, prices, most)
        left = (trials["kept"] == 0) & ((trials["cost"] != 0.0) | kwh.any(axis=1))
        left &= ~np.isnan(trials["cost"])
        return kept, Changes(as_records(trials[left]), kwh[left], prices)

    def pair(self, changes: Changes, others: Changes, end: int, most: int) -> int:
        """Try changes with their most promising partners; how many pairs are kept."""
        if self.plan.simulated[0] >= most:
            return 0
        best = np.empty((len(changes.trials), PARTNERS), np.int64)
        _best_partners(
            changes.trials, changes.kwh, others.trials, others.kwh, others.prices,
            changes is others, best, np.empty(best.shape),
        )  # fmt: skip
        self.plan.simulated[0] += len(changes.trials) * len(others.trials) // PAIRS_A_STEP
        one = _spans_of(changes.trials[np.nonzero(best >= 0)[0]])
        other = _spans_of(others.trials[best[best >= 0]])
        return self.run(_trials_of(one, other), end, others.prices, most)[0]

    def improve_window(self, place: int, later: Changes | None, most: int) -> tuple[bool, Changes]:
        """Change a window until nothing pays; whether anything did, and its single changes."""
        first, end = self.ends[place : place + 2]
        prices, found, again = self.prices(end), False, True
        while again:
            kept, changes = self.price(first, end, prices, most)
            kept += self.pair(changes, changes, end, most)
            if later is not None:
                kept += self.pair(changes, later, self.ends[place + 2], most)
            again = kept > 0
            found |= again
        return found, changes

    def sweep(self, windows: Bools, most: int) -> Bools:
        """Go through some windows once, the last one first; in which something was kept."""
        found = np.zeros_like(windows)
        later: Changes | None = None
        for place in range(len(windows) - 1, -1, -1):
            if windows[place]:
                found[place], later = self.improve_window(place, later, most)
            else:
                later = None
        return found

    def shifts(self) -> Iterator[Trials]:
        """All changes of the search without prices, by the first step."""
        for step in range(self.steps):
            here = self.cells(step, step + 1)
            for one in (here.changed(by=-1), here.changed(by=1), here.changed(level=0.0)):
                yield _trials_of(one)
            place, partner = np.triu_indices(len(here.car), 1)
            one, other = here.of(place), here.of(partner)
            for by in (-1, 1):
                yield _trials_of(one.changed(by=by), other.changed(by=-by))
            ahead = self.cells(step + 1, step + 1 + self.day_steps)
            place, partner = np.nonzero(here.car[:, np.newaxis] == ahead.car)
            one, other = here.of(place), ahead.of(partner)
            for by in (-1, 1):
                yield _trials_of(one.changed(by=by), other.changed(by=-by))
            levels = [self.plan.actions[spans.step, spans.car] for spans in (one, other)]
            yield _trials_of(one.changed(level=levels[1]), other.changed(level=levels[0]))

    def shift(self, most: int) -> bool:
        """Try each shift once; whether one was kept."""
        no_prices, kept = np.zeros((self.cars, 2)), 0
        for trials in self.shifts():
            kept += self.run(trials, self.steps, no_prices, most)[0]
        return kept > 0


def polish(future: Future, run: Run, levels: Sequence[NDArray[np.float32]]) -> Polished:
    """A run improved by changes of one or two settings; see the module.

    Args:
        future: What is foreseen.
        run: In this future.
        levels: Each car's settings as actions, rising.
    """
    plan = plan_of(future, run, levels)
    search = _Search(future, plan)
    most = max(REPLAYS * search.steps, LEAST_STEPS)
    windows = np.ones(len(search.ends) - 1, np.bool_)
    while windows.any() and plan.simulated[0] < most:
        changed = np.pad(search.sweep(windows, most), 1)
        windows = changed[:-2] | changed[1:-1] | changed[2:]
    plan.simulated[0] = 0
    most, found = SHIFT_STEPS // search.cars, True
    short = int(search.plugged.sum()) * search.day_steps * search.steps <= SHIFT_STEPS
    while short and found and plan.simulated[0] < most:
        found = search.shift(most)
    settled = not found and bool(plan.simulated[0] < most)
    polished = replay(future, plan.actions)
    return Polished(polished if polished.cost < run.cost else run, settled)
