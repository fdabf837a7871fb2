"""The command `ev-gym data fetch`."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from ev_gym.series.fetched import fetched_folder


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="Default: a folder of one's own, in which the preset finds them.")  # fmt: skip
def fetch(out: Path | None) -> None:
    """Download what the preset stockholm-measured needs, some 30 MB.

    Prices of SE3 and weather of Stockholm in 2023 and 2024, and the load of a house in 2008. What
    is there already is compared with its first download; an interrupted run goes on.
    """
    from tqdm import tqdm

    from baselines.measured_data import build

    folder = out or fetched_folder()
    with ExitStack() as stack:
        byte_bars: list[Any] = []

        def show(have: int, total: int | None) -> None:
            if not byte_bars:
                bar = tqdm(total=total, desc=build.ARCHIVE, unit="B", unit_scale=True,
                           position=1, leave=False, file=sys.stderr)  # fmt: skip
                byte_bars.append(stack.enter_context(bar))
            byte_bars[0].update(have - byte_bars[0].n)

        steps = tqdm(build.steps(folder, show), unit="step", leave=False, file=sys.stderr)
        for step in stack.enter_context(steps):
            steps.set_description(step.name)
            step.work()
    gaps = (folder / build.GAPS_FILE).read_text(encoding="utf-8").splitlines()[1:]
    minutes = sum(int(line.rsplit(",", 1)[1]) for line in gaps)
    click.echo(f"{folder} holds all that stockholm-measured needs")
    click.echo(
        f"of the house, {minutes} minutes were not measured and repeat the one before; "
        f"{build.GAPS_FILE} lists them"
    )
    click.echo("\n".join(build.CREDITS))
    known = os.environ.get("EV_GYM_DATA")
    if known is not None and Path(known).resolve() != folder.resolve():
        click.echo(f"EV_GYM_DATA names another folder, {known}, which scenarios read instead")
    elif known is None and out is not None:
        click.echo(f"scenarios read it with EV_GYM_DATA={out}")
