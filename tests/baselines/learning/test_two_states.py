"""The two-state household is what its docstring says, in every env that offers it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support import two_states as two


def test_rewards_alternate_and_a_day_ends_where_it_began() -> None:
    """Whatever the actions; of the observation only weekday and date differ after a day."""
    env: Any = two.TwoStatesEnv()
    first, _ = env.reset(seed=3)
    rewards, truncated = [], False
    while not truncated:
        last, reward, terminated, truncated, info = env.step(len(rewards) % 2)
        assert not terminated
        rewards.append(reward)
    np.testing.assert_allclose(rewards, [0.0, two.EARNED] * 12, atol=1e-15)
    differ = [f.name for f in two.observation_fields(two.SCENARIO, two.dataset())
              if not np.allclose(first[f.slice], last[f.slice], rtol=0, atol=1e-6)]  # fmt: skip
    assert set(differ) <= {"day_sin", "day_cos", "weekend"}
    assert info["settlement"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("kind", ["physical", "scaled"])
def test_the_values_solve_the_equation_of_the_docstring(kind: str) -> None:
    """V = reward + GAMMA V of what is seen next, at a day's end too: in the vector env."""
    envs = two.TwoStatesVectorEnv(3, autoreset_mode="SameStep", observation=kind)
    seen, _ = envs.reset(seed=0)
    for step in range(1, 2 * two.STEPS + 1):
        after, rewards, _, truncated, infos = envs.step(envs.action_space.sample())
        assert truncated.tolist() == [step % two.STEPS == 0] * 3
        following = infos["final_obs"] if truncated[0] else after
        worth = rewards + two.GAMMA * two.value(following, kind)
        np.testing.assert_allclose(two.value(seen, kind), worth, rtol=1e-12)
        seen = after
    assert abs(two.MEAN_VALUE_IF_CUT - 0.6394) < 1e-4
    assert two.value_if_cut()[-1] == two.EARNED
