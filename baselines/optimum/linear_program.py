"""A builder of linear and mixed-integer programmes for HiGHS, and a bound that needs no trust.

A programme is written column by column and row by row, or in blocks of arrays, as suits its author:

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

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import highspy
import numpy as np
from numpy.typing import ArrayLike

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

# Presolving takes longer than it spares the dual simplex method: of a plan of some dozen rows, and
# of a bound of some ten thousand.
SIMPLEX = OPTIONS | {"presolve": "off", "solver": "simplex"}


def run_highs(model: Any, options: dict[str, Any]) -> Any:
    """A new HiGHS that has solved a `HighsLp`, or stopped at a limit; it starts cold."""
    solver = highspy.Highs()  # type: ignore[no-untyped-call]  # its stubs leave it out
    for name, setting in options.items():
        solver.setOptionValue(name, setting)
    solver.passModel(model)
    solver.run()
    return solver


class Solution(NamedTuple):
    """A cheapest plan, and what its rows are worth.

    Attributes:
        values: Of the columns.
        row_prices: What the cost would grow by with one unit more in a row's bounds.
    """

    values: list[float]
    row_prices: list[float]


class BoundedSolution(NamedTuple):
    """What a solver found.

    Attributes:
        values: (columns,) the plan.
        bound: No plan is cheaper: of whole columns as HiGHS proved it, else the safe bound. Where
            the limit of nodes left no plan of whole columns, `values` are not whole.
    """

    values: Floats
    bound: float


class _Matrix(NamedTuple):
    """The matrix's entries, column by column."""

    row: Ints
    column: Ints
    value: Floats


