"""PPO: advantages by hand, one seed one result, interrupted or not; it learns what it should."""

from __future__ import annotations

import csv
import importlib.util
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from baselines.cli.commands import main
from baselines.learning.archive import read_archive
from ev_gym.scenario import preset

if importlib.util.find_spec("torch") is None and os.environ.get("EV_GYM_REQUIRE_LEARN") != "1":
    pytest.skip("needs torch: pip install 'ev-gym[learn]'", allow_module_level=True)

from baselines.learning import ppo, training

SMALL = ppo.Settings(rows=8, rollout_steps=16, batch=16, epochs=1, units=8)
DISCOUNT, TRACE = 0.9, 0.8


def rollout_of(**values: Any) -> ppo.Rollout:
    """Three steps of one row with two choices; what matters for advantages is given."""
    steps = len(values["rewards"])
    masks = np.ones((steps, 1, 2), np.bool_)
    masks[:, 0, 1] = values["decides"]
    empty = np.zeros((steps, 1, 0), np.float32)
    return ppo.Rollout(
        features=empty,
        privileged=empty,
        masks=masks,
        choices=np.zeros((steps, 1, 1), np.int64),
        log_chances=np.zeros((steps, 1), np.float32),
        values=np.array(values["values"], np.float32)[:, None],
        rewards=np.array(values["rewards"])[:, None],
        over=np.array(values["over"])[:, None],
        values_at_end=np.array(values["at_end"], np.float32)[:, None],
        next_values=np.array([values["after"]], np.float32),
    )


def test_advantages_by_hand() -> None:
    rollout = rollout_of(
        rewards=[1.0, 2.0, 3.0], decides=[True] * 3, values=[5.0, 6.0, 7.0],
        over=[False] * 3, at_end=[0.0] * 3, after=8.0,
    )  # fmt: skip
    last = 3.0 + 0.9 * 8.0 - 7.0
    middle = 2.0 + 0.9 * 7.0 - 6.0 + 0.9 * 0.8 * last
    first = 1.0 + 0.9 * 6.0 - 5.0 + 0.9 * 0.8 * middle
    found = ppo.advantages(rollout, DISCOUNT, TRACE)[:, 0]
    np.testing.assert_allclose(found, [first, middle, last], rtol=1e-6)


def test_rewards_without_a_choice_belong_to_the_choice_before() -> None:
    rollout = rollout_of(
        rewards=[1.0, 2.0, 3.0], decides=[True, False, True], values=[5.0, 99.0, 7.0],
        over=[False] * 3, at_end=[0.0] * 3, after=8.0,
    )  # fmt: skip
    last = 3.0 + 0.9 * 8.0 - 7.0
    first = 1.0 + 0.9 * 2.0 + 0.81 * 7.0 - 5.0 + 0.81 * 0.8 * last
    found = ppo.advantages(rollout, DISCOUNT, TRACE)[:, 0]
    np.testing.assert_allclose(found, [first, 0.0, last], rtol=1e-6)


def test_at_the_horizon_the_last_state_s_value_stands_for_what_follows() -> None:
    rollout = rollout_of(
        rewards=[1.0, 2.0, 3.0], decides=[True] * 3, values=[5.0, 6.0, 7.0],
        over=[False, True, False], at_end=[0.0, 4.0, 0.0], after=8.0,
    )  # fmt: skip
    middle = 2.0 + 0.9 * 4.0 - 6.0  # nothing of the episode that begins then
    first = 1.0 + 0.9 * 6.0 - 5.0 + 0.9 * 0.8 * middle
    found = ppo.advantages(rollout, DISCOUNT, TRACE)[:2, 0]
    np.testing.assert_allclose(found, [first, middle], rtol=1e-6)


def train(out: Path, **options: Any) -> bytes:
    """The agent's file of a short training."""
    plan = training.Training(preset("stockholm"), steps=768, seed=3, out=out, **options)
    return training.train_ppo(plan).read_bytes()


def test_one_seed_one_agent_also_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "Settings", lambda: SMALL)
    monkeypatch.setattr(training, "SCORES", 1)
    monkeypatch.setattr(training, "HELD_OUT_HOUSES", 1)
    whole = train(tmp_path / "whole")
    train(tmp_path / "parts", stop_at=384)
    assert train(tmp_path / "parts") == whole
    lines = [
        (tmp_path / name / "curve.csv").read_text(encoding="utf-8").splitlines()
        for name in ("whole", "parts")
    ]
    steps_and_costs = [[row[::2] for row in csv.reader(of_one)] for of_one in lines]
    assert steps_and_costs[0] == [steps_and_costs[1][0], steps_and_costs[1][-1]]
    _, manifest = read_archive(tmp_path / "whole" / "agent.npz")
    assert manifest["steps"] == 768
    other = training.Training(preset("stockholm"), steps=768, seed=4, out=tmp_path / "whole")
    with pytest.raises(ValueError, match="holds another training"):
        training.train_ppo(other)


def test_the_command_trains_and_its_agent_drives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "Settings", lambda: SMALL)
    monkeypatch.setattr(training, "SCORES", 1)
    monkeypatch.setattr(training, "HELD_OUT_HOUSES", 1)
    command = ["train", "ppo", "--steps", "10000", "--minutes", "0.0001", "--seed", "5"]
    result = CliRunner().invoke(main, [*command, "--out", "t"])
    assert result.exit_code == 0, result.output
    assert "use it with --policy t/agent.npz" in result.output
    _, manifest = read_archive("t/agent.npz")
    again = manifest["command"].split()[1:]
    assert again[-2:] == ["--stop-at", "128"]
    repeated = CliRunner().invoke(main, [*again, "--out", "u"])
    assert repeated.exit_code == 0, repeated.output
    assert Path("u/agent.npz").read_bytes() == Path("t/agent.npz").read_bytes()
    drives = ["run", "--policy", "t/agent.npz", "--days", "1", "--out", "run"]
    result = CliRunner().invoke(main, drives)
    assert result.exit_code == 0, result.output


def test_a_scenario_of_days_is_refused(tmp_path: Path) -> None:
    plan = training.Training(replace(preset("stockholm"), days=7), 100, 0, tmp_path)
    with pytest.raises(ValueError, match="days of scenario 'stockholm' is 7; allowed for training"):
        training.train_ppo(plan)


def test_actor_and_file_score_alike() -> None:
    """In float32 here and in float64 there: the same but for float32's rounding."""
    import torch

    from baselines.learning.network import Network

    learner = ppo.Learner(preset("stockholm"), SMALL, seed=1)
    learner.learn(0.0)
    features = learner.rows.sight.features
    with torch.no_grad():
        seen = torch.from_numpy(learner.features.normalised(features))
        expected = learner.actor(seen).numpy()
    found = Network.of(learner.arrays()).scores(features)
    np.testing.assert_allclose(found, expected, atol=1e-5)
