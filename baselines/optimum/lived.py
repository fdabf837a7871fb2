"""What some policies do with a future: plans to fall back on where the programme's are worse.

Each lives the episode from the future's first records on, by the env's own compiled code, and sees
what an env would show it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from baselines.foresight import Future
from baselines.policies.base import Policy
from baselines.policies.specs import built_in
from ev_gym.simulation.simulator import Simulator

# Those whose bills came near the programme's on the presets, or below it where public energy is
# cheap; all decide quickly. `mpc` is told the future.
RULES = ("price_based", "peak_shaving")


def _policies(future: Future) -> list[Policy]:
    scenario = future.world.scenario
    # By name, which imports them now: they and the optimum build on the same modules.
    policies = [built_in(name)(scenario) for name in RULES]
    policies.append(built_in("mpc")(scenario, load_error=0.0))  # type: ignore[call-arg]  # its own
    for policy in policies:
        policy.reset()
        policy.foresee([future])
    return policies


def lived(future: Future) -> list[NDArray[np.float32]]:
    """The actions (T, K) of `RULES` and of `mpc(load_error=0)`; all are levels of the charger."""
    policies = _policies(future)
    simulator = Simulator(future.world, len(policies))
    simulator.households[:], simulator.vehicles[:] = future.households[0], future.vehicles[0]
    out = simulator.outputs()
    simulator.report(np.arange(simulator.count), out)
    plans = np.zeros((future.steps, *simulator.vehicles.shape), np.float32)
    plugged = np.asarray(future.vehicles["plugged"][:-1].any(axis=1))
    for actions, here in zip(plans, plugged, strict=True):
        for place, policy in enumerate(policies):
            if here or policy.remembers:  # the others do nothing then
                actions[place] = policy(out.observations[place])
        simulator.step(actions, out, autoreset=False)
    return [plans[:, place] for place in range(len(policies))]
