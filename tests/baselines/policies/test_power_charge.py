"""Rules that count the power charge they are billed by: what they choose, by hand and in months."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from baselines import make_policy
from baselines.policies.app_rules import ChargingPlan, Night
from baselines.policies.simple_rules import PriceBased
from baselines.policies.view import USUAL_LOAD
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.scenario import Scenario
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.observations_by_hand import observation_with

# All of an AC kWh is stored; levels of 4, 8 and 12 kW.
CAR = {"battery_kwh": 60.0, "ac_max_kw": 12.0, "eta": 1.0, "aux_kw": 0.0, "taper_from_soc": 1.0}
PLAIN: dict[str, Any] = {
    "household": {"fuse_a": 63},
    "vehicles": [{**CAR, "chemistry": None}],
    "charger": {"levels_kw": [0.0, 4.0, 8.0, 12.0]},
    "time_step_min": 60,
}
AT_TEN = {"hour": 10.0, "interval_factor": 1.0, "plugged": 1, "load_kw": 1.0} | dict.fromkeys(
    USUAL_LOAD, 1.0
)
DEAR, CHEAP = {"power_price_per_kw": 27.0}, {"power_price_per_kw": 0.5}


def levels(kind: Any, told: dict[str, Any], **arguments: Any) -> int:
    """Level of the running hour that a rule takes."""
    policy = kind(Scenario.from_dict(PLAIN), False, **arguments)
    return int(policy(observation_with(policy, **{**AT_TEN, **told})))


@pytest.mark.parametrize("kind", [PriceBased, ChargingPlan])
def test_the_power_is_the_one_with_the_least_bill(kind: Any) -> None:
    """Twelve kWh in three hours at 3, 1 and 2 above a peak of 5 kW, the house's kW included.

    With 12 kW it costs 12 and 8 kW of peak, with 8 kW 16 and 4 kW, with 4 kW 24 and nothing.
    """
    told = {"prices": [3.0, 1.0, 2.0], "energy_to_wanted_kwh": 12.0, "hours_to_departure": 3.0}
    peak = {"peak_kw": 5.0}
    assert levels(kind, {**told, **peak, **DEAR}) == 1  # 24, 124, 228
    assert levels(kind, {**told, **peak, **CHEAP}) == 0  # 24, 18, 16: at 1 alone
    assert levels(kind, {**told, "peak_kw": 13.0, **DEAR}) == 0
    assert levels(kind, {**told, **peak, **DEAR}, power_charge=False) == 0
    # The hour at 1, now: with 12, 8 or 4 kW.
    now = {**told, "prices": [1.0, 3.0, 2.0]}
    assert levels(kind, {**now, **peak, **DEAR}) == 1
    # Sixteen: 8 at 1 and at 2 each, or 12 each, since a step is taken whole; 4 kW miss 4 kWh.
    assert levels(kind, {**now, **peak, **CHEAP, "energy_to_wanted_kwh": 16.0}) == 2
    assert levels(kind, {**now, **peak, **CHEAP}) == 3
    assert levels(kind, {**now, **peak, **DEAR}, power_charge=False) == 3


@pytest.mark.parametrize("kind", [PriceBased, ChargingPlan])
def test_energy_may_miss_where_a_peak_is_dearer(kind: Any) -> None:
    """Eight kWh in an hour: with 8 kW a peak higher by 4, with 4 kW 4 kWh and a stop, 50."""
    told = {"prices": [1.0], "energy_to_wanted_kwh": 8.0, "hours_to_departure": 1.0, "peak_kw": 5.0}
    assert levels(kind, {**told, "power_price_per_kw": 11.0}) == 2  # 8 + 44 against 4 + 50
    assert levels(kind, {**told, "power_price_per_kw": 12.0}) == 1


def test_hours_of_the_night_count_half() -> None:
    """Eight kWh and the house's one are 4.5 kW at night; by day a peak higher by 4.5."""
    told = {"prices": [2.0], "energy_to_wanted_kwh": 8.0, "hours_to_departure": 1.0}
    told |= {"peak_kw": 4.5, **DEAR}
    assert levels(PriceBased, told) == 1  # 4 kWh are missing, which cost 50
    at_night = {"hour": 22.0, "interval_factor": 0.5, "power_price_per_kw": 13.5}
    assert levels(PriceBased, {**told, **at_night}) == 2
    # So from 21 on it waits for the cheaper hour; at 15 it takes both, with half the power.
    waiting = {**told, "prices": [2.0, 1.9], "hours_to_departure": 2.0}
    assert levels(PriceBased, {**waiting, "hour": 21.0}) == 0
    assert levels(PriceBased, {**waiting, "hour": 15.0}) == 1


@pytest.mark.parametrize("prices", [[1.0, 2.0, 9.0], [9.0, 1.0, 2.0, 9.0]])
def test_a_block_is_as_long_as_its_power_needs(prices: list[float]) -> None:
    """Eight kWh: two hours of 4 kW, 12, or one of 8 or 12 kW at 1 and a peak higher by 4."""
    told = {"energy_to_wanted_kwh": 8.0, "peak_kw": 5.0, "prices": prices}
    told["hours_to_departure"] = float(len(prices))
    now = int(prices[0] == 1.0)
    assert levels(ChargingPlan, {**told, **DEAR}, continuous=True) == now
    assert levels(ChargingPlan, {**told, **CHEAP}, continuous=True) == 3 * now


