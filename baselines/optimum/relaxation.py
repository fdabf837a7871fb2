"""The lower bound: what an episode costs at least, whatever its cars do, as a linear programme.

An episode's cost is minus the sum of its rewards, minus its settlement. Calendar, load, sun, prices
depend on no action (`baselines.foresight`), so a cost is a function of the flows alone: the kWh at
the meter c (to a car) and d (from it) in each step. The programme is a *relaxation*: every episode
of the household, with any actions, maps to a point that satisfies its rows and whose value there is
not above the episode's cost. Its optimum, and by weak duality any dual value (`linear_program`), is
therefore a lower bound. For each piece of the physics, why this holds:

Charger. *Exact:* the time a car is there, to the minute; the largest whole-ampere power, none below
    6 A, or the highest level, that fits what load management leaves one car alone (P, `reach`).
    *Relaxed:* between 0 and P any mean power; so the 6 A floor, whole amperes, pauses and holds of
    phase switching, shares among several cars and priorities fall away: fewer rules, more points.
Losses. While on, power p is at most P, so storing s kWh in t hours draws c = (s + aux t) / eta with
    t >= c / P: s <= (eta - aux / P) c = r c, the ray through full power; the real curve lies below.
    Where a kWh at the meter costs something, s = r c is asked for: with s / r <= c instead of c,
    every row still holds and nothing costs more. Where a kWh is paid for, losing energy can pay:
    s = r c - w with w <= aux (1/p_least - 1/P) c and w <= aux (h - c / P), the hull of all times on
    from c / P to min(h, c / p_least). Discharging likewise takes d (1 + aux / D) / eta at least.
    Cars that discharge get w in all steps if any kWh is paid for or the settlement price is below
    0; else energy is never worth less than nothing, and holding more of it allows the same d.
Taper, the owner's limit. *Relaxed:* the taper only slows charging down; no row has it, but p_least
    does. The energy stays below the limit, or below what the car came with.
Floor. Discharging ends at the floor f: e >= min(f, e at arrival), which is concave in the latter;
    the row asks for its chord over the range that the latter can have, which lies below it.
One direction. In a step a car charges or discharges: c / (P h) + d / (D h) <= 1, the hull of both.
Heat and ageing. Heat limits no power; what batteries wear off has its own section below.
Departure. max(0, wanted - e) kWh are bought: m >= 0 with e + m >= wanted, at a price of 0 or more;
    the real m is such a point. Return: e - trip + p >= minimum with p >= 0, the same. (A car that
    starts away with less than its minimum keeps what it holds: no action has touched that yet.) A
    stop is paid where more than 1 kWh is bought: at least the chord from 0 there to the whole at
    the most that can be bought; and the whole where more is lacking whatever has been done.
Load management. *Exact* for the sum on all lines together; by line, a car that switches phases is
    counted with the least it takes of each line. A household that has both limits has the rows of
    both, each of which every episode satisfies. Where the house alone leaves no headroom and cars
    that discharge make it, max(0, headroom + d) is convex: the chord lies above it.
Export limit. It is 0 in the steps in which an exported kWh earns less than the price below which
    sun is cut off. *Exact:* all d <= the headroom below it; where the sun alone exceeds it, d = 0
    and sun is cut off until the cars use it.
Meter. The bill of a step, with VAT in its prices, is piecewise straight in c - d (netted), or in c
    and in d: *exact* where it is convex, that is, where importing costs more than exporting earns,
    and that not below 0; else its largest convex minorant. Less the house's own bill, a constant.
Power charge. A month's steps add up to price / N times the sum of its N highest peaks, less what
    stood when the episode began: *exact*, as N theta + sum max(0, peak - theta), the least of which
    over theta is the sum of the N highest. A peak is at least each hour of its span, and the
    import of a netted step the larger of 0 and the net. Less the house's own charge, a constant.
Overload. With load management the cars add none. Without: at least the sum of the lines' excess
    and, where there is a limit in all, at least the excess above that, as the larger of both is
    billed; less the house's own. *Exact* but for two things: sun is counted in full where some is
    cut off, and phases that switch are counted with what they add least and relieve most.
Settlement. *Exact:* linear in the last energies. Reward weights are at least 0, so every inequality
    survives them.

Heat and ageing (`wear_bound`, `ageing_rows`). A battery's two losses each follow
y = (y0^(1/p) + S)^p, with S the sum over days of the progress k^(1/p) dx (`physics.ageing`): exact
for any sequence of days, and rising in every day's progress. So what is claimed of a day holds
whatever was done before. A day counts if it ends before the horizon, as it is only then booked; of
the day under way what has passed is known for the loss by time, and its loss by use is *relaxed* to
0. Losses end where a battery is worn out: then it has lost the 0.95 of new capacity less what it
had lost before.
    SoC. Within a step the mean SoC is at least that of an even change where the car charges, and
    that after the step where it gives; at most that after the step, or that of an even change. With
    s = r c - w energies are those of the episode, so both are linear in the flows (cars that
    discharge and age get w in all steps, as losing energy makes their battery younger). It is also
    between what the car holds if it never charges (and gives what it can), and if it always does.
    Temperature. Losses are at least 0 and the pack's equation is linear in them, so no pack is
    colder than one in which nothing flows. At the hottest it takes up the most that can be lost:
    for cars that discharge at every moment; for others, in a span, at the moment that warms the day
    most, no more than the span's room for energy loses; nor, from a span a to the day's last, more
    than is lost by storing what fits from a's least energy to the other's most, and what the trips
    between take. With weights v_a that rise from span to span (the largest so far, in place of
    smaller ones) the sum of v_a x_a is that of (v_a - v_(a-1)) times all x from a on.
    By time, rate k. LFP, NCA, NMC111: the mean of a rate that rises with SoC and with temperature,
    whose exponents (b + c U) / T, (b + c s) / T and c / T are below 0; so it is at least that of
    the coldest pack, and this at least a weight of the step times a function g of SoC alone: for
    c U < 0 with the day's coldest step in g, for c s > 0 with its warmest. Lines below g on the
    day's range of SoC make the mean at least a line in the weighted mean of SoC. NMC622: the rate
    A(T) (B(s) + c4 s T) of the mean SoC and temperature. A rises with T by E / (R T^2), so the rate
    does where B + c4 s T >= -c4 s R T^2 / E, which at the hottest, 60 deg C, is the strictest, and
    B + c4 s T is least there: where it holds at 60 deg C, the rate is least in the coldest pack;
    else A at the coldest times the rest at 60 deg C is less. (c5 >= 0 only adds.) Lines below it
    are in the mean SoC. Falling lines take the largest mean SoC, rising ones the least. k^(1/p) is
    convex and rises, so tangents to it lie below.
    By use. A day's swing is at least the sum of the net rises of its cells, that is of its parts of
    one span each, and of what its trips take: of each at least the lesser of the trip and what is
    held above the least SoC. Its depth is at least each of them alone, in units of a battery that
    is no healthier than now. So the progress, 1/2 swing k^(1/p), is at least the sum over cells of
    1/2 rise k^(1/p), with the k of that rise as the depth or of the longest trip, and 1/2 trips
    k^(1/p), with the k of any cell. k rises with depth and with the rate of charge. LFP and NCA:
    that is by the swing of 24 h; LFP's cold is least in the hottest pack. NMC111: *relaxed*, the
    voltage at its best. NMC622: a rise at home comes at no less than r, that is at 6 A or the
    lowest level, less the losses at the least power (the ageing counts by the granted power). Of n
    top-ups of m each that the day can bring, at m / FAST_H, the mean C is least where its
    derivative by m is 0, and rises with the charge; slower rises than SLOW_PER_H do not count, so
    where nothing does the rate is the swing over 24 h. Its product with A(plating) falls with T
    where the rate by time rises (the exponents are 37 and -58 kJ/mol, and what is taken off rises),
    so it is least in the hottest pack, or *relaxed* to 0; the SoC is the least harmful of the
    day's; the term in D^6 is *relaxed* to 0.
    Haste. So NMC622's k^2 is q (sqrt(D C) - o)^2, or 0 where the root is below o. The day's rises
    times C are the sum of each rise times its rate, top-ups or not. So rises count for that sum
    times v = q (sqrt(D C) - o)^2 / C, which rises in D and in C: v(X), with both by the cell's net
    rise X as above. Where s is stored within h, the rate is at least r, and s / h. So the cell's
    part of the sum is at least r X + W, with W the sum over steps of a tangent to s^2 / h - r s,
    where that is above 0: a flow counts in two columns, of which only the later adds to W. For cars
    that only charge, W <= (R - r) X, with R the rate at the largest power. As W v(X) is straight in
    W, a plane is below it if it is so at W = 0 and at W = (R - r) X. A line a + b W below it at
    the latter becomes such a plane with the term -a / (largest X) (X - W / (R - r)).
    Lines. All these are functions of one number on a range, of which the least between two
    neighbours of 241 points is known: a rising one's is its value at the left, a polynomial's the
    lower of both less an eighth of its largest second derivative times the squared distance. A line
    that is nowhere above these steps is below the function.
    Money. y is concave in S, so over a range [S0, S1] its chord lies below: the programme counts
    that, with S0 the least that the constants above prove. An episode in which some loss is beyond
    its S1, or a battery worn out, costs the programme's value without wear, and that loss up to S1
    (or 0.95), and the least of the others. The bound is the least of all these. S1 is where this
    does not matter: beyond what the plan without wear wears off.

Several vehicles share rows of load management, meter, power charge and overload; nothing else.

With `whole_levels` a level is on for all of a step, except in the one step of a stay in which the
battery becomes full; the stay then ends full. For chargers with levels and cars whose taper begins
at their limit or above that is exact, but for how several cars share. Of wear and stops such a
programme has only what is certain, as a constant; the bound of any power holds as well.

Where the charger or the battery forgives rounding (1e-9), so do the rows: the bound is one up to
1e-6 of the money that flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from baselines.foresight import Future
from baselines.optimum.ageing_rows import Battery, WearColumns, solve_with_wear, write_wear
from baselines.optimum.linear_program import Program
from baselines.optimum.metering import (
    Meter,
    PowerCalendar,
    hourly_caps,
    meter_of,
    owed_before,
    power_calendar_of,
)
from baselines.optimum.reach import Journey, Reach, least_kw, reach_of
from baselines.optimum.wear_bound import Wear, wear_of
from ev_gym.drivers.calendar import WORTH_A_STOP_KWH
from ev_gym.physics.battery import FULL_KWH
from ev_gym.runtime.arrays import Bools, Floats, Ints


class Bound(NamedTuple):
    """A proven lower bound on what an episode costs, and the relaxed plan behind it.

    Attributes:
        cost: Minus the sum of rewards minus the settlement is not below this, whatever the actions.
        charge_kw: (T, K) the plan's mean power at the meter; below 0 it discharges.
        energy_kwh: (T + 1, K) the plan's energies before each step and at the end.
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
        whole_levels: Whether power levels, of cars without a taper, are on or off in whole
            columns: tighter, and meant for episodes of a few days.
    """
    reach = reach_of(future, whole_levels)
    meter, program = meter_of(future, reach), Program()
    wears = [wear_of(future, reach, k) for k in range(len(reach.journeys))]
    lines = [None] * len(wears) if whole_levels else wears
    model, bought, worn = _write_cars(program, future, reach, meter, lines)
    start = future.households[0]
    program.offset += float(start["settlement_price"] * start["start_stored_kwh"])
    _overload(model)
    imported = _energy_bill(model)
    calendar = power_calendar_of(future)
    if calendar is not None:
        _power_charge(model, calendar, imported)
    solution = solve_with_wear(program, worn)
    charge_kw, energy_kwh = _plan(model, bought, solution.values)
    cap_kw = np.full(future.steps, np.inf)
    if calendar is not None:
        cap_kw = hourly_caps(future, calendar, meter, charge_kw)
    cost = solution.bound
    if whole_levels:
        cost += sum(wear.least_cost for wear in wears if wear is not None)
        cost = max(cost, lower_bound(future).cost)
    return Bound(cost, charge_kw, energy_kwh, cap_kw)


class _Losses(NamedTuple):
    """Columns of what is lost beyond the least, each of one step and car."""

    step: Ints
    car: Ints
    column: Ints


class _Model(NamedTuple):
    """The programme, what it is written from, and columns that several of its parts use.

    Attributes:
        program: The programme.
        future: The household's.
        reach: What its cars can do.
        meter: Its energy bill.
        flow_columns: (F,) columns of the flows (kWh at the meter).
        losses: Columns of losses.
    """

    program: Program
    future: Future
    reach: Reach
    meter: Meter
    flow_columns: Ints
    losses: _Losses

    @property
    def to_meter(self) -> Floats:
        """(F,) what a kWh of each flow adds to the x of the meter's bill."""
        sign = self.reach.flows.sign
        return np.asarray(sign if self.meter.netted else np.maximum(sign, 0), np.float64)


