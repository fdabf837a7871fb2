"""Where episodes begin: the local hour of every day, the weeks of a split, settlement prices."""

from __future__ import annotations

import dataclasses
import math
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.scenario import ScenarioError
from ev_gym.simulation.reset_options import ResetError
from ev_gym.vector_env import EVChargingVectorEnv
from ev_gym.world.world import build_world
from tests.support.small_series import PLAIN, SUMMER, WINTER, local_times, series
from tests.support.tariffs import SWEDISH_FLAT


def test_settlement_price_of_every_start() -> None:
    """The mean all-in price of the cheapest quarter of the episode's hours, round the end too."""
    for days, monday in ((1, WINTER), (3, SUMMER)):
        scenario = dataclasses.replace(PLAIN, tariff=SWEDISH_FLAT, days=days)
        dataset = series(15, 30, monday)
        world = build_world(scenario, dataset, None)
        price = [1.25 * (spot + 0.489) for spot in dataset.price_per_kwh.tolist()]
        hourly = [0.5 * (a + b) for a, b in zip(price[::2], price[1::2], strict=True)]
        assert len(world.starts) == 15 * 7
        for start in world.starts:
            hour = int(start["minute"]) // 60
            hours = sorted(hourly[(hour + h) % len(hourly)] for h in range(24 * days))
            cheapest = math.fsum(hours[: 6 * days]) / (6 * days)
            assert start["settlement_price"] == pytest.approx(cheapest, abs=1e-12)
            (alone,) = world.starts_at(int(start["minute"]))
            assert alone["settlement_price"] == start["settlement_price"]


