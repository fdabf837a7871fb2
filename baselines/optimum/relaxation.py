"""The lower bound: what an episode costs at least, whatever its cars do, as a linear programme.

An episode's cost is minus the sum of its rewards, minus its settlement. Calendar, load, sun, prices
depend on no action (`baselines.foresight`), so a cost is a function of the flows alone: the kWh at
the meter c (to a car) and d (from it) in each step. The programme is a *relaxation*: every life of
the household, with any actions, maps to a point that satisfies its rows and whose value there is
not above the life's cost. Its optimum, by weak duality any dual value (`linear_program`),
is therefore a lower bound. For each piece of the physics, why this holds:

Charger. *Exact:* the time a car is there, to the minute; the largest whole-ampere power, none below
    6 A, or the highest level, that fits what load management leaves a car alone (P, `reach`).
    *Relaxed:* between 0 and P any mean power; so the 6 A floor, whole amperes, pauses and holds of
    phase switching, shares among several cars and priorities fall away: fewer rules, more points.
Losses. While on, power p is at most P, so storing s kWh in t hours draws c = (s + aux t) / eta with
    t >= c / P: s <= (eta - aux / P) c = r c, the ray through full power; the real curve lies below.
    Where a kWh at the meter costs something, s = r c is asked for: with s / r <= c instead of c,
    every row still holds and nothing costs more. Where it is paid for, losing energy can pay:
    s = r c - w with w <= aux (1/p_least - 1/P) c and w <= aux (h - c / P), the hull of all times on
    from c / P to min(h, c / p_least). Discharging likewise takes d (1 + aux / D) / eta at least.
    Cars that discharge get w in all steps if any kWh is paid for or the settlement price is below
    0; else energy is never worth less than nothing, and holding more of it allows the same d.
Taper, the owner's limit. *Relaxed:* the taper only slows charging down; no row has it, but p_least
    does. The energy stays below the limit, or what the car came with.
Floor. Discharging ends at the floor f: e >= min(f, e at arrival), which is concave in the latter;
    the row asks for its chord over the range that the latter can have, which lies below it.
One direction. In a step a car charges or discharges: c / (P h) + d / (D h) <= 1, the hull of both.
Heat and ageing. Heat limits no power. What a day wears off is never below 0 (`physics.ageing`):
    *relaxed* to 0.
Departure. max(0, wanted - e) kWh are bought: m >= 0 with e + m >= wanted, at a price of 0 or more;
    the real m is such a point. Return: e - trip + p >= minimum with p >= 0, the same. (A car that
    starts away with less than its minimum keeps what it holds: no action has touched that yet.)
Load management. *Exact* for the sum on all lines together; by line, a car that switches phases is
    counted with the least it takes of each line. Where the house alone leaves no room and cars that
    discharge make it, max(0, room + d) is convex: the chord lies above it.
Export limit. *Exact:* all d <= the room below it; where the sun alone exceeds it, d = 0 and sun is
    cut off until the cars use it.
Meter. The bill of a step, with VAT in its prices, is piecewise straight in c - d (netted), or in c
    and in d: *exact* where it is convex, that is, where importing costs more than exporting earns,
    and that not below 0; else its largest convex minorant. Less the house's own bill, a constant.
Power charge. A month's steps add up to price / N times the sum of its N highest peaks, less what
    stood when the episode began: *exact*, as N theta + sum max(0, peak - theta), the least of which
    over theta is the sum of the N highest. A peak is at least each hour of its span, and the
    import of a netted step the larger of 0 and the net. Less the house's own charge, a constant.
Overload. With load management none is added by cars. Without: at least the sum of the lines'
    excess less the house's own; *exact* but for two things, sun counted in full where some is cut
    off, and phases that switch counted with what they add least and relieve most.
Settlement. *Exact:* linear in the last energies. Reward weights are at least 0, so every inequality
    survives them.

Several vehicles share rows of load management, meter, power charge and overload; nothing else.

With `whole_levels` a level is on for all of a step, except in the one step of a stay in which the
battery becomes full; the stay then ends full. That is exact for chargers with levels and cars whose
taper begins at their limit or above, but for shares among several cars.

Where the charger or the battery forgives rounding (1e-9), so do the rows: the bound is one up to
1e-6 of the money that flows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.foresight import Future
from baselines.optimum.linear_program import Program
from baselines.optimum.metering import Hours, hourly_caps, hours_of, meter_of, owed_before
from baselines.optimum.reach import reach_of
from baselines.optimum.relaxed_cars import Model, put_flows, rows_of_steps, write_cars
from ev_gym.runtime.arrays import Floats, Ints


class Bound(NamedTuple):
    """A proven lower bound on what an episode costs, and the relaxed plan behind it.

    Attributes:
        cost: Whatever the actions, minus the sum of rewards minus the settlement is not below this.
        charge_kw: (T, K) the plan's mean power at the meter; below 0 it discharges.
        energy_kwh: (T + 1, K) its energies before each step and at the end.
        cap_kw: (T,) counted power (factor times import, as an hourly mean) up to which the hour of
            each step adds nothing to the plan's power charge; inf without a power charge.
    """

    cost: float
    charge_kw: Floats
    energy_kwh: Floats
    cap_kw: Floats


def lower_bound(future: Future, *, whole_levels: bool = False) -> Bound:
    """The least that an episode can cost, relaxed as the module's docstring says.

    Args:
        future: From now to the horizon; what has been paid before does not count.
        whole_levels: Power levels, of cars without a taper, on or off in whole columns: tighter,
            and meant for episodes of a few days.
    """
    reach = reach_of(future, whole_levels)
    meter, program = meter_of(future, reach), Program()
    model, bought = write_cars(program, future, reach, meter)
    start = future.households[0]
    program.offset += float(start["settlement_price"] * start["start_stored_kwh"])
    _overload(model)
    imported = _energy_bill(model)
    hours = hours_of(future)
    if hours is not None:
        _power_charge(model, hours, imported)
    solution = program.solve_with_bound()
    charge_kw, energy_kwh = _plan(model, bought, solution.values)
    cap_kw = np.full(future.steps, np.inf)
    if hours is not None:
        cap_kw = hourly_caps(future, hours, meter, charge_kw)
    return Bound(solution.bound, charge_kw, energy_kwh, cap_kw)


def _overload(model: Model) -> None:
    """What the cars draw above the limits, where load management does not keep them."""
    program, future, connection = model.program, model.future, model.reach.connection
    settings, flows = future.world.tables.settings[0], model.reach.flows
    step_h = settings["step_h"]
    price = settings["overload_weight"] * settings["overload_price_per_kwh"]
    if settings["load_management"] or price == 0.0:
        return
    drawn_kw = model.reach.charge_kw * future.charge_h / step_h
    most = np.maximum(0.0, connection.house + drawn_kw @ connection.least.T)
    moved = np.isin(np.arange(future.steps), flows.step) & (most.sum(axis=1) > connection.alone)
    paid = np.full(future.steps, -1)
    cost = price * connection.unit_kw * step_h
    paid[moved] = program.columns(cost, 0.0, most[moved].sum(axis=1))
    total = rows_of_steps(model, moved, -connection.alone, np.full(future.steps, np.inf))
    program.put(total[moved], paid[moved], 1.0)
    for line in range(most.shape[1]):
        wanted = moved & (most[:, line] > 0.0)
        over = program.columns(0.0, 0.0, most[wanted, line])
        program.put(total[wanted], over, -1.0)
        least, eased = connection.least[line, flows.car], connection.most[line, flows.car]
        rows = rows_of_steps(
            model, wanted, connection.house[:, line], np.full_like(total, np.inf, float)
        )
        program.put(rows[wanted], over, 1.0)
        put_flows(model, rows, -np.where(flows.sign > 0, least, -eased) / step_h)


def _hinge(model: Model, wanted: NDArray[np.bool_], at: Floats, cost: Floats) -> Ints:
    """Columns (T,) of max(0, x - at), x the kWh to the cars at the meter; -1 where not wanted."""
    columns = np.full(wanted.size, -1)
    high = model.meter.high
    columns[wanted] = model.program.columns(cost[wanted], 0.0, (high - at)[wanted])
    rows = rows_of_steps(model, wanted, -at, np.full(at.size, np.inf))
    model.program.put(rows[wanted], columns[wanted], 1.0)
    put_flows(model, rows, -model.to_meter)
    return columns


def _energy_bill(model: Model) -> Ints:
    """The energy bill's bends and constants; columns (T,) of the import, where it has one."""
    meter, results = model.meter, model.future.results
    weight = model.future.world.tables.settings["energy_weight"][0]
    moved = np.unique(model.reach.flows.step)
    alone = np.asarray(results["house_cost"])[moved]
    model.program.offset += float(weight * (meter.base[moved] - alone).sum())
    among = np.isin(np.arange(model.future.steps), moved)
    columns = [
        _hinge(model, among & (weight * bend > 0.0), at, weight * bend)
        for at, bend in zip(meter.at, meter.bend, strict=True)
    ]
    return columns[1]


