"""The rules of charging apps: `plan`, `price_limit`, `delayed`, `night`; decision by decision."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from baselines.policies.app_rules import ChargingPlan, Delayed, Night, PriceLimit
from baselines.policies.base import Policy
from baselines.policies.simple_rules import PriceBased
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario
from tests.support.observations_by_hand import observation_with
from tests.support.one_day import A_DAY

# 16 A on three phases are 11.04 kW, and all of it is stored.
CAR = {"battery_kwh": 60.0, "ac_max_kw": 11.04, "eta": 1.0, "aux_kw": 0.0, "taper_from_soc": 1.0}
FULL_KW = 11.04
PLAIN: dict[str, Any] = {
    **A_DAY,
    "household": {"fuse_a": 63},
    "vehicles": [{**CAR, "chemistry": None}],
    "tariff": {"peaks": []},  # what a power charge changes: test_power_charge.py
}


def scenario(step_min: int = 60, **changes: Any) -> Scenario:
    return Scenario.from_dict({**PLAIN, "time_step_min": step_min, **changes})


def charged(
    policy: Policy, prices: list[float], need_h: float, left_h: float, known_to_h: float = 36
) -> list[bool]:
    """In which steps of a stay from midnight a policy charges, if its power is always granted.

    Prices are published up to the hour `known_to_h`.
    """
    step_h, done = policy.scenario.time_step_min / 60, []
    for step in range(round(left_h / step_h)):
        at_h = step * step_h
        observation = observation_with(
            policy,
            hour=at_h % 24,
            prices=prices[int(at_h) :] or prices[-1:],
            hours_known=known_to_h - int(at_h),
            plugged=1,
            hours_to_departure=left_h - at_h,
            energy_to_wanted_kwh=max(0.0, need_h) * FULL_KW,
        )
        fraction = float(policy(observation)[0])
        assert fraction in (0.0, 1.0)
        done.append(fraction == 1.0)
        need_h -= step_h * fraction
    return done


def at(*steps: int, of: int) -> list[bool]:
    return [step in steps for step in range(of)]


# --- plan ---


def test_a_split_plan_takes_the_cheapest_hours_before_departure() -> None:
    prices = [5.0, 4.0, 3.0, 1.0, 2.0, 0.5]
    plan = ChargingPlan(scenario())
    assert charged(plan, prices, need_h=2.0, left_h=5.0) == at(3, 4, of=5)
    assert charged(plan, prices, need_h=2.0, left_h=4.0) == at(2, 3, of=4)
    # Half an hour of the third cheapest is needed too, and what is needed comes when it is there.
    assert charged(plan, prices, need_h=2.5, left_h=5.0) == at(2, 3, 4, of=5)
    # Of equal hours the earlier ones; with less time than it takes, all of them.
    assert charged(plan, [1.0], need_h=2.0, left_h=5.0) == at(0, 1, of=5)
    assert charged(plan, prices, need_h=9.0, left_h=5.0) == at(0, 1, 2, 3, 4, of=5)


def test_a_plan_counts_on_prices_that_are_not_published_and_price_based_does_not() -> None:
    prices = [5.0, 4.0, 3.0, 1.0, 2.0]
    for kind, steps in ((ChargingPlan, (3, 4)), (PriceBased, (1, 2))):
        assert charged(kind(scenario()), prices, 2.0, 5.0, known_to_h=3) == at(*steps, of=5)
        assert charged(kind(scenario()), prices, 2.0, 5.0, known_to_h=5) == at(3, 4, of=5)


@pytest.mark.parametrize(
    ("prices", "need_h", "steps"),
    [
        # The blocks cost 5, 10, 11, 4 and 11; two separate hours would cost 3.
        ([4.0, 1.0, 9.0, 2.0, 2.0, 9.0], 2.0, (3, 4)),
        # 4, 5 or 11. Once begun it goes on, though what is left would be cheaper an hour later.
        ([1.0, 3.0, 2.0, 9.0], 2.0, (0, 1)),
        # Equal blocks: the first.
        ([1.0, 1.0, 1.0], 2.0, (0, 1)),
        # Less time than it takes: now.
        ([9.0, 1.0, 1.0], 4.0, (0, 1, 2)),
        ([9.0, 1.0, 1.0], 2.5, (0, 1, 2)),
    ],
)
def test_a_continuous_plan_is_the_cheapest_block(
    prices: list[float], need_h: float, steps: tuple[int, ...]
) -> None:
    plan = ChargingPlan(scenario(), continuous=True)
    count = len(prices)
    assert charged(plan, prices, need_h, left_h=count) == at(*steps, of=count)


def test_a_block_may_begin_within_an_hour() -> None:
    """An hour and a half: half an hour at 2, then one at 1."""
    plan = ChargingPlan(scenario(15), continuous=True)
    assert charged(plan, [2.0, 1.0, 3.0], 1.5, 3.0) == at(*range(2, 8), of=12)
    plan.reset()
    # Half of the first hour is over: half at 3 and one at 1, rather than one at 1 and half at 9.
    observation: dict[str, Any] = {"plugged": 1, "hours_to_departure": 2.5}
    observation["energy_to_wanted_kwh"] = 1.5 * FULL_KW
    assert plan(observation_with(plan, 0.5, prices=[3.0, 1.0, 9.0], **observation)) == 1.0
    plan.reset()
    assert plan(observation_with(plan, 0.25, prices=[3.0, 1.0, 9.0], **observation)) == 0.0
    # What is over of the hour is no choice: half at 1 and half at 3 is the best of what is left.
    observation["energy_to_wanted_kwh"] = FULL_KW
    assert plan(observation_with(plan, 0.5, prices=[1.0, 3.0], **observation)) == 1.0


def test_a_new_episode_or_a_new_stay_begins_a_new_block() -> None:
    plan = ChargingPlan(scenario(), continuous=True)
    plan.reset(np.array([1]))  # before anything was seen
    stay: dict[str, Any] = {
        "plugged": 1,
        "hours_to_departure": 3.0,
        "energy_to_wanted_kwh": FULL_KW,
    }
    cheap = np.array([observation_with(plan, prices=[1.0, 2.0, 3.0], **stay)] * 3)
    dear = np.array([observation_with(plan, prices=[3.0, 2.0, 1.0], **stay)] * 3)
    away = observation_with(plan, prices=[1.0])
    np.testing.assert_array_equal(plan(dear)[:, 0], [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(plan(cheap)[:, 0], [1.0, 1.0, 1.0])
    np.testing.assert_array_equal(plan(dear)[:, 0], [1.0, 1.0, 1.0])
    plan.reset(np.array([1]))
    plan(np.array([dear[0], dear[0], away]))
    np.testing.assert_array_equal(plan(dear)[:, 0], [1.0, 0.0, 0.0])
    plan.reset()
    np.testing.assert_array_equal(plan(dear)[:, 0], [0.0, 0.0, 0.0])


def history_of(env: EVChargingEnv, policy: Policy, seed: int, **options: Any) -> Any:
    """The history of an episode."""
    observation, _ = env.reset(seed=seed, options=options or None)
    policy.reset()
    over = False
    while not over:
        observation, _, _, over, _ = env.step(policy(observation))
    return env.history


def stays(history: Any) -> list[Any]:
    """The steps at the charger, stay by stay."""
    plugged = history["plugged"].to_numpy() == 1
    number = np.cumsum(np.diff(plugged, prepend=False) & plugged)
    return [part for _, part in history[plugged].groupby(number[plugged])]


def test_a_continuous_plan_never_charges_twice_in_a_stay() -> None:
    """Two weeks of quarter-hours: one block in each stay; separate hours often in several."""
    env = EVChargingEnv({**PLAIN, "days": 14})
    blocks: dict[bool, list[int]] = {}
    for continuous in (True, False):
        policy = ChargingPlan(env.scenario, continuous=continuous)
        own = blocks[continuous] = []
        for seed in (4, 5):
            for stay in stays(history_of(env, policy, seed)):
                on = stay["current_a"].to_numpy() > 0
                own.append(int((np.diff(on.astype(int), prepend=0) == 1).sum()))
    assert max(blocks[True]) == 1
    assert sum(blocks[True]) > 10
    assert max(blocks[False]) > 2


def test_a_batch_remembers_each_row_by_itself() -> None:
    env: Any = gym.make_vec(
        "EVCharging-v0",
        num_envs=4,
        vectorization_mode="vector_entry_point",
        scenario={"days": 2, "start_hour": 12, "vehicles": [{"wanted_soc": 0.8}]},
    )
    together = ChargingPlan(env.unwrapped.scenario, continuous=True)
    apart = [ChargingPlan(env.unwrapped.scenario, continuous=True) for _ in range(4)]
    observations, _ = env.reset(seed=5)
    on = 0.0
    for _ in range(190):
        actions = together(observations)
        own = [policy(row) for policy, row in zip(apart, observations, strict=True)]
        np.testing.assert_array_equal(actions, own)
        on += float(actions.sum())
        observations, *_ = env.step(actions)
    assert on > 10.0


# --- price_limit ---


@pytest.mark.parametrize(
    ("limit", "price", "known_h", "fraction"),
    [
        (1.5, 1.4, 36, 1.0),
        (1.1, 1.1, 36, 1.0),  # which is a little more as a float32
        (1.5, 1.6, 36, 0.0),
        (-0.1, -0.2, 36, 1.0),
        # The mean of the known ones, 1, 2 and 6 (and of them alone), is 3.
        (None, 3.0, 3, 1.0),
        (None, 3.1, 3, 0.0),
        (None, 3.1, 4, 1.0),
    ],
)
def test_price_limit(limit: float | None, price: float, known_h: int, fraction: float) -> None:
    policy = PriceLimit(scenario(), limit_per_kwh=limit)
    told = {"prices": [1.0, 2.0, 6.0, 9.0], "price_per_kwh": price, "hours_known": known_h}
    stay = {"plugged": 1, "hours_to_departure": 0.25, "energy_to_wanted_kwh": 20.0}
    assert policy(observation_with(policy, **told, **stay)) == fraction
    assert policy(observation_with(policy, **told, **{**stay, "energy_to_wanted_kwh": 0.0})) == 0.0


def test_a_constant_price_is_not_above_its_mean() -> None:
    policy = PriceLimit(scenario())
    stay = {"plugged": 1, "hours_to_departure": 9.0, "energy_to_wanted_kwh": 20.0}
    for price in np.linspace(-3.0, 3.0, 61):
        for known_h in range(1, 37):
            observation = observation_with(policy, prices=[price], hours_known=known_h, **stay)
            assert policy(observation) == 1.0


def test_nothing_is_bought_above_the_limit_and_nothing_is_guaranteed() -> None:
    env = EVChargingEnv({**PLAIN, "days": 28})
    history = history_of(env, PriceLimit(env.scenario, limit_per_kwh=1.0), seed=1)
    charging = history["charge_kw"] > 0
    assert charging.sum() > 20
    assert history["price_per_kwh"][charging].max() <= 1.0 + 1e-5
    assert history["missing_kwh"].sum() > 10.0


# --- delayed ---


@pytest.mark.parametrize(
    ("margin_h", "left_h", "fraction"),
    # Two hours of charging, and a step of a quarter of an hour.
    [(0.25, 2.51, 0.0), (0.25, 2.49, 1.0), (0.25, 0.5, 1.0), (0.0, 2.26, 0.0), (0.0, 2.24, 1.0)],
)
def test_delayed_begins_when_a_step_later_were_too_late(
    margin_h: float, left_h: float, fraction: float
) -> None:
    policy = Delayed(scenario(15), margin_h=margin_h)
    stay = {"plugged": 1, "energy_to_wanted_kwh": 2 * FULL_KW}
    assert policy(observation_with(policy, hours_to_departure=left_h, **stay)) == fraction


@pytest.mark.parametrize("margin_h", [0.0, 0.25, 1.0])
def test_delayed_is_just_in_time(margin_h: float) -> None:
    """In every stay long enough: one block to the end, whose end is the margin's time ahead."""
    env = EVChargingEnv({**PLAIN, "days": 35})
    policy = Delayed(env.scenario, margin_h=margin_h)
    history = history_of(env, policy, seed=2)
    assert history["missing_kwh"].sum() < 1e-6
    ends = []
    for stay in stays(history)[:-1]:
        on = np.flatnonzero(stay["current_a"].to_numpy() > 0)
        if on.size and on[0] > 0:
            assert on[-1] - on[0] + 1 == on.size
            left_over_h = 0.25 * (len(stay) - 1 - on[-1])
            ends.append(left_over_h)
            drawn_h = stay["charge_kw"].sum() * 0.25 / FULL_KW
            # Steps from the first one on: what it takes, the margin, less than one step, and the
            # broken step in which the car leaves.
            assert 0.25 * (len(stay) - on[0]) < drawn_h + margin_h + 0.5 + 1e-6
    assert len(ends) > 8
    assert margin_h - 0.25 <= min(ends)
    assert max(ends) <= margin_h + 0.5


