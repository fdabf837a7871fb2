"""The wear of `wear_bound` as columns and rows of the relaxation, and as money.

A loss is concave in its progress. So its chord over a range of the progress lies below it, and is
what the programme counts; an episode whose progress is beyond the range costs what the end of the
range costs, besides the programme's value without wear. The range is chosen so that the latter is
not the less of both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baselines.optimum.linear_program import BoundedSolution, Program
from baselines.optimum.reach import Flows, Journey
from baselines.optimum.wear_bound import Lines, Wear
from ev_gym.runtime.arrays import Floats, Ints

# How far the ranges reach, in what the plan without wear adds to the least wear, and at the least.
RANGE, LEAST_RANGE = 2.0, 1e-3


class Battery(NamedTuple):
    """A car's battery as the programme has it.

    Attributes:
        span: (balances,) span of each balance,
        first_step: (balances,) and the step with which it begins.
        held: (balances,) columns of the energy at its end.
        bought: (n,) columns of what is bought at the events.
        start_kwh: Energy before the first step.
        soc_per_kwh: SoC of a kWh.
        flow: (F',) numbers of its flows,
        flow_columns: (F',) and their columns.
        loss_step: (W,) steps of its losses,
        loss_columns: (W,) and their columns.
    """

    span: Ints
    first_step: Ints
    held: Ints
    bought: Ints
    start_kwh: float
    soc_per_kwh: float
    flow: Ints
    flow_columns: Ints
    loss_step: Ints
    loss_columns: Ints


class Defined(NamedTuple):
    """Columns that rows of flows define: no column is on the wrong side of its `known` + flows.

    Attributes:
        columns: (n,) the columns,
        rows: (n,) their rows,
        known: (n,) and what is no flow.
    """

    columns: Ints
    rows: Ints
    known: Floats

    def at(self, values: Floats, row_values: Floats) -> Floats:
        """(n,) what the flows of a plan define."""
        return np.asarray(values[self.columns] - row_values[self.rows] + self.known)


class Rushes(NamedTuple):
    """Flows that can be faster than the least rate, n of them.

    Attributes:
        columns: (n,) their columns,
        step: (n,) and steps.
        soc_per_kwh: (n,) SoC that a kWh of them stores.
        cell_of_step: (T,) cell of each step, or -1.
    """

    columns: Ints
    step: Ints
    soc_per_kwh: Floats
    cell_of_step: Ints

    def stored(self, values: Floats) -> Floats:
        """(T,) SoC that they store in a plan."""
        soc = self.soc_per_kwh * values[self.columns]
        return np.asarray(np.bincount(self.step, soc, self.cell_of_step.size), np.float64)


class WearColumns(NamedTuple):
    """Columns of one car's wear.

    Attributes:
        wear: What they stand for.
        soc: Of the days, no less than the least mean SoC.
        soc_above: Of the days, no more than the largest.
        charge: Of the cells, no less than the net rise of SoC.
        rushes: Its flows that can be faster than the least rate.
        calendar: (D,) progress of the calendar loss.
        by_charge: (C,) progress of the cycle loss by a cell's charge,
        by_trips: (D,) and by trips.
    """

    wear: Wear
    soc: Defined
    soc_above: Defined
    charge: Defined
    rushes: Rushes
    calendar: Ints
    by_charge: Ints
    by_trips: Ints

    def progress(self, values: Floats, row_values: Floats) -> tuple[float, float]:
        """Least progress of the calendar and the cycle loss with the flows of a plan."""
        wear = self.wear
        soc, above = (part.at(values, row_values) for part in (self.soc, self.soc_above))
        calendar = np.maximum(wear.calendar_least, wear.calendar_lines.largest(soc, above))
        charge = np.maximum(0.0, self.charge.at(values, row_values))
        by_charge = np.maximum(0.0, wear.charge_lines.largest(charge))
        by_trips = wear.trip_least.copy()
        np.maximum.at(by_trips, wear.cell_day, wear.trip_lines.largest(charge))
        faster = wear.faster(self.rushes.stored(values), self.rushes.cell_of_step)
        by_rate = wear.by_rate(charge, faster)
        return float(calendar.sum()), float(by_charge.sum() + by_trips.sum() + by_rate.sum())


class _Cells(NamedTuple):
    """The cells of a car, and what of a day's mean SoC a rise in one of their steps makes.

    Attributes:
        of_step: (T,) cell of each step; -1 of steps of no whole day.
        first_step: (C,) the step with which each begins.
        weight: (C,) of the energy before that step.
        later: (T,) weight of the later steps of the same cell.
    """

    of_step: Ints
    first_step: Ints
    weight: Floats
    later: Floats


def _cells(wear: Wear, journey: Journey) -> _Cells:
    days, cells = wear.calendar_least.size, wear.cell_day.size
    counted = np.flatnonzero(wear.day < days)
    key = journey.span[counted] * (days + 1) + wear.day[counted]
    cell = np.searchsorted(wear.cell_span * (days + 1) + wear.cell_day, key)
    weight = wear.soc_weight[counted]
    total = np.asarray(np.bincount(cell, weight, cells), np.float64)
    until = np.cumsum(weight)
    first = np.searchsorted(cell, np.arange(cells))
    of_step, later = np.full(wear.day.size, -1), np.zeros(wear.day.size)
    of_step[counted] = cell
    later[counted] = total[cell] - (until - (until - weight)[first][cell])
    return _Cells(of_step, counted[first], total, np.maximum(later, 0.0))


def _above(program: Program, columns: Ints, lines: Lines, x: Ints, falling_x: Ints) -> None:
    """Rows: each of these columns (n,) is above its lines in the column x (n,).

    Lines that fall are those of another column, and level ones are in the columns' bounds.
    """
    for at_0, slope in zip(lines.at_0.T, lines.slope.T, strict=True):
        some = np.flatnonzero(slope != 0.0)
        rows = program.rows(at_0[some])
        program.put(rows, columns[some], 1.0)
        program.put(rows, np.where(slope > 0.0, x, falling_x)[some], -slope[some])


def _mean_soc(
    program: Program,
    wear: Wear,
    cells: _Cells,
    journey: Journey,
    flows: Flows,
    battery: Battery,
    above: bool,
) -> Defined:
    """Columns of the days' mean SoC: at least what flows within a step can make of it, or at most.

    What flows in a step counts in half of it if it comes evenly, which is the least of a charge
    (the most of what is taken), and in all of it if it comes at once.
    """
    columns = program.columns(0.0, *wear.soc_range.T)
    known = wear.soc_before.copy()
    # How many balances of its span end before each cell, and where the span's balances begin.
    spans, steps = journey.leaves.size + 1, wear.day.size
    key = battery.span * (steps + 1) + battery.first_step
    begins = np.searchsorted(battery.span, np.arange(spans))[wear.cell_span]
    ended = np.searchsorted(key, wear.cell_span * (steps + 1) + cells.first_step) - begins
    share = cells.weight * battery.soc_per_kwh
    at_start, inside = (ended == 0) & (wear.cell_span == 0), ended > 0
    after = (ended == 0) & (wear.cell_span > 0)
    np.add.at(known, wear.cell_day[at_start], share[at_start] * battery.start_kwh)
    event = wear.cell_span[after] - 1
    np.add.at(known, wear.cell_day[after], -share[after] * journey.trip_kwh[event])
    rows = program.rows(-np.inf, known) if above else program.rows(known)
    program.put(rows, columns, 1.0)
    places = [wear.cell_day[inside], wear.cell_day[after], wear.cell_day[after]]
    entries = [battery.held[(begins + ended - 1)[inside]]]
    entries += [battery.held[begins[after] - 1], battery.bought[event]]
    values = [-share[inside], -share[after], -share[after]]
    charges = flows.sign[battery.flow] > 0
    for step, column, per_kwh, own in (
        (
            flows.step[battery.flow],
            battery.flow_columns,
            flows.per_kwh[battery.flow],
            np.where(charges != above, 0.5, 1.0),
        ),
        (
            battery.loss_step,
            battery.loss_columns,
            np.full(battery.loss_step.size, -1.0),
            np.full(battery.loss_step.size, 0.5 if above else 1.0),
        ),
    ):
        some = np.flatnonzero(cells.of_step[step] >= 0)
        weight = cells.later[step[some]] + own[some] * wear.soc_weight[step[some]]
        places.append(wear.day[step[some]])
        entries.append(column[some])
        values.append(-battery.soc_per_kwh * per_kwh[some] * weight)
    _put_sums(
        program, rows[np.concatenate(places)], np.concatenate(entries), np.concatenate(values)
    )
    return Defined(columns, rows, known)


def _charge(program: Program, wear: Wear, cells: _Cells, flows: Flows, battery: Battery) -> Defined:
    """Columns of the net rise of SoC in the cells."""
    columns = program.columns(0.0, 0.0, wear.most_charge)
    known = np.zeros(wear.cell_day.size)
    rows = program.rows(known)
    program.put(rows, columns, 1.0)
    flow_cell = cells.of_step[flows.step[battery.flow]]
    some = np.flatnonzero(flow_cell >= 0)
    rise = battery.soc_per_kwh * flows.per_kwh[battery.flow[some]]
    program.put(rows[flow_cell[some]], battery.flow_columns[some], -rise)
    loss_cell = cells.of_step[battery.loss_step]
    some = np.flatnonzero(loss_cell >= 0)
    program.put(rows[loss_cell[some]], battery.loss_columns[some], battery.soc_per_kwh)
    return Defined(columns, rows, known)


def _rushes(wear: Wear, cells: _Cells, flows: Flows, battery: Battery) -> Rushes:
    """A car's flows that can be faster than its least rate; none where losing energy can pay."""
    step, per_kwh = flows.step[battery.flow], flows.per_kwh[battery.flow]
    counts = (wear.faster_slope[step] > 0.0) & (cells.of_step[step] >= 0) & (per_kwh > 0.0)
    some = np.flatnonzero(counts & ~np.isin(step, battery.loss_step))
    soc_per_kwh = battery.soc_per_kwh * per_kwh[some]
    return Rushes(battery.flow_columns[some], step[some], soc_per_kwh, cells.of_step)


def _write_rushes(program: Program, car: WearColumns) -> tuple[Ints, Ints]:
    """Write what a car wears off by charging faster than at its least rate.

    Returns:
        (n,) columns of the progress; and those of what `rushes` has beyond the SoC from which haste
        counts, which its own columns no longer hold.
    """
    wear, rushes = car.wear, car.rushes
    cell, of_flow = np.unique(rushes.cell_of_step[rushes.step], return_inverse=True)
    beyond = program.split(rushes.columns, wear.faster_from[rushes.step] / rushes.soc_per_kwh)
    sums = program.columns(0.0, 0.0, wear.most_faster[cell])
    rows = program.rows(np.zeros(cell.size))
    program.put(rows, sums, 1.0)
    program.put(rows[of_flow], beyond, -wear.faster_slope[rushes.step] * rushes.soc_per_kwh)
    most = wear.by_rate(wear.most_charge, wear.most_faster)[cell]
    by_rate = program.columns(0.0, 0.0, most)
    lines, by_charge = wear.faster_lines, wear.faster_by_charge
    for line in range(lines.slope.shape[1]):
        rows = program.rows(lines.at_0[cell, line])
        program.put(rows, by_rate, 1.0)
        program.put(rows, sums, -lines.slope[cell, line])
        program.put(rows, car.charge.columns[cell], -by_charge[cell, line])
    return by_rate, beyond


def write_wear(
    program: Program, wear: Wear, journey: Journey, flows: Flows, battery: Battery
) -> WearColumns:
    """Write what a car wears off; nothing of it costs anything yet.

    Args:
        program: The programme.
        wear: What the car wears off at least.
        journey: The car's.
        flows: All cars'.
        battery: The car's battery.
    """
    cells = _cells(wear, journey)
    parts = (journey, flows, battery)
    soc = soc_above = _mean_soc(program, wear, cells, *parts, above=False)
    if (wear.calendar_lines.slope < 0.0).any():
        soc_above = _mean_soc(program, wear, cells, *parts, above=True)
    charge = _charge(program, wear, cells, flows, battery)
    lines = wear.calendar_lines
    most = np.maximum(lines.largest(wear.soc_range[:, 1], wear.soc_range[:, 0]), 0.0)
    calendar = program.columns(0.0, wear.calendar_least, np.maximum(wear.calendar_least, most))
    _above(program, calendar, lines, soc.columns, soc_above.columns)
    most = np.maximum(0.0, wear.charge_lines.largest(wear.most_charge))
    by_charge = program.columns(0.0, 0.0, most)
    _above(program, by_charge, wear.charge_lines, charge.columns, charge.columns)
    most = wear.trip_least.copy()
    np.maximum.at(most, wear.cell_day, wear.trip_lines.largest(wear.most_charge))
    by_trips = program.columns(0.0, wear.trip_least, most)
    of_cells = by_trips[wear.cell_day]
    _above(program, of_cells, wear.trip_lines, charge.columns, charge.columns)
    rushes = _rushes(wear, cells, flows, battery)
    return WearColumns(wear, soc, soc_above, charge, rushes, calendar, by_charge, by_trips)


def _put_sums(program: Program, row: Ints, column: Ints, value: Floats) -> None:
    """Write entries of which several may have the same place: their sum."""
    key, of_entry = np.unique(row * len(program.cost) + column, return_inverse=True)
    total = np.bincount(of_entry, value, key.size)
    rows, columns = np.divmod(key, len(program.cost))
    program.put(rows, columns, total)


def solve_with_wear(program: Program, cars: list[WearColumns]) -> BoundedSolution:
    """Solve the programme with the wear of these cars; its bound holds for every episode."""
    plain = program.solve_with_bound()
    if not cars:
        return plain
    # What the plan without wear costs at most in the programme with it, beyond the least wear.
    row_values, more = program.row_values(plain.values), LEAST_RANGE
    for car in cars:
        done = car.progress(plain.values, row_values)
        for loss, progress in zip((car.wear.calendar, car.wear.cycle), done, strict=True):
            lost = loss.lost(max(progress, loss.least)) - loss.lost(loss.least)
            more += RANGE * car.wear.price * lost
    least = sum(car.wear.least_cost for car in cars)
    bounds, splits = [], []
    for car in cars:
        wear, others = car.wear, least - car.wear.least_cost
        by_rate, rest = _write_rushes(program, car)
        splits.append((car.rushes.columns, rest))
        parts = (
            (wear.calendar, car.calendar),
            (wear.cycle, np.concatenate([car.by_charge, car.by_trips, by_rate])),
        )
        for loss, columns in parts:
            low = loss.lost(loss.least)
            slope = more / (loss.progress(low + more / wear.price) - loss.least)
            program.offset += wear.price * low - slope * loss.least
            for column in columns.tolist():
                program.cost[column] = slope
        # Episodes with a loss beyond its range, or with a battery that wears out.
        beyond = min(wear.most_cost, wear.least_cost + more)
        bounds.append(plain.bound + others + beyond)
    solution = program.solve_with_bound()
    for columns, rest in splits:
        solution.values[columns] += solution.values[rest]
    return BoundedSolution(solution.values, min(solution.bound, *bounds))
