"""`tune`: the same from one seed, also with an interruption or more workers; training worlds alone.

Skips where cma is not installed, unless EV_GYM_REQUIRE_LEARN=1.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from click.testing import CliRunner

import baselines.learning.tune as tuning
import ev_gym  # noqa: F401  # registers the env
from baselines import make_policy
from baselines.cli.commands import main
from baselines.comparison.tasks import Task, run_task
from baselines.learning.archive import read_archive
from baselines.learning.parameters import NEUTRAL, PARAMETERS
from baselines.learning.tune import Progress, episode_costs, episodes_of, generation_costs, tune
from baselines.learning.tuned_rule import TunedFilling
from ev_gym.scenario import Scenario, as_scenario
from tests.support.one_day import STOCKHOLM_DAY

MISSING = importlib.util.find_spec("cma") is None
REQUIRED = os.environ.get("EV_GYM_REQUIRE_LEARN") == "1"
needs_cma = pytest.mark.skipif(MISSING and not REQUIRED, reason="needs cma")
NEUTRAL_ROW = np.array([list(NEUTRAL.values())])
DAY = Scenario.from_dict(STOCKHOLM_DAY)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generations of four candidates in three episodes."""
    monkeypatch.setattr(tuning, "CANDIDATES", 4)
    monkeypatch.setattr(tuning, "EPISODES", 3)
    monkeypatch.setattr(tuning, "HELD_OUT_EPISODES", 4)
    monkeypatch.setattr(tuning, "HELD_OUT_EVERY", 2)


def test_episodes_are_months_of_training_worlds_in_equal_shares() -> None:
    stockholm = as_scenario("stockholm")
    training = episodes_of(stockholm, seed=5, first=0, count=84, held_out=False)
    assert training.split == "train"
    assert sorted(training.months) == sorted(7 * [f"2025-{month:02}-01" for month in range(1, 13)])
    assert sorted(training.worlds) == sorted(12 * list(range(1, 8)))
    judging = episodes_of(stockholm, seed=5, first=10**9, count=24, held_out=True)
    assert set(judging.worlds) == {8}
    assert not set(judging.episodes) & set(training.episodes)


def test_costs_are_those_of_the_benchmark() -> None:
    """Of `water_filling`, beside another candidate; a month of 28 days and one of 31."""
    task = episodes_of(as_scenario("stockholm"), seed=5, first=0, count=2, held_out=False)
    task = Task(**{**vars(task), "months": ("2025-02-01", "2025-03-01")})
    spread = NEUTRAL_ROW.copy()
    spread[0, 0] = 40.0
    costs, steps = episode_costs(task, np.concatenate([spread, NEUTRAL_ROW]))
    assert steps == 2 * 96 * 28 + 2 * (96 * 31 - 4)  # summer time begins in March
    for episode, hours in enumerate([(24,) * 28, (*(24,) * 29, 23, 24)]):
        one = {
            "policy": "water_filling",
            "month_hours": hours,
            **{name: (vars(task)[name][episode],) for name in ("episodes", "months", "worlds")},
        }
        cost = run_task(Task(**{**vars(task), **one})).figures["cost"]
        assert costs[1, episode] == pytest.approx(cost[0], rel=1e-12)
        assert costs[0, episode] != costs[1, episode]


def test_workers_change_nothing() -> None:
    task = episodes_of(DAY, seed=5, first=0, count=3, held_out=False)
    rows = np.array([[one.start for one in PARAMETERS], *NEUTRAL_ROW, *NEUTRAL_ROW])
    alone, made = generation_costs(task, rows, workers=1)
    shared, made_together = generation_costs(task, rows, workers=2)
    np.testing.assert_array_equal(alone, shared)
    assert made == made_together == 3 * 3 * 96


@needs_cma
def test_a_tuning_is_repeated_and_resumed(small: None, tmp_path: Path) -> None:
    """Four generations at once, again, and with a stop after the first and the third."""
    a_generation = 4 * 3 * 96
    steps = 4 * a_generation + 2 * 4 * 96  # and the neutral and the first mean were judged
    heard: list[Progress] = []
    whole = tune(DAY, steps, 1, tmp_path / "whole", report=heard.append)
    again = tune(DAY, steps, 1, tmp_path / "again")
    assert whole.read_bytes() == again.read_bytes()
    for part in (1, steps - a_generation, steps):
        resumed = tune(DAY, part, 1, tmp_path / "resumed")
    assert whole.read_bytes() == resumed.read_bytes()
    result = json.loads(whole.read_text())
    assert [progress.generations for progress in heard] == list(range(1, len(heard) + 1))
    assert result["generations"] == len(heard) >= 3
    assert result["steps"] == heard[-1].steps
    told = tune(DAY, result["steps"], 1, tmp_path / "told")
    assert told.read_bytes() == whole.read_bytes()
    assert result["held_out_cost"] <= heard[-1].held_out_cost
    assert result["neutral_cost"] == heard[-1].neutral_cost
    other = json.loads(tune(DAY, steps, 2, tmp_path / "other").read_text())
    assert other["parameters"] != result["parameters"]


@needs_cma
def test_minutes_stop_early(small: None, tmp_path: Path) -> None:
    result = json.loads(tune(DAY, 10**9, 1, tmp_path, minutes=1e-9).read_text())
    assert result["generations"] == 1


@needs_cma
def test_another_tuning_is_not_gone_on_with(small: None, tmp_path: Path) -> None:
    tune(DAY, 1, 1, tmp_path)
    with pytest.raises(ValueError, match="of a tuning with another seed; allowed: an empty"):
        tune(DAY, 1, 2, tmp_path)


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="steps is 0; allowed: a number above 0"):
        tune(DAY, 0, 1, tmp_path)
    missing: Any = None
    monkeypatch.setitem(sys.modules, "cma", missing)
    with pytest.raises(RuntimeError, match=r"pip install 'ev-gym\[learn\]'"):
        tune(DAY, 1, 1, tmp_path)


@needs_cma
def test_the_command_leaves_an_agent_that_is_the_rule(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("day.json").write_text('{"preset": "stockholm", "days": 1}')
    command = ["train", "tune", "--scenario", "day.json", "--steps", "1", "--seed", "1"]
    result = CliRunner().invoke(main, [*command, "--out", "t"])
    assert result.exit_code == 0, result.output
    found = json.loads(Path("t/tuned.json").read_text())
    env: Any = gym.make("EVCharging-v0", scenario={"preset": "stockholm", "days": 1}).unwrapped
    agent = make_policy("t/agent.npz", env)
    assert isinstance(agent, TunedFilling)
    np.testing.assert_array_equal(agent.parameters[0], list(found["parameters"].values()))
    _, manifest = read_archive("t/agent.npz")
    repeated = CliRunner().invoke(main, [*manifest["command"].split()[1:], "--out", "u"])
    assert repeated.exit_code == 0, repeated.output
    assert Path("u/agent.npz").read_bytes() == Path("t/agent.npz").read_bytes()
