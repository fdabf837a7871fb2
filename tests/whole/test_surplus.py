"""A policy of ten lines can follow the sun: the observation tells it all that it needs."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from baselines import make_policy
from baselines.policies.base import Policy
from baselines.policies.view import View
from ev_gym.physics.charger import FLOOR_A, VOLT
from ev_gym.runtime.arrays import Floats

SEEDS = range(12)


class Surplus(Policy):
    """Charges one car after the other with what the sun gives beyond the base load, no more."""

    def __call__(self, observation: NDArray[np.float32]) -> Any:
        slices = self.layouts[observation.size].slices
        left_kw = observation[slices["pv_kw"]][0] - observation[slices["load_kw"]][0]
        fractions = np.zeros(len(self.limits), np.float32)
        for k, limit in enumerate(self.limits):
            # Amperes of one phase: a car on three takes a third of them on each, or switches.
            whole_a = left_kw * 1000.0 // VOLT
            if observation[slices["plugged"]][k] and whole_a >= FLOOR_A:
                fractions[k] = min(1.0, whole_a / limit.phases / limit.max_current_a)
                left_kw -= fractions[k] * limit.phases * limit.max_current_a * VOLT / 1000.0
        return fractions

    def decide(self, view: View) -> Floats:
        raise NotImplementedError


def summer_weeks(policy_of: Any) -> tuple[list[Any], float]:
    """Midsummer weeks of the villa under a policy: their histories, and the sum of the scores."""
    env: Any = gym.make(
        "EVCharging-v0", scenario={"preset": "stockholm-villa", "days": 7, "start_hour": 12}
    )
    histories, score = [], 0.0
    for seed in SEEDS:
        policy = policy_of(env)
        observation, _ = env.reset(seed=seed, options={"start": "2025-06-16"})
        over = False
        while not over:
            observation, reward, _, over, info = env.step(policy(observation))
            score += reward
        score += info["settlement"]
        histories.append(env.unwrapped.history)
    return histories, score


def from_sun(history: Any) -> tuple[float, float]:
    """Energy (kWh) that the cars drew, and how much of it the sun left over in the same step."""
    charge_kw = history["charge_kw_0"] + history["charge_kw_1"]
    over_kw = (history["pv_kw"] - history["load_kw"]).clip(lower=0.0)
    return charge_kw.sum() * 0.25, np.minimum(charge_kw, over_kw).sum() * 0.25


def test_charging_that_follows_the_sun() -> None:
    """Nearly all comes from the roof, less is sold and less bought; uncontrolled costs more."""
    followed, score = summer_weeks(lambda env: Surplus(env.unwrapped.scenario))
    plain, plain_score = summer_weeks(lambda env: make_policy("uncontrolled", env))
    for own, other in zip(followed, plain, strict=True):
        charged_kwh, sun_kwh = from_sun(own)
        assert charged_kwh > 10.0
        assert sun_kwh > 0.99 * charged_kwh
        plain_kwh, plain_sun_kwh = from_sun(other)
        assert plain_sun_kwh < 0.5 * plain_kwh
        # The same house without its cars sells what it does not need; the cars take some of that.
        sold_kwh = -own["grid_kw"].clip(upper=0.0).sum() * 0.25
        over_kwh = (own["pv_kw"] - own["load_kw"]).clip(lower=0.0).sum() * 0.25
        assert abs(over_kwh - sold_kwh - sun_kwh) < 1e-9
        assert own["power_term"].sum() == 0.0
        bill, plain_bill = (-(h["energy_term"] + h["power_term"]).sum() for h in (own, other))
        assert bill < 0.4 * plain_bill
        # A kWh from the roof costs what it would have earned, far below what the grid asks for.
        charged = 0.25 * (own["charge_kw_0"] + own["charge_kw_1"])
        assert bill < 0.6 * (charged * own["price_per_kwh"]).sum()
    on_phases = {n for own in followed for n in own["phases_0"][own["charge_kw_0"] > 0]}
    assert on_phases == {1.0, 3.0}  # the three-phase car follows it down below 4.1 kW
    # What it leaves missing is bought at a public charger, with a stop each time, and still it is
    # cheaper in all, though not in every house.
    assert score > plain_score
