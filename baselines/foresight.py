"""What an episode will bring whatever its cars do: the future that a perfect forecast knows.

Load, sun, prices, and when cars come, go and drive do not depend on actions. So one run in which no
car charges shows them. This is that run, by the env's own compiled code on copies of its state.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.policies.base import Future, Policy
from ev_gym.drivers import calendar
from ev_gym.physics import battery
from ev_gym.runtime.compiling import as_records, compiled
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.runtime.records import (
    CarParams,
    HourRecord,
    HouseholdState,
    Records,
    StepResult,
    VehicleResult,
    VehicleState,
)
from ev_gym.simulation.simulator import Simulator
from ev_gym.simulation.state_fields import (
    STEP_DTYPE,
    VEHICLE_DTYPE,
    VEHICLE_STEP_DTYPE,
)
from ev_gym.simulation.step import read_series, step_household
from ev_gym.world.tables import Tables, world_hours
from ev_gym.world.world import World

__all__ = ["EVENT_DTYPE", "LEAVES", "RETURNS", "Future", "foresee", "tell_future"]

LEAVES, RETURNS = 0, 1
EVENT_DTYPE = np.dtype(
    [
        ("step", "i8"),  # within or at the end of which it happens
        ("car", "i8"),
        ("kind", "i8"),  # LEAVES or RETURNS
        ("trip_kwh", "f8"),  # of a return
        ("wanted_kwh", "f8"),  # at a departure
    ],
    align=True,
)


class _ForeseenHousehold(NamedTuple):
    """A `Future`, which says what each field holds."""

    world: World
    households: NDArray[Any]
    vehicles: NDArray[Any]
    results: NDArray[Any]
    events: NDArray[Any]

    @property
    def steps(self) -> int:
        """Number of steps T to the horizon."""
        return len(self.results)

    @property
    def charge_h(self) -> NDArray[np.float64]:
        """(T, K) hours of each step that a car is at the charger and can charge."""
        settings, before = self.world.tables.settings[0], self.vehicles[:-1]
        left_min = before["departure_min"] - self.households["now_min"][:-1, None]
        charge_min = np.minimum(left_min, settings["step_min"])
        return np.asarray(np.where(before["plugged"] != 0, charge_min / HOUR_MIN, 0.0))


@compiled
def _note_events(
    vehicle: VehicleState,
    car: CarParams,
    tables: Tables,
    hours: Records[HourRecord],
    until_min: int,
    step: int,
    k: int,
    events: Any,
    count: int,
) -> int:
    """Write what a copy of a car does up to `until_min`; the number of events so far."""
    waiting = True
    while waiting:
        left_min, wanted_kwh = vehicle.departure_min, vehicle.wanted_soc * car.battery_kwh
        if vehicle.home != 0 and left_min <= until_min:
            kind, trip_kwh = LEAVES, 0.0
            battery.leave(vehicle, car)
            calendar.plan_session(vehicle, car, tables.habits, hours, left_min)
        elif vehicle.home == 0 and vehicle.arrival_min <= until_min:
            kind, trip_kwh = RETURNS, vehicle.trip_kwh
            battery.come_home(vehicle, car)
        else:
            waiting = False
        if waiting:
            if count < events.shape[0]:
                events[count].step = step
                events[count].car = k
                events[count].kind = kind
                events[count].trip_kwh = trip_kwh
                events[count].wanted_kwh = wanted_kwh
            count += 1
    return count


@compiled
def _step_through(
    households: Records[HouseholdState],
    vehicles: Records[Records[VehicleState]],
    tables: Tables,
    idle: NDArray[np.float32],
    copies: Records[VehicleState],
    results: Records[StepResult],
    vehicle_results: Records[VehicleResult],
    events: Any,
) -> int:
    """Step a household to its horizon without charging; the number of events.

    Args:
        households: (T + 1,) records, of which the first is given and the others are written.
        vehicles: (T + 1, K) records at the same times.
        tables: What the world holds.
        idle: (K,) zeros, the actions.
        copies: (K,) records to work with.
        results: (T,) what each step reports, written.
        vehicle_results: (K,) records to work with.
        events: EVENT_DTYPE, written; events beyond its length are only counted.
    """
    count = 0
    for step in range(results.shape[0]):
        households[step + 1] = households[step]
        household, after = households[step + 1], vehicles[step + 1]
        until_min = household.now_min + tables.settings[0].step_min
        for k in range(after.shape[0]):
            after[k] = vehicles[step][k]
            if calendar.next_event_min(after[k]) <= until_min:
                copies[k] = after[k]
                hours = world_hours(tables, household.world_place)
                count = _note_events(
                    copies[k], tables.cars[k], tables, hours, until_min, step, k, events, count
                )
        step_household(household, after, tables, idle, results[step], vehicle_results)
        read_series(household, tables)
    return count


def foresee(simulator: Simulator, row: int = 0) -> Future:
    """The future of one row of a simulator, from its present state to its horizon.

    Args:
        simulator: Of a local env, `env.unwrapped.simulator`; it is left as it is.
        row: The household.
    """
    world, cars = simulator.world, simulator.vehicles.shape[1]
    steps = int(simulator.households["horizon_steps"][row] - simulator.households["steps"][row])
    households = as_records(np.zeros(steps + 1, simulator.households.dtype))
    vehicles = as_records(np.zeros((steps + 1, cars), VEHICLE_DTYPE))
    households[0], vehicles[0] = simulator.households[row], simulator.vehicles[row]
    results = as_records(np.zeros(steps, STEP_DTYPE))
    # Most steps have no event; but stays and trips may be as short as a minute.
    most_events = max(64, steps * cars)
    args = (
        world.tables,
        np.zeros(cars, np.float32),
        as_records(np.zeros(cars, VEHICLE_DTYPE)),
        results,
        as_records(np.zeros(cars, VEHICLE_STEP_DTYPE)),
    )
    events = as_records(np.zeros(most_events, EVENT_DTYPE))
    count = _step_through(households, vehicles, *args, events)
    if count > most_events:  # many short trips in each step
        events = as_records(np.zeros(count, EVENT_DTYPE))
        _step_through(households, vehicles, *args, events)
    return _ForeseenHousehold(world, households, vehicles, results, events[:count])


def tell_future(policy: Policy, env: Any) -> None:
    """Tell a clairvoyant policy the future of every row of a local env; others are told nothing.

    To be called after each reset, before the first decision.

    Raises:
        ValueError: if the policy is clairvoyant and the env is not on this machine.
    """
    if not policy.clairvoyant:
        return
    simulator = getattr(env.unwrapped, "simulator", None)
    if simulator is None:
        raise ValueError(
            f"policy {policy.name!r} knows the future, which only a local env can tell; this env "
            "is remote"
        )
    policy.foresee([foresee(simulator, row) for row in range(simulator.count)])
