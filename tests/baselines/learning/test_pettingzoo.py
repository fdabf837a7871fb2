"""The multi-agent envs: PettingZoo's own checks, and the plain envs told apart by agent.

Skips where PettingZoo is not installed, unless EV_GYM_REQUIRE_PETTINGZOO=1.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import pytest

from baselines import make_policy
from ev_gym.env import EVChargingEnv
from ev_gym.simulation.observation import observation_slices
from ev_gym.simulation.simulator import ActionError
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.library_examples import run_examples
from tests.support.one_day import STOCKHOLM_DAY, THREE_CARS_DAY, VILLA_DAY
from tests.support.rollouts import action_of, same, same_bits

MISSING = importlib.util.find_spec("pettingzoo") is None
REQUIRED = os.environ.get("EV_GYM_REQUIRE_PETTINGZOO") == "1"
pytestmark = pytest.mark.skipif(MISSING and not REQUIRED, reason="needs pettingzoo")

if not MISSING or REQUIRED or TYPE_CHECKING:
    from baselines.learning.pettingzoo_cars import CarAgents
    from baselines.learning.pettingzoo_houses import HouseAgents

# Without load management, so that cars can overload their own connection, too.
UNMANAGED_DAY: dict[str, Any] = {**STOCKHOLM_DAY, "charger": {"load_management": False}}
KINDS = [
    lambda: CarAgents(VILLA_DAY),
    lambda: CarAgents(THREE_CARS_DAY, continuous=False),
    lambda: CarAgents("classic"),
    lambda: HouseAgents(3, 9.0, VILLA_DAY),
    lambda: HouseAgents(2, 9.0, STOCKHOLM_DAY, continuous=False),
]
NAMES = ["villa cars", "three cars", "one car", "villas", "houses"]


@pytest.mark.parametrize("make", KINDS, ids=NAMES)
def test_pettingzoo_finds_nothing(make: Any) -> None:
    """Its tests of the interface and of seeds; their warnings would be errors here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing it warns of is not ours
        from pettingzoo.test import parallel_api_test, parallel_seed_test
    parallel_api_test(make(), num_cycles=200)
    parallel_seed_test(make, num_cycles=200)


@pytest.mark.parametrize("make", KINDS, ids=NAMES)
def test_a_seed_is_an_episode(make: Any) -> None:
    """Two envs agree in every bit to the end; PettingZoo's own test looks at one step only."""
    seen = []
    for env in (make(), make()):
        episode: list[Any] = [env.reset(seed=7)]
        for agent in env.agents:
            env.action_space(agent).seed(5)
        while env.agents:
            episode.append(env.step({a: env.action_space(a).sample() for a in env.agents}))
            assert all(
                env.observation_space(agent).contains(own) for agent, own in episode[-1][0].items()
            )
            assert env.state_space.contains(env.state())
        seen.append(episode)
    assert len(seen[0]) > 24
    assert same(*seen)


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("scenario", [THREE_CARS_DAY, VILLA_DAY, STOCKHOLM_DAY], ids=str)
def test_cars_live_the_episode_of_their_house(scenario: Any, continuous: bool) -> None:
    """Two episodes bit for bit; rewards add up to the house's; each sees its own fields."""
    env, alone = (kind(scenario, continuous=continuous) for kind in (CarAgents, EVChargingEnv))
    cars, slices = len(alone.scenario.vehicles), observation_slices(alone.scenario)
    for seed in (3, None):
        _, infos = env.reset(seed=seed)
        observation, _ = alone.reset(seed=seed)
        assert same(env.state(), observation)
        total, whole, steps = 0.0, 0.0, 0
        while env.agents:
            action = action_of(alone, steps)
            of_cars = np.reshape(action, -1)
            actions = {f"car_{k}": of_cars[k : k + 1] for k in range(cars)}
            if not continuous:
                actions = {agent: own[0] for agent, own in actions.items()}
            seen, rewards, terminated, truncated, infos = env.step(actions)
            observation, reward, _, over, info = alone.step(action)
            assert same(env.state(), observation)
            assert sum(rewards.values()) == pytest.approx(reward, rel=1e-15)
            assert len(set(rewards.values())) == 1
            assert set(terminated.values()) == {False}
            assert set(truncated.values()) == {over}
            for k in range(cars):
                own, fields = infos[f"car_{k}"], list(seen[f"car_{k}"])
                assert own["charge_kw"] == info["charge_kw"][k]
                assert own["grid_kw"] == info["grid_kw"]
                for name in ("soc", "energy_to_wanted_kwh"):
                    assert observation[slices[name]][k] in fields
            total, whole, steps = total + sum(rewards.values()), whole + reward, steps + 1
        assert steps == alone.scenario.horizon_steps
        assert total == pytest.approx(whole, rel=1e-12)
        assert whole != 0.0


