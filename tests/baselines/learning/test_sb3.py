"""Stable-Baselines3's own learners on the native vector env, and models saved as policies.

Skips where it is not installed, unless EV_GYM_REQUIRE_SB3=1.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import RescaleAction

from baselines import make_policy
from baselines.policies.specs import digest_of
from ev_gym.env import EVChargingEnv
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support import two_states as two
from tests.support.one_day import A_DAY, THREE_CARS_DAY, VILLA_DAY

MISSING = importlib.util.find_spec("stable_baselines3") is None
REQUIRED = os.environ.get("EV_GYM_REQUIRE_SB3") == "1"
pytestmark = [
    pytest.mark.skipif(MISSING and not REQUIRED, reason="needs stable-baselines3"),
    pytest.mark.usefixtures("one_thread"),
]

if not MISSING or REQUIRED:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing it warns of is not ours
        import torch
        from stable_baselines3 import A2C, DQN, PPO, SAC
        from stable_baselines3.common.evaluation import evaluate_policy
        from stable_baselines3.common.monitor import Monitor
        from stable_baselines3.common.vec_env import (
            DummyVecEnv,
            VecCheckNan,
            VecEnvWrapper,
            VecFrameStack,
            VecMonitor,
            VecNormalize,
        )

    from baselines.learning.sb3 import NOTHING, VecEnv, save
else:
    VecEnvWrapper = object


def test_without_the_library_the_error_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3.common.vec_env", None)
    monkeypatch.delitem(sys.modules, "baselines.learning.sb3")
    with pytest.raises(ImportError, match=r"pip install 'ev-gym\[sb3\]'"):
        importlib.import_module("baselines.learning.sb3")


# --- the env ---

KINDS = [
    (A_DAY, True, "physical"),
    (A_DAY, False, "scaled"),
    (VILLA_DAY, True, "scaled"),
    (THREE_CARS_DAY, False, "physical"),
]


@pytest.mark.parametrize(("scenario", "continuous", "observation"), KINDS, ids=str)
def test_rows_are_those_of_the_native_env(
    scenario: Any, continuous: bool, observation: str
) -> None:
    """To the bit, over an episode's end: observations, rewards, ends, last observation, money."""
    rows, seed = 8, 11
    env = VecEnv(rows, scenario, continuous=continuous, observation=observation)
    native = EVChargingVectorEnv(
        rows,
        scenario,
        continuous=continuous,
        observation=observation,
        autoreset_mode="SameStep",
        info="flat",
    )
    assert env.observation_space == native.single_observation_space
    assert env.action_space == native.single_action_space
    assert env.seed(seed) == list(range(seed, seed + rows))
    np.testing.assert_array_equal(env.reset(), native.reset(seed=seed)[0])
    native.action_space.seed(0)
    for step in range(1, 100):
        actions = native.action_space.sample()
        observations, rewards, dones, infos = env.step(actions)
        expected = native.step(actions)
        np.testing.assert_array_equal(observations, expected[0])
        np.testing.assert_array_equal(rewards, expected[1])
        np.testing.assert_array_equal(dones, [step == 96] * rows)
        if step != 96:
            assert infos == [{}] * rows
            continue
        for row, info in enumerate(infos):
            last = expected[4]["final_info"]
            terms = {name for name in last if name.startswith("reward_")}
            assert len(terms) == 6
            assert info["TimeLimit.truncated"] is True
            np.testing.assert_array_equal(
                info["terminal_observation"], expected[4]["final_obs"][row]
            )
            assert not np.array_equal(info["terminal_observation"], observations[row])
            for name in (*terms, "settlement"):
                assert info[name] == last[name][row], name
            ours = {"TimeLimit.truncated", "terminal_observation", "settlement"}
            assert set(info) == terms | ours
        assert any(info["settlement"] != 0.0 for info in infos)


def test_what_it_returned_stays_as_it_was() -> None:
    """The library keeps the last observations while the env steps on, and adds to rewards."""
    env = VecEnv(2, A_DAY)
    env.seed(1)
    first = env.reset()
    kept = first.copy()
    _, rewards, *_ = env.step(np.ones((2, 1), np.float32))
    rewards += 100.0
    np.testing.assert_array_equal(first, kept)
    _, after, *_ = env.step(np.ones((2, 1), np.float32))
    assert (after < 100.0).all()


