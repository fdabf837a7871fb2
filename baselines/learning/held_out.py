"""What a policy pays on months that nothing is trained on and no benchmark is about.

They are those of world 0, which belongs to neither split: each of its months, with drawn houses and
drivers, the same for every policy. The score is the benchmark's: what charging cost, less the
settlement, a month.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode

from baselines.foresight import foresee, tell_future
from baselines.optimum.relaxation import lower_bound
from baselines.policies.base import Policy
from baselines.policies.specs import make_policy
from ev_gym.scenario import Scenario
from ev_gym.simulation.results import FLAT_TERMS, TERMS
from ev_gym.vector_env import EVChargingVectorEnv

MONTHS = 12
SEED = 20_000  # of the first row; training draws its own seeds


class Score(NamedTuple):
    """Means over the months.

    Attributes:
        cost: What charging cost, less the settlement.
        terms: What each term of the reward took, by its name.
    """

    cost: float
    terms: dict[str, float]


class HeldOut:
    """The months, side by side in one env.

    Args:
        scenario: The scenario; its episodes must be months.
        houses: Households in each month.
    """

    def __init__(self, scenario: Scenario, houses: int) -> None:
        self.env = EVChargingVectorEnv(
            MONTHS * houses,
            scenario,
            continuous=False,
            autoreset_mode=AutoresetMode.DISABLED,
            copy=False,
            info=TERMS,
        )

    def _reset(self) -> Any:
        rows = self.env.num_envs
        observations, _ = self.env.reset(seed=SEED)
        for number, month in enumerate(self.env.simulator.world.months()):
            of_month = np.arange(rows) % MONTHS == number
            seeds = [SEED + row if of_month[row] else None for row in range(rows)]
            options = {"start": str(month.first), "reset_mask": of_month}
            observations, _ = self.env.reset(seed=seeds, options=options)
        return observations

    def score(self, make: Callable[[Any], Policy]) -> Score:
        """What a policy pays; `make` makes it for the env."""
        env, policy = self.env, make(self.env)
        observations = self._reset()
        policy.reset(np.arange(env.num_envs))
        tell_future(policy, env)
        costs, settled = np.zeros(env.num_envs), np.zeros(env.num_envs)
        terms, live = dict.fromkeys(FLAT_TERMS, 0.0), np.ones(env.num_envs, np.bool_)
        while live.any():
            observations, rewards, _, over, infos = env.step(policy(observations))
            costs -= live * rewards
            for term in FLAT_TERMS:
                terms[term] -= float((live * infos[term]).mean())
            settled += live * over * infos["settlement"]
            live &= ~over
            if over.any():  # its row waits for the longer months in another one
                observations, _ = env.reset(options={"reset_mask": over.copy()})
        return Score(float((costs - settled).mean()), terms)

    def bound(self) -> float:
        """The mean lower bound of these months."""
        self._reset()
        rows = range(self.env.num_envs)
        return float(np.mean([lower_bound(foresee(self.env.simulator, row)).cost for row in rows]))

    def of_spec(self, spec: str) -> Score:
        """What a policy of a name pays."""
        return self.score(lambda env: make_policy(spec, env))
