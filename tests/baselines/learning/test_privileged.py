"""The shaping potential: it moves payments within a month and changes no return."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import ev_gym  # noqa: F401  # registers the env
from baselines.learning.privileged import Privileged
from tests.support.any_tariffs import FLEMISH, NORWEGIAN

TARIFFS: dict[str, Any] = {
    "stockholm": {"preset": "stockholm"},
    "flemish": {"preset": "stockholm", "tariff": FLEMISH},
    "norwegian": {"preset": "stockholm", "tariff": NORWEGIAN},
}


def rollout(scenario: Any, months: int = 6) -> tuple[Any, ...]:
    """Months under random currents: rewards, potentials before and after each step, their env."""
    env: Any = gym.make_vec(
        "EVCharging-v0",
        num_envs=months,
        vectorization_mode="vector_entry_point",
        scenario=scenario,
        split="train",
        info="terms",
        autoreset_mode="Disabled",
    ).unwrapped
    env.reset(seed=4)
    for row in range(months):  # February has the same length in all worlds
        mask = np.arange(months) == row
        seeds = [row if one == row else None for one in range(months)]
        env.reset(seed=seeds, options={"start": "2025-02-01", "reset_mask": mask})
    privileged, rng = Privileged(env.simulator), np.random.default_rng(0)
    potentials, rewards, powers = [privileged()[0]], [], []
    over = np.zeros(months, np.bool_)
    while not over.any():
        asked = rng.random((months, 1)) < 0.5
        _, reward, _, over, infos = env.step(asked.astype(np.float32))
        rewards.append(reward)
        powers.append(infos["reward_power"])
        potentials.append(privileged()[0])
    assert over.all()
    return np.array(rewards), np.array(potentials), np.array(powers)


@pytest.mark.parametrize("name", TARIFFS)
def test_over_a_month_the_shaped_return_is_the_return(name: str) -> None:
    rewards, potentials, powers = rollout(TARIFFS[name])
    shaped = rewards + np.diff(potentials, axis=0)
    assert np.abs(powers.sum(axis=0)).max() > 10.0  # there is a power charge to be moved
    np.testing.assert_allclose(shaped.sum(axis=0), rewards.sum(axis=0), atol=1e-9)
    np.testing.assert_allclose(potentials[[0, -1]], 0.0, atol=1e-9)


@pytest.mark.parametrize("name", TARIFFS)
def test_shaped_only_what_exceeds_the_house_alone_at_the_end_costs(name: str) -> None:
    _, potentials, powers = rollout(TARIFFS[name])
    shaped = powers + np.diff(potentials, axis=0)
    assert powers.max() > 1.0  # without the potential some is given back
    assert shaped.max() <= 1e-9  # with it nothing ever is
