"""Tianshou's own collector and PPO on our native vector env.

Skips where it is not installed, unless EV_GYM_REQUIRE_TIANSHOU=1.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from typing import Any

import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support import two_states as two
from tests.support.library_examples import run_examples
from tests.support.one_day import A_DAY, VILLA_DAY

MISSING = importlib.util.find_spec("tianshou") is None
REQUIRED = os.environ.get("EV_GYM_REQUIRE_TIANSHOU") == "1"
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(MISSING and not REQUIRED, reason="needs tianshou"),
    # torch, of the scheduler that each of Tianshou's optimisers brings
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
]

if not MISSING or REQUIRED:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing it warns of is not ours
        import torch
        from tianshou.algorithm import PPO
        from tianshou.algorithm.algorithm_base import policy_within_training_step
        from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy
        from tianshou.algorithm.optim import AdamOptimizerFactory
        from tianshou.data import Collector, VectorReplayBuffer
        from tianshou.utils.net.common import Net
        from tianshou.utils.net.discrete import DiscreteActor, DiscreteCritic

    from baselines.learning.tianshou import VectorEnv


def disabled(rows: int, scenario: Any, **others: Any) -> EVChargingVectorEnv:
    return EVChargingVectorEnv(rows, scenario, autoreset_mode="Disabled", **others)


def test_without_the_library_the_error_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tianshou.env", None)
    monkeypatch.delitem(sys.modules, "baselines.learning.tianshou")
    with pytest.raises(ImportError, match=r"pip install 'ev-gym\[tianshou\]'"):
        importlib.import_module("baselines.learning.tianshou")


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_an_env_that_resets_itself_is_refused(mode: str) -> None:
    """Tianshou would reset it a second time."""
    with pytest.raises(ValueError, match=f"'{mode}'; allowed for Tianshou.*'Disabled'"):
        VectorEnv(EVChargingVectorEnv(2, A_DAY, autoreset_mode=mode))


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("scenario", [A_DAY, VILLA_DAY], ids=str)
def test_any_rows_live_as_single_envs_do(scenario: Any, continuous: bool) -> None:
    """Whichever of them are stepped and begin anew, in any order; infos are those of the rows."""
    rows, drawn = 4, np.random.default_rng(2)
    envs = VectorEnv(disabled(rows, scenario, continuous=continuous, info="terms"))
    alone = [EVChargingEnv(scenario, continuous=continuous, info="terms") for _ in range(rows)]
    assert len(envs) == rows
    assert envs.action_space == [env.action_space for env in alone]
    assert envs.observation_space == [env.observation_space for env in alone]
    seen, infos = envs.reset(seed=5)
    for row, env in enumerate(alone):
        first, info = env.reset(seed=5 + row)
        np.testing.assert_array_equal(seen[row], first)
        np.testing.assert_equal(infos[row], {**info, "env_id": row})
    ended = 0
    while ended < 6:
        chosen = drawn.permutation(rows)[: drawn.integers(1, rows + 1)]
        actions = np.array([alone[0].action_space.sample() for _ in chosen])
        *columns, infos = envs.step(actions, chosen)
        over = []
        for place, row in enumerate(chosen):
            *expected, info = alone[row].step(actions[place])
            for column, number in zip(columns, expected, strict=True):
                np.testing.assert_array_equal(column[place], number)
            np.testing.assert_equal(infos[place], {**info, "env_id": row})
            over += [row] if expected[3] else []
        if over:
            seen, _ = envs.reset(over)
            for place, row in enumerate(over):
                np.testing.assert_array_equal(seen[place], alone[row].reset()[0])
        ended += len(over)


def test_rows_have_seeds_but_no_attributes_of_their_own() -> None:
    """`seed(s)` begins row i anew with s + i; what is asked for is the shared env's."""
    envs = VectorEnv(disabled(3, A_DAY))
    assert envs.seed(7) == [7, 8, 9]
    assert envs.seed([4, 4, None]) == [4, 4, None]
    keys = envs.envs.simulator.households["key"]
    assert keys[0] == keys[1] == 4
    assert envs.get_env_attr("scenario", [0, 2]) == [envs.envs.scenario] * 2
    with pytest.raises(AttributeError, match=r"'split' of a row cannot be set"):
        envs.set_env_attr("split", "test")
    envs.close()
    assert envs.is_closed


