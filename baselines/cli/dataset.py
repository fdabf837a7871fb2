"""The command `ev-gym dataset`: a policy's episodes, to learn from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from baselines.cli.options import (
    HORIZON,
    HORIZON_HELP,
    POLICY,
    POLICY_HELP,
    SCENARIO_HELP,
    named_scenario,
)


@click.command()
@click.option("--scenario", default="stockholm", show_default=True, help=SCENARIO_HELP)
@click.option("--policy", type=POLICY, required=True, help=POLICY_HELP)
@click.option("--households", type=click.IntRange(min=1), default=36, show_default=True,
              help="Number of episodes, those of `ev-gym benchmark`.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--days", type=HORIZON, help=f"{HORIZON_HELP} Default: the scenario's.")
@click.option("--split", type=click.Choice(["train", "test"]), help="Default: all.")
@click.option("--observation", type=click.Choice(["physical", "scaled"]), default="physical",
              show_default=True, help="What observations are written.")  # fmt: skip
@click.option("--discrete", is_flag=True, help="Actions as levels of the charger.")
@click.option("--id", "dataset_id", help="Its name for Minari. Default: ev_gym/SCENARIO/POLICY-v0.")
@click.option("--out", type=click.Path(path_type=Path),
              help="Folder of data sets. Default: where Minari keeps them.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress bar.")
def dataset(scenario: str, policy: str, out: Path | None, quiet: bool, **options: Any) -> None:
    """Write a policy's episodes as a Minari data set, to learn from without an env."""
    import numpy as np
    from tqdm import tqdm

    from baselines.comparison.plan import Plan
    from baselines.learning import datasets

    chosen = named_scenario(scenario)
    plan = Plan(
        scenarios=(chosen,),
        policies=(policy,),
        seeds=(options["seed"],),
        households=options["households"],
        days=options["days"],
        split=options["split"],
        bound=False,
        observation=options["observation"],
    )
    with tqdm(total=options["households"], desc="dataset", unit="episode", file=sys.stderr,
              disable=quiet, leave=False) as bar:  # fmt: skip
        written = datasets.write_dataset(
            plan,
            options["dataset_id"] or f"ev_gym/{chosen.name}/{policy}-v0",
            folder=out,
            continuous=not options["discrete"],
            command=[Path(sys.argv[0]).name, *sys.argv[1:]],
            progress=bar.update,
        )
    mean = np.mean([episode.rewards.sum() for episode in written])
    click.echo(
        f"{written.spec.dataset_id}: {written.total_episodes} episodes, "
        f"{written.total_steps:,} steps, mean return {mean:.2f} {chosen.currency}"
    )
    click.echo(f"wrote {written.spec.data_path}")
