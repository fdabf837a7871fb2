"""What the options `--scenario` and `--policy` take, the same on every command."""

from __future__ import annotations

from pathlib import Path

import click

from baselines.policies.specs import POLICY_NAMES, entry_point_of, parse_spec
from ev_gym.scenario import Scenario, preset, preset_names

SCENARIO_HELP = f"{', '.join(preset_names())}, or a .json file of overrides."
POLICY_HELP = (
    f"{', '.join(POLICY_NAMES)}; with arguments, such as 'night(from_h=22)'; module:Class of your "
    "own; or the .zip of a Stable-Baselines3 model."
)


def policy(spec: str) -> str:
    """The spec of a policy; whether there is such a thing is checked, nothing is loaded.

    Raises:
        click.BadParameter: for a spec that cannot be read, or names what is not there.
    """
    try:
        entry_point_of(parse_spec(spec))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return spec


POLICY = policy  # what click calls with the option's value, and whose name it shows


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
