"""A running account in the lower bound's programme, where it is not sure on which side of 0 it is.

Why no row cuts an episode off, and no column counts more than is paid, stands in
`baselines.optimum.relaxation`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baselines.optimum.accounts import Account, groups_of
from baselines.optimum.model import Model, hinge, put_flows, rows_of_steps
from ev_gym.runtime.arrays import Bools, Floats, Ints

NO_COLUMN = -1


class _Held(NamedTuple):
    """What the account holds after some steps, (T,) each, NO_COLUMN after others.

    Attributes:
        column: Columns of what it holds.
        above: Columns of what of that is above 0.
    """

    column: Ints
    above: Ints


def write_account(model: Model) -> None:
    """Write what the account adds to the bill: spreads times what max(0, b) grows by."""
    account, weight = model.meter.account, _weight(model)
    if account is None or weight == 0.0:
        return
    groups = groups_of(account)
    if not groups:
        return
    last = np.array([group[-1] for group in groups])
    first = np.array([group[0] for group in groups])
    begins = account.first[first]
    held = _write_held(model, account, np.union1d(last, first[~begins] - 1))
    cost, spread = np.array(model.program.cost), weight * account.spread[first]
    np.add.at(cost, held.above[last], spread)
    np.add.at(cost, held.above[first[~begins] - 1], -spread[~begins])
    model.program.cost[:] = cost.tolist()
    begins_kwh = np.where(begins, account.begins_kwh[account.period[first]], 0.0)
    model.program.offset -= float((spread * np.maximum(0.0, begins_kwh)).sum())
    _write_growth(model, account, groups, begins, held)


def _weight(model: Model) -> float:
    return float(model.future.world.tables.settings["energy_weight"][0])


def _write_held(model: Model, account: Account, steps: Ints) -> _Held:
    """Write what the account holds after some steps, rising, and what of it is above 0."""
    program, held = model.program, np.full((2, account.period.size), NO_COLUMN)
    low, high = account.low_kwh[steps], account.high_kwh[steps]
    column = program.columns(0.0, low, high)
    above = program.columns(0.0, np.maximum(0.0, low), np.maximum(0.0, high))
    held[0, steps], held[1, steps] = column, above
    # max(0, b) is at least b, and at most the chord between the ends of its range.
    slope = np.divide(
        high, high - low, out=(low >= 0.0).astype(float), where=(low < 0) & (high > 0)
    )
    rows = program.rows(np.zeros(steps.size))
    program.put(rows, above, 1.0)
    program.put(rows, column, -1.0)
    rows = program.rows(slope * np.minimum(0.0, low))
    program.put(rows, above, -1.0)
    program.put(rows, column, slope)
    _write_additions(model, account, steps, column)
    return _Held(held[0], held[1])


def _write_additions(model: Model, account: Account, steps: Ints, column: Ints) -> None:
    """What it holds after a step is what it held after the one before, and what is added between.

    Args:
        model: The model.
        account: The account.
        steps: (n,) after which it has a column, rising.
        column: (n,) these columns.
    """
    meter, program = model.meter, model.program
    place = np.searchsorted(steps, np.arange(account.period.size))  # of the next such step
    inside = place < steps.size
    inside[inside] &= account.period[inside] == account.period[steps[place[inside]]]
    low, high = np.where(model.can_flow, [meter.low, meter.high], 0.0)
    bent = inside & model.can_flow & (account.at + account.least_kwh > low)
    bent &= account.at + account.least_kwh < high
    straight = inside & model.can_flow & ~bent & (high - account.at > account.least_kwh)
    known_kwh = np.where(
        straight, -account.at, np.where(bent, account.least_kwh, account.added_kwh(0.0 * low))
    )
    known = np.bincount(place[inside], known_kwh[inside], steps.size)
    follows = np.diff(account.period[steps], prepend=-1) == 0
    known += np.where(follows, 0.0, account.begins_kwh[account.period[steps]])
    rows = program.rows(known, known)
    program.put(rows, column, 1.0)
    program.put(rows[follows], column[np.flatnonzero(follows) - 1], -1.0)
    of_step = np.where(straight, rows[np.minimum(place, steps.size - 1)], -1)
    put_flows(model, of_step, -model.to_meter)
    added = _write_bent(model, bent, account.at + account.least_kwh, low, high)
    program.put(rows[place[bent]], added[bent], -1.0)


def _write_bent(model: Model, bent: Bools, at: Floats, low: Floats, high: Floats) -> Ints:
    """(T,) columns of max(0, x - at) in steps that are `bent`, no higher than the chord."""
    columns = hinge(model, bent, at, np.zeros(at.size))
    slope = np.divide(high - at, high - low, out=np.zeros_like(at), where=bent)
    rows = rows_of_steps(model, bent, slope * low, np.full(at.size, np.inf))
    model.program.put(rows[bent], columns[bent], -1.0)
    put_flows(model, rows, slope[model.reach.flows.step] * model.to_meter)
    return columns


def _write_growth(
    model: Model, account: Account, groups: list[Ints], begins: Bools, held: _Held
) -> None:
    """What is above 0 grows by no more than what is added, nor falls by more than is taken.

    By max(0, b + n) - max(0, b), which lies between min(0, n) and max(0, n): between their chords
    over the range of n.
    """
    low_x, high_x = np.where(model.can_flow, [model.meter.low, model.meter.high], 0.0)
    least, most = np.cumsum([np.append(0.0, account.added_kwh(x)) for x in (low_x, high_x)], axis=1)
    for group, starts in zip(groups, begins.tolist(), strict=True):
        before, after = group[0] - 1, group[-1]
        begins_kwh = float(account.begins_kwh[account.period[after]]) if starts else 0.0
        low = least[after + 1] - least[before + 1]
        high = most[after + 1] - most[before + 1]
        low = max(
            low, account.low_kwh[after] - (begins_kwh if starts else account.high_kwh[before])
        )
        high = min(
            high, account.high_kwh[after] - (begins_kwh if starts else account.low_kwh[before])
        )
        falls, rises = _chords(float(low), float(high))
        for (slope, at_0), sign in ((falls, 1.0), (rises, -1.0)):
            # sign * (what is above 0 after, less that before, less the chord of n) is at least 0.
            entries = [(held.above[after], sign), (held.column[after], -sign * slope)]
            if not starts:
                entries += [(held.above[before], -sign), (held.column[before], sign * slope)]
            known = sign * (at_0 + max(0.0, begins_kwh) - slope * begins_kwh)
            columns, values = zip(*entries, strict=True)
            row = model.program.rows(known)
            model.program.put(row, np.array(columns), np.array(values))


def _chords(low: float, high: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Slope and value at 0 of the chords of min(0, n) and of max(0, n) for n between two."""
    if low >= 0.0:
        return (0.0, 0.0), (1.0, 0.0)
    if high <= 0.0:
        return (1.0, 0.0), (0.0, 0.0)
    share = high / (high - low)
    return (1.0 - share, low * share), (share, -low * share)
