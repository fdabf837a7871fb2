"""`info["action_mask"]`: False is what does the same as asking for nothing, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario, as_scenario
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.one_day import A_DAY, THREE_CARS_DAY, VILLA_DAY
from tests.support.rollouts import same
from tests.support.scenario_strategies import SERIES, cases, examples

STEPS = 40


def as_action(env: EVChargingEnv, levels: NDArray[np.int64]) -> Any:
    """Levels (K,) of all cars as an action."""
    return levels[0] if len(levels) == 1 else levels


def choices(env: EVChargingEnv) -> Iterator[tuple[int, int, int]]:
    """Place in the mask, car, and level of each choice."""
    place = 0
    for k, levels in enumerate(env._actions.levels):
        for level in range(len(levels)):
            yield place, k, level
            place += 1


def idle_levels(env: EVChargingEnv) -> NDArray[np.int64]:
    """(K,) the level of each car that asks for nothing."""
    return np.array([int(np.flatnonzero(levels == 0.0)[0]) for levels in env._actions.levels])


def assert_masked_choices_do_nothing(env: EVChargingEnv, seed: int, **options: Any) -> None:
    """Try every choice of each car from every state of some steps."""
    generator, idle = np.random.default_rng(seed), idle_levels(env)
    _, info = env.reset(seed=seed, options=options)

    def tried(saved: bytes, others: NDArray[np.int64], k: int, level: int) -> Any:
        env.set_state(saved)
        levels = others.copy()
        levels[k] = level
        return env.step(as_action(env, levels)), env.get_state()

    for _ in range(STEPS):
        mask, saved = info["action_mask"], env.get_state()
        others = generator.integers([len(levels) for levels in env._actions.levels])
        idle_results: dict[int, Any] = {}  # by car
        assert mask.shape == (sum(map(len, env._actions.levels)),)
        assert mask.dtype == np.bool_
        for place, k, level in choices(env):
            if level == idle[k]:
                assert mask[place]
            elif not mask[place]:
                if k not in idle_results:
                    idle_results[k] = tried(saved, others, k, idle[k])
                assert same(tried(saved, others, k, level), idle_results[k])
        env.set_state(saved)
        *_, truncated, info = env.step(as_action(env, others))
        if truncated:
            _, info = env.reset()


@settings(max_examples=examples(25))
@given(cases())
def test_masked_choices_do_nothing(case: tuple[Scenario, str, int]) -> None:
    """In any scenario, whatever other cars do: reward, info, observation and state are equal."""
    scenario, name, seed = case
    env = EVChargingEnv(scenario, continuous=False, dataset=SERIES[name])
    assert_masked_choices_do_nothing(env, seed)


@pytest.mark.parametrize("soc", [0.1, 0.8, 1.0])
def test_masked_choices_of_full_and_empty_cars_do_nothing(soc: float) -> None:
    """Nor do they switch the phases of a car in which nothing flows."""
    at_home = {**VILLA_DAY, "driving": {"pattern": "daily", "arrival_h": 12, "departure_h": 11}}
    env = EVChargingEnv(at_home, continuous=False)
    assert_masked_choices_do_nothing(env, 2, soc=soc)


def with_room(scenario: Any) -> Scenario:
    """The scenario with a connection that limits nothing."""
    scenario = as_scenario(scenario)
    return replace(scenario, household=replace(scenario.household, fuse_a=80))


@pytest.mark.parametrize("scenario", ["classic", VILLA_DAY, THREE_CARS_DAY], ids=str)
def test_open_choices_do_something(scenario: Any) -> None:
    """Where the connection does not limit them: power flows in their direction, or phases switch.

    Both kinds of choices occur for cars at home, and none is open while a car is away.
    """
    env = EVChargingEnv(with_room(scenario), continuous=False)
    idle, seen = idle_levels(env), set()
    top = np.array([len(levels) - 1 for levels in env._actions.levels])
    for seed, soc in enumerate((0.2, 0.5, 0.8, 1.0)):
        _, info = env.reset(seed=seed, options={"soc": soc})
        for step in range(STEPS):
            saved, mask = env.get_state(), info["action_mask"]
            plugged = env.simulator.vehicles["plugged"][0] != 0
            phases = env.simulator.vehicles["phases"][0].copy()
            for place, k, level in choices(env):
                if level == idle[k]:
                    continue
                seen.add((bool(plugged[k]), bool(mask[place])))
                if mask[place]:
                    env.set_state(saved)
                    levels = idle.copy()
                    levels[k] = level
                    *_, tried = env.step(as_action(env, levels))
                    switched = env.simulator.vehicles["phases"][0, k] != phases[k]
                    direction = np.sign(tried["charge_kw"][k])
                    assert direction == np.sign(level - idle[k]) or (direction == 0 and switched)
            env.set_state(saved)
            *_, info = env.step(as_action(env, top if step % 3 else 0 * top))
    assert seen >= {(True, True), (True, False)}
    assert (False, True) not in seen
    assert (False, False) in seen or scenario == "classic"


def test_full_empty_and_absent_cars() -> None:
    """A full car can only be discharged, one at its floor only charged, one away nothing."""
    env = EVChargingEnv(VILLA_DAY, continuous=False)
    levels = np.concatenate(env._actions.levels)
    cars = env._actions.choices[1]
    limits = env.simulator.world.tables.cars
    floors = (limits["floor_kwh"] / limits["battery_kwh"]).tolist()
    met = set()
    for seed in range(30):
        for name, soc in (("full", [1.0, 1.0]), ("empty", floors), ("half", [0.5, 0.5])):
            _, info = env.reset(seed=seed, options={"soc": soc})
            for k, plugged in enumerate(info["plugged"]):
                mask, fractions = info["action_mask"][cars == k], levels[cars == k]
                if not plugged:
                    expected = fractions == 0.0
                elif name == "full":
                    expected = fractions <= 0.0
                elif name == "empty":
                    expected = fractions >= 0.0
                else:
                    expected = np.ones(len(fractions), np.bool_)
                assert mask.tolist() == expected.tolist()
                met.add((bool(plugged), name))
    assert len(met) == 6


def test_masks_of_rows_and_by_method() -> None:
    """Rows on many threads have those of single envs; `action_masks()` gives them in any mode."""
    n = 8192
    rows = EVChargingVectorEnv(n, VILLA_DAY, continuous=False, info="terms")
    made = gym.make("EVCharging-v0", scenario=VILLA_DAY, continuous=False, info="none")
    _, infos = rows.reset(seed=3)
    for row in (0, 4095, 4096, n - 1):
        assert made.reset(seed=3 + row)[1] == {}
        mask = made.get_wrapper_attr("action_masks")()
        assert mask.tolist() == infos["action_mask"][row].tolist()


def test_continuous_actions_have_no_mask() -> None:
    env = EVChargingEnv(A_DAY)
    assert "action_mask" not in env.reset(seed=0)[1]
    with pytest.raises(AttributeError, match="pass continuous=False"):
        env.action_masks()
    with pytest.raises(gym.error.ResetNeeded):
        EVChargingEnv(A_DAY, continuous=False).action_masks()
