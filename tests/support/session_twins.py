"""Sessions beside the local envs that they must equal bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario
from ev_gym.simulation.actions import ActionMap
from ev_gym.simulation.results import rows_info
from ev_gym.vector_env import EVChargingVectorEnv
from server.http.problems import Problem
from server.v1.replayed_env import Spec
from server.v1.step_answer import Answer
from tests.support.one_day import A_DAY, VILLA_DAY
from tests.support.rollouts import same_bits

# A day has 24 steps, so a few operations meet several horizons.
HOURLY = Scenario.from_dict({**A_DAY, "time_step_min": 60})
# The car never leaves, so every action shows.
HOME = Scenario.from_dict(
    {
        **A_DAY,
        "time_step_min": 15,
        "driving": {"pattern": "daily", "arrival_h": 0, "departure_h": 24, "trip_kwh": 0},
    }
)
# Everything on: sun, two cars that can be discharged, switching of phases, power charge, ageing.
TWO_CARS = Scenario.from_dict({**VILLA_DAY, "time_step_min": 60})
SCENARIOS = {"one car": HOURLY, "two cars": TWO_CARS}


class Twin:
    """The local env that a session must equal: `EVChargingEnv`, or the vector env."""

    def __init__(self, spec: Spec) -> None:
        self.spec, self.index = spec, 0
        self.env: Any
        if spec.num_envs is None:
            self.env = EVChargingEnv(spec.scenario, spec.split, spec.continuous)
        else:
            self.env = EVChargingVectorEnv(
                spec.num_envs,
                spec.scenario,
                spec.split,
                spec.continuous,
                autoreset_mode=spec.autoreset_mode,
            )

    def reset(self, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        """What a reset returns locally, seeded as the session's first one is."""
        if self.index == 0 and seed is None:
            seed = self.spec.seed
        if self.index == 0 and isinstance(seed, list):
            seed = [self.spec.seed + row if s is None else s for row, s in enumerate(seed)]
        if options and "reset_mask" in options:
            options = {**options, "reset_mask": np.array(options["reset_mask"])}
        self.index += 1
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        """What a step returns locally."""
        self.index += 1
        return self.env.step(action)


def answers_alike(answer: Answer, local: tuple[Any, ...], spec: Spec) -> bool:
    """Whether a session answered what its twin did."""
    single = spec.num_envs is None
    observations, infos = local[0], dict(local[-1])
    running = np.zeros(spec.rows) if answer.last_step is not None else answer.settlement
    told = rows_info(answer.results, answer.vehicle_results, running)
    if not spec.continuous:
        told["action_mask"] = answer.action_masks
    seen: dict[str, Any] = {"observations": answer.observations, "infos": told}
    if answer.is_step:
        seen |= {"rewards": answer.rewards, "truncated": answer.truncated}
    if single:
        seen = first_rows(seen)
    expected: dict[str, Any] = {"observations": observations, "infos": infos}
    if answer.is_step:
        expected |= {"rewards": local[1], "truncated": local[3]}
    return _ended_alike(answer, infos) and same_bits(seen, expected)


def first_rows(nest: Any) -> Any:
    """The first row of each array in a nest of dicts."""
    return {key: first_rows(v) if isinstance(v, dict) else v[0] for key, v in nest.items()}


def _ended_alike(answer: Answer, infos: dict[str, Any]) -> bool:
    """Whether the ends of ended episodes are alike; takes them out of `infos`."""
    final_info, over = infos.pop("final_info", None), infos.pop("_final_info", None)
    final_obs, also_over = infos.pop("final_obs", None), infos.pop("_final_obs", None)
    if answer.last_step is None or final_info is None:
        return answer.last_step is None and final_info is None
    last = answer.last_step
    told = rows_info(last.results, last.vehicle_results, answer.settlement)
    if last.action_masks.size:
        told["action_mask"] = last.action_masks
    return (
        same_bits(over, also_over)
        and same_bits(over, answer.truncated)
        and same_bits(last.observations[over], final_obs[over])
        and same_bits(_chosen(told, over), _chosen(final_info, over))
    )


def _chosen(nest: Any, rows: Any) -> Any:
    return {
        key: _chosen(value, rows) if isinstance(value, dict) else value[rows]
        for key, value in nest.items()
    }


def refused(status: int, call: Callable[..., Any], *args: Any, **named: Any) -> Problem:
    """The problem that a call raises, with that status."""
    with pytest.raises(Problem) as told:
        call(*args, **named)
    assert told.value.status == status, told.value.detail
    return told.value


def same_answer(first: Answer, second: Answer) -> bool:
    """Whether two answers are equal to the last bit."""

    def plain(answer: Answer) -> dict[str, Any]:
        ended = answer.last_step
        return {**answer._asdict(), "last_step": ended and ended._asdict()}

    return same_bits(plain(first), plain(second))


def some_action(spec: Spec, choice: np.random.Generator) -> Any:
    """An action for a session, of the shape its env takes."""
    cars = len(spec.scenario.vehicles)
    own: tuple[int, ...] = (cars,) if spec.continuous or cars > 1 else ()
    shape = own if spec.num_envs is None else (spec.num_envs, *own)
    actions = ActionMap(spec.scenario, spec.continuous)
    if spec.continuous:
        lowest = -1.0 if spec.scenario.charger.bidirectional else 0.0
        return choice.uniform(lowest, 1.0, shape).astype(np.float32)
    levels = [len(own) for own in actions.levels]
    return choice.integers(0, levels if cars > 1 else levels[0], shape)
