"""What the cars of a foreseen household can do in each step: powers, losses, and ranges of energy.

The numbers of `relaxation`, without its programme: arrays over T steps, K cars, L lines.
Every power here is one that the charger's rules cannot exceed, whatever the actions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.foresight import LEAVES, Future
from ev_gym.physics.battery import ACCEPTANCE_AT_FULL, FULL_KWH
from ev_gym.physics.charger import (
    FLOOR_A,
    HEADROOM_ROUNDING_A,
    HEADROOM_ROUNDING_KW,
    LINE_KW_PER_A,
    LINES,
)
from ev_gym.runtime.arrays import Floats, Ints

# What the charger forgives of a headroom, in kW or A, twice, so that its own rounding fits as well.
SLACK = 2.0 * max(HEADROOM_ROUNDING_A, HEADROOM_ROUNDING_KW)
NO_LINE_KW = 1.0  # without lines an "ampere" of the one room is a kW


class Connection(NamedTuple):
    """What the connection leaves; in A of each of three lines, or, of all together, in kW.

    Attributes:
        unit_kw: Power of one unit of a room: that of an ampere of a line, or 1.
        house: (T, L) what the house alone takes, all sun counted, beyond the limit.
        alone: (T,) what the house alone exceeds the limits by, summed over the lines.
        room: (T, L) what load management leaves to charging; inf without it.
        feed_room: (T, L) what it leaves to discharging on the lines; inf without them.
        feed_kw: (T,) most that all cars may feed back, below 0 where the sun alone is cut off.
        least, most: (L, K) of a room, what a kW of a car takes in the phases that take least, most.
    """

    unit_kw: float
    house: Floats
    alone: Floats
    room: Floats
    feed_room: Floats
    feed_kw: Floats
    least: Floats
    most: Floats


class Flows(NamedTuple):
    """Everything that can flow between a car and the meter: F pairs of a step and a car.

    Attributes:
        step, car: (F,) which.
        sign: (F,) 1 charges, -1 discharges.
        power_kw: (F,) the largest power at the meter, or the power of a level.
        hours: (F,) how long the car is there.
        per_kwh: (F,) most that a kWh at the meter stores, or least that it takes (below 0).
        level: (F,) whether it is a level's own, on or off.
    """

    step: Ints
    car: Ints
    sign: Ints
    power_kw: Floats
    hours: Floats
    per_kwh: Floats
    level: NDArray[np.bool_]

    @property
    def most_kwh(self) -> Floats:
        """(F,) most that flows in the step, at the meter."""
        return self.power_kw * self.hours


class Journey(NamedTuple):
    """One car's stays and events: n + 1 spans of steps, with an event after each but the last.

    Attributes:
        span: (T,) span of each step.
        leaves: (n,) whether the event is a departure, else a return.
        least_kwh: (n,) what the car holds at least just after the event; what it lacks is bought.
        trip_kwh: (n,) what the event takes out of it; 0 of departures.
        event_step: (n,) step at whose end it happens.
        most_bought_kwh: (n,) most that can be bought at it.
        first: (n + 1, 2) range of the energy with which a span begins.
        within: (n + 1, 2) range of the energies inside a span and at its end.
    """

    span: Ints
    leaves: NDArray[np.bool_]
    least_kwh: Floats
    trip_kwh: Floats
    event_step: Ints
    most_bought_kwh: Floats
    first: Floats
    within: Floats


class Reach(NamedTuple):
    """All of it, with the largest mean powers (T, K) in each direction while a car is there."""

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


def _modes(car: Any) -> list[tuple[float, float, Floats]]:
    """Power of an ampere, most amperes and lines, with all phases and, if it switches, with one."""
    lines = np.array([car["on_1"], car["on_2"], car["on_3"]])
    modes = [(float(car["kw_per_a"]), float(car["max_current_a"]), lines)]
    if car["one_phase_a"] > 0.0:
        one = np.array([car["one_1"], car["one_2"], car["one_3"]])
        modes.append((LINE_KW_PER_A, float(car["one_phase_a"]), one))
    return modes


def _by_line(future: Future) -> bool:
    return bool(future.world.tables.settings["by_line"][0])


def _connection(future: Future) -> Connection:
    settings, cars = future.world.tables.settings[0], future.world.tables.cars
    load_kw, sun = steps_of(future, "load_kw"), sun_kw(future)
    lines = LINES if _by_line(future) else 1
    managed, free = settings["load_management"] != 0, np.full((future.steps, lines), np.inf)
    feed_kw = load_kw - sun + settings["export_limit_kw"] + SLACK
    if not _by_line(future):
        house = (load_kw - sun - settings["limit_kw"])[:, None]
        ones = np.ones((1, len(cars)))
        room = SLACK - house if managed else free
        alone = np.maximum(house[:, 0], 0.0)
        return Connection(NO_LINE_KW, house, alone, room, free, feed_kw, ones, ones)
    of_load = [float(settings[f"load_{line}_a_per_kw"]) for line in range(1, LINES + 1)]
    load_a = load_kw[:, None] * np.array(of_load)
    sun_a = (sun * settings["sun_a_per_kw"])[:, None]
    used = np.minimum(sun, settings["export_limit_kw"] + load_kw)
    house = load_a - sun_a - settings["fuse_a"]
    with_used = load_a - (used * settings["sun_a_per_kw"])[:, None] - settings["fuse_a"]
    takes = [np.array([lines / kw for kw, _, lines in _modes(car)]) for car in cars]
    return Connection(
        LINE_KW_PER_A,
        house,
        np.maximum(with_used, 0.0).sum(axis=1),
        SLACK - with_used if managed else free,
        load_a - sun_a + settings["fuse_a"] + SLACK if managed else free,
        feed_kw,
        np.stack([own.min(axis=0) for own in takes], axis=1),
        np.stack([own.max(axis=0) for own in takes], axis=1),
    )


def _granted_kw(car: Any, headroom_kw: Floats, rooms_a: Floats | None) -> Floats:
    """(T,) largest power in whole amperes, none below 6, that fits a room and the lines'."""
    granted = np.zeros(headroom_kw.size)
    for kw_per_a, most_a, lines in _modes(car):
        own_a = np.floor(np.clip(headroom_kw / kw_per_a, 0.0, most_a))
        # The last ampere may be one that the car's own power cuts short.
        own_a[headroom_kw >= min(most_a * kw_per_a, float(car["max_kw"]))] = most_a
        if rooms_a is not None:
            of_lines = np.where(lines > 0.0, rooms_a, np.inf).min(axis=1)
            own_a = np.minimum(own_a, np.floor(np.clip(of_lines, 0.0, most_a)))
        power_kw = np.minimum(own_a * kw_per_a, float(car["max_kw"]))
        granted = np.maximum(granted, np.where(own_a >= FLOOR_A, power_kw, 0.0))
    return granted


