"""Whether policies rank alike on built-in and on measured series."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import kendalltau

from baselines.comparison.benchmark import compare
from baselines.comparison.plan import Plan
from baselines.plot_style import png, policy_color
from baselines.policies.specs import POLICY_NAMES, built_in
from ev_gym.runtime.arrays import Floats
from ev_gym.scenario import preset
from tests.validation.writing import figure, table

if TYPE_CHECKING:
    import pandas as pd


SHOWN = "validation_ranking.png"
BUILT_IN, MEASURED = "stockholm", "stockholm-measured"
# All that can be had in a house: the optimum knows the future. Neither preset has PV.
POLICIES = tuple(
    name for name in POLICY_NAMES if not built_in(name).clairvoyant and not built_in(name).needs_sun
)
SUITES = tuple(range(3))  # seeds
HOUSEHOLDS = 24  # each in a month, so that every month of the year comes twice
POINTS = 10.0  # within which a policy's share of the avoidable is to be the same


@functools.cache
def _episodes(name: str, in_hours: bool) -> pd.DataFrame:
    """Each policy's months: of the built-in preset in test worlds, else all that was measured.

    With `in_hours`, steps and price window are of hours, as the measured prices are.
    """
    split = "test" if name == BUILT_IN else None
    scenario = preset(name)
    if in_hours:
        scenario = replace(scenario, time_step_min=60, price_window="hourly")
    plan = Plan(
        (scenario,), POLICIES, seeds=SUITES, households=HOUSEHOLDS, split=split, steps=False
    )
    return compare(plan).episodes


def costs(column: str = "cost", in_hours: bool = False) -> dict[str, pd.DataFrame]:
    """By scenario: SEK a month, (suites, policies), means over the suite's episodes."""
    return {
        name: _episodes(name, in_hours).pivot_table(column, "seed", "policy")[list(POLICIES)]
        for name in (BUILT_IN, MEASURED)
    }


def bounds(name: str, in_hours: bool = False) -> Floats:
    """SEK a month, (suites,): the least that any policy can pay, means over the episodes."""
    own = _episodes(name, in_hours)
    own = own[own["policy"] == POLICIES[0]]
    means: Floats = own.groupby("seed")["bound"].mean().to_numpy()
    return means


def shares(in_hours: bool = False) -> pd.DataFrame:
    """Percent of the avoidable that each policy leaves, by scenario: (policies, 2).

    The avoidable is what `uncontrolled` pays above the bound.
    """
    import pandas as pd

    found = {}
    for name, own in costs(in_hours=in_hours).items():
        means, least = own.mean(), float(bounds(name, in_hours).mean())
        found[name] = 100.0 * (means - least) / (means["uncontrolled"] - least)
    return pd.DataFrame(found)


def tau(one: Floats, other: Floats) -> float:
    """Kendall's tau of two rankings."""
    return float(kendalltau(one, other).statistic)


