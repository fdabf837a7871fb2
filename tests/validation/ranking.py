"""Whether policies rank alike on built-in and on measured series."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import kendalltau

from baselines.comparison.benchmark import episode_figures
from baselines.comparison.tasks import Task, run_task
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
SUITES = tuple(range(8))  # seeds
HOUSEHOLDS = 20
DAYS, SHORT_DAYS = 28, 7  # four weeks, which is nearly a month, and a short episode


def costs(days: int, column: str = "cost") -> dict[str, pd.DataFrame]:
    """By scenario: SEK a day, (suites, policies), means over the suite's episodes."""
    import pandas as pd

    return {
        name: pd.DataFrame(
            {policy: _episodes(days, name, policy).groupby("seed")[column].mean() for policy in
             POLICIES}
        )
        for name in (BUILT_IN, MEASURED)
    }  # fmt: skip


@functools.cache
def _episodes(days: int, name: str, policy: str) -> pd.DataFrame:
    task = _task(days, name, policy)
    return episode_figures(task, run_task(task))


def _task(days: int, name: str, policy: str | None) -> Task:
    episodes = tuple((seed, household) for seed in SUITES for household in range(HOUSEHOLDS))
    return Task(replace(preset(name), days=days), policy, None, episodes)


def bounds(days: int, name: str) -> Floats:
    """SEK a day, (suites,): the least that any policy can pay, means over the suite's episodes."""
    by_episode = run_task(_task(days, name, None)).figures["bound"]
    means: Floats = by_episode.reshape(len(SUITES), HOUSEHOLDS).mean(axis=1)
    return means


def tau(one: Floats, other: Floats) -> float:
    """Kendall's tau of two rankings."""
    return float(kendalltau(one, other).statistic)


def pairs(one: Floats, other: Floats) -> int:
    """Pairs of policies that stand in the other order."""
    before = np.sign(one[:, np.newaxis] - one)
    after = np.sign(other[:, np.newaxis] - other)
    return int((before * after < 0).sum() // 2)


def taus_table(found: dict[str, pd.DataFrame], days: int) -> str:
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
    return table([f"Kendall's tau, episodes of {days} days", "comparisons", "mean", "lowest",
                  "share that is 1"], rows)  # fmt: skip


def _summary(taus: list[float]) -> list[str]:
    values = np.array(taus)
    return [f"{values.mean():.2f}", f"{values.min():.2f}", f"{np.mean(values > 0.999):.2f}"]


def costs_table(found: dict[str, pd.DataFrame], days: int) -> str:
    """Cost of each policy: mean and standard deviation over suites, power charge, and rank.

    The lower bound stands above them, without a rank.
    """
    order = found[BUILT_IN].mean().sort_values().index
    power = costs(days, "power")
    least = ["lower bound"]
    for name in (BUILT_IN, MEASURED):
        own = bounds(days, name)
        least += [f"{own.mean():.2f} ({own.std(ddof=1):.2f})", "", ""]
    rows = [least]
    for policy in order:
        row = [str(policy)]
        for name in (BUILT_IN, MEASURED):
            own, all_means = found[name][policy], found[name].mean()
            rank = int(all_means.rank()[policy])
            row.append(f"{own.mean():.2f} ({own.std():.2f})")
            row += [f"{power[name][policy].mean():.2f}", str(rank)]
        rows.append(row)
    head = [f"SEK a day, {days} days: mean (standard deviation of a suite)"]
    for name in (BUILT_IN, MEASURED):
        head += [name, "of it power charge", "rank"]
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
        axes.set(xlim=(-0.1, 1.6), ylim=(0, 1.05 * spread), ylabel="SEK a day")
        axes.set_title("Cost of each policy; thin lines: suites")
        axes.grid(axis="y")


def section(docs: Path) -> str:
    """Draw the picture; tables and what they mean."""
    long, short = costs(DAYS), costs(SHORT_DAYS)
    draw(long, docs / SHOWN)
    changed = [
        pairs(*(found[name].mean().to_numpy() for name in (BUILT_IN, MEASURED)))
        for found in (long, short)
    ]
    count = len(POLICIES)
    scatter = math.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)))
    words = (
        f"{len(SUITES)} suites of {HOUSEHOLDS} households, the same seeds on both presets: "
        f"{len(SUITES) * HOUSEHOLDS} episodes for each policy, preset and length.\n"
    )
    meaning = (
        f"With {count} policies there are {count * (count - 1) // 2} pairs; each pair in the other "
        f"order takes {4 / (count * (count - 1)):.3f} from tau. Pairs that change places, all "
        f"suites together: {changed[0]} over {DAYS} days, {changed[1]} over {SHORT_DAYS}. Orders "
        f"that have nothing to do with each other have a tau of 0 with a standard deviation of "
        f"{scatter:.2f}. The lower rows are the "
        "measure for the upper ones: suites of one preset differ as well where two policies cost "
        "nearly the same. Tau knows no sizes; the costs do.\n"
    )
    picture = figure(
        SHOWN, "Ranking", f"{DAYS} days: means (thick) and suites (thin) of each policy's cost."
    )
    tables = [costs_table(long, DAYS), taus_table(long, DAYS), costs_table(short, SHORT_DAYS),
              taus_table(short, SHORT_DAYS)]  # fmt: skip
    return "\n".join([words, *tables, meaning, picture])
