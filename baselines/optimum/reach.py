"""What the cars of a foreseen household can do in each step: powers, losses, and ranges of energy.

The numbers of `relaxation`, without its programme: arrays over T steps, K cars, and L limits of the
connection. Every power here is one that the charger's rules cannot exceed, whatever the actions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from baselines.foresight import LEAVES, Future
from ev_gym.physics.battery import ACCEPTANCE_AT_FULL, FULL_KWH
from ev_gym.physics.charger import (
    FLOOR_A,
    HEADROOM_ROUNDING_A,
    HEADROOM_ROUNDING_KW,
    LINE_KW_PER_A,
    LINES,
)
from ev_gym.runtime.arrays import Bools, Floats, Ints
from ev_gym.runtime.durations import QUARTER_MIN

# What the charger forgives of a headroom, twice, so that its own rounding fits as well.
SLACK_A, SLACK_KW = 2.0 * HEADROOM_ROUNDING_A, 2.0 * HEADROOM_ROUNDING_KW


class Connection(NamedTuple):
    """What the limits of the connection leave: currents of a line each, one power of all, or both.

    Each of the L limits is counted in units of its own kind: of a current one unit is an ampere, of
    the powers, which come last, it is a kW. Where cars are dimmed, that is a limit too, the last.

    Attributes:
        unit_kw: (L,) power of one unit of each limit.
        excess_units: (T, L) what the house alone takes beyond the limit, with all sun counted;
            below 0 where something is left.
        overload_kw: (T,) what the house alone takes beyond the limits: summed over the lines, or in
            all where that is more.
        headroom_units: (T, L) what load management leaves to charging, inf without it; and what
            dimming leaves, whatever manages the load.
        feed_headroom_units: (T, L) what it leaves to discharging on a line; inf without lines.
        feed_kw: (T,) most that all cars may feed back, below 0 where the sun alone is cut off.
        least_units_per_kw: (L, K) what a kW of a car takes with the phases that take least,
        most_units_per_kw: (L, K) and what with those that take most.
    """

    unit_kw: Floats
    excess_units: Floats
    overload_kw: Floats
    headroom_units: Floats
    feed_headroom_units: Floats
    feed_kw: Floats
    least_units_per_kw: Floats
    most_units_per_kw: Floats


class Flows(NamedTuple):
    """Everything that can flow between a car and the meter, in F flows.

    Attributes:
        step: (F,) step of the flow,
        car: (F,) and its car.
        sign: (F,) 1 where it charges, -1 where it discharges.
        power_kw: (F,) the largest power at the meter, or the power of a level.
        hours: (F,) how long the car is at the charger in the step.
        per_kwh: (F,) most that a kWh at the meter stores, or least that it takes (below 0).
        level: (F,) whether it is the flow of one level, which is on or off.
    """

    step: Ints
    car: Ints
    sign: Ints
    power_kw: Floats
    hours: Floats
    per_kwh: Floats
    level: Bools

    @property
    def most_kwh(self) -> Floats:
        """(F,) most that flows in the step, at the meter."""
        return self.power_kw * self.hours


class Journey(NamedTuple):
    """One car's stays and events: n + 1 spans of steps, with an event after each but the last.

    Attributes:
        span: (T,) span of each step.
        leaves: (n,) whether the event is a departure; else it is a return.
        least_kwh: (n,) what the car holds at least just after the event; what it lacks is bought.
        trip_kwh: (n,) what the event takes out of it; 0 of departures.
        event_step: (n,) step at whose end it happens.
        most_bought_kwh: (n,) most that can be bought then.
        first_kwh: (n + 1, 2) lowest and highest energy with which a span begins.
        within_kwh: (n + 1, 2) lowest and highest energy inside a span and at its end.
    """

    span: Ints
    leaves: Bools
    least_kwh: Floats
    trip_kwh: Floats
    event_step: Ints
    most_bought_kwh: Floats
    first_kwh: Floats
    within_kwh: Floats


class Reach(NamedTuple):
    """What the cars of a household can do.

    Attributes:
        connection: What its limits leave.
        charge_kw: (T, K) largest mean power to a car while it is at the charger.
        discharge_kw: (T, K) largest mean power from it.
        flows: What can flow.
        journeys: Stays and events of each car.
    """

    connection: Connection
    charge_kw: Floats
    discharge_kw: Floats
    flows: Flows
    journeys: list[Journey]


def steps_of(future: Future, name: str) -> Floats:
    """(T,) a field of the household's record before each step."""
    return np.asarray(future.households[name][:-1], np.float64)


