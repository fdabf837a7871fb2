"""What a reset may fix: start, SoC, house and seed; and what it refuses without a change."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.scenario import ScenarioError
from ev_gym.simulation.observation import observation_slices
from ev_gym.simulation.reset_options import ResetError
from tests.support.one_day import STOCKHOLM_DAY, THREE_CARS_DAY
from tests.support.rollouts import live, same
from tests.support.small_series import minute_of

STOCKHOLM = ZoneInfo("Europe/Stockholm")
NOON = "2025-06-01T12:00"


def env_of(scenario: Any = STOCKHOLM_DAY) -> EVChargingEnv:
    env = EVChargingEnv(scenario)
    env.reset(seed=13)
    return env


@pytest.mark.parametrize(
    ("start", "local"),
    [
        ("2025-06-01", NOON),
        (date(2025, 6, 1), NOON),
        ("2025-06-01T12:00", NOON),
        ("2025-06-01 07:45", "2025-06-01T07:45"),
        ("2025-06-01T07:45:00+02:00", "2025-06-01T07:45"),
        ("2025-06-01T05:45:00+00:00", "2025-06-01T07:45"),
        (datetime(2025, 6, 1, 7, 45), "2025-06-01T07:45"),
        (datetime(2025, 6, 1, 5, 45, tzinfo=timezone.utc), "2025-06-01T07:45"),
        (datetime(2025, 6, 1, 7, 45, tzinfo=STOCKHOLM), "2025-06-01T07:45"),
        (pd.Timestamp("2025-06-01 07:45"), "2025-06-01T07:45"),
        (pd.Timestamp("2025-06-01 05:45", tz="UTC"), "2025-06-01T07:45"),
        ("2024-12-30T00:00", "2024-12-30T00:00"),  # the first minute of the series
        ("2026-01-04T23:45", "2026-01-04T23:45"),  # and the last step
        ("2025-03-30", "2025-03-30T12:00"),  # noon on days of 23 and of 25 hours
        ("2025-10-26", "2025-10-26T12:00"),
        ("2025-10-26T02:00", "2025-10-26T02:00"),  # of the two, the first, on summer time
    ],
    ids=repr,
)
def test_start(start: Any, local: str) -> None:
    """A date means the scenario's start hour, a time without a zone is local."""
    env = env_of()
    _, info = env.reset(options={"start": start})
    world = env.simulator.world
    wanted = datetime.fromisoformat(local).replace(tzinfo=STOCKHOLM)
    assert info["now_min"] == minute_of(world.dataset, local)
    assert world.dataset.start + timedelta(minutes=info["now_min"]) == wanted.astimezone(
        timezone.utc
    )
    env.step([0.0])
    assert env.history.index[0] == pd.Timestamp(wanted)


def test_start_hour_of_the_scenario() -> None:
    env = env_of({"days": 1, "start_hour": 3})
    _, info = env.reset(options={"start": "2025-06-01"})
    assert info["now_min"] == minute_of(env.simulator.world.dataset, "2025-06-01T03:00")


