"""What a run's history adds up to: the parts of its bill."""

from __future__ import annotations

import math

import pytest

from baselines.one_run.money import money_parts
from baselines.one_run.run import run_episode
from ev_gym.scenario import Scenario


def test_the_parts_of_a_bill_are_money_whatever_the_weights() -> None:
    """Over a month: the power charge less that of the house alone, the wear at its price."""
    weights = {"power": 0.0, "wear": 2.0}
    parts = []
    for changes in ({}, {"reward_weights": weights}):
        scenario = Scenario.from_dict({"days": 31, **changes})
        history = run_episode(scenario, "uncontrolled", 0, None).history
        parts.append(money_parts(history, scenario))
    assert parts[0] == parts[1]
    assert history["house_power_cost"].sum() > 50.0
    added = math.fsum(history["power_cost"]) - math.fsum(history["house_power_cost"])
    assert parts[0]["power charge"] == pytest.approx(added)
    assert parts[0]["battery wear"] == pytest.approx(-0.5 * history["wear_term"].sum())
    assert set(parts[0]) == {"from the grid", "power charge", "battery wear"}
    classic = Scenario.from_dict({"preset": "classic"})
    outcome = run_episode(classic, "uncontrolled", 0, None)
    assert list(money_parts(outcome.history, classic)) == ["from the grid"]