# --- night ---


@pytest.mark.parametrize(
    ("hours", "step_min", "nights"),
    [
        ({}, 15, {22.0: 1, 23.75: 1, 0.0: 1, 5.75: 1, 6.0: 0, 21.75: 0, 12.0: 0}),
        ({"from_h": 10, "to_h": 14}, 60, {9.0: 0, 10.0: 1, 13.0: 1, 14.0: 0, 22.0: 0}),
        # A step of an hour that begins or ends outside is left out.
        ({"from_h": 22.5, "to_h": 6.5}, 60, {22.0: 0, 23.0: 1, 5.0: 1, 6.0: 0}),
        ({"from_h": 0, "to_h": 24}, 15, {0.0: 1, 12.0: 1, 23.75: 1}),
    ],
)
def test_night_keeps_to_its_hours(
    hours: dict[str, float], step_min: int, nights: dict[float, int]
) -> None:
    policy = Night(scenario(step_min), **hours)
    stay = {"plugged": 1, "hours_to_departure": 0.5, "energy_to_wanted_kwh": 20.0}
    found = {hour: int(policy(observation_with(policy, hour, **stay))[0]) for hour in nights}
    assert found == nights
    assert policy(observation_with(policy, 23.0, plugged=1)) == 0.0  # nothing is wanted


