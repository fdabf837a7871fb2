"""What a policy is: from an observation to an action, for one row or many.

A policy reads the static scenario when it is made and observations from then on, so the same code
drives a local env, a vector env, or a household at the other end of a network.
"""

from __future__ import annotations

import functools
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from baselines.policies.headroom import fit, limit_records
from baselines.policies.view import View, layouts
from ev_gym.runtime.arrays import Floats
from ev_gym.scenario import Scenario
from ev_gym.scenario.charger import at_charger
from ev_gym.simulation.actions import level_fractions
from ev_gym.simulation.observation import PHYSICAL, SCALED, physical
from ev_gym.world.world import World

# Fractions and levels are written in different precisions; this forgives their rounding.
ROUNDING_FRACTION = 1e-4


class Future(Protocol):
    """One household from now to its horizon, T steps and K cars, while no car charges.

    `baselines.foresight.foresee` finds it. It is declared here as what a clairvoyant policy may
    read, because `foresight` itself knows policies.
    """

    @property
    def world(self) -> World:
        """The scenario, its series, and the tables of the simulation."""

    @property
    def households(self) -> NDArray[Any]:
        """(T + 1,) the household's record before each step and at the end.

        Its power-charge fields are those of the house alone.
        """

    @property
    def vehicles(self) -> NDArray[Any]:
        """(T + 1, K) VEHICLE_DTYPE, the cars' records at the same times.

        Calendar and `plugged` are those of any run; energies are those without charging.
        """

    @property
    def results(self) -> NDArray[Any]:
        """(T,) STEP_DTYPE of these steps: load, sun, prices, and the house's own bills."""

    @property
    def events(self) -> NDArray[Any]:
        """EVENT_DTYPE of `foresight`: departures and returns, in the order of their times."""

    @property
    def steps(self) -> int:
        """Number of steps T to the horizon."""

    @property
    def charge_h(self) -> Floats:
        """(T, K) hours of each step that a car is at the charger and can charge."""


class Policy:
    """From observations to actions; subclasses say in `decide` how much each car may charge.

    Args:
        scenario: The scenario, read once.
        continuous: Whether actions are fractions, or levels of the charger.
        seed: Of what the policy draws at random.

    Raises:
        ValueError: where the policy needs the sun and the scenario has no PV.
    """

    name = ""
    draws = False  # whether it draws at random: a decision depends on how many were made before
    remembers = False  # whether a decision depends on what was observed before in the episode
    needs_sun = False  # whether it is made for houses with PV alone
    clairvoyant = False  # whether it must be told the future: `baselines.foresight.tell_future`
    observation = PHYSICAL  # whether the observations that it is given are physical or scaled

    def __init__(self, scenario: Scenario, continuous: bool = True, seed: int = 0) -> None:
        if self.needs_sun and not scenario.has_sun:
            raise ValueError(
                f"policy {self.name} needs PV, and solar.peak_kw of scenario {scenario.name!r} is "
                "0.0; allowed: above 0, or household.net_load"
            )
        self.scenario = scenario
        self.continuous = continuous
        self.seed = seed
        self.layouts = layouts(scenario)
        self.limits = [at_charger(vehicle, scenario.charger) for vehicle in scenario.vehicles]
        self._limits = limit_records(self.limits)
        self._levels_kw = np.array(scenario.charger.levels_kw or (), np.float64)
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

    @functools.cached_property
    def powers_kw(self) -> Floats:
        """(K, levels) what the charger can give each car, rising; the last one is repeated."""
        count = max(len(levels) for levels in self.level_kw)
        return np.stack([np.pad(kw, (0, count - len(kw)), "edge") for kw in self.level_kw])

    def reset(self, rows: NDArray[np.int64] | None = None) -> None:
        """Begin new episodes in these rows; None: in all. Called after each reset of an env."""

    def foresee(self, futures: list[Future]) -> None:
        """Take in the future of all rows, in order; of a clairvoyant policy, after each reset."""

    def resume(self, decisions: int) -> None:
        """Go on where another object of the same policy stopped after so many decisions."""

    def decide(self, view: View) -> Floats:
        """Fractions of maximum current, (n, K) from 0 to 1, or from -1 if bidirectional."""
        raise NotImplementedError

    def __call__(self, observation: NDArray[np.float32]) -> Any:
        """The action for one observation (D,), or the actions for a batch (n, D)."""
        fractions = self.decide(self.view(np.atleast_2d(observation)))
        return self.act(fractions, single=observation.ndim == 1)

    def act(self, fractions: Floats, single: bool) -> Any:
        """Actions of the env's kind for fractions (n, K); with `single` that of the first row."""
        if self.continuous:
            actions: NDArray[Any] = fractions.astype(np.float32)
            return actions[0] if single else actions
        levels = self.to_levels(fractions)
        levels = levels[:, 0] if levels.shape[1] == 1 else levels
        return levels[0] if single else levels

    def to_levels(self, fractions: Floats) -> NDArray[np.int64]:
        """The highest levels (n, K) that do not exceed the fractions."""
        levels = [
            np.searchsorted(of_car, fractions[:, k] + ROUNDING_FRACTION, side="right") - 1
            for k, of_car in enumerate(self.levels)
        ]
        return np.stack(levels, axis=1)

    def view(self, observation: NDArray[np.float32]) -> View:
        """A batch (n, D) by name, in physical units.

        Its length tells how long the slots of the price window are.

        Raises:
            ValueError: for observations of another scenario.
        """
        layout = self.layouts.get(observation.shape[1])
        if layout is None:
            raise ValueError(
                f"policy {self.name} was given observations of length {observation.shape[1]}; "
                f"allowed for scenario {self.scenario.name!r}: " + ", ".join(map(str, self.layouts))
            )
        if self.observation == SCALED:
            observation = physical(observation, layout.scales)
        return View(observation, layout)

    def needed_h(self, view: View) -> Floats:
        """Hours (n, K) of full power that take each car to its wanted SoC, without the taper."""
        hours: Floats = view.energy_to_wanted_kwh / self.battery_kw
        return hours

    def within_headroom(
        self,
        view: View,
        charging: NDArray[np.bool_],
        most_kw: Floats | None = None,
        headroom_kw: Floats | None = None,
    ) -> Floats:
        """The most that cars may take inside a headroom, in vehicle order, as fractions (n, K).

        Where that is too little for 6 A on all phases and the charger can switch, a car is
        asked to charge on one. What a single line carries is not looked at: there load management,
        where it is on, keeps the fuse.

        Args:
            view: The observations.
            charging: (n, K) which cars may charge; the others get 0.
            most_kw: (n, K) what no car may exceed; None: no such limit.
            headroom_kw: (n,) for all cars together; None: what the connection leaves, as observed.
        """
        fractions = np.empty(charging.shape)
        headroom_kw = view.headroom_kw if headroom_kw is None else headroom_kw
        most_kw = np.full(charging.shape, np.inf) if most_kw is None else most_kw
        fit(charging, headroom_kw, most_kw, self._limits, self._levels_kw, fractions)
        return fractions