def _flow_cost(future: Future, meter: Meter, reach: Reach) -> Floats:
    """(F,) energy bill of a kWh at the meter, as far as the bill is straight."""
    flows, weight = reach.flows, future.world.tables.settings["energy_weight"][0]
    import_price = meter.slope[flows.step]
    export_price = import_price if meter.netted else meter.feed_price[flows.step]
    return np.asarray(weight * np.where(flows.sign > 0, import_price, -export_price))


def _write_cars(
    program: Program, future: Future, reach: Reach, meter: Meter, wears: Sequence[Wear | None]
) -> tuple[_Model, list[Ints], list[WearColumns]]:
    """Write batteries, charger, connection; the model, and columns: what each car buys, wear.

    What each row relaxes, and why that only lowers the bill, stands in the module's docstring.
    """
    flow_columns = program.columns(_flow_cost(future, meter, reach), 0.0, reach.flows.most_kwh)
    ages = np.array([wear is not None for wear in wears])
    losses = _losses(program, future, reach, meter, flow_columns, ages)
    model = _Model(program, future, reach, meter, flow_columns, losses)
    batteries = [_battery(model, k, wear) for k, wear in enumerate(wears)]
    _one_way(model)
    _managed_load(model)
    worn = [
        write_wear(program, wear, reach.journeys[k], reach.flows, batteries[k])
        for k, wear in enumerate(wears)
        if wear is not None
    ]
    return model, [battery.bought for battery in batteries], worn


