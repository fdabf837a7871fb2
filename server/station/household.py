"""The household behind a classic station: whole ticks and commands, without time or database.

One tick is one step of the scenario. The switch as it stands when a tick is over is what the whole
tick was lived with, so a command holds for all of the tick in which it came, like an action of an
env. With a policy, the policy decides at every tick until a client commands. Commands only charge:
a bidirectional charger feeds back where a policy says so.

Beyond the env's rules: the car begins with 20 %, on the first day that seed 0 draws, at 00:00; a
car that is full, or at its owner's limit, turns the switch off, unless charging is forced; and
where the daily pattern has the car at home from 0 to 24 h (`classic`) midnight is no departure
(`ev_gym.world.world.unending`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.policies.base import Policy
from baselines.policies.simple_rules import Random
from baselines.policies.specs import policy_from_spec
from ev_gym.physics.battery import FULL_KWH
from ev_gym.runtime.compiling import as_records
from ev_gym.runtime.durations import DAY_MIN
from ev_gym.scenario import Scenario
from ev_gym.series.of_scenario import dataset_of
from ev_gym.simulation import saved_state
from ev_gym.simulation.observation import observation_slices
from ev_gym.simulation.simulator import Simulator
from ev_gym.simulation.state_fields import STEP_DTYPE, VEHICLE_STEP_DTYPE
from ev_gym.world.world import build_world, unending
from server.config import ConfigError

START_SOC = 0.2
KEPT_DAYS = 31
LONGEST_STRETCH = 512  # ticks lived by one guess
AUTO, FORCE_ON, FORCE_OFF = "auto", "force_on", "force_off"
MODES = (AUTO, FORCE_ON, FORCE_OFF)
RECORD_DTYPE = np.dtype([("house", STEP_DTYPE), ("car", VEHICLE_STEP_DTYPE)])

_ROW = np.zeros(1, np.int64)
_SEED = np.zeros(1, np.uint64)
_OFF, _ON = np.zeros(1, np.float32), np.ones(1, np.float32)


class Will(NamedTuple):
    """What the clients want.

    Attributes:
        switch: Whether the last command was to charge.
        commanded: Whether a client has commanded, so that a policy is not asked.
        override: One of `MODES`.
    """

    switch: bool = False
    commanded: bool = False
    override: str = AUTO


class Shown(NamedTuple):
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


def _leader(spec: str, scenario: Scenario) -> Policy:
    """The policy that leads a station, whose ticks can be decided many at a time.

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


