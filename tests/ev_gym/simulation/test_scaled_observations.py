"""`observation="scaled"`: the same numbers on scales under which they vary by about 1."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ev_gym
from baselines.policies.specs import POLICY_NAMES, built_in, make_policy
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario
from ev_gym.simulation.observation import observation_scales, physical, scaled
from ev_gym.vector_env import EVChargingVectorEnv
from ev_gym.world.tables import window_slot_min
from tests.support.one_day import ONE_DAY, STOCKHOLM_DAY, VILLA_DAY
from tests.support.rollouts import action_of, same
from tests.support.small_series import series

OF_MONEY = ("price", "export_price", "power_price")


def scales_of(env: Any) -> NDArray[np.float32]:
    """(2, D) offset and factor of each number that an env shows."""
    world = env.simulator.world
    slot_min = window_slot_min(world.scenario, world.dataset.price_minutes)
    return observation_scales(world.scenario, slot_min)


@pytest.mark.parametrize(
    ("name", "split"), [("stockholm", None), ("stockholm-villa", None), ("stockholm-villa", "test")]
)
def test_what_varies_varies_by_about_one(name: str, split: str | None) -> None:
    """Over 36 months of any season under `uncontrolled`, in worlds that nobody trained on too."""
    rows, count = 36, 30 * 96
    env = EVChargingVectorEnv(rows, {"preset": name}, split, info="none", observation="scaled")
    policy = make_policy("uncontrolled", env)
    observations, _ = env.reset(seed=1)
    total = np.zeros(observations.shape[1])
    squares, lowest, highest = total.copy(), observations[0], observations[0]
    for _ in range(count):
        total += observations.sum(axis=0, dtype=np.float64)
        squares += np.square(observations, dtype=np.float64).sum(axis=0)
        lowest = np.minimum(lowest, observations.min(axis=0))
        highest = np.maximum(highest, observations.max(axis=0))
        observations, *_ = env.step(policy(observations))
    mean = total / (rows * count)
    deviation = np.sqrt(squares / (rows * count) - mean**2)
    fields = ev_gym.observation_fields(env.scenario)
    names = np.repeat([f.name for f in fields], [f.slice.stop - f.slice.start for f in fields])
    varies = highest > lowest
    outside = varies & ~((deviation > 0.3) & (deviation < 3.0))
    assert dict(zip(names[outside], deviation[outside], strict=True)) == {}
    assert set(names[~varies]) <= {"phases"}  # at full power they never switch
    assert np.abs(mean[varies]).max() < 3.0
    assert (lowest >= env.single_observation_space.low).all()
    assert (highest <= env.single_observation_space.high).all()


@pytest.mark.parametrize("scenario", ONE_DAY, ids=str)
def test_scaled_is_physical_less_offset_by_factor(scenario: Any) -> None:
    """Compiled and in NumPy to the bit, and back to the rounding of float32; so are the bounds."""
    one, other = EVChargingEnv(scenario), EVChargingEnv(scenario, observation="scaled")
    scales = scales_of(one)
    fields = ev_gym.observation_fields(one.scenario)
    for field in fields:
        assert np.unique(scales[0, field.slice]).tolist() == [np.float32(field.offset)]
        assert np.unique(scales[1, field.slice]).tolist() == [np.float32(field.factor)]
        assert field.factor > 0.0
    for side in ("low", "high"):
        bounds = getattr(one.observation_space, side), getattr(other.observation_space, side)
        np.testing.assert_array_equal(scaled(bounds[0], scales), bounds[1])
    assert same(one.reset(seed=3)[1], other.reset(seed=3)[1])
    for step in range(150):
        results = [env.step(action_of(one, step)) for env in (one, other)]
        if results[0][3]:
            results = [env.reset() for env in (one, other)]
        seen, shown = results[0][0], results[1][0]
        np.testing.assert_array_equal(scaled(seen, scales), shown)
        assert other.observation_space.contains(shown)
        rounding = np.finfo(np.float32).eps * (np.abs(seen) + np.abs(scales[0]))
        assert (np.abs(physical(shown, scales) - seen) <= rounding).all()
        assert same(results[0][1:], results[1][1:])
    assert one.get_state() == other.get_state()  # so that either goes on with the other's


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_rows_are_scaled_once(mode: str) -> None:
    """Whatever begins a new episode, in buffers that are kept, and in final observations."""
    scenario = {**VILLA_DAY, "time_step_min": 60}
    settings: dict[str, Any] = {"autoreset_mode": mode, "copy": False}
    one = EVChargingVectorEnv(3, scenario, **settings)
    other = EVChargingVectorEnv(3, scenario, observation="scaled", **settings)
    scales = scales_of(one)
    seen, shown = one.reset(seed=4)[0], other.reset(seed=4)[0]
    one.action_space.seed(0)
    ends = 0
    for step in range(60):
        np.testing.assert_array_equal(scaled(seen, scales), shown)
        actions = one.action_space.sample()
        seen, _, _, truncated, infos = one.step(actions)
        shown, *_, told = other.step(actions)
        if "final_obs" in infos:
            last = scaled(infos["final_obs"], scales)[truncated]
            np.testing.assert_array_equal(last, told["final_obs"][truncated])
        if step == 10 or (mode == "Disabled" and truncated.any()):
            options = {"reset_mask": np.array([True, False, True]) if step == 10 else truncated}
            seen, shown = one.reset(options=options)[0], other.reset(options=options)[0]
        ends += int(truncated.any())
    assert ends >= 2


@pytest.mark.parametrize("name", [name for name in POLICY_NAMES if name != "optimal"])
def test_policies_do_the_same_with_either(name: str) -> None:
    """Two days of rewards of four households, for those that plan as for the rules."""
    scenario = {"preset": "stockholm-villa", "days": 2, "time_step_min": 60}
    if not built_in(name).needs_sun and name != "mpc":
        scenario["preset"] = "stockholm"
    rewards = []
    for observation in ("physical", "scaled"):
        env = EVChargingVectorEnv(4, scenario, observation=observation, info="none")
        policy = make_policy(name, env, seed=2)
        seen, _ = env.reset(seed=9)
        policy.reset(np.arange(4))
        own = []
        for _ in range(48):
            seen, reward, *_ = env.step(policy(seen))
            own.append(reward)
        rewards.append(np.array(own))
    np.testing.assert_allclose(rewards[1], rewards[0], rtol=1e-5, atol=1e-5)


def test_scales_follow_the_currency_and_nothing_else() -> None:
    """Those of money in EUR are an eleventh of those in SEK; house and series change none."""
    fields = ev_gym.observation_fields("stockholm-villa")
    changes: dict[str, Any] = {
        "currency": "EUR",
        "tariff": {"transfer": 0.005, "taxes": 0.04, "fees": 25.0, "peaks": {"prices": 6.0}},
    }
    in_eur = Scenario.from_dict({**changes, "charger": {"bidirectional": True}})
    others = ev_gym.observation_fields(in_eur, replace(series(14), currency="EUR"))
    by_name = {field.name: field for field in others}
    for field in fields:
        other = by_name.get(field.name)
        if other is None:  # the series are hourly
            continue
        rate = 11.0 if field.name.startswith(OF_MONEY) else 1.0
        assert other.factor == pytest.approx(field.factor / rate, rel=1e-15)
        assert other.offset == pytest.approx(field.offset / rate, rel=1e-15)
    small = ev_gym.observation_fields(Scenario(household=replace(Scenario().household, fuse_a=16)))
    for field, other in zip(ev_gym.observation_fields(Scenario()), small, strict=True):
        assert (field.offset, field.factor) == (other.offset, other.factor)


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_copies_stay_scaled(make_copy: Any) -> None:
    env = EVChargingEnv(STOCKHOLM_DAY, observation="scaled")
    env.reset(seed=1)
    other = make_copy(env)
    assert same(env.step([0.5]), other.step([0.5]))


def test_pictures_are_the_same() -> None:
    """A picture shows physical numbers."""
    pictures = []
    for observation in ("physical", "scaled"):
        env = EVChargingEnv(VILLA_DAY, render_mode="rgb_array", observation=observation)
        env.reset(seed=1)
        env.step(env.action_space.high)
        pictures.append(env.render())
    assert np.abs(pictures[0].astype(int) - pictures[1].astype(int)).mean() < 0.1


@pytest.mark.parametrize("bad", ["Scaled", None, True, ["scaled"]])
def test_other_modes_are_refused(bad: Any) -> None:
    for make in (EVChargingEnv, EVChargingVectorEnv):
        with pytest.raises(ValueError, match=r"observation is .*; allowed: 'physical' or 'scaled'"):
            make(observation=bad)


def test_scales_on_measured_series(measured_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as on the built-in ones: what learned on these reads those."""
    monkeypatch.setenv("EV_GYM_DATA", str(measured_folder))
    measured = {f.name: f for f in ev_gym.observation_fields("stockholm-measured")}
    built_in_ones = {f.name: f for f in ev_gym.observation_fields("stockholm")}
    common = measured.keys() & built_in_ones.keys()
    assert {"load_kw", "price_per_kwh", "peak_kw"} < common
    for name in common:
        assert measured[name].factor == built_in_ones[name].factor