def sun_kw(future: Future) -> Floats:
    """(T,) what the sun gives before any export limit; 0 where nothing can be fed back."""
    produces = future.world.tables.settings["produces"][0]
    return steps_of(future, "pv_kw") * float(produces)


def export_limit_kw(future: Future) -> Floats:
    """(T,) most that is fed into the grid: nothing while an exported kWh earns too little."""
    settings = future.world.tables.settings[0]
    too_little = (
        np.asarray(future.results["export_price_per_kwh"]) < settings["curtail_below_price"]
    )
    return np.where(too_little, 0.0, settings["export_limit_kw"])


def _phase_modes(car: Any) -> list[tuple[float, float, Floats]]:
    """Power of an ampere, most amperes and lines, with all phases and, if it switches, with one."""
    lines = np.array([car["on_1"], car["on_2"], car["on_3"]])
    modes = [(float(car["kw_per_a"]), float(car["max_current_a"]), lines)]
    if car["one_phase_a"] > 0.0:
        one = np.array([car["one_1"], car["one_2"], car["one_3"]])
        modes.append((LINE_KW_PER_A, float(car["one_phase_a"]), one))
    return modes


def _by_line(future: Future) -> bool:
    return bool(future.world.tables.settings["by_line"][0])


def _limits_of_steps(future: Future, limits_kw: Floats) -> Floats:
    """(T,) what a table of limits has for each step; infinite without a table."""
    if limits_kw.size == 0:
        return np.full(future.steps, np.inf)
    quarter = future.households["place_min"][:-1] // QUARTER_MIN
    found: Floats = limits_kw[quarter >> future.world.tables.settings["load_shift"][0]]
    return found


def _connection(future: Future) -> Connection:
    """The limits of a household: in all, of each line, or of each line and in all; dimming."""
    settings, tables = future.world.tables.settings[0], future.world.tables
    contract_kw = _limits_of_steps(future, tables.contract_kw)
    if not _by_line(future):
        found = _limit_in_all(future, np.minimum(settings["limit_kw"], contract_kw))
    else:
        found = _limits_of_lines(future)
        total_kw = np.minimum(settings["total_kw"], contract_kw)
        if np.isfinite(total_kw).any():
            found = _both(found, _limit_in_all(future, total_kw))
    if tables.cars_limit_kw.size:
        found = _both(found, _dimming(future))
    return found


def _both(some: Connection, others: Connection) -> Connection:
    """Limits of which all hold."""
    return Connection(
        unit_kw=np.append(some.unit_kw, others.unit_kw),
        excess_units=np.hstack([some.excess_units, others.excess_units]),
        overload_kw=np.maximum(some.overload_kw, others.overload_kw),
        headroom_units=np.hstack([some.headroom_units, others.headroom_units]),
        feed_headroom_units=np.hstack([some.feed_headroom_units, others.feed_headroom_units]),
        feed_kw=np.minimum(some.feed_kw, others.feed_kw),
        least_units_per_kw=np.vstack([some.least_units_per_kw, others.least_units_per_kw]),
        most_units_per_kw=np.vstack([some.most_units_per_kw, others.most_units_per_kw]),
    )


def _feed_kw(future: Future) -> Floats:
    """(T,) most that all cars may feed back; below 0 where the sun alone is cut off."""
    feed_kw = steps_of(future, "load_kw") - sun_kw(future) + export_limit_kw(future)
    return np.asarray(feed_kw + SLACK_KW)


def _used_sun_kw(future: Future) -> Floats:
    """(T,) sun that is not cut off without the cars; load management counts no more of it."""
    let_through_kw = export_limit_kw(future) + steps_of(future, "load_kw")
    return np.asarray(np.minimum(sun_kw(future), let_through_kw))


