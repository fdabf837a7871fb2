"""The lower bound against a climber that foresees: of changes by chance, what is cheaper stays.

It knows no rule of the charger and no term of the bill, only what `replay` says that a plan costs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from numpy.typing import NDArray

from baselines.foresight import Future, foresee
from baselines.optimal import achieve
from baselines.optimum.dynamic_program import Run, replay
from baselines.optimum.relaxation import lower_bound
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario
from ev_gym.series.dataset import Dataset
from tests.baselines.optimum.test_bound import MONEY, cases
from tests.support import scenario_strategies
from tests.support.scenario_strategies import examples

Actions = NDArray[np.float32]
# How often a plan is changed, and how many steps are changed at once.
TRIES, BLOCKS = 100, (1, 1, 2, 4, 12, 48)


def drawn_action(generator: np.random.Generator, lowest: float) -> float:
    """Often one of the ends, or nothing; else any power."""
    if generator.random() < 0.5:
        return float(generator.choice([lowest, 0.0, 1.0]))
    return float(generator.uniform(lowest, 1.0))


def changed(actions: Actions, generator: np.random.Generator, lowest: float) -> Actions:
    """A plan (T, K) of which some steps of one car do something else."""
    actions = actions.copy()
    steps, cars = actions.shape
    block = min(steps, int(generator.choice(BLOCKS)))
    column = actions[:, generator.integers(cars)]
    at, other = (slice(i, i + block) for i in generator.integers(0, steps - block + 1, 2))
    kind = generator.integers(4)
    if kind == 0:
        column[at] = drawn_action(generator, lowest)
    elif kind == 1:  # energy from one time to another
        column[at], column[other] = column[other].copy(), column[at].copy()
    elif kind == 2:  # as much of it as fits, and no more than there is
        moved = np.minimum(np.maximum(column[at], 0.0), 1.0 - column[other])
        moved = np.maximum(moved * generator.choice([0.1, 0.5, 1.0]), 0.0)
        column[at] -= moved
        column[other] += moved
    else:
        column[at] = np.clip(column[at] + generator.normal(0.0, 0.2), lowest, 1.0)
    return np.clip(actions, lowest, 1.0)


def climb(future: Future, actions: Actions, generator: np.random.Generator, tries: int) -> Run:
    """The cheapest run found near a plan."""
    lowest = scenario_strategies.lowest_of(future.world.scenario)
    best = replay(future, actions)
    for _ in range(tries):
        run = replay(future, changed(best.actions, generator, lowest))
        best = min(best, run, key=lambda run: run.cost)
    return best


def climbed(
    case: tuple[Scenario, Dataset, int, dict[str, Any]], tries: int
) -> tuple[float, list[float]]:
    """The bound of an episode, and what is paid from nothing, full power, and two plans on."""
    scenario, dataset, seed, options = case
    env = EVChargingEnv(scenario, dataset=dataset)
    env.reset(seed=seed, options=options)
    future = foresee(env.simulator)
    bound = lower_bound(future)
    optimum = achieve(future, bound)
    relaxed = bound.charge_kw / env.simulator.world.tables.cars["max_kw"]
    idle = np.zeros_like(optimum.actions)
    generator = np.random.default_rng(seed)
    starts = (idle, idle + 1.0, np.clip(relaxed, -1.0, 1.0), optimum.actions)
    runs = [climb(future, start.astype(np.float32), generator, tries) for start in starts]
    return bound.cost, [optimum.cost, *(run.cost for run in runs)]


@settings(max_examples=examples(60))
@given(cases())
def test_no_climber_gets_below_the_bound(
    case: tuple[Scenario, Dataset, int, dict[str, Any]],
) -> None:
    bound, costs = climbed(case, TRIES)
    assert bound <= min(costs) + MONEY * (1.0 + max(map(abs, costs)))


def test_the_climber_climbs() -> None:
    """From nothing, where a stop is due, it finds a plan for less than half."""
    env = EVChargingEnv({"days": 1})
    env.reset(seed=4)
    future = foresee(env.simulator)
    idle = np.zeros((future.steps, 1), np.float32)
    found = climb(future, idle, np.random.default_rng(0), 2000)
    assert lower_bound(future).cost <= found.cost < 0.5 * replay(future, idle).cost