def test_a_block_that_has_begun_goes_on() -> None:
    policy = ChargingPlan(Scenario.from_dict(PLAIN), False, continuous=True)
    told = {
        **AT_TEN,
        **DEAR,
        "peak_kw": 5.0,
        "energy_to_wanted_kwh": 8.0,
        "hours_to_departure": 5.0,
    }
    waiting = observation_with(policy, **{**told, "prices": [9.0, 1.0, 2.0]})
    assert policy(waiting) == 0
    assert policy(observation_with(policy, **{**told, "prices": [1.0, 2.0]})) == 1
    assert policy(waiting) == 1
    policy.reset()
    assert policy(waiting) == 0


def test_night_charges_by_day_below_the_peak() -> None:
    """At noon, to leave at 14 or, with the night's 8 hours of 12 kW before, at 7."""
    told = {"hour": 12.0, "energy_to_wanted_kwh": 8.0, "hours_to_departure": 2.0, **DEAR}
    assert levels(Night, {**told, "peak_kw": 5.5}) == 1
    assert levels(Night, {**told, "peak_kw": 9.5}) == 2
    assert levels(Night, {**told, "peak_kw": 4.5}) == 0  # 3.5 kW beside the house
    assert levels(Night, {**told, "peak_kw": 9.5}, power_charge=False) == 0
    assert levels(Night, {**told, "peak_kw": 9.5, "hours_to_departure": 11.0}) == 0
    # One hour of the night until 23, for which 12 kWh are enough, and 13 are not.
    short = {**told, "peak_kw": 9.5, "hours_to_departure": 11.0}
    assert levels(Night, {**short, "energy_to_wanted_kwh": 12.0}) == 0
    assert levels(Night, {**short, "energy_to_wanted_kwh": 13.0}) == 2


# Of the actions of six households in seven days of test worlds, and in a day of `classic`, as they
# were before these rules knew a power charge.
BEFORE = {
    "price_based": ("3b065c2c6138743f", "6405c92e9defef12"),
    "plan": ("b876dbe6396c6637", "6405c92e9defef12"),
    "plan(continuous=True)": ("eaff962705e7f699", "872b16ae9acaa46e"),
    "night": ("b9f6914d8e09e4b2", "e9a734422f63b45c"),
}
RULES = ("price_based", "plan", "plan(continuous=True)", "night")
LEFT_OUT = (
    "price_based(power_charge=False)",
    "plan(power_charge=False)",
    "plan(continuous=True, power_charge=False)",
    "night(power_charge=False)",
)


def digest(spec: str, scenario: Any) -> str:
    split = None if scenario == "classic" else "test"
    env = EVChargingVectorEnv(6, scenario, split=split)
    policy, actions = make_policy(spec, env), hashlib.sha256()
    observations, _ = env.reset(seed=3)
    policy.reset()
    over = False
    while not over:
        action = policy(observations)
        actions.update(action.tobytes())
        observations, _, _, truncated, _ = env.step(action)
        over = bool(truncated.all())
    return actions.hexdigest()[:16]


@pytest.mark.parametrize(("spec", "left_out"), [*zip(RULES, LEFT_OUT, strict=True)])
def test_without_it_they_do_what_they_did(spec: str, left_out: str) -> None:
    week, classic = BEFORE[spec]
    assert digest(left_out, {"days": 7}) == week
    assert digest(spec, {"days": 7, "tariff": "vattenfall-flat-2025"}) == week
    assert digest(spec, "classic") == classic
    assert digest(spec, {"days": 7}) != week


HOUSEHOLDS = 24


@pytest.mark.skipif(INTERPRETED, reason="a million steps take minutes interpreted")
def test_which_rules_random_may_beat() -> None:
    """What 24 months of test worlds cost; those that count the power charge pay less by it."""
    costs = {name: months(name) for name in ("random", "peak_shaving", "water_filling", *RULES)}
    for name in costs:
        assert name == "random" or costs[name] < 0.95 * costs["random"], name
    for name, left_out in zip(RULES, LEFT_OUT, strict=True):
        assert costs[name] < 0.9 * months(left_out), name
    assert costs["water_filling"] < 0.8 * min(costs[name] for name in RULES)


def months(spec: str) -> float:
    env = EVChargingVectorEnv(HOUSEHOLDS, "stockholm", split="test", info="terms")
    policy = make_policy(spec, env, seed=0)
    observations, _ = env.reset(seed=5)
    policy.reset()
    cost, over = np.zeros(HOUSEHOLDS), np.zeros(HOUSEHOLDS, np.bool_)
    while not over.all():
        observations, rewards, _, truncated, infos = env.step(policy(observations))
        cost -= np.where(over, 0.0, rewards + np.where(truncated, infos["settlement"], 0.0))
        over |= truncated
    return float(cost.mean())
