"""The HTML report: its numbers are the tables', worst days are the worst, nothing is fetched."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from baselines.comparison import benchmark, statistics
from baselines.comparison.plan import Plan
from baselines.report import figures as report_figures
from baselines.report import page as report
from baselines.report.worst_days import WorstDay, account, day_steps, worst_days, yardstick
from ev_gym.scenario import preset
from ev_gym.simulation.state_fields import REWARD_TERMS
from tests.support.report_pages import Page, hours

NASTY = "why:Rule(x='</script><script>alert(1)</script>')"
COSTS = {  # by policy: of each household a day
    "uncontrolled": (9.0, 7.0, 11.0),
    "optimal": (3.0, 2.0, 4.0),
    NASTY: (6.0, 6.5, 5.0),
}
BOUND = (2.5, 2.0, 3.0)


def comparison(policies: tuple[str, ...] = tuple(COSTS), bound: bool = True) -> Any:
    """A comparison without a run; on day 1 of household 2 each policy is dearest."""
    rows, days = [], []
    for policy in policies:
        for household, cost in enumerate(COSTS[policy]):
            row = {"scenario": "one", "split": "all", "policy": policy, "seed": 0}
            row |= {"household": household}
            money = dict.fromkeys(REWARD_TERMS, 0.0)
            figures = money | {"energy": cost, "settlement": 0.0}
            figures |= {"cost": cost, "missing_kwh": 0.1 * cost, "peak_kw": 2.0}
            figures |= {"charge_kwh": 8.0, "cheap_kwh": 4.0}
            if bound:
                figures |= {"bound": BOUND[household]}
                figures |= {"regret": cost - BOUND[household]}
            rows.append(row | {"currency": "SEK", "per": "day", "month": ""} | figures)
            for day, date in enumerate(("2023-03-24", "2023-03-25")):
                when = {"day": day, "date": date, "first_h": 24 * day, "hours": 24}
                days.append(row | when | {"cost": (0.9 + 0.2 * day) * cost})
    episodes = pd.DataFrame(rows)
    return SimpleNamespace(
        plan=Plan((preset("classic"),), ("uncontrolled",), households=3, days=2),
        summary=statistics.summarise(episodes, 0),
        paired=statistics.paired(episodes, 0),
        ranks=statistics.rank_stability(episodes, 0),
        days=pd.DataFrame(days),
        steps=lambda scenario, split, policy, seed, household: hours(policy, household),
    )


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("results")
    (folder / "manifest.json").write_text('{"command": ["<b>"]}', encoding="utf-8")
    (folder / "bills.png").write_bytes(b"\x89PNG")
    return report.write(comparison(), folder).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_nothing_is_fetched(page: Page) -> None:
    links = [names[key] for _, names in page.tags for key in ("src", "href") if key in names]
    assert [link for link in links if not str(link).startswith("#")] == [
        "data:image/png;base64,iVBORw=="
    ]
    security = "Content-Security-Policy"
    (policy,) = [own["content"] for _, own in page.tags if own.get("http-equiv") == security]
    assert str(policy).startswith("default-src 'none';")
    assert "http" not in str(policy)
    sizes = [len(source) for _, source in page.scripts if "plotly.js v" in source[:200]]
    assert len(sizes) == 1  # once in the file
    assert sizes[0] > 1_000_000


def test_ids_are_unique_and_pictures_described(page: Page) -> None:
    ids = [names["id"] for _, names in page.tags if "id" in names]
    assert len(ids) == len(set(ids))
    assert set(page.figures) == {
        names["id"] for tag, names in page.tags if tag == "div" and names.get("role") == "img"
    }
    for tag, names in page.tags:
        assert tag != "img" or names.get("alt")
        assert names.get("role") != "img" or names.get("aria-label")


def test_table_shows_the_summary(page: Page) -> None:
    """Cheapest first; the bar of the avoidable fills as much of its cell."""
    summary = comparison().summary.set_index("policy")
    head, *lines = page.tables[0]
    assert head == ["policy", "rank", "cost", "regret", "% of the avoidable",
                    "missing kWh", "peak kW", "rank kept"]  # fmt: skip
    assert [line[0] for line in lines] == ["optimal", NASTY, "uncontrolled", "proven lower bound"]
    for line in lines[:3]:
        row = summary.loc[line[0]]
        assert line[1].split("|")[0] == f"{row['rank']}"
        for cell, name, form in (
            (line[2], "cost", ".2f"),
            (line[3], "regret", ".2f"),
            (line[4], "regret_percent", ".1f"),
        ):
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            assert cell == f"{row[name]:{form}}|{low:{form}} to {high:{form}}"
        assert line[5] == f"{row['missing_kwh']:.2f}"
    assert lines[0][2].startswith("3.00|")
    assert lines[1][4].startswith("51.3|")  # 5.833 - 2.5 of 9 - 2.5
    assert lines[3][2] == "2.50"
    bars = [names["style"] for _, names in page.tags if "--length" in str(names.get("style"))]
    assert bars == ["--length:7.7%", "--length:51.3%", "--length:100.0%"]
    (share,) = [column for column in report.COLUMNS if column.bar]
    beyond = [report.cell(share, pd.Series({"regret_percent": value})) for value in (-2.0, 130.0)]
    assert [(cell["text"], cell["bar"]) for cell in beyond] == [("-2.0", "0.0"), ("130.0", "100.0")]
    told = [report.figure_text(value, share) for value in (-0.04, -0.06, -10.0, 0.0, np.nan)]
    assert told == ["0.0", "-0.1", "-10.0", "0.0", "\u2013"]
    assert "Cheapest: optimal (3.00), then" in page.text
    assert "pays 9.00, so at most 6.50 can be avoided" in page.text


def test_bound_and_intervals_are_drawn(page: Page) -> None:
    summary = comparison().summary.sort_values("cost")
    for place, name in ((1, "cost"), (2, "regret")):
        figure = page.figures[f"part-0-money-{place}"]
        (dots,) = figure["data"]
        assert dots["x"] == pytest.approx(summary[name], abs=1e-4)
        ends = (summary[name] - summary[f"{name}_low"], summary[f"{name}_high"] - summary[name])
        assert dots["error_x"]["arrayminus"] == pytest.approx(ends[0], abs=1e-4)
        assert dots["error_x"]["array"] == pytest.approx(ends[1], abs=1e-4)
    assert page.figures["part-0-money-1"]["layout"]["shapes"][0]["x0"] == 2.5


def test_what_is_not_known_is_a_band(page: Page) -> None:
    """From the bound to the optimum, which pays 3.00 where the bound is 2.50."""
    layout = page.figures["part-0-money-2"]["layout"]
    (band,) = layout["shapes"]
    assert (band["x0"], band["x1"]) == (0.0, pytest.approx(0.5))
    assert layout["annotations"][0]["text"] == "not known: 0 to 0.50"
    assert "The regret of optimal itself, 0.50 SEK a day, is the width of what is" in page.text
    rows = comparison(("uncontrolled",)).summary
    assert "shapes" not in report.money_figures(rows)[1]["figure"]["layout"]


def test_pairs_are_shown_both_ways(page: Page) -> None:
    """The chosen one is the optimum; the others' differences to it, and in the table all."""
    figure = page.figures["part-0-paired"]
    to_optimal, _, to_free = (trace["x"] for trace in figure["data"])
    assert to_optimal == pytest.approx([None, 17.5 / 3 - 3.0, 6.0], abs=1e-4)
    assert to_free == pytest.approx([-6.0, 17.5 / 3 - 9.0, None], abs=1e-4)
    assert [own for tag, own in page.tags if tag == "option"] == [{"selected": None}, {}, {}]
    upwards = comparison().summary.sort_values("cost", ascending=False)
    part = report.paired_part(comparison().paired, upwards)
    assert part is not None
    assert part["names"][part["chosen"]] == "optimal"
    _, *lines = page.tables[1]
    assert [line[0] for line in lines] == ["optimal", NASTY, "uncontrolled"]
    assert lines[0][3].startswith("-6.00|")
    assert lines[2][1].startswith("+6.00|")
    low, high = lines[1][1].split("|")[1].split(" to ")
    assert lines[0][2].split("|")[1] == f"{-float(high):+.2f} to {-float(low):+.2f}"
    assert lines[1][2] == ""


