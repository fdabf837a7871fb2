"""What `ev-gym warm-up` does: have everything compiled that a newcomer would wait for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import gymnasium as gym

import ev_gym  # noqa: F401  # registers the env
from ev_gym.scenario import preset


def _step_one() -> None:
    env = gym.make("EVCharging-v0")
    env.reset(seed=0)
    env.step(env.action_space.sample())


def _step_rows() -> None:
    env = gym.make_vec("EVCharging-v0", num_envs=2, vectorization_mode="vector_entry_point")
    env.reset(seed=0)
    env.step(env.action_space.sample())


def _compare() -> None:
    from baselines.comparison.benchmark import compare
    from baselines.comparison.plan import Plan, default_policies

    scenarios = (replace(preset("stockholm"), days=1),)
    compare(Plan(scenarios, default_policies(scenarios), households=1, days=1))


PARTS: tuple[tuple[str, Callable[[], None]], ...] = (
    ("single env", _step_one),
    ("vector env", _step_rows),
    ("benchmark with all default policies", _compare),
)


def warm_up(tell: Callable[[str], object]) -> None:
    """Use each part once, so that its machine code lies on disk, and tell how long it took."""
    for name, use in PARTS:
        began = time.perf_counter()
        use()
        tell(f"{name}: {time.perf_counter() - began:.1f} s")
