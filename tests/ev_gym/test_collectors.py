"""What collects infos as data takes those of the envs: TorchRL and Minari.

Skips where these are not installed; neither is a requirement of the tests. To run it:
`pip install torch torchrl 'minari[create,hdf5]' pillow`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.simulation.state_fields import REWARD_TERMS
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.one_day import VILLA_DAY

SCENARIO = {**VILLA_DAY, "time_step_min": 60}
TERMS = {*(f"reward_{term}" for term in REWARD_TERMS), "settlement"}

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries, about themselves


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("rows", [None, 3])
@pytest.mark.parametrize("info", ["flat", "terms", "none"])
def test_torchrl_registers_infos(info: str, rows: int | None, continuous: bool) -> None:
    """Of both envs, with its check of what they declare; their rewards are the terms' sum."""
    envs = pytest.importorskip("torchrl.envs", reason="TorchRL is not installed")
    made: Any
    if rows is None:
        made = EVChargingEnv(SCENARIO, continuous=continuous, info=info)
    else:
        settings: dict[str, Any] = {"continuous": continuous, "info": info}
        made = EVChargingVectorEnv(rows, SCENARIO, autoreset_mode="Disabled", **settings)
    env = envs.GymWrapper(made, categorical_action_encoding=True).auto_register_info_dict()
    seen = env.rollout(30, break_when_any_done=False)
    expected = set() if info == "none" else TERMS if continuous else {*TERMS, "action_mask"}
    if info == "flat":
        assert {"now_min", "soc", *expected} < set(seen.keys())
    else:
        assert expected == set(seen.keys()) - {"action", "observation", "next", "done"} - {
            "terminated",
            "truncated",
        }
    if info != "none":
        terms = sum(seen["next", f"reward_{term}"] for term in REWARD_TERMS)
        rewards = seen["next", "reward"][..., 0].numpy()
        np.testing.assert_allclose(terms.numpy(), rewards, rtol=1e-6, atol=1e-6)
        ended = seen["next", "truncated"][..., 0]
        assert ended.any()
        assert not seen["next", "settlement"][~ended].any()


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("info", ["full", "flat", "terms", "none"])
def test_minari_records_infos(
    info: str, continuous: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two episodes and their infos, from the reset's to the last one's."""
    minari = pytest.importorskip("minari", reason="Minari is not installed")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    settings: dict[str, Any] = {"scenario": SCENARIO, "continuous": continuous, "info": info}
    env = minari.DataCollector(gym.make("EVCharging-v0", **settings), record_infos=True)
    last = []
    for seed in (1, 2):
        env.reset(seed=seed)
        truncated = False
        while not truncated:
            *_, truncated, final = env.step(env.action_space.sample())
        last.append(final)
    episodes = list(env.create_dataset("ev/charging-v0", eval_env=None).iterate_episodes())
    assert len(episodes) == 2
    for episode, final in zip(episodes, last, strict=True):
        assert set(episode.infos) == set(final)
        for name, value in final.items():
            if isinstance(value, dict):
                continue
            assert len(episode.infos[name]) == 25
            np.testing.assert_array_equal(episode.infos[name][-1], value)
    env.close()