def test_seeds_and_options_go_to_one_reset() -> None:
    env = VecEnv(3, A_DAY)
    env.seed(4)
    env.set_options({"start": "2025-03-03", "soc": 0.25})
    first = env.reset()
    second = env.reset()
    alone = EVChargingEnv(A_DAY)
    for row in range(3):
        seen, _ = alone.reset(seed=4 + row, options={"start": "2025-03-03", "soc": 0.25})
        np.testing.assert_array_equal(first[row], seen)
        np.testing.assert_array_equal(second[row], alone.reset()[0])
    env.set_options([{"soc": 0.1}, {"soc": 0.2}, {"soc": 0.3}])
    with pytest.raises(ValueError, match="options of a reset differ between rows; allowed: the"):
        env.reset()


def test_attributes_and_methods() -> None:
    """One vector env has the attributes of all rows; masks are the only method of a row."""
    env = VecEnv(3, A_DAY, continuous=False, observation="scaled")
    assert env.get_attr("observation", [0, 2]) == ["scaled"] * 2
    assert env.get_attr("render_mode") == [None] * 3
    assert not env.has_attr("no_such")
    assert env.env_is_wrapped(Monitor, 1) == [False]
    env.set_attr("split", "test")
    assert env.native.split == "test"
    with pytest.raises(ValueError, match=r"set_attr\('split'\) is asked for rows \[1\]; allowed"):
        env.set_attr("split", None, [1])
    with pytest.raises(AttributeError, match="rows have no method 'render'; allowed: action_masks"):
        env.env_method("render")
    with pytest.raises(gym.error.ResetNeeded):
        env.env_method("action_masks")
    env.seed(2)
    env.reset()
    singles = [EVChargingEnv(A_DAY, continuous=False) for _ in range(3)]
    for row, single in enumerate(singles):
        single.reset(seed=2 + row)
    for step in range(40):
        masks = [single.action_masks() for single in singles]
        np.testing.assert_array_equal(env.env_method("action_masks"), masks)
        np.testing.assert_array_equal(env.env_method("action_masks", indices=2), masks[2:])
        np.testing.assert_array_equal(env.get_attr("action_masks", 1)[0](), masks[1])
        env.step(np.full(3, step % 5))
        for single in singles:
            single.step(step % 5)
    assert len({tuple(mask) for mask in masks}) > 1
    fractions = VecEnv(3, A_DAY)
    assert not fractions.has_attr("action_masks")
    with pytest.raises(AttributeError, match="needs discrete actions: pass continuous=False"):
        fractions.env_method("action_masks")


def test_masks_as_sb3_contrib_asks_for_them() -> None:
    """Its MaskablePPO learns with them, where it is installed."""
    contrib = pytest.importorskip("sb3_contrib")
    env = VecEnv(4, A_DAY, continuous=False, observation="scaled")
    model = contrib.MaskablePPO("MlpPolicy", env, n_steps=8, batch_size=32, seed=0, device="cpu")
    model.learn(64)
    masks = np.stack(env.env_method("action_masks"))
    levels, _ = model.predict(model._last_obs, action_masks=masks)
    assert masks[np.arange(4), levels].all()
    with pytest.raises(ValueError, match="the model is a MaskablePPO; allowed: DQN, TD3, SAC, PPO"):
        save(model, "masked")


def test_an_info_of_a_running_episode_refuses_to_be_written_to() -> None:
    env = VecEnv(2, A_DAY)
    env.reset()
    *_, infos = env.step(np.zeros((2, 1), np.float32))
    assert infos[0] is infos[1] is NOTHING
    for write in (
        lambda info: info.__setitem__("x", 1),
        lambda info: info.update(x=1),
        lambda info: info.setdefault("x", 1),
        lambda info: info.__ior__({"x": 1}),
    ):
        with pytest.raises(TypeError, match=r"allowed: infos\[row\] = {\*\*infos\[row\], ...}"):
            write(infos[0])
    assert infos[0].get("TimeLimit.truncated", False) is False
    changed = infos[0].copy()
    changed["x"] = 1
    assert copy.deepcopy(infos) == [{}, {}]
    infos[0] = changed
    assert infos[1] == {}