def level_kw(future: Future, k: int) -> Floats:
    """Powers of a car's levels at which it charges at all, the lowest first."""
    car, levels = future.world.tables.cars[k], future.world.tables.levels_kw
    powers = np.unique(np.minimum(levels, car["max_kw"]))
    return np.asarray(powers[car["eta"] * powers > car["aux_kw"]])


def _charge_kw(future: Future, connection: Connection, discharge_kw: Floats) -> Floats:
    """(T, K) largest power to a car in what load management leaves it, the others discharging."""
    cars = future.world.tables.cars
    charge = np.zeros(discharge_kw.shape)
    relief = discharge_kw @ connection.most.T
    for k, car in enumerate(cars):
        room = connection.room + relief - discharge_kw[:, k, None] * connection.most[:, k]
        if future.world.tables.levels_kw.size:
            for power in level_kw(future, k):
                fits = np.all(power * connection.least[:, k] <= np.maximum(room, 0.0), axis=1)
                charge[fits, k] = power
        elif _by_line(future):
            charge[:, k] = _granted_kw(car, np.full(future.steps, np.inf), room)
        else:
            charge[:, k] = _granted_kw(car, room[:, 0], None)
        charge[car["eta"] * charge[:, k] <= car["aux_kw"], k] = 0.0
    return np.where(future.charge_h > 0.0, charge, 0.0)


def _discharge_kw(future: Future, connection: Connection) -> Floats:
    settings, cars = future.world.tables.settings[0], future.world.tables.cars
    discharge = np.zeros((future.steps, len(cars)))
    if settings["bidirectional"]:
        lines = connection.feed_room if _by_line(future) else None
        for k, car in enumerate(cars):
            discharge[:, k] = _granted_kw(car, connection.feed_kw, lines)
    return np.where(future.charge_h > 0.0, discharge, 0.0)


