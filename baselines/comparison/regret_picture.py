"""The picture of regret: what each policy pays above the proven lower bound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselines.plot_style import name_rows, names_in, png, policy_color, stacked

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def regret(summary: pd.DataFrame, path: str | Path) -> Figure:
    """What each policy pays a day above the lower bound, with 95 % intervals, the least on top.

    Args:
        summary: One row per scenario and policy, with `scenario`, `policy`, `currency`,
            `regret_per_day` with `_low` and `_high`, and where it is known `regret_percent`.
        path: Where the PNG goes.
    """
    scenarios = names_in(summary["scenario"])
    heights = [int(summary["scenario"].eq(name).sum()) + 2.0 for name in scenarios]
    with png(path, 7.0, 0.3 + 0.28 * sum(heights)) as figure:
        for axes, scenario in zip(stacked(figure, heights), scenarios, strict=True):
            rows = summary[summary["scenario"] == scenario]
            _regrets(axes, rows.sort_values("regret_per_day", ascending=False, kind="stable"))
            axes.set_title(f"Regret: what is paid above the lower bound, {scenario}")
    return figure


def _regrets(axes: Axes, rows: pd.DataFrame) -> None:
    middle, low, high = (
        rows[f"regret_per_day{part}"].to_numpy(np.float64) for part in ("", "_low", "_high")
    )
    shares = rows["regret_percent"] if "regret_percent" in rows else np.full(len(rows), np.nan)
    names = [str(name) for name in rows["policy"]]
    span = float(high.max()) or 1.0
    for place, (name, share) in enumerate(zip(names, shares, strict=True)):
        color = policy_color(name)
        axes.hlines(place, low[place], high[place], color=color, lw=2.4, gid=f"interval {name}")
        axes.plot(middle[place], place, "o", ms=6, color=color, gid=name)
        words = f"{middle[place]:.2f}" + ("" if np.isnan(share) else f" ({share:.0f} %)")
        axes.text(high[place] + 0.015 * span, place, words, va="center", fontsize=8)
    name_rows(axes, names)
    axes.set(xlim=(min(0.0, 1.05 * float(low.min())), 1.2 * span), ylim=(-0.6, len(names) - 0.4))
    axes.set_xlabel(f"{rows['currency'].iloc[0]} per day (percent of what is avoidable)")
