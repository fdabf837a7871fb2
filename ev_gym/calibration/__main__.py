"""Derive the figures behind the built-in scenarios from a folder of measured series."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from ev_gym.calibrated import FOLDER


def as_text(derived: dict[str, Any]) -> str:
    """Write figures as JSON with sorted keys and each list of numbers on one line."""
    text = json.dumps(derived, indent=1, sort_keys=True, ensure_ascii=False)
    return re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text) + "\n"


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=FOLDER,
    help="Folder to write to; the default is the package's own.",
)
def main(folder: Path, out: Path) -> None:
    """Derive series.json, driving.json and sun.json from the measured series in FOLDER."""
    from ev_gym.calibration import series, sky, trondheim

    out.mkdir(parents=True, exist_ok=True)
    for name, part in (("series", series), ("driving", trondheim), ("sun", sky)):
        path = out / f"{name}.json"
        path.write_text(as_text(part.derive(folder)), encoding="utf-8", newline="\n")
        click.echo(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
