"""Steps of an env with fixed actions, and comparisons of results bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from ev_gym.env import EVChargingEnv

THREE_CARS: dict[str, Any] = {
    "household": {"fuse_a": 35},
    "vehicles": [{"model": "VW ID.3 58"}, {"model": "Renault Zoe"}, {"model": "Nissan Leaf 40"}],
}


def action_of(env: EVChargingEnv, step: int) -> Any:
    """The action of a step: a fixed sequence from off to full power, discharging included."""
    cars = len(env.scenario.vehicles)
    fractions = np.array([(7 * step + 3 * k) % 11 / 10 for k in range(cars)], np.float32)
    if env.scenario.charger.bidirectional and env._actions.continuous:
        return 2 * fractions - 1
    if env.action_space.shape == (cars,) and env.action_space.dtype == np.float32:
        return fractions
    count = [len(levels) for levels in env._actions.levels]
    levels = np.array([int(f * (n - 1)) for f, n in zip(fractions, count, strict=True)])
    return levels[0] if cars == 1 else levels


def live(env: EVChargingEnv, steps: int, first: int = 0) -> list[Any]:
    """All that so many steps return, and the resets without a seed where an episode ends."""
    seen: list[Any] = []
    for step in range(first, first + steps):
        result = env.step(action_of(env, step))
        seen.append(result)
        if result[3]:
            seen.append(env.reset())
    return seen


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal in type, shape and every bit of every number."""
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and (one.shape, one.dtype) == (other.shape, other.dtype)
            and one.tobytes() == other.tobytes()
        )
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


def same_bits(first: Any, second: Any) -> bool:
    """Whether two nests of dicts, arrays and numbers are equal to the last bit."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same_bits(first[k], second[k]) for k in first)
    first, second = np.asarray(first), np.asarray(second)
    if first.dtype.names is not None:  # the gaps between fields may differ
        return all(same_bits(first[name], second[name]) for name in first.dtype.names)
    return first.dtype == second.dtype and first.tobytes() == second.tobytes()
