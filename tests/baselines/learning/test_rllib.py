"""RLlib's new API stack: its env runners, learner and PPO on the single and the vector env.

Skips where it is not installed, unless EV_GYM_REQUIRE_RLLIB=1.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from tests.support import two_states as two
from tests.support.library_examples import run_examples

# Ray alone, without what RLlib needs, is there where clusters are tested.
MISSING = any(importlib.util.find_spec(name) is None for name in ("ray", "tree", "torch"))
REQUIRED = os.environ.get("EV_GYM_REQUIRE_RLLIB") == "1"
pytestmark = [
    pytest.mark.skipif(MISSING and not REQUIRED, reason="needs ray[rllib]"),
    pytest.mark.filterwarnings("ignore"),  # Ray, of its own deprecations and of open sockets
]

if not MISSING or REQUIRED:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing it warns of is not ours
        import ray
        import torch
        from ray.rllib.algorithms.ppo import PPOConfig
        from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

ROWS = 8
STORE_BYTES = 80 * 2**20  # the least that Ray takes


class Terminating(two.TwoStatesVectorEnv):
    """A day's end is reported as a terminal state, which it is not."""

    def step(self, actions: Any) -> Any:
        observations, rewards, terminated, truncated, infos = super().step(actions)
        return observations, rewards, truncated, terminated, infos


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    """A Ray of this machine alone that tells nobody that it is used; and the households' ids."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        single = two.TwoStatesEnv
        gym.register("TwoStates-v0", single, vector_entry_point=two.TwoStatesVectorEnv)
        gym.register("TwoStatesTerminating-v0", single, vector_entry_point=Terminating)
        ray.init(num_cpus=2, include_dashboard=False, object_store_memory=STORE_BYTES)
        yield
        ray.shutdown()
        del gym.registry["TwoStates-v0"], gym.registry["TwoStatesTerminating-v0"]
        torch.set_num_threads(threads)


@pytest.fixture
def algorithm() -> Iterator[Any]:
    """A function that builds PPO on eight of the households."""
    built = []

    def build(
        env: str = "TwoStates-v0", vectorized: str = "vector_entry_point", lambda_: float = 0.95,
        **settings: Any,
    ) -> Any:  # fmt: skip
        model = DefaultModelConfig(fcnet_hiddens=[64], vf_share_layers=False)
        config = (
            PPOConfig()
            .environment(env, env_config={"observation": "scaled", "info": "none", **settings})
            .env_runners(
                num_env_runners=0,
                num_envs_per_env_runner=ROWS,
                gym_env_vectorize_mode=vectorized,
                rollout_fragment_length=2 * two.STEPS,
            )
            .training(gamma=two.GAMMA, lambda_=lambda_, lr=3e-3, num_epochs=4)
            .training(train_batch_size_per_learner=2 * two.STEPS * ROWS, minibatch_size=96)
            .rl_module(model_config=model)
            .debugging(seed=1)
        )
        built.append(config.build_algo())
        return built[-1]

    yield build
    for each in built:
        each.stop()


def days_of(algorithm: Any) -> list[Any]:
    """The episodes of two days in all rows, as the learner gets them."""
    episodes: list[Any] = algorithm.env_runner.sample()
    return [episode for episode in episodes if episode.is_truncated]


def module_of(algorithm: Any) -> Any:
    """The learner's, since that of the env runner has no critic."""
    return algorithm.learner_group._learner.module["default_policy"]


def critic(algorithm: Any, observations: Any) -> Any:
    seen = {"obs": torch.as_tensor(np.asarray(observations))}
    with torch.no_grad():
        return module_of(algorithm).compute_values(seen).numpy()


def by_hand(algorithm: Any) -> tuple[Any, Any]:
    """(8, D) the first days' final observations of its env's seeds, and the ones after resets."""
    own = two.TwoStatesVectorEnv(ROWS, autoreset_mode="SameStep", observation="scaled", info="none")
    keys = algorithm.env_runner.env.unwrapped.simulator.households["key"]
    own.reset(seed=[int(key) for key in keys])
    for _ in range(two.STEPS):
        begun, *_, infos = own.step(np.zeros(ROWS, int))
    return infos["final_obs"], begun


