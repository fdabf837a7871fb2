"""The policies: the bills on `classic`, one row or many."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from baselines import POLICY_NAMES, make_policy
from ev_gym.scenario import Scenario, as_scenario
from tests.support.observations_by_hand import names_for
from tests.support.one_day import A_DAY

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


DAYS = {  # of every preset but stockholm-measured, which needs files
    "stockholm": A_DAY,
    "stockholm-villa": {"preset": "stockholm-villa", **A_DAY},
    "classic": {"preset": "classic"},
}
TWO_CARS = {
    **A_DAY,
    "vehicles": [{"model": "Renault Zoe"}, {"model": "Nissan Leaf 40 kWh"}],
    "household": {"fuse_a": 16},
}


EVERY = [
    pytest.param(name, scenario, id=f"{name}-{label}")
    for label, scenario in (*DAYS.items(), ("two cars", TWO_CARS))
    for name in names_for(POLICY_NAMES, as_scenario(scenario))
]


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize(("name", "scenario"), EVERY)
def test_a_batch_of_rows_is_driven_like_each_row_alone(
    name: str, scenario: Any, continuous: bool
) -> None:
    """A day in every preset: each row's actions, and what came of the first row's."""
    kind = {"scenario": scenario, "continuous": continuous}
    env: Any = gym.make_vec(
        "EVCharging-v0", num_envs=5, vectorization_mode="vector_entry_point", **kind
    )
    single = gym.make("EVCharging-v0", **kind)
    policy, alone = make_policy(name, env), make_policy(name, single)
    observations, _ = env.reset(seed=4)
    observation, _ = single.reset(seed=4)
    over, paid = False, 0.0
    while not over:
        actions, own = policy(observations), alone(observation)
        assert env.action_space.contains(actions.astype(env.action_space.dtype))
        np.testing.assert_array_equal(own, actions[0])
        if not (policy.draws or policy.remembers):
            np.testing.assert_array_equal(np.array([policy(one) for one in observations]), actions)
        observations, rewards, *_ = env.step(actions)
        observation, reward, _, over, _ = single.step(own)
        assert reward == rewards[0]
        paid += reward
    assert paid != 0.0


@pytest.mark.parametrize("continuous", [True, False])
def test_every_policy_drives_the_measured_preset(
    continuous: bool, measured_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EV_GYM_DATA", str(measured_folder))
    scenario = {"preset": "stockholm-measured", **A_DAY}
    env = gym.make("EVCharging-v0", scenario=scenario, continuous=continuous)
    for name in names_for(POLICY_NAMES, env.unwrapped.scenario):
        history, infos = drive(env, name, seed=4)
        assert len(infos) == 96
        assert (history["charge_kw"].sum() > 0.0) == (name != "never"), name


def test_uncontrolled_is_full_power_from_arrival_until_full() -> None:
    history, _ = drive(gym.make("EVCharging-v0", scenario=A_DAY), "uncontrolled", seed=1)
    plugged = history["plugged"] == 1
    assert (history["current_a"][plugged] == 16).all()
    assert (history["current_a"][~plugged] == 0).all()


def test_load_based_takes_what_the_house_leaves() -> None:
    """Without load management: whole amperes beside the base load, by hand."""
    scenario = {
        **A_DAY,
        "charger": {"load_management": False},
        "household": {"fuse_a": 10},
        "vehicles": [{"wanted_soc": 0.8}],
        "driving": {"pattern": "daily", "arrival_h": 11.0, "departure_h": 7.0},
    }
    env = gym.make("EVCharging-v0", scenario=scenario)
    history, _ = drive(env, "load_based", seed=2, soc=0.2)
    wanting = (history["plugged"] == 1) & (history["soc"] < 0.8)
    headroom_a = np.floor((6.9 - history["load_kw"][wanting] + 1e-4) / 0.69).clip(0, 16)
    expected = headroom_a.where(headroom_a >= 6, 0.0)
    assert wanting.sum() > 10
    np.testing.assert_array_equal(history["current_a"][wanting], expected)


SWITCHING: dict[str, Any] = {
    **A_DAY,
    "charger": {"load_management": False, "phase_switching": True, "switch_hold_min": 0},
    "household": {"connection_kw": 5.5},
    "vehicles": [{"wanted_soc": 0.8}],
    "driving": {"pattern": "daily", "arrival_h": 11.0, "departure_h": 7.0},
}


@pytest.mark.parametrize("most_a", [16, 32])
def test_load_based_charges_on_one_phase_where_three_do_not_fit(most_a: int) -> None:
    """Below 4.14 kW, 6 A on three phases, whole amperes of 0.23 kW beside the base load."""
    charger = {**SWITCHING["charger"], "max_current_a": most_a}
    env = gym.make("EVCharging-v0", scenario={**SWITCHING, "charger": charger})
    history, _ = drive(env, "load_based", seed=4, soc=0.2)
    wanting = history[(history["plugged"] == 1) & (history["soc"] < 0.8)]
    headroom_kw = 5.5 - wanting["load_kw"] + 1e-4
    on_three_a = np.floor(headroom_kw / 0.69).clip(0, 16)
    on_one_a = np.floor(headroom_kw / 0.23).clip(0, most_a)
    narrow = (on_three_a < 6) & (on_one_a >= 6)
    assert narrow.sum() > 5
    assert (wanting["phases"][narrow] == 1).all()
    np.testing.assert_array_equal(wanting["current_a"][narrow], on_one_a[narrow])
    # With headroom for three phases it asks for all of it, also while the switch keeps one phase.
    wide = on_three_a >= 6
    assert wide.sum() > 5
    asked_kw = 0.23 * wanting["phases"] * wanting["current_a"]
    np.testing.assert_allclose(asked_kw[wide], 0.69 * on_three_a[wide])
    assert (history["grid_kw"][history["charge_kw"] > 0] <= 5.5).all()


@pytest.mark.parametrize(
    ("limits", "limit_kw"),
    [({"connection_kw": 5.5}, 5.5), ({"fuse_a": 8}, 5.52), ({"fuse_a": 8, "connection_kw": 5}, 5)],
)
def test_load_based_keeps_the_lower_of_both_limits(
    limits: dict[str, float], limit_kw: float
) -> None:
    """The headroom that it observes is that of fuse or connection, whichever is less."""
    charger = {**SWITCHING["charger"], "phase_switching": False}
    del charger["switch_hold_min"]
    scenario = {**SWITCHING, "charger": charger, "household": limits}
    history, _ = drive(gym.make("EVCharging-v0", scenario=scenario), "load_based", seed=4, soc=0.2)
    charging = history[history["charge_kw"] > 0]
    assert len(charging) > 5
    assert charging["grid_kw"].between(limit_kw - 0.69, limit_kw).any()
    assert (charging["grid_kw"] <= limit_kw).all()


@pytest.mark.parametrize("managed", [True, False])
def test_a_single_line_is_kept_by_load_management_alone(managed: bool) -> None:
    """A car on one phase of a house with 16 A on each: all lines together leave it 32 A."""
    charger = {"max_current_a": 32, "load_management": managed}
    car = {"phases": 1, "ac_max_kw": 7.36}
    scenario = {**A_DAY, "charger": charger, "household": {"fuse_a": 16}, "vehicles": [car]}
    env = gym.make("EVCharging-v0", scenario={**scenario, "driving": SWITCHING["driving"]})
    history, _ = drive(env, "load_based", seed=2, soc=0.2)
    charging = history["charge_kw"] > 0
    line_a = history["charge_kw"] / 0.23 + history["load_kw"] / 0.69
    assert charging.sum() > 10
    assert (history["grid_kw"][charging] <= 11.04).all()
    assert bool(line_a[charging].max() <= 16 + 1e-6) is managed
    assert bool(history["overload_kw"][charging].max() < 1e-9) is managed


@pytest.mark.parametrize("minutes", [5, 15, 60])
def test_price_based_charges_only_as_long_as_it_must(minutes: int) -> None:
    """A parked car with one night: the hours charged are the cheapest ones that suffice."""
    scenario = {
        "time_step_min": minutes,
        "days": 1,
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


@pytest.mark.parametrize(("bidirectional", "many"), [(False, 12), (True, 23)])
def test_random_levels_come_equally_often(bidirectional: bool, many: int) -> None:
    env: Any = gym.make_vec(
        "EVCharging-v0",
        num_envs=100 * many,
        vectorization_mode="vector_entry_point",
        continuous=False,
        scenario={"charger": {"bidirectional": bidirectional}},
    )
    observations, _ = env.reset(seed=0)
    policy = make_policy("random", env, seed=1)
    levels = np.concatenate([policy(observations) for _ in range(10)])
    counts = np.bincount(levels, minlength=many)
    assert len(counts) == many
    # 1,000 expected each; five standard deviations of a binomial count.
    assert abs(counts - 1000).max() < 5 * math.sqrt(1000)


def test_random_draws_over_the_whole_action_space() -> None:
    """From -1 with a bidirectional charger: the same numbers as from 0 without, spread out."""
    drawn = {}
    for bidirectional in (False, True):
        env: Any = gym.make_vec(
            "EVCharging-v0",
            num_envs=4000,
            vectorization_mode="vector_entry_point",
            scenario={"charger": {"bidirectional": bidirectional}},
        )
        observations, _ = env.reset(seed=0)
        policy: Any = make_policy("random", env, seed=1)
        drawn[bidirectional] = policy(observations)
        ahead = policy.ahead(0, 3)
        assert ahead[0] == drawn[bidirectional][0]
        assert (ahead[1], ahead[2]) == (policy(observations)[0], policy(observations)[0])
    np.testing.assert_allclose(drawn[True], 2.0 * drawn[False] - 1.0, atol=1e-7)
    # Deciles of the uniform distribution on [-1, 1], within five standard deviations of a count.
    counts, _ = np.histogram(drawn[True], bins=10, range=(-1.0, 1.0))
    assert abs(counts - 400).max() < 5 * math.sqrt(400 * 0.9)
    assert (drawn[False] >= 0.0).all()


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
    for name in names_for(POLICY_NAMES, Stub.scenario):
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