def pairs(one: Floats, other: Floats) -> int:
    """Pairs of policies that stand in the other order."""
    before = np.sign(one[:, np.newaxis] - one)
    after = np.sign(other[:, np.newaxis] - other)
    return int((before * after < 0).sum() // 2)


def taus_table(found: dict[str, pd.DataFrame]) -> str:
    """Tau between the scenarios, and between suites of one scenario, which is what chance does."""
    built_in, measured = (found[name].to_numpy() for name in (BUILT_IN, MEASURED))
    across = [tau(a, b) for a, b in zip(built_in, measured, strict=True)]
    together = [tau(built_in.mean(axis=0), measured.mean(axis=0))]
    rows = [
        ["built-in against measured, all suites together", "1", *_summary(together)],
        ["built-in against measured, suite by suite", str(len(across)), *_summary(across)],
    ]
    for name, own in ((BUILT_IN, built_in), (MEASURED, measured)):
        within = [tau(own[i], own[j]) for i in range(len(own)) for j in range(i)]
        words = "built-in" if name == BUILT_IN else "measured"
        rows.append([f"{words}: one suite against another", str(len(within)), *_summary(within)])
    return table(["Kendall's tau, months", "comparisons", "mean", "lowest",
                  "share that is 1"], rows)  # fmt: skip


def _summary(taus: list[float]) -> list[str]:
    values = np.array(taus)
    return [f"{values.mean():.2f}", f"{values.min():.2f}", f"{np.mean(values > 0.999):.2f}"]


def costs_table(found: dict[str, pd.DataFrame]) -> str:
    """Cost of each policy: mean and standard deviation over suites, power charge, and rank.

    The lower bound stands above them, without a rank.
    """
    order = found[BUILT_IN].mean().sort_values().index
    power = costs("power")
    least = ["lower bound"]
    for name in (BUILT_IN, MEASURED):
        own = bounds(name)
        least += [f"{own.mean():.0f} ({own.std(ddof=1):.0f})", "", ""]
    rows = [least]
    for policy in order:
        row = [str(policy)]
        for name in (BUILT_IN, MEASURED):
            own, all_means = found[name][policy], found[name].mean()
            rank = int(all_means.rank()[policy])
            row.append(f"{own.mean():.0f} ({own.std():.0f})")
            row += [f"{power[name][policy].mean():.0f}", str(rank)]
        rows.append(row)
    head = ["SEK a month: mean (standard deviation of a suite)"]
    for name in (BUILT_IN, MEASURED):
        head += [name, "of it power charge", "rank"]
    return table(head, rows)


def shares_table(found: pd.DataFrame, in_hours: pd.DataFrame) -> str:
    """What each policy leaves of the avoidable, on both, and where all is in hours."""
    rows = []
    for policy in found.sort_values(BUILT_IN).index:
        cells = [str(policy)]
        for own in (found, in_hours):
            built_in, measured = (float(own.loc[policy, name]) for name in (BUILT_IN, MEASURED))
            cells += [f"{built_in:.0f} %", f"{measured:.0f} %", f"{round(measured - built_in):+d}"]
        rows.append(cells)
    head = ["of the avoidable"]
    for words in ("", ", in hours"):
        head += [f"{BUILT_IN}{words}", f"{MEASURED}{words}", f"points{words}"]
    return table(head, rows)


def draw(found: dict[str, pd.DataFrame], path: Path) -> None:
    """A slope chart: each policy's cost on built-in and on measured series, suite by suite."""
    with png(path, 5.6, 5.2) as drawing:
        axes = drawing.subplots()
        ends = found[MEASURED].mean()
        spread = float(max(own.to_numpy().max() for own in found.values()))
        last = -np.inf
        for policy in ends.sort_values().index:
            color = policy_color(policy)
            for suite in found[BUILT_IN].index:
                one = [found[name].loc[suite, policy] for name in (BUILT_IN, MEASURED)]
                axes.plot([0, 1], one, color=color, lw=0.6, alpha=0.35)
            means = [found[name][policy].mean() for name in (BUILT_IN, MEASURED)]
            axes.plot([0, 1], means, color=color, lw=2.2, marker="o", ms=5, gid=str(policy))
            last = max(means[1], last + 0.035 * spread)
            axes.plot([1, 1.08], [means[1], last], color=color, lw=0.6)
            axes.text(1.1, last, str(policy), color=color, fontweight="bold", va="center")
        axes.set_xticks([0, 1], ["built-in series", "measured series"])
        axes.set(xlim=(-0.1, 1.6), ylim=(0, 1.05 * spread), ylabel="SEK a month")
        axes.set_title("Cost of each policy; thin lines: suites")
        axes.grid(axis="y")


def section(docs: Path) -> str:
    """Draw the picture; tables and what they mean."""
    found, of_avoidable = costs(), shares()
    draw(found, docs / SHOWN)
    changed = pairs(*(found[name].mean().to_numpy() for name in (BUILT_IN, MEASURED)))
    count = len(POLICIES)
    scatter = math.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)))
    apart = of_avoidable[MEASURED] - of_avoidable[BUILT_IN]
    beyond = [str(policy) for policy in apart.index[apart.abs() > POINTS]]
    words = (
        f"{len(SUITES)} suites of {HOUSEHOLDS} households, the same seeds on both presets, each "
        f"household in a month: {len(SUITES) * HOUSEHOLDS} episodes for each policy and preset. "
        "Built-in are the test worlds.\n"
    )
    meaning = (
        f"With {count} policies there are {count * (count - 1) // 2} pairs; each pair in the other "
        f"order takes {4 / (count * (count - 1)):.3f} from tau. Pairs that change places, all "
        f"suites together: {changed}. Orders that have nothing to do with each other have a tau of "
        f"0 with a standard deviation of {scatter:.2f}. The lower rows are the measure for the "
        "upper ones: suites of one preset differ as well where two policies cost nearly the same. "
        "Tau knows no sizes; what a policy leaves of the avoidable, which is what `uncontrolled` "
        f"pays above the bound, does. More than {POINTS:.0f} points apart: "
        f"{', '.join(f'`{name}`' for name in beyond) or 'none'}.\n"
    )
    picture = figure(
        SHOWN, "Ranking", "Means (thick) and suites (thin) of each policy's cost of a month."
    )
    tables = [
        costs_table(found),
        taus_table(found),
        shares_table(of_avoidable, shares(in_hours=True)),
    ]
    return "\n".join([words, *tables, meaning, picture])
