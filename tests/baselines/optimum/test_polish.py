"""Polishing: what a change costs, what is found, and that nothing of its kind is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from baselines.foresight import Future, foresee
from baselines.optimal import achieve
from baselines.optimum import polish as polishing
from baselines.optimum.dynamic_program import Run, replay
from baselines.optimum.polish import polish
from baselines.optimum.relaxation import lower_bound
from baselines.optimum.trials import TRIAL_DTYPE, plan_of, try_all
from baselines.policies.base import Policy
from ev_gym.env import EVChargingEnv
from ev_gym.runtime.compiling import as_records
from tests.baselines.optimum.test_bound import cases
from tests.support import foreseen_households as by_hand
from tests.support.scenario_strategies import examples

Actions = NDArray[np.float32]
ID3 = "Volkswagen ID.3 58 kWh"
SETTLED: dict[str, dict[str, Any]] = {
    "stockholm": {"days": 1},
    "fed back": {"days": 1, "charger": {"bidirectional": True}, "time_step_min": 30},
    "two cars": {"days": 2, "time_step_min": 60, "vehicles": [{"model": ID3}, {"model": ID3}]},
    "villa": {"preset": "stockholm-villa", "days": 2, "time_step_min": 60},
    "levels": {"days": 1, "charger": {"levels_kw": (0.0, 3.7, 11.0)}},
}


def future_of(scenario: Any, seed: int) -> Future:
    env = EVChargingEnv(scenario)
    env.reset(seed=seed)
    return foresee(env.simulator)


def levels_of(future: Future) -> list[Actions]:
    return Policy(future.world.scenario).levels


def some_plan(future: Future, seed: int) -> Run:
    """A run in which each car has a drawn setting for hours on end."""
    generator = np.random.default_rng(seed)
    actions = np.zeros(future.vehicles["plugged"][:-1].shape, np.float32)
    for k, levels in enumerate(levels_of(future)):
        held = generator.choice(levels, len(actions))
        actions[:, k] = held[np.arange(len(actions)) // 7 * 7]
    return replay(future, actions)


def neighbour(levels: Actions, action: float, by: int) -> Any:
    return levels[np.clip(np.abs(levels - action).argmin() + by, 0, len(levels) - 1)]


def shifts(future: Future, plan: Actions) -> Iterator[Actions]:
    """Plans that differ in one setting, or by a shift, as the module says."""
    levels, plugged = levels_of(future), future.vehicles["plugged"][:-1] != 0
    day_steps = 1440 // future.world.scenario.time_step_min

    def changed(*parts: tuple[int, int, Any]) -> Actions:
        other = plan.copy()
        for step, car, level in parts:
            other[step, car] = level
        return other

    for step, car in np.argwhere(plugged):
        one = plan[step, car]
        yield changed((step, car, 0.0))
        partners = [(later, car) for later in range(step + 1, step + 1 + day_steps)]
        partners += [(step, k) for k in range(car + 1, len(levels))]
        for by in (-1, 1):
            to = neighbour(levels[car], one, by)
            yield changed((step, car, to))
            for later, k in partners:
                if later < len(plan) and plugged[later, k]:
                    other = neighbour(levels[k], plan[later, k], -by)
                    yield changed((step, car, to), (later, k, other))
        for later, k in partners:
            if k == car and later < len(plan) and plugged[later, k]:
                yield changed((step, car, plan[later, k]), (later, k, one))


@pytest.mark.parametrize("name", SETTLED)
def test_no_shift_is_cheaper(name: str) -> None:
    """Each of the changes that the docstring names, by simulating the whole episode."""
    future = future_of(SETTLED[name], seed=3)
    optimum = achieve(future, lower_bound(future))
    assert optimum.settled
    costs = [replay(future, plan).cost for plan in shifts(future, optimum.actions)]
    assert len(costs) > 100
    assert min(costs) >= optimum.cost - 1e-6


@pytest.mark.parametrize("name", SETTLED)
def test_no_shift_is_cheaper_without_prices(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search of short plans by itself leaves none, beginning with a drawn plan."""
    monkeypatch.setattr(polishing, "REPLAYS", 0)
    monkeypatch.setattr(polishing, "LEAST_STEPS", 0)
    monkeypatch.setattr(polishing, "SHIFT_STEPS", 50_000_000)
    future = future_of(SETTLED[name] | {"days": 1, "time_step_min": 60}, seed=3)
    polished = polish(future, some_plan(future, 3), levels_of(future))
    assert polished.settled
    costs = [replay(future, plan).cost for plan in shifts(future, polished.run.actions)]
    assert min(costs) >= polished.run.cost - 1e-6


