"""The programme's builder, its safe bound, and the convex bills that it is given."""

from __future__ import annotations

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
    few = {"simplex_iteration_limit": 3, "presolve": "off"}
    monkeypatch.setattr(linear_program, "OPTIONS", linear_program.OPTIONS | few)
    assert lower_bound(future).cost < best - 1e-3


def test_a_programme_without_a_plan_is_an_error() -> None:
    program = Program()
    program.put(program.rows(3.0), program.columns(1.0, 0.0, 2.0), 1.0)
    with pytest.raises(RuntimeError, match="HiGHS found no plan: Infeasible"):
        program.solve_with_bound()
