"""Tuning the parameters of `TunedFilling` on training worlds, by CMA-ES.

CMA-ES (package `cma`) draws candidates from a normal distribution over all parameters and moves it
towards those that pay least. The candidates of a generation meet the same episodes (common random
numbers), each generation others: months of all the year in all training worlds but the last one,
or, where episodes are no months, such as seeds draw. The world left out judges the distribution's
mean; the best mean that it has judged is the result. Where series have a single world, episodes of
other seeds judge. Test worlds are never looked at.

A household's cost does not depend on the others of its batch, nor a draw on the time, so the result
follows from scenario, steps and seed on one machine, with any number of workers. What is kept for a
resumption is the costs of each generation: told again, they bring CMA-ES back to where it was.

Source: N. Hansen and A. Ostermeier, "Completely Derandomized Self-Adaptation in Evolution
Strategies", Evolutionary Computation 9 (2001) 159, doi:10.1162/106365601750190398. The paper was
not opened; the package's defaults are used.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode
from tqdm import tqdm

from baselines.comparison.plan import months_of
from baselines.comparison.tasks import Task, reset_env
from baselines.learning.agent import RULE
from baselines.learning.archive import write_archive
from baselines.learning.parameters import PARAMETERS
from baselines.learning.tuned_rule import TunedFilling
from ev_gym import __version__
from ev_gym.runtime.arrays import Floats
from ev_gym.scenario import Scenario
from ev_gym.series.of_scenario import worlds_of
from ev_gym.simulation.results import TERMS
from ev_gym.vector_env import EVChargingVectorEnv

CANDIDATES = 12  # of a generation; CMA-ES advises 4 + 3 ln(17)
EPISODES = 60  # of a candidate: five of each month; with 36 chance moved the mean about
HELD_OUT_EPISODES = 96  # eight of each month
HELD_OUT_EVERY = 5  # generations
SPREAD = 0.1  # of the first generation, as a share of each parameter's range
MARGIN = 0.02  # the first mean lies so far within the range
# Seeds of the episodes that judge are numbered from here on, far beyond those of training.
HELD_OUT_FROM = 10**9
CHECKPOINT, RESULT, AGENT = "tune.json", "tuned.json", "agent.npz"
PACKAGES = ("numpy", "numba", "cma")
LOW = np.array([one.low for one in PARAMETERS])
HIGH = np.array([one.high for one in PARAMETERS])
START = np.array([one.start for one in PARAMETERS])


class Progress(NamedTuple):
    """What is known after a generation.

    Attributes:
        steps: Household-steps so far, those that judge included.
        generations: How many there were.
        cost: Mean cost of an episode, of the generation's best candidate.
        held_out_cost: The same of the best mean that the held-out episodes have judged.
        neutral_cost: The same of `water_filling`, in these episodes.
    """

    steps: int
    generations: int
    cost: float
    held_out_cost: float
    neutral_cost: float


def episodes_of(scenario: Scenario, seed: int, first: int, count: int, held_out: bool) -> Task:
    """So many training episodes, numbered from `first` on; months and worlds in equal shares.

    Args:
        scenario: The scenario.
        seed: With the number of an episode it draws the household.
        first: Number of the first one.
        count: How many.
        held_out: Whether they are of the world that judges, or of the others.
    """
    worlds = worlds_of(scenario, "train")
    if len(worlds) > 1:
        worlds = worlds[-1:] if held_out else worlds[:-1]
    rng = np.random.default_rng((seed, first))
    months: tuple[str, ...] = ()
    if scenario.by_month:
        months = _shuffled(rng, [month.first for month in months_of(scenario, "train")], count)
    return Task(
        scenario=scenario,
        policy=None,
        split="train",
        episodes=tuple((seed, first + number) for number in range(count)),
        months=months,
        worlds=_shuffled(rng, worlds, count) if scenario.data.is_generated else (),
    )


def _shuffled(rng: np.random.Generator, values: Any, count: int) -> tuple[Any, ...]:
    """So many of the values, each as often as the others, in a drawn order."""
    rounds = -(-count // len(values))
    places = np.concatenate([rng.permutation(len(values)) for _ in range(rounds)])[:count]
    return tuple(values[place] for place in places)


def episode_costs(task: Task, parameters: Floats) -> tuple[Floats, int]:
    """What candidates with such parameters (C, P) pay in the E episodes of a task, side by side.

    Returns:
        (C, E) money, the settlement taken off, as the benchmark's `cost` of an episode; and how
        many household-steps were made.
    """
    count, candidates = len(task.episodes), len(parameters)
    rows = count * candidates
    env = EVChargingVectorEnv(
        rows, task.scenario, task.split, copy=False, info=TERMS,
        autoreset_mode=AutoresetMode.NEXT_STEP,
    )  # fmt: skip
    policy = TunedFilling(task.scenario)
    policy.parameters = parameters.repeat(count, axis=0)
    observations, _ = reset_env(_repeated(task, candidates), env)
    costs, going, steps = np.zeros(rows), np.ones(rows, np.bool_), 0
    while going.any():
        observations, rewards, _, ended, infos = env.step(policy(observations))
        steps += int(going.sum())
        costs -= np.where(going, rewards, 0.0)
        costs -= np.where(going & ended, infos["settlement"], 0.0)
        going &= ~ended  # what a row does afterwards does not count
    return costs.reshape(candidates, count), steps


def _repeated(task: Task, times: int) -> Task:
    """Its episodes so many times."""
    return replace(
        task, episodes=task.episodes * times, months=task.months * times,
        worlds=task.worlds * times,
    )  # fmt: skip


def generation_costs(task: Task, parameters: Floats, workers: int) -> tuple[Floats, int]:
    """As `episode_costs`, the candidates shared out to so many processes."""
    if workers == 1:
        return episode_costs(task, parameters)
    from joblib import Parallel, delayed

    parts = [part for part in np.array_split(parameters, workers) if len(part)]
    found = Parallel(n_jobs=workers)(delayed(episode_costs)(task, part) for part in parts)
    return np.concatenate([costs for costs, _ in found]), sum(steps for _, steps in found)


class Search:
    """CMA-ES over the parameters, each as a share of its range.

    Args:
        seed: Of its draws.

    Raises:
        RuntimeError: where the package `cma` is missing.
    """

    def __init__(self, seed: int) -> None:
        try:
            import cma
        except ImportError:
            raise RuntimeError(
                "tuning needs the package cma; it comes with pip install 'ev-gym[learn]'"
            ) from None
        rng = np.random.default_rng(seed)
        first = np.clip((START - LOW) / (HIGH - LOW), MARGIN, 1.0 - MARGIN)
        options = {
            "bounds": [0.0, 1.0],
            "popsize": CANDIDATES,
            "verbose": -9,
            "seed": math.nan,  # leaves NumPy's own generator alone
            "randn": lambda *shape: rng.standard_normal(shape),
        }
        self._strategy = cma.CMAEvolutionStrategy(first.tolist(), SPREAD, options)
        self._asked: list[Any] = []

    def ask(self) -> Floats:
        """The parameters (C, P) of the next generation's candidates."""
        self._asked = self._strategy.ask()
        return _in_units(np.array(self._asked))

    def tell(self, costs: list[float]) -> None:
        """What each of these candidates pays, (C,)."""
        self._strategy.tell(self._asked, costs)

    def mean(self) -> Floats:
        """The parameters (P,) in the middle of the distribution."""
        return _in_units(np.array(self._strategy.result.xfavorite))