class Program:
    """A programme as it is written down; see the module's docstring.

    Attributes:
        offset: Added to the cost of every plan.
        cost: Of one unit of each column so far.
    """

    def __init__(self) -> None:
        self.offset = 0.0
        self.cost: list[float] = []
        self._lower: list[float] = []
        self._upper: list[float] = []
        self._whole: list[int] = []  # numbers of the columns whose values are whole
        self._row_lower: list[float] = []
        self._row_upper: list[float] = []
        self._row_starts: list[int] = []  # the place of a row's first entry, if written by row
        self._by_row = True  # whether all rows and entries were added by `row`
        self._entry_rows: list[int] = []
        self._entry_columns: list[int] = []
        self._entry_values: list[float] = []

    def column(self, cost: float, lower: float = 0.0, upper: float = math.inf) -> int:
        """Add a column with values from `lower` to `upper`; its number."""
        self.cost.append(cost)
        self._lower.append(lower)
        self._upper.append(upper)
        return len(self.cost) - 1

    def row(self, lower: float, entries: Sequence[tuple[int, float]], upper: float) -> int:
        """Add `lower <= sum of value * column <= upper` of entries (column, value); its number."""
        number = len(self._row_lower)
        self._row_lower.append(lower)
        self._row_upper.append(upper)
        self._row_starts.append(len(self._entry_columns))
        self._entry_rows += [number] * len(entries)
        self._entry_columns += [column for column, _ in entries]
        self._entry_values += [value for _, value in entries]
        return number

    def columns(
        self, cost: ArrayLike, lower: ArrayLike, upper: ArrayLike, whole: bool = False
    ) -> Ints:
        """Add columns, as many as the longest argument has entries; their numbers.

        Args:
            cost: Of one unit of each.
            lower: Least value, and
            upper: largest value; both finite where a bound is wanted.
            whole: Whether the values are whole numbers.
        """
        costs, low, high = np.broadcast_arrays(*(np.atleast_1d(v) for v in (cost, lower, upper)))
        numbers = np.arange(len(self.cost), len(self.cost) + costs.size)
        self.cost += costs.tolist()
        self._lower += low.tolist()
        self._upper += high.tolist()
        self._whole += numbers.tolist() if whole else []
        return numbers

    def rows(self, lower: ArrayLike, upper: ArrayLike = np.inf) -> Ints:
        """Add rows `lower <= ... <= upper`, as many as the longest argument has; their numbers."""
        low, high = np.broadcast_arrays(*(np.atleast_1d(v) for v in (lower, upper)))
        self._by_row = False
        numbers = np.arange(len(self._row_lower), len(self._row_lower) + low.size)
        self._row_lower += low.tolist()
        self._row_upper += high.tolist()
        return numbers

    def put(self, rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> None:
        """Write entries of the matrix; each place at most once."""
        self._by_row = False
        row, column, value = np.broadcast_arrays(rows, columns, values)
        self._entry_rows += row.ravel().tolist()
        self._entry_columns += column.ravel().tolist()
        self._entry_values += value.ravel().tolist()

    def split(self, columns: Ints, at: Floats) -> Ints:
        """Move what these columns hold above `at` to new ones, which count as they do everywhere.

        Returns:
            Their numbers. Rows written later know only what they name of both.
        """
        lower, upper = np.array(self._lower)[columns], np.array(self._upper)[columns]
        cost = np.array(self.cost)[columns]
        parts = self.columns(cost, np.maximum(lower - at, 0.0), np.maximum(upper - at, 0.0))
        for column, low, high in zip(
            columns.tolist(), np.minimum(lower, at), np.minimum(upper, at), strict=True
        ):
            self._lower[column], self._upper[column] = float(low), float(high)
        part = np.full(len(self.cost), -1)
        part[columns] = parts
        of_entry = part[np.array(self._entry_columns, np.int64)]
        some = np.flatnonzero(of_entry >= 0)
        rows, values = np.array(self._entry_rows, np.int64), np.array(self._entry_values)
        self.put(rows[some], of_entry[some], values[some])
        return parts

    def solve(self) -> Solution:
        """Solve a small programme without whole columns.

        Raises:
            RuntimeError: if HiGHS finds no plan, or does not end.
        """
        # What was written row by row need not be sorted, which takes a tenth of a plan of `mpc`.
        solver = run_highs(self._model(None if self._by_row else self._matrix()), SIMPLEX)
        status = solver.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise RuntimeError(f"HiGHS found no plan: {solver.modelStatusToString(status)}")
        solution = solver.getSolution()
        return Solution(list(solution.col_value), list(solution.row_dual))

    def solve_with_bound(self) -> BoundedSolution:
        """Solve it, with a bound that needs no trust in the solver; all columns are finite.

        Raises:
            RuntimeError: if HiGHS finds no plan; it finds one wherever there is one.
        """
        matrix = self._matrix()
        model = self._model(matrix)
        solver = run_highs(model, OPTIONS if self._whole else SIMPLEX)
        solution, proven = solver.getSolution(), -np.inf
        if self._whole:
            proven = float(solver.getInfo().mip_dual_bound)
            if solution.value_valid:
                return BoundedSolution(np.array(solution.col_value), proven)
            model.integrality_ = []  # no plan before the limit of nodes: one in parts instead
            solver.passModel(model)
            solver.run()
            solution = solver.getSolution()
        status = solver.getModelStatus()
        if status == highspy.HighsModelStatus.kInfeasible or not solution.value_valid:
            raise RuntimeError(f"HiGHS found no plan: {solver.modelStatusToString(status)}")
        safe = self._safe_bound(matrix, np.array(solution.row_dual))
        return BoundedSolution(np.array(solution.col_value), max(safe, proven))

    def row_values(self, values: Floats) -> Floats:
        """(rows,) what each row's entries sum up to with these values of the columns."""
        row, column = np.array(self._entry_rows, np.int64), np.array(self._entry_columns, np.int64)
        terms = np.array(self._entry_values) * values[column]
        return np.asarray(np.bincount(row, terms, len(self._row_lower)))

    def _matrix(self) -> _Matrix:
        column = np.array(self._entry_columns, np.int64)
        order = np.argsort(column, kind="stable")
        row, value = np.array(self._entry_rows, np.int64), np.array(self._entry_values)
        return _Matrix(row[order], column[order], value[order])

    def _model(self, matrix: _Matrix | None) -> Any:
        """The programme as HiGHS takes it: lists, which it copies faster than arrays.

        Args:
            matrix: The entries column by column; None: row by row, as they were written.
        """
        columns = len(self.cost)
        model = highspy.HighsLp()
        model.num_col_, model.num_row_, model.offset_ = columns, len(self._row_lower), self.offset
        model.col_cost_ = self.cost
        model.col_lower_, model.col_upper_ = self._lower, self._upper
        model.row_lower_, model.row_upper_ = self._row_lower, self._row_upper
        if matrix is None:
            model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
            model.a_matrix_.start_ = [*self._row_starts, len(self._entry_columns)]
            model.a_matrix_.index_ = self._entry_columns
            model.a_matrix_.value_ = self._entry_values
        else:
            start = np.searchsorted(matrix.column, np.arange(columns + 1))
            model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
            model.a_matrix_.start_ = start.tolist()
            model.a_matrix_.index_ = matrix.row.tolist()
            model.a_matrix_.value_ = matrix.value.tolist()
        if self._whole:
            kinds = [highspy.HighsVarType.kContinuous] * columns
            for number in self._whole:
                kinds[number] = highspy.HighsVarType.kInteger
            model.integrality_ = kinds
        return model

    def _safe_bound(self, matrix: _Matrix, price: Floats) -> float:
        """L(y) of the module's docstring, for prices y of the rows."""
        cost, lower, upper = map(np.array, (self.cost, self._lower, self._upper))
        low, high = np.array(self._row_lower), np.array(self._row_upper)
        price[((price > 0) & np.isinf(low)) | ((price < 0) & np.isinf(high))] = 0.0
        of_rows = np.bincount(matrix.column, price[matrix.row] * matrix.value, cost.size)
        reduced = cost - of_rows
        sides = np.where(price > 0.0, low, np.where(price < 0.0, high, 0.0))
        best = np.minimum(reduced * lower, reduced * upper)
        return float(self.offset + (price * sides).sum() + best.sum())