def test_a_collector_gets_whole_episodes() -> None:
    """Five of three rows: rows fall idle, and each return is the sum of the rewards of a day."""
    envs = VectorEnv(disabled(3, A_DAY, continuous=False, info="none"))
    buffer = VectorReplayBuffer(3 * 200, 3)
    collector = Collector(learner(envs), envs, buffer)
    collector.reset(gym_reset_kwargs={"seed": 1})
    stats = collector.collect(n_episode=5, random=True)
    assert stats.lens.tolist() == [96] * 5
    episodes = np.split(buffer.rew[buffer.sample_indices(0)], 5)
    np.testing.assert_allclose(
        sorted(stats.returns), sorted(rewards.sum() for rewards in episodes), rtol=1e-9
    )


# --- how it treats a truncation ---


def learner(envs: Any, gae_lambda: float = 0.95) -> Any:
    """PPO with a critic of its own."""
    torch.manual_seed(1)
    space = envs.envs.single_observation_space
    actions = envs.envs.single_action_space

    def net(width: int) -> Any:
        return Net(state_shape=space.shape, hidden_sizes=[width])

    actor = DiscreteActor(preprocess_net=net(8), action_shape=int(actions.n), softmax_output=False)
    return PPO(
        policy=DiscreteActorPolicy(actor=actor, action_space=actions),
        critic=DiscreteCritic(preprocess_net=net(64)),
        optim=AdamOptimizerFactory(lr=3e-3),
        gamma=two.GAMMA,
        gae_lambda=gae_lambda,
    )


def two_states_envs() -> Any:
    envs = two.TwoStatesVectorEnv(8, autoreset_mode="Disabled", observation="scaled", info="none")
    return VectorEnv(envs)


class Terminating(two.TwoStatesVectorEnv):
    """A day's end is reported as a terminal state, which it is not."""

    def step(self, actions: Any) -> Any:
        observations, rewards, terminated, truncated, infos = super().step(actions)
        return observations, rewards, truncated, terminated, infos


def collected(envs: Any, algorithm: Any) -> tuple[Any, Any]:
    """A collector of two days in all rows, and its buffer."""
    buffer = VectorReplayBuffer(2 * two.STEPS * 8, 8)
    collector = Collector(algorithm, envs, buffer)
    collector.reset(gym_reset_kwargs={"seed": 0})
    with policy_within_training_step(algorithm.policy):
        collector.collect(n_step=buffer.maxsize)
    return collector, buffer


def test_it_goes_on_from_the_observation_before_the_reset() -> None:
    """With lambda 0 and a critic that has learnt nothing, a target is reward + GAMMA V(that)."""
    envs = two_states_envs()
    algorithm = learner(envs, gae_lambda=0.0)
    _, buffer = collected(envs, algorithm)
    batch, indices = buffer.sample(0)
    targets = algorithm._preprocess_batch(batch, buffer, indices).returns.numpy()
    ends = np.flatnonzero(batch.truncated)
    assert ends.tolist() == list(range(23, len(batch), 24))
    with torch.no_grad():
        final = algorithm.critic(batch.obs_next[ends]).flatten().numpy()
        begun = algorithm.critic(batch.obs[(ends[:-1] + 1)]).flatten().numpy()
    np.testing.assert_allclose(targets[ends], batch.rew[ends] + two.GAMMA * final, atol=1e-6)
    assert np.abs(final[:-1] - begun).max() > 1e-3  # not so the one after the reset


def learnt(envs: Any) -> tuple[Any, Any]:
    """The observations of two days, and what PPO's critic makes of them after training."""
    algorithm = learner(envs)
    collector, buffer = collected(envs, algorithm)
    for _ in range(20):
        with policy_within_training_step(algorithm.policy):
            algorithm.update(buffer, batch_size=96, repeat=4)
            buffer.reset()
            collector.collect(n_step=buffer.maxsize)
    with torch.no_grad():
        return buffer.obs, algorithm.critic(buffer.obs).flatten().numpy()


def test_the_known_value_is_learnt() -> None:
    """Within 0.05 in each hour of the day."""
    seen, values = learnt(two_states_envs())
    np.testing.assert_allclose(values, two.value(seen, "scaled"), atol=0.05)
    assert values.mean() == pytest.approx(two.MEAN_VALUE, abs=0.02)


def test_a_wrong_value_is_learnt_where_the_end_is_called_terminal() -> None:
    """That of a household that ends at noon."""
    envs = Terminating(8, autoreset_mode="Disabled", observation="scaled", info="none")
    _, values = learnt(VectorEnv(envs))
    assert values.mean() == pytest.approx(two.MEAN_VALUE_IF_CUT, abs=0.05)


def test_the_documented_example_runs() -> None:
    """And trains on as many household-steps as it says."""
    names = run_examples("Tianshou 2", {"__name__": "__main__"})
    assert names["collector"].collect_step == 2 * 64 * 96