def _in_units(shares: Floats) -> Floats:
    """Parameters from shares of their ranges; within these, whatever the rounding."""
    found: Floats = np.clip(LOW + shares * (HIGH - LOW), LOW, HIGH)
    return found


def tune(
    scenario: Scenario,
    steps: int,
    seed: int,
    out: str | Path,
    minutes: float | None = None,
    report: Callable[[Progress], None] | None = None,
    workers: int = 1,
) -> Path:
    """Tune the rule for a scenario; where `out` holds the begin of the same tuning, go on with it.

    Args:
        scenario: The scenario.
        steps: Household-steps after which it ends, with the generation under way.
        seed: Of the candidates and the training episodes.
        out: Folder for the result and the checkpoint; it is made where it is missing.
        minutes: After which it ends too, likewise.
        report: Is told of each generation; None: a progress bar tells it.
        workers: Processes that share a generation's candidates.

    Returns:
        A JSON file: `parameters` by name, and what they came from.

    Raises:
        RuntimeError: where the package `cma` is missing.
        ValueError: for steps or minutes that are not above 0, or where `out` holds another tuning.
    """
    for name, value in (("steps", steps), ("minutes", minutes)):
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value!r}; allowed: a number above 0")
    began_s, folder = time.monotonic(), Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    run = Tuning(scenario, seed, folder, workers)
    with tqdm(total=steps, initial=run.steps, unit="step", disable=report is not None) as bar:
        while run.steps < steps:
            progress = run.advance()
            (report or partial(_show, bar))(progress)
            if minutes is not None and time.monotonic() - began_s > 60.0 * minutes:
                break
    return run.write_result()


def _show(bar: Any, progress: Progress) -> None:
    """Move a progress bar on, and write beside it what held-out episodes cost."""
    bar.update(progress.steps - bar.n)
    bar.set_postfix_str(
        f"held out: {progress.held_out_cost:.2f}, water_filling: {progress.neutral_cost:.2f}"
    )


