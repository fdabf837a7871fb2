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
    both, each of which every episode satisfies; a contracted power is a limit in all that changes
    with the step, and the lower one counts. Where the house alone leaves no headroom and cars
    that discharge make it, max(0, headroom + d) is convex: the chord lies above it.
Dimming. *Exact* for the sum of all cars: what they draw is at most the step's limit, whoever
    manages the load; no car that discharges makes it more.
Export limit. It is 0 in the steps in which an exported kWh earns less than the price below which
    sun is cut off. *Exact:* all d <= the headroom below it; where the sun alone exceeds it, d = 0
    and sun is cut off until the cars use it.
Meter. The bill of a step, with VAT in its prices, is piecewise straight in c - d (netted), or in c
    and in d: *exact* where it is convex, that is, where importing costs more than exporting earns,
    and that not below 0; else its largest convex minorant. Less the house's own bill, a constant.
Accounts (`accounts`, `account_rows`). A balance netted for an hour, a month or a year, or a month's
    import less the limit of support, is a number b, to which a step adds n: n = max(f, x - at) with
    x what flows to the cars, f the least net (all that may be exported) or import (0). It costs
    what it would for b below 0, and its spread s (import less export price, or the support that is
    lost) times what B = max(0, b) grows by: netted_cost and beyond_kwh, written in max(0, b). What
    the house alone adds is known; cars add no more than they can draw, nor than their batteries
    hold more and trips take, and no less than they can feed back, likewise. That gives a range of b
    after each step. Where it is on one side of 0 before a step and after it, the spread counts for
    all of n or for none: such a step is one with other prices, *exact* as above. The others form
    groups of one spread: of a group s (B after - B before) is counted. B lies between max(0, b) and
    its chord over the range, and its growth between the chords of min(0, n) and of max(0, n) over
    the range of n. So where all spreads of a period that are not sure are one, 0 or more, as with
    netting within an hour or fixed prices, it is *exact*: what was counted of B within the period
    cancels, and max(0, b) at its end is convex. Else the chords are *relaxed*. Where n is bent, it
    lies between the bend and its chord: *exact*, but for a group that wants it larger. Drawing less
    (see Losses) costs no more where b is sure, its price being one or the other; where only
    imports count and spreads are not below 0, since b then crosses 0 once; and in a lone group from
    the period's begin on, whose price is one or the other at its end. Elsewhere losing energy may
    pay, and w is allowed.
Power charge (`peak_calendar`, `peak_rows`). Each rule by itself; charges add up. The steps of a
    period, month or year, add up to the charge of its N highest peaks less that of those with which
    it began: in the first period those of the record, in later ones N at the floor. In a line that
    is the price times the growth of the sum S: *exact*, as N theta + sum max(0, peak - theta), the
    least of which over theta is the sum of the N highest; in later periods theta is at least the
    floor, which stands for N peaks of that height. A peak is at least each interval of its span, an
    interval the sum over its steps of factor times import (and what was counted before the first
    step), and the import of a netted step the larger of 0 and the net. Where prices change within a
    period, S so far only grows: with q the least price so far, the charge is at least the sum of q
    times the growth of S, which is q at the end times S, and of each fall of q its size times S
    before it. *Exact* where prices do not rise within the period. Steps: the charge grows by the
    rise at each limit that the mean passes; of several prices within a period by the least rise at
    the limits they have in common, at least. Between the least and the largest mean that the period
    can have, the convex hull of that lies below it, and as it rises, it is convex in the flows like
    the mean: *exact* where the mean is sure to stay on one step, else *relaxed* by the distance to
    the hull (`Bound.steps_gap`). Less the house's own charge, a constant.
