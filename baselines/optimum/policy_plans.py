"""What some policies do in a future: plans to fall back on where the programme's are worse.

Each policy drives the household from the future's first records on, by the env's own compiled code,
and observes what it would observe in an env.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from baselines.foresight import Future
from baselines.policies.specs import built_in
from ev_gym.simulation.simulator import Simulator

# Rules that decide quickly and whose bills came near the programme's on the presets, or below it
# where public energy is cheap. With `mpc` among them months of the presets came out the same, and
# took half as long again.
RULES = ("price_based", "peak_shaving")


def policy_plans(future: Future) -> list[NDArray[np.float32]]:
    """The actions (T, K) of `RULES`; all are levels of the charger."""
    policies = [built_in(name)(future.world.scenario) for name in RULES]
    for policy in policies:
        policy.reset()
    simulator = Simulator(future.world, len(policies))
    simulator.households[:], simulator.vehicles[:] = future.households[0], future.vehicles[0]
    out = simulator.outputs()
    simulator.report(np.arange(simulator.count), out)
    plans = np.zeros((future.steps, *simulator.vehicles.shape), np.float32)
    plugged = np.asarray(future.vehicles["plugged"][:-1].any(axis=1))
    for actions, any_plugged in zip(plans, plugged, strict=True):
        for place, policy in enumerate(policies):
            if any_plugged:  # without a car they decide nothing
                actions[place] = policy(out.observations[place])
        simulator.step(actions, out, autoreset=False)
    return [plans[:, place] for place in range(len(policies))]