def _losses(
    program: Program,
    future: Future,
    reach: Reach,
    meter: Meter,
    flow_columns: Ints,
    ages: Bools,
) -> _Losses:
    """Losses beyond those of the largest power, wherever losing energy could ever pay.

    Of a car that discharges and ages (K,) everywhere: holding less wears less off.
    """
    flows, cars = reach.flows, future.world.tables.cars
    is_paid = meter.slope * future.world.tables.settings["energy_weight"][0] < 0.0
    ever_pays = is_paid[flows.step].any() or future.households["settlement_price"][0] < 0.0
    discharges = np.bincount(flows.car, flows.sign < 0, len(cars)) > 0
    aux_kw, eta = np.asarray(cars["aux_kw"]), np.where(discharges, cars["eta"], 1.0)
    pays = (is_paid[flows.step] | (((ever_pays | ages) & discharges)[flows.car])) & ~flows.level
    flow = np.flatnonzero(pays & (aux_kw[flows.car] > 0.0))
    pair, of_pair = np.unique(flows.step[flow] * len(cars) + flows.car[flow], return_inverse=True)
    step, car = np.divmod(pair, len(cars))
    most = aux_kw[car] / eta[car] * future.charge_h[step, car]
    column = program.columns(0.0, 0.0, most)
    least = np.array([least_kw(future, k) for k in range(len(cars))])
    charges, flow_car = flows.sign[flow] > 0, flows.car[flow]
    lost_kw = aux_kw[flow_car] / np.where(charges, 1.0, eta[flow_car])
    least_on_kw = np.where(charges, least[flow_car, 0], least[flow_car, 1])
    at_least_power = lost_kw * np.maximum(0.0, 1.0 / least_on_kw - 1.0 / flows.power_kw[flow])
    rows = program.rows(np.zeros(pair.size))
    program.put(rows, column, -1.0)
    program.put(rows[of_pair], flow_columns[flow], at_least_power)
    rows = program.rows(-most)
    program.put(rows, column, -1.0)
    program.put(rows[of_pair], flow_columns[flow], -lost_kw / flows.power_kw[flow])
    return _Losses(step, car, column)


