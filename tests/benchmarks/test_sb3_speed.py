"""`pytest tests/benchmarks`: steps per second of processor time for Stable-Baselines3.

Everything is taken in turn in one run, episodes are days so that resets count, and actions are
drawn before the clock starts. Processor time, since the library waits for nothing.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from ev_gym.vector_env import EVChargingVectorEnv

MISSING = importlib.util.find_spec("stable_baselines3") is None
pytestmark = pytest.mark.skipif(MISSING, reason="needs stable-baselines3")

A_DAY: dict[str, Any] = {"days": 1, "start_hour": 12}
ROWS, ENVS = 1024, 8
STEPS = 97  # an episode and its end
ROUNDS = 9


def _driven(env: Any, rows: int) -> Callable[[], float]:
    """Steps of rows per second of processor time, over an episode's length of steps."""
    env.reset()
    rng = np.random.default_rng(0)
    actions = [rng.uniform(size=(rows, 1)).astype(np.float32) for _ in range(STEPS)]

    def drive() -> float:
        started = time.process_time()
        for action in actions:
            env.step(action)
        return rows * STEPS / (time.process_time() - started)

    drive()  # it compiles
    return drive


def _medians(envs: dict[str, tuple[Any, int]]) -> dict[str, list[float]]:
    """Of each env its speed in each round; all are driven in every round."""
    drives = {name: _driven(env, rows) for name, (env, rows) in envs.items()}
    speeds: dict[str, list[float]] = {name: [] for name in drives}
    for _ in range(ROUNDS):
        for name, drive in drives.items():
            speeds[name].append(drive())
    return speeds


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def test_the_adapter_against_a_loop_over_envs(report: Callable[[str], None]) -> None:
    """1,024 rows take at least 25 times the steps of SB3's DummyVecEnv of 8 single envs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing it warns of is not ours
        from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

    from baselines.learning.sb3 import VecEnv

    def single(**others: Any) -> Any:
        return gym.make("EVCharging-v0", scenario=A_DAY, **others)

    def native() -> Any:
        return VecEnv(ROWS, A_DAY)

    bare = EVChargingVectorEnv(ROWS, A_DAY, autoreset_mode="SameStep", info="none")
    speeds = _medians(
        {
            "DummyVecEnv": (DummyVecEnv([single] * ENVS), ENVS),
            "DummyVecEnv without infos": (DummyVecEnv([lambda: single(info="none")] * ENVS), ENVS),
            "bare": (bare, ROWS),
            "adapter": (native(), ROWS),
            "VecMonitor": (VecMonitor(native()), ROWS),
            "VecNormalize": (VecNormalize(native()), ROWS),
        }
    )
    for name, of_name in speeds.items():
        report(
            f"{name}: {statistics.median(of_name):,.0f} steps per second of processor time, "
            f"{_ratio(of_name, speeds['bare']):.3f} of the bare vector env"
        )
    gain = _ratio(speeds["adapter"], speeds["DummyVecEnv"])
    report(f"the adapter takes {gain:.1f} times the steps of DummyVecEnv")
    assert gain >= 25.0


def test_what_collecting_costs(report: Callable[[str], None]) -> None:
    """What is left of the speed while PPO collects its rollouts; nothing is asserted of theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing it warns of is not ours
        from stable_baselines3 import PPO
        from stable_baselines3.common.callbacks import CallbackList
    from baselines.learning.sb3 import VecEnv

    env = VecEnv(ROWS, A_DAY, continuous=False, observation="scaled")
    model = PPO("MlpPolicy", env, n_steps=STEPS, batch_size=ROWS, device="cpu")
    _, callback = model._setup_learn(10**9, CallbackList([]))
    collected = []
    for _ in range(4):
        started = time.process_time()
        model.collect_rollouts(env, callback, model.rollout_buffer, STEPS)
        collected.append(ROWS * STEPS / (time.process_time() - started))
    started = time.process_time()
    model.train()
    training = ROWS * STEPS / (time.process_time() - started)
    bare = _driven(VecEnv(ROWS, A_DAY), ROWS)
    report(
        f"PPO with {ROWS} rows: collects {statistics.median(collected[1:]):,.0f} steps per second "
        f"of processor time, trains on {training:,.0f}; the adapter alone takes {bare():,.0f}"
    )
    assert np.isfinite(training)
