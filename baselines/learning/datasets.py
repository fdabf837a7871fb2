"""Data sets of a policy's episodes, as Minari keeps them, for learning without an env.

The episodes are those of `ev-gym benchmark` with the same scenario, split, seed and households, and
a policy acts in a batch of them at once, as it does there.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

import ev_gym
from baselines.comparison import manifest
from baselines.comparison.plan import Plan
from baselines.comparison.tasks import Task, episode_seed, reset_env
from baselines.foresight import tell_future
from baselines.policies.specs import make_policy
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.simulation.results import NONE

ID = re.compile(r"(\w[-\w]+/)*\w[-\w]*-v\d+")
FOLDER_VARIABLE = "MINARI_DATASETS_PATH"  # where Minari looks for data sets


class Steps(NamedTuple):
    """What happened in n episodes of T steps, side by side.

    Attributes:
        observations: (T + 1, n, D) float32.
        actions: (T, n, K) float32, or levels (T, n) or (T, n, K) int64.
        rewards: (T, n) in the scenario's currency.
        settlements: (n,) worth of the change in stored energy, which a score adds to the return.
    """

    observations: NDArray[np.float32]
    actions: NDArray[Any]
    rewards: Floats
    settlements: Floats


def minari_module() -> Any:
    """The package Minari; to be called before a long run too, lest it is missing afterwards.

    Raises:
        ValueError: where it or the package for its files is missing.
    """
    try:
        import h5py  # noqa: F401  # Minari imports it where it writes
        import minari
    except ImportError as error:
        raise ValueError(
            f"data sets need Minari with HDF5 ({error}); pip install 'ev-gym[minari]'"
        ) from error
    return minari


def run_task(task: Task, continuous: bool) -> Steps:
    """Let the task's policy act in all its episodes, which are equally long."""
    envs: Any = gym.make_vec(
        "EVCharging-v0",
        num_envs=len(task.episodes),
        vectorization_mode="vector_entry_point",
        scenario=task.scenario,
        split=task.split,
        continuous=continuous,
        autoreset_mode=AutoresetMode.DISABLED,
        observation=task.observation,
        info=NONE,
        copy=False,
    ).unwrapped
    with contextlib.closing(envs):
        policy = make_policy(str(task.policy), envs, seed=task.seed)
        seen, _ = reset_env(task, envs)
        policy.reset(np.arange(len(task.episodes)))
        tell_future(policy, envs)
        steps = sum(task.day_hours) * HOUR_MIN // task.scenario.time_step_min
        observations = np.empty((steps + 1, *seen.shape), np.float32)
        actions = np.empty((steps, *envs.action_space.shape), envs.action_space.dtype)
        rewards = np.empty((steps, len(task.episodes)))
        observations[0] = seen
        for step in range(steps):
            actions[step] = policy(observations[step])
            observations[step + 1], rewards[step], _, truncated, _ = envs.step(actions[step])
        assert truncated.all()  # a task's episodes all end here
        return Steps(observations, actions, rewards, envs.simulator.settlements())


