"""The achieved optimum: what perfect foresight pays by a plan that the real dynamics carry out.

`optimum.relaxation` proves a bill below which none can fall; the plan here shows how near to it one
can come. For one car it is found by dynamic programming over the dynamics (`dynamic_program`). For
several, the relaxation's plan is rounded to the charger's levels, and then one car after the other
decides anew by the same programme while the others act as before.

Two costs are no part of the programme's state, so plans are made under several assumptions about
them, and the one with the lowest real bill counts:

- Power charge. The relaxation says how high the import of each interval may rise by each peak rule
  (`Bound.cap_kw`). What the house and the other cars leave of that is the car's headroom, which it
  shares out over the interval's steps in whole levels; of several rules the least counts.
  `MULTIPLES` of it are tried, in all months and then in each month the best, because with whole
  amperes, the 6 A floor and the losses of slow charging another peak can be the best one.
- Battery wear. Prices stand for it: on energy held in the battery for calendar ageing, which grows
  with the SoC, so that the car charges late; on power for cells that age faster when they are
  charged fast; on energy taken out for the ageing by cycles, where cars can be discharged. They are
  shares of the price of a lost kWh of capacity.

Without power charge and wear one car's plan is exact but for the programme's grid of energies. With
them a plan can be far from the best one. So idling, full power, and what two rules do
(`optimum.policy_plans`) are plans to choose from as well: the achieved optimum is never dearer than
theirs. For several cars a rule that is cheaper than the plan is improved car by car in the same
way.

Where a balance or support with a limit makes prices depend on what a plan does, they are those of
the plan with which a decision begins. So one begins with idling and one with the relaxation's plan,
each car decides twice, and all these plans are polished.

The best of these plans is polished (`optimum.polish`): changes of one or two settings are tried in
the real dynamics, with wear and power charge, until none pays. What then holds:

- It is never dearer than before, nor than any of the plans named above.
- Where `Optimum.settled`, as for one car over a day of quarter-hours, none of these changes makes
  it cheaper: one setting to the next lower or higher one or to none; a setting less in one step of
  a car and one more in another up to 24 h away, or their settings exchanged; a setting less for one
  car and one more for another in the same step.
- Otherwise, as for a month, such a change can be left: those were tried that looked cheaper by what
  each half of them costs alone, and only as long as the budget of simulated steps lasted.
- It need not be the best plan of all: three changes at once, or another peak in every hour, may
  save more. How much more at most is what the gap to the bound says.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.foresight import Future
from baselines.optimum.dynamic_program import (
    DRAWN,
    FREE,
    GRANTED,
    Run,
    WearPrices,
    grid_of,
    improve,
    problem_of,
    replay,
)
from baselines.optimum.policy_plans import policy_plans
from baselines.optimum.polish import polish
from baselines.optimum.reach import sun_kw
from baselines.optimum.relaxation import Bound, lower_bound
from baselines.policies.base import Policy
from baselines.policies.headroom import ROUNDING_KW
from baselines.policies.view import View
from ev_gym.physics.power_charge import FACTOR, MONTH
from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.durations import HOUR_MIN

__all__ = ["Bound", "Optimal", "Optimum", "achieve", "lower_bound"]

MULTIPLES = (1.0, 0.9, 1.05, 1.1, 1.15, 1.2, 1.4, 1.8, math.inf)
# Prices that stand for wear, as shares of the price of a kWh of lost capacity: found by trying on
# `stockholm` and `stockholm-villa`. `cycling` is left out where cars cannot be discharged.
WEAR = WearPrices(holding=1e-6, cycling=2e-4, power=3e-5)
OTHER_WEAR = (
    WEAR._replace(power=0.0),
    WEAR._replace(power=1e-5),
    WEAR._replace(power=6e-5),
)
OTHER_CYCLING = (WEAR._replace(cycling=1e-4), WEAR._replace(cycling=1e-4, power=0.0))
BEST_MULTIPLES = 2  # under which the other prices are tried
SWEEPS = 2  # how often each of several cars decides
NO_PLANS = np.zeros((0, 0, 0), np.float32)


class Optimum(NamedTuple):
    """The best plan found for an episode of T steps and K cars.

    Attributes:
        actions: (T, K) float32, fractions of each car's maximum current.
        cost: What the plan costs by the real dynamics: minus the rewards, less the settlement.
        bound: What no plan can fall below, in the same money.
        settled: Whether no change of one or two settings makes it cheaper, as the module says.
    """

    actions: NDArray[np.float32]
    cost: float
    bound: float
    settled: bool

    @property
    def gap(self) -> float:
        """Money between the plan's cost and the bound: how far from optimal it is at most."""
        return self.cost - self.bound