def _balances(
    journey: Journey, steps: Ints, by_step: bool, day: Ints | None
) -> tuple[Ints, Ints, Ints]:
    """Balances of a battery: span and first step (balances,) of each, and that of these steps.

    One for each span, or for each day of ageing (T,) in it; or, `by_step`, for each of the steps.
    """
    spans = journey.leaves.size + 1
    if by_step:
        first = np.unique(steps)
    elif day is not None:
        first = np.flatnonzero(np.diff(journey.span * (day.size + 1) + day, prepend=-1))
    else:
        first = np.flatnonzero(np.diff(journey.span, prepend=-1))
    idle_spans = np.setdiff1d(np.arange(spans), journey.span[first])
    span = np.concatenate([journey.span[first], idle_spans])
    order = np.argsort(span, kind="stable")
    place = np.argsort(order, kind="stable")
    first_step = np.concatenate([first, np.zeros(idle_spans.size, np.int64)])
    of_steps = place[np.searchsorted(first, steps, side="right") - 1]
    return span[order], first_step[order], of_steps


def _battery(model: _Model, k: int, wear: Wear | None) -> Battery:
    """Write a car's energy from balance to balance."""
    program, future, flows = model.program, model.future, model.reach.flows
    journey, settings = model.reach.journeys[k], future.world.tables.settings[0]
    flow = np.flatnonzero(flows.car == k)
    # A battery that only charges is fullest when a span ends: one balance for each is enough.
    by_step = bool((flows.sign[flow] < 0).any())
    day = None if wear is None else wear.day
    span, first_step, of_flow = _balances(journey, flows.step[flow], by_step, day)
    price = np.where(journey.leaves, settings["missing_weight"], settings["public_weight"])
    price = price * settings["public_price_per_kwh"]
    bought = program.columns(price, 0.0, journey.most_bought_kwh)
    _stops(model, k, bought)
    worth = np.zeros(span.size)
    worth[-1] = future.households["settlement_price"][0]
    held = program.columns(-worth, journey.within_kwh[span, 0], journey.within_kwh[span, 1])
    starts = np.flatnonzero(np.diff(span, prepend=0))  # the first balance of each later span
    change_kwh = np.zeros(span.size)
    change_kwh[0] = journey.first_kwh[0, 0]
    change_kwh[starts] = -journey.trip_kwh
    balance = program.rows(change_kwh, change_kwh)
    program.put(balance, held, 1.0)
    program.put(balance[1:], held[:-1], -1.0)
    program.put(balance[starts], bought, -1.0)
    program.put(balance[of_flow], model.flow_columns[flow], -flows.per_kwh[flow])
    of_step = np.zeros(future.steps, np.int64)
    of_step[flows.step[flow]] = of_flow
    lost = model.losses.car == k
    program.put(balance[of_step[model.losses.step[lost]]], model.losses.column[lost], 1.0)
    after = program.rows(journey.least_kwh + journey.trip_kwh)
    program.put(after, held[starts - 1], 1.0)
    program.put(after, bought, 1.0)
    if by_step:
        _keep_floor(model, k, span, held, bought, of_flow[flows.sign[flow] < 0])
    if flows.level[flow].any():
        _whole_levels(model, journey, flow, held[np.append(starts - 1, span.size - 1)])
    return Battery(
        span=span,
        first_step=first_step,
        held=held,
        bought=bought,
        start_kwh=float(journey.first_kwh[0, 0]),
        soc_per_kwh=float(future.world.tables.cars["soc_per_kwh"][k]),
        flow=flow,
        flow_columns=model.flow_columns[flow],
        loss_step=model.losses.step[lost],
        loss_columns=model.losses.column[lost],
    )


