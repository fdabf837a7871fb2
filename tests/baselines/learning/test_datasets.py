"""Data sets: what Minari reads back is what the env lived, and the command that writes them.

Skips where Minari is not installed, unless EV_GYM_REQUIRE_MINARI=1.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from baselines.cli.commands import main
from baselines.comparison import manifest
from baselines.comparison.plan import Plan
from baselines.comparison.tasks import Part, run_task
from baselines.learning import datasets
from ev_gym.scenario import Scenario
from tests.support.library_examples import examples, run_examples
from tests.support.one_day import STOCKHOLM_DAY, VILLA_DAY
from tests.support.rollouts import same

MISSING = importlib.util.find_spec("minari") is None or importlib.util.find_spec("h5py") is None
REQUIRED = os.environ.get("EV_GYM_REQUIRE_MINARI") == "1"
needs_it = pytest.mark.skipif(MISSING and not REQUIRED, reason="needs minari with h5py")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data sets that Minari looks into, and none of the user's."""
    monkeypatch.setenv(datasets.FOLDER_VARIABLE, str(tmp_path / "own"))
    return tmp_path / "own"


def plan(policy: str, scenario: Any = STOCKHOLM_DAY, **settings: Any) -> Plan:
    chosen = (Scenario.from_dict(scenario),)
    return Plan(chosen, (policy,), bound=False, **{"households": 3, **settings})


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["dataset", *arguments, "--quiet"])


def replayed(dataset: Any) -> float:
    """Live each episode again from its metadata; the least difference of any two returns."""
    env = dataset.recover_environment()
    metadata = list(dataset.storage.get_episode_metadata(range(dataset.total_episodes)))
    returns = []
    for episode, own in zip(dataset, metadata, strict=True):
        observation, info = env.reset(seed=own["seed"], options=own["options"])
        observations, rewards, over = [observation], [], []
        for action in episode.actions:
            observation, reward, terminated, truncated, info = env.step(action)
            observations.append(observation)
            rewards.append(reward)
            over.append((terminated, truncated))
        assert same(np.array(observations), episode.observations)
        assert same(np.array(rewards), episode.rewards)
        assert over == list(zip(episode.terminations, episode.truncations, strict=True))
        assert over == [(False, False)] * (len(over) - 1) + [(False, True)]
        assert own["settlement"] == info["settlement"]
        returns.append(episode.rewards.sum())
    assert any(own["settlement"] for own in metadata)
    return float(np.diff(sorted(returns)).min())


@needs_it
@pytest.mark.parametrize(
    ("policy", "scenario", "continuous", "settings"),
    [
        ("random", STOCKHOLM_DAY, True, {"split": "train"}),
        ("random", {**VILLA_DAY, "time_step_min": 60}, False, {"observation": "scaled"}),
        ("water_filling", {"preset": "stockholm", "time_step_min": 60}, True, {"split": "test"}),
        ("mpc", STOCKHOLM_DAY, False, {"households": 2}),
        ("optimal", STOCKHOLM_DAY, True, {"households": 2, "seeds": (7,)}),
    ],
    ids=["random", "levels of two cars", "months", "mpc", "optimal"],
)
def test_an_episode_is_lived_again(
    policy: str, scenario: Any, continuous: bool, settings: dict[str, Any]
) -> None:
    """From its seed and options, in the recovered env, bit for bit; no two are the same."""
    written = datasets.write_dataset(
        plan(policy, scenario, **settings), "tried-v0", continuous=continuous
    )
    import minari

    dataset = minari.load_dataset("tried-v0")
    assert dataset.total_steps == written.total_steps == sum(map(len, dataset))
    assert replayed(dataset) > 0.0
    steps = {len(episode) for episode in dataset}
    assert steps == ({31 * 24, 28 * 24, 31 * 24 - 1} if "days" not in scenario else steps)
    env = dataset.recover_environment().unwrapped
    assert env.scenario == Scenario.from_dict(scenario)
    assert (env.split, env.observation) == (
        settings.get("split"), settings.get("observation", "physical")
    )  # fmt: skip


