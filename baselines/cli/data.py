"""The group of commands `ev-gym data`."""

from __future__ import annotations

import click


@click.group()
def data() -> None:
    """Measured series."""
