"""A builder of linear and mixed-integer programmes for HiGHS, and a bound that needs no trust.

    minimise  c x + offset   subject to  b_low <= A x <= b_high,  x_low <= x <= x_high

Whatever numbers y a solver gives for the prices of the rows, weak duality makes

    L(y) = offset + sum_i (y_i b_low,i if y_i > 0 else y_i b_high,i)
                  + sum_j min(d_j x_low,j, d_j x_high,j),          d = c - A' y

a lower bound on the optimum, up to the rounding of its own sum: no feasibility tolerance and no
stop at a limit of iterations can make it wrong, only weak. (Neumaier and Shcherbina 2004, Math.
Program. 99:283-296, doi:10.1007/s10107-003-0433-3, call such a bound safe; the paper was not opened
here, the inequality is two lines.) It needs columns whose bounds are finite.

HiGHS (Huangfu and Hall 2018, doi:10.1007/s12532-017-0130-5) runs on one thread with limits of
iterations and nodes, never of time, so that the same programme gives the same numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import highspy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ev_gym.runtime.arrays import Floats, Ints

OPTIONS: dict[str, Any] = {
    "output_flag": False,
    "threads": 1,
    "random_seed": 0,
    "simplex_iteration_limit": 5_000_000,
    "mip_max_nodes": 2_000,
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 0.0,
}


def run_highs(model: Any, options: dict[str, Any]) -> Any:
    """A new HiGHS that has solved a `HighsLp`, or stopped at a limit; it starts cold."""
    solver = highspy.Highs()  # type: ignore[no-untyped-call]  # its stubs leave it out
    for name, setting in options.items():
        solver.setOptionValue(name, setting)
    solver.passModel(model)
    solver.run()
    return solver


class Solution(NamedTuple):
    """What a solver found.

    Attributes:
        values: (columns,) the plan.
        bound: No plan is cheaper: of whole columns as HiGHS proved it, else the safe bound. Where
            the limit of nodes left no plan of whole columns, `values` are not whole.
    """

    values: Floats
    bound: float


class Program:
    """A programme that is written block by block, in arrays; see the module's docstring."""

    def __init__(self) -> None:
        self.offset = 0.0
        self._columns: list[tuple[Floats, Floats, Floats, NDArray[np.bool_]]] = []
        self._rows: list[tuple[Floats, Floats]] = []
        self._entries: list[tuple[Ints, Ints, Floats]] = []
        self._column_count = 0
        self._row_count = 0

    def columns(
        self, cost: ArrayLike, lower: ArrayLike, upper: ArrayLike, whole: bool = False
    ) -> Ints:
        """Add columns, as many as the longest argument has entries; their numbers.

        Args:
            cost: Of one unit of each.
            lower: Least value, and
            upper: largest value, both finite.
            whole: Whether the values are whole numbers.
        """
        costs, low, high = np.broadcast_arrays(*(np.atleast_1d(v) for v in (cost, lower, upper)))
        self._columns.append((costs, low, high, np.full(costs.size, whole)))
        self._column_count += costs.size
        return np.arange(self._column_count - costs.size, self._column_count)

    def rows(self, lower: ArrayLike, upper: ArrayLike = np.inf) -> Ints:
        """Add rows `lower <= ... <= upper`, as many as the longest argument has; their numbers."""
        low, high = np.broadcast_arrays(*(np.atleast_1d(v) for v in (lower, upper)))
        self._rows.append((low, high))
        self._row_count += low.size
        return np.arange(self._row_count - low.size, self._row_count)

    def put(self, rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> None:
        """Write entries of the matrix; each place at most once."""
        row, column, value = np.broadcast_arrays(rows, columns, values)
        self._entries.append((row.ravel(), column.ravel(), np.asarray(value.ravel(), np.float64)))

    def solve(self) -> Solution:
        """Solve it.

        Raises:
            RuntimeError: if HiGHS finds no plan, which a programme with one does not bring about.
        """
        cost, lower, upper, whole = (
            np.concatenate(part) for part in zip(*self._columns, strict=True)
        )
        low, high = (np.concatenate(part) for part in zip(*self._rows, strict=True))
        row, column, value = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        order = np.argsort(column, kind="stable")
        row, column, value = row[order], column[order], value[order]
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_, lp.offset_ = cost.size, low.size, self.offset
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
        lp.row_lower_, lp.row_upper_ = low, high
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = np.searchsorted(column, np.arange(cost.size + 1))
        lp.a_matrix_.index_, lp.a_matrix_.value_ = row, value
        if whole.any():
            kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
            lp.integrality_ = [kinds[int(own)] for own in whole]
        solver = run_highs(lp, OPTIONS)
        found, proven = solver.getSolution(), -np.inf
        if whole.any():
            proven = float(solver.getInfo().mip_dual_bound)
            if found.value_valid:
                return Solution(np.array(found.col_value), proven)
            lp.integrality_ = []  # no plan before the limit of nodes: one in parts instead
            solver.passModel(lp)
            solver.run()
            found = solver.getSolution()
        if not found.value_valid:
            status = solver.modelStatusToString(solver.getModelStatus())
            raise RuntimeError(f"HiGHS found no plan: {status}")
        price = np.array(found.row_dual)
        price[((price > 0) & np.isinf(low)) | ((price < 0) & np.isinf(high))] = 0.0
        reduced = cost - np.bincount(column, price[row] * value, cost.size)
        sides = np.where(price > 0.0, low, np.where(price < 0.0, high, 0.0))
        best = np.minimum(reduced * lower, reduced * upper)
        safe = float(self.offset + (price * sides).sum() + best.sum())
        return Solution(np.array(found.col_value), max(safe, proven))