def _stops(model: _Model, k: int, bought: Ints) -> None:
    """Write what stops cost at which a car buys more than `WORTH_A_STOP_KWH`."""
    journey, settings = model.reach.journeys[k], model.future.world.tables.settings[0]
    weight = np.where(journey.leaves, settings["missing_weight"], settings["public_weight"])
    cost = weight * settings["public_stop_cost"]
    lacks_kwh = journey.least_kwh - (journey.within_kwh[:-1, 1] - journey.trip_kwh)
    must = lacks_kwh > WORTH_A_STOP_KWH + 1e-6
    can = (journey.most_bought_kwh > WORTH_A_STOP_KWH + 1e-6) & (cost > 0.0)
    if model.reach.flows.level.any():  # a search among whole levels takes long enough
        can &= must
    stops = model.program.columns(cost[can], must[can].astype(np.float64), np.ones(can.sum()))
    rows = model.program.rows(np.full(can.sum(), -WORTH_A_STOP_KWH))
    beyond_kwh = journey.most_bought_kwh[can] - WORTH_A_STOP_KWH
    model.program.put(rows, stops, beyond_kwh)
    model.program.put(rows, bought[can], -1.0)


def _keep_floor(
    model: _Model, k: int, span: Ints, held: Ints, bought: Ints, discharging: Ints
) -> None:
    """A car is never discharged below its floor, or below what it came with if that is less.

    The lesser of the two is concave in what it came with; the rows ask for the chord.

    Args:
        model: The model.
        k: The car.
        span: (balances,) span of each balance of its battery.
        held: (balances,) columns of its energies.
        bought: (n,) columns of what it buys at its events.
        discharging: Balances in which it can be discharged.
    """
    journey, program = model.reach.journeys[k], model.program
    low, high = journey.first_kwh.T
    floor = np.minimum(model.future.world.tables.cars["floor_kwh"][k], high)
    spans = np.arange(low.size)
    bends = (low < floor) & (spans > 0) & np.isin(spans, span[discharging])
    slope = np.divide(floor - low, high - low, out=np.zeros_like(low), where=bends)
    balance = np.flatnonzero(bends[span])
    in_span = span[balance]
    slope = slope[in_span]
    trip_kwh = journey.trip_kwh[in_span - 1]
    rows = program.rows(low[in_span] * (1.0 - slope) - slope * trip_kwh)
    program.put(rows, held[balance], 1.0)
    program.put(rows, held[np.searchsorted(span, in_span) - 1], -slope)
    program.put(rows, bought[in_span - 1], -slope)


