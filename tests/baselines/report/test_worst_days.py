"""Worst days: which one it is, and that the words on it are its numbers."""

from __future__ import annotations

import pandas as pd
import pytest

from baselines.report.worst_days import WorstDay, account, day_steps, why, worst_days, yardstick
from ev_gym.simulation.state_fields import REWARD_TERMS
from tests.support.report_pages import hours


def test_worst_day_is_the_largest_difference() -> None:
    """Not the dearest day: that costs the optimum as much. Of equal ones the first."""
    rows = [
        ("a", 0, 0, 0, 30.0), ("best", 0, 0, 0, 29.0),
        ("a", 0, 1, 0, 8.0), ("best", 0, 1, 0, 3.0),
        ("a", 1, 0, 1, 9.0), ("best", 1, 0, 1, 4.0),
        ("b", 0, 0, 0, 1.0), ("b", 0, 1, 0, 2.0), ("b", 1, 0, 1, 4.5),
    ]  # fmt: skip
    days = pd.DataFrame(rows, columns=["policy", "seed", "household", "day", "cost"])
    days["date"] = "2023-01-0" + (1 + days["day"]).astype(str)
    days["first_h"], days["hours"] = 24 * days["day"], 24
    assert worst_days(days, "best") == [
        WorstDay("a", "best", 0, 1, "2023-01-01", 0, 24, 8.0, 3.0),
        WorstDay("b", "best", 1, 0, "2023-01-02", 24, 24, 4.5, 4.0),
    ]
    assert set(worst_days(days[::-1], "best")) == set(worst_days(days, "best"))


def test_yardstick_is_the_optimum_or_the_cheapest() -> None:
    assert yardstick(["mpc", "optimal", "random"]) == "optimal"
    assert yardstick(["mpc", "optimal(sweeps=2)"]) == "optimal(sweeps=2)"
    assert yardstick(["mpc", "optimally"]) == "mpc"


def test_words_of_a_day_are_its_numbers() -> None:
    """Two hours by hand: 4 kWh at 2 and power charge, against the same at 1 and nothing missing."""
    steps = day_steps(hours("uncontrolled", 0), 24, 24)
    assert len(steps) == 24
    own = account(steps)
    assert own.money == pytest.approx(
        {"energy": 4 * (1.6 + 1.7 + 1.8), "power": 20.0, "wear": 0.0, "missing": 7.5,
         "public": 0.0, "overload": 0.0}
    )  # fmt: skip
    assert own.charged_kwh == pytest.approx(12.0)
    assert own.top_hour_kw == pytest.approx(4.5)
    assert own.stored_kwh == pytest.approx(40 * 0.5)
    assert own.cost == pytest.approx(-sum(steps[f"{term}_term"].sum() for term in REWARD_TERMS))
    money = {**own.money, "energy": 4 * (1.0 + 1.1), "power": 0.0, "missing": 8.0}
    other = own._replace(money=money, charged_kwh=8.0, top_hour_kw=2.0, stored_kwh=16.0)
    worst = WorstDay("uncontrolled", "optimal", 0, 0, "2023-03-25", 24, 24, own.cost, other.cost)
    assert why(worst, own, other, "SEK") == (
        "It paid 47.90 SEK, optimal 16.40: 31.50 more. "
        "Dearer: power charge by 20.00 (20.00, highest hour 4.5 kW; optimal: 0.00, highest hour "
        "2.0 kW), energy from the grid by 12.00 (12.0 kWh charged at 1.70 SEK/kWh; optimal: 8.0 "
        "kWh charged at 1.05 SEK/kWh). "
        "Cheaper: energy missing at departure by 0.50 (1.5 kWh; optimal: 1.5 kWh). "
        "It ended the day with 4.0 kWh more in the battery, which the day's bill does not value."
    )
    idle = own._replace(charged_kwh=0.0, money={**money, "energy": 0.0})
    assert "less, as on no day it paid more. " in why(worst, other, own, "SEK")
    assert "optimal: nothing charged" in why(worst, own, idle, "SEK")
    back = own._replace(returned_kwh=2.0, money={**money, "energy": 0.0})
    assert "optimal: 12.0 kWh charged, 2.0 kWh fed back" in why(worst, own, back, "SEK")
