"""`pytest tests/benchmarks/test_mpc_speed.py`: what receding horizon costs, and where it goes.

In seconds of processor time of one thread, so that other processes on the machine do not decide.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from baselines import make_policy
from baselines.mpc import plan, policy
from ev_gym.vector_env import EVChargingVectorEnv

Report = Callable[[str], None]

YEAR_S, MONTH_S = 20.0, 60.0


def drive(rows: int, scenario: Any) -> float:
    """Seconds for an episode of so many households."""
    env = EVChargingVectorEnv(rows, scenario)
    policy = make_policy("mpc", env)
    observations, _ = env.reset(seed=100)
    started, over = time.process_time(), False
    while not over:
        observations, _, _, truncated, _ = env.step(policy(observations))
        over = bool(truncated.all())
    return time.process_time() - started


class Clock:
    """Adds up the time that a function takes, and counts its calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seconds, self.calls = function, 0.0, 0

    def __call__(self, *given: Any) -> Any:
        started = time.process_time()
        answer = self.function(*given)
        self.seconds += time.process_time() - started
        self.calls += 1
        return answer


def test_a_year_of_one_household(monkeypatch: pytest.MonkeyPatch, report: Report) -> None:
    """364 days of quarter-hours of `stockholm`, three times: a median below 20 s."""
    drive(1, {"days": 1})
    making = Clock(plan.make_plan)
    monkeypatch.setattr(policy, "make_plan", making)
    solving = Clock(plan.Program.solve)
    monkeypatch.setattr(plan.Program, "solve", lambda programme: solving(programme))
    seconds = statistics.median(drive(1, {"days": 364}) for _ in range(3))
    plans = making.calls // 3
    report(
        f"mpc, a year of one household: {seconds:.1f} s, {plans} plans of "
        f"{1000 * making.seconds / making.calls:.2f} ms, of which HiGHS "
        f"{1000 * solving.seconds / solving.calls:.2f} ms; "
        f"{100 * making.seconds / 3 / seconds:.0f} % of the time is planning"
    )
    assert seconds < YEAR_S
    assert plans < 364 * 24 + 2 * 364  # a clock hour, and cars that come: no more often


@pytest.mark.parametrize("preset", ["stockholm", "stockholm-villa"])
def test_four_weeks_of_a_batch(preset: str, report: Report) -> None:
    """32 households, 28 days: below 60 s, also with two cars that discharge."""
    seconds = drive(32, {"preset": preset, "days": 28})
    report(f"mpc, 32 households of {preset} over 28 days: {seconds:.1f} s")
    assert seconds < MONTH_S