@pytest.mark.parametrize("start_hour", [0, 2, 3, 12, 23])
def test_episodes_start_at_the_local_hour(start_hour: int) -> None:
    """On every day of the year, after the skipped hour where there is none."""
    dataset = series()
    scenario = dataclasses.replace(PLAIN, start_hour=start_hour)
    starts = build_world(scenario, dataset, None).starts["minute"]
    locals_ = local_times(dataset, 52 * 168)
    hours = [locals_[minute // 60] for minute in starts]
    assert [when.date() for when in hours] == sorted({when.date() for when in locals_})
    skipped = [when for when in hours if when.hour != start_hour]
    assert [(when.month, when.day, when.hour) for when in skipped] == (
        [(3, 31, 3)] if start_hour == 2 else []
    )


@pytest.mark.parametrize("start_hour", [0, 1, 2, 3, 12, 23])
def test_a_drawn_day_starts_as_that_day_asked_for(start_hour: int) -> None:
    """On days of 23 and 25 hours too: of two like-named hours, both mean the same one."""
    scenario = dataclasses.replace(PLAIN, start_hour=start_hour)
    env = EVChargingEnv(scenario, dataset=series())
    starts = env.simulator.world.starts["minute"].tolist()
    days = sorted({moment.date() for moment in local_times(series(), 52 * 168)})
    for day, minute in zip(days, starts, strict=True):
        if day.month in (3, 10):
            assert env.reset(seed=0, options={"start": day})[1]["now_min"] == minute, day


@pytest.mark.parametrize("days", [1, 3, 10])
def test_train_and_test_weeks_share_nothing(days: int) -> None:
    """Six weeks in eight against two; an episode and its look-ahead stay inside their run."""
    scenario = dataclasses.replace(PLAIN, days=days)
    weeks: dict[str, set[int]] = {}
    for split, allowed in (("train", range(6)), ("test", (6, 7))):
        starts = build_world(scenario, series(), split).starts["minute"]
        assert len(starts) > 0
        weeks[split] = set()
        for start in starts.tolist():
            last = start + days * 1440 + 36 * 60 - 1
            touched = range(start // 10080, last // 10080 + 1)
            assert {week % 8 for week in touched} <= set(allowed)
            assert len({week // 8 for week in touched}) == 1
            assert last < 52 * 10080
            weeks[split] |= set(touched)
    assert weeks["train"].isdisjoint(weeks["test"])
    # Of 52 weeks the last four begin a new cycle; all that a run's length allows is used.
    assert weeks["train"] == {week for week in range(52) if week % 8 < 6}
    assert weeks["test"] == {week for week in range(52) if week % 8 >= 6}
    everything = build_world(scenario, series(), None).starts["minute"]
    assert len(everything) == 52 * 7
    assert set(starts.tolist()) < set(everything.tolist())


def test_split_is_used_by_episodes() -> None:
    env = EVChargingEnv(PLAIN, split="test", dataset=series())
    env.reset(seed=0)
    for _ in range(100):
        assert env.reset()[1]["now_min"] // 10080 % 8 in (6, 7)


def test_splits_that_are_refused() -> None:
    long = dataclasses.replace(PLAIN, days=13)
    with pytest.raises(
        ScenarioError, match=r"'test' has runs of at most 2 weeks in this series of"
    ):
        build_world(long, series(), "test")
    with pytest.raises(ScenarioError, match=r"13 days and a look-ahead of 36 hours do not fit"):
        build_world(long, series(), "test")
    assert len(build_world(long, series(), "train").starts) > 0
    with pytest.raises(ScenarioError, match="allowed: a longer series, or split=None"):
        build_world(PLAIN, series(6), "test")
    with pytest.raises(ScenarioError, match=r"split is 'dev'; allowed: None, 'train' or 'test'"):
        build_world(PLAIN, series(), "dev")


# --- calendar months ---

MONTHLY = dataclasses.replace(PLAIN, days="month", start_hour=0)


def test_months_are_those_of_the_calendar() -> None:
    """2024 to its last Monday: January to November, in whole hours of the local clock."""
    starts = build_world(MONTHLY, series(), None).starts
    locals_ = local_times(series(), 52 * 168)
    begins = [locals_[minute // 60] for minute in starts["minute"]]
    assert [(when.month, when.day, when.hour) for when in begins] == [
        (month, 1, 0) for month in range(1, 12)
    ]
    hours = [31 * 24, 29 * 24, 31 * 24 - 1, 30 * 24, 31 * 24, 30 * 24, 31 * 24, 31 * 24, 30 * 24]
    hours += [31 * 24 + 1, 30 * 24]
    assert (starts["horizon_steps"] * MONTHLY.time_step_min / 60).tolist() == hours
    assert max(starts["horizon_steps"]) == MONTHLY.horizon_steps


def test_a_month_settles_at_the_price_of_its_own_cheapest_quarter() -> None:
    """Of 743 hours in March 185, of 745 in October 186."""
    scenario = dataclasses.replace(MONTHLY, tariff=SWEDISH_FLAT)
    dataset = series()
    hourly = [1.25 * (spot + 0.489) for spot in dataset.price_per_kwh.tolist()]
    for start in build_world(scenario, dataset, None).starts:
        first, hours = int(start["minute"]) // 60, int(start["horizon_steps"]) // 4
        cheapest = sorted(hourly[first : first + hours])[: hours // 4]
        expected = math.fsum(cheapest) / len(cheapest)
        assert start["settlement_price"] == pytest.approx(expected, abs=1e-12)


def test_train_and_test_months_share_nothing() -> None:
    """Of four months three train and one tests; another year tests others, four years all."""
    found: dict[str, set[tuple[int, int]]] = {}
    dataset = series(4 * 53)
    locals_ = local_times(dataset, 4 * 53 * 168)
    for split in ("train", "test"):
        starts = build_world(MONTHLY, dataset, split).starts["minute"]
        found[split] = {(locals_[m // 60].year, locals_[m // 60].month) for m in starts}
    assert found["train"].isdisjoint(found["test"])
    every = build_world(MONTHLY, dataset, None).starts
    assert len(found["train"] | found["test"]) == len(every)
    assert {month for _, month in found["test"]} == set(range(1, 13))
    assert {month for year, month in found["test"] if year == 2024} == {4, 8, 12}


def test_series_without_a_whole_month_are_refused() -> None:
    """The message names what to do instead."""
    message = (
        "days is 'month', but no whole month with a look-ahead of 36 hours lies in this series of "
        "4 weeks from 2024-01-01; allowed: a longer series, or days=7"
    )
    with pytest.raises(ScenarioError, match=f"^{re.escape(message)}$"):
        build_world(MONTHLY, series(4), None)
    with pytest.raises(ScenarioError, match="no whole month of split 'test' with"):
        build_world(MONTHLY, series(10), "test")
    with pytest.raises(ScenarioError, match=r"start_hour is 12, but Scenario\.days is 'month'"):
        dataclasses.replace(PLAIN, days="month", start_hour=12)


def test_any_day_of_a_month_means_its_first() -> None:
    """As a date or a time; a month that does not lie in the series is refused, nothing changes."""
    env = EVChargingEnv(MONTHLY, dataset=series())
    first = env.reset(seed=0, options={"start": "2024-05-01"})[1]["now_min"]
    for start in ("2024-05-31", "2024-05-17T11:45", datetime(2024, 5, 31, 23, 45)):
        assert env.reset(seed=0, options={"start": start})[1]["now_min"] == first
    before = env.get_state()
    with pytest.raises(ResetError, match=r"a day of a whole month, or a scenario with days=7$"):
        env.reset(options={"start": "2024-12-24"})
    assert env.get_state() == before


def test_an_episode_is_its_month() -> None:
    """Alone and in rows that end at different steps; each row is what it is alone."""
    env = EVChargingEnv(MONTHLY, dataset=series())
    rows = EVChargingVectorEnv(3, MONTHLY, dataset=series())
    rows.reset(seed=5)
    actions, ends = np.full((3, 1), 0.7, np.float32), {}
    returns = np.zeros(3)
    for step in range(MONTHLY.horizon_steps):
        _, rewards, _, truncated, infos = rows.step(actions)
        for row in range(3):
            if row not in ends:
                returns[row] += rewards[row]
            if truncated[row] and row not in ends:
                ends[row] = step + 1, float(infos["settlement"][row])
    assert len(set(ends.values())) == 3
    for row in range(3):
        _, info = env.reset(seed=5 + row)
        begins = env.series_start + timedelta(minutes=info["now_min"])
        total, steps, over = 0.0, 0, False
        while not over:
            _, reward, _, over, info = env.step(actions[row])
            total, steps = total + reward, steps + 1
        assert (steps, info["settlement"]) == ends[row]
        assert total == returns[row]
        local = begins.astimezone(ZoneInfo("Europe/Stockholm"))
        end = (begins + timedelta(minutes=15 * steps)).astimezone(ZoneInfo("Europe/Stockholm"))
        assert (local.day, local.hour, end.day, end.hour) == (1, 0, 1, 0)
        assert (end.month - local.month) % 12 == 1