def test_a_car_sees_the_house_and_itself() -> None:
    """All entries of the observation but those of the other cars."""
    env = CarAgents(THREE_CARS_DAY)
    env.reset(seed=0)
    env.env.simulator.vehicles["energy_kwh"][0] = [10.0, 20.0, 30.0]
    nothing = np.zeros(1, np.float32)
    observations, *_ = env.step(dict.fromkeys(env.agents, nothing))
    slices = observation_slices(env.env.scenario)
    soc = slices["soc"]
    assert len(env.state()) - len(observations["car_0"]) == 2 * len(
        [name for name, place in slices.items() if place.stop - place.start == 3]
    )
    for k, agent in enumerate(env.possible_agents):
        socs = env.state()[soc]
        assert socs[k] in observations[agent]
        assert not {*np.delete(socs, k).tolist()} & {*observations[agent].tolist()}
        assert observations[agent][0] == env.state()[0]


def test_masks_are_those_of_each_car() -> None:
    env, alone = CarAgents(THREE_CARS_DAY, continuous=False), EVChargingEnv(
        THREE_CARS_DAY, continuous=False
    )  # fmt: skip
    _, infos = env.reset(seed=1)
    _, info = alone.reset(seed=1)
    masks = [infos[agent]["action_mask"] for agent in env.agents]
    assert [len(mask) for mask in masks] == [env.action_space(a).n for a in env.agents]  # type: ignore[attr-defined]
    assert np.concatenate(masks).tolist() == info["action_mask"].tolist()
    assert sum(map(sum, masks)) > 3
    for agent, mask in zip(env.agents, masks, strict=True):
        assert mask[env.action_space(agent).sample(mask)]
    houses = HouseAgents(2, 9.0, STOCKHOLM_DAY, continuous=False)
    _, infos = houses.reset(seed=1)
    assert infos["house_1"]["action_mask"].dtype == np.int8


def start_of(env: HouseAgents) -> dict[str, Any]:
    """The reset options with which a single env begins at the same time in the same world."""
    first = env.envs.simulator.households[0]
    start = env.envs.series_start + timedelta(minutes=int(first["start_min"]))
    return {"start": start, "world": int(first["world"])}


@pytest.mark.parametrize("scenario", [VILLA_DAY, UNMANAGED_DAY, {"days": "month"}], ids=str)
def test_houses_live_as_they_do_alone(scenario: Any) -> None:
    """House i is a single env with seed s + i at the same time, but for what it pays."""
    env = HouseAgents(3, 4.0, scenario, split="train")
    options = None
    for seed in (5, 6):
        env.reset(seed=seed)
        assert start_of(env) != options
        options = start_of(env)
        alone = [EVChargingEnv(scenario, split="train") for _ in range(3)]
        seen = [own.reset(seed=seed + i, options=options)[0] for i, own in enumerate(alone)]
        assert len({int(house) for house in env.envs.simulator.households["house"]}) > 1
        assert same(env.state(), np.concatenate(seen))
        for step in range(96):
            actions = [action_of(own, step + i) for i, own in enumerate(alone)]
            results = [own.step(action) for own, action in zip(alone, actions, strict=True)]
            observations, rewards, *_, infos = env.step(dict(zip(env.agents, actions, strict=True)))
            for i, agent in enumerate(env.possible_agents):
                assert same(observations[agent], results[i][0])
                assert infos[agent]["grid_kw"] == results[i][4]["grid_kw"]
                assert rewards[agent] == results[i][1] + infos[agent]["reward_transformer"]


