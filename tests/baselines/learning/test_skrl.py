"""skrl's own trainer and PPO on the single and the vector env.

Skips where it is not installed, unless EV_GYM_REQUIRE_SKRL=1.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from typing import Any

import numpy as np
import pytest

from tests.support import two_states as two
from tests.support.library_examples import run_examples

MISSING = importlib.util.find_spec("skrl") is None
REQUIRED = os.environ.get("EV_GYM_REQUIRE_SKRL") == "1"
pytestmark = [
    pytest.mark.skipif(MISSING and not REQUIRED, reason="needs skrl"),
    pytest.mark.usefixtures("one_thread"),
]

if not MISSING or REQUIRED:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing it warns of is not ours
        import torch
        from skrl.agents.torch.ppo import PPO
        from skrl.envs.wrappers.torch import wrap_env
        from skrl.memories.torch import RandomMemory
        from skrl.models.torch import CategoricalMixin, DeterministicMixin, Model
        from skrl.trainers.torch import SequentialTrainer

        class Actor(CategoricalMixin, Model):
            def __init__(self, observation_space: Any, action_space: Any) -> None:
                spaces = {"observation_space": observation_space, "action_space": action_space}
                Model.__init__(self, **spaces)
                CategoricalMixin.__init__(self)
                self.net = torch.nn.Linear(self.num_observations, self.num_actions)

            def compute(self, inputs: Any, role: str) -> Any:
                return self.net(inputs["observations"]), {}

        class Critic(DeterministicMixin, Model):
            def __init__(self, observation_space: Any, action_space: Any) -> None:
                spaces = {"observation_space": observation_space, "action_space": action_space}
                Model.__init__(self, **spaces)
                DeterministicMixin.__init__(self)
                layers = [torch.nn.Linear(self.num_observations, 64), torch.nn.ReLU()]
                self.net = torch.nn.Sequential(*layers, torch.nn.Linear(64, 1))

            def compute(self, inputs: Any, role: str) -> Any:
                return self.net(inputs["observations"]), {}


def vector(mode: str, kind: Any = two.TwoStatesVectorEnv, rows: int = 8) -> Any:
    """The vector env in one of its autoreset modes, wrapped.

    `wrap_env` finds the wrapper by the classes right above an env's own, so it must be told for
    a subclass such as these.
    """
    made = kind(rows, autoreset_mode=mode, observation="scaled", info="none")
    return wrap_env(made, wrapper="gymnasium", verbose=False)


def single() -> Any:
    made = two.TwoStatesEnv(observation="scaled", info="none")
    return wrap_env(made, wrapper="gymnasium", verbose=False)


class Terminating(two.TwoStatesVectorEnv):
    """A day's end is reported as a terminal state, which it is not."""

    def step(self, actions: Any) -> Any:
        observations, rewards, terminated, truncated, infos = super().step(actions)
        return observations, rewards, truncated, terminated, infos


class Watched(PPO if not MISSING or REQUIRED else object):  # type: ignore[misc]
    """PPO that keeps what it is handed."""

    def record_transition(self, **handed: Any) -> None:
        self.__dict__.setdefault("handed", []).append(
            {name: torch.clone(handed[name]) for name in KEPT}
        )
        super().record_transition(**handed)


KEPT = ("observations", "next_observations", "rewards", "truncated")


def agent_of(env: Any, kind: Any, **settings: Any) -> Any:
    torch.manual_seed(1)
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space}
    models = {"policy": Actor(**spaces), "value": Critic(**spaces)}
    plain = {
        "rollouts": 2 * two.STEPS,
        "learning_epochs": 4,
        "mini_batches": 4,
        "discount_factor": two.GAMMA,
        "learning_rate": 3e-3,
        "value_clip": 0.0,
        "experiment": {"write_interval": 0, "checkpoint_interval": 0},
    }
    memory = RandomMemory(memory_size=2 * two.STEPS, num_envs=env.num_envs)
    return kind(models=models, memory=memory, **spaces, cfg={**plain, **settings})


def trained(env: Any, agent: Any, steps: int) -> None:
    quiet = {"headless": True, "disable_progressbar": True, "close_environment_at_exit": False}
    SequentialTrainer(env=env, agents=agent, cfg={"timesteps": steps, **quiet}).train()


