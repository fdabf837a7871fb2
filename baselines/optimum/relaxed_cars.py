"""The cars of a relaxed household: rows of a linear programme for batteries, charger, connection.

What each block relaxes, and why that only lowers the bill, stands in `relaxation`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.foresight import Future
from baselines.optimum.linear_program import Program
from baselines.optimum.metering import Meter
from baselines.optimum.reach import Journey, Reach, least_kw
from ev_gym.physics.battery import FULL_KWH
from ev_gym.runtime.arrays import Floats, Ints


class Waste(NamedTuple):
    """Columns of what is lost beyond the least: of W pairs of a step and a car."""

    step: Ints
    car: Ints
    column: Ints


class Model(NamedTuple):
    """The programme, what it is written from, and the columns of the flows (kWh at the meter)."""

    program: Program
    future: Future
    reach: Reach
    meter: Meter
    flowing: Ints
    waste: Waste

    @property
    def to_meter(self) -> NDArray[np.float64]:
        """(F,) what a kWh of each flow adds to the x of the meter's bill."""
        sign = self.reach.flows.sign
        return np.asarray(sign if self.meter.netted else np.maximum(sign, 0), np.float64)


def _flow_cost(future: Future, meter: Meter, reach: Reach) -> Floats:
    """(F,) energy bill of a kWh at the meter, as far as the bill is straight."""
    flows, weight = reach.flows, future.world.tables.settings["energy_weight"][0]
    taken, given = meter.slope[flows.step], meter.feed_price[flows.step]
    if meter.netted:
        given = taken
    return np.asarray(weight * np.where(flows.sign > 0, taken, -given))


def write_cars(
    program: Program, future: Future, reach: Reach, meter: Meter
) -> tuple[Model, list[Ints]]:
    """Write everything but money of a step: the model, and each car's columns of what it buys."""
    flowing = program.columns(_flow_cost(future, meter, reach), 0.0, reach.flows.most_kwh)
    waste = _waste(program, future, reach, meter, flowing)
    model = Model(program, future, reach, meter, flowing, waste)
    bought = [_battery(model, k) for k in range(len(reach.journeys))]
    _one_way(model)
    _managed_load(model)
    return model, bought


def _waste(program: Program, future: Future, reach: Reach, meter: Meter, flowing: Ints) -> Waste:
    """Losses beyond those of the largest power, wherever losing energy could ever pay."""
    flows, cars = reach.flows, future.world.tables.cars
    paid = meter.slope * future.world.tables.settings["energy_weight"][0] < 0.0
    ever = paid[flows.step].any() or future.households["settlement_price"][0] < 0.0
    gives = np.bincount(flows.car, flows.sign < 0, len(cars)) > 0
    aux_kw, eta = np.asarray(cars["aux_kw"]), np.where(gives, cars["eta"], 1.0)
    pays = (paid[flows.step] | (ever & gives[flows.car])) & ~flows.level
    at = np.flatnonzero(pays & (aux_kw[flows.car] > 0.0))
    pair, of_pair = np.unique(flows.step[at] * len(cars) + flows.car[at], return_inverse=True)
    step, car = np.divmod(pair, len(cars))
    most = aux_kw[car] / eta[car] * future.charge_h[step, car]
    column = program.columns(0.0, 0.0, most)
    least = np.array([least_kw(future, k) for k in range(len(cars))])
    charges, own = flows.sign[at] > 0, flows.car[at]
    lost_kw = aux_kw[own] / np.where(charges, 1.0, eta[own])
    least_on = np.where(charges, least[own, 0], least[own, 1])
    seldom = lost_kw * np.maximum(0.0, 1.0 / least_on - 1.0 / flows.power_kw[at])
    rows = program.rows(np.zeros(pair.size))
    program.put(rows, column, -1.0)
    program.put(rows[of_pair], flowing[at], seldom)
    rows = program.rows(-most)
    program.put(rows, column, -1.0)
    program.put(rows[of_pair], flowing[at], -lost_kw / flows.power_kw[at])
    return Waste(step, car, column)