Overload. With load management the cars add none. Without: at least the sum of the lines' excess
    and, where there is a limit in all (a contract is one), at least the excess above that, as the
    larger of both is billed; less the house's own. *Exact* but for two things: sun is counted in
    full where some is cut off, and phases that switch are counted with what they add least and
    relieve most.
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
from baselines.optimum.account_rows import write_account
from baselines.optimum.ageing_rows import Battery, WearColumns, solve_with_wear, write_wear
from baselines.optimum.linear_program import Program
from baselines.optimum.metering import Meter, meter_of
from baselines.optimum.model import Losses, Model, hinge, put_flows, rows_of_steps
from baselines.optimum.peak_calendar import (
    free_kw,
    gap_of,
    import_kwh,
    owed_before,
    peak_calendars_of,
)
from baselines.optimum.peak_rows import write_peaks
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
        cap_kw: (R, T) for each peak rule, counted power (factor times import, as a mean of the
            interval) up to which the interval of each step adds nothing to the plan's charge; inf
            where that costs nothing, (0, T) where no power charge counts.
        steps_gap: Money: what the steps of power charges cost beyond their convex hulls at the
            plan's peaks. So much of the distance between a bill and the bound can be due to them.
    """

    cost: float
    charge_kw: Floats
    energy_kwh: Floats
    cap_kw: Floats
    steps_gap: float


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
    write_account(model)
    calendars = peak_calendars_of(future)
    hulls = [write_peaks(model, calendar, imported) for calendar in calendars]
    if calendars:
        weight = future.world.tables.settings["power_weight"][0]
        house_cost = weight * np.asarray(future.results["house_power_cost"]).sum()
        program.offset -= sum(map(owed_before, calendars)) + float(house_cost)
    solution = solve_with_wear(program, worn)
    charge_kw, energy_kwh = _plan(model, bought, solution.values)
    imports = import_kwh(future, meter, charge_kw)
    cap_kw = np.array([free_kw(calendar, imports) for calendar in calendars])
    gaps = [gap_of(*pair, imports) for pair in zip(calendars, hulls, strict=True)]
    cost = solution.bound
    if whole_levels:
        cost += sum(wear.least_cost for wear in wears if wear is not None)
        cost = max(cost, lower_bound(future).cost)
    return Bound(cost, charge_kw, energy_kwh, cap_kw.reshape(-1, future.steps), sum(gaps))


def _flow_cost(future: Future, meter: Meter, reach: Reach) -> Floats:
    """(F,) energy bill of a kWh at the meter, as far as the bill is straight."""
    flows, weight = reach.flows, future.world.tables.settings["energy_weight"][0]
    import_price = meter.slope[flows.step]
    export_price = import_price if meter.netted else meter.feed_price[flows.step]
    return np.asarray(weight * np.where(flows.sign > 0, import_price, -export_price))


def _write_cars(
    program: Program, future: Future, reach: Reach, meter: Meter, wears: Sequence[Wear | None]
) -> tuple[Model, list[Ints], list[WearColumns]]:
    """Write batteries, charger, connection; the model, and columns: what each car buys, wear.

    What each row relaxes, and why that only lowers the bill, stands in the module's docstring.
    """
    flow_columns = program.columns(_flow_cost(future, meter, reach), 0.0, reach.flows.most_kwh)
    ages = np.array([wear is not None for wear in wears])
    losses = _losses(program, future, reach, meter, flow_columns, ages)
    model = Model(program, future, reach, meter, flow_columns, losses)
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
) -> Losses:
    """Losses beyond those of the largest power, wherever losing energy could ever pay.

    Of a car that discharges and ages (K,) everywhere: holding less wears less off.
    """
    flows, cars = reach.flows, future.world.tables.cars
    is_paid = meter.pays
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
    return Losses(step, car, column)


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


def _battery(model: Model, k: int, wear: Wear | None) -> Battery:
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


def _stops(model: Model, k: int, bought: Ints) -> None:
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
    model: Model, k: int, span: Ints, held: Ints, bought: Ints, discharging: Ints
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


def _whole_levels(model: Model, journey: Journey, flow: Ints, ends: Ints) -> None:
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


def _one_way(model: Model) -> None:
    """A car has one direction and one level at a time: its flows share the time of a step."""
    flows = model.reach.flows
    pair = flows.step * len(model.reach.journeys) + flows.car
    _, of_pair, count = np.unique(pair, return_inverse=True, return_counts=True)
    among = np.flatnonzero(count[of_pair] > 1)
    if among.size:
        _, row = np.unique(of_pair[among], return_inverse=True)
        rows = model.program.rows(np.full(row.max() + 1, -np.inf), 1.0)
        model.program.put(rows[row], model.flow_columns[among], 1.0 / flows.most_kwh[among])


def _limit(model: Model, wanted: Bools, upper: Floats, uses: Floats) -> None:
    """Rows `sum of uses (F,) times flows <= upper (T,)` for the steps `wanted` (T,)."""
    put_flows(model, rows_of_steps(model, wanted, np.full(upper.size, -np.inf), upper), uses)


def _managed_load(model: Model) -> None:
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


def _overload(model: Model) -> None:
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
        unit: rows_of_steps(model, can_add, -connection.overload_kw, unbounded) for unit in kinds
    }
    for total in totals.values():
        program.put(total[can_add], added[can_add], 1.0)
    for limit, unit_kw in enumerate(connection.unit_kw):
        wanted = can_add & (most[:, limit] > 0.0)
        excess = program.columns(0.0, 0.0, most[wanted, limit])
        program.put(totals[unit_kw][wanted], excess, -unit_kw)
        takes = connection.least_units_per_kw[limit, flows.car]
        relieves = connection.most_units_per_kw[limit, flows.car]
        rows = rows_of_steps(model, wanted, connection.excess_units[:, limit], unbounded)
        program.put(rows[wanted], excess, 1.0)
        put_flows(model, rows, -np.where(flows.sign > 0, takes, -relieves) / step_h)


def _energy_bill(model: Model) -> Ints:
    """Write the energy bill's bends and constants; columns (T,) of the import, where it has one."""
    meter, results = model.meter, model.future.results
    weight = model.future.world.tables.settings["energy_weight"][0]
    steps = np.unique(model.reach.flows.step)
    if meter.account is not None:  # what flowed before can change the bill of any step
        steps = np.arange(model.future.steps)
    house_cost = np.asarray(results["house_cost"])[steps]
    model.program.offset += float(weight * (meter.base[steps] - house_cost).sum())
    columns = [
        hinge(model, model.can_flow & (weight * bend > 0.0), at, weight * bend)
        for at, bend in zip(meter.at, meter.bend, strict=True)
    ]
    return columns[1]


def _plan(model: Model, bought: list[Ints], values: Floats) -> tuple[Floats, Floats]:
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