def test_markup_of_others_is_text(text: str, page: Page) -> None:
    """In tables, in labels that plotly.js reads as markup, inside scripts, and in the manifest."""
    assert "<script>alert" not in text
    assert NASTY in page.text
    assert '{"command": ["<b>"]}' in page.text
    labels = json.dumps(page.figures)
    for markup in ("<br>", "<b>", "</b>", "<extra></extra>"):
        labels = labels.replace(markup, "")
    assert "&lt;/script&gt;" in labels
    assert "<" not in labels


def test_same_comparison_same_bytes(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text('{"command": ["<b>"]}', encoding="utf-8")
    (tmp_path / "bills.png").write_bytes(b"\x89PNG")
    assert report.write(comparison(), tmp_path).read_bytes() == text.encode()
    assert text.startswith("<!DOCTYPE html>\n<html lang=")


def test_figures_are_plotly(page: Page) -> None:
    """Every attribute is one that plotly knows."""
    assert len(page.figures) == 5  # cost, regret, pairs, and a day of two policies
    for figure in page.figures.values():
        go.Figure(figure)


def test_without_bound_and_with_one_policy(tmp_path: Path) -> None:
    lone = comparison(("uncontrolled",), bound=False)
    page = Page(report.write(lone, tmp_path).read_text(encoding="utf-8"))
    assert page.tables[0][0] == ["policy", "rank", "cost", "missing kWh", "peak kW",
                                 "rank kept"]  # fmt: skip
    assert len(page.tables) == 1
    assert list(page.figures) == ["part-0-money-1"]
    assert "proven" not in page.text.split("How to read")[0]
    assert "Manifest" not in page.text


def test_plotly_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ValueError, match=r"needs plotly .*pip install 'ev-gym\[report\]'"):
        report.write(comparison(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_day_is_drawn_beside_the_other(page: Page) -> None:
    """Left the policy and right the optimum, on the same axes, with what the steps say."""
    figure = page.figures["part-0-day-2"]
    layout = figure["layout"]
    for left, right in (("yaxis", "yaxis2"), ("yaxis3", "yaxis4"), ("yaxis5", "yaxis6")):
        assert layout[left]["range"] == layout[right]["range"]
    assert layout["xaxis"]["ticktext"] == ["12:00", "18:00", "00:00", "07:00"]  # clocks go forward
    for axes, policy in (("y3", "uncontrolled"), ("y4", "optimal")):
        traces = {trace["name"]: trace for trace in figure["data"] if trace["yaxis"] == axes}
        steps = day_steps(hours(policy, 2), 24, 24)
        assert traces["charging"]["y"][:-1] == pytest.approx(steps["charge_kw"])
        assert traces["charging"]["x"] == list(range(25))
        assert traces["house"]["y"][0] == 0.7
        top = traces["highest hour"]
        assert top["y"][0] == 4.7
        assert top["x"][0] == {"uncontrolled": 6, "optimal": 16}[policy]
    soc = next(trace["y"] for trace in figure["data"] if trace["yaxis"] == "y5")
    assert soc[-3:] == [50.0, pytest.approx(60 * (1 - 4 / 24)), None]  # topped up, then away
    assert "uncontrolled: 2023-03-25, seed 0, household 2" in page.text


def test_day_with_two_cars_sun_and_a_sale() -> None:
    steps = day_steps(hours("uncontrolled", 0), 24, 24)
    for name in ("charge_kw", "soc", "energy_kwh", "topup_kwh", "plugged", "wear_kwh"):
        steps[f"{name}_0"] = steps.pop(name)
        steps[f"{name}_1"] = steps[f"{name}_0"]
    steps["charge_kw_1"] = -1.0
    steps["pv_kw"], steps["grid_kw"] = 3.0, -2.0
    worst = WorstDay("a", "b", 0, 0, "2023-03-25", 24, 24, 1.0, 1.0)
    figure = report_figures.day(worst, steps, steps, "SEK")
    named = {trace["name"]: trace for trace in figure["data"]}
    assert named["sun"]["y"] == [3.0] * 25
    assert named["charging"]["y"][:-1] == pytest.approx(steps["charge_kw_0"] - 1.0)
    assert {"state of charge, car 0", "state of charge, car 1"} <= set(named)
    assert figure["layout"]["yaxis3"]["range"][0] < -2.0
    assert account(steps).returned_kwh == pytest.approx(24.0)


def test_report_of_a_real_run(tmp_path: Path) -> None:
    """Its worst day's account is the day's cost."""
    plan = Plan((preset("stockholm"),), ("uncontrolled", "price_based"), households=2, days=2,
                bound=False)  # fmt: skip
    found = benchmark.compare(plan)
    page = Page(report.write(found, tmp_path).read_text(encoding="utf-8"))
    (worst,) = worst_days(found.days, yardstick(found.summary.sort_values("cost")["policy"]))
    own = found.steps("stockholm", "all", worst.policy, worst.seed, worst.household)
    assert account(day_steps(own, worst.first_h, worst.hours)).cost == pytest.approx(
        worst.cost, abs=1e-3
    )
    assert f"It paid {worst.cost:.2f} SEK, {worst.other} {worst.other_cost:.2f}:" in page.text
    assert "2 charging policies on stockholm: 2 episodes of 2 days" in page.text
