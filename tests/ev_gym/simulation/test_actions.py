"""Actions: what is refused without a change, what is taken and left as it is, levels."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Charger, Driving, Scenario, Vehicle
from ev_gym.simulation.actions import level_fractions
from ev_gym.simulation.simulator import ActionError
from tests.support.one_day import A_DAY
from tests.support.rollouts import THREE_CARS, live, same

FRACTION = "allowed: a number from 0 to 1"
BAD_FRACTIONS = [
    ([math.nan], f"action of vehicle 0 is nan; {FRACTION}"),
    ([math.inf], f"action of vehicle 0 is inf; {FRACTION}"),
    ([-math.inf], f"action of vehicle 0 is -inf; {FRACTION}"),
    ([1.0 + 1e-6], "action of vehicle 0 is 1.00000"),
    ([-1e-6], "action of vehicle 0 is -9.99"),
    ([1e300], f"action of vehicle 0 is inf; {FRACTION}"),
    ([2], f"action of vehicle 0 is 2.0; {FRACTION}"),
    ([0.5, 0.5], "action has shape (2,); allowed: (1,)"),
    ([], "action has shape (0,); allowed: (1,)"),
    (0.5, "action has shape (); allowed: (1,)"),
    ([[[0.5]]] * 2, "action has shape (2, 1, 1); allowed: (1,)"),
    ("0.5", "action is '0.5'; allowed: a number for each vehicle"),
    (["on"], "action is ['on']; allowed: a number"),
    (None, "action is None; allowed: a number"),
    ([None], "action is [None]; allowed: a number"),
    ([0.5j], "action is [0.5j]; allowed: a number"),
    ([[0.5], [0.5, 0.5]], "action is [[0.5], [0.5, 0.5]]; allowed: a number"),
    ({}, "action is {}; allowed: a number"),
]
LEVEL = "allowed: a whole number"
BAD_LEVELS = [
    (12, f"action of vehicle 0 is 12; {LEVEL} from 0 to 11"),
    (-1, f"action of vehicle 0 is -1; {LEVEL} from 0 to 11"),
    (1.0, f"action is 1.0; {LEVEL} for each vehicle"),
    (np.array([1.0]), f"action is array([1.]); {LEVEL}"),
    (math.nan, f"action is nan; {LEVEL}"),
    ([1, 1], "action has shape (2,); allowed: ()"),
    (2**70, f"action is {2**70}; {LEVEL}"),
    ("on", f"action is 'on'; {LEVEL}"),
    (None, f"action is None; {LEVEL}"),
]
V2G = {"charger": {"bidirectional": True}}
SIGNED = "allowed: a number from -1 to 1"
BAD_SIGNED = [
    ([math.nan], f"action of vehicle 0 is nan; {SIGNED}"),
    ([-1.5], f"action of vehicle 0 is -1.5; {SIGNED}"),
    ([-1.0 - 1e-6], "action of vehicle 0 is -1.00000"),
    ([1.5], f"action of vehicle 0 is 1.5; {SIGNED}"),
    ([-math.inf], f"action of vehicle 0 is -inf; {SIGNED}"),
]
BAD_SIGNED_LEVELS = [
    (23, f"action of vehicle 0 is 23; {LEVEL} from 0 to 22"),
    (-1, f"action of vehicle 0 is -1; {LEVEL} from 0 to 22"),
]
BAD_OF_THREE = [
    ([0.5, math.nan, 0.5], f"action of vehicle 1 is nan; {FRACTION}"),
    ([0.5, 0.5, 1.5], f"action of vehicle 2 is 1.5; {FRACTION}"),
    ([0.5, 0.5], "action has shape (2,); allowed: (3,)"),
    (0.5, "action has shape (); allowed: (3,)"),
]
BAD_LEVELS_OF_THREE = [
    ([0, 0, 28], f"action of vehicle 2 is 28; {LEVEL} from 0 to"),
    ([0, -1, 0], f"action of vehicle 1 is -1; {LEVEL} from 0 to 11"),
    ([0.0, 0.0, 0.0], f"action is [0.0, 0.0, 0.0]; {LEVEL}"),
    (3, "action has shape (); allowed: (3,)"),
]


@pytest.mark.parametrize(
    ("scenario", "continuous", "wrong"),
    [
        ("stockholm", True, BAD_FRACTIONS),
        ("stockholm", False, BAD_LEVELS),
        (V2G, True, BAD_SIGNED),
        (V2G, False, BAD_SIGNED_LEVELS),
        (THREE_CARS, True, BAD_OF_THREE),
        (THREE_CARS, False, BAD_LEVELS_OF_THREE),
    ],
    ids=["fractions", "levels", "signed", "signed levels", "three fractions", "three levels"],
)
def test_wrong_actions_change_nothing(scenario: Any, continuous: bool, wrong: Any) -> None:
    """Each is refused in words that name it, and the state stays as it was, to the last byte."""
    env = EVChargingEnv(scenario, continuous=continuous)
    env.reset(seed=2)
    live(env, 30)
    before, rows = env.get_state(), env.history
    for action, said in wrong:
        with pytest.raises(ActionError) as caught:
            env.step(action)
        assert str(caught.value).startswith(said)
        assert env.get_state() == before
    assert env.history.equals(rows)
    twin = EVChargingEnv(scenario, continuous=continuous)
    twin.reset(seed=2)
    live(twin, 30)
    assert same(live(env, 40, 30), live(twin, 40, 30))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16, np.int64, np.bool_])
def test_the_callers_action_is_never_changed(kind: Any) -> None:
    """An array of any number type, even read-only, is taken and left as it is."""
    env, twin = EVChargingEnv(THREE_CARS), EVChargingEnv(THREE_CARS)
    env.reset(seed=4)
    twin.reset(seed=4)
    for step in range(50):
        action = np.array([step % 2, 1, 0], kind)
        action.flags.writeable = False
        kept = action.copy()
        result = env.step(action)
        assert same(action, kept)
        assert same(result, twin.step([float(step % 2), 1.0, 0.0]))
    writable = np.array([1.0, 0.0, 1.0], np.float32)
    env.step(writable)
    assert writable.tolist() == [1.0, 0.0, 1.0]


def test_every_layout_of_an_action_is_read_alike() -> None:
    """Read-only, strided, backwards, bytes swapped, one row of many: the numbers count."""
    env, twin = EVChargingEnv(THREE_CARS), EVChargingEnv(THREE_CARS)
    env.reset(seed=4)
    twin.reset(seed=4)
    plain = np.array([1.0, 0.5, 0.0], np.float32)
    assert same(env.step(plain), twin.step(plain))
    read_only = plain.copy()
    read_only.flags.writeable = False
    table = np.asfortranarray(np.stack([plain, plain]))
    kinds = [read_only, np.repeat(plain, 2)[::2], plain[::-1].copy()[::-1], table[1], table[:1]]
    kinds += [np.broadcast_to(plain, (1, 3)), plain.astype(">f4"), plain.tolist(), tuple(plain)]
    kinds += [np.frombuffer(b"x" + plain.tobytes(), np.float32, offset=1), plain.view(np.matrix)]
    for action in kinds * 5:
        assert same(env.step(action), twin.step(plain))


def without_mask(result: Any) -> Any:
    """What a reset or a step with discrete actions returned, but for its action mask."""
    info = {name: value for name, value in result[-1].items() if name != "action_mask"}
    return (*result[:-1], info)


def test_a_level_equals_its_fraction() -> None:
    """Discrete 0, 1, 2, ... are 0, 6, 7, ... amperes: the same as the fractions of 16 A."""
    daily = {**A_DAY, "driving": {"pattern": "daily"}}
    levels, fractions = EVChargingEnv(daily, continuous=False), EVChargingEnv(daily)
    assert levels.action_space == gym.spaces.Discrete(12)
    for level in range(12):
        amperes = 0 if level == 0 else 5 + level
        options = {"start": "2025-05-05", "soc": 0.2}
        begun = without_mask(levels.reset(seed=1, options=options))
        assert same(begun, fractions.reset(seed=1, options=options))
        currents = set()
        for _ in range(96):
            result = levels.step(level)
            assert same(without_mask(result), fractions.step(np.array([amperes / 16])))
            currents.add(result[4]["current_a"][0])
        assert amperes in currents


def test_levels_of_a_bidirectional_charger() -> None:
    """-16 to -6 A, 0, 6 to 16 A; the spaces say so, and each level equals its fraction."""
    daily = {**A_DAY, **V2G, "driving": {"pattern": "daily"}, "time_step_min": 5}
    daily["household"] = {"fuse_a": 35}  # so that 16 A fit beside any load
    levels, fractions = EVChargingEnv(daily, continuous=False), EVChargingEnv(daily)
    assert levels.action_space == gym.spaces.Discrete(23)
    assert fractions.action_space == gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    options = {"start": "2025-05-05T18:00", "soc": 0.9}
    begun = without_mask(levels.reset(seed=1, options=options))
    assert same(begun, fractions.reset(seed=1, options=options))
    for level, amperes in enumerate([*range(-16, -5), 0, *range(6, 17)]):
        result = levels.step(level)
        assert same(without_mask(result), fractions.step(np.array([amperes / 16])))
        assert result[4]["current_a"].tolist() == [amperes]
        assert np.sign(result[4]["charge_kw"][0]) == np.sign(amperes)


@pytest.mark.parametrize(
    ("phases", "one_phase_a"), [(3, [*range(6, 17)]), (2, [*range(6, 12)]), (1, [])]
)
def test_levels_of_a_charger_that_switches(phases: int, one_phase_a: list[int]) -> None:
    """On one phase what is below 6 A on all, then 6 to 16 A; each level gives its current."""
    car = Vehicle(phases=phases, ac_max_kw=3.68 * phases)
    scenario = Scenario(
        vehicles=(car,),
        charger=Charger(phase_switching=True, switch_hold_min=0, load_management=False),
        driving=Driving(pattern="daily"),
    )
    levels = level_fractions(scenario, car)
    assert len(levels) == 1 + len(one_phase_a) + 11
    env = EVChargingEnv(scenario, continuous=False)
    env.reset(seed=1, options={"start": "2025-05-05T18:00", "soc": 0.1})
    wanted = [*((1, a) for a in one_phase_a), *((phases, a) for a in range(6, 17))]
    # Downwards, because on the way up one phase keeps all that it carries, 16 A.
    for level, both in reversed([*enumerate(wanted, 1)]):
        info = env.step(level)[4]
        assert (info["phases"][0], info["current_a"][0]) == both


def test_levels_of_power_and_of_several_cars() -> None:
    classic = EVChargingEnv("classic", continuous=False)
    assert classic.action_space == gym.spaces.Discrete(2)
    classic.reset(seed=0)
    assert classic.step(1)[4]["charge_kw"].tolist() == [7.4]
    assert classic.step(0)[4]["charge_kw"].tolist() == [0.0]
    fractions = EVChargingEnv("classic")
    fractions.reset(seed=0)
    assert fractions.step([0.5])[4]["charge_kw"].tolist() == [7.4]
    assert fractions.step([0.49])[4]["charge_kw"].tolist() == [0.0]
    several = EVChargingEnv(THREE_CARS, continuous=False)
    # 16 A on three phases twice; 6.6 kW on one phase: no more than the charger's 16 A
    assert several.action_space == gym.spaces.MultiDiscrete([12, 12, 12])
    twin = EVChargingEnv(THREE_CARS)
    several.reset(seed=9)
    twin.reset(seed=9)
    for step in range(60):
        chosen = [step % 12, (5 * step) % 12, (7 * step) % 12]
        amperes = [0 if level == 0 else 5 + level for level in chosen]
        assert same(without_mask(several.step(chosen)), twin.step(np.array(amperes) / 16))
