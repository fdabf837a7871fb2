"""What a remote env refuses: in the words of the local one, and nothing has changed."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from baselines.remote.envs import RemoteEnv, RemoteVectorEnv
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import ScenarioError
from ev_gym.simulation.reset_options import ResetError
from ev_gym.simulation.simulator import ActionError
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.one_day import A_DAY
from tests.support.remote_twins import raised_by, step_both
from tests.support.rollouts import same

TWO_CARS = {
    **A_DAY,
    "vehicles": [{"model": "Volkswagen ID.3 58 kWh"}, {"model": "Nissan Leaf 40 kWh"}],
    "household": {"fuse_a": 16},
    "time_step_min": 60,
}


@pytest.mark.parametrize(
    "action",
    [np.nan, [2.0, 0.0], [-1e-9, 0.5], [0.5], "full", None, [[0.1, 0.2], [0.3]], 1j, [1e39, 0.0]],
    ids=str,
)
def test_impossible_actions_are_refused_in_the_words_of_the_local_env(
    url: str, action: Any
) -> None:
    local = EVChargingEnv(TWO_CARS)
    with closing(RemoteEnv(url, TWO_CARS)) as remote:
        local.reset(seed=1)
        remote.reset(seed=1)
        told = raised_by(lambda: remote.step(action))
        assert type(told) is ActionError
        assert str(told) == str(raised_by(lambda: local.step(action)))
        step_both(local, remote, 3)


def test_impossible_levels(url: str) -> None:
    local = EVChargingEnv(continuous=False)
    with closing(RemoteEnv(url, continuous=False)) as remote:
        local.reset(seed=1)
        remote.reset(seed=1)
        for action in (-1, 99, 1.5, [1, 2], 2**63):
            told = raised_by(lambda: remote.step(action))  # noqa: B023  # called at once
            assert type(told) is ActionError
            assert str(told) == str(raised_by(lambda: local.step(action)))  # noqa: B023
        step_both(local, remote, 3)


@pytest.mark.parametrize(
    ("seed", "options"),
    [
        (-1, None),
        (1.5, None),
        (True, None),
        (2**64, None),
        (None, {"sock": 0.5}),
        (None, {"reset_mask": np.array([True])}),
        (None, [1]),
        (None, {"soc": 1.5}),
        (None, {"soc": [0.1, 0.2, 0.3]}),
        (None, {"house": 16}),
        (None, {"house": -1}),
        (None, {"start": "yesterday"}),
        (None, {"start": "1999-01-01"}),
        (None, {"start": "2025-03-30T02:30"}),
        (3, {"start": datetime(2025, 6, 5, 12, 7)}),
    ],
    ids=str,
)
def test_impossible_resets_are_refused_in_the_words_of_the_local_env(
    url: str, seed: Any, options: Any
) -> None:
    local = EVChargingEnv(TWO_CARS)
    with closing(RemoteEnv(url, TWO_CARS)) as remote:
        local.reset(seed=1)
        remote.reset(seed=1)
        told = raised_by(lambda: remote.reset(seed=seed, options=options))
        expected = raised_by(lambda: local.reset(seed=seed, options=options))
        assert type(told) is type(expected)
        if not isinstance((options or {}), dict) or "start" not in (options or {}):
            assert str(told) == str(expected)
        else:  # what was a date travels as text
            assert str(told).startswith("option start is '")
        assert remote.np_random_seed == local.np_random_seed == 1
        step_both(local, remote, 3)


def test_seeds_of_numpy_are_seeds(url: str) -> None:
    local, rows = EVChargingEnv(), EVChargingVectorEnv(2)
    with closing(RemoteEnv(url)) as remote, closing(RemoteVectorEnv(2, url)) as remote_rows:
        assert same(remote.reset(seed=np.int64(3)), local.reset(seed=3))  # type: ignore[arg-type]  # not declared
        assert remote.np_random_seed == 3
        step_both(local, remote, 2)
        assert same(remote_rows.reset(seed=np.int64(3)), rows.reset(seed=3))  # type: ignore[arg-type]  # not declared
        actions = np.ones((2, 1), np.float32)
        assert same(remote_rows.step(actions), rows.step(actions))


@pytest.mark.parametrize(
    "options",
    [{"soc": "half"}, {"soc": np.nan}, {"house": 1.5}, {"start": 3}, {"soc": object()}],
    ids=lambda options: str(next(iter(options.values())))[:9],
)
def test_options_of_another_kind_are_reset_errors_too(url: str, options: Any) -> None:
    local = EVChargingEnv()
    with closing(RemoteEnv(url)) as remote:
        local.reset(seed=1)
        remote.reset(seed=1)
        with pytest.raises(ResetError):
            local.reset(options=options)
        with pytest.raises(ResetError):
            remote.reset(options=options)
        step_both(local, remote, 3)


def test_impossible_envs(url: str) -> None:
    for settings in ({"scenario": "nowhere"}, {"scenario": {"days": 0}}, {"scenario": {"day": 1}}):
        told = raised_by(lambda: RemoteEnv(url, **settings))  # noqa: B023  # called at once
        expected = raised_by(lambda: EVChargingEnv(**settings))  # noqa: B023
        assert type(told) is type(expected) is ScenarioError
    with pytest.raises(ScenarioError, match="split is \"dev\"; allowed: 'train' or 'test'"):
        RemoteEnv(url, split="dev")
    with pytest.raises(ScenarioError, match=r"num_envs is 65; allowed.*64"):
        RemoteVectorEnv(65, url)
    with pytest.raises(ValueError, match="render_mode is 'human'; allowed: None"):
        RemoteEnv(url, render_mode="human")
    with pytest.raises(ValueError, match="same_step"):
        RemoteVectorEnv(2, url, autoreset_mode="same_step")
    with pytest.raises(ValueError, match="url is 'here'"):
        RemoteEnv("here")
    for env in (RemoteEnv(url), RemoteVectorEnv(2, url)):
        with closing(env), pytest.raises(gym.error.ResetNeeded):
            env.step(env.action_space.sample())
