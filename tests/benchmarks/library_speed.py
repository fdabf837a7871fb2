"""`python -m tests.benchmarks.library_speed torchrl skrl tianshou rllib`: household-steps a second.

Of processor time, through each library's own collector or loop with random actions, beside the
native vector env alone, in turn in one process; medians. `docs/libraries.md` has what was measured.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

from ev_gym.vector_env import EVChargingVectorEnv

ROWS, STEPS, ROUNDS = 1024, 32, 5
HOUSEHOLDS: dict[str, Any] = {"scenario": {"days": 1}, "info": "none", "observation": "scaled"}


def native() -> Callable[[], object]:
    """The vector env in its default mode, with actions that are drawn anew for each step."""
    envs = EVChargingVectorEnv(ROWS, **HOUSEHOLDS)
    envs.reset(seed=0)

    def drive() -> None:
        for _ in range(STEPS):
            envs.step(envs.action_space.sample())

    return drive


def torchrl() -> Callable[[], object]:
    from torchrl.collectors import Collector
    from torchrl.envs import GymWrapper

    envs = EVChargingVectorEnv(ROWS, **HOUSEHOLDS, autoreset_mode="Disabled")
    collector = Collector(GymWrapper(envs), None, frames_per_batch=ROWS * STEPS, total_frames=-1)
    rounds = iter(collector)
    return lambda: next(rounds)


def skrl() -> Callable[[], object]:
    import torch
    from skrl.envs.wrappers.torch import wrap_env

    env = wrap_env(
        EVChargingVectorEnv(ROWS, **HOUSEHOLDS, autoreset_mode="SameStep"), verbose=False
    )
    env.reset()
    shape = (ROWS, *env.action_space.shape)

    def drive() -> None:
        for _ in range(STEPS):
            env.step(torch.rand(shape))

    return drive


def tianshou() -> Callable[[], object]:
    from tianshou.algorithm.algorithm_base import RandomActionPolicy
    from tianshou.data import Collector, VectorReplayBuffer

    from baselines.learning.tianshou import VectorEnv

    envs = VectorEnv(EVChargingVectorEnv(ROWS, **HOUSEHOLDS, autoreset_mode="Disabled"))
    policy = RandomActionPolicy(envs.envs.single_action_space)
    collector = Collector(policy, envs, VectorReplayBuffer(ROWS * STEPS, ROWS))
    collector.reset()
    return lambda: collector.collect(n_step=ROWS * STEPS, random=True)


def rllib() -> Callable[[], object]:
    from ray.rllib.algorithms.ppo import PPOConfig

    config = (
        PPOConfig()
        .environment("ev_gym:EVCharging-v0", env_config=HOUSEHOLDS)
        .env_runners(
            num_env_runners=0,
            num_envs_per_env_runner=ROWS,
            gym_env_vectorize_mode="vector_entry_point",
        )
    )
    runner = config.build_algo().env_runner
    return lambda: runner.sample(num_timesteps=ROWS * STEPS, random_actions=True)


LIBRARIES = {"torchrl": torchrl, "skrl": skrl, "tianshou": tianshou, "rllib": rllib}


def seconds(drive: Callable[[], object]) -> float:
    """Processor seconds of one round."""
    started = time.process_time()
    drive()
    return time.process_time() - started


def main() -> None:
    """Measure those libraries that are named and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("libraries", nargs="+", choices=LIBRARIES)
    warnings.simplefilter("ignore")  # of the libraries, about themselves
    logging.disable(logging.WARNING)
    import torch

    torch.set_num_threads(1)
    for name in parser.parse_args().libraries:
        drives = [native(), LIBRARIES[name]()]
        for drive in drives:
            drive()
        times = [[seconds(drive) for drive in drives] for _ in range(ROUNDS)]
        bare, through = (
            ROWS * STEPS / statistics.median(column) for column in zip(*times, strict=True)
        )
        share = statistics.median(alone / used for alone, used in times)
        print(f"{name}: {through:,.0f} of {bare:,.0f} steps a second, {share:.3f}", flush=True)


if __name__ == "__main__":
    main()
