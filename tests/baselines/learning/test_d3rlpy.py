"""d3rlpy learns from a data set of ours: what its policy did, and the value behind a truncation.

Skips where d3rlpy or Minari is not installed, unless EV_GYM_REQUIRE_D3RLPY=1.
"""

from __future__ import annotations

import importlib.util
import os
import types
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from click.testing import CliRunner
from gymnasium.vector import AutoresetMode

from baselines import make_policy
from baselines.cli.commands import main
from baselines.learning import datasets
from tests.support.library_examples import examples, run_examples

MISSING = any(importlib.util.find_spec(name) is None for name in ("d3rlpy", "minari", "h5py"))
REQUIRED = os.environ.get("EV_GYM_REQUIRE_D3RLPY") == "1"
pytestmark = pytest.mark.skipif(MISSING and not REQUIRED, reason="needs d3rlpy and minari")


@pytest.fixture(scope="module")
def d3rlpy() -> Any:
    """The library on one thread, which says only what went wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing it warns of is not ours
        import d3rlpy
        import structlog
        import torch
    torch.set_num_threads(1)
    silent = structlog.make_filtering_bound_logger(50)
    structlog.configure(wrapper_class=silent)
    d3rlpy.seed(0)
    return d3rlpy


@pytest.fixture(scope="module")
def example(d3rlpy: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page's examples leave: a data set of `night`, and a clone of that policy."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("examples")
        patch.chdir(folder)
        patch.setenv(datasets.FOLDER_VARIABLE, str(folder))
        (shell,) = examples("Minari", "sh")
        (line,) = [line for line in shell.splitlines() if line.startswith("ev-gym")]
        result = CliRunner().invoke(main, [*line.split()[1:], "--quiet"])
        assert result.exit_code == 0, result.output
        return run_examples("d3rlpy", run_examples("Minari"))


def fitted(config: Any, buffer: Any, steps: int, d3rlpy: Any) -> Any:
    learner = config.create(device="cpu")
    learner.fit(
        buffer,
        n_steps=steps,
        n_steps_per_epoch=steps,
        show_progress=False,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
    )
    return learner


def test_the_clone_does_what_the_policy_did(example: dict[str, Any]) -> None:
    """In households that it never saw: it charges when `night` does, and pays nearly as little.

    `night` charges in a fortieth of the steps. After so short a training the clone charges in a
    third of these, and in one of a thousand others; by chance it would be as often in both.
    """
    dataset, clone = example["dataset"], example["cloned"]
    arguments = dict(dataset.spec.env_spec.kwargs)
    envs: Any = gym.make_vec(
        "EVCharging-v0",
        num_envs=64,
        vectorization_mode="vector_entry_point",
        autoreset_mode=AutoresetMode.DISABLED,
        **arguments,
    ).unwrapped
    night = make_policy("night", envs)
    costs, charges = {}, []
    policies = {"clone": clone.predict, "night": night, "random": make_policy("random", envs)}
    for name, policy in policies.items():
        observations, _ = envs.reset(seed=10_000)
        total = np.zeros(64)
        for _ in range(96):
            levels = policy(observations)
            if name == "clone":
                charges.append((levels > 0, night(observations) > 0))
            observations, rewards, *_ = envs.step(levels)
            total += rewards
        costs[name] = float(-(total + envs.simulator.settlements()).mean())
    cloned, meant = (np.array(own) for own in zip(*charges, strict=True))
    assert cloned[meant].mean() > 0.2 > 50 * cloned[~meant].mean()
    assert abs(costs["clone"] - costs["night"]) < 0.25 * (costs["random"] - costs["night"])
    assert costs["random"] > 2 * costs["clone"] > 0


def test_no_transition_is_lost_and_none_ends_the_world(example: dict[str, Any]) -> None:
    """Each step is a transition to the observation after it, also the last one."""
    dataset, buffer = example["dataset"], example["buffer"]
    assert buffer.transition_count == dataset.total_steps
    pick = buffer.transition_picker
    for own, episode in list(zip(dataset, buffer.episodes, strict=True))[:3]:
        for step in (0, 40, 95):
            transition = pick(episode, step)
            assert transition.terminal == 0.0
            assert transition.action == own.actions[step]
            assert transition.reward == np.float32(own.rewards[step])
            np.testing.assert_array_equal(transition.observation, own.observations[step])
            np.testing.assert_array_equal(transition.next_observation, own.observations[step + 1])


def test_its_own_reader_of_minari_shifts_observations(example: dict[str, Any], d3rlpy: Any) -> None:
    """Why the page converts by hand: `get_minari` takes T + 1 observations for T steps.

    If this fails, d3rlpy has mended it, and the page should say so.
    """
    dataset = example["dataset"]
    episodes = [dataset[0], dataset[1]]
    observations, *others = (
        np.concatenate([getattr(episode, name) for episode in episodes])
        for name in ("observations", "actions", "rewards", "terminations", "truncations")
    )
    read = d3rlpy.dataset.MDPDataset(
        observations, *others, action_space=d3rlpy.ActionSpace.DISCRETE
    )
    second = read.episodes[1]
    np.testing.assert_array_equal(second.observations[0], dataset[0].observations[-1])
    np.testing.assert_array_equal(second.observations[1], dataset[1].observations[0])


@pytest.mark.parametrize("truncated", [True, False], ids=["truncated", "terminated"])
def test_the_value_behind_a_truncation(
    truncated: bool, example: dict[str, Any], d3rlpy: Any
) -> None:
    """A household that pays 1 each step, for ever, is worth -1 / (1 - 0.9) = -10 at a discount 0.9.

    Episodes of two steps that are taken to end there teach another value q, since both steps look
    alike and after every second one nothing follows: q = -1 + 0.9 * q / 2, so q = -1.818.
    """
    steps = 2
    episode = types.SimpleNamespace(
        observations=np.ones((steps + 1, 2), np.float32),
        actions=np.zeros(steps, np.int64),
        rewards=-np.ones(steps),
    )
    converted = example["as_episode"](episode)
    if not truncated:
        converted = d3rlpy.dataset.Episode(
            converted.observations[:-1],
            converted.actions[:-1],
            converted.rewards[:-1],
            terminated=True,
        )
    buffer = d3rlpy.dataset.ReplayBuffer(
        d3rlpy.dataset.InfiniteBuffer(),
        episodes=[converted],
        action_space=d3rlpy.ActionSpace.DISCRETE,
        action_size=1,
    )
    assert buffer.transition_count == steps
    config = d3rlpy.algos.DiscreteCQLConfig(
        gamma=0.9, batch_size=16, learning_rate=0.01, target_update_interval=5
    )
    learner = fitted(config, buffer, 350, d3rlpy)
    value = learner.predict_value(np.ones((1, 2), np.float32), np.zeros(1, np.int64))
    assert value[0] == pytest.approx(-10.0 if truncated else -1 / (1 - 0.9 / 2), abs=0.2)
