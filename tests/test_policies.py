"""The policies: the bills on `classic`, the orderings theory demands, one row or many."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from baselines import POLICY_NAMES, make_policy
from ev_gym.scenario import Scenario

ORE = 100.0


def drive(env: Any, name: str, seed: int = 0, **options: Any) -> tuple[Any, list[dict[str, Any]]]:
    policy = make_policy(name, env, seed=seed)
    observation, _ = env.reset(seed=seed, options=options or None)
    policy.reset()
    infos: list[dict[str, Any]] = []
    over = False
    while not over:
        observation, _, _, over, info = env.step(policy(observation))
        infos.append(info)
    return env.unwrapped.history, infos


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize(
    ("name", "bill_ore"),
    # Hours 0-3; hours 22, 23, 3 and 2; hours 1-4: four hours of 7.4 kW each.
    [("load_based", 2161.54), ("price_based", 1496.65), ("cheapest_hours", 2033.742)],
)
def test_bills_on_classic(name: str, bill_ore: float, continuous: bool) -> None:
    env = gym.make("EVCharging-v0", scenario="classic", continuous=continuous)
    history, infos = drive(env, name)
    bill = math.fsum(info["energy_cost"] - info["house_cost"] for info in infos)
    assert bill * ORE == pytest.approx(bill_ore, abs=1e-9)
    assert round(100 * infos[-1]["soc"][0], 2) == 83.93
    assert history["grid_kw"][history["charge_kw"] > 0].max() <= 11.0


def test_price_based_on_classic_takes_the_four_cheapest_hours() -> None:
    history, _ = drive(gym.make("EVCharging-v0", scenario="classic"), "price_based")
    charged = history["charge_kw"] > 0
    assert sorted(set(history.index[charged].hour)) == [2, 3, 22, 23]


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("name", POLICY_NAMES)
def test_a_batch_of_rows_is_driven_like_each_row_alone(name: str, continuous: bool) -> None:
    cars = [{"model": "Renault Zoe"}, {"model": "Nissan Leaf 40 kWh"}]
    scenario = {"vehicles": cars, "household": {"fuse_a": 16}}
    env: Any = gym.make_vec(
        "EVCharging-v0",
        num_envs=5,
        vectorization_mode="vector_entry_point",
        scenario=scenario,
        continuous=continuous,
    )
    policy = make_policy(name, env)
    alone = make_policy(name, env)
    observations, _ = env.reset(seed=4)
    for _ in range(150):
        actions = policy(observations)
        assert env.action_space.contains(actions.astype(env.action_space.dtype))
        first = alone(observations[0])
        np.testing.assert_array_equal(first, actions[0])
        observations, *_ = env.step(actions)


def month(name: str) -> list[tuple[Any, float]]:
    """Histories and scores (return plus settlement) of twelve households over four weeks."""
    env = gym.make("EVCharging-v0", scenario={"days": 28})
    rides = []
    for seed in range(12):
        history, infos = drive(env, name, seed)
        rides.append((history, history["reward"].sum() + infos[-1]["settlement"]))
    return rides


def test_orderings_that_theory_demands() -> None:
    """Uncontrolled misses least; knowing prices pays; load-based never exceeds the connection."""
    rides = {name: month(name) for name in ("uncontrolled", "load_based", "price_based")}
    missing = {
        name: sum(history["missing_kwh"].sum() for history, _ in own) for name, own in rides.items()
    }
    score = {name: sum(score for _, score in own) for name, own in rides.items()}
    assert missing["uncontrolled"] <= min(missing.values()) + 1e-6
    assert score["price_based"] > score["load_based"]
    for history, _ in rides["load_based"]:
        charging = history["charge_kw"] > 0
        assert history["overload_kw"][charging].max() == 0.0


def test_uncontrolled_is_full_power_from_arrival_until_full() -> None:
    history, _ = drive(gym.make("EVCharging-v0"), "uncontrolled", seed=1)
    plugged = history["plugged"] == 1
    assert (history["current_a"][plugged] == 16).all()
    assert (history["current_a"][~plugged] == 0).all()


def test_load_based_takes_what_the_house_leaves() -> None:
    """Without load management: whole amperes beside the base load, by hand."""
    scenario = {
        "charger": {"load_management": False},
        "household": {"fuse_a": 10},
        "driving": {"pattern": "daily", "arrival_h": 11.0, "departure_h": 7.0},
    }
    env = gym.make("EVCharging-v0", scenario=scenario)
    history, _ = drive(env, "load_based", seed=2, soc=0.2)
    wanting = (history["plugged"] == 1) & (history["soc"] < 0.8)
    room_a = np.floor((6.9 - history["load_kw"][wanting] + 1e-4) / 0.69).clip(0, 16)
    expected = room_a.where(room_a >= 6, 0.0)
    assert wanting.sum() > 10
    np.testing.assert_array_equal(history["current_a"][wanting], expected)


@pytest.mark.parametrize("minutes", [5, 15, 60])
def test_price_based_charges_only_as_long_as_it_must(minutes: int) -> None:
    """A parked car with one night: the hours charged are the cheapest ones that suffice."""
    scenario = {
        "time_step_min": minutes,
        "start_hour": 17,
        "driving": {"pattern": "daily", "arrival_h": 17.0, "departure_h": 7.0, "start_soc": 0.3},
        "household": {"fuse_a": 35},
    }
    env = gym.make("EVCharging-v0", scenario=scenario)
    history, infos = drive(env, "price_based", seed=3)
    assert sum(info["missing_kwh"] for info in infos) == 0.0
    night = history.iloc[: 14 * 60 // minutes]
    hours = night.groupby(np.arange(len(night)) * minutes // 60).agg(
        {"price_per_kwh": "mean", "charge_kw": "mean"}
    )
    needed = math.ceil(0.5 * 58.0 / (0.921 * 11.0 - 0.108))
    cheapest = hours["price_per_kwh"].nsmallest(needed).index
    assert set(hours.index[hours["charge_kw"] > 0]) <= set(cheapest)


def test_random_differs_by_seed_and_row_and_repeats() -> None:
    env: Any = gym.make_vec("EVCharging-v0", num_envs=50, vectorization_mode="vector_entry_point")
    observations, _ = env.reset(seed=0)
    one, same, other = (make_policy("random", env, seed=seed) for seed in (1, 1, 2))
    first = one(observations)
    np.testing.assert_array_equal(first, same(observations))
    assert len(np.unique(first)) == 50
    assert not np.isin(first, other(observations)).any()
    assert not np.isin(first, one(observations)).any()


def test_random_levels_come_equally_often() -> None:
    env: Any = gym.make_vec(
        "EVCharging-v0", num_envs=1200, vectorization_mode="vector_entry_point", continuous=False
    )
    observations, _ = env.reset(seed=0)
    policy = make_policy("random", env, seed=1)
    levels = np.concatenate([policy(observations) for _ in range(10)])
    counts = np.bincount(levels, minlength=12)
    assert len(counts) == 12
    # 1,000 expected each; five standard deviations of a binomial count.
    assert abs(counts - 1000).max() < 5 * math.sqrt(1000)


def test_an_unknown_policy_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown policy 'greedy'; allowed: uncontrolled, "):
        make_policy("greedy", gym.make("EVCharging-v0"))


def test_policies_read_the_scenario_and_nothing_else_of_the_env() -> None:
    """A policy works on anything with a scenario and a space: so it works over a network."""

    class Stub:
        scenario = Scenario.from_dict({"preset": "classic"})
        action_space = gym.make("EVCharging-v0", scenario="classic").action_space

        @property
        def unwrapped(self) -> Stub:
            return self

    env = gym.make("EVCharging-v0", scenario="classic")
    observation, _ = env.reset(seed=0)
    for name in POLICY_NAMES:
        np.testing.assert_array_equal(
            make_policy(name, Stub())(observation), make_policy(name, env)(observation)
        )


def test_actions_of_another_range_are_refused() -> None:
    """A rescaled env would take 0 for half power."""
    env = gym.wrappers.RescaleAction(gym.make("EVCharging-v0"), np.float32(-1), np.float32(1))
    with pytest.raises(ValueError, match="allowed: a Box from 0 to 1"):
        make_policy("load_based", env)
    with pytest.raises(ValueError, match="seed is -1; allowed"):
        make_policy("random", gym.make("EVCharging-v0"), seed=-1)
