"""A training from its first step to an agent's file: score, checkpoints, resumption, the end.

A folder holds what a training leaves: `agent.npz`, the policy; `curve.csv`, its score on held-out
months as training went on; and `checkpoint.pt`, from which an interrupted training goes on as if it
had never stopped. Where TensorBoard is installed, its files lie there too.
"""

from __future__ import annotations

import contextlib
import csv
import importlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch

from baselines.learning.agent import NETWORK, NetworkAgent, described_layout
from baselines.learning.archive import write_archive
from baselines.learning.features import Features
from baselines.learning.held_out import HeldOut
from baselines.learning.ppo import Learner, Settings
from baselines.policies.base import Policy
from baselines.policies.model_marker import levels_of
from baselines.policies.stable_baselines3 import one_thread
from ev_gym import __version__
from ev_gym.scenario import Scenario

AGENT, CURVE, CHECKPOINT = "agent.npz", "curve.csv", "checkpoint.pt"
CURVE_COLUMNS = ("steps", "seconds", "cost")
SCORES = 20  # so often in a training, its end included
HELD_OUT_HOUSES = 3  # in each month
PACKAGES = ("numpy", "numba", "torch")


class Training(NamedTuple):
    """What is to be trained.

    Attributes:
        scenario: The scenario; its episodes are months.
        steps: Household-steps over which the learning rate falls to nothing.
        seed: Of households, first weights and choices.
        out: The folder.
        stop_at: Stop after so many steps, with the schedule of `steps`; None: at its end.
        minutes: Stop after so much time. The agent's file tells the steps reached.
        target: Stop once a held-out month costs no more.
        command: With which it is repeated, up to its steps.
    """

    scenario: Scenario
    steps: int
    seed: int
    out: Path
    stop_at: int | None = None
    minutes: float | None = None
    target: float | None = None
    command: str = ""


class Report(NamedTuple):
    """How a training stands.

    Attributes:
        steps: Household-steps so far.
        cost: Of a held-out month, when it was scored last; None: not yet.
    """

    steps: int
    cost: float | None


def train_ppo(training: Training, report: Callable[[Report], None] = lambda _: None) -> Path:
    """Train, or go on where the folder's checkpoint stopped; the agent's file.

    One core, one seed, one result: the same command gives the same file on one machine, however
    often it was interrupted.

    Args:
        training: What is to be trained.
        report: Called after each update.

    Raises:
        ValueError: where episodes are no months, or the folder holds another training.
    """
    if not training.scenario.by_month:
        raise ValueError(
            f"days of scenario {training.scenario.name!r} is {training.scenario.days}; allowed for "
            "training: 'month', as the power charge is counted by months"
        )
    training.out.mkdir(parents=True, exist_ok=True)
    with one_thread(), _tensorboard(training.out) as write:
        return _train(training, report, write)


def _train(
    training: Training,
    report: Callable[[Report], None],
    write: Callable[[Mapping[str, float], int], None],
) -> Path:
    learner, held_out = Learner(training.scenario, Settings(), training.seed), None
    curve = _resume(training, learner)
    end = training.steps if training.stop_at is None else training.stop_at
    began, seconds = time.monotonic(), curve[-1][1] if curve else 0.0
    while learner.steps < end:
        before = learner.steps
        told = learner.learn(before / training.steps)
        spent = seconds + time.monotonic() - began
        late = training.minutes is not None and spent >= 60.0 * training.minutes
        done = learner.steps >= end or late
        if done or learner.steps * SCORES // training.steps > before * SCORES // training.steps:
            held_out = held_out or HeldOut(training.scenario, HELD_OUT_HOUSES)
            cost = held_out.cost(_agent(learner, training))
            curve.append((learner.steps, round(spent, 1), round(cost, 2)))
            told = {**told, "held_out_cost": cost}
            _save(training, learner, curve)
            done = done or (training.target is not None and cost <= training.target)
        write(told, learner.steps)
        report(Report(learner.steps, curve[-1][2] if curve else None))
        if done:
            break
    return training.out / AGENT


def _agent(learner: Learner, training: Training) -> Policy:
    manifest = manifest_of(learner, training)
    return NetworkAgent(AGENT, learner.arrays(), manifest, training.scenario, continuous=False)


def manifest_of(learner: Learner, training: Training) -> dict[str, Any]:
    """What an agent's file says of it."""
    policy = Policy(training.scenario, continuous=False)
    layout = policy.layouts[learner.rows.env.simulator.width]
    return {
        "kind": NETWORK,
        "method": "ppo",
        "scenario": training.scenario.to_dict(),
        "layout": described_layout(layout),
        "levels": levels_of(policy.levels),
        "features": list(Features(training.scenario).names),
        "seed": training.seed,
        "steps": learner.steps,
        "schedule_steps": training.steps,
        "command": f"{training.command} --stop-at {learner.steps}",
        "settings": asdict(learner.settings),
        "versions": {"ev_gym": __version__, **{name: version(name) for name in PACKAGES}},
    }


def _save(training: Training, learner: Learner, curve: list[tuple[int, float, float]]) -> None:
    """Write agent, curve and checkpoint, each whole or not at all."""
    write_archive(training.out / AGENT, learner.arrays(), manifest_of(learner, training))
    part = training.out / f"{CURVE}.part"
    with part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([CURVE_COLUMNS, *curve])
    part.replace(training.out / CURVE)
    part = training.out / f"{CHECKPOINT}.part"
    torch.save({"of": _identity(training), "curve": curve, "learner": learner.state()}, part)
    part.replace(training.out / CHECKPOINT)


def _resume(training: Training, learner: Learner) -> list[tuple[int, float, float]]:
    """Bring the learner to where the checkpoint stopped; the curve so far."""
    path = training.out / CHECKPOINT
    if not path.exists():
        return []
    saved = torch.load(path, weights_only=True)
    if saved["of"] != _identity(training):
        raise ValueError(
            f"folder {str(training.out)!r} holds another training, {saved['of']}; this one is "
            f"{_identity(training)}; allowed: the same one, or an empty folder"
        )
    learner.restore(saved["learner"])
    return [tuple(row) for row in saved["curve"]]


def _identity(training: Training) -> str:
    return json.dumps(
        {
            "scenario": training.scenario.name,
            "fingerprint": training.scenario.fingerprint()[:12],
            "steps": training.steps,
            "seed": training.seed,
            "ev_gym": __version__,
            "torch": version("torch"),
        }
    )


@contextlib.contextmanager
def _tensorboard(folder: Path) -> Any:
    """Where numbers of a step go to TensorBoard; nowhere, where it is not installed."""
    try:
        board = importlib.import_module("torch.utils.tensorboard").SummaryWriter(str(folder))
    except ImportError:
        yield lambda told, steps: None
        return

    def write(told: Mapping[str, float], steps: int) -> None:
        for name, value in told.items():
            board.add_scalar(name, value, steps)

    try:
        yield write
    finally:
        board.close()