def _power_charge(model: Model, hours: Hours, imported: Ints) -> None:
    """The mean of the N highest peaks of each month: N times the N-th, and what exceeds it."""
    program, future, meter = model.program, model.future, model.meter
    settings, flows = future.world.tables.settings[0], model.reach.flows
    price = hours.price[hours.month]
    counts = ((price > 0.0) & (hours.factor > 0.0))[hours.hour]
    moved = np.isin(np.arange(future.steps), flows.step) & counts
    bent = moved & (meter.zero_at > meter.low) & (meter.zero_at < meter.high)
    new = bent & (imported < 0)
    imported[new] = _hinge(model, new, meter.zero_at, np.zeros(future.steps))[new]
    straight = moved & (meter.zero_at <= meter.low)
    known = np.where(
        straight, -meter.zero_at, np.where(moved, 0.0, np.maximum(0.0, -meter.zero_at))
    )
    most = np.maximum(0.0, np.where(moved, meter.high, 0.0) - meter.zero_at)
    known_kwh = hours.started_kwh + hours.factor * np.bincount(hours.hour, known)
    most_kwh = hours.started_kwh + hours.factor * np.bincount(hours.hour, most)
    open_hour = np.bincount(hours.hour, moved) > 0
    least = np.zeros(hours.month_of.size)
    least[0] = hours.peaks_kw[0]
    np.maximum.at(least, hours.peak_span[~open_hour], known_kwh[~open_hour])
    largest = max(float(most_kwh.max()), *hours.peaks_kw)
    lowest = program.columns(hours.price * int(settings["power_days"]), 0.0, largest)
    above = program.columns(hours.price[hours.month_of], 0.0, np.full(least.size, largest))
    standing = program.rows(least)
    program.put(standing, above, 1.0)
    program.put(standing, lowest[hours.month_of], 1.0)
    for peak in hours.peaks_kw[1:]:
        extra, row = program.columns(hours.price[0], 0.0, largest), program.rows(peak)
        program.put(row, np.array([extra[0], lowest[0]]), 1.0)
    wanted = np.flatnonzero(open_hour & (most_kwh > least[hours.peak_span]))
    rows = np.full(hours.peak_span.size, -1)
    rows[wanted] = program.rows(known_kwh[wanted])
    program.put(rows[wanted], above[hours.peak_span[wanted]], 1.0)
    program.put(rows[wanted], lowest[hours.month[wanted]], 1.0)
    row, factor = rows[hours.hour], hours.factor[hours.hour]
    put_flows(model, np.where(straight, row, -1), -factor[flows.step] * model.to_meter)
    at = bent & (row >= 0)
    program.put(row[at], imported[at], -factor[at])
    alone = settings["power_weight"] * np.asarray(future.results["house_power_cost"]).sum()
    program.offset -= owed_before(future, hours) + float(alone)


