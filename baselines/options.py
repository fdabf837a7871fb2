"""What the options `--scenario` and `--policy` take, the same on every command."""

from __future__ import annotations

from pathlib import Path

import click

from baselines.policy import POLICY_NAMES
from ev_gym.presets import preset, preset_names
from ev_gym.scenario import Scenario

SCENARIO_HELP = f"{', '.join(preset_names())}, or a .json file of overrides."
POLICY = click.Choice(POLICY_NAMES)


def named_scenario(name: str) -> Scenario:
    """A preset's name, or a JSON file of overrides, called by the file unless it has a name.

    Raises:
        click.BadParameter: for an unknown name, an unreadable file or an impossible scenario.
    """
    import json

    path = Path(name)
    try:
        if path.suffix != ".json":
            return preset(name)
        given = json.loads(path.read_text(encoding="utf-8"))
        named = {"name": path.stem, **given} if isinstance(given, dict) else given
        return Scenario.from_dict(named)
    except (ValueError, OSError) as error:
        raise click.BadParameter(f"{name}: {error}") from error
