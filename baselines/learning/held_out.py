"""What a policy pays on months that nothing is trained on and no benchmark is about.

They are those of world 0, which belongs to neither split: each of its months, with drawn houses and
drivers, the same for every policy. The score is the benchmark's: what charging cost, less the
settlement, a month.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from baselines.policies.base import Policy
from ev_gym.scenario import Scenario
from ev_gym.simulation.results import TERMS
from ev_gym.vector_env import EVChargingVectorEnv

MONTHS = 12
SEED = 20_000  # of the first row; training draws its own seeds


class HeldOut:
    """The months, side by side in one env.

    Args:
        scenario: The scenario; its episodes must be months.
        houses: Households in each month.
    """

    def __init__(self, scenario: Scenario, houses: int) -> None:
        self._env = EVChargingVectorEnv(
            MONTHS * houses,
            scenario,
            continuous=False,
            autoreset_mode=AutoresetMode.DISABLED,
            copy=False,
            info=TERMS,
        )

    def _reset(self) -> Any:
        rows = self._env.num_envs
        observations, _ = self._env.reset(seed=SEED)
        for number, month in enumerate(self._env.simulator.world.months()):
            of_month = np.arange(rows) % MONTHS == number
            seeds = [SEED + row if of_month[row] else None for row in range(rows)]
            options = {"start": str(month.first), "reset_mask": of_month}
            observations, _ = self._env.reset(seed=seeds, options=options)
        return observations

    def cost(self, policy: Policy) -> float:
        """What a policy that is not told the future pays a month."""
        env, observations = self._env, self._reset()
        policy.reset(np.arange(env.num_envs))
        costs, live = np.zeros(env.num_envs), np.ones(env.num_envs, np.bool_)
        while live.any():
            observations, rewards, _, over, infos = env.step(policy(observations))
            costs -= live * (rewards + over * infos["settlement"])
            live &= ~over
            if over.any():  # its row waits for the longer months in another one
                observations, _ = env.reset(options={"reset_mask": over.copy()})
        return float(costs.mean())
