"""What several parts of the lower bound's programme are written with: its columns, and rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baselines.foresight import Future
from baselines.optimum.linear_program import Program
from baselines.optimum.metering import Meter
from baselines.optimum.reach import Reach
from ev_gym.runtime.arrays import Bools, Floats, Ints


class Losses(NamedTuple):
    """Columns of what is lost beyond the least, each of one step and car."""

    step: Ints
    car: Ints
    column: Ints


class Model(NamedTuple):
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
    losses: Losses

    @property
    def to_meter(self) -> Floats:
        """(F,) what a kWh of each flow adds to the x of the meter's bill."""
        sign = self.reach.flows.sign
        return np.asarray(sign if self.meter.netted else np.maximum(sign, 0), np.float64)

    @property
    def can_flow(self) -> Bools:
        """(T,) whether anything can flow in each step."""
        return np.isin(np.arange(self.future.steps), self.reach.flows.step)


def rows_of_steps(model: Model, wanted: Bools, lower: Floats, upper: Floats) -> Ints:
    """(T,) a row for each step that is `wanted`, -1 for the others."""
    rows = np.full(wanted.size, -1)
    rows[wanted] = model.program.rows(lower[wanted], upper[wanted])
    return rows


def put_flows(model: Model, rows: Ints, values: Floats) -> None:
    """Write values (F,) of the flows into the rows (T,) of their steps, where there are any."""
    row = rows[model.reach.flows.step]
    at = (row >= 0) & (values != 0.0)
    model.program.put(row[at], model.flow_columns[at], values[at])


def hinge(model: Model, wanted: Bools, at: Floats, cost: Floats) -> Ints:
    """Columns (T,) of max(0, x - at), with x as of `Meter`; -1 where none is `wanted`."""
    columns = np.full(wanted.size, -1)
    high = model.meter.high
    columns[wanted] = model.program.columns(cost[wanted], 0.0, (high - at)[wanted])
    rows = rows_of_steps(model, wanted, -at, np.full(at.size, np.inf))
    model.program.put(rows[wanted], columns[wanted], 1.0)
    put_flows(model, rows, -model.to_meter)
    return columns