@needs_it
def test_episodes_are_those_of_the_benchmark() -> None:
    """The same costs, by seed and household; the metadata are its manifest's."""
    chosen = plan("price_based", seeds=(4, 5))
    dataset = datasets.write_dataset(chosen, "of/benchmark-v2", command=["ev-gym", "dataset"])
    (task,) = chosen.tasks()
    part: Part = run_task(task)
    costs = dict(zip(task.episodes, part.figures["cost"], strict=True))
    for episode, own in zip(dataset, dataset.storage.get_episode_metadata(range(6)), strict=True):
        cost = -episode.rewards.sum() - own["settlement"]
        pair = (int(own["benchmark_seed"]), int(own["household"]))
        assert cost == pytest.approx(costs.pop(pair), rel=1e-12)
    assert not costs
    told = dataset.storage.metadata
    assert told["algorithm_name"] == "price_based"
    described = told["ev_gym"]
    assert described.pop("continuous") is True
    expected = manifest.describe(chosen.to_dict(), ["ev-gym", "dataset"])
    assert described == json.loads(json.dumps(expected))
    assert Plan.from_dict(described["plan"]) == chosen


@needs_it
def test_the_command_gives_the_same_arrays_again(folder: Path, tmp_path: Path) -> None:
    """In its own folder or Minari's; another seed gives others."""
    import minari

    arguments = ["--policy", "random", "--days", "1", "--households", "2"]
    seen = []
    for extra in (["--seed", "1"], ["--seed", "1", "--out", str(tmp_path / "other")], []):
        name = f"again/{len(seen)}-v0"
        result = command(*arguments, *extra, "--id", name)
        assert result.exit_code == 0, result.output
        root = tmp_path / "other" if "--out" in extra else folder
        path = root / name / "data"
        dataset = minari.MinariDataset(path)
        mean = np.mean([episode.rewards.sum() for episode in dataset])
        assert result.output.splitlines() == [
            f"{name}: 2 episodes, 192 steps, mean return {mean:.2f} SEK",
            f"wrote {path}",
        ]
        assert os.environ[datasets.FOLDER_VARIABLE] == str(folder)
        seen.append([(e.observations, e.actions, e.rewards) for e in dataset])
    assert same(seen[0], seen[1])
    assert not same(seen[0], seen[2])


@needs_it
def test_what_is_refused(folder: Path) -> None:
    """In a line; nothing is overwritten, and nothing cut short stays."""
    arguments = ["--policy", "night(from_h=23)", "--days", "1", "--households", "1"]
    result = command(*arguments)
    assert result.output.startswith("Error: id is 'ev_gym/stockholm/night(from_h=23)-v0'; allowed:")
    assert command(*arguments, "--id", "../up-v0").exit_code == 1
    assert command(*arguments, "--id", "kept-v0").exit_code == 0
    before = (folder / "kept-v0/data/main_data.hdf5").read_bytes()
    assert "already exists" in command(*arguments, "--id", "kept-v0").output
    assert (folder / "kept-v0/data/main_data.hdf5").read_bytes() == before
    with pytest.raises(KeyboardInterrupt):
        datasets.write_dataset(plan("night"), "cut-v0", progress=interrupt)
    assert not (folder / "cut-v0").exists()
    both = Plan((Scenario(days=1),), ("night", "delayed"), bound=False)
    with pytest.raises(ValueError, match=r"2 policies.*allowed: one of each"):
        datasets.write_dataset(both, "both-v0")


def interrupt(_: int) -> None:
    raise KeyboardInterrupt


def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "minari", None)
    monkeypatch.setitem(sys.modules, "h5py", None)
    result = command("--policy", "night")
    assert result.exit_code == 1
    assert "pip install 'ev-gym[minari]'" in result.output


@needs_it
def test_the_env_is_recovered_without_importing_this_package(folder: Path) -> None:
    """By a program that knows Minari alone."""
    datasets.write_dataset(plan("night"), "alone-v0")
    program = "import minari; print(minari.load_dataset('alone-v0').recover_environment())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "EVChargingEnv" in done.stdout, done.stderr


@needs_it
def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (shell,) = examples("Minari", "sh")
    (line,) = [line for line in shell.splitlines() if line.startswith("ev-gym")]
    few = line.replace("--households 96", "--households 2")
    assert few != line
    result = command(*few.split()[2:])
    assert result.exit_code == 0, result.output
    capsys.readouterr()
    run_examples("Minari")
    assert capsys.readouterr().out.startswith("True -")
