"""Suites: named sets of episodes whose costs stay what they are, so that papers can compare them.

A suite is a small JSON file in `suite_files`: scenarios, the split and its worlds, months, seeds,
households, and a version. Its episodes are those that a plan of these deals out, and `plan_of`
refuses to run where they would be others. `uncontrolled_cost` is the mean that `uncontrolled` pays
on each scenario: where that changes, so has the simulated world, and costs of before do not count.

Beside it lies what the first `mpc` of this project paid in each episode, the yardstick `mpc-0`, run
at the commit that `mpc_0_commit` names. It joins a comparison as a policy of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from baselines.comparison.plan import Plan, default_policies
from baselines.comparison.statistics import YARDSTICK
from baselines.comparison.steps_file import EPISODE
from ev_gym.scenario import preset

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(__file__).with_name("suite_files")
NAMES = ("month-v1", "villa-v1")
EPISODE_KEYS = [name for name in EPISODE if name != "policy"]


class Suite(NamedTuple):
    """What a file of a suite holds; `months` as "2025-01", each the month of whole episodes."""

    name: str
    version: int
    scenarios: tuple[str, ...]
    split: str
    worlds: tuple[int, ...]
    months: tuple[str, ...]
    seeds: tuple[int, ...]
    households: int
    uncontrolled_cost: float
    mpc_0_commit: str


def read_suite(name: str) -> Suite:
    """A suite by its name.

    Raises:
        ValueError: for a name that is none of NAMES.
    """
    if name not in NAMES:
        raise ValueError(f"suite is {name!r}; allowed: {', '.join(NAMES)}")
    values: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return Suite(**(values | lists))


def plan_of(name: str, policies: Iterable[str], **settings: Any) -> Plan:
    """The plan of a suite.

    Args:
        name: The suite's.
        policies: Specs of policies; none: all of this package that fit.
        settings: Of the plan: `bound`, `steps`, `observation`.

    Raises:
        ValueError: for an unknown suite, or where this version of the package would deal out
            other worlds or months.
    """
    suite = read_suite(name)
    scenarios = tuple(preset(scenario) for scenario in suite.scenarios)
    plan = Plan(
        scenarios=scenarios,
        policies=tuple(policies) or default_policies(scenarios),
        seeds=suite.seeds,
        households=suite.households,
        days="month",
        split=suite.split,
        suite=name,
        **settings,
    )
    tasks = plan.tasks()
    dealt = {
        "worlds": sorted({world for task in tasks for world in task.worlds}),
        "months": sorted({first[:7] for task in tasks for first in task.months}),
    }
    for what, found in dealt.items():
        if found != list(getattr(suite, what)):
            raise ValueError(f"{what} are {found}; allowed in {name}: {getattr(suite, what)}")
    return plan


def yardstick(name: str) -> pd.DataFrame:
    """What `mpc-0` paid: a row an episode, with the columns of `episodes.csv` but bound and regret.

    Money and energies are those of a month.
    """
    import pandas as pd

    return pd.read_csv(FOLDER / f"{name}.{YARDSTICK}.csv")


def with_yardstick(episodes: pd.DataFrame, name: str) -> pd.DataFrame:
    """The episodes of a suite under some policies, and under `mpc-0` in the same order."""
    import pandas as pd

    shared = [*EPISODE_KEYS, *(["bound"] if "bound" in episodes else [])]
    rows = episodes.drop_duplicates(EPISODE_KEYS)[shared].merge(
        yardstick(name), on=EPISODE_KEYS, validate="one_to_one"
    )
    if "bound" in rows:
        rows["regret"] = rows["cost"] - rows["bound"]
    return pd.concat([episodes, rows[list(episodes.columns)]], ignore_index=True)