# --- what its env runner makes of the env ---


def test_the_native_vector_env_is_taken_as_it_is(algorithm: Any) -> None:
    """Days are whole, and end with the observation before the reset."""
    ppo = algorithm()
    assert type(ppo.env_runner.env.unwrapped) is two.TwoStatesVectorEnv
    days = days_of(ppo)
    assert [len(day) for day in days[:ROWS]] == [two.STEPS] * ROWS
    final, begun = by_hand(ppo)
    last = np.array([day.get_observations(-1) for day in days[:ROWS]])
    np.testing.assert_array_equal(last, final)
    assert np.abs(final - begun).max() > 0.1


def test_with_same_step_resets_it_takes_the_wrong_observation_and_loses_a_step(
    algorithm: Any,
) -> None:
    """Without a word: it believes every env to reset in the step after the last one."""
    ppo = algorithm(autoreset_mode="SameStep")
    days = days_of(ppo)
    _, begun = by_hand(ppo)
    last = np.array([day.get_observations(-1) for day in days[:ROWS]])
    np.testing.assert_array_equal(last, begun)
    assert [len(day) for day in days[ROWS : 2 * ROWS]] == [two.STEPS - 1] * ROWS


# --- how it treats a truncation ---


@pytest.mark.parametrize("vectorized", ["vector_entry_point", "sync"])
def test_it_goes_on_from_the_observation_before_the_reset(algorithm: Any, vectorized: str) -> None:
    """With lambda 0 and a critic that has learnt nothing, a target is reward + GAMMA V(that).

    Of the native vector env, and of single envs side by side.
    """
    ppo = algorithm(vectorized=vectorized, lambda_=0.0)
    days = days_of(ppo)[:ROWS]
    final = critic(ppo, [day.get_observations(-1) for day in days])
    learner = ppo.learner_group._learner
    batch = learner._learner_connector(
        rl_module=learner.module, batch={}, episodes=days, shared_data={}, metrics=learner.metrics
    )["default_policy"]
    # Each day has a 25th row, which holds the final observation and is masked.
    targets = batch["value_targets"].numpy().reshape(ROWS, two.STEPS + 1)
    assert not batch["loss_mask"].reshape(ROWS, two.STEPS + 1)[:, two.STEPS].any()
    expected = two.EARNED + two.GAMMA * final
    np.testing.assert_allclose(targets[:, two.STEPS - 1], expected, atol=1e-5)


def learnt(ppo: Any) -> tuple[Any, Any]:
    """The observations of two days, and what PPO's critic makes of them after training."""
    for _ in range(20):
        ppo.train()
    seen = np.concatenate([day.get_observations() for day in days_of(ppo)])
    return seen, critic(ppo, seen)


def test_the_known_value_is_learnt(algorithm: Any) -> None:
    """Within 0.05 in each hour of the day."""
    seen, values = learnt(algorithm())
    np.testing.assert_allclose(values, two.value(seen, "scaled"), atol=0.05)
    assert values.mean() == pytest.approx(two.MEAN_VALUE, abs=0.02)


def test_a_wrong_value_is_learnt_where_the_end_is_called_terminal(algorithm: Any) -> None:
    """That of a household that ends at noon."""
    ppo = algorithm("TwoStatesTerminating-v0")
    for _ in range(20):
        ppo.train()
    days = [day for day in ppo.env_runner.sample() if day.is_terminated]
    seen = np.concatenate([day.get_observations()[:-1] for day in days])
    assert critic(ppo, seen).mean() == pytest.approx(two.MEAN_VALUE_IF_CUT, abs=0.05)


def test_the_documented_example_runs() -> None:
    """On an env runner in a process of its own, which finds the env by its id."""
    names = run_examples("RLlib", {"__name__": "__main__"})
    assert names["result"]["num_env_steps_sampled_lifetime"] >= 64 * 96
    assert names["algorithm"].env_runner_group.num_remote_workers() == 1
    names["algorithm"].stop()