def _whole_levels(model: _Model, journey: Journey, flow: Ints, ends: Ints) -> None:
    """Each level is on for a whole step or off, except where the battery becomes full in it.

    That happens once in a stay, and the stay then ends with a full battery.

    Args:
        model: The model.
        journey: The car's.
        flow: Its flows.
        ends: (n + 1,) columns of its energy at the end of each span.
    """
    program, flows = model.program, model.reach.flows
    limit_kwh = model.future.world.tables.cars["limit_kwh"][flows.car[flow[0]]]
    columns, most = model.flow_columns[flow], flows.most_kwh[flow]
    on = program.columns(0.0, 0.0, np.ones(flow.size), whole=True)
    only_if_on = program.rows(np.full(flow.size, -np.inf), 0.0)
    program.put(only_if_on, columns, 1.0)
    program.put(only_if_on, on, -most)
    step, of_step = np.unique(flows.step[flow], return_inverse=True)
    program.put(program.rows(np.full(step.size, -np.inf), 1.0)[of_step], on, 1.0)
    low, high = journey.within_kwh.T
    can_fill = (high >= limit_kwh - FULL_KWH).astype(np.float64)
    full = program.columns(0.0, 0.0, can_fill, whole=True)
    ends_full = program.rows(low)
    program.put(ends_full, ends, 1.0)
    program.put(ends_full, full, -np.maximum(0.0, limit_kwh - FULL_KWH - low))
    span = journey.span[flows.step[flow]]
    largest = np.zeros(low.size)
    np.maximum.at(largest, span, most)
    short_only_if_full = program.rows(np.full(low.size, -np.inf), 0.0)
    program.put(short_only_if_full[span], on, most)
    program.put(short_only_if_full[span], columns, -1.0)
    program.put(short_only_if_full, full, -largest)


def _one_way(model: _Model) -> None:
    """A car has one direction and one level at a time: its flows share the time of a step."""
    flows = model.reach.flows
    pair = flows.step * len(model.reach.journeys) + flows.car
    _, of_pair, count = np.unique(pair, return_inverse=True, return_counts=True)
    among = np.flatnonzero(count[of_pair] > 1)
    if among.size:
        _, row = np.unique(of_pair[among], return_inverse=True)
        rows = model.program.rows(np.full(row.max() + 1, -np.inf), 1.0)
        model.program.put(rows[row], model.flow_columns[among], 1.0 / flows.most_kwh[among])


def _limit(model: _Model, wanted: Bools, upper: Floats, uses: Floats) -> None:
    """Rows `sum of uses (F,) times flows <= upper (T,)` for the steps `wanted` (T,)."""
    _put_flows(model, _rows_of_steps(model, wanted, np.full(upper.size, -np.inf), upper), uses)


def _rows_of_steps(model: _Model, wanted: Bools, lower: Floats, upper: Floats) -> Ints:
    """(T,) a row for each step that is `wanted`, -1 for the others."""
    rows = np.full(wanted.size, -1)
    rows[wanted] = model.program.rows(lower[wanted], upper[wanted])
    return rows


def _put_flows(model: _Model, rows: Ints, values: Floats) -> None:
    """Write values (F,) of the flows into the rows (T,) of their steps, where there are any."""
    row = rows[model.reach.flows.step]
    at = (row >= 0) & (values != 0.0)
    model.program.put(row[at], model.flow_columns[at], values[at])