def write_dataset(
    plan: Plan,
    dataset_id: str,
    folder: Path | None = None,
    continuous: bool = True,
    command: Sequence[str] = (),
    progress: Callable[[int], object] = lambda _: None,
) -> Any:
    """Write the episodes of a plan as a Minari data set.

    An episode holds T + 1 observations and T actions and rewards. None terminates; the last step is
    truncated, so who learns from it must bootstrap there. Its metadata hold `seed` and `options`,
    with which `recover_environment()` resets to it, the `settlement`, and the `benchmark_seed` and
    `household` by which results of `ev-gym benchmark` name it. Those of the data set hold the
    policy, the plan with the whole scenario, versions and digests under `ev_gym`, as the
    benchmark's manifest does. The same plan gives the same arrays.

    Args:
        plan: Of one scenario, one policy and one split, without a bound.
        dataset_id: Such as `ev_gym/stockholm/water_filling-v0`.
        folder: Where to keep it; None: where Minari keeps its data sets.
        continuous: False for actions that are levels of the charger.
        command: The command, for the metadata.
        progress: Called with the number of episodes after each batch.

    Returns:
        The `minari.MinariDataset`.

    Raises:
        ValueError: for an impossible id or one that exists, a plan of more than that, and where
            Minari is missing.
    """
    minari = minari_module()
    if not ID.fullmatch(dataset_id):
        raise ValueError(
            f"id is {dataset_id!r}; allowed: words of letters, digits, _ and -, joined by /, that "
            "end in -v and a number, such as ev_gym/stockholm/mpc-v0"
        )
    if (len(plan.horizons), len(plan.policies), len(plan.splits), plan.bound) != (1, 1, 1, False):
        raise ValueError(
            f"the plan has {len(plan.horizons)} scenario(s), {len(plan.policies)} policies, split "
            f"{plan.split!r} and bound={plan.bound}; allowed: one of each and bound=False"
        )
    (scenario,), (policy,), split = plan.horizons, plan.policies, plan.split
    described = manifest.describe(plan.to_dict(), command)
    env = gym.make(
        "EVCharging-v0",
        scenario=scenario.to_dict(),
        split=split,
        continuous=continuous,
        observation=plan.observation,
    )
    with _minari_folder(folder):
        # Minari recommends names and addresses of authors, which are not ours to invent.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* is set to None", UserWarning)
            dataset = minari.create_dataset_from_buffers(
                dataset_id,
                [],
                env=env,
                algorithm_name=policy,
                description=f"{policy} on {scenario.name}; rewards in {scenario.currency}, minus "
                "what charging costs; episodes are truncated, none terminates",
                data_format="hdf5",
                requirements=[f"ev-gym=={ev_gym.__version__}"],
            )
        try:
            dataset.storage.update_metadata({"ev_gym": {**described, "continuous": continuous}})
            for task in plan.tasks():
                _append(minari, dataset, task, run_task(task, continuous))
                progress(len(task.episodes))
        except BaseException:
            # What is cut short would look like a whole data set.
            shutil.rmtree(dataset.storage.data_path.parent)
            raise
    return dataset


def _append(minari: Any, dataset: Any, task: Task, steps: Steps) -> None:
    """Write the episodes of a task behind those of the data set."""
    from minari.data_collector import EpisodeBuffer

    count, first = len(steps.rewards), dataset.total_episodes
    truncations = np.arange(count) == count - 1
    buffers = [
        EpisodeBuffer(
            seed=episode_seed(*episode),
            options=dict(_options(task, row)),
            observations=steps.observations[:, row],
            actions=steps.actions[:, row],
            rewards=steps.rewards[:, row],
            terminations=np.zeros(count, np.bool_),
            truncations=truncations,
        )
        for row, episode in enumerate(task.episodes)
    ]
    dataset.update_dataset_from_buffer(buffers)
    dataset.storage.update_episode_metadata(
        [
            {"settlement": settlement, "benchmark_seed": seed, "household": household}
            for (seed, household), settlement in zip(
                task.episodes, steps.settlements.tolist(), strict=True
            )
        ],
        range(first, first + len(buffers)),
    )


def _options(task: Task, row: int) -> Mapping[str, Any]:
    """The reset options of an episode, beside its seed."""
    options = {"start": task.months, "world": task.worlds}
    return {name: values[row] for name, values in options.items() if values}


@contextlib.contextmanager
def _minari_folder(folder: Path | None) -> Iterator[None]:
    """Let Minari keep its data sets in this folder; None: in its own."""
    before = os.environ.get(FOLDER_VARIABLE)
    chosen = before if folder is None else folder
    if chosen is not None:
        os.environ[FOLDER_VARIABLE] = str(Path(chosen).resolve())  # it fails on a relative one
    try:
        yield
    finally:
        if before is not None:
            os.environ[FOLDER_VARIABLE] = before
        else:
            os.environ.pop(FOLDER_VARIABLE, None)
