"""A rule over many household-years, policy and sums included: what a comparison costs.

The wall clock of a machine that others use says little, so what is asserted is a ratio: a
household-step of the whole comparison against one of the bare vector env with the same rows, taken
in turn. The seconds for 1,000 household-years are reported beside it.

Measured on a virtual machine with two cores (Python 3.11): 3.5 to 4 times the bare env, of which
the env itself is a quarter, the policy a half, and sums, local clock and making the env a fifth.
With nothing else running, 256 household-years of load_based took 4.6 s on one core: 18 ms each, so
1,000 take 18 s of one core. What bounds it is the number of NumPy calls a step in the policy, and
their cost is shared by the rows of a batch: with 32 rows, the size for planners, load_based and the
env take four times as long a household-step as with 256.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from baselines.comparison import benchmark, workers
from baselines.comparison.plan import RULE_ROWS, Plan
from baselines.comparison.tasks import Task, make_env, run_days, run_task
from ev_gym.scenario import Scenario, preset

DAYS = 28
ROUNDS = 5
YEAR = 364
STOCKHOLM = preset("stockholm")
RULES = ("load_based", "price_based", "peak_shaving", "cheapest_hours", "night")


def horizon(days: int) -> Scenario:
    return Plan((STOCKHOLM,), ("load_based",), days=days).horizons[0]


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def bare_env(task: Task) -> Callable[[], None]:
    """The env alone with the same rows, at full power."""
    env: Any = gym.make_vec(
        "EVCharging-v0", RULE_ROWS, "vector_entry_point", scenario=task.scenario, copy=False
    )
    actions = np.ones((RULE_ROWS, 1), np.float32)
    env.reset(seed=0)

    def work() -> None:
        for _ in range(task.scenario.horizon_steps):
            env.step(actions)

    return work


@pytest.mark.parametrize("rule", RULES)
def test_a_comparison_costs_little_more_than_the_env(
    rule: str, report: Callable[[str], None]
) -> None:
    """At most six times the bare env's time; where it goes: env, policy, sums."""
    episodes = tuple((0, household) for household in range(RULE_ROWS))
    task = Task(horizon(DAYS), rule, None, episodes)
    env_alone, through = bare_env(task), make_env(task)

    def driven() -> None:
        for _ in run_days(task, through):
            pass

    works = (env_alone, driven, lambda: run_task(task))
    for work in works:
        work()
    rounds = [[timed(work) for work in works] for _ in range(ROUNDS)]
    alone, policy, whole = (
        1e9 * statistics.median(own) / (RULE_ROWS * task.scenario.horizon_steps)
        for own in zip(*rounds, strict=True)
    )
    ratio = statistics.median(one[2] / one[0] for one in rounds)
    report(
        f"{rule}: {whole:.0f} ns a household-step: env {alone:.0f}, policy {policy - alone:.0f}, "
        f"making env and sums {whole - policy:.0f}; {ratio:.1f} times the bare env"
    )
    assert ratio < 6.0


@pytest.mark.parametrize("rule", ["load_based", "price_based"])
def test_a_thousand_household_years(rule: str, report: Callable[[str], None]) -> None:
    """Reported, and asserted against what the bare env takes for them here and now."""
    if (os.cpu_count() or 1) < 2:
        pytest.skip("needs two processors")
    plan = Plan((STOCKHOLM,), (rule,), households=1000, days=YEAR, bound=False, steps=False)
    env_alone = bare_env(Task(horizon(DAYS), rule, None, ((0, 0),)))
    env_alone()
    alone_s = timed(env_alone) * YEAR / DAYS * 1000 / RULE_ROWS
    seconds = timed(lambda: benchmark.compare(plan, partial(workers.run_all, jobs=2)))
    report(
        f"{rule}: 1,000 household-years on two cores in {seconds:.0f} s; the bare env on one would "
        f"take {alone_s:.0f} s"
    )
    assert seconds < 6.0 * alone_s