def test_the_wrappers_of_the_library() -> None:
    """Returns, lengths, stacked and normalised last observations, by hand from the bare env."""
    bare = VecEnv(2, A_DAY)
    inner = VecMonitor(VecEnv(2, A_DAY), info_keywords=("settlement",))
    env = VecFrameStack(VecNormalize(VecCheckNan(inner), clip_obs=5.0, norm_reward=False), 2)
    for seeded in (bare, env):
        seeded.seed(5)
        seeded.reset()
    width, total = bare.observation_space.shape[0], np.zeros(2)
    for _ in range(96):
        actions = np.full((2, 1), 0.7, np.float32)
        _, rewards, _, plain = bare.step(actions)
        *_, infos = env.step(actions)
        total += rewards
    normalize = env.venv.normalize_obs
    for row in range(2):
        told = infos[row]["episode"]
        assert told["l"] == 96
        assert told["r"] == pytest.approx(total[row], rel=1e-5)
        assert told["settlement"] == plain[row]["settlement"]
        last = infos[row]["terminal_observation"]
        assert last.shape == (2 * width,)
        expected = normalize(plain[row]["terminal_observation"])
        np.testing.assert_allclose(last[width:], expected, rtol=0, atol=1e-6)


def learners() -> list[Any]:
    few = {"learning_starts": 8, "buffer_size": 400, "batch_size": 16, "train_freq": 4}
    return [
        pytest.param("PPO", True, {"n_steps": 64, "batch_size": 64}, id="PPO"),
        pytest.param("A2C", False, {"n_steps": 64}, id="A2C"),
        pytest.param("SAC", True, few, id="SAC"),
        pytest.param("DQN", False, few, id="DQN"),
    ]


@pytest.mark.parametrize(("name", "continuous", "given"), learners())
def test_algorithms_learn_and_count_episodes(name: str, continuous: bool, given: Any) -> None:
    """Ended episodes arrive in the algorithm's buffer; a replay buffer knows their ends."""
    algorithm = {"PPO": PPO, "A2C": A2C, "SAC": SAC, "DQN": DQN}[name]
    env = VecMonitor(VecEnv(2, A_DAY, continuous=continuous, observation="scaled"))
    model = algorithm("MlpPolicy", env, seed=3, device="cpu", **given)
    model.learn(2 * 128)
    assert [told["l"] for told in model.ep_info_buffer] == [96, 96]
    if name in ("SAC", "DQN"):
        ends = np.flatnonzero(model.replay_buffer.dones[:, 0])
        np.testing.assert_array_equal(ends, np.flatnonzero(model.replay_buffer.timeouts[:, 0]))
        assert ends.tolist() == [95]
        kept, after = model.replay_buffer.next_observations, model.replay_buffer.observations
        assert not np.array_equal(kept[95], after[96])
        np.testing.assert_array_equal(kept[94], after[95])
    returns, lengths = evaluate_policy(model, env, 2, return_episode_rewards=True)
    assert lengths == [96, 96]
    assert all(value < 0.0 for value in returns)


# --- truncation ---


class AlwaysCharging(VecEnvWrapper):
    """The policy of the two-state household; with `cut`, no info tells of a truncation."""

    def __init__(self, venv: Any, cut: bool) -> None:
        super().__init__(venv)
        self.cut = cut

    def reset(self) -> Any:
        return self.venv.reset()

    def step_async(self, actions: Any) -> None:
        self.venv.step_async(np.full(self.num_envs, two.CHARGE))

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = self.venv.step_wait()
        if self.cut:
            infos = [{k: v for k, v in i.items() if k != "TimeLimit.truncated"} for i in infos]
        return observations, rewards, dones, infos


def learned_values(cut: bool) -> Any:
    """(24, 8) what PPO's critic thinks of the hours of a day after some seconds, and their prices.

    The second is the value by hand.
    """
    venv = VecEnv(8, observation="scaled", **two.arguments())
    env = VecNormalize(AlwaysCharging(venv, cut), norm_reward=False, gamma=two.GAMMA)
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=two.STEPS,
        batch_size=64,
        gamma=two.GAMMA,
        learning_rate=1e-2,
        seed=1,
        device="cpu",
    )
    model.learn(30 * two.STEPS * 8)
    seen, values, by_hand = env.reset(), [], []
    for _ in range(two.STEPS):
        with torch.no_grad():
            values.append(model.policy.predict_values(torch.as_tensor(seen)).numpy()[:, 0])
        by_hand.append(two.value(env.get_original_obs(), "scaled"))
        seen, *_ = env.step(np.zeros(8))
    return np.array(values), np.array(by_hand)


