"""What the options `--scenario` and `--policy` take, the same on every command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from baselines.policies.specs import POLICY_NAMES, entry_point_of, parse_spec
from ev_gym.scenario import Scenario, preset, preset_names
from ev_gym.scenario.scenario import MONTH, MOST_DAYS
from ev_gym.scenario.series_source import with_files_beside

SCENARIO_HELP = f"{', '.join(preset_names())}, or a .json file of overrides."
POLICY_HELP = (
    f"{', '.join(POLICY_NAMES)}; with arguments, such as 'night(from_h=22)'; module:Class of your "
    "own; the agent.npz of `ev-gym train`; or the .zip of a Stable-Baselines3 model, or its folder "
    "(./trained)."
)


def policy(spec: str) -> str:
    """The spec of a policy, if there is such a policy; nothing is loaded.

    Raises:
        click.BadParameter: for a spec that cannot be read, or names what does not exist.
    """
    try:
        entry_point_of(parse_spec(spec))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return spec


POLICY = policy  # click calls it with the option's value, and shows its name in the help


def horizon(text: str) -> int | str:
    """The length of an episode: a number of days, or "month".

    Raises:
        click.BadParameter: for anything else.
    """
    if text == MONTH:
        return MONTH
    try:
        days = int(text)
    except ValueError:
        days = 0
    if not 1 <= days <= MOST_DAYS:
        raise click.BadParameter(f"{text!r} is no number from 1 to {MOST_DAYS}, nor {MONTH!r}")
    return days


HORIZON = horizon
HORIZON_HELP = f"Length of an episode in days, or {MONTH!r} for a calendar month."


def named_scenario(name: str) -> Scenario:
    """The scenario of a preset's name, or of a JSON file of overrides.

    One of a file is called as the file is, unless the file gives it a name. Its series are looked
    for in the same folder first.

    Raises:
        click.BadParameter: for an unknown name, an unreadable file or an impossible scenario.
    """
    import json

    path = Path(name)
    try:
        if path.suffix != ".json":
            return preset(name)
        values = json.loads(path.read_text(encoding="utf-8"))
        with_name = {"name": path.stem, **values} if isinstance(values, dict) else values
        scenario = Scenario.from_dict(with_name)
        return replace(scenario, data=with_files_beside(scenario.data, path.parent))
    except (ValueError, OSError) as error:
        raise click.BadParameter(f"{name}: {error}") from error
