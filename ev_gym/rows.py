"""The compiled loops over rows: every row is one household and lives by the same scalar code."""

from __future__ import annotations

from typing import Any

from ev_gym.compiling import compiled, compiled_apart
from ev_gym.living import begin, live, look_around, report_start
from ev_gym.observation import observe

BLOCK_ROWS = 64


@compiled
def begin_rows(
    households: Any, vehicles: Any, tables: Any, starts: Any, rows: Any, house: int, socs: Any
) -> None:
    """Draw a new episode for each of the rows (m,)."""
    for i in rows:
        begin(households[i], vehicles[i], tables, starts, house, socs)


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
        report_start(households[i], vehicles[i], tables, results[i], vehicle_results[i])
        observe(households[i], vehicles[i], tables, observations[i])


@compiled
def bad_actions(actions: Any, lowest: float) -> int:
    """How many actions are no number from `lowest` to 1."""
    bad = 0
    for action in actions.flat:
        bad += not lowest <= action <= 1.0
    return bad


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
        rewards[i] = live(
            households[i], vehicles[i], tables, actions[i], results[i], vehicle_results[i]
        )


@compiled_apart
def _look_around_all(households: Any, tables: Any, truncated: Any) -> int:
    over = 0
    for i in range(households.shape[0]):
        look_around(households[i], tables)
        truncated[i] = households[i].over != 0
        over += households[i].over
    return over


@compiled_apart
def _observe_all(households: Any, vehicles: Any, tables: Any, observations: Any) -> None:
    for i in range(households.shape[0]):
        observe(households[i], vehicles[i], tables, observations[i])


@compiled_apart
def _step_others(
    households: Any,
    vehicles: Any,
    tables: Any,
    actions: Any,
    results: Any,
    vehicle_results: Any,
    rewards: Any,
    truncated: Any,
) -> int:
    """Step the rows whose episode is not over, one by one; the number of rows whose it then is."""
    over = 0
    for i in range(households.shape[0]):
        own = households[i : i + 1]
        if own[0].over != 0:
            rewards[i], truncated[i] = 0.0, False
            over += 1
        else:
            cars, asked, paid = vehicles[i : i + 1], actions[i : i + 1], rewards[i : i + 1]
            result, reports = results[i : i + 1], vehicle_results[i : i + 1]
            _live_all(own, cars, tables, asked, result, reports, paid)
            over += _look_around_all(own, tables, truncated[i : i + 1])
    return over


@compiled
def step_rows(
    households: Any,
    vehicles: Any,
    tables: Any,
    autoreset: bool,
    actions: Any,
    observations: Any,
    results: Any,
    vehicle_results: Any,
    rewards: Any,
    truncated: Any,
) -> int:
    """Step every row; the number of rows whose episode is over.

    With `autoreset`, a row whose episode was over before waits for `begin_rows`: it is not stepped,
    its reward is 0 and it is not `truncated`.

    A block of rows stays in the cache from loop to loop, and each loop does one thing. Rows live at
    different times, so what they look up in the series is seldom in the cache: in a loop of its own
    the processor fetches that for many rows at once, where in one big loop each would wait alone.
    """
    over = 0
    for first in range(0, households.shape[0], BLOCK_ROWS):
        end = min(first + BLOCK_ROWS, households.shape[0])
        own, cars, ended = households[first:end], vehicles[first:end], truncated[first:end]
        asked, paid = actions[first:end], rewards[first:end]
        result, reports = results[first:end], vehicle_results[first:end]
        waiting = 0
        for i in range(own.shape[0]):
            waiting += own[i].over
        if autoreset and waiting > 0:
            over += _step_others(own, cars, tables, asked, result, reports, paid, ended)
        else:
            _live_all(own, cars, tables, asked, result, reports, paid)
            over += _look_around_all(own, tables, ended)
        _observe_all(own, cars, tables, observations[first:end])
    return int(over)


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
    lowest = -1.0 if tables.settings[0].bidirectional != 0 else 0.0
    for k in range(actions.shape[0]):
        if not lowest <= actions[k] <= 1.0:
            return -1 - k, 0.0
    reward = live(
        household[0], vehicles[0], tables, actions, results[place], vehicle_results[place]
    )
    look_around(household[0], tables)
    observe(household[0], vehicles[0], tables, observation)
    return int(household[0].over), reward