# --- what it hands to the agent ---


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_what_it_makes_of_a_truncation(mode: str) -> None:
    """In each autoreset mode, beside what the vector env itself gives.

    Next-step: the final observation, and then a step that never was: from it to the first of the
    next day, for no reward. Same-step: the first of the next day instead of the final observation,
    which lies unread in `infos`. Disabled: no reset at all.
    """
    env = vector(mode)
    agent = agent_of(env, Watched)
    trained(env, agent, two.STEPS + 1)
    last, after = agent.handed[two.STEPS - 1 :]
    assert last["truncated"].all()
    own = two.TwoStatesVectorEnv(8, autoreset_mode="SameStep", observation="scaled", info="none")
    seeds = env._env.simulator.households["key"]
    own.reset(seed=[int(seed) for seed in seeds])
    for _ in range(two.STEPS):
        begun, *_, infos = own.step(np.zeros(8, int))
    final = infos["final_obs"]
    assert np.abs(final - begun).max() > 0.1
    seen = last["next_observations"].numpy()
    np.testing.assert_array_equal(seen, begun if mode == "SameStep" else final)
    following = after["next_observations"].numpy()
    if mode == "NextStep":
        np.testing.assert_array_equal(after["observations"].numpy(), final)
        np.testing.assert_array_equal(following, begun)
        assert not after["rewards"].any()
        assert not after["truncated"].any()
    if mode == "Disabled":
        assert after["truncated"].all()  # and so in every step from now on
    assert env._env.simulator.households["episode"].tolist() == [1 if mode == "Disabled" else 2] * 8


def bootstrapped(env: Any, kind: Any) -> tuple[Any, Any, Any]:
    """What PPO adds to the reward of a day's last step; GAMMA V(handed next); GAMMA V(begun)."""
    agent = agent_of(env, kind, time_limit_bootstrap=True)
    trained(env, agent, two.STEPS + 1)
    rewards = agent.memory.get_tensor_by_name("rewards")[two.STEPS - 1]
    values = [
        two.GAMMA * agent.value.act({"observations": seen}, role="value")[0].detach()
        for seen in (agent.handed[-2]["next_observations"], agent.handed[-1]["observations"])
    ]
    return (rewards - two.EARNED), *values


def test_a_single_env_goes_on_from_the_observation_before_the_reset() -> None:
    """With `time_limit_bootstrap`, and a critic that has learnt nothing."""
    added, final, begun = bootstrapped(single(), Watched)
    np.testing.assert_allclose(added, final, atol=1e-6)
    assert (final - begun).abs().max() > 1e-3


def test_so_does_the_documented_agent_in_the_vector_env() -> None:
    """`FinalObservations` puts the observation before the reset in its place."""

    class Documented(documented()["FinalObservations"], Watched):  # type: ignore[misc]
        pass

    added, final, begun = bootstrapped(vector("SameStep"), Documented)
    np.testing.assert_allclose(added, final, atol=1e-6)
    assert (final - begun).abs().max() > 1e-3


# --- what it learns ---


def learnt(env: Any, kind: Any, **settings: Any) -> tuple[Any, Any]:
    """The observations of two days, and what PPO's critic makes of them after training."""
    agent = agent_of(env, kind, **settings)
    trained(env, agent, 30 * 2 * two.STEPS)
    seen = agent.memory.get_tensor_by_name("observations").reshape(
        -1, env.observation_space.shape[0]
    )
    values = agent.value.act({"observations": seen}, role="value")[0][:, 0]
    return seen.numpy(), values.detach().numpy()


def documented() -> dict[str, Any]:
    return run_examples("skrl", {"__name__": "__main__"})


def test_the_known_value_is_learnt() -> None:
    """Within 0.02 in each hour of the day, as documented."""

    class Documented(documented()["FinalObservations"], PPO):  # type: ignore[misc]
        pass

    seen, values = learnt(vector("SameStep"), Documented, time_limit_bootstrap=True)
    np.testing.assert_allclose(values, two.value(seen, "scaled"), atol=0.02)
    assert values.mean() == pytest.approx(two.MEAN_VALUE, abs=0.01)


def test_too_low_a_value_is_learnt_with_the_step_that_never_was() -> None:
    """In next-step mode an hour without reward delays all that follows: 0.9 (0.9), not 0.9.

    The final observation is learnt as half that: as many steps begin a day there.
    """
    seen, values = learnt(vector("NextStep"), PPO, time_limit_bootstrap=True)
    short = two.value(seen, "scaled") - values
    assert short.mean() > 0.005
    assert short.max() > 0.03


def test_a_wrong_value_is_learnt_where_the_end_is_called_terminal() -> None:
    """That of a household that ends at noon."""
    _, values = learnt(vector("SameStep", Terminating), PPO, time_limit_bootstrap=True)
    assert values.mean() == pytest.approx(two.MEAN_VALUE_IF_CUT, abs=0.05)