def least_kw(future: Future, k: int) -> tuple[float, float]:
    """The least power (kW) while a car charges, the taper's included, and while it discharges."""
    car = future.world.tables.cars[k]
    of_floor = min(FLOOR_A * min(kw for kw, _, _ in _modes(car)), float(car["max_kw"]))
    least = of_floor
    if future.world.tables.levels_kw.size:
        least = float(level_kw(future, k)[0])
    if car["taper_kwh"] < car["limit_kwh"]:
        share = (car["limit_kwh"] - car["taper_kwh"]) / (car["battery_kwh"] - car["taper_kwh"])
        end_kw = car["accept_kw"] * (1.0 - (1.0 - ACCEPTANCE_AT_FULL) * share)
        least = min(least, float((end_kw + car["aux_kw"]) / car["eta"]))
    return least, of_floor


def _journey(future: Future, k: int, charge_kwh: Floats, discharges: NDArray[np.bool_]) -> Journey:
    """A car's spans and events, with the range of every energy.

    Args:
        future: The household's.
        k: The car.
        charge_kwh: (T,) most that each step can store.
        discharges: (T,) whether it can discharge then.
    """
    car, events = future.world.tables.cars[k], future.events[future.events["car"] == k]
    wanted = float(car["wanted_soc"] * car["battery_kwh"])
    span = np.searchsorted(events["step"], np.arange(future.steps), side="left")
    stored = np.bincount(span, charge_kwh, len(events) + 1)
    gives = np.bincount(span, discharges, len(events) + 1) > 0
    low = high = float(future.vehicles["energy_kwh"][0, k])
    first, within = np.empty((2, len(events) + 1, 2))
    least, trip, bought = np.zeros((3, len(events)))
    for i in range(len(events) + 1):
        first[i] = low, high
        low = min(low, float(car["floor_kwh"])) if gives[i] else low
        if stored[i] > 0.0:
            high = max(high, min(high + stored[i], float(car["limit_kwh"]))) + FULL_KWH
        within[i] = low, high
        if i < len(events):
            least[i] = wanted
            if events["kind"][i] != LEAVES:
                # Only a car that was away from the start can hold less than its minimum here.
                least[i] = min(low, float(car["min_soc"] * car["battery_kwh"]))
                trip[i] = float(events["trip_kwh"][i])
            bought[i] = max(0.0, least[i] - (low - trip[i]))
            low, high = max(least[i], low - trip[i]), max(least[i], high - trip[i])
    leaves = np.asarray(events["kind"] == LEAVES)
    return Journey(span, leaves, least, trip, np.asarray(events["step"]), bought, first, within)


def _flows(
    future: Future,
    charge_kw: Floats,
    discharge_kw: Floats,
    journeys: list[Journey],
    whole_levels: bool,
) -> Flows:
    cars, hours = future.world.tables.cars, future.charge_h
    parts: list[tuple[Any, ...]] = []
    for k, car in enumerate(cars):
        step, most = np.arange(future.steps), charge_kw[:, k]
        tapers = car["taper_kwh"] < car["limit_kwh"]
        levels = level_kw(future, k) if whole_levels and not tapers else np.empty(0)
        for power in levels if levels.size else [most]:
            on = (most > 0.0) & (power <= most)
            own = np.broadcast_to(power, on.shape)[on]
            stores = car["eta"] - car["aux_kw"] / own
            parts.append((step[on], k, 1, own, hours[on, k], stores, levels.size > 0))
        held = journeys[k].within[journeys[k].span, 1]
        on = (discharge_kw[:, k] > 0.0) & (held > car["floor_kwh"])
        own = discharge_kw[on, k]
        takes = -(1.0 + car["aux_kw"] / own) / car["eta"]
        parts.append((step[on], k, -1, own, hours[on, k], takes, False))
    spread = [np.broadcast_arrays(*part) for part in parts]
    return Flows(*(np.concatenate(field) for field in zip(*spread, strict=True)))


def reach_of(future: Future, whole_levels: bool = False) -> Reach:
    """What the cars of a future can reach.

    Args:
        future: The household's.
        whole_levels: Whether power levels have flows of their own, for cars without a taper.
    """
    connection = _connection(future)
    discharge_kw = _discharge_kw(future, connection)
    charge_kw = _charge_kw(future, connection, discharge_kw)
    journeys = []
    for k, car in enumerate(future.world.tables.cars):
        stored_kwh = np.maximum(0.0, car["eta"] * charge_kw[:, k] - car["aux_kw"])
        stored_kwh = stored_kwh * future.charge_h[:, k]
        journeys.append(_journey(future, k, stored_kwh, discharge_kw[:, k] > 0.0))
    flows = _flows(future, charge_kw, discharge_kw, journeys, whole_levels)
    return Reach(connection, charge_kw, discharge_kw, flows, journeys)