class Life:
    """One household with one car, lived tick by tick.

    Args:
        scenario: The scenario; its start hour does not count.
        policy: Name of the policy that charges while no client commands; None: none.

    Raises:
        ConfigError: for more than one vehicle, or a policy that does not exist or cannot lead a
            station.
    """

    def __init__(self, scenario: Scenario, policy: str | None = None) -> None:
        if len(scenario.vehicles) != 1:
            raise ConfigError(
                f"scenario {scenario.name!r} has {len(scenario.vehicles)} vehicles; allowed for "
                "the charging station: exactly one"
            )
        self.scenario = replace(scenario, start_hour=0)
        self.world = unending(build_world(self.scenario, dataset_of(self.scenario), None))
        self.will = Will()
        self.kept_ticks = KEPT_DAYS * DAY_MIN // scenario.time_step_min
        self._simulator, self._ahead = Simulator(self.world, 1), Simulator(self.world, 1)
        self._out = self._simulator.outputs()
        self._observation = np.empty(self._simulator.width, np.float32)
        self._available = observation_slices(self.scenario)["available_kw"].start
        self._policy: Policy | None = None
        if policy is not None:
            self._policy = _leader(policy, self.scenario)
        self._repeats = self.scenario.driving.pattern == "daily" and not (
            self._policy is not None and self._policy.draws
        )

    def begin(self) -> None:
        """Begin anew: 20 %, 00:00 of the first day, charging off, no override."""
        self.will = Will()
        self._simulator.seed(_SEED, _ROW)
        self._simulator.begin(_ROW, socs=np.full(1, START_SOC))
        if self._policy is not None:
            self._policy.reset()
        self._look()

    def saved(self) -> bytes:
        """The household's state; with the will, all that the future depends on."""
        return saved_state.save(self._simulator)

    def restore(self, saved: bytes, will: Will) -> None:
        """Go on from a saved state.

        Raises:
            StateError: for the state of another scenario or layout; nothing has changed then.
        """
        saved_state.restore(self._simulator, saved)
        self.will = will
        self._look()

    def _look(self) -> None:
        self._simulator.report(_ROW, self._out)
        self._observation[:] = self._out.observations[0]

    def charge(self, on: bool) -> bool:
        """Turn charging on or off, from this tick on, unless it is forced; whether that is new."""
        if self.will.override != AUTO:
            return False
        return self._want(Will(on, True, AUTO))

    def force(self, mode: str) -> bool:
        """Override the commands by a mode; whether that is new.

        `auto` releases: a policy decides again, and without one charging stays as it is.
        """
        as_it_is = self.will.switch and self._policy is None
        switch = as_it_is if mode == AUTO else mode == FORCE_ON
        return self._want(Will(switch, self.will.commanded and mode != AUTO, mode))

    def _want(self, will: Will) -> bool:
        before, self.will = self.will, will
        return will != before

    @property
    def _policy_decides(self) -> bool:
        asked = self.will.commanded or self.will.override != AUTO
        return self._policy is not None and not asked

    def _action(self) -> NDArray[np.float32]:
        """What the present tick is lived with, as things stand: (1,) float32."""
        if self._policy is None or not self._policy_decides:
            return _ON if self.will.switch else _OFF
        self._policy.resume(int(self._simulator.households["steps"][0]))
        action: NDArray[np.float32] = self._policy(self._observation)
        return action

    def live(self, ticks: int) -> NDArray[Any]:
        """Live so many ticks; the records of the last ones, as many as a history keeps.

        Returns:
            (at most ticks,) RECORD_DTYPE.
        """
        results = as_records(np.empty(min(ticks, self.kept_ticks), STEP_DTYPE))
        vehicle_results = as_records(np.empty((len(results), 1), VEHICLE_STEP_DTYPE))
        ticks -= self._skip(ticks - self.kept_ticks)
        self._run(ticks, results, vehicle_results)
        records = np.empty(len(results), RECORD_DTYPE)
        records["house"], records["car"] = results, vehicle_results[:, 0]
        # The last ticks went round; the oldest of them stands where the next would go.
        return np.roll(records, -(ticks % len(results))) if ticks > len(results) else records

    def _run(self, ticks: int, results: NDArray[Any], vehicle_results: NDArray[Any]) -> None:
        """Live so many ticks, the results going round in arrays (m,) and (m, 1)."""
        if self._policy is not None and self._policy_decides:
            if isinstance(self._policy, Random):
                self._run_at_random(self._policy, ticks, results, vehicle_results)
            else:
                self._run_by(self._policy, ticks, results, vehicle_results)
            return
        step, energy_kwh = self._simulator.step_one, self._simulator.vehicles["energy_kwh"]
        full_kwh = self.world.tables.cars["limit_kwh"][0] - FULL_KWH
        for tick in range(ticks):
            step(self._action(), self._observation, results, vehicle_results, tick % len(results))
            if self.will.switch and self.will.override == AUTO and energy_kwh[0, 0] >= full_kwh:
                self.will = self.will._replace(switch=False)

    def _run_at_random(
        self, policy: Random, ticks: int, results: NDArray[Any], vehicle_results: NDArray[Any]
    ) -> None:
        """Live so many ticks by numbers that are drawn many at once."""
        step, decided = self._simulator.step_one, int(self._simulator.households["steps"][0])
        for first in range(0, ticks, LONGEST_STRETCH):
            actions = policy.ahead(decided + first, min(ticks - first, LONGEST_STRETCH))
            for tick, action in enumerate(actions, first):
                step(action, self._observation, results, vehicle_results, tick % len(results))

    def _run_by(
        self, policy: Policy, ticks: int, results: NDArray[Any], vehicle_results: NDArray[Any]
    ) -> None:
        """Live so many ticks by a policy that looks at nothing but the observation.

        To ask it takes far longer than a tick, and to ask about many ticks at once not much
        longer. So a stretch is lived with the last decision, the policy is asked about all of it,
        and from where it would have decided otherwise the stretch is lived again.
        """
        simulator, step = self._simulator, self._simulator.step_one
        seen = np.empty((1 + min(ticks, LONGEST_STRETCH), simulator.width), np.float32)
        seen[0] = self._observation
        action, done, stretch = _OFF, 0, 1
        while done < ticks:
            stretch = min(stretch, ticks - done, LONGEST_STRETCH)
            before = simulator.households.copy(), simulator.vehicles.copy()
            for i in range(stretch):
                step(action, seen[i + 1], results, vehicle_results, (done + i) % len(results))
            decisions = policy(seen[:stretch])
            others = np.flatnonzero(decisions[:, 0] != action[0])
            right = int(others[0]) if others.size else stretch
            if right < stretch:
                simulator.households[:], simulator.vehicles[:] = before
                for i in range(right):
                    step(action, seen[i + 1], results, vehicle_results, (done + i) % len(results))
                action = decisions[right].copy()
            seen[0] = seen[right]
            done += right
            stretch = 2 * stretch if right == stretch else right + 1
        self._observation[:] = seen[0]

    def _skip(self, ticks: int) -> int:
        """Of so many ticks live or skip as many whole rounds of the series as fit; their ticks.

        Where the driving is the same every day and nothing draws, the world repeats itself with
        its series. A round that ends as it began, but for the calendar's counters, will do so
        for ever: all further rounds then only move those counters.
        """
        round_min = int(self.world.tables.settings["series_min"][0])
        round_ticks = round_min // self.scenario.time_step_min
        if not self._repeats or ticks < 2 * round_ticks:
            return 0
        house, car = self._simulator.households, self._simulator.vehicles
        done, before = 0, self._uncounted()
        while ticks - done >= round_ticks:
            sessions, held_until_min = car["session"].copy(), car["held_until_min"].copy()
            self._run(round_ticks, self._out.results, self._out.vehicle_results)
            done, after = done + round_ticks, self._uncounted()
            if after == before:
                rounds = (ticks - done) // round_ticks
                switched = car["held_until_min"] != held_until_min
                house["now_min"] += rounds * round_min
                house["steps"] += rounds * round_ticks
                car["arrival_min"] += rounds * round_min
                car["departure_min"] += rounds * round_min
                car["held_until_min"] += rounds * round_min * switched
                car["session"] += rounds * (car["session"] - sessions)
                return done + rounds * round_ticks
            before = after
        return done

    def _uncounted(self) -> tuple[Any, ...]:
        """The whole state, times relative to now, without the counters."""
        house, car = self._simulator.households.copy(), self._simulator.vehicles.copy()
        for name in ("arrival_min", "departure_min"):
            car[name] -= house["now_min"]
        # A switch of phases that is kept no longer might as well have been at any time.
        car["held_until_min"] = np.maximum(0, car["held_until_min"] - house["now_min"])
        house["now_min"] = house["steps"] = car["session"] = 0
        return self.will, [house[name].tolist() for name in house.dtype.names or ()], car.item(0)

    def shown(self) -> Shown:
        """What the station shows in the present tick."""
        house, ahead = self._simulator.households, self._ahead
        ahead.households[:], ahead.vehicles[:] = house, self._simulator.vehicles
        ahead.step_one(
            self._action(),
            self._out.observations[0],
            self._out.results,
            self._out.vehicle_results,
            0,
        )
        flows = self._out.vehicle_results["charge_kw"][0, 0] != 0.0
        offered_kw = float(ahead.vehicles["offered_kw"][0, 0])
        place_min = int(house["place_min"][0])
        hour = self.world.tables.hours[place_min // 60]
        return Shown(
            minute_of_day=(int(hour["minute_of_day"]) + place_min % 60) % DAY_MIN,
            place_min=place_min,
            house=int(house["house"][0]),
            load_kw=float(house["load_kw"][0]),
            charge_kw=(
                min(offered_kw, float(self._observation[self._available])) if flows else 0.0
            ),
            energy_kwh=float(self._simulator.vehicles["energy_kwh"][0, 0]),
            capacity_kwh=self.scenario.vehicles[0].battery_kwh,
            override=self.will.override,
        )