ByMonth = tuple[float, ...]  # for each calendar month of the episode


class Assumptions(NamedTuple):
    """What a decision rests on: multiples of the headroom, and prices that stand for wear."""

    multiples: tuple[ByMonth, ...]
    prices: tuple[WearPrices, ...]


Trial = tuple[ByMonth, WearPrices]  # one of the multiples, and one of the prices


def _rounded(future: Future, bound: Bound, policy: Policy) -> NDArray[np.float32]:
    """The relaxation's plan in the charger's levels; what rounding takes is made up in the stay."""
    actions = np.zeros(bound.charge_kw.shape, np.float32)
    for k, (levels, level_kw) in enumerate(zip(policy.levels, policy.level_kw, strict=True)):
        owed_kw = 0.0  # for a step
        for step, plugged in enumerate(future.vehicles["plugged"][:-1, k]):
            owed_kw = owed_kw + bound.charge_kw[step, k] if plugged else 0.0
            if plugged:
                place = np.abs(level_kw - owed_kw).argmin()
                actions[step, k] = levels[place]
                owed_kw -= level_kw[place]
    return actions


def _without_car_kw(future: Future, run: Run, car: int) -> tuple[Floats, Floats]:
    """(T,) what the house with its other cars uses, and that less what it produces."""
    others_kw = np.delete(run.charge_kw, car, axis=1)
    used_kw = future.results["load_kw"] + others_kw.clip(min=0.0).sum(axis=1)
    return used_kw, used_kw - future.results["pv_kw"] + others_kw.clip(max=0.0).sum(axis=1)


class _Headroom(NamedTuple):
    """What a peak rule leaves a car.

    Attributes:
        interval: (T,) number of each step's interval.
        kw: (T,) what house and other cars leave of the interval's cap, as its mean.
        steps: Steps in an interval.
    """

    interval: Ints
    kw: Floats
    steps: float


