"""The env with its reward as a vector of terms, for multi-objective learning.

Importing this module registers `mo-EVCharging-v0`, which MO-Gymnasium makes as any other, one or
many at once. MO-Gymnasium itself is not needed for it.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ev_gym.env import EVChargingEnv
from ev_gym.runtime.arrays import Floats
from ev_gym.simulation.simulator import Outputs
from ev_gym.simulation.state_fields import REWARD_TERMS
from ev_gym.vector_env import EVChargingVectorEnv

# What a battery discharges, or a peak that the house alone exceeds later, can earn something.
CAN_EARN = ("energy", "power")


def reward_space() -> spaces.Box:
    """The space of the reward's terms (energy, power, wear, missing, public, overload)."""
    high = [np.inf if term in CAN_EARN else 0.0 for term in REWARD_TERMS]
    return spaces.Box(-np.inf, np.array(high), dtype=np.float64)


def _terms(results: NDArray[Any]) -> Floats:
    """(n, 6) the reward's terms of results (n,), in fresh memory."""
    # The terms are the last fields. To read records as rows of floats is faster than by name.
    numbers: Floats = results.view(np.ndarray).view(np.float64).reshape(len(results), -1)
    return numbers[:, -len(REWARD_TERMS) :].copy()


class MultiObjectiveEnv(EVChargingEnv):
    """`EVChargingEnv` with a reward (6,) float64: its terms, in the order of `REWARD_TERMS`.

    The terms are energy, power (the power charge), wear, missing, public and overload, each in
    `scenario.currency`. Their sum is the reward of `EVChargingEnv`; all else is the same, bit for
    bit.

    Args:
        scenario, ...: Those of `EVChargingEnv`.

    Attributes:
        reward_space: The `Box` of the terms, as MO-Gymnasium's wrappers look for it.
    """

    def __init__(self, *args: Any, **arguments: Any) -> None:
        super().__init__(*args, **arguments)
        self.reward_space = reward_space()

    def step(self, action: Any) -> tuple[NDArray[np.float32], Any, bool, bool, dict[str, Any]]:
        """Take one step, as `EVChargingEnv.step` does; the reward is (6,)."""
        observation, _, terminated, truncated, info = super().step(action)
        last = self._history.results[self._history.length - 1 : self._history.length]
        return observation, _terms(last)[0], terminated, truncated, info


class MultiObjectiveVectorEnv(EVChargingVectorEnv):
    """`EVChargingVectorEnv` with rewards (n, 6), as `MultiObjectiveEnv` has them.

    Args:
        num_envs, ...: Those of `EVChargingVectorEnv`.

    Attributes:
        reward_space: The `Box` (6,) of one row, as the vector envs of MO-Gymnasium have it.
    """

    def __init__(self, *args: Any, **arguments: Any) -> None:
        super().__init__(*args, **arguments)
        self.reward_space = reward_space()
        self._last_terms: Floats | None = None

    def step(
        self, actions: Any
    ) -> tuple[
        NDArray[np.float32],
        NDArray[np.float64],
        NDArray[np.bool_],
        NDArray[np.bool_],
        dict[str, Any],
    ]:
        """Step every row, as `EVChargingVectorEnv.step` does; rewards are (n, 6)."""
        self._last_terms = None
        observations, _, terminated, truncated, infos = super().step(actions)
        rewards = _terms(self.outputs.results) if self._last_terms is None else self._last_terms
        return observations, rewards, terminated, truncated, infos

    def _end_episodes(self, out: Outputs) -> dict[str, Any]:
        # With same-step autoreset the results of rows that end make room for the next episode's.
        self._last_terms = _terms(out.results)
        return super()._end_episodes(out)


gym.register(
    id="mo-EVCharging-v0",
    entry_point="baselines.learning.mo_gymnasium:MultiObjectiveEnv",
    vector_entry_point="baselines.learning.mo_gymnasium:MultiObjectiveVectorEnv",
    disable_env_checker=True,  # it expects a number as the reward
)