def test_night_follows_the_local_clock_into_summer_time() -> None:
    """Clocks go from 2 to 3 or from 3 to 2 in the middle of two weeks."""
    env = EVChargingEnv({**PLAIN, "days": 14})
    for start in ("2025-03-22", "2025-10-18"):
        history = history_of(env, Night(env.scenario, from_h=2, to_h=5), 3, start=start)
        on = history.index[history["current_a"] > 0]
        assert {stamp.utcoffset() for stamp in on} == {timedelta(hours=1), timedelta(hours=2)}
        for offset in (1, 2):
            hours = {stamp.hour for stamp in on if stamp.utcoffset() == timedelta(hours=offset)}
            assert {2} <= hours <= {2, 3, 4}


# --- all of them ---


@pytest.mark.parametrize("kind", [ChargingPlan, PriceLimit, Delayed, Night])
def test_they_stay_inside_the_headroom_and_take_levels(kind: type[Policy]) -> None:
    """Room for 7 A; as levels of 0, 6, 7 ... 16 A; two cars share, the first one first."""
    two = {**PLAIN, "vehicles": [CAR, CAR]}
    stay = {"plugged": 1, "hours_to_departure": 1.0, "energy_to_wanted_kwh": 20.0}
    fractions, levels = kind(scenario(15, **two)), kind(scenario(15, **two), False)
    for headroom_kw, amperes in {5.0: (7, 0), 11.0: (15, 0), 12.0: (16, 0), 15.2: (16, 6)}.items():
        observation = observation_with(fractions, 23.0, headroom_kw=headroom_kw, **stay)
        np.testing.assert_allclose(fractions(observation), np.array(amperes) / 16.0, rtol=1e-7)
        expected = [max(0, current_a - 5) for current_a in amperes]
        assert levels(observation).tolist() == expected
    assert (fractions(observation_with(fractions, 23.0)) == 0.0).all()  # away


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (ChargingPlan, {"continuous": "yes"}, "plan: continuous is 'yes'; allowed: True"),
        (PriceLimit, {"limit_per_kwh": "low"}, "price_limit: limit_per_kwh is 'low'; allowed: a "),
        (PriceLimit, {"limit_per_kwh": math.nan}, "limit_per_kwh is nan; .* SEK/kWh, or None"),
        (Delayed, {"margin_h": -1}, "delayed: margin_h is -1; allowed: a number from 0 to 24 h"),
        (Delayed, {"margin_h": True}, "margin_h is True; allowed"),
        (Night, {"from_h": 25}, "night: from_h is 25; allowed: a number from 0 to 24 h"),
        (Night, {"to_h": None}, "to_h is None; allowed"),
        (Night, {"from_h": 6, "to_h": 6.0}, "from_h and to_h are both 6; allowed: different"),
    ],
)
def test_impossible_arguments_are_refused(
    kind: Any, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kind(scenario(), **arguments)
