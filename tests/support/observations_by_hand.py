"""Observations written by hand, for single decisions of a policy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.policies.base import Policy
from baselines.policies.specs import built_in
from ev_gym.scenario import Scenario


def names_for(names: tuple[str, ...], scenario: Scenario) -> list[str]:
    """Those of the built-in policies that can drive a scenario and need not know the future."""
    sun = scenario.solar.peak_kw > 0.0
    kinds = {name: built_in(name) for name in names}
    return [
        name for name, kind in kinds.items() if not kind.clairvoyant and (sun or not kind.needs_sun)
    ]


def observation_with(policy: Policy, hour: float = 0.0, **fields: Any) -> NDArray[np.float32]:
    """An observation (D,) with these fields, at a local hour; the others are 0.

    `prices` are the hourly ones from the running hour on, all known, and the last of them for the
    rest of the window; `price_per_kwh` is the first unless given.
    """
    length, layout = min(policy.layouts.items())  # with hourly prices
    observation = np.zeros(length, np.float32)
    prices = np.array(fields.pop("prices", [1.0]), np.float64)
    window_h = policy.scenario.price_window_h
    first = layout.slices["price_h00"].start
    observation[first : first + window_h] = prices[-1]
    observation[first : first + len(prices[:window_h])] = prices[:window_h]
    angle = 2 * math.pi * hour / 24
    given = {
        "hour_sin": math.sin(angle),
        "hour_cos": math.cos(angle),
        "price_per_kwh": prices[0],
        "hours_known": window_h,
        "headroom_kw": 50.0,
        **fields,
    }
    for name, value in given.items():
        observation[layout.slices[name]] = value
    return observation
