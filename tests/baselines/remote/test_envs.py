"""The remote envs: equal to the local ones bit for bit, on a real server over a socket."""

from __future__ import annotations

from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from baselines import POLICY_NAMES, make_policy
from baselines.cli.commands import main
from baselines.comparison import benchmark, pictures
from baselines.foresight import tell_future
from baselines.policies.specs import built_in
from baselines.remote.envs import RemoteEnv, RemoteVectorEnv
from baselines.remote.http_client import RemoteError
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.one_day import A_DAY
from tests.support.remote_twins import action_for_step, raised_by, step_both
from tests.support.rollouts import same

TWO_CARS = {
    **A_DAY,
    "vehicles": [{"model": "Volkswagen ID.3 58 kWh"}, {"model": "Nissan Leaf 40 kWh"}],
    "household": {"fuse_a": 16},
    "time_step_min": 60,
}
# Sun, cars that can be discharged, switching of phases, power charge, ageing.
VILLA = {**A_DAY, "preset": "stockholm-villa", "time_step_min": 60}


@pytest.mark.parametrize(
    ("scenario", "settings"),
    [
        ("classic", {}),
        (A_DAY, {}),
        (TWO_CARS, {}),
        (A_DAY, {"continuous": False}),
        (TWO_CARS, {"continuous": False, "split": "test"}),
        (VILLA, {}),
        (VILLA, {"continuous": False}),
        (A_DAY, {"info": "flat"}),
        (VILLA, {"continuous": False, "info": "terms"}),
        (A_DAY, {"info": "none"}),
        (VILLA, {"observation": "scaled"}),
        (Scenario(name="own", start_hour=7, time_step_min=30), {"split": "train"}),
    ],
    ids=str,
)
def test_a_remote_env_is_the_local_one(url: str, scenario: Any, settings: Any) -> None:
    """Observations, rewards, flags, infos with their types, history: beyond an episode's end."""
    local = EVChargingEnv(scenario, **settings)
    with closing(RemoteEnv(url, scenario, **settings)) as remote:
        assert remote.scenario == local.scenario
        assert remote.split == local.split
        assert remote.observation_space == local.observation_space
        assert remote.action_space == local.action_space
        assert same(remote.reset(seed=2**63 + 5), local.reset(seed=2**63 + 5))
        assert step_both(local, remote, local.scenario.horizon_steps + 10) == 1
        assert same(remote.reset(seed=4), local.reset(seed=4))
        assert step_both(local, remote, 5) == 0


def test_the_villa_s_cars_are_discharged_and_age_remotely_too(url: str) -> None:
    """What the comparison with the local env above is to have met."""
    cars = [{"wanted_soc": 0.8}, {"model": "Nissan Leaf 40 kWh", "line": 2}]
    daily = {"pattern": "daily", "arrival_h": 17, "departure_h": 7}
    at_home = {**VILLA, "vehicles": cars, "driving": daily}
    with closing(RemoteEnv(url, at_home)) as remote:
        assert remote.action_space.low.tolist() == [-1.0, -1.0]
        remote.reset(seed=5, options={"start": "2025-10-01"})
        infos = [remote.step(np.array([-1.0, 0.2], np.float32))[4] for _ in range(24)]
        history = remote.history
        assert history["charge_kw_0"].min() < -5.0
        assert (history["stored_kwh_0"] < 0.0).sum() == (history["charge_kw_0"] < 0.0).sum() > 0
        assert set(history["phases_1"]) == {0.0, 1.0}
        for name in ("export_price_per_kwh", "power_cost", "wear_kwh_0", "wear_kwh_1"):
            assert history[name].max() > 0.0
        assert [info["reward_terms"]["wear"] < 0.0 for info in infos] == [False] * 23 + [True]


def test_an_episode_goes_on_after_its_end_as_it_does_locally(url: str) -> None:
    local = EVChargingEnv(TWO_CARS)
    with closing(RemoteEnv(url, TWO_CARS)) as remote:
        local.reset(seed=1)
        remote.reset(seed=1)
        for step in range(30):
            action = action_for_step(local.action_space, step)
            assert same(remote.step(action), local.step(action)), step