class Tuning:
    """A tuning under way, whose checkpoint is written after each generation.

    Args:
        scenario: The scenario.
        seed: Of the candidates and the training episodes.
        folder: Of its checkpoint, which is read if there is one.
        workers: Processes that share a generation's candidates.

    Raises:
        ValueError: where the folder holds the checkpoint of another tuning.
    """

    def __init__(self, scenario: Scenario, seed: int, folder: Path, workers: int) -> None:
        self._scenario, self._seed, self._folder, self._workers = scenario, seed, folder, workers
        self._search = Search(seed)
        self._state: dict[str, Any] = {
            "scenario": scenario.fingerprint(),
            "seed": seed,
            "parameters": [one._asdict() for one in PARAMETERS],
            "steps": 0,
            "costs": [],  # of each generation's candidates
            "judged": [],  # generations, mean parameters and their held-out cost
            "neutral_cost": None,
        }
        self._take_up(folder / CHECKPOINT)

    @property
    def steps(self) -> int:
        """Household-steps so far."""
        return int(self._state["steps"])

    def _take_up(self, path: Path) -> None:
        if not path.exists():
            return
        saved = json.loads(path.read_text(encoding="utf-8"))
        for name in ("scenario", "seed", "parameters"):
            if saved[name] != self._state[name]:
                raise ValueError(
                    f"{path} is the checkpoint of a tuning with another {name}; allowed: an empty "
                    "folder, or one of the same scenario, seed and parameters"
                )
        self._state = saved
        for costs in saved["costs"]:
            self._search.ask()
            self._search.tell(costs)

    def advance(self) -> Progress:
        """One generation, and after every few of them what the held-out episodes say."""
        state, first = self._state, EPISODES * len(self._state["costs"])
        task = episodes_of(self._scenario, self._seed, first, EPISODES, held_out=False)
        found, made = generation_costs(task, self._search.ask(), self._workers)
        costs = found.mean(axis=1).tolist()
        self._search.tell(costs)
        state["costs"].append(costs)
        state["steps"] += made
        if len(state["costs"]) % HELD_OUT_EVERY == 0 or not state["judged"]:
            self._judge()
        _write_json(self._folder / CHECKPOINT, state)
        return Progress(
            steps=self.steps,
            generations=len(state["costs"]),
            cost=min(costs),
            held_out_cost=self._best()["held_out_cost"],
            neutral_cost=state["neutral_cost"],
        )

    def _judge(self) -> None:
        """Add the present mean to those judged; with the first one, the neutral rule is too."""
        task = episodes_of(
            self._scenario, self._seed, HELD_OUT_FROM, HELD_OUT_EPISODES, held_out=True
        )
        mean, state = self._search.mean(), self._state
        tried = [mean]
        if state["neutral_cost"] is None:
            tried.append(np.array([one.neutral for one in PARAMETERS]))
        found, made = generation_costs(task, np.array(tried), self._workers)
        costs = found.mean(axis=1).tolist()
        state["steps"] += made
        state["neutral_cost"] = costs[1] if len(costs) > 1 else state["neutral_cost"]
        state["judged"].append(
            {
                "generations": len(state["costs"]),
                "held_out_cost": costs[0],
                "parameters": {
                    one.name: value for one, value in zip(PARAMETERS, mean.tolist(), strict=True)
                },
            }
        )

    def _best(self) -> dict[str, Any]:
        """Of the means judged the one that pays least."""
        best: dict[str, Any] = min(self._state["judged"], key=lambda mean: mean["held_out_cost"])
        return best

    def write_result(self) -> Path:
        """Judge the last mean, and write the best one."""
        state, steps = self._state, self.steps  # with so many the same comes out again
        if state["judged"][-1]["generations"] < len(state["costs"]):
            self._judge()
        best = self._best()
        result = {
            "policy": TunedFilling.name,
            "scenario": self._scenario.name,
            "scenario_fingerprint": state["scenario"],
            "seed": self._seed,
            "steps": steps,
            "generations": len(state["costs"]),
            "best_generation": best["generations"],
            "held_out_cost": best["held_out_cost"],
            "neutral_cost": state["neutral_cost"],
            "parameters": best["parameters"],
        }
        path = self._folder / RESULT
        _write_json(path, result)
        return path


def write_agent(result: Path, scenario: Scenario, command: str) -> Path:
    """The agent's file of a result, beside it.

    Args:
        result: The file that `tune` wrote.
        scenario: The scenario.
        command: With which the tuning is repeated, up to its steps.
    """
    found = json.loads(result.read_text(encoding="utf-8"))
    parameters = found["parameters"]
    manifest = {
        "kind": RULE,
        "method": "tune",
        "scenario": scenario.to_dict(),
        "parameters": list(parameters),
        "seed": found["seed"],
        "steps": found["steps"],
        "command": f"{command} --steps {found['steps']}",
        "versions": {"ev_gym": __version__, **{name: version(name) for name in PACKAGES}},
    }
    path = result.with_name(AGENT)
    write_archive(path, {"parameters": np.array(list(parameters.values()))}, manifest)
    return path


def _write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a file that is whole or not there at all."""
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    os.replace(beside, path)
