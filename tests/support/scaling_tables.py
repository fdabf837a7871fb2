"""The two tables of `docs/scaling.md`: what processes gain, and what a million years cost.

`python -m tests.support.scaling_tables` measures and writes both, in some minutes of a machine that
does nothing else.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

from baselines.comparison import workers
from baselines.comparison.benchmark import one_after_another
from baselines.comparison.plan import Plan
from baselines.comparison.tasks import run_task
from ev_gym.scenario import preset
from tests.support.repository import ROOT
from tests.validation.writing import with_table

PAGE = ROOT / "docs" / "scaling.md"
ROUNDS = 3
MONTHS = 12
MILLION = 1_000_000
CORE_HOUR_USD = 0.05
# What it is, policies, households of a month each; every batch is a task.
COMPARED = (
    ("three rules, 1,024 household-months each", ("load_based", "price_based", "night"), 1024),
    ("`mpc`, 24 household-months", ("mpc",), 24),
)
# What it is, policy (None: the bound), households of a month each.
PRICED = (
    ("a rule (`price_based`), many months side by side", "price_based", 1024),
    ("the lower bound", None, 24),
    ("`mpc`", "mpc", 24),
    ("`optimal`", "optimal", 12),
)


def _plan(policies: tuple[str, ...], households: int, bound: bool = False) -> Plan:
    scenarios = (preset("stockholm"),)
    return Plan(scenarios, policies, households=households, bound=bound, steps=False)


def _timed(clock: Callable[[], float], work: Callable[[], object]) -> float:
    begun = clock()
    work()
    return clock() - begun


def _speed_up(words: str, policies: tuple[str, ...], households: int) -> list[str]:
    """A row: seconds on the clock in one process and in two, in turn, and their ratio."""
    tasks = _plan(policies, households).tasks()
    ways = (one_after_another, partial(workers.run_all, jobs=2))
    for run in ways:
        run(run_task, tasks)
    rounds = [[_timed(time.perf_counter, partial(run, run_task, tasks)) for run in ways]
              for _ in range(ROUNDS)]  # fmt: skip
    ratios = [alone_s / together_s for alone_s, together_s in rounds]
    alone_s, together_s = (statistics.median(own) for own in zip(*rounds, strict=True))
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return [f"{words}: {len(tasks)} tasks", f"{alone_s:.2f}", f"{together_s:.2f}", spread]


def _price(words: str, policy: str | None, households: int) -> list[str]:
    """A row: processor time of whole tasks."""
    plan = _plan((policy or "price_based",), households, bound=policy is None)
    tasks = [task for task in plan.tasks() if task.policy == policy]
    run_task(tasks[0])
    took_s = _timed(time.process_time, lambda: one_after_another(run_task, tasks))
    year_s = MONTHS * took_s / households
    core_hours = year_s * MILLION / 3600
    return [words, *map(_two_digits, (year_s, core_hours, core_hours * CORE_HOUR_USD))]


def _two_digits(value: float) -> str:
    """Such as 1,800 and 0.046."""
    return f"{float(f'{value:.2g}'):,g}"


def main() -> None:
    """Measure and write."""
    page = PAGE.read_text(encoding="utf-8")
    head = ["what", "one process (s)", "two workers (s)", "speed-up, lowest and highest"]
    page = with_table(page, head, [_speed_up(*each) for each in COMPARED])
    head = ["policy", "s per household-year", "core-hours per million", "USD per million"]
    page = with_table(page, head, [_price(*each) for each in PRICED])
    PAGE.write_text(page, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