def _managed_load(model: _Model) -> None:
    """What load management and the export limit leave to all cars together."""
    reach, flows, future = model.reach, model.reach.flows, model.future
    step_h, connection = future.world.tables.settings["step_h"][0], reach.connection
    demand = reach.charge_kw @ connection.least_units_per_kw.T
    relief = (reach.discharge_kw * future.charge_h / step_h) @ connection.most_units_per_kw.T
    charges, discharges = flows.sign > 0, flows.sign < 0
    for limit in range(demand.shape[1]):
        headroom = connection.headroom_units[:, limit]
        least = connection.least_units_per_kw[limit, flows.car]
        # Below 0 discharging must make the headroom first: the chord of max(0, headroom + relief).
        most = np.maximum(0.0, headroom + relief[:, limit])
        share = (headroom >= 0.0).astype(np.float64)
        np.divide(most, relief[:, limit], out=share, where=(headroom < 0.0) & (most > 0.0))
        relieves = connection.most_units_per_kw[limit, flows.car] * share[flows.step] / step_h
        uses = np.where(charges, least / flows.hours, -relieves)
        _limit(model, demand[:, limit] > headroom, np.maximum(headroom, 0.0), uses)
        feed = reach.discharge_kw @ connection.least_units_per_kw[limit]
        feed_headroom = np.maximum(connection.feed_headroom_units[:, limit], 0.0)
        uses = np.where(discharges, least / flows.hours, 0.0)
        _limit(model, feed > feed_headroom, feed_headroom, uses)
    feed_kw = np.maximum(connection.feed_kw, 0.0)
    can_exceed = reach.discharge_kw.sum(axis=1) > feed_kw
    _limit(model, can_exceed, feed_kw, np.where(discharges, 1.0 / flows.hours, 0.0))


def _overload(model: _Model) -> None:
    """What the cars draw above the limits, where load management does not prevent it."""
    program, future, connection = model.program, model.future, model.reach.connection
    settings, flows = future.world.tables.settings[0], model.reach.flows
    step_h = settings["step_h"]
    price = settings["overload_weight"] * settings["overload_price_per_kwh"]
    if settings["load_management"] or price == 0.0:
        return
    most_kw = model.reach.charge_kw * future.charge_h / step_h
    most = np.maximum(0.0, connection.excess_units + most_kw @ connection.least_units_per_kw.T)
    has_flow = np.isin(np.arange(future.steps), flows.step)
    # The excesses of the lines add up; that of all lines together stands beside them.
    kinds = np.unique(connection.unit_kw)
    most_kw = np.max(
        [(most * (connection.unit_kw == unit)).sum(axis=1) * unit for unit in kinds], axis=0
    )
    can_add = has_flow & (most_kw > connection.overload_kw)
    added = np.full(future.steps, -1)
    added[can_add] = program.columns(price * step_h, 0.0, most_kw[can_add])
    unbounded = np.full(future.steps, np.inf)
    totals = {
        unit: _rows_of_steps(model, can_add, -connection.overload_kw, unbounded) for unit in kinds
    }
    for total in totals.values():
        program.put(total[can_add], added[can_add], 1.0)
    for limit, unit_kw in enumerate(connection.unit_kw):
        wanted = can_add & (most[:, limit] > 0.0)
        excess = program.columns(0.0, 0.0, most[wanted, limit])
        program.put(totals[unit_kw][wanted], excess, -unit_kw)
        takes = connection.least_units_per_kw[limit, flows.car]
        relieves = connection.most_units_per_kw[limit, flows.car]
        rows = _rows_of_steps(model, wanted, connection.excess_units[:, limit], unbounded)
        program.put(rows[wanted], excess, 1.0)
        _put_flows(model, rows, -np.where(flows.sign > 0, takes, -relieves) / step_h)


def _hinge(model: _Model, wanted: Bools, at: Floats, cost: Floats) -> Ints:
    """Columns (T,) of max(0, x - at), with x as of `Meter`; -1 where none is `wanted`."""
    columns = np.full(wanted.size, -1)
    high = model.meter.high
    columns[wanted] = model.program.columns(cost[wanted], 0.0, (high - at)[wanted])
    rows = _rows_of_steps(model, wanted, -at, np.full(at.size, np.inf))
    model.program.put(rows[wanted], columns[wanted], 1.0)
    _put_flows(model, rows, -model.to_meter)
    return columns


def _energy_bill(model: _Model) -> Ints:
    """Write the energy bill's bends and constants; columns (T,) of the import, where it has one."""
    meter, results = model.meter, model.future.results
    weight = model.future.world.tables.settings["energy_weight"][0]
    steps = np.unique(model.reach.flows.step)
    house_cost = np.asarray(results["house_cost"])[steps]
    model.program.offset += float(weight * (meter.base[steps] - house_cost).sum())
    has_flow = np.isin(np.arange(model.future.steps), steps)
    columns = [
        _hinge(model, has_flow & (weight * bend > 0.0), at, weight * bend)
        for at, bend in zip(meter.at, meter.bend, strict=True)
    ]
    return columns[1]