@pytest.mark.parametrize(
    "options",
    [
        {"start": "2025-03-30"},
        {"start": date(2025, 10, 26), "house": np.int64(3)},
        {"start": datetime(2025, 6, 5, 18, 0), "soc": [0.25, 1 / 3]},
        {"start": pd.Timestamp("2026-01-04T23:00+01:00"), "soc": np.array([0.1, 0.9], np.float32)},
        {"soc": np.float32(0.7), "house": None},
        {},
    ],
    ids=str,
)
def test_reset_options_reach_the_server(url: str, options: Any) -> None:
    local = EVChargingEnv(TWO_CARS)
    with closing(RemoteEnv(url, TWO_CARS)) as remote:
        for seed in (5, None):
            began = local.reset(seed=seed, options=options)
            assert same(remote.reset(seed=seed, options=options), began)
            step_both(local, remote, 3)


def test_an_unseeded_env_draws_from_its_own_generator(url: str) -> None:
    """As the local one does: equal where those are equal, different where nobody sets them."""
    local, local_rows = EVChargingEnv(A_DAY), EVChargingVectorEnv(3, A_DAY)
    with closing(RemoteEnv(url, A_DAY)) as one, closing(RemoteVectorEnv(3, url, A_DAY)) as rows:
        for env in (local, local_rows, one, rows):
            env.np_random = np.random.default_rng(5)
        assert same(one.reset(), local.reset())
        assert same(one.reset(), local.reset())
        seeds = [None, 7, None]
        assert same(rows.reset(seed=seeds), local_rows.reset(seed=seeds))
        assert same(rows.reset(), local_rows.reset())
    with closing(RemoteVectorEnv(8, url, A_DAY)) as env:
        assert len(set(env.reset()[1]["now_min"].tolist())) > 1


@pytest.mark.parametrize("continuous", [True, False])
def test_gymnasium_accepts_the_env(url: str, continuous: bool) -> None:
    """Its checker says nothing (a warning would be an error here)."""
    env = gym.make("EVChargingRemote-v0", url=url, scenario="classic", continuous=continuous)
    assert isinstance(env.unwrapped, RemoteEnv)
    assert env.spec is not None
    assert env.spec.max_episode_steps is None
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("name", POLICY_NAMES)
def test_every_policy_drives_it_unchanged(url: str, name: str, continuous: bool) -> None:
    scenario = TWO_CARS | ({"solar": {"peak_kw": 8}} if built_in(name).needs_sun else {})
    settings: dict[str, Any] = {"scenario": scenario, "continuous": continuous}
    if built_in(name).clairvoyant:
        env = gym.make("EVChargingRemote-v0", url=url, **settings)
        with pytest.raises(ValueError, match=r"knows the future, which only a local env can tell"):
            tell_future(make_policy(name, env), env)
        env.close()
        return
    driven = []
    for env in (
        gym.make("EVCharging-v0", **settings),
        gym.make("EVChargingRemote-v0", url=url, **settings),
    ):
        policy = make_policy(name, env, seed=3)
        observation, info = env.reset(seed=8)
        policy.reset()
        seen: list[Any] = [observation, info]
        for _ in range(24):
            seen.append(env.step(policy(seen[-1][0] if len(seen) > 2 else observation)))
        driven.append(seen)
        env.close()
    assert same(driven[0], driven[1])
    assert driven[0][-1][3]


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize(
    ("continuous", "info"), [(True, "full"), (False, "full"), (True, "terms"), (False, "flat")]
)
def test_a_remote_vector_env_is_the_local_one(
    url: str, mode: AutoresetMode, continuous: bool, info: str
) -> None:
    """Whole answers in every autoreset mode, rows out of step with each other by a masked reset."""
    settings: dict[str, Any] = {"continuous": continuous, "autoreset_mode": mode, "info": info}
    scenario = VILLA if continuous else {**A_DAY, "time_step_min": 60}
    local = EVChargingVectorEnv(4, scenario, **settings)
    mask = np.array([False, True, False, True])
    remote: Any = gym.make_vec(
        "EVChargingRemote-v0",
        num_envs=4,
        vectorization_mode="vector_entry_point",
        url=url,
        scenario=scenario,
        **settings,
    )
    assert isinstance(remote, RemoteVectorEnv)
    assert remote.metadata == local.metadata
    assert remote.observation_space == local.observation_space
    assert remote.action_space == local.action_space
    assert remote.single_action_space == local.single_action_space
    assert same(remote.reset(seed=11), local.reset(seed=11))
    ends = 0
    for step in range(60):
        if step == 10:
            again: Any = {"reset_mask": mask, "soc": 0.5}
            assert same(remote.reset(options=again), local.reset(options=again))
        actions = action_for_step(local.action_space, step)
        result = remote.step(actions)
        assert same(result, local.step(actions)), step
        ends += int(result[3].any())
        if result[3].any() and mode is AutoresetMode.DISABLED:
            over: Any = {"reset_mask": result[3]}
            assert same(remote.reset(options=over), local.reset(options=over))
    assert ends >= 3
    for bad in (np.full((4, 2), 9), "full", np.zeros(3)):
        assert str(raised_by(lambda: remote.step(bad))) == str(raised_by(lambda: local.step(bad)))  # noqa: B023
    for seed, options in (([1, 2], None), (None, {"reset_mask": [True] * 4}), (2**64 - 2, None)):
        told = raised_by(lambda: remote.reset(seed=seed, options=options))  # noqa: B023
        assert str(told) == str(raised_by(lambda: local.reset(seed=seed, options=options)))  # noqa: B023
    remote.close()


