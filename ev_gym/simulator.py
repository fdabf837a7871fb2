"""n households that live side by side: reset rows, step rows; owns the arrays of their state.

Each row is one household. The loops below run compiled over rows, and every row lives by the same
scalar code (`physics`, `driving`, `episode`), so a row of many equals a household alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym import driving, episode
from ev_gym.compiling import as_records, compiled, compiled_apart
from ev_gym.fields import HOUSEHOLD_DTYPE, STEP_DTYPE, VEHICLE_DTYPE, VEHICLE_STEP_DTYPE
from ev_gym.observation import observation_bounds, observe
from ev_gym.physics import household as household_physics
from ev_gym.physics import meter
from ev_gym.world import World

AS_DRAWN = -1


class ActionError(ValueError):
    """An action is not a number, not finite, or outside the action space."""


class Outputs(NamedTuple):
    """What a reset or a step writes, one row per household.

    Attributes:
        observations: (n, D) float32.
        results: (n,) STEP_DTYPE.
        vehicle_results: (n, K) VEHICLE_STEP_DTYPE.
        rewards: (n,) float64.
        truncated: (n,) bool.
    """

    observations: NDArray[np.float32]
    results: NDArray[Any]
    vehicle_results: NDArray[Any]
    rewards: NDArray[np.float64]
    truncated: NDArray[np.bool_]


@compiled
def _look_around(household: Any, tables: Any, result: Any) -> None:
    """Write load, price and temperature of the coming step."""
    settings, price, hours, load_kw = tables[0][0], tables[3], tables[4], tables[8]
    now_min = household.now_min
    result.now_min = now_min
    minute = now_min % settings.series_min
    result.load_kw = load_kw[household.house, (minute // 15) >> settings.load_shift]
    result.price_per_kwh = price[(minute // 15) >> settings.price_shift]
    result.temperature_c = hours[minute // 60].temperature_c
    result.missing_kwh = 0.0
    result.public_kwh = 0.0


@compiled
def _report_charge(vehicles: Any, cars: Any, reports: Any) -> float:
    """Write each car's energy and SoC; the energy in all batteries (kWh)."""
    stored_kwh = 0.0
    for k in range(vehicles.shape[0]):
        reports[k].energy_kwh = vehicles[k].energy_kwh
        reports[k].soc = vehicles[k].energy_kwh / cars[k].battery_kwh
        stored_kwh += vehicles[k].energy_kwh
    return stored_kwh


@compiled
def _live(
    household: Any, vehicles: Any, tables: Any, actions: Any, result: Any, reports: Any
) -> float:
    """One step of one household; its reward."""
    settings, cars, levels_kw = tables[0][0], tables[1], tables[2]
    offset_min, habits = tables[9], tables[10]
    _look_around(household, tables, result)
    household_physics.charge_cars(
        household.now_min, vehicles, cars, levels_kw, settings, actions, result, reports
    )
    household.now_min += settings.step_min
    household.steps += 1
    now_min = household.now_min
    for k in range(vehicles.shape[0]):
        vehicle = vehicles[k]
        if driving.next_event_min(vehicle) <= now_min:
            driving.pass_calendar(
                vehicle, cars[k], settings, habits, offset_min, now_min, result, reports[k]
            )
    meter.buy_elsewhere(result, settings)
    _report_charge(vehicles, cars, reports)
    if household.steps >= settings.horizon_steps:
        household.over = 1
    return float(result.energy_term + result.missing_term + result.public_term + result.overload_term)


@compiled_apart
def _begin(
    household: Any, vehicles: Any, tables: Any, starts: Any, house: int, socs: Any
) -> None:
    """Draw a new episode of one household; `house` and `socs` fix what they give."""
    settings, cars, load_kw = tables[0][0], tables[1], tables[8]
    offset_min, habits, routine_shares = tables[9], tables[10], tables[11]
    key = episode.stream_key(household.key, household.episode)
    household.episode += 1
    household.house = int(episode.uniform(key, 0) * load_kw.shape[0])
    if house != AS_DRAWN:
        household.house = house
    start = starts[int(episode.uniform(key, 1) * starts.shape[0])]
    start_min = start.minute
    household.settlement_price = start.settlement_price
    household.start_min = start_min
    household.now_min = start_min
    household.steps = 0
    household.over = 0
    household.start_stored_kwh = 0.0
    for k in range(vehicles.shape[0]):
        vehicle, car = vehicles[k], cars[k]
        vehicle.key = episode.stream_key(key, k)
        vehicle.asked_a = 0.0
        vehicle.current_a = 0.0
        vehicle.offered_kw = 0.0
        if settings.daily != 0:
            driving.begin_daily(vehicle, car, settings, offset_min, start_min)
        else:
            episode.begin_vehicle(vehicle, car, routine_shares, habits, offset_min, start_min)
        if socs.shape[0] > 0:
            vehicle.energy_kwh = socs[k] * car.battery_kwh
        household.start_stored_kwh += vehicle.energy_kwh


