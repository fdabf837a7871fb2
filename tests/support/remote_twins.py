"""A remote env and its local twin, led through the same steps."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pandas as pd
import pytest

from tests.support.rollouts import same


def action_for_step(space: gym.Space[Any], step: int) -> Any:
    """An action of a space, the same for the same step."""
    space.seed(step)
    return space.sample()


def step_both(local: Any, remote: Any, steps: int) -> int:
    """So many steps of both, compared whole, with a reset where an episode ends; how many did."""
    ended = 0
    for step in range(steps):
        action = action_for_step(local.action_space, step)
        result = remote.step(action)
        assert same(result, local.step(action)), step
        if result[3]:
            ended += 1
            pd.testing.assert_frame_equal(remote.history, local.history, check_exact=True)
            assert same(remote.reset(), local.reset())
    pd.testing.assert_frame_equal(remote.history, local.history, check_exact=True)
    return ended


def raised_by(call: Any) -> Exception:
    """What a call that is to be refused raises."""
    with pytest.raises((ValueError, gym.error.Error)) as caught:
        call()
    return caught.value
