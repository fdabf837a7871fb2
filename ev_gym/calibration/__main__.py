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
    """Derive series.json, driving.json and sun.json from the measured series in FOLDER."""
    from ev_gym.calibration import driving, series, sky

    out.mkdir(parents=True, exist_ok=True)
    for name, part in (("series", series), ("driving", driving), ("sun", sky)):
        path = out / f"{name}.json"
        path.write_text(as_text(part.derive(folder)), encoding="utf-8", newline="\n")
        click.echo(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