def test_the_value_of_the_two_state_household_is_learned() -> None:
    """Within 0.04 in every hour, of 0.9 and 1.0."""
    values, by_hand = learned_values(cut=False)
    np.testing.assert_allclose(values, by_hand, rtol=0, atol=0.04)


def test_without_the_sign_of_truncation_another_value_is_learned() -> None:
    """The one of a household that ends at noon, within 0.06; in the last hour 0.8 too little."""
    values, by_hand = learned_values(cut=True)
    cut = np.broadcast_to(two.value_if_cut()[:, None], values.shape)
    np.testing.assert_allclose(values, cut, rtol=0, atol=0.06)
    assert (by_hand[-1] - values[-1] > 0.7).all()
    assert values.mean() == pytest.approx(two.MEAN_VALUE_IF_CUT, abs=0.03)


# --- saved models ---


def trained(env: Any, name: str = "PPO") -> Any:
    few = {"learning_starts": 8, "buffer_size": 99, "batch_size": 16}
    given = {"n_steps": 32, "batch_size": 32} if name == "PPO" else few
    algorithm = {"PPO": PPO, "SAC": SAC, "DQN": DQN}[name]
    model = algorithm("MlpPolicy", env, seed=5, device="cpu", **given)
    return model.learn(128)


def day_of_the_model(model: Any, env: Any) -> list[float]:
    """Rewards of a day in its own env, for the first row from seed 3 on."""
    normalize = model.get_vec_normalize_env()
    if normalize is not None:
        normalize.training = normalize.norm_reward = False
    env.seed(3)
    seen, rewards = env.reset(), []
    for _ in range(96):
        levels, _ = model.predict(seen, deterministic=True)
        seen, reward, *_ = env.step(levels)
        rewards.append(float(reward[0]))
    return rewards


def day_of_the_policy(spec: str, env: Any) -> list[float]:
    policy = make_policy(spec, env)
    seen, _ = env.reset(seed=3)
    rewards = []
    for _ in range(96):
        seen, reward, *_ = env.step(policy(seen))
        rewards.append(float(reward))
    return rewards


def rescaled() -> Any:
    return RescaleAction(EVChargingEnv(A_DAY), np.float32(-1), np.float32(1))


SAVED = [
    pytest.param(lambda: VecNormalize(VecEnv(2, A_DAY, continuous=False)), "PPO", id="levels"),
    pytest.param(lambda: VecNormalize(VecEnv(2, VILLA_DAY)), "PPO", id="fractions"),
    pytest.param(
        lambda: VecNormalize(VecEnv(2, A_DAY, continuous=False, observation="scaled")),
        "DQN",
        id="scaled",
    ),
    pytest.param(lambda: VecEnv(2, A_DAY, continuous=False, observation="scaled"), "PPO", id="raw"),
    pytest.param(lambda: VecNormalize(VecEnv(2, A_DAY), norm_obs=False), "SAC", id="rewards only"),
    pytest.param(lambda: VecNormalize(DummyVecEnv([rescaled])), "PPO", id="rescaled"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "algorithm"), SAVED)
def test_a_saved_model_is_shown_what_it_was_trained_on(
    make: Any, algorithm: str, tmp_path: Path
) -> None:
    """Its folder, or the archive in it, does what the model does behind its wrappers.

    In envs of physical and of scaled observations, by fractions and by levels.
    """
    env = make()
    model = trained(env, algorithm)
    archive = save(model, tmp_path / "trained")
    assert archive == tmp_path / "trained" / "model.zip"
    expected = day_of_the_model(model, env)
    scenario = env.get_attr("scenario")[0]
    own = env.get_attr("observation")[0]
    continuous = isinstance(model.action_space, gym.spaces.Box)
    alike = EVChargingEnv(scenario, continuous=continuous, observation=own)
    assert day_of_the_policy(str(archive.parent), alike) == pytest.approx(expected, rel=1e-6)
    other = {"physical": "scaled", "scaled": "physical"}[own]
    converted = day_of_the_policy(str(archive), EVChargingEnv(scenario, observation=other))
    np.testing.assert_allclose(converted, expected, rtol=1e-4, atol=1e-4)
    if algorithm == "PPO":  # after so little training the others know all or nothing
        assert len(set(expected)) > 2