def test_what_was_returned_stays_as_it_was(url: str) -> None:
    with closing(RemoteVectorEnv(3, url)) as env:
        first, infos = env.reset(seed=1)
        kept = first.copy(), infos["soc"].copy()
        second, rewards, *_ = env.step(np.ones((3, 1), np.float32))
        for array in (second, rewards, first):
            assert array.flags.aligned
            array += 1  # writable, and nobody else's
        third, *_ = env.step(np.ones((3, 1), np.float32))
        np.testing.assert_array_equal(first, kept[0] + 1)
        np.testing.assert_array_equal(infos["soc"], kept[1])
        assert not np.shares_memory(second, third)


def test_closing_deletes_the_session(url: str) -> None:
    env, rows = RemoteEnv(url), RemoteVectorEnv(2, url)
    sessions = [env._session, rows._session]
    env.reset(seed=1)
    env.close()
    rows.close()
    for session in sessions:
        with pytest.raises(RemoteError, match="404 Not Found") as caught:
            session.reset(1, {})
        assert caught.value.happened is False
    env.close()  # again, and without a word


def test_the_benchmark_of_a_server_is_the_local_one(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ev-gym benchmark --url URL`: all policies on two scenarios, file by file the same bytes."""
    for name in ("bills", "cost_against_missing", "week", "heat_map"):
        monkeypatch.setattr(pictures, name, lambda *paths, **__: Path(paths[1]).touch())
    args = ["benchmark", "--scenario", "classic", "--scenario", "stockholm", "--households", "2"]
    args += ["--days", "1", "--seed", "2", "--quiet", "--no-bound"]
    names = [name for name in POLICY_NAMES if not built_in(name).clairvoyant]
    names = [name for name in names if not built_in(name).needs_sun]
    args += [part for name in names for part in ("--policy", name)]
    for where in ([], ["--url", url]):
        folder = tmp_path / ("remote" if where else "local")
        done = CliRunner().invoke(main, [*args, *where, "--out", str(folder)])
        assert done.exit_code == 0, done.output
    for name in ("summary.csv", "steps.csv.gz"):
        local, remote = (tmp_path / where / name for where in ("local", "remote"))
        assert local.read_bytes() == remote.read_bytes()
    lines = (tmp_path / "remote" / "summary.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * len(names)


def test_the_benchmark_says_what_is_wrong_with_a_server(url: str) -> None:
    args = ["benchmark", "--scenario", "classic", "--days", "1", "--quiet", "--no-bound"]
    args += ["--policy", "load_based", "--url"]
    done = CliRunner().invoke(main, [*args, url, "--households", "65"])
    assert done.exit_code == 1
    assert done.output.startswith("Error: num_envs is 65; allowed")
    done = CliRunner().invoke(main, [*args, f"{url}/elsewhere"])
    assert done.exit_code == 1
    assert done.output.startswith(f"Error: POST {url}/elsewhere/v1/envs: 404 Not Found")
    assert "nothing happened on the server" in done.output
    plan = benchmark.Plan(scenarios=(), policies=(), url=url, token="secret")
    assert "secret" not in repr(plan)