@compiled_apart
def _report_start(
    household: Any, vehicles: Any, tables: Any, result: Any, reports: Any
) -> None:
    """Write the results of a step that has not been taken: no charging, no money."""
    settings = tables[0][0]
    _look_around(household, tables, result)
    meter.charge_bills(result, settings, 0.0)
    result.grid_kw = 0.0
    result.overload_kw = 0.0
    result.energy_cost = 0.0
    result.house_cost = 0.0
    meter.buy_elsewhere(result, settings)
    for k in range(vehicles.shape[0]):
        reports[k].plugged = float(vehicles[k].plugged)
        reports[k].current_a = 0.0
        reports[k].charge_kw = 0.0
        reports[k].stored_kwh = 0.0
        reports[k].loss_kwh = 0.0
        reports[k].topup_kwh = 0.0
        reports[k].trip_kwh = 0.0
    _report_charge(vehicles, tables[1], reports)


@compiled
def _begin_rows(
    households: Any, vehicles: Any, tables: Any, starts: Any, rows: Any, house: int, socs: Any
) -> None:
    for i in rows:
        _begin(households[i], vehicles[i], tables, starts, house, socs)


@compiled
def _report_rows(
    households: Any,
    vehicles: Any,
    tables: Any,
    rows: Any,
    observations: Any,
    results: Any,
    vehicle_results: Any,
) -> None:
    for i in rows:
        _report_start(households[i], vehicles[i], tables, results[i], vehicle_results[i])
        observe(households[i], vehicles[i], tables, observations[i])


@compiled
def _step_rows(
    households: Any,
    vehicles: Any,
    tables: Any,
    starts: Any,
    autoreset: bool,
    actions: Any,
    no_socs: Any,
    observations: Any,
    results: Any,
    vehicle_results: Any,
    rewards: Any,
    truncated: Any,
) -> int:
    """Step every row; the number of rows whose horizon is reached, or -1 - (place of a bad action).

    With `autoreset`, a row whose episode is over begins a new one instead of stepping.
    """
    for i in range(actions.shape[0]):
        for k in range(actions.shape[1]):
            if not 0.0 <= actions[i, k] <= 1.0:
                return -1 - (i * actions.shape[1] + k)
    ended = 0
    for i in range(households.shape[0]):
        if autoreset and households[i].over != 0:
            _begin(households[i], vehicles[i], tables, starts, AS_DRAWN, no_socs)
            _report_start(households[i], vehicles[i], tables, results[i], vehicle_results[i])
            rewards[i] = 0.0
        else:
            rewards[i] = _live(
                households[i], vehicles[i], tables, actions[i], results[i], vehicle_results[i]
            )
        truncated[i] = households[i].over != 0
        ended += households[i].over
        observe(households[i], vehicles[i], tables, observations[i])
    return ended


@compiled
def _step_one(
    household: Any,
    vehicles: Any,
    tables: Any,
    actions: Any,
    observation: Any,
    results: Any,
    vehicle_results: Any,
    place: int,
) -> tuple[int, float]:
    """Step one household into row `place` of its history: 1 at the horizon, and the reward.

    The first number is -1 - k where the action of vehicle k is bad; nothing has changed then.
    """
    for k in range(actions.shape[0]):
        if not 0.0 <= actions[k] <= 1.0:
            return -1 - k, 0.0
    reward = _live(
        household[0], vehicles[0], tables, actions, results[place], vehicle_results[place]
    )
    observe(household[0], vehicles[0], tables, observation)
    return int(household[0].over), reward


