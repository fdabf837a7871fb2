"""What a client may ask of a new session."""

from __future__ import annotations

from ev_gym.scenario import Data, as_scenario, preset, preset_names
from ev_gym.series.of_scenario import worlds_of
from ev_gym.world.episode_starts import check_split
from server.config import Config
from server.http.problems import Problem
from server.v1.refusals import refusals_as_problems
from server.v1.replayed_env import Spec

# The largest series takes 2 s to generate (10 ms for a house, 0.15 ms for a week of one), 1 s more
# with PV (1 ms for a week, and 300 MB meanwhile), 0.5 s more with a power charge; then 100 MB. The
# eight training worlds of a preset, of 53 weeks and 16 houses each, are within the limit.
MAX_HOUSES, MAX_HOUSE_WEEKS = 100, 6800


def check_limits(spec: Spec, config: Config) -> None:
    """Refuse a session that is too large, or that would read the server's own files.

    Raises:
        Problem: 422, saying what is allowed.
    """
    if not 1 <= spec.rows <= config.max_num_envs:
        raise Problem(
            422,
            f"num_envs is {spec.num_envs}; allowed on this server: 1 to {config.max_num_envs}, "
            "or null",
        )
    with refusals_as_problems():
        check_split(spec.split)
    scenario = spec.scenario
    if scenario.longest_days > config.max_days:
        raise Problem(
            422, f"days is {scenario.days!r}; allowed on this server: 1 to {config.max_days}"
        )
    data = scenario.data
    if data.own_parts and data not in _offered_data(config):
        raise Problem(
            422,
            f"data names its own {', '.join(data.own_parts)}, which this server does not offer; "
            "allowed: the data of a preset or of the server's own scenario, or built-in series",
        )
    if data.source == "files":
        return
    weeks, houses = data.weeks or 0, data.houses if data.source == "synthetic" else 1
    worlds = len(worlds_of(scenario, spec.split))
    if weeks * houses * worlds > MAX_HOUSE_WEEKS:
        raise Problem(
            422,
            f"data.weeks times data.houses times the split's worlds is {weeks} x {houses} x "
            f"{worlds} = {weeks * houses * worlds}; allowed on this server: up to "
            f"{MAX_HOUSE_WEEKS}",
        )
    if houses > MAX_HOUSES:
        raise Problem(422, f"data.houses is {houses}; allowed on this server: up to {MAX_HOUSES}")


def _offered_data(config: Config) -> list[Data]:
    presets = [preset(name) for name in preset_names()]
    return [scenario.data for scenario in (*presets, as_scenario(config.scenario))]
