"""The compiled loops over rows: every row is one household and lives by the same scalar code."""

from __future__ import annotations

from typing import Any

from ev_gym import driving, episode
from ev_gym.compiling import compiled, compiled_apart
from ev_gym.observation import observe
from ev_gym.physics import household as household_physics
from ev_gym.physics import meter

AS_DRAWN = -1
BLOCK_ROWS = 64


@compiled
def _look_around(household: Any, tables: Any) -> None:
    """Bring base load, price and temperature of the coming step into the household's record."""
    settings, price, hours, load_kw = tables[0][0], tables[3], tables[4], tables[8]
    minute = household.place_min
    household.load_kw = load_kw[household.house, (minute // 15) >> settings.load_shift]
    household.price_per_kwh = price[(minute // 15) >> settings.price_shift]
    household.temperature_c = hours[minute // 60].temperature_c


@compiled
def _open_report(household: Any, result: Any) -> None:
    """Write what the house and the market do in the coming step."""
    result.now_min = household.now_min
    result.load_kw = household.load_kw
    result.price_per_kwh = household.price_per_kwh
    result.temperature_c = household.temperature_c
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
    _open_report(household, result)
    household_physics.charge_cars(
        household.now_min, vehicles, cars, levels_kw, settings, actions, result, reports
    )
    household.now_min += settings.step_min
    household.place_min += settings.step_min
    if household.place_min >= settings.series_min:
        household.place_min -= settings.series_min
    household.steps += 1
    now_min = household.now_min
    for k in range(vehicles.shape[0]):
        vehicle = vehicles[k]
        if driving.next_event_min(vehicle) <= now_min:
            driving.pass_calendar(
                vehicle, cars[k], settings, habits, offset_min, now_min, result, reports[k]
            )
    meter.buy_elsewhere(result, settings)
    stored_kwh = _report_charge(vehicles, cars, reports)
    if household.steps >= settings.horizon_steps:
        household.over = 1
        change_kwh = stored_kwh - household.start_stored_kwh
        household.settlement = change_kwh * household.settlement_price
    return float(
        result.energy_term + result.missing_term + result.public_term + result.overload_term
    )


@compiled_apart
def _begin(household: Any, vehicles: Any, tables: Any, starts: Any, house: int, socs: Any) -> None:
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
    household.place_min = start_min % settings.series_min
    household.steps = 0
    household.over = 0
    household.settlement = 0.0
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
    _look_around(household, tables)


@compiled_apart
def _report_start(household: Any, vehicles: Any, tables: Any, result: Any, reports: Any) -> None:
    """Write the results of a step that has not been taken: no charging, no money."""
    settings = tables[0][0]
    _open_report(household, result)
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
def begin_rows(
    households: Any, vehicles: Any, tables: Any, starts: Any, rows: Any, house: int, socs: Any
) -> None:
    """Draw a new episode for each of the rows (m,)."""
    for i in rows:
        _begin(households[i], vehicles[i], tables, starts, house, socs)


@compiled
def report_rows(
    households: Any,
    vehicles: Any,
    tables: Any,
    rows: Any,
    observations: Any,
    results: Any,
    vehicle_results: Any,
) -> None:
    """Write what each of the rows (m,) shows before a step."""
    for i in rows:
        _report_start(households[i], vehicles[i], tables, results[i], vehicle_results[i])
        observe(households[i], vehicles[i], tables, observations[i])


@compiled
def bad_actions(actions: Any) -> int:
    """How many actions are no number from 0 to 1."""
    bad = 0
    for action in actions.flat:
        bad += not 0.0 <= action <= 1.0
    return bad


@compiled_apart
def _begin_or_live(
    household: Any,
    vehicles: Any,
    tables: Any,
    starts: Any,
    actions: Any,
    no_socs: Any,
    result: Any,
    reports: Any,
) -> float:
    """A new episode where the last one is over, else a step; the reward."""
    if household.over != 0:
        _begin(household, vehicles, tables, starts, AS_DRAWN, no_socs)
        _report_start(household, vehicles, tables, result, reports)
        return 0.0
    return _live(household, vehicles, tables, actions, result, reports)


@compiled_apart
def _live_all(
    households: Any,
    vehicles: Any,
    tables: Any,
    actions: Any,
    results: Any,
    vehicle_results: Any,
    rewards: Any,
) -> None:
    for i in range(households.shape[0]):
        rewards[i] = _live(
            households[i], vehicles[i], tables, actions[i], results[i], vehicle_results[i]
        )


@compiled_apart
def _look_around_all(households: Any, tables: Any, truncated: Any) -> int:
    ended = 0
    for i in range(households.shape[0]):
        _look_around(households[i], tables)
        truncated[i] = households[i].over != 0
        ended += households[i].over
    return ended


@compiled_apart
def _observe_all(households: Any, vehicles: Any, tables: Any, observations: Any) -> None:
    for i in range(households.shape[0]):
        observe(households[i], vehicles[i], tables, observations[i])


@compiled
def step_rows(
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
    """Step every row; the number of rows whose horizon is reached.

    With `autoreset`, a row whose episode is over begins a new one instead of stepping.

    A block of rows stays in the cache from loop to loop, and each loop does one thing. Rows live at
    different times, so what they look up in the series is seldom in the cache: in a loop of its own
    the processor fetches that for many rows at once, where in one big loop each would wait alone.
    """
    ended = 0
    for first in range(0, households.shape[0], BLOCK_ROWS):
        end = min(first + BLOCK_ROWS, households.shape[0])
        own, cars = households[first:end], vehicles[first:end]
        asked, paid = actions[first:end], rewards[first:end]
        result, reports = results[first:end], vehicle_results[first:end]
        over = 0
        for i in range(own.shape[0]):
            over += own[i].over
        if autoreset and over > 0:
            for i in range(own.shape[0]):
                paid[i] = _begin_or_live(
                    own[i], cars[i], tables, starts, asked[i], no_socs, result[i], reports[i]
                )
        else:
            _live_all(own, cars, tables, asked, result, reports, paid)
        ended += _look_around_all(own, tables, truncated[first:end])
        _observe_all(own, cars, tables, observations[first:end])
    return int(ended)


@compiled
def step_one(
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
    _look_around(household[0], tables)
    observe(household[0], vehicles[0], tables, observation)
    return int(household[0].over), reward
