"""A station unattended or asked at every tick: it is the same, and weeks are caught up at once."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.simulation.simulator import ActionError
from tests.support import station_households
from tests.support.scenario_strategies import examples
from tests.support.station_households import (
    COMMANDS,
    DAY,
    SCENARIOS,
    erratic,
    give_command,
    new_household,
)


@settings(max_examples=examples(40))
@given(
    scenario=st.sampled_from(sorted(SCENARIOS)),
    policy=st.sampled_from((None, "load_based", "price_based", "delayed", "random")),
    days=st.lists(st.tuples(st.sampled_from(COMMANDS), st.integers(0, 150)), max_size=6),
)
def test_unattended_equals_polled(scenario: str, policy: str | None, days: Any) -> None:
    alone, polled = new_household(scenario, policy), new_household(scenario, policy)
    for command, ticks in days:
        give_command(alone, command)
        give_command(polled, command)
        at_once = alone.advance(ticks)
        one_by_one = [polled.advance(1) for _ in range(ticks) if polled.reading()]
        if ticks:
            np.testing.assert_array_equal(at_once, np.concatenate(one_by_one))
            if policy != "random":  # nobody else discharges; commands never do
                assert at_once["car"]["charge_kw"].min() >= 0.0
        assert (alone.state_bytes(), alone.control) == (polled.state_bytes(), polled.control)
        assert alone.reading() == polled.reading()


@pytest.mark.parametrize(
    ("scenario", "policy", "ticks"),
    [
        ("classic", None, 5000),
        ("nightly", "price_based", 4001),
        ("often", "random", 3500),
        ("stockholm", None, 5000),
        ("stockholm", "load_based", 4000),
    ],
)
def test_more_than_a_history_keeps(scenario: str, policy: str | None, ticks: int) -> None:
    """The last 31 days of more, at once and tick by tick."""
    alone, polled = new_household(scenario, policy), new_household(scenario, policy)
    if policy is None:
        alone.charge(True)
        polled.charge(True)
    at_once = alone.advance(ticks)
    one_by_one = np.concatenate([polled.advance(1) for _ in range(ticks)])
    assert (alone.state_bytes(), alone.control) == (polled.state_bytes(), polled.control)
    assert len(at_once) == 31 * DAY
    np.testing.assert_array_equal(at_once, one_by_one[-31 * DAY :])


def test_a_policy_whose_decisions_cannot_be_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked about few ticks beyond the one that it decides: four at a time, in the end."""
    asked = []

    def counted(observation: np.ndarray[Any, Any]) -> float:
        asked.append(observation)
        return erratic(observation)

    monkeypatch.setattr(station_households, "erratic", counted)
    spec = "tests.support.station_households:erratic"
    alone, polled = new_household("stockholm", spec), new_household("stockholm", spec)
    at_once = alone.advance(2000)
    assert 2000 < len(asked) < 4 * 2000, len(asked)
    one_by_one = np.concatenate([polled.advance(1) for _ in range(2000)])
    np.testing.assert_array_equal(at_once, one_by_one)
    assert alone.state_bytes() == polled.state_bytes()
    assert len(np.unique(at_once["car"]["charge_kw"])) > 30


def test_a_policy_that_answers_no_action() -> None:
    """An error where it would be asked, and nothing has changed; before that it counts."""
    household = new_household("classic", "tests.support.station_households:failing")
    household.advance(40)
    before = household.state_bytes(), household.observation.copy()
    message = r"policy 'tests.*:failing' answers nan; allowed: a number from 0 to 1"
    with pytest.raises(ActionError, match=message):
        household.advance(9)
    with pytest.raises(ActionError, match=message):
        household.advance(900)
    assert household.state_bytes() == before[0]
    np.testing.assert_array_equal(household.observation, before[1])
    minutes = household.advance(8)["house"]["now_min"] % 1440
    assert minutes.tolist() == [600 + 15 * i for i in range(8)]
    with pytest.raises(ActionError, match=message):
        household.reading()


@pytest.mark.skipif(INTERPRETED, reason="a tick takes a thousand times as long")
@pytest.mark.parametrize(("seconds_per_hour", "limit_s"), [(4, 4.0), (1, 12.0)])
@pytest.mark.parametrize("policy", [None, "price_based"])
@pytest.mark.parametrize("scenario", ["classic", "stockholm"])
def test_a_week_unattended_is_caught_up_at_once(
    scenario: str, policy: str | None, seconds_per_hour: int, limit_s: float
) -> None:
    """Seven real days, at the default speed and at the highest.

    Two busy cores took 1.5 and 6.5 s at most, idle ones half of it; machines may be slower. A rule
    that counts a power charge takes some 17 and 53 s, on busy cores 27 and 82: 2.4 million
    decisions, each of which weighs 144 prices and eleven powers.
    """
    if (scenario, policy) == ("stockholm", "price_based"):
        limit_s *= 10.0
    household = new_household(scenario, policy)
    (first,) = household.advance(1)
    ticks = 7 * 24 * 3600 * 4 // seconds_per_hour
    began = time.process_time()
    records = household.advance(ticks)
    assert time.process_time() - began < limit_s
    assert records["house"]["now_min"][-1] == first["house"]["now_min"] + 15 * ticks
