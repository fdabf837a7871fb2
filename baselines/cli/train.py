"""`ev-gym train`: agents that learn."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from baselines.cli.options import SCENARIO_HELP, named_scenario

EXTRA = "needs {name}: pip install 'ev-gym[learn]' (torch from your own index, where you have one)"


@click.group()
def train() -> None:
    """Train an agent; `--policy DIR/agent.npz` then takes it everywhere, on NumPy alone."""


@train.command()
@click.option("--scenario", default="stockholm", show_default=True, help=SCENARIO_HELP)
@click.option("--steps", type=click.IntRange(min=1), default=20_000_000, show_default=True,
              help="Household-steps, over which the learning rate falls to nothing.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--stop-at", type=click.IntRange(min=1), metavar="STEPS",
              help="Stop after so many of these steps.")  # fmt: skip
@click.option("--minutes", type=click.FloatRange(min=0.0, min_open=True),
              help="Stop after so long; the agent tells the command that repeats it.")  # fmt: skip
@click.option("--target", type=float,
              help="Stop once charging costs no more in a held-out month.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default="trained", show_default=True,
              help="Folder of agent.npz, curve.csv and a checkpoint to go on from.")  # fmt: skip
def ppo(scenario: str, steps: int, seed: int, out: Path, **ends: Any) -> None:
    """Train a network by proximal policy optimization, on the native vector env.

    It is scored on months of a world that it is not trained on. The same command gives the same
    agent on one machine; interrupted, it goes on where it stopped.
    """
    try:
        from baselines.learning import training
    except ModuleNotFoundError as error:
        raise click.ClickException(EXTRA.format(name=error.name)) from error
    from tqdm import tqdm

    parts = ["ev-gym", "train", "ppo", "--scenario", scenario, "--steps", str(steps)]
    command = shlex.join([*parts, "--seed", str(seed)])
    plan = training.Training(named_scenario(scenario), steps, seed, out, command=command, **ends)
    with tqdm(total=ends["stop_at"] or steps, desc="ppo", unit="step", unit_scale=True,
              file=sys.stderr) as bar:  # fmt: skip

        def show(report: training.Report) -> None:
            bar.update(report.steps - bar.n)
            if report.cost is not None:
                bar.set_postfix_str(f"{report.cost:.0f} a held-out month", refresh=False)

        path = training.train_ppo(plan, show)
    click.echo(f"wrote {path}; use it with --policy {path}")


@train.command()
@click.option("--scenario", default="stockholm", show_default=True, help=SCENARIO_HELP)
@click.option("--steps", type=click.IntRange(min=1), default=20_000_000, show_default=True,
              help="Household-steps after which it ends, generation by generation.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--minutes", type=click.FloatRange(min=0.0, min_open=True),
              help="Stop after so long; the agent tells the command that repeats it.")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True,
              help="Processes; the result does not depend on them.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default="tuned", show_default=True,
              help="Folder of agent.npz and a checkpoint to go on from.")  # fmt: skip
def tune(scenario: str, steps: int, seed: int, out: Path, **ends: Any) -> None:
    """Tune the parameters of `water_filling` by CMA-ES.

    Its candidates drive months of training worlds but the last, which judges them. The same command
    gives the same agent on one machine; interrupted, it goes on where it stopped.
    """
    from baselines.learning import tune as tuning

    chosen = named_scenario(scenario)
    command = shlex.join(["ev-gym", "train", "tune", "--scenario", scenario, "--seed", str(seed)])
    result = tuning.tune(chosen, steps, seed, out, **ends)
    path = tuning.write_agent(result, chosen, command)
    click.echo(f"wrote {path}; use it with --policy {path}")
