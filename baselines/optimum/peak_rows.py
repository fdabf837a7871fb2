"""The power charge in the lower bound's programme: N-th peaks, what exceeds them, and hulls.

Why no row cuts an episode off, and no column counts more than is paid, stands in
`baselines.optimum.relaxation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from baselines.optimum.model import Model, hinge, put_flows
from baselines.optimum.peak_calendar import Hinges, PeakCalendar, Stage, hull_of
from ev_gym.runtime.arrays import Bools, Floats, Ints

RANGE_KW = 1e-6  # by so much the range of a mean is widened, for rounding


class _Sums(NamedTuple):
    """Columns of sums of N peaks.

    Attributes:
        lowest: (P,) the N-th highest peak of each period,
        above: (S,) what each span's peak exceeds it by,
        extra: (n,) and what other peaks with which the first period begins do.
        largest_kw: What no peak exceeds.
    """

    lowest: Ints
    above: Ints
    extra: Ints
    largest_kw: float


class _Imports(NamedTuple):
    """What each step (T,) imports, where cars can change it in a way that counts.

    Attributes:
        can_flow: Whether they can.
        bent: Whether it is 0 for some of what can flow, and not for all: it has a column then.
        straight: Whether it is what flows, less `zero_at`.
        known_kwh: What of it depends on no flow.
    """

    can_flow: Bools
    bent: Bools
    straight: Bools
    known_kwh: Floats

    def counted(self, counts: Bools) -> Floats:
        """The known part where steps count at all."""
        return np.where(counts, self.known_kwh, 0.0)


def _imports(model: Model, matters: Bools) -> _Imports:
    meter = model.meter
    can_flow = model.can_flow & matters
    straight = can_flow & (meter.zero_at <= meter.low)
    known = np.where(
        straight, -meter.zero_at, np.where(can_flow, 0.0, np.maximum(0.0, -meter.zero_at))
    )
    bent = can_flow & (meter.zero_at > meter.low) & (meter.zero_at < meter.high)
    return _Imports(can_flow, bent, straight, known)


def write_peaks(model: Model, calendar: PeakCalendar, imported: Ints) -> list[Hinges]:
    """Write the mean of the N highest peaks of each period: N times the N-th, and what exceeds it.

    Args:
        model: The model.
        calendar: When and how the rule counts.
        imported: (T,) columns of the import, as `_energy_bill` gives them; others are added.

    Returns:
        Of a charge in steps its hull in each period.
    """
    if calendar.rises is None:
        for stage in calendar.stages:
            _write_sums(model, calendar, stage, stage.price > 0.0, imported)
        return []
    hulls = _hulls(model, calendar)
    (stage,) = calendar.stages
    bends = np.array([bool((hull.bend > 0.0).any()) for hull in hulls])
    _write_hulls(model, calendar, hulls, _write_sums(model, calendar, stage, bends, imported))
    return hulls


def _hulls(model: Model, calendar: PeakCalendar) -> list[Hinges]:
    """(P,) hulls between the least and the largest mean that each period can have."""
    meter, can_flow = model.meter, model.can_flow
    low, high = (np.where(can_flow, x, 0.0) - meter.zero_at for x in (meter.low, meter.high))
    least_kw = calendar.counted_kw(np.maximum(0.0, low))
    most_kw = calendar.counted_kw(np.maximum(0.0, high))
    hulls = []
    for period, rises in enumerate(calendar.rises or ()):
        low_kw, high_kw = (calendar.peaks_of(kw, period).mean() for kw in (least_kw, most_kw))
        hulls.append(hull_of(rises, float(low_kw) - RANGE_KW, float(high_kw) + RANGE_KW))
    return hulls


def _write_sums(
    model: Model, calendar: PeakCalendar, stage: Stage, charged: Bools, imported: Ints
) -> _Sums:
    """Write the sums of the peaks that a stage's steps bring together, at its prices.

    Args:
        model: The model.
        calendar: Of the rule.
        stage: Prices (P,) of the sums, and the steps.
        charged: (P,) whether the period's sum matters.
        imported: As in `write_peaks`.
    """
    program, future, meter = model.program, model.future, model.meter
    flows = model.reach.flows
    counts = charged[calendar.period][calendar.interval] & (calendar.factor > 0.0) & stage.counts
    imports = _imports(model, counts)
    without_column = imports.bent & (imported < 0)
    no_cost = np.zeros(future.steps)
    imported[without_column] = hinge(model, without_column, meter.zero_at, no_cost)[without_column]
    most_import = np.maximum(0.0, np.where(imports.can_flow, meter.high, 0.0) - meter.zero_at)
    known_kw = calendar.counted_kw(imports.counted(stage.counts))
    most_kw = calendar.counted_kw(np.where(stage.counts, most_import, 0.0))
    is_open = np.bincount(calendar.interval, imports.can_flow) > 0
    least = np.zeros(calendar.period_of.size)
    least[0] = calendar.peaks_kw[0]
    np.maximum.at(least, calendar.peak_span[~is_open], known_kw[~is_open])
    largest = max(float(most_kw.max()), calendar.floor_kw, *calendar.peaks_kw)
    floor_kw = np.full(charged.size, calendar.floor_kw)
    floor_kw[0] = 0.0  # the peaks with which the first period begins are known
    lowest = program.columns(stage.price * calendar.many, floor_kw, largest)
    above = program.columns(stage.price[calendar.period_of], 0.0, np.full(least.size, largest))
    span_rows = program.rows(least)
    program.put(span_rows, above, 1.0)
    program.put(span_rows, lowest[calendar.period_of], 1.0)
    extra = []
    for peak_kw in calendar.peaks_kw[1:]:
        column, row = program.columns(stage.price[0], 0.0, largest), program.rows(peak_kw)
        program.put(row, np.array([column[0], lowest[0]]), 1.0)
        extra.append(column[0])
    interval = np.flatnonzero(is_open & (most_kw > least[calendar.peak_span]))
    interval_rows = np.full(calendar.peak_span.size, -1)
    interval_rows[interval] = program.rows(known_kw[interval])
    program.put(interval_rows[interval], above[calendar.peak_span[interval]], 1.0)
    program.put(interval_rows[interval], lowest[calendar.period[interval]], 1.0)
    row, factor = interval_rows[calendar.interval], calendar.factor * calendar.per_h
    put_flows(model, np.where(imports.straight, row, -1), -factor[flows.step] * model.to_meter)
    has_row = imports.bent & (row >= 0)
    program.put(row[has_row], imported[has_row], -factor[has_row])
    return _Sums(lowest, above, np.array(extra, np.int64), largest)


def _write_hulls(
    model: Model, calendar: PeakCalendar, hulls: Sequence[Hinges], sums: _Sums
) -> None:
    """Write the hulls (P,) of the means whose sums `_write_sums` gives, less what was owed."""
    program = model.program
    for period, (rises, hull) in enumerate(zip(calendar.rises or (), hulls, strict=True)):
        owed = rises.up_to(calendar.begins_kw(period) / calendar.many)
        program.offset += hull.base - owed
        bends = hull.bend > 0.0
        if not bends.any():
            continue
        at_kw, bend = hull.at_kw[bends], hull.bend[bends]
        columns = program.columns(bend, 0.0, sums.largest_kw)
        rows = program.rows(-at_kw)
        program.put(rows, columns, 1.0)
        program.put(rows, sums.lowest[period], -1.0)
        spans = sums.above[calendar.period_of == period]
        summed = np.append(spans, sums.extra) if period == 0 else spans
        each = np.repeat(rows, summed.size)
        program.put(each, np.tile(summed, rows.size), -1.0 / calendar.many)
