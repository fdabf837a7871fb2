"""The builder of programmes, its safe bound, and the convex bills that are written into it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from baselines.optimum import linear_program
from baselines.optimum.linear_program import Program
from baselines.optimum.metering import convex_slopes
from baselines.optimum.relaxation import lower_bound
from tests.support.foreseen_households import CAR, DIP, LOSSY, future_of, scenario


def test_largest_convex_function_below_three_pieces() -> None:
    lengths = np.array([[1.0, 1.0, 0.0, 2.0, 0.0], [1.0, 1.0, 3.0, 1.0, 0.0], [1.0] * 5])
    slopes = np.array(
        [[0.0, 3.0, 9.0, 1.0, 7.0], [1.0, 2.0, 2.0, 4.0, 5.0], [2.0, 1.0, 1.0, 2.0, 3.0]]
    )
    expected = [[0.0, 1.0, 2.0], [2.0, 2.0, 2.0], [1.75] * 3, [1.0, 3.0, 3.0], [3.0, 3.0, 3.0]]
    found = convex_slopes(lengths, slopes).T
    assert found == pytest.approx(np.array(expected))


@pytest.mark.parametrize(
    ("whole", "cost", "values"), [(False, -25.0 / 3.0, [5.0 / 3.0, 0.0]), (True, -8.0, [0.0, 2.0])]
)
def test_a_programme_is_solved(whole: bool, cost: float, values: list[float]) -> None:
    """Minimise -5 x - 4 y with 6 x + 5 y <= 10 and x, y from 0 to 2."""
    program = Program()
    columns = program.columns([-5.0, -4.0], 0.0, 2.0, whole=whole)
    program.put(program.rows(-np.inf, 10.0), columns, [6.0, 5.0])
    solution = program.solve_with_bound()
    assert solution.bound == pytest.approx(cost)
    assert solution.values == pytest.approx(values)


def test_the_bound_holds_where_the_solver_gave_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an iteration there is no optimum; what is proven is weak, but below it."""
    future = future_of(scenario(vehicles=(LOSSY, CAR)), DIP)
    best = lower_bound(future).cost
    few = {"simplex_iteration_limit": 3}
    monkeypatch.setattr(linear_program, "SIMPLEX", linear_program.SIMPLEX | few)
    assert lower_bound(future).cost < best - 1e-3


def test_a_programme_written_row_by_row_has_prices_of_its_rows() -> None:
    """The same one without upper bounds: 2 of y, and each unit of the row is worth 0.8."""
    program = Program()
    x, y = program.column(-4.0), program.column(-4.0)
    program.cost[x] += 1.0
    row = program.row(-np.inf, [(x, 6.0), (y, 5.0)], 10.0)
    free = program.row(-np.inf, [(x, 1.0)], 9.0)
    values, row_prices = program.solve()
    assert values == pytest.approx([0.0, 2.0])
    assert (row_prices[row], row_prices[free]) == pytest.approx((-0.8, 0.0))


def test_rows_and_blocks_go_together() -> None:
    """Entries of a block, written before those of an earlier row, are put in their places."""
    program = Program()
    x = program.column(1.0, upper=9.0)
    first = program.row(1.0, [(x, 1.0)], 9.0)
    more = program.columns([2.0, 3.0], 0.0, 9.0)
    program.put(program.rows([4.0, 5.0]), more, [2.0, 1.0])
    program.put(first, more, 1.0)
    assert program.solve().values == pytest.approx([0.0, 2.0, 5.0])
    assert program.solve_with_bound().bound == pytest.approx(19.0)


@pytest.mark.parametrize("solve", [Program.solve, Program.solve_with_bound])
def test_a_programme_without_a_plan_is_an_error(solve: Any) -> None:
    program = Program()
    program.put(program.rows(3.0), program.columns(1.0, 0.0, 2.0), 1.0)
    with pytest.raises(RuntimeError, match="HiGHS found no plan: Infeasible"):
        solve(program)