class Simulator:
    """n households of one world.

    Args:
        world: The tables to live by.
        count: Number of households n.
    """

    def __init__(self, world: World, count: int) -> None:
        self.world = world
        self.count = count
        self.width = observation_bounds(world)[0].size
        cars = len(world.scenario.vehicles)
        self.households = as_records(np.zeros(count, HOUSEHOLD_DTYPE))
        self.vehicles = as_records(np.zeros((count, cars), VEHICLE_DTYPE))
        self._no_socs = np.empty(0)

    def outputs(self) -> Outputs:
        """Fresh arrays for what a reset or a step writes."""
        shape = self.vehicles.shape
        return Outputs(
            np.empty((self.count, self.width), np.float32),
            as_records(np.empty(self.count, STEP_DTYPE)),
            as_records(np.empty(shape, VEHICLE_STEP_DTYPE)),
            np.empty(self.count, np.float64),
            np.empty(self.count, np.bool_),
        )

    def seed(self, seeds: NDArray[np.uint64], rows: NDArray[np.int64]) -> None:
        """Give rows their random streams; the next reset draws each stream's first episode."""
        self.households["key"][rows] = seeds
        self.households["episode"][rows] = 0

    def begin(
        self,
        rows: NDArray[np.int64],
        starts: NDArray[Any] | None = None,
        house: int = AS_DRAWN,
        socs: NDArray[np.float64] | None = None,
    ) -> None:
        """Begin a new episode in some rows.

        Args:
            rows: (m,) row numbers.
            starts: Table of starts to draw from; None: the world's.
            house: The house for all these rows, or AS_DRAWN.
            socs: (K,) SoC of each car at the start, or None for as drawn.
        """
        _begin_rows(
            self.households,
            self.vehicles,
            self.world.tables,
            self.world.starts if starts is None else starts,
            rows,
            house,
            self._no_socs if socs is None else socs,
        )

    def report(self, rows: NDArray[np.int64], out: Outputs) -> None:
        """Write what rows (m,) show before a step: observations, and results without any flow."""
        _report_rows(
            self.households,
            self.vehicles,
            self.world.tables,
            rows,
            out.observations,
            out.results,
            out.vehicle_results,
        )

    def step(self, actions: NDArray[np.float32], out: Outputs, autoreset: bool) -> int:
        """Step every row, or with `autoreset` begin a new episode where the last one is over.

        Args:
            actions: (n, K) fractions of each car's maximum current, in [0, 1].
            out: Where observations, results, rewards and flags go.
            autoreset: Whether rows whose episode is over begin anew.

        Returns:
            How many rows have reached their horizon.

        Raises:
            ActionError: for a NaN or a number outside [0, 1]; nothing has changed then.
        """
        ended = _step_rows(
            self.households,
            self.vehicles,
            self.world.tables,
            self.world.starts,
            autoreset,
            actions,
            self._no_socs,
            out.observations,
            out.results,
            out.vehicle_results,
            out.rewards,
            out.truncated,
        )
        if ended < 0:
            raise _bad_action(actions, -1 - ended)
        return ended

    def step_one(
        self,
        actions: NDArray[np.float32],
        observation: NDArray[np.float32],
        results: NDArray[Any],
        vehicle_results: NDArray[Any],
        place: int,
    ) -> tuple[bool, float]:
        """Step the first row only: whether its horizon is reached, and the reward.

        Args:
            actions: (K,) fractions of each car's maximum current, in [0, 1].
            observation: (D,) where the observation goes.
            results: (m,) STEP_DTYPE, and
            vehicle_results: (m, K) VEHICLE_STEP_DTYPE, histories that take the results at
            place: this row of theirs.

        Raises:
            ActionError: for a NaN or a number outside [0, 1]; nothing has changed then.
        """
        over, reward = _step_one(
            self.households,
            self.vehicles,
            self.world.tables,
            actions,
            observation,
            results,
            vehicle_results,
            place,
        )
        if over < 0:
            raise _bad_action(actions[np.newaxis], -1 - over)
        return over > 0, reward

    def settlements(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Value (currency) of the change in stored energy since each row's episode began.

        The change of all batteries in kWh at the mean all-in price of the cheapest quarter of the
        episode's hours.
        """
        stored_kwh = self.vehicles["energy_kwh"][rows].sum(axis=1)
        household = self.households[rows]
        change_kwh = stored_kwh - household["start_stored_kwh"]
        return np.asarray(change_kwh * household["settlement_price"])


def _bad_action(actions: NDArray[np.float32], place: int) -> ActionError:
    row, car = divmod(place, actions.shape[1])
    where = f" in row {row}" if len(actions) > 1 else ""
    return ActionError(
        f"action of vehicle {car}{where} is {float(actions[row, car])!r}; allowed: a number from "
        "0 to 1"
    )
