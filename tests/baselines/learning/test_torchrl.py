"""TorchRL's own collector and PPO on the single and the vector env.

Skips where it is not installed, unless EV_GYM_REQUIRE_TORCHRL=1.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from typing import Any

import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support import two_states as two
from tests.support.library_examples import run_examples
from tests.support.one_day import A_DAY

MISSING = importlib.util.find_spec("torchrl") is None
REQUIRED = os.environ.get("EV_GYM_REQUIRE_TORCHRL") == "1"
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(MISSING and not REQUIRED, reason="needs torchrl"),
    pytest.mark.filterwarnings("ignore"),  # TorchRL and tensordict, of their own deprecations
]

if not MISSING or REQUIRED:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing it warns of is not ours
        import torch
        from tensordict.nn import TensorDictModule
        from torchrl.collectors import Collector
        from torchrl.envs import GymEnv, GymWrapper
        from torchrl.modules import MLP, ProbabilisticActor, ValueOperator
        from torchrl.objectives import ClipPPOLoss
        from torchrl.objectives.value import GAE


def test_by_id_or_wrapped_it_is_the_env_itself() -> None:
    """`GymEnv` and `GymWrapper`: observations and rewards of the same seed, bit for bit.

    A seed is used up by a reset of its own, so what follows is the seed's second episode.
    """
    own = EVChargingEnv(A_DAY)
    by_id = GymEnv("ev_gym:EVCharging-v0", scenario=A_DAY)
    for env in (by_id, GymWrapper(EVChargingEnv(A_DAY))):
        env.set_seed(3, static_seed=True)
        seen = env.rollout(96)
        own.reset(seed=3)
        first, _ = own.reset()
        np.testing.assert_array_equal(seen["observation"][0].numpy(), first)
        for step in range(96):
            after, reward, _, truncated, _ = own.step(seen["action"][step].numpy())
            np.testing.assert_array_equal(seen["next", "observation"][step].numpy(), after)
            assert seen["next", "reward"][step].item() == np.float32(reward)
            assert seen["next", "truncated"][step].item() == truncated
    assert not seen["next", "terminated"].any()


# --- how it treats a truncation ---


def two_states_env(kind: type[EVChargingVectorEnv] = two.TwoStatesVectorEnv) -> Any:
    made: Any = kind
    envs = made(8, autoreset_mode="Disabled", observation="scaled", info="none")
    return GymWrapper(envs, categorical_action_encoding=True)


class Terminating(two.TwoStatesVectorEnv):
    """A day's end is reported as a terminal state, which it is not."""

    def step(self, actions: Any) -> Any:
        observations, rewards, terminated, truncated, infos = super().step(actions)
        return observations, rewards, truncated, terminated, infos


def test_it_takes_only_envs_that_it_resets_itself() -> None:
    """Next-step is refused by name. Same-step fails: its stand-in for a final observation is 0.

    That is outside of the bounds of ours.
    """
    with pytest.raises(RuntimeError, match="must be one of SAME_STEP or DISABLED"):
        GymWrapper(two.TwoStatesVectorEnv(3, autoreset_mode="NextStep"))
    same_step = two.TwoStatesVectorEnv(3, autoreset_mode="SameStep", info="none")
    with pytest.raises(AssertionError, match="spec check failed"):
        GymWrapper(same_step, categorical_action_encoding=True)
    assert not same_step.observation_space.contains(np.zeros_like(same_step.reset(seed=0)[0]))


def critic_of(env: Any) -> Any:
    torch.manual_seed(1)
    width = env.observation_spec["observation"].shape[-1]
    net = MLP(in_features=width, out_features=1, num_cells=[64], activation_class=torch.nn.ReLU)
    return ValueOperator(net, in_keys=["observation"])


@pytest.mark.parametrize("rows", [1, 8])
def test_it_goes_on_from_the_observation_before_the_reset(rows: int) -> None:
    """With lambda 0 and a critic that has learnt nothing, a target is reward + GAMMA V(that).

    Of the single env and of the vector env.
    """
    single = GymWrapper(
        two.TwoStatesEnv(observation="scaled", info="none"), categorical_action_encoding=True
    )
    env = single if rows == 1 else two_states_env()
    env.set_seed(0, static_seed=True)
    critic = critic_of(env)
    seen = env.rollout(2 * two.STEPS, break_when_any_done=False)
    targets = GAE(gamma=two.GAMMA, lmbda=0.0, value_network=critic)(seen)["value_target"]
    last = two.STEPS - 1
    seen, targets = seen.reshape(rows, -1), targets.reshape(rows, -1)
    assert seen["next", "truncated"][:, last].all()
    with torch.no_grad():
        final = critic.module(seen["next", "observation"][:, last])[:, 0]
        begun = critic.module(seen["observation"][:, last + 1])[:, 0]
    np.testing.assert_allclose(targets[:, last], two.EARNED + two.GAMMA * final, atol=1e-6)
    assert (final - begun).abs().max() > 1e-5  # not so the one after the reset


def learnt(env: Any) -> tuple[Any, Any]:
    """The observations of two days, and what PPO's critic makes of them after training."""
    critic = critic_of(env)
    width = env.observation_spec["observation"].shape[-1]
    scores = MLP(in_features=width, out_features=2, num_cells=[8])
    actor = ProbabilisticActor(
        TensorDictModule(scores, in_keys=["observation"], out_keys=["logits"]),
        in_keys=["logits"],
        distribution_class=torch.distributions.Categorical,
        return_log_prob=True,
    )
    loss = ClipPPOLoss(actor, critic)
    advantage = GAE(gamma=two.GAMMA, lmbda=0.95, value_network=critic)
    optimiser = torch.optim.Adam(loss.parameters(), lr=3e-3)
    frames = 2 * two.STEPS * 8
    collector = Collector(env, actor, frames_per_batch=frames, total_frames=20 * frames)
    for seen in collector:
        advantage(seen)
        flat = seen.reshape(-1)
        for part in torch.randperm(frames).repeat(4).split(96):
            terms = loss(flat[part])
            (terms["loss_objective"] + terms["loss_critic"]).backward()
            optimiser.step()
            optimiser.zero_grad()
    observations = flat["observation"]
    with torch.no_grad():
        values = critic.module(observations)[:, 0].numpy()
    collector.shutdown()
    return observations.numpy(), values


def test_the_known_value_is_learnt() -> None:
    """Within 0.05 in each hour of the day."""
    seen, values = learnt(two_states_env())
    np.testing.assert_allclose(values, two.value(seen, "scaled"), atol=0.05)
    assert values.mean() == pytest.approx(two.MEAN_VALUE, abs=0.02)


def test_a_wrong_value_is_learnt_where_the_end_is_called_terminal() -> None:
    """That of a household that ends at noon."""
    _, values = learnt(two_states_env(Terminating))
    assert values.mean() == pytest.approx(two.MEAN_VALUE_IF_CUT, abs=0.05)


def test_the_documented_example_runs() -> None:
    """And trains on as many household-steps as it says."""
    assert run_examples("TorchRL", {"__name__": "__main__"})["seen"].shape == (64, 96)