def test_the_transformer_is_paid_by_those_who_charge() -> None:
    """By hand: 6 kW above the limit of which 2 kW without cars, so 4 kW, shared 3 to 1."""
    env = HouseAgents(3, 10.0, STOCKHOLM_DAY)
    env.reset(seed=0)
    tariff = env.envs.scenario.tariff
    # At the meters 16 kW; cars draw 6 and 2 kW and feed back 4 kW, so without them it is 12 kW.
    costs = env._costs(16.0, np.array([6.0, 2.0, -4.0]))
    expected = 4.0 * 0.25 * tariff.overload_price
    assert tariff.overload_price > 0
    np.testing.assert_allclose(costs, [expected * 0.75, expected * 0.25, 0.0], rtol=1e-15)
    # Below the limit, and where cars only relieve it, it costs nothing.
    assert env._costs(9.9, np.array([6.0, 2.0, -4.0])).tolist() == [0.0] * 3
    assert env._costs(16.0, np.array([1.0, 2.0, -4.0])).tolist() == [0.0] * 3
    with pytest.raises(ValueError, match=r"transformer_kw is 0\.0; allowed: a number above 0"):
        HouseAgents(2, 0.0)


def test_rewards_of_houses_add_up() -> None:
    """To those of the plain envs less what the overload costs, which load and charging explain."""
    env = HouseAgents(4, 12.0, UNMANAGED_DAY)
    env.reset(seed=2)
    plain = EVChargingVectorEnv(4, UNMANAGED_DAY)
    plain.reset(seed=2, options=start_of(env))
    full = np.ones((4, 1), np.float32)
    price, paid = env.envs.scenario.tariff.overload_price, 0.0
    while env.agents:
        _, rewards, _, _, infos = env.step(dict(zip(env.agents, full, strict=True)))
        _, of_plain, _, _, results = plain.step(full)
        alone_kw = results["load_kw"].sum()
        above_kw = max(0.0, alone_kw + results["charge_kw"].sum() - 12.0)
        cost = price * 0.25 * (above_kw - max(0.0, alone_kw - 12.0))
        assert sum(rewards.values()) == pytest.approx(of_plain.sum() - cost, abs=1e-9)
        assert infos["house_0"]["transformer_overload_kw"] == pytest.approx(above_kw, abs=1e-9)
        paid += cost
    assert paid > 1.0


def test_policies_drive_houses() -> None:
    """A policy made for a household decides for each agent, as it does for rows."""
    env = HouseAgents(2, 9.0, STOCKHOLM_DAY)
    policy = make_policy("price_based", env.envs)
    observations, _ = env.reset(seed=4)
    rows = policy(np.stack(list(observations.values())))
    assert rows.tolist() == [policy(own).tolist() for own in observations.values()]


@pytest.mark.parametrize("make", [KINDS[1], KINDS[3]], ids=["cars", "houses"])
def test_actions_are_one_of_each_agent(make: Any) -> None:
    env = make()
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        env.step({})
    env.reset(seed=0)
    actions = {agent: env.action_space(agent).sample() for agent in env.agents}
    first = actions.pop(env.agents[0])
    with pytest.raises(ActionError, match=r"actions are of .* allowed: one of each of"):
        env.step(actions)
    state = env.state()
    with pytest.raises(ActionError, match="allowed"):
        env.step({**actions, env.agents[0]: first + 99})
    assert same_bits(state, env.state())


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = run_examples("PettingZoo")
    assert names["bill"] > 0.0
    assert names["paid"] > 0.0
    assert capsys.readouterr().out.splitlines() == [
        f"2 cars, {names['bill']:.2f} SEK",
        f"8 houses at full power pay {names['paid']:.2f} SEK for the transformer",
    ]
