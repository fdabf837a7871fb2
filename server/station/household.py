"""The household behind a classic station: whole ticks and commands, without time or database.

One tick is one step of the scenario. What the clients want when a tick is over holds for all of it,
so a command counts for the whole tick in which it came, like an action of an env. With a policy,
the policy decides at every tick until a client commands. Commands only charge: a bidirectional
charger feeds back where a policy says so.

Beyond the env's rules: the car begins with 20 %, on the first day that seed 0 draws, at 00:00; a
car that is full, or at its owner's limit, turns the switch off, unless charging is forced; and
where the daily pattern has the car at home from 0 to 24 h (`classic`) midnight is no departure
(`ev_gym.world.world.unending`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.policies.base import Policy
from baselines.policies.simple_rules import Random
from baselines.policies.specs import policy_from_spec
from ev_gym.physics.battery import FULL_KWH
from ev_gym.runtime.compiling import as_records, compiled, entry_point
from ev_gym.runtime.durations import DAY_MIN
from ev_gym.scenario import Scenario
from ev_gym.series.of_scenario import dataset_of
from ev_gym.simulation import saved_state
from ev_gym.simulation.loops import step_one
from ev_gym.simulation.observation import observation_slices
from ev_gym.simulation.simulator import ActionError, Simulator
from ev_gym.simulation.state_fields import (
    STEP_DTYPE,
    VEHICLE_DTYPE,
    VEHICLE_STEP_DTYPE,
)
from ev_gym.world.world import build_world, unending
from server.config import ConfigError

START_SOC = 0.2
KEPT_DAYS = 31
STRETCH_TICKS = 192  # two days of quarter-hours
AUTO, FORCE_ON, FORCE_OFF = "auto", "force_on", "force_off"
MODES = (AUTO, FORCE_ON, FORCE_OFF)
RECORD_DTYPE = np.dtype([("house", STEP_DTYPE), ("car", VEHICLE_STEP_DTYPE)])

_ROW = np.zeros(1, np.int64)
_SEED = np.zeros(1, np.uint64)


class Control(NamedTuple):
    """What the clients want.

    Attributes:
        switch: Whether the last command was to charge.
        commanded: Whether a client has commanded, so that a policy is not asked.
        override: One of `MODES`.
    """

    switch: bool = False
    commanded: bool = False
    override: str = AUTO


class Reading(NamedTuple):
    """What a station shows in a tick.

    Attributes:
        minute_of_day: Local clock at the start of the tick.
        place_min: The same as minute of the series.
        house: House of the data set.
        load_kw: Base load of the house.
        charge_kw: AC power that the car draws at the start of the tick; below 0 it feeds back.
        energy_kwh: Energy in the battery.
        capacity_kwh: Usable size of the battery.
        override: One of `MODES`.
    """

    minute_of_day: int
    place_min: int
    house: int
    load_kw: float
    charge_kw: float
    energy_kwh: float
    capacity_kwh: float
    override: str

    @property
    def charging(self) -> bool:
        """Whether the car draws power."""
        return self.charge_kw > 0.0

    @property
    def percent(self) -> float:
        """State of charge in percent."""
        return 100.0 * self.energy_kwh / self.capacity_kwh


class _Stretch(NamedTuple):
    """Up to m ticks in a row: the state at the start of each, and after the last.

    Attributes:
        actions: (m, 1) float32, by which the ticks are stepped.
        households: (m + 1,) records of the simulator.
        vehicles: (m + 1, 1) VEHICLE_DTYPE.
        observations: (m + 1, D) float32.
    """

    actions: NDArray[np.float32]
    households: NDArray[Any]
    vehicles: NDArray[Any]
    observations: NDArray[np.float32]


class _History(NamedTuple):
    """The results of the last r ticks; that of tick t stands in row t modulo r.

    Attributes:
        results: (r,) STEP_DTYPE.
        vehicle_results: (r, 1) VEHICLE_STEP_DTYPE.
    """

    results: NDArray[Any]
    vehicle_results: NDArray[Any]


@compiled
def _step_ticks(
    actions: Any,
    households: Any,
    vehicles: Any,
    observations: Any,
    results: Any,
    vehicle_results: Any,
    tables: Any,
    row: int,
    tick: int,
    ticks: int,
    until_kwh: float,
) -> int:
    """Step a household through the ticks of a `_Stretch`; how many of them it took.

    Its state stands in row `row`, where the last stretch led, and goes to row 0. It stops after the
    tick that fills the car to `until_kwh`, and before an action that is no number of the action
    space. `tick` is the number of the first tick in the `_History` of results.
    """
    households[0] = households[row]
    vehicles[0, 0] = vehicles[row, 0]
    for j in range(observations.shape[1]):
        observations[0, j] = observations[row, j]
    for i in range(ticks):
        households[i + 1] = households[i]
        vehicles[i + 1, 0] = vehicles[i, 0]
        over, _ = step_one(
            households[i + 1 : i + 2],
            vehicles[i + 1 : i + 2],
            tables,
            actions[i],
            observations[i + 1],
            results,
            vehicle_results,
            (tick + i) % results.shape[0],
        )
        if over < 0:
            return i
        if vehicles[i + 1, 0].energy_kwh >= until_kwh:
            return i + 1
    return ticks


@compiled
def _mend_guess(actions: Any, decided: Any, stepped: int) -> int:
    """How many guessed `actions` (m, 1) were right; from there on the decisions are the next guess.

    `decided` (n, 1) are the decisions for the `stepped` ticks, and perhaps for the one after them.
    """
    right = 0
    while right < stepped and actions[right, 0] == decided[right, 0]:
        right += 1
    for i in range(actions.shape[0]):
        actions[i, 0] = decided[min(right + i, decided.shape[0] - 1), 0]
    return right


def _policy_in_charge(spec: str, scenario: Scenario) -> Policy:
    """The policy that decides at a station.

    Raises:
        ConfigError: for one that does not exist, or needs more than the present observation.
    """
    try:
        policy = policy_from_spec(spec, scenario, continuous=True, seed=0)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    needs = "to know the future" if policy.clairvoyant else ""
    # Random's draws can be taken ahead; others' cannot.
    if policy.remembers or (policy.draws and not isinstance(policy, Random)):
        needs = "what it saw before"
    if needs:
        raise ConfigError(
            f"policy {spec!r} needs {needs}; allowed for the charging station: one that decides "
            "by what it sees in each tick"
        )
    return policy


class StationHousehold:
    """One household with one car, stepped tick by tick.

    After a week without a request there are 604,800 ticks to catch up with at the default speed,
    four times as many at the highest. Compiled code takes 0.2 us for a tick; a policy takes 10 to
    40 us, whether it is asked about one tick or about a hundred. So a stretch of ticks is stepped
    by guessed actions, and the policy is then asked about all the observations on the way. Up to
    the first decision that differs from the guess, all is as if it had been asked at every tick; a
    new stretch begins there, for which the other decisions are the guess. This needs a policy that
    decides by the observation alone.

    Args:
        scenario: The scenario; its start hour does not count.
        policy: Name of the policy that charges while no client commands; None: none.

    Raises:
        ConfigError: for more than one vehicle, or a policy that does not exist or cannot decide at
            a station.
    """

    def __init__(self, scenario: Scenario, policy: str | None = None) -> None:
        if len(scenario.vehicles) != 1:
            raise ConfigError(
                f"scenario {scenario.name!r} has {len(scenario.vehicles)} vehicles; allowed for "
                "the charging station: exactly one"
            )
        self.scenario = replace(scenario, start_hour=0)
        self.world = unending(build_world(self.scenario, dataset_of(self.scenario), None))
        self.control = Control()
        self.kept_ticks = KEPT_DAYS * DAY_MIN // scenario.time_step_min
        self._simulator = Simulator(self.world, 1)
        self._out = self._simulator.outputs()
        self.observation = np.zeros(self._simulator.width, np.float32)
        self._stretch = _Stretch(
            np.zeros((STRETCH_TICKS, 1), np.float32),
            as_records(np.zeros(STRETCH_TICKS + 1, self._simulator.households.dtype)),
            as_records(np.zeros((STRETCH_TICKS + 1, 1), VEHICLE_DTYPE)),
            np.zeros((STRETCH_TICKS + 1, self._simulator.width), np.float32),
        )
        self._compiled_steps: Callable[..., int] | None = None
        self._available = observation_slices(self.scenario)["available_kw"].start
        self._policy: Policy | None = None
        if policy is not None:
            self._policy = _policy_in_charge(policy, self.scenario)

    def begin(self) -> None:
        """Begin anew: 20 %, 00:00 of the first day, charging off, no override."""
        self.control = Control()
        self._simulator.seed(_SEED, _ROW)
        self._simulator.begin(_ROW, socs=np.full(1, START_SOC))
        if self._policy is not None:
            self._policy.reset()
        self._observe()

    def state_bytes(self) -> bytes:
        """The household's state; with the control, all that the future depends on."""
        return saved_state.save(self._simulator)

    def restore(self, state: bytes, control: Control) -> None:
        """Go on from a saved state.

        Raises:
            StateError: for the state of another scenario or layout; nothing has changed then.
        """
        saved_state.restore(self._simulator, state)
        self.control = control
        self._observe()

    def _observe(self) -> None:
        self._simulator.report(_ROW, self._out)
        self.observation[:] = self._out.observations[0]

    def charge(self, on: bool) -> bool:
        """Turn charging on or off, from this tick on, unless it is forced; whether that is new."""
        if self.control.override != AUTO:
            return False
        return self._change(Control(on, True, AUTO))

    def force(self, mode: str) -> bool:
        """Override the commands by a mode; whether that is new.

        `auto` ends the override: a policy decides again, and without one charging stays as it is.
        """
        as_it_is = self.control.switch and self._policy is None
        switch = as_it_is if mode == AUTO else mode == FORCE_ON
        return self._change(Control(switch, self.control.commanded and mode != AUTO, mode))

    def _change(self, control: Control) -> bool:
        before, self.control = self.control, control
        return control != before

    def _deciding_policy(self) -> Policy | None:
        """The policy, if it decides the present tick."""
        control = self.control
        return None if control.commanded or control.override != AUTO else self._policy

    def advance(self, ticks: int) -> NDArray[Any]:
        """Step so many ticks; the records of the last ones, as many as a history keeps.

        Returns:
            (at most ticks,) RECORD_DTYPE.

        Raises:
            ActionError: for a policy that answers what is no action.
        """
        kept = min(ticks, self.kept_ticks)
        history = _History(
            as_records(np.empty(kept, STEP_DTYPE)),
            as_records(np.empty((kept, 1), VEHICLE_STEP_DTYPE)),
        )
        self._load_stretch()
        policy = self._deciding_policy()
        if isinstance(policy, Random):
            row = self._advance_at_random(policy, ticks, history)
        elif policy is not None:
            row = self._advance_by_policy(policy, ticks, history)
        else:
            row = self._advance_by_switch(ticks, history)
        self._simulator.households[:] = self._stretch.households[row : row + 1]
        self._simulator.vehicles[:] = self._stretch.vehicles[row : row + 1]
        self.observation[:] = self._stretch.observations[row]
        records = np.empty(kept, RECORD_DTYPE)
        records["house"], records["car"] = history.results, history.vehicle_results[:, 0]
        # Where there are more ticks than rows, the oldest stands where the next one would go.
        return np.roll(records, -(ticks % kept)) if ticks > kept else records

    def _advance_by_switch(self, ticks: int, history: _History) -> int:
        """Step so many ticks with the switch as it is; a full car turns it off, unless forced.

        Returns:
            The row of the stretch where the household then stands.
        """
        limit_kwh = float(self.world.tables.cars["limit_kwh"][0] - FULL_KWH)
        row = done = 0
        while done < ticks:
            self._stretch.actions[:] = self.control.switch
            turns_off = self.control.switch and self.control.override == AUTO
            count = min(ticks - done, STRETCH_TICKS)
            row = self._step(history, row, done, count, limit_kwh if turns_off else math.inf)
            done += row
            if turns_off and self._stretch.vehicles["energy_kwh"][row, 0] >= limit_kwh:
                self.control = self.control._replace(switch=False)
        return row

    def _advance_at_random(self, policy: Random, ticks: int, history: _History) -> int:
        """Step so many ticks by numbers that are drawn ahead; the row, as above."""
        decisions, row = int(self._simulator.households["steps"][0]), 0
        for done in range(0, ticks, STRETCH_TICKS):
            count = min(ticks - done, STRETCH_TICKS)
            self._stretch.actions[:count] = policy.ahead(decisions + done, count)
            row = self._step(history, row, done, count)
        return row

    def _advance_by_policy(self, policy: Policy, ticks: int, history: _History) -> int:
        """Step so many ticks by a policy, as the class describes; the row, as above."""
        actions, observations = self._stretch.actions, self._stretch.observations
        row = done = 0
        length = STRETCH_TICKS
        while done < ticks:
            count = min(length, ticks - done)
            stepped = self._step(history, row, done, count)
            # A guess that is no action ends the stretch; what its tick saw is known, too.
            decided = _decide(policy, observations[: min(stepped + 1, count)])
            row = _mend_guess(actions, decided, stepped)
            if row < len(decided):
                _check_action(policy, decided[row])
            done += row
            # A policy whose decisions cannot be guessed is asked about few ticks at a time.
            length = min(max(4, (7 * length + 4 * row) // 8), STRETCH_TICKS)
        return row

    def _load_stretch(self) -> None:
        """Begin a stretch at the household's state."""
        self._stretch.households[:1] = self._simulator.households
        self._stretch.vehicles[:1] = self._simulator.vehicles
        self._stretch.observations[0] = self.observation

    def _step(
        self, history: _History, row: int, tick: int, ticks: int, until_kwh: float = math.inf
    ) -> int:
        """`_step_ticks` of the stretch."""
        args = (*self._stretch, *history, self.world.tables, row, tick, ticks, until_kwh)
        if self._compiled_steps is None:
            self._compiled_steps = entry_point(_step_ticks, *args)
        return self._compiled_steps(*args)

    def _action(self) -> NDArray[np.float32]:
        """The action of the present tick, as things stand: (1,) float32."""
        policy = self._deciding_policy()
        if policy is None:
            return np.full(1, self.control.switch, np.float32)
        policy.resume(int(self._simulator.households["steps"][0]))
        action: NDArray[np.float32] = _decide(policy, self.observation[np.newaxis])[0]
        _check_action(policy, action)
        return action

    def reading(self) -> Reading:
        """What the station shows in the present tick."""
        house, stretch = self._simulator.households, self._stretch
        self._load_stretch()
        stretch.actions[0] = self._action()
        self._step(_History(self._out.results, self._out.vehicle_results), 0, 0, 1)
        flows = self._out.vehicle_results["charge_kw"][0, 0] != 0.0
        offered_kw = float(stretch.vehicles["offered_kw"][1, 0])
        available_kw = float(self.observation[self._available])
        place_min = int(house["place_min"][0])
        hour = self.world.tables.hours[place_min // 60]
        return Reading(
            minute_of_day=(int(hour["minute_of_day"]) + place_min % 60) % DAY_MIN,
            place_min=place_min,
            house=int(house["house"][0]),
            load_kw=float(house["load_kw"][0]),
            charge_kw=min(offered_kw, available_kw) if flows else 0.0,
            energy_kwh=float(self._simulator.vehicles["energy_kwh"][0, 0]),
            capacity_kwh=self.scenario.vehicles[0].battery_kwh,
            override=self.control.override,
        )


def _decide(policy: Policy, observations: NDArray[np.float32]) -> NDArray[np.float32]:
    """A policy's actions (n, 1) for observations (n, D)."""
    return np.ascontiguousarray(policy(observations), np.float32)


def _check_action(policy: Policy, action: NDArray[np.float32]) -> None:
    """Raise an ActionError if what a policy answered, (1,), is no action."""
    if not policy.lowest <= action[0] <= 1.0:
        raise ActionError(
            f"policy {policy.name!r} answers {action[0]}; allowed: a number from "
            f"{policy.lowest:g} to 1"
        )