def test_soc_and_house() -> None:
    """One number for all cars, or one each; the house's own load is what is seen."""
    env = env_of(THREE_CARS_DAY)
    load_kw = env.simulator.world.tables.load_kw
    _, info = env.reset(options={"soc": 0.25})
    assert info["soc"].tolist() == [0.25, 0.25, 0.25]
    for socs in ([0.0, 0.5, 1.0], (0, 0.5, 1), np.array([0.0, 0.5, 1.0], np.float32)):
        _, info = env.reset(options={"soc": socs})
        assert info["soc"].tolist() == [0.0, 0.5, 1.0]
        assert info["energy_kwh"].tolist() == [0.0, 26.0, 38.0]
    for house in (0, 15, np.int32(7)):
        observation, info = env.reset(options={"house": house, "start": NOON})
        assert info["load_kw"] == load_kw[int(house), info["now_min"] // 15]
        load = observation_slices(env.scenario)["load_kw"]
        assert observation[load] == np.float32(info["load_kw"])


def test_an_option_fixes_only_what_it_names() -> None:
    """What is fixed takes no draw from the others: same drivers, house, and later episodes."""
    free, fixed = env_of(), env_of()
    free.reset(seed=31)
    fixed.reset(seed=31, options={"soc": 0.3})
    names = ("house", "start_min", "now_min", "settlement_price")
    assert free.simulator.households[list(names)] == fixed.simulator.households[list(names)]
    assert fixed.simulator.vehicles["energy_kwh"] == pytest.approx(0.3 * 58.0)
    for name in ("arrival_min", "departure_min", "trip_kwh", "routine", "plugged"):
        assert free.simulator.vehicles[name] == fixed.simulator.vehicles[name]
    assert free.simulator.households["start_stored_kwh"] != pytest.approx(0.3 * 58.0)
    assert fixed.simulator.households["start_stored_kwh"] == pytest.approx(0.3 * 58.0)
    fixed.reset(options={"house": 3, "start": NOON})
    free.reset()
    assert same(free.reset(), fixed.reset())
    assert same(live(free, 120), live(fixed, 120))


def test_options_without_a_value_fix_nothing() -> None:
    one, other = env_of(), env_of()
    nothing = {"start": None, "soc": None, "house": None}
    assert same(one.reset(seed=5, options={}), other.reset(seed=5, options=nothing))


def test_the_callers_options_stay_as_they_were() -> None:
    socs = np.array([0.2, 0.3, 0.4])
    options = {"soc": socs, "start": NOON, "house": None}
    env = env_of(THREE_CARS_DAY)
    env.reset(options=options)
    assert list(options) == ["soc", "start", "house"]
    live(env, 20)
    assert socs.tolist() == [0.2, 0.3, 0.4]


SPAN = "allowed: from 2024-12-30T00:00:00+01:00 to before 2026-01-05T00:00:00+01:00, on whole steps"
WHEN = "allowed: a date or time, such as '2025-06-01' or '2025-06-01T12:00'"
SOC = "allowed: a number from 0 to 1, or 1 of them"
HOUSE = "allowed: a whole number from 0 to 15"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start": "2024-12-28"}, f"option start is '2024-12-28'; {SPAN}"),
        ({"start": "2026-01-05"}, f"option start is '2026-01-05'; {SPAN} of 15 minutes"),
        ({"start": "2026-01-05T00:00"}, SPAN),
        ({"start": "2024-12-29T23:45"}, SPAN),
        ({"start": "2025-06-01T12:05"}, f"option start is '2025-06-01T12:05'; {SPAN}"),
        ({"start": datetime(2025, 6, 1, 12, 0, 0, 1)}, SPAN),
        ({"start": "0001-01-01T00:00"}, f"option start is '0001-01-01T00:00'; {SPAN}"),
        ({"start": "0001-01-01T00:00+14:00"}, SPAN),
        ({"start": "9999-12-31T23:45-12:00"}, SPAN),
        ({"start": "first of June"}, f"option start is 'first of June'; {WHEN}"),
        ({"start": "2025-02-30"}, f"option start is '2025-02-30'; {WHEN}"),
        ({"start": ""}, f"option start is ''; {WHEN}"),
        ({"start": "2025-03-30T02:00"}, "which summer time skips in Europe/Stockholm; allowed: a"),
        ({"start": datetime(2025, 3, 30, 2, 45)}, "such as '2025-03-30T03:45:00'"),
        ({"start": 5}, f"option start is 5; {WHEN}"),
        ({"start": timedelta(hours=1)}, WHEN),
        ({"soc": 1.01}, f"option soc is 1.01; {SOC}"),
        ({"soc": -0.01}, f"option soc is -0.01; {SOC}"),
        ({"soc": math.nan}, f"option soc is nan; {SOC}"),
        ({"soc": math.inf}, SOC),
        ({"soc": [0.5, 0.5]}, f"option soc is [0.5, 0.5]; {SOC}"),
        ({"soc": [[0.5], [0.5, 0.5]]}, SOC),
        ({"soc": []}, f"option soc is []; {SOC}"),
        ({"soc": "0.5"}, f"option soc is '0.5'; {SOC}"),
        ({"soc": True}, f"option soc is True; {SOC}"),
        ({"house": 16}, f"option house is 16; {HOUSE}"),
        ({"house": -1}, f"option house is -1; {HOUSE}"),
        ({"house": 1.0}, f"option house is 1.0; {HOUSE}"),
        ({"house": True}, f"option house is True; {HOUSE}"),
        ({"house": "0"}, f"option house is '0'; {HOUSE}"),
        ({"strat": NOON}, "unknown key 'strat' in the options of reset (did you mean 'start'?)"),
        ({"soc": 0.5, 3: 3}, "unknown key 3 in the options of reset; allowed: start, soc, house"),
        ("2025-06-01", "options is '2025-06-01'; allowed: None or a dict"),
        (["soc"], "options is ['soc']; allowed: None or a dict"),
    ],
    ids=repr,
)
def test_impossible_options_change_nothing(options: Any, said: str) -> None:
    env = env_of()
    live(env, 10)
    before, rows = env.get_state(), env.history
    drawn = env.np_random.bit_generator.state
    with pytest.raises((ResetError, ScenarioError)) as caught:
        env.reset(seed=99, options=options)
    assert said in str(caught.value)
    assert env.get_state() == before
    assert env.np_random.bit_generator.state == drawn
    assert env.history.equals(rows)


def test_three_cars_need_one_soc_or_three() -> None:
    env = env_of(THREE_CARS_DAY)
    for socs in ([0.5], [0.5, 0.5], [0.5] * 4, [[0.5, 0.5, 0.5]], [0.5, 0.5, math.nan]):
        with pytest.raises(ResetError, match="allowed: a number from 0 to 1, or 3 of them"):
            env.reset(options={"soc": socs})


@pytest.mark.parametrize(
    "seed", [-1, 2**64, 1.0, True, "1", math.nan, [1], np.float32(1)], ids=repr
)
def test_impossible_seeds_change_nothing(seed: Any) -> None:
    env = env_of()
    live(env, 10)
    before = env.get_state()
    with pytest.raises(ResetError) as caught:
        env.reset(seed=seed)
    assert str(caught.value) == (
        f"seed is {seed!r}; allowed: a whole number from 0 to 18446744073709551615"
    )
    assert env.get_state() == before


def test_every_possible_seed_is_its_own() -> None:
    """The smallest, the largest, and NumPy's integers."""
    env = env_of()
    seen = set()
    for seed in (0, 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1):
        first = env.reset(seed=seed)
        assert same(first, env.reset(seed=np.uint64(seed)))
        seen.add(first[0].tobytes())
    assert len(seen) == 6