def _headrooms(future: Future, bound: Bound, run: Run, car: int) -> tuple[list[_Headroom], Floats]:
    """What each peak rule leaves a car; and what house and other cars produce and do not use.

    The latter (T,) as a mean over the step: that is no import.
    """
    tables, households = future.world.tables, future.households[:-1]
    used_kw, net_kw = _without_car_kw(future, run, car)
    net_kw = net_kw - (sun_kw(future) - future.results["pv_kw"])  # what is cut off without the cars
    netted, step_h = tables.settings["netted"][0] != 0, tables.settings["step_h"][0]
    import_kw = net_kw.clip(min=0.0) if netted else used_kw
    free_kw = (-net_kw).clip(min=0.0) if netted else np.zeros_like(net_kw)
    headrooms = []
    for rule, cap_kw in enumerate(bound.cap_kw):
        record = tables.power.rules[rule]
        interval = households["now_min"] // record["interval_min"]
        _, number = np.unique(interval, return_inverse=True)
        factor = tables.power.rates[households["power_class"], rule, FACTOR]
        counted_kw = np.bincount(number, factor * import_kw) * step_h * record["intervals_per_h"]
        counted_kw[0] += households["interval_kw"][0, rule]
        left_kw = (cap_kw - counted_kw[number]).clip(min=0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            left_kw = np.where(factor > 0.0, left_kw / factor, math.inf)
        steps = 1.0 / (step_h * record["intervals_per_h"])
        headrooms.append(_Headroom(interval, left_kw, float(steps)))
    return headrooms, free_kw


def _shared_out(
    headroom: _Headroom, plan_kw: Floats, able: Bools, headroom_kw: Floats, level_kw: Floats
) -> Floats:
    """(T,) most power of each step so that the interval's mean stays within its headroom.

    The interval's headroom goes to as many of its steps as can have the lowest level, first to
    those for which most is planned, in equal levels; what is left lifts the first of them by a
    level.

    Args:
        headroom: Of the rule.
        plan_kw: (T,) what the relaxation plans.
        able: (T,) whether the car can charge.
        headroom_kw: (T,) of each step's interval.
        level_kw: The car's powers above 0, rising.
    """
    interval = headroom.interval
    order = np.lexsort((-plan_kw, ~able, interval))
    _, first, number = np.unique(interval, return_index=True, return_inverse=True)
    rank = np.empty(interval.size, np.int64)
    rank[order] = np.arange(interval.size) - first[number]
    count = np.bincount(number, able)[number]
    # In kW of one step; an endless headroom is enough for all steps at full power.
    budget_kw = np.minimum(headroom_kw * headroom.steps, count * level_kw[-1]) + ROUNDING_KW
    active = np.minimum(count, budget_kw // level_kw[0])
    each_kw = budget_kw / np.maximum(active, 1.0)
    place = np.searchsorted(level_kw, each_kw, side="right") - 1
    low_kw = level_kw[np.maximum(place, 0)]
    high_kw = level_kw[np.minimum(place + 1, level_kw.size - 1)]
    spare_kw = budget_kw - active * low_kw
    lifted = spare_kw // np.maximum(high_kw - low_kw, ROUNDING_KW)
    most_kw = np.where(rank < lifted, high_kw, low_kw)
    return np.where(rank < active, most_kw, 0.0)


def _months(future: Future) -> Ints:
    """(T,) number of the calendar month in which each step lies, from 0."""
    hour, minute = np.divmod(future.households["place_min"][:-1], HOUR_MIN)
    opens = (future.world.tables.hours["opens"][hour] & MONTH != 0) & (minute == 0)
    opens[0] = False
    return np.cumsum(opens)


def _month_costs(future: Future, run: Run, month: Ints) -> Floats:
    """(months,) what each month costs, with what is stored in it at the settlement's price."""
    stored_kwh = np.diff(run.vehicles["energy_kwh"].sum(axis=1))
    worth = future.households["settlement_price"][0] * stored_kwh
    return np.asarray(-np.bincount(month, run.rewards + worth), np.float64)


def _most_kw(
    future: Future, bound: Bound, run: Run, car: int, level_kw: Floats, multiple: Floats
) -> Floats:
    """(T, 2) most power of a car, as `Problem.most_kw`.

    It may draw a multiple (T,) of its headroom in the power charge. What it is granted must not
    take from the other cars where load management shares the connection out.
    """
    settings = future.world.tables.settings[0]
    most_kw = np.full((future.steps, 2), math.inf)
    limited = np.isfinite(multiple)
    if limited.any():
        headrooms, free_kw = _headrooms(future, bound, run, car)
        able = future.charge_h[:, car] > 0.0
        plan_kw, times = bound.charge_kw[:, car], np.where(limited, multiple, 1.0)
        for headroom in headrooms:
            left_kw = np.where(limited, times * headroom.kw, math.inf)
            shared_kw = _shared_out(headroom, plan_kw, able, left_kw, level_kw)
            drawn_kw = np.where(np.isinf(left_kw), math.inf, free_kw + shared_kw) + ROUNDING_KW
            most_kw[:, DRAWN] = np.minimum(most_kw[:, DRAWN], drawn_kw)
    if settings["load_management"] and run.charge_kw.shape[1] > 1:
        _, net_kw = _without_car_kw(future, run, car)
        most_kw[:, GRANTED] = settings["limit_kw"] - net_kw + ROUNDING_KW
    return most_kw


def _wear_prices(future: Future, car: int) -> tuple[WearPrices, ...]:
    """Prices that may stand for a car's wear, the likeliest first."""
    record, settings = future.world.tables.cars[car], future.world.tables.settings[0]
    lost_kwh_price = float(record["wear_price_per_kwh"] * settings["wear_weight"])
    if record["chemistry"] < 0 or lost_kwh_price == 0.0:
        return (FREE,)
    shares = (WEAR, *OTHER_WEAR, *(OTHER_CYCLING if settings["bidirectional"] else ()))
    return tuple(WearPrices(*(lost_kwh_price * share for share in prices)) for prices in shares)


def _better(
    future: Future, bound: Bound, run: Run, car: int, policy: Policy, assumptions: Assumptions
) -> tuple[Run, Assumptions]:
    """The cheapest run found in which one car decides anew, and its assumptions.

    All multiples are tried under the first prices, then for each month the one that was the best in
    it, then the other prices under the `BEST_MULTIPLES` best multiples.
    """
    month = _months(future)
    level_kw = np.asarray(policy.level_kw[car], np.float64)
    grid = grid_of(problem_of(future, car, run.actions), run)

    def found(trials: list[Trial]) -> list[tuple[Run, Trial]]:
        most_kw = [
            _most_kw(future, bound, run, car, level_kw[level_kw > 0.0], np.array(multiple)[month])
            for multiple, _ in trials
        ]
        prices = [prices for _, prices in trials]
        problem = problem_of(future, car, run.actions, np.stack(most_kw), prices)
        return list(zip(improve(future, problem, grid, run), trials, strict=True))

    first, *others = assumptions.prices
    ranked = found([(multiple, first) for multiple in assumptions.multiples])
    costs = np.stack([_month_costs(future, tried, month) for tried, _ in ranked])
    best_of = costs.argmin(axis=0)  # by month
    mixed = tuple(assumptions.multiples[place][i] for i, place in enumerate(best_of.tolist()))
    if mixed not in assumptions.multiples:
        ranked += found([(mixed, first)])
    ranked.sort(key=lambda found: found[0].cost)
    if others:
        multiples = [multiple for _, (multiple, _) in ranked[:BEST_MULTIPLES]]
        ranked += found([(multiple, other) for multiple in multiples for other in others])
    # Of equally cheap ones the first: the run as it is, then the likeliest assumptions.
    as_it_is = (run, (assumptions.multiples[0], first))
    best, (multiple, prices) = min([as_it_is, *ranked], key=lambda found: found[0].cost)
    return best, Assumptions((multiple,), (prices,))


def _each_in_turn(
    future: Future, bound: Bound, run: Run, policy: Policy, assumptions: list[Assumptions]
) -> tuple[Run, list[Assumptions]]:
    """The cheapest run found in which each car in turn decides anew, and their assumptions."""
    best = []
    for car, of_car in enumerate(assumptions):
        run, best_of_car = _better(future, bound, run, car, policy, of_car)
        best.append(best_of_car)
    return run, best


def achieve(future: Future, bound: Bound) -> Optimum:
    """The best plan found for a household whose future is known; see the module.

    Args:
        future: What `baselines.foresight.foresee` gives.
        bound: Its lower bound, with the relaxation's plan.
    """
    policy = Policy(future.world.scenario)  # for the cars' levels and powers
    idle = np.zeros(bound.charge_kw.shape, np.float32)
    plans = (idle, np.ones_like(idle), *policy_plans(future))
    simple = [replay(future, plan) for plan in plans]
    cheapest = min(simple, key=lambda run: run.cost)
    cars = len(policy.levels)
    has_power_charge = future.world.tables.settings["power_charge"][0] != 0
    multiples = MULTIPLES if has_power_charge else (math.inf,)
    months = int(_months(future)[-1]) + 1
    by_month = tuple((multiple,) * months for multiple in multiples)
    assumptions = [Assumptions(by_month, _wear_prices(future, car)) for car in range(cars)]
    has_accounts = future.world.tables.settings["accounts"][0] != 0
    alone = cars == 1 and not has_accounts
    starts = [simple[0]] if cars == 1 else []
    if not alone:  # what the others do matters, or the prices depend on what the car itself does
        starts.append(replay(future, _rounded(future, bound, policy)))
    runs = []
    for start in starts:
        run, decided = start, assumptions
        for _ in range(1 if alone else SWEEPS):
            run, decided = _each_in_turn(future, bound, run, policy, decided)
        runs.append(run)
    if not alone and cheapest.cost < min(run.cost for run in runs):
        cheapest, _ = _each_in_turn(future, bound, cheapest, policy, decided)
    runs = sorted([*runs, cheapest], key=lambda run: run.cost)
    # Where prices depend on the plan, one that is dearer now can be the cheapest when polished.
    polished = [
        polish(future, run, policy.levels) for run in runs[: len(runs) if has_accounts else 1]
    ]
    best, settled = min(polished, key=lambda polished: polished.run.cost)
    return Optimum(best.actions, best.cost, bound.cost, settled)


class Optimal(Policy):
    """The achieved optimum: a plan made with perfect foresight, replayed step by step.

    Knows everything to the horizon: load, sun, prices, when every car comes, goes and how far it
    drives. Nobody at home knows that; its bill is the yardstick for those who do not. How far it is
    from the true optimum at most is the gap to the lower bound. It is never dearer than
    `price_based` and `peak_shaving` in the same episode, whose plans it chooses where its own cost
    more; another policy can still be cheaper. It fails nowhere but takes its time: it plans a whole
    episode before the first step, needs a local env, and has no plan beyond the horizon.
    """

    name = "optimal"
    clairvoyant = True
    _plans = NO_PLANS
    _step = 0

    def reset(self, rows: NDArray[np.int64] | None = None) -> None:
        """Forget the plans of all rows; after each reset their futures are told anew."""
        self._plans, self._step = NO_PLANS, 0

    def foresee(self, futures: list[Future]) -> None:
        """Plan the episodes of all rows."""
        plans = [achieve(future, lower_bound(future)).actions for future in futures]
        self._plans = np.stack(plans, axis=1)
        self._step = 0

    def decide(self, view: View) -> Floats:
        """What the plan says of this step."""
        rows = view.plugged.shape[0]
        if rows != self._plans.shape[1] or self._step >= len(self._plans):
            raise ValueError(
                f"policy 'optimal' has plans of {self._plans.shape[1]} rows for "
                f"{len(self._plans) - self._step} more steps, and is asked about {rows} rows; it "
                "needs a local env, whose future it is told after each reset: "
                "baselines.foresight.tell_future(policy, env)"
            )
        self._step += 1
        fractions: Floats = self._plans[self._step - 1].astype(np.float64)
        return fractions
