"""`pytest tests/benchmarks`: steps a second against CartPole's, resets included.

Actions are drawn before the clock starts, for both sides: sampling a `Box` costs more than a step
of either env. What bounds the numbers is written down in `tests/benchmarks/README.md`.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest

import ev_gym  # noqa: F401  # registers the env
from ev_gym.runtime import threads

Ratio = Callable[..., float]

# Episodes of a day, so that resets count; those of a month begin anew every 2,900 steps.
A_DAY: dict[str, Any] = {"days": 1, "start_hour": 12}
# One car: none of power charge, heat, ageing, sun, discharging, phase switching; or all of them.
ID3 = "Volkswagen ID.3 58 kWh"
SCENARIOS: dict[str, Any] = {
    "plain": {
        **A_DAY,
        "vehicles": [{"model": ID3, "chemistry": None}],
        "tariff": "vattenfall-flat-2025",
    },
    "stockholm": A_DAY,
    "everything": {**A_DAY, "preset": "stockholm-villa", "vehicles": [{"model": ID3}]},
    "two cars, everything": {**A_DAY, "preset": "stockholm-villa"},
}
STEPS = 5000
SAMPLES = 64


def _drive_single(env: Any, actions: list[Any]) -> Callable[[], None]:
    def drive() -> None:
        env.reset(seed=0)
        for step in range(STEPS):
            _, _, terminated, truncated, _ = env.step(actions[step % SAMPLES])
            if terminated or truncated:
                env.reset()

    return drive


def _drive_vector(env: Any, actions: list[Any], steps: int) -> Callable[[], None]:
    env.reset(seed=0)

    def drive() -> None:
        for step in range(steps):
            env.step(actions[step % SAMPLES])

    return drive


def _sampled(space: Any) -> list[Any]:
    space.seed(0)
    return [space.sample() for _ in range(SAMPLES)]


def test_single_env(ratio_to: Ratio, report: Callable[[str], None]) -> None:
    """A single env with random actions, resets included: at least 1.0 of CartPole-v1."""
    ours, theirs = gym.make("EVCharging-v0", scenario=A_DAY), gym.make("CartPole-v1")
    ratio = ratio_to(
        _drive_single(ours, _sampled(ours.action_space)),
        _drive_single(theirs, _sampled(theirs.action_space)),
    )
    report(f"single env: {ratio:.2f} of CartPole-v1")
    assert ratio >= 1.0


@pytest.mark.parametrize(
    ("name", "rows", "least"),
    [
        ("stockholm", 64, 1.0),
        ("plain", 1024, 1.0),
        ("stockholm", 1024, 0.7),
        ("everything", 1024, 0.7),
        ("two cars, everything", 1024, 0.5),
        ("stockholm", 8192, 0.7),
    ],
)
def test_vector_env(
    name: str, rows: int, least: float, ratio_to: Ratio, report: Callable[[str], None]
) -> None:
    """The native vector env against CartPole's, over whole episodes with their resets."""
    envs = [
        gym.make_vec("EVCharging-v0", rows, "vector_entry_point", scenario=SCENARIOS[name]),
        gym.make_vec("CartPole-v1", rows, "vector_entry_point"),
    ]
    steps = 97 * max(1, 4096 // rows)
    ratio = ratio_to(*(_drive_vector(env, _sampled(env.action_space), steps) for env in envs))
    used = len(threads.parts(rows))
    report(f"vector env of {rows} rows, {name}: {ratio:.2f} of CartPole-v1's, {used} thread(s)")
    assert ratio >= least


def test_threads_pay(
    monkeypatch: pytest.MonkeyPatch, ratio_to: Ratio, report: Callable[[str], None]
) -> None:
    """Where threads are used they are faster than one, with the processors at hand."""
    if threads.available_cpus() < 2:
        pytest.skip("needs two processors")
    rows, drives = 2 * threads.ROWS_A_THREAD, []
    for cpus in (threads.available_cpus(), 1):
        monkeypatch.setattr(threads, "available_cpus", lambda cpus=cpus: cpus)
        env = gym.make_vec("EVCharging-v0", rows, "vector_entry_point", scenario=A_DAY)
        drives.append(_drive_vector(env, _sampled(env.action_space), 97 * 2))
        monkeypatch.undo()
    gain = ratio_to(*drives)
    report(f"threads at {rows} rows: {gain:.2f} times one thread")
    assert gain >= 1.0


def test_nothing_allocated_per_step_without_copies() -> None:
    """With `copy=False` a step of 8,192 rows allocates less than a tenth of one row array.

    What Gymnasium's interface forces anew is the array of `terminated` and the dict of views.
    """
    rows = 8192
    env = gym.make_vec(
        "EVCharging-v0", num_envs=rows, vectorization_mode="vector_entry_point", copy=False
    )
    actions = _sampled(env.action_space)
    env.reset(seed=0)
    for step in range(10):
        env.step(actions[step])
    tracemalloc.start()
    for step in range(10):
        env.step(actions[step])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # `terminated` is a byte a row; everything else is views, far below.
    assert peak < rows + 32_000


def test_default_env_is_built_in_less_than_a_second(report: Callable[[str], None]) -> None:
    """Once compiled, with series and tables built anew."""
    import time

    from ev_gym.series import of_scenario
    from ev_gym.world import world

    gym.make("EVCharging-v0").reset(seed=0)
    of_scenario._dataset.cache_clear()
    world._built.cache_clear()
    started = time.perf_counter()
    gym.make("EVCharging-v0").reset(seed=0)
    seconds = time.perf_counter() - started
    report(f"default env: {seconds:.2f} s to build")
    assert seconds < 1.0