def test_statistics_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive without a marker, as the library saves it: with its statistics, or told to have
    none; otherwise it is refused. What is shown decides what it does."""
    monkeypatch.chdir(tmp_path)
    venv = VecNormalize(VecEnv(2, A_DAY, continuous=False))
    model = trained(venv)
    model.save("model.zip")
    env = EVChargingEnv(A_DAY, continuous=False)
    with pytest.raises(ValueError, match=r"does not tell whether .* 'model.zip\(normalized=False"):
        make_policy("model.zip", env)
    alone = digest_of("model.zip")
    raw = day_of_the_policy("model.zip(normalized=False)", env)
    venv.save("vecnormalize.pkl")
    beside = digest_of("model.zip")
    assert alone == digest_of("model.zip(normalized=False)") != beside
    expected = day_of_the_model(model, venv)
    assert day_of_the_policy("model.zip", env) == pytest.approx(expected, rel=1e-6) != raw
    assert day_of_the_policy("./", env) == day_of_the_policy("model.zip(normalized=True)", env)
    assert day_of_the_policy("model.zip(normalized=False)", env) == raw
    venv.obs_rms.mean += 1.0
    venv.save("vecnormalize.pkl")
    assert digest_of("model.zip") not in (alone, beside)


def test_what_is_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    env = EVChargingEnv(A_DAY, continuous=False)
    venv = VecNormalize(VecEnv(2, A_DAY, continuous=False))
    model = trained(venv)
    save(model, "mine")

    def refused(spec: str, match: str, where: Any = env) -> None:
        with pytest.raises(ValueError, match=match):
            make_policy(spec, where)

    refused("mine/", "scenario 'classic'", EVChargingEnv("classic", continuous=False))
    few = {"preset": "stockholm", "charger": {"max_current_a": 10}}
    refused("mine/", r"on actions levels .*; allowed for scenario", EVChargingEnv(few))
    refused("mine/(normalized=False)", "normalized is False, but its marker says True")
    refused("mine/(normalised=False)", "has no argument 'normalised'.*normalized")
    refused("mine/(normalized=2)", "normalized is 2; allowed: True or False")
    refused("gone/", "'gone/': there is no such file")
    Path("empty").mkdir()
    refused("./empty", "the folder holds no model.zip")
    statistics = Path("mine/vecnormalize.pkl")
    good = statistics.read_bytes()
    statistics.write_bytes(good + b"0")
    refused("mine/", "is not the file that was saved with it")
    statistics.unlink()
    refused("mine/", r"statistics are missing; allowed: the vecnormalize.pkl of its training")
    model.save("model.zip")
    refused("model.zip(normalized=True)", "statistics are missing")
    Path("vecnormalize.pkl").write_bytes(b"no pickle")
    refused("model.zip", "'vecnormalize.pkl' does not load: ")
    VecNormalize(VecEnv(1, "classic")).save("vecnormalize.pkl")
    refused("model.zip", "holds statistics of other observations")


def test_wrappers_that_cannot_be_told_of_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `save`, and in an archive without a marker by their bounds."""
    monkeypatch.chdir(tmp_path)
    stacked = trained(VecFrameStack(VecEnv(2, A_DAY), 2))
    with pytest.raises(ValueError, match="a wrapper changed them; allowed: VecNormalize"):
        save(stacked, "stacked")
    with pytest.raises(ValueError, match="allowed: EVCharging-v0"):
        save(PPO("MlpPolicy", "CartPole-v1", device="cpu"), "cart")
    normalized = trained(gym.wrappers.NormalizeObservation(EVChargingEnv(A_DAY)))
    normalized.save("model.zip")
    with pytest.raises(ValueError, match=r"hours_to_departure up to \[inf\]; allowed: \[168.0\]"):
        make_policy("model.zip(normalized=False)", EVChargingEnv(A_DAY))
    unloaded = PPO.load("model.zip", device="cpu")
    with pytest.raises(ValueError, match="the model has no env"):
        save(unloaded, "unloaded")
    wide = trained(RescaleAction(EVChargingEnv(A_DAY), np.float32(-2), np.float32(2)))
    with pytest.raises(ValueError, match=r"the model gives actions Box\(-2.0, 2.0"):
        save(wide, "wide")