def _nodes(journey: Journey, steps: Ints, by_step: bool) -> tuple[Ints, Ints]:
    """Balances of a battery: the span (nodes,) of each, and the one of each of these steps.

    One for each span; or, where it discharges, one for each step in which something can flow.
    """
    spans = journey.leaves.size + 1
    if not by_step:
        return np.arange(spans), journey.span[steps]
    active, of_step = np.unique(steps, return_inverse=True)
    still = np.setdiff1d(np.arange(spans), journey.span[active])
    node = np.arange(active.size) + np.searchsorted(still, journey.span[active])
    return np.sort(np.concatenate([journey.span[active], still])), node[of_step]


def _battery(model: Model, k: int) -> Ints:
    """Write a car's energy from balance to balance; columns (n,) of what it buys at its events."""
    program, future, flows = model.program, model.future, model.reach.flows
    journey, settings = model.reach.journeys[k], future.world.tables.settings[0]
    own = np.flatnonzero(flows.car == k)
    by_step = bool((flows.sign[own] < 0).any())
    span, of_flow = _nodes(journey, flows.step[own], by_step)
    price = np.where(journey.leaves, settings["missing_weight"], settings["public_weight"])
    price = price * settings["public_price_per_kwh"]
    bought = program.columns(price, 0.0, journey.most_bought_kwh)
    worth = np.zeros(span.size)
    worth[-1] = future.households["settlement_price"][0]
    held = program.columns(-worth, journey.within[span, 0], journey.within[span, 1])
    starts = np.flatnonzero(np.diff(span, prepend=0))  # the first balance of each later span
    change = np.zeros(span.size)
    change[0] = journey.first[0, 0]
    change[starts] = -journey.trip_kwh
    balance = program.rows(change, change)
    program.put(balance, held, 1.0)
    program.put(balance[1:], held[:-1], -1.0)
    program.put(balance[starts], bought, -1.0)
    program.put(balance[of_flow], model.flowing[own], -flows.per_kwh[own])
    node_of_step = np.zeros(future.steps, np.int64)
    node_of_step[flows.step[own]] = of_flow
    lost = model.waste.car == k
    program.put(balance[node_of_step[model.waste.step[lost]]], model.waste.column[lost], 1.0)
    after = program.rows(journey.least_kwh + journey.trip_kwh)
    program.put(after, held[starts - 1], 1.0)
    program.put(after, bought, 1.0)
    if by_step:
        _keep_floor(model, k, span, held, bought, of_flow[flows.sign[own] < 0])
    if flows.level[own].any():
        _whole_levels(model, journey, own, held[np.append(starts - 1, span.size - 1)])
    return bought


def _keep_floor(model: Model, k: int, span: Ints, held: Ints, bought: Ints, gives: Ints) -> None:
    """A car is never discharged below its floor, or below what it came with if that is less.

    The lesser of the two is concave in what it came with; the rows ask for the chord.
    """
    journey, program = model.reach.journeys[k], model.program
    low, high = journey.first.T
    floor = np.minimum(model.future.world.tables.cars["floor_kwh"][k], high)
    bends = (low < floor) & (np.arange(low.size) > 0) & np.isin(np.arange(low.size), span[gives])
    slope = np.divide(floor - low, high - low, out=np.zeros_like(low), where=bends)
    node = np.flatnonzero(bends[span])
    begun, slope = span[node], slope[span[node]]
    trip_kwh = journey.trip_kwh[begun - 1]
    rows = program.rows(low[begun] * (1.0 - slope) - slope * trip_kwh)
    program.put(rows, held[node], 1.0)
    program.put(rows, held[np.searchsorted(span, begun) - 1], -slope)
    program.put(rows, bought[begun - 1], -slope)