def _dimming(future: Future) -> Connection:
    """What all cars together may draw, whatever the house does and other cars feed back."""
    cars, free = len(future.world.tables.cars), np.full((future.steps, 1), np.inf)
    limit_kw = _limits_of_steps(future, future.world.tables.cars_limit_kw)
    return Connection(
        unit_kw=np.ones(1),
        excess_units=-free,
        overload_kw=np.zeros(future.steps),
        headroom_units=limit_kw[:, None] + SLACK_KW,
        feed_headroom_units=free,
        feed_kw=_feed_kw(future),
        least_units_per_kw=np.ones((1, cars)),
        most_units_per_kw=np.zeros((1, cars)),
    )


def _limit_in_all(future: Future, limit_kw: Floats) -> Connection:
    """A limit (T,) of all lines together; infinite where there is none."""
    settings, cars = future.world.tables.settings[0], future.world.tables.cars
    load_kw, free = steps_of(future, "load_kw"), np.full((future.steps, 1), np.inf)
    excess_kw = (load_kw - sun_kw(future) - limit_kw)[:, None]
    headroom_kw = (limit_kw - load_kw + _used_sun_kw(future))[:, None]
    ones = np.ones((1, len(cars)))
    return Connection(
        unit_kw=np.ones(1),
        excess_units=excess_kw,
        overload_kw=np.maximum(excess_kw[:, 0], 0.0),
        headroom_units=SLACK_KW + headroom_kw if settings["load_management"] else free,
        feed_headroom_units=free,
        feed_kw=_feed_kw(future),
        least_units_per_kw=ones,
        most_units_per_kw=ones,
    )


def _limits_of_lines(future: Future) -> Connection:
    """The fuse of each line."""
    settings, cars = future.world.tables.settings[0], future.world.tables.cars
    load_kw, managed = steps_of(future, "load_kw"), settings["load_management"] != 0
    free = np.full((future.steps, LINES), np.inf)
    of_load = [float(settings[f"load_{line}_a_per_kw"]) for line in range(1, LINES + 1)]
    load_a = load_kw[:, None] * np.array(of_load)
    pv_a = (sun_kw(future) * settings["sun_a_per_kw"])[:, None]
    used_a = (_used_sun_kw(future) * settings["sun_a_per_kw"])[:, None]
    excess_a = load_a - used_a - settings["fuse_a"]
    a_per_kw = [np.array([lines / kw for kw, _, lines in _phase_modes(car)]) for car in cars]
    return Connection(
        unit_kw=np.full(LINES, LINE_KW_PER_A),
        excess_units=load_a - pv_a - settings["fuse_a"],
        overload_kw=LINE_KW_PER_A * np.maximum(excess_a, 0.0).sum(axis=1),
        headroom_units=SLACK_A - excess_a if managed else free,
        feed_headroom_units=load_a - pv_a + settings["fuse_a"] + SLACK_A if managed else free,
        feed_kw=_feed_kw(future),
        least_units_per_kw=np.stack([modes.min(axis=0) for modes in a_per_kw], axis=1),
        most_units_per_kw=np.stack([modes.max(axis=0) for modes in a_per_kw], axis=1),
    )


def _granted_kw(car: Any, headroom_kw: Floats, headroom_a: Floats) -> Floats:
    """(T,) largest power in whole amperes, none below 6, that fits.

    Args:
        car: Its parameters.
        headroom_kw: (T,) of all lines together.
        headroom_a: (T, 3) of each line; (T, 0) where no line is limited.
    """
    granted_kw = np.zeros(headroom_kw.size)
    for kw_per_a, most_a, lines in _phase_modes(car):
        current_a = np.floor(np.clip(headroom_kw / kw_per_a, 0.0, most_a))
        # The last ampere may be one that the car's own power cuts short.
        current_a[headroom_kw >= min(most_a * kw_per_a, float(car["max_kw"]))] = most_a
        if headroom_a.shape[1] > 0:
            of_lines_a = np.where(lines > 0.0, headroom_a, np.inf).min(axis=1)
            current_a = np.minimum(current_a, np.floor(np.clip(of_lines_a, 0.0, most_a)))
        power_kw = np.minimum(current_a * kw_per_a, float(car["max_kw"]))
        granted_kw = np.maximum(granted_kw, np.where(current_a >= FLOOR_A, power_kw, 0.0))
    return granted_kw


