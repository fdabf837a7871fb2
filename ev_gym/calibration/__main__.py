"""Derive the figures behind the built-in scenarios from a folder of measured series."""

from __future__ import annotations

from pathlib import Path

import click

from ev_gym.calibration import as_text


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(__file__).parent,
    help="Folder to write to; the default is the package's own.",
)
def main(folder: Path, out: Path) -> None:
    """Derive series.json and driving.json from the measured series in FOLDER."""
    from ev_gym.calibration import driving, series

    out.mkdir(parents=True, exist_ok=True)
    for name, derived in (("series", series.derive(folder)), ("driving", driving.derive(folder))):
        path = out / f"{name}.json"
        path.write_text(as_text(derived), encoding="utf-8", newline="\n")
        click.echo(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
