"""Suites: which episodes they hold, that they stay these, and what `mpc-0` paid in them."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from baselines.cli.commands import main
from baselines.comparison import benchmark, suites
from baselines.comparison.plan import Plan, default_policies
from baselines.comparison.statistics import summarise
from baselines.mpc import Mpc
from baselines.optimal import Optimal
from ev_gym.scenario import preset
from tests.validation import planners


@pytest.fixture(scope="module")
def month() -> benchmark.Comparison:
    """Two quick policies on `month-v1`, with the bound."""
    return benchmark.compare(suites.plan_of("month-v1", ("uncontrolled", "never"), steps=False))


@pytest.mark.parametrize("name", suites.NAMES)
def test_a_suite_holds_each_month_of_each_test_world_three_times(name: str) -> None:
    tasks = suites.plan_of(name, ("never",), bound=False).tasks()
    pairs = Counter(
        (world, first[:7])
        for task in tasks
        for world, first in zip(task.worlds, task.months, strict=True)
    )
    worlds, months = (101, 102, 103, 104), [f"2025-{number:02d}" for number in range(1, 13)]
    assert pairs == {(world, first): 3 for world in worlds for first in months}
    assert {task.split for task in tasks} == {"test"}


@pytest.mark.parametrize("name", suites.NAMES)
def test_the_world_of_a_suite_is_what_it_was(name: str, month: benchmark.Comparison) -> None:
    """Else costs of before, `mpc-0`'s among them, would stand beside those of other episodes."""
    comparison = month
    if name != "month-v1":
        plan = suites.plan_of(name, ("uncontrolled",), bound=False, steps=False)
        comparison = benchmark.compare(plan)
    episodes = comparison.episodes
    own, first = (episodes[episodes["policy"] == each] for each in ("uncontrolled", "mpc-0"))
    assert own["cost"].mean() == pytest.approx(suites.read_suite(name).uncontrolled_cost, rel=1e-9)
    for column in ("scenario", "split", "seed", "household", "month", "world", "currency", "per"):
        assert own[column].tolist() == first[column].tolist(), column
    assert 0.3 * own["cost"].mean() < first["cost"].mean() < 0.6 * own["cost"].mean()


def test_the_yardstick_joins_a_comparison(month: benchmark.Comparison) -> None:
    """With its regret, and with ranks and differences like any policy."""
    episodes = month.episodes
    own = episodes[episodes["policy"] == "mpc-0"]
    bound = episodes.loc[episodes["policy"] == "never", "bound"].to_numpy()
    np.testing.assert_array_equal(own["bound"], bound)
    np.testing.assert_allclose(own["regret"], own["cost"] - bound, rtol=1e-12)
    assert (own["regret"] > 0).all()
    assert month.ranks["policy"].tolist() == ["uncontrolled", "never", "mpc-0"]
    assert month.ranks["rank"].tolist() == [2, 3, 1]
    table = benchmark.table(month.summary)
    assert "\nmpc-0 " in table
    assert "closes" not in table  # without `optimal`


def test_what_a_policy_closes_of_the_distance(month: benchmark.Comparison) -> None:
    """A policy that saves a quarter of it in each episode closes 25 %."""
    episodes = month.episodes
    costs = {
        name: episodes.loc[episodes["policy"] == name, "cost"].to_numpy()
        for name in ("never", "mpc-0")
    }
    made_up = episodes.replace({"policy": {"uncontrolled": "optimal"}})
    best = costs["mpc-0"] - 100.0
    made_up.loc[made_up["policy"] == "optimal", "cost"] = best
    made_up.loc[made_up["policy"] == "never", "cost"] = costs["mpc-0"] - 25.0
    summary = summarise(made_up, 0).set_index("policy")
    closed = summary.loc[["optimal", "never", "mpc-0"], "closed_percent"].tolist()
    assert closed == pytest.approx([100.0, 25.0, 0.0])
    table = benchmark.table(summarise(made_up.drop(columns=["bound", "regret"]), 0))
    assert "(closes: % of what mpc-0 pays above optimal)" in table  # without a bound, too
    ends = summary.loc["never", ["closed_percent_low", "closed_percent_high"]].tolist()
    assert ends == pytest.approx([25.0, 25.0])


LONG = pytest.mark.skipif("EV_GYM_ALL_EXAMPLES" not in os.environ, reason="minutes; in .ci/long")


@LONG
def test_mpc_closes_more_than_a_third_of_what_its_first_version_left() -> None:
    """In the 48 months that `tests.validation.planners` takes."""
    first = planners.yardstick()
    own, best = planners.paid(lambda scenario: Mpc(scenario)), planners.paid(Optimal)
    assert best.mean() < own.mean()
    assert (first - own).mean() > 0.35 * (first - best).mean()


@LONG
def test_random_beats_only_who_ignores_the_power_charge() -> None:
    """Of the rules, in all months of the suite."""
    ignorant = {
        "never", "uncontrolled", "load_based", "delayed", "price_limit", "cheapest_hours"
    }  # fmt: skip
    names = [n for n in default_policies((preset("stockholm"),)) if n not in ("mpc", "optimal")]
    plan = suites.plan_of("month-v1", names, bound=False, steps=False)
    summary = benchmark.compare(plan).summary
    cost = dict(zip(summary["policy"], summary["cost"], strict=True))
    assert {name for name in cost if cost[name] > cost["random"]} <= ignorant


def test_other_episodes_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where this package would deal out other worlds than the file says."""
    values: dict[str, Any] = json.loads((suites.FOLDER / "month-v1.json").read_text("utf-8"))
    values["worlds"] = [1, 2]
    (tmp_path / "month-v1.json").write_text(json.dumps(values), encoding="utf-8")
    monkeypatch.setattr(suites, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"worlds are \[101, 102, 103, 104\]; allowed in month-v1"):
        suites.plan_of("month-v1", ("never",))


def test_a_plan_of_a_suite_survives_its_manifest() -> None:
    plan = suites.plan_of("villa-v1", ("never",), bound=False)
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--suite", "month"], "suite is 'month'; allowed: month-v1, villa-v1"),
        (["--suite", "month-v1", "--days", "7"], "--days says what the suite fixes"),
        (["--suite", "month-v1", "--scenario", "classic"], "--scenario says what the suite"),
    ],
)
def test_the_command_says_what_is_wrong(words: list[str], message: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["benchmark", "--out", str(tmp_path), *words])
    assert done.exit_code != 0
    assert message in done.output
    assert not list(tmp_path.iterdir())
    assert all(name in CliRunner().invoke(main, ["benchmark", "--help"]).output
               for name in suites.NAMES)  # fmt: skip