def level_kw(future: Future, k: int) -> Floats:
    """Powers of a car's levels at which its battery charges at all, the lowest first."""
    car, levels_kw = future.world.tables.cars[k], future.world.tables.levels_kw
    powers_kw = np.unique(np.minimum(levels_kw, car["max_kw"]))
    return np.asarray(powers_kw[car["eta"] * powers_kw > car["aux_kw"]])


def _charge_kw(future: Future, connection: Connection, discharge_kw: Floats) -> Floats:
    """(T, K) largest power to a car in what load management leaves it, the others discharging."""
    cars = future.world.tables.cars
    charge_kw = np.zeros(discharge_kw.shape)
    relief = discharge_kw @ connection.most_units_per_kw.T
    for k, car in enumerate(cars):
        own_relief = discharge_kw[:, k, None] * connection.most_units_per_kw[:, k]
        headroom = connection.headroom_units + relief - own_relief
        if future.world.tables.levels_kw.size:
            for power_kw in level_kw(future, k):
                takes = power_kw * connection.least_units_per_kw[:, k]
                charge_kw[np.all(takes <= np.maximum(headroom, 0.0), axis=1), k] = power_kw
            if car["taper_kwh"] < car["limit_kwh"]:
                units_per_kw = connection.least_units_per_kw[:, k]
                on = units_per_kw > 0.0
                tapering_kw = _tapering_kw(car, headroom[:, on] / units_per_kw[on])
                charge_kw[:, k] = np.maximum(charge_kw[:, k], tapering_kw)
        else:
            lines = LINES if _by_line(future) else 0
            in_all_kw = headroom[:, lines:].min(axis=1, initial=np.inf)
            charge_kw[:, k] = _granted_kw(car, in_all_kw, headroom[:, :lines])
        charge_kw[car["eta"] * charge_kw[:, k] <= car["aux_kw"], k] = 0.0
    return np.where(future.charge_h > 0.0, charge_kw, 0.0)


def _tapering_kw(car: Any, headroom_kw: Floats) -> Floats:
    """(T,) largest power of a nearly full car at a charger with power levels.

    It counts by the whole amperes that it still takes, from 6 on, so a level may be granted of
    which it draws only what fits.

    Args:
        car: Its parameters.
        headroom_kw: (T, limits) power that each line, or all together, would let it take.
    """
    current_a = np.floor(np.clip(headroom_kw.min(axis=1), 0.0, car["max_kw"]) / car["kw_per_a"])
    return np.where(current_a >= FLOOR_A, current_a * car["kw_per_a"], 0.0)


def _discharge_kw(future: Future, connection: Connection) -> Floats:
    """(T, K) largest power from a car."""
    settings, cars = future.world.tables.settings[0], future.world.tables.cars
    discharge_kw = np.zeros((future.steps, len(cars)))
    if settings["bidirectional"]:
        headroom_a = connection.feed_headroom_units[:, : LINES if _by_line(future) else 0]
        for k, car in enumerate(cars):
            discharge_kw[:, k] = _granted_kw(car, connection.feed_kw, headroom_a)
    return np.where(future.charge_h > 0.0, discharge_kw, 0.0)


def least_kw(future: Future, k: int) -> tuple[float, float]:
    """The least power (kW) while a car charges, the taper's included, and while it discharges."""
    car = future.world.tables.cars[k]
    floor_kw = FLOOR_A * min(kw_per_a for kw_per_a, _, _ in _phase_modes(car))
    floor_kw = min(floor_kw, float(car["max_kw"]))
    least = floor_kw
    if future.world.tables.levels_kw.size:
        least = float(level_kw(future, k)[0])
    if car["taper_kwh"] < car["limit_kwh"]:
        share = (car["limit_kwh"] - car["taper_kwh"]) / (car["battery_kwh"] - car["taper_kwh"])
        end_kw = car["accept_kw"] * (1.0 - (1.0 - ACCEPTANCE_AT_FULL) * share)
        least = min(least, float((end_kw + car["aux_kw"]) / car["eta"]))
    return least, floor_kw


