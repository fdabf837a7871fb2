"""What a policy is: from an observation to an action, for one row or many.

A policy reads the static scenario when it is made and observations from then on, so the same code
drives a local env, a vector env, or a household at the other end of a network.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ev_gym.actions import level_fractions
from ev_gym.equipment import FLOOR_A, at_charger
from ev_gym.observation import observation_slices
from ev_gym.physics.charger import LINE_KW_PER_A
from ev_gym.scenario import Scenario

Floats = NDArray[np.float64]

DAY_MIN = 24 * 60
# Observations are float32; less than this is nothing.
NOTHING_KWH = 1e-3
ROUNDING_KW = 1e-4

_HOME = {
    "uncontrolled": "baselines.rules:Uncontrolled",
    "load_based": "baselines.rules:LoadBased",
    "price_based": "baselines.rules:PriceBased",
    "cheapest_hours": "baselines.rules:CheapestHours",
    "peak_shaving": "baselines.rules:PeakShaving",
    "random": "baselines.rules:Random",
}
POLICY_NAMES = tuple(_HOME)


class View(NamedTuple):
    """Observations of n rows by name: (n,), (n, window) for prices, (n, K) for the cars."""

    hour_of_day: Floats
    headroom_kw: Floats
    price_per_kwh: Floats
    hours_known: Floats
    price_window: Floats
    plugged: NDArray[np.bool_]
    hours_to_departure: Floats
    energy_to_wanted_kwh: Floats


class Policy:
    """From observations to actions; subclasses say in `decide` who may charge.

    Args:
        scenario: The scenario, read once.
        continuous: Whether actions are fractions, or levels of the charger.
        seed: Of whatever the policy draws itself.
    """

    name = ""
    draws = False  # whether decisions depend on how many there were before

    def __init__(self, scenario: Scenario, continuous: bool = True, seed: int = 0) -> None:
        self.scenario = scenario
        self.continuous = continuous
        self.seed = seed
        self.slices = observation_slices(scenario)
        self.limits = [at_charger(vehicle, scenario.charger) for vehicle in scenario.vehicles]
        self.lowest = -1.0 if scenario.charger.bidirectional else 0.0
        self.levels = [level_fractions(scenario, vehicle) for vehicle in scenario.vehicles]
        self.level_kw = [
            np.minimum(scenario.charger.levels_kw, limit.max_kw)
            if scenario.charger.levels_kw is not None
            else levels * limit.max_current_a * limit.kw_per_a
            for limit, levels in zip(self.limits, self.levels, strict=True)
        ]
        self.battery_kw = np.array(
            [
                vehicle.eta * limit.max_kw - vehicle.aux_kw
                for vehicle, limit in zip(scenario.vehicles, self.limits, strict=True)
            ]
        )

    def reset(self, rows: NDArray[np.int64] | None = None) -> None:
        """Told at the start of every episode of these rows; None: of all."""

    def resume(self, decisions: int) -> None:
        """Told that a run goes on after so many decisions, which another policy object took."""

    def decide(self, view: View) -> Floats:
        """Fractions of maximum current, (n, K) from 0 to 1, or from -1 if bidirectional."""
        raise NotImplementedError

    def __call__(self, observation: NDArray[np.float32]) -> Any:
        """The action for one observation (D,), or the actions for a batch (n, D)."""
        single = observation.ndim == 1
        fractions = self.decide(self.view(np.atleast_2d(observation)))
        if self.continuous:
            actions: NDArray[Any] = fractions.astype(np.float32)
            return actions[0] if single else actions
        levels = self.to_levels(fractions)
        levels = levels[:, 0] if levels.shape[1] == 1 else levels
        return levels[0] if single else levels

    def to_levels(self, fractions: Floats) -> NDArray[np.int64]:
        """The highest levels (n, K) that do not exceed the fractions."""
        levels = [
            np.searchsorted(own, fractions[:, k] + ROUNDING_KW, side="right") - 1
            for k, own in enumerate(self.levels)
        ]
        return np.stack(levels, axis=1)

    def view(self, observation: NDArray[np.float32]) -> View:
        """A batch (n, D) by name."""
        at, rows = self.slices, observation.astype(np.float64)
        angle = np.arctan2(rows[:, at["hour_sin"]], rows[:, at["hour_cos"]])[:, 0]
        first = at["price_h00"].start
        return View(
            hour_of_day=np.round(angle / (2 * np.pi) * DAY_MIN) % DAY_MIN / 60.0,
            headroom_kw=rows[:, at["headroom_kw"]][:, 0],
            price_per_kwh=rows[:, at["price_per_kwh"]][:, 0],
            hours_known=rows[:, at["hours_known"]][:, 0],
            price_window=rows[:, first : first + self.scenario.price_window_h],
            plugged=rows[:, at["plugged"]] > 0.5,
            hours_to_departure=rows[:, at["hours_to_departure"]],
            energy_to_wanted_kwh=rows[:, at["energy_to_wanted_kwh"]],
        )

    def within_room(
        self, view: View, charging: NDArray[np.bool_], most_kw: Floats | None = None
    ) -> Floats:
        """Most that the cars marked (n, K) may take inside the headroom, in vehicle order.

        No car more than `most_kw` (n, K), where given.

        The headroom is what the connection leaves in all. Where it is too little for 6 A on three
        phases and the charger can switch, a car is asked to charge on one. What a single line
        carries is not looked at: there load management, where it is on, keeps the fuse.
        """
        left_kw = view.headroom_kw.copy()
        fractions = np.zeros(charging.shape)
        for k, limit in enumerate(self.limits):
            room_kw = left_kw if most_kw is None else np.minimum(left_kw, most_kw[:, k])
            if self.scenario.charger.levels_kw is not None:
                powers = np.minimum(self.scenario.charger.levels_kw, limit.max_kw)
                fits = powers[None, :] <= room_kw[:, None] + ROUNDING_KW
                level = np.maximum(fits.sum(axis=1) - 1, 0)
                fraction, taken_kw = level / (len(powers) - 1), powers[level]
            else:
                current_a = _amperes(room_kw, limit.kw_per_a, limit.max_current_a)
                if limit.one_phase_a > 0:  # three amperes on one phase are one on three
                    on_one_a = _amperes(room_kw, LINE_KW_PER_A, limit.one_phase_a)
                    current_a = np.where(current_a > 0.0, current_a, on_one_a / limit.phases)
                fraction, taken_kw = current_a / limit.max_current_a, current_a * limit.kw_per_a
            fractions[:, k] = np.where(charging[:, k], fraction, 0.0)
            left_kw -= np.where(charging[:, k], taken_kw, 0.0)
        return fractions


def _amperes(room_kw: Floats, kw_per_a: float, most_a: int) -> Floats:
    """Whole amperes that fit into each room, at most `most_a`, none below 6 A."""
    current_a = np.clip(np.floor((room_kw + ROUNDING_KW) / kw_per_a), 0, most_a)
    return np.where(current_a < FLOOR_A, 0.0, current_a)


def make_policy(name: str, env: Any, seed: int = 0) -> Policy:
    """A policy by name for an env: single, vector, or remote.

    Args:
        name: One of `POLICY_NAMES`.
        env: Anything with a `scenario` and a (single) action space.
        seed: Of a policy that draws.

    Raises:
        ValueError: for an unknown name, listing the known ones; for actions of another range.
    """
    if name not in _HOME:
        raise ValueError(f"unknown policy {name!r}; allowed: {', '.join(POLICY_NAMES)}")
    module, kind = _HOME[name].split(":")
    base = env.unwrapped
    space = getattr(base, "single_action_space", None) or env.action_space
    lowest = -1 if base.scenario.charger.bidirectional else 0
    if isinstance(space, spaces.Box) and not (
        np.all(space.low == lowest) and np.all(space.high == 1)
    ):
        raise ValueError(
            f"the env's actions are {space}; allowed: a Box from {lowest} to 1, or levels"
        )
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed is {seed!r}; allowed: a whole number from 0 to {2**64 - 1}")
    policy: Policy = getattr(importlib.import_module(module), kind)(
        base.scenario, isinstance(space, spaces.Box), seed
    )
    return policy