def _plan(model: Model, bought: list[Ints], values: Floats) -> tuple[Floats, Floats]:
    """The plan's mean powers (T, K) and energies (T + 1, K)."""
    future, flows, waste = model.future, model.reach.flows, model.waste
    steps, step_h = future.steps, future.world.tables.settings["step_h"][0]
    flow, lost_kwh = values[model.flowing], values[waste.column]
    charge_kw, energy_kwh = np.empty((steps, len(bought))), np.empty((steps + 1, len(bought)))
    for k, journey in enumerate(model.reach.journeys):
        own, lost = flows.car == k, waste.car == k
        moved_kwh = (flows.sign * flow)[own]
        charge_kw[:, k] = np.bincount(flows.step[own], moved_kwh, steps) / step_h
        stored_kwh = np.bincount(flows.step[own], (flows.per_kwh * flow)[own], steps)
        wasted_kwh = np.bincount(waste.step[lost], lost_kwh[lost], steps)
        at_events = values[bought[k]] - journey.trip_kwh
        at_events_kwh = np.bincount(journey.event_step, at_events, steps)
        energy_kwh[0, k] = future.vehicles["energy_kwh"][0, k]
        energy_kwh[1:, k] = energy_kwh[0, k] + np.cumsum(stored_kwh - wasted_kwh + at_events_kwh)
    return charge_kw, energy_kwh