def _journey(future: Future, k: int, charge_kwh: Floats, discharges: Bools) -> Journey:
    """A car's spans and events, with the range of every energy.

    Args:
        future: The household's.
        k: The car.
        charge_kwh: (T,) most that each step can store.
        discharges: (T,) whether it can discharge then.
    """
    car, events = future.world.tables.cars[k], future.events[future.events["car"] == k]
    spans = len(events) + 1
    span = np.searchsorted(events["step"], np.arange(future.steps), side="left")
    stored_kwh = np.bincount(span, charge_kwh, spans)
    discharges_in = np.bincount(span, discharges, spans) > 0
    low = high = float(future.vehicles["energy_kwh"][0, k])
    first_kwh, within_kwh = np.empty((2, spans, 2))
    least_kwh, trip_kwh, bought_kwh = np.zeros((3, len(events)))
    for i in range(spans):
        first_kwh[i] = low, high
        low = min(low, float(car["floor_kwh"])) if discharges_in[i] else low
        if stored_kwh[i] > 0.0:
            high = max(high, min(high + stored_kwh[i], float(car["limit_kwh"]))) + FULL_KWH
        within_kwh[i] = low, high
        if i < len(events):
            least_kwh[i] = float(events["wanted_kwh"][i])
            if events["kind"][i] != LEAVES:
                least_kwh[i] = float(car["min_soc"] * car["battery_kwh"])
                trip_kwh[i] = float(events["trip_kwh"][i])
            bought_kwh[i] = max(0.0, least_kwh[i] - (low - trip_kwh[i]))
            low, high = (max(least_kwh[i], energy_kwh - trip_kwh[i]) for energy_kwh in (low, high))
    return Journey(
        span=span,
        leaves=np.asarray(events["kind"] == LEAVES),
        least_kwh=least_kwh,
        trip_kwh=trip_kwh,
        event_step=np.asarray(events["step"]),
        most_bought_kwh=bought_kwh,
        first_kwh=first_kwh,
        within_kwh=within_kwh,
    )


def _flows(
    future: Future,
    charge_kw: Floats,
    discharge_kw: Floats,
    journeys: list[Journey],
    whole_levels: bool,
) -> Flows:
    """Of each car what charges it, level by level or at any power, then what discharges it."""
    cars, hours = future.world.tables.cars, future.charge_h
    parts: list[tuple[Any, ...]] = []
    for k, car in enumerate(cars):
        step, most_kw = np.arange(future.steps), charge_kw[:, k]
        tapers = car["taper_kwh"] < car["limit_kwh"]
        levels_kw = level_kw(future, k) if whole_levels and not tapers else np.empty(0)
        for level in levels_kw if levels_kw.size else [most_kw]:
            on = (most_kw > 0.0) & (level <= most_kw)
            power_kw = np.broadcast_to(level, on.shape)[on]
            stored = car["eta"] - car["aux_kw"] / power_kw
            parts.append((step[on], k, 1, power_kw, hours[on, k], stored, levels_kw.size > 0))
        highest_kwh = journeys[k].within_kwh[journeys[k].span, 1]
        on = (discharge_kw[:, k] > 0.0) & (highest_kwh > car["floor_kwh"])
        power_kw = discharge_kw[on, k]
        taken = -(1.0 + car["aux_kw"] / power_kw) / car["eta"]
        parts.append((step[on], k, -1, power_kw, hours[on, k], taken, False))
    spread = [np.broadcast_arrays(*part) for part in parts]
    return Flows(*(np.concatenate(field) for field in zip(*spread, strict=True)))


def reach_of(future: Future, whole_levels: bool = False) -> Reach:
    """What the cars of a future can do.

    Args:
        future: The household's.
        whole_levels: Whether power levels have flows of their own, for cars without a taper.
    """
    connection = _connection(future)
    discharge_kw = _discharge_kw(future, connection)
    charge_kw = _charge_kw(future, connection, discharge_kw)
    journeys = []
    for k, car in enumerate(future.world.tables.cars):
        stored_kw = np.maximum(0.0, car["eta"] * charge_kw[:, k] - car["aux_kw"])
        stored_kwh = stored_kw * future.charge_h[:, k]
        journeys.append(_journey(future, k, stored_kwh, discharge_kw[:, k] > 0.0))
    flows = _flows(future, charge_kw, discharge_kw, journeys, whole_levels)
    return Reach(connection, charge_kw, discharge_kw, flows, journeys)