def _whole_levels(model: Model, journey: Journey, own: Ints, ends: Ints) -> None:
    """Each level is on for a whole step or off, except where the battery becomes full in it.

    That happens once in a stay, and the stay then ends with a full battery.
    """
    program, flows = model.program, model.reach.flows
    limit_kwh = model.future.world.tables.cars["limit_kwh"][flows.car[own[0]]]
    columns, most = model.flowing[own], flows.most_kwh[own]
    on = program.columns(0.0, 0.0, np.ones(own.size), whole=True)
    drawn = program.rows(np.full(own.size, -np.inf), 0.0)
    program.put(drawn, columns, 1.0)
    program.put(drawn, on, -most)
    step, of_step = np.unique(flows.step[own], return_inverse=True)
    program.put(program.rows(np.full(step.size, -np.inf), 1.0)[of_step], on, 1.0)
    low, high = journey.within.T
    can_fill = (high >= limit_kwh - FULL_KWH).astype(np.float64)
    full = program.columns(0.0, 0.0, can_fill, whole=True)
    filled = program.rows(low)
    program.put(filled, ends, 1.0)
    program.put(filled, full, -np.maximum(0.0, limit_kwh - FULL_KWH - low))
    span = journey.span[flows.step[own]]
    largest = np.zeros(low.size)
    np.maximum.at(largest, span, most)
    short = program.rows(np.full(low.size, -np.inf), 0.0)
    program.put(short[span], on, most)
    program.put(short[span], columns, -1.0)
    program.put(short, full, -largest)


def _one_way(model: Model) -> None:
    """A car has one direction and one power in a step; its means share the step's time."""
    flows = model.reach.flows
    pair = flows.step * len(model.reach.journeys) + flows.car
    _, of_pair, count = np.unique(pair, return_inverse=True, return_counts=True)
    among = np.flatnonzero(count[of_pair] > 1)
    if among.size:
        _, row = np.unique(of_pair[among], return_inverse=True)
        rows = model.program.rows(np.full(row.max() + 1, -np.inf), 1.0)
        model.program.put(rows[row], model.flowing[among], 1.0 / flows.most_kwh[among])


def _limit(model: Model, wanted: NDArray[np.bool_], upper: Floats, uses: Floats) -> None:
    """Rows `sum of uses (F,) times flows <= upper (T,)` for the steps wanted (T,)."""
    put_flows(model, rows_of_steps(model, wanted, np.full(upper.size, -np.inf), upper), uses)


def rows_of_steps(model: Model, wanted: NDArray[np.bool_], lower: Floats, upper: Floats) -> Ints:
    """(T,) a row for each step wanted, -1 for the others."""
    rows = np.full(wanted.size, -1)
    rows[wanted] = model.program.rows(lower[wanted], upper[wanted])
    return rows


def put_flows(model: Model, rows: Ints, values: Floats) -> None:
    """Write values (F,) of the flows into the rows (T,) of their steps, where there are any."""
    row = rows[model.reach.flows.step]
    at = (row >= 0) & (values != 0.0)
    model.program.put(row[at], model.flowing[at], values[at])


def _managed_load(model: Model) -> None:
    """What load management and the export limit leave to all cars together."""
    reach, flows, future = model.reach, model.reach.flows, model.future
    step_h, connection = future.world.tables.settings["step_h"][0], reach.connection
    demand = reach.charge_kw @ connection.least.T
    relief = (reach.discharge_kw * future.charge_h / step_h) @ connection.most.T
    charges, gives = flows.sign > 0, flows.sign < 0
    for line in range(demand.shape[1]):
        room, least = connection.room[:, line], connection.least[line, flows.car]
        # Below 0 discharging must make the room first: the chord of max(0, room + relief).
        most = np.maximum(0.0, room + relief[:, line])
        short, share = (room < 0.0) & (most > 0.0), (room >= 0.0).astype(np.float64)
        np.divide(most, relief[:, line], out=share, where=short)
        eased = connection.most[line, flows.car] * share[flows.step] / step_h
        uses = np.where(charges, least / flows.hours, -eased)
        _limit(model, demand[:, line] > room, np.maximum(room, 0.0), uses)
        fed_kw = reach.discharge_kw @ connection.least[line]
        fed_room = np.maximum(connection.feed_room[:, line], 0.0)
        _limit(model, fed_kw > fed_room, fed_room, np.where(gives, least / flows.hours, 0.0))
    feed_kw = np.maximum(connection.feed_kw, 0.0)
    together = reach.discharge_kw.sum(axis=1) > feed_kw
    _limit(model, together, feed_kw, np.where(gives, 1.0 / flows.hours, 0.0))
