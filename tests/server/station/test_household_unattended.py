"""A station unattended or asked at every tick: it is the same, and weeks are caught up at once."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_gym.runtime.compiling import INTERPRETED
from server.station.household import Life
from tests.support.scenario_strategies import examples
from tests.support.station_households import COMMANDS, DAY, SCENARIOS, commanded, new_life


@settings(max_examples=examples(40))
@given(
    scenario=st.sampled_from(sorted(SCENARIOS)),
    policy=st.sampled_from((None, "load_based", "price_based", "delayed", "random")),
    days=st.lists(st.tuples(st.sampled_from(COMMANDS), st.integers(0, 150)), max_size=6),
)
def test_unattended_equals_polled(scenario: str, policy: str | None, days: Any) -> None:
    alone, polled = new_life(scenario, policy), new_life(scenario, policy)
    for command, ticks in days:
        commanded(alone, command)
        commanded(polled, command)
        at_once = alone.live(ticks)
        one_by_one = [polled.live(1) for _ in range(ticks) if polled.shown()]
        if ticks:
            np.testing.assert_array_equal(at_once, np.concatenate(one_by_one))
            if policy != "random":  # nobody else discharges; commands never do
                assert at_once["car"]["charge_kw"].min() >= 0.0
        assert (alone.saved(), alone.will) == (polled.saved(), polled.will)
        assert alone.shown() == polled.shown()


@pytest.mark.parametrize(
    ("scenario", "policy", "ticks"),
    [
        ("classic", None, 9000),
        ("classic", "load_based", 6001),
        ("slow", None, 9000),
        ("often", "random", 31 * DAY + 4 * 7 * DAY),
        ("nightly", None, 7111),
        ("stockholm", None, 5000),
        ("stockholm", "load_based", 4000),
    ],
)
def test_skipped_rounds_are_as_if_lived(scenario: str, policy: str | None, ticks: int) -> None:
    """Weeks beyond the history's 31 days: one stretch, or tick by tick."""
    alone, polled = new_life(scenario, policy), new_life(scenario, policy)
    if policy is None:
        alone.charge(True)
        polled.charge(True)
    at_once = alone.live(ticks)
    one_by_one = np.concatenate([polled.live(1) for _ in range(ticks)])
    assert (alone.saved(), alone.will) == (polled.saved(), polled.will)
    assert len(at_once) == 31 * DAY
    np.testing.assert_array_equal(at_once, one_by_one[-31 * DAY :])


@pytest.mark.parametrize("quarters", [(68, 69, 88), (95,), ()])
def test_skipped_rounds_with_switches_of_phases(
    monkeypatch: pytest.MonkeyPatch, quarters: tuple[int, ...]
) -> None:
    """Charging with 3.3 kW in some quarters of the day, from the second week on.

    A switch at 23:45 is kept to beyond the end of the round.
    """

    def action(life: Life) -> np.ndarray[Any, Any]:
        house = life._simulator.households[0]
        slow = house["place_min"] % 1440 // 15 in quarters and house["now_min"] > 10 * 1440
        return np.full(1, 0.45 if slow else 1.0, np.float32)

    alone, polled = new_life("switching"), new_life("switching")
    monkeypatch.setattr(Life, "_action", action)
    lived: list[int] = []
    run = alone._run
    monkeypatch.setattr(
        alone, "_run", lambda count, *into: lived.append(count) or run(count, *into)
    )
    ticks = (31 + 6 * 7) * DAY  # so that the history begins with the first tick after the skipped
    at_once = alone.live(ticks)
    assert sum(lived) < 31 * DAY + 3 * 7 * DAY
    one_by_one = np.concatenate([polled.live(1) for _ in range(ticks)])
    assert alone.saved() == polled.saved()
    np.testing.assert_array_equal(at_once, one_by_one[-31 * DAY :])
    assert set(at_once["car"]["phases"]) == ({0.0, 1.0, 3.0} if quarters else {0.0, 3.0})


@pytest.mark.parametrize("policy", [None, "price_based"])
def test_a_year_unattended_is_caught_up_at_once_on_classic(policy: str | None) -> None:
    life = new_life("classic", policy)
    life.live(1)
    began = time.perf_counter()
    life.live(365 * 86400)  # a tick a second
    assert time.perf_counter() - began < (60.0 if INTERPRETED else 5.0)
    assert life.shown().minute_of_day == 15 * ((365 * 86400 + 1) % DAY)