def random_shift(generator: np.random.Generator, future: Future, plan: Actions) -> Actions:
    """One setting to a neighbour or none, two exchanged, or one a setting less and another more."""
    plan, levels = plan.copy(), levels_of(future)
    plugged = future.vehicles["plugged"][:-1] != 0
    car = int(generator.choice(np.flatnonzero(plugged.any(axis=0))))
    steps = np.flatnonzero(plugged[:, car])
    one = generator.choice(steps)
    day_steps = 1440 // future.world.scenario.time_step_min
    other = generator.choice(steps[np.abs(steps - one) <= day_steps])
    kind = generator.integers(4)
    if kind == 0:
        plan[one, car] = neighbour(levels[car], plan[one, car], generator.choice((-1, 1)))
    elif kind == 1:
        plan[one, car] = 0.0
    elif kind == 2:
        plan[[one, other], car] = plan[[other, one], car]
    else:
        less = neighbour(levels[car], plan[one, car], -1)
        more = neighbour(levels[car], plan[other, car], 1)
        plan[one, car], plan[other, car] = less, more
    return plan


@settings(max_examples=examples(25))
@given(cases())
def test_of_150_random_shifts_none_is_cheaper(case: Any) -> None:
    """With volatile prices and loads, and all that a household can have, where plans are short."""
    scenario, dataset, seed, options = case
    env = EVChargingEnv(scenario, dataset=dataset)
    env.reset(seed=seed, options=options)
    future = foresee(env.simulator)
    optimum = achieve(future, lower_bound(future))
    if optimum.settled and future.vehicles["plugged"][:-1].any():
        generator = np.random.default_rng(seed)
        plans = [random_shift(generator, future, optimum.actions) for _ in range(150)]
        cheapest = min(replay(future, plan).cost for plan in plans)
        assert cheapest >= optimum.cost - 1e-6 * (1.0 + abs(optimum.cost))


@settings(max_examples=examples(60))
@given(cases())
def test_a_change_costs_what_the_whole_episode_costs_more(case: Any) -> None:
    """Of some changes of a drawn plan, followed from their first step on; kept where it saves."""
    scenario, dataset, seed, options = case
    env = EVChargingEnv(scenario, dataset=dataset)
    env.reset(seed=seed, options=options)
    future = foresee(env.simulator)
    run = some_plan(future, seed)
    generator, levels = np.random.default_rng(seed), levels_of(future)
    plan = plan_of(future, run, levels)
    cost, cars = run.cost, len(levels)
    scale = 1.0 + abs(cost)
    for _ in range(8):
        trial = as_records(np.zeros(1, TRIAL_DTYPE))
        for half in ("", "other_"):
            trial[f"{half}length"] = generator.integers(1, 5)
            trial[f"{half}step"] = generator.integers(future.steps - 4)
            car = int(generator.integers(cars))
            trial[f"{half}car"], trial[f"{half}by"] = car, generator.integers(-2, 3)
            trial[f"{half}level"] = generator.choice(levels[car])
        before = plan.actions.copy()
        kept = try_all(plan, trial, future.steps, np.zeros((cars, 2)), 10**9, np.zeros((1, cars)))
        assert kept == trial["kept"][0]
        if kept:
            assert trial["cost"][0] < 0.0
            cost += trial["cost"][0]
        else:
            np.testing.assert_array_equal(plan.actions, before)
        assert replay(future, plan.actions).cost == pytest.approx(cost, abs=1e-9 * scale)
        assert plan.cost.sum() == pytest.approx(cost, abs=1e-9 * scale)


def test_dear_hours_are_exchanged_for_cheap_ones() -> None:
    """10 kWh from hours 0 and 1 to hours 3 and 5: 6.9 kWh at 0.2 and 3.1 at 0.4."""
    future = by_hand.future_of(by_hand.scenario(), by_hand.DIP)
    actions = np.zeros((future.steps, 1), np.float32)
    actions[:2] = 1.0
    run = replay(future, actions)
    settlement = run.households["settlement"][-1]
    assert run.cost + settlement == pytest.approx(10.0)
    polished = polish(future, run, levels_of(future))
    assert polished.run.cost + settlement == pytest.approx(6.9 * 0.2 + 3.1 * 0.4)
    assert polished.settled


def test_a_drawn_plan_gets_much_cheaper() -> None:
    """Over a week, by its own bill: that of its actions, which are settings of the charger."""
    future = future_of({"days": 7}, seed=5)
    run = some_plan(future, 5)
    polished = polish(future, run, levels_of(future)).run
    assert polished.cost < 0.5 * run.cost
    assert polished.cost == replay(future, polished.actions).cost
    assert np.isin(polished.actions, levels_of(future)[0]).all()


def test_without_a_budget_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    future = future_of({"days": 7}, seed=5)
    run = some_plan(future, 5)
    monkeypatch.setattr(polishing, "REPLAYS", 0)
    monkeypatch.setattr(polishing, "LEAST_STEPS", 0)
    polished = polish(future, run, levels_of(future))
    assert not polished.settled
    assert polished.run is run