def _power_charge(model: _Model, calendar: PowerCalendar, imported: Ints) -> None:
    """Write the mean of the N highest peaks of each month: N times the N-th, and what exceeds it.

    Args:
        model: The model.
        calendar: When and how the charge counts.
        imported: (T,) columns of the import, as `_energy_bill` gives them; others are added.
    """
    program, future, meter = model.program, model.future, model.meter
    settings, flows = future.world.tables.settings[0], model.reach.flows
    price = calendar.price[calendar.month]
    counts = ((price > 0.0) & (calendar.factor > 0.0))[calendar.hour]
    can_flow = np.isin(np.arange(future.steps), flows.step) & counts
    bent = can_flow & (meter.zero_at > meter.low) & (meter.zero_at < meter.high)
    without_column = bent & (imported < 0)
    no_cost = np.zeros(future.steps)
    imported[without_column] = _hinge(model, without_column, meter.zero_at, no_cost)[without_column]
    straight = can_flow & (meter.zero_at <= meter.low)
    known_import = np.where(
        straight, -meter.zero_at, np.where(can_flow, 0.0, np.maximum(0.0, -meter.zero_at))
    )
    most_import = np.maximum(0.0, np.where(can_flow, meter.high, 0.0) - meter.zero_at)
    known_kwh = calendar.started_kwh + calendar.factor * np.bincount(calendar.hour, known_import)
    most_kwh = calendar.started_kwh + calendar.factor * np.bincount(calendar.hour, most_import)
    is_open = np.bincount(calendar.hour, can_flow) > 0
    least = np.zeros(calendar.month_of.size)
    least[0] = calendar.peaks_kw[0]
    np.maximum.at(least, calendar.peak_span[~is_open], known_kwh[~is_open])
    largest = max(float(most_kwh.max()), *calendar.peaks_kw)
    lowest = program.columns(
        calendar.price * int(future.world.tables.power.rules["count"][0]), 0.0, largest
    )
    above = program.columns(calendar.price[calendar.month_of], 0.0, np.full(least.size, largest))
    span_rows = program.rows(least)
    program.put(span_rows, above, 1.0)
    program.put(span_rows, lowest[calendar.month_of], 1.0)
    for peak_kw in calendar.peaks_kw[1:]:
        extra, row = program.columns(calendar.price[0], 0.0, largest), program.rows(peak_kw)
        program.put(row, np.array([extra[0], lowest[0]]), 1.0)
    hour = np.flatnonzero(is_open & (most_kwh > least[calendar.peak_span]))
    hour_rows = np.full(calendar.peak_span.size, -1)
    hour_rows[hour] = program.rows(known_kwh[hour])
    program.put(hour_rows[hour], above[calendar.peak_span[hour]], 1.0)
    program.put(hour_rows[hour], lowest[calendar.month[hour]], 1.0)
    row, factor = hour_rows[calendar.hour], calendar.factor[calendar.hour]
    _put_flows(model, np.where(straight, row, -1), -factor[flows.step] * model.to_meter)
    has_row = bent & (row >= 0)
    program.put(row[has_row], imported[has_row], -factor[has_row])
    house_cost = settings["power_weight"] * np.asarray(future.results["house_power_cost"]).sum()
    program.offset -= owed_before(future, calendar) + float(house_cost)


def _plan(model: _Model, bought: list[Ints], values: Floats) -> tuple[Floats, Floats]:
    """The plan's mean powers (T, K) and energies (T + 1, K)."""
    future, flows, losses = model.future, model.reach.flows, model.losses
    steps, step_h = future.steps, future.world.tables.settings["step_h"][0]
    flow_kwh, lost_kwh = values[model.flow_columns], values[losses.column]
    charge_kw, energy_kwh = np.empty((steps, len(bought))), np.empty((steps + 1, len(bought)))
    for k, journey in enumerate(model.reach.journeys):
        flow, loss = flows.car == k, losses.car == k
        meter_kwh = (flows.sign * flow_kwh)[flow]
        charge_kw[:, k] = np.bincount(flows.step[flow], meter_kwh, steps) / step_h
        stored_kwh = np.bincount(flows.step[flow], (flows.per_kwh * flow_kwh)[flow], steps)
        wasted_kwh = np.bincount(losses.step[loss], lost_kwh[loss], steps)
        at_events = values[bought[k]] - journey.trip_kwh
        at_events_kwh = np.bincount(journey.event_step, at_events, steps)
        energy_kwh[0, k] = future.vehicles["energy_kwh"][0, k]
        energy_kwh[1:, k] = energy_kwh[0, k] + np.cumsum(stored_kwh - wasted_kwh + at_events_kwh)
    return charge_kw, energy_kwh
