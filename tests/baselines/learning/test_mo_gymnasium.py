"""The reward as a vector: its terms in one env and in many, and MO-Gymnasium's wrappers on it.

What needs MO-Gymnasium skips where it is not installed, unless EV_GYM_REQUIRE_MO_GYMNASIUM=1.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from baselines.learning.mo_gymnasium import MultiObjectiveEnv, MultiObjectiveVectorEnv
from ev_gym.env import EVChargingEnv
from ev_gym.simulation.state_fields import REWARD_TERMS
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.library_examples import run_examples
from tests.support.one_day import STOCKHOLM_DAY, VILLA_DAY
from tests.support.rollouts import action_of, same

MISSING = importlib.util.find_spec("mo_gymnasium") is None
REQUIRED = os.environ.get("EV_GYM_REQUIRE_MO_GYMNASIUM") == "1"
needs_it = pytest.mark.skipif(MISSING and not REQUIRED, reason="needs mo-gymnasium")

ID = "mo-EVCharging-v0"
# Two small cars that discharge, a power charge, PV, no load management: all terms occur.
ALL_TERMS: dict[str, Any] = {
    **VILLA_DAY,
    "days": 7,
    "household": {"fuse_a": 16},
    "charger": {"load_management": False},
    "vehicles": [{"battery_kwh": 9.0}, {"battery_kwh": 9.0}],
}


@pytest.fixture(scope="module")
def mo_gym() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing it warns of is not ours
        import mo_gymnasium
        import mo_gymnasium.wrappers.vector
    return mo_gymnasium


def test_terms_are_those_of_info_and_sum_to_the_reward() -> None:
    """All else is the plain env's, bit for bit; every term occurs."""
    env, plain = MultiObjectiveEnv(ALL_TERMS), EVChargingEnv(ALL_TERMS)
    quiet = MultiObjectiveEnv(ALL_TERMS, info="none")
    assert same(env.reset(seed=3), plain.reset(seed=3))
    quiet.reset(seed=3)
    total = np.zeros(6)
    for step in range(plain.scenario.horizon_steps):
        action = action_of(plain, step)
        observation, reward, *rest = plain.step(action)
        seen, vector, *others = env.step(action)
        assert same((seen, *others), (observation, *rest))
        terms = rest[2]["reward_terms"]
        assert vector.tolist() == [terms[name] for name in REWARD_TERMS]
        assert vector.sum() == pytest.approx(reward, rel=1e-12, abs=1e-12)
        assert env.reward_space.contains(vector)
        assert same(quiet.step(action)[1], vector)
        total += vector
    assert rest[1]
    assert np.count_nonzero(total) == 6, dict(zip(REWARD_TERMS, total, strict=True))


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("copy", [True, False])
def test_rows_are_single_envs(mode: AutoresetMode, copy: bool) -> None:
    """Bit for bit over the end of an episode, where rows begin anew."""
    arguments = {"scenario": STOCKHOLM_DAY, "autoreset_mode": mode, "copy": copy}
    envs, plain = MultiObjectiveVectorEnv(3, **arguments), EVChargingVectorEnv(3, **arguments)
    singles = [MultiObjectiveEnv(STOCKHOLM_DAY) for _ in range(3)]
    envs.reset(seed=8)
    plain.reset(seed=8)
    for i, single in enumerate(singles):
        single.reset(seed=8 + i)
    over, steps = np.zeros(3, np.bool_), 96 if mode is AutoresetMode.DISABLED else 130
    for step in range(steps):
        actions = np.stack([action_of(single, step + i) for i, single in enumerate(singles)])
        waiting = over.copy() if mode is AutoresetMode.NEXT_STEP else np.zeros(3, np.bool_)
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        seen, scalars, *flags, _ = plain.step(actions)
        assert same((observations, terminated, truncated), (seen, *flags))
        np.testing.assert_allclose(rewards.sum(axis=1), scalars, rtol=1e-12, atol=1e-12)
        over = truncated.copy()
        for i, single in enumerate(singles):
            if waiting[i]:
                single.reset()
                assert rewards[i].tolist() == [0.0] * 6
                continue
            seen_alone, vector, _, ended, _ = single.step(actions[i])
            assert same(rewards[i], vector)
            if ended and mode is AutoresetMode.SAME_STEP:
                assert same(infos["final_obs"][i], seen_alone)
                seen_alone, _ = single.reset()
            assert same(observations[i], seen_alone)
    assert envs.reward_space == singles[0].reward_space


@needs_it
def test_linear_reward_with_ones_is_the_plain_env(mo_gym: Any) -> None:
    """`mo_gym.make` by the full name; other weights weigh."""
    env = mo_gym.make(f"baselines.learning.mo_gymnasium:{ID}", scenario=ALL_TERMS)
    ones = mo_gym.wrappers.LinearReward(env)
    plain = EVChargingEnv(ALL_TERMS)
    only_missing = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    assert ones.reset(seed=2)[0].tolist() == plain.reset(seed=2)[0].tolist()
    for step in range(300):
        action = action_of(plain, step)
        observation, reward, _, _, info = plain.step(action)
        seen, scalar, *_, of_wrapper = ones.step(action)
        assert same(seen, observation)
        assert scalar == pytest.approx(reward, rel=1e-12, abs=1e-12)
        vector = of_wrapper["vector_reward"]
        assert only_missing @ vector == info["reward_terms"]["missing"]


@needs_it
def test_its_statistics_of_many_envs_are_returns_by_term(mo_gym: Any) -> None:
    """`gym.make_vec` on the native env, no loop over envs; float32, as that wrapper adds up."""
    envs = gym.make_vec(
        ID, num_envs=4, vectorization_mode="vector_entry_point", scenario=STOCKHOLM_DAY
    )
    assert isinstance(envs.unwrapped, gym.vector.VectorEnv)
    recorded = mo_gym.wrappers.vector.MORecordEpisodeStatistics(envs)
    recorded.reset(seed=1)
    total = np.zeros((4, 6))
    full = np.ones((4, 1), np.float32)
    for _ in range(96):
        _, rewards, _, truncated, infos = recorded.step(full)
        total += rewards
    assert truncated.all()
    np.testing.assert_allclose(infos["episode"]["r"], total, rtol=1e-5, atol=1e-5)
    assert np.abs(total).sum() > 10


@needs_it
def test_its_own_loop_over_envs_agrees(mo_gym: Any) -> None:
    """In float32, which is what it keeps rewards in."""
    loop = mo_gym.wrappers.vector.MOSyncVectorEnv([lambda: MultiObjectiveEnv(STOCKHOLM_DAY)] * 2)
    native = MultiObjectiveVectorEnv(2, STOCKHOLM_DAY)
    loop.reset(seed=6)
    native.reset(seed=6)
    for _ in range(40):
        full = np.ones((2, 1), np.float32)
        assert same(loop.step(full)[1], native.step(full)[1].astype(np.float32))


@needs_it
def test_the_example_runs(mo_gym: Any) -> None:
    """What it makes: rewards of 1,024 households by term."""
    names: dict[str, Any] = run_examples("MO-Gymnasium")
    assert names["rewards"].shape == (1024, 6)
    _, reward, *_, info = names["sum_of_terms"].step(names["env"].action_space.sample())
    assert reward == pytest.approx(sum(info["reward_terms"].values()), rel=1e-12)
