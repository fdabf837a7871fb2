"""Pictures of a comparison of policies, saved as PNG.

Each function saves its picture and returns it; the same data give the same bytes. A policy has one
colour in all pictures; the parts of a bill have others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from baselines.comparison.statistics import unknown_width
from baselines.comparison.sums import CHEAP_HOURS, ChargedEnergy
from baselines.plot_style import (
    edge_days,
    local_days,
    name_rows,
    names_in,
    per_car,
    png,
    policy_color,
    stacked,
)
from ev_gym.rendering.picture import GREY, INK, PALE, SOLD, SUN
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import DAY_H

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Parts of a bill: column of the summary, its sign in the cost, colour, words.
TERMS = (
    ("energy", 1.0, "#7F93AD", "energy from the grid"),
    ("power", 1.0, "#2C4A6E", "power charge"),
    ("wear", 1.0, "#A6983F", "battery wear"),
    ("missing", 1.0, "#A50F15", "missing at departure"),
    ("public", 1.0, "#F4A582", "bought on the road"),
    ("overload", 1.0, "#1A1A1A", "overload"),
    ("settlement", -1.0, "#D9D9D9", "change of the energy stored"),
)
MOST_COLUMNS = 7  # of the heat map
BOUND_COLOR = "#009E73"  # that of the optimum, which comes nearest to it


def bills(summary: pd.DataFrame, path: str | Path) -> Figure:
    """What charging costs under each policy, as bars stacked by term, the cheapest on top.

    Args:
        summary: One row per scenario and policy, with `scenario`, `policy`, `currency`, `per` (a
            day or a month, of which all figures are), the terms `energy`, `power`, `wear`,
            `missing`, `public`, `overload` (cost is positive) and `settlement` (worth is positive),
            `cost` (the terms less the settlement), its 95 % interval `cost_low` and `cost_high`;
            where they are known `cost_per_year`, and `bound`, below which no policy can come.
        path: Where the PNG goes.
    """
    scenarios = names_in(summary["scenario"])
    heights = [int(summary["scenario"].eq(name).sum()) + 2.0 for name in scenarios]
    with png(path, 8.0, 0.5 + 0.34 * sum(heights)) as figure:
        for axes, scenario in zip(stacked(figure, heights), scenarios, strict=True):
            rows = summary[summary["scenario"] == scenario]
            _bars(axes, rows.sort_values("cost", ascending=False, kind="stable"))
            axes.set_title(f"Cost of charging, {scenario}")
        terms = [term for term in TERMS if summary[term[0]].abs().max() > 0]
        handles: list[Any] = [Patch(color=color, label=words) for _, _, color, words in terms]
        handles.append(Line2D([], [], marker="D", mfc="white", color=INK, ms=4,
                              label="total, 95 % interval"))  # fmt: skip
        if "bound" in summary:
            handles.append(Line2D([], [], color=BOUND_COLOR, lw=1.4, ls="--", label="lower bound"))
        figure.legend(handles=handles, loc="outside lower left", ncols=3, fontsize=8)
    return figure


def _bars(axes: Axes, rows: pd.DataFrame) -> None:
    places = np.arange(len(rows))
    right, left = np.zeros(len(rows)), np.zeros(len(rows))
    for column, sign, color, _ in TERMS:
        money = sign * rows[column].to_numpy(np.float64)
        start = np.where(money >= 0, right, left)
        axes.barh(places, money, left=start, height=0.6, color=color, gid=column)
        right, left = right + np.maximum(money, 0), left + np.minimum(money, 0)
    total, low, high = (rows[f"cost{part}"].to_numpy(np.float64) for part in ("", "_low", "_high"))
    axes.hlines(places, low, high, color=INK, lw=1.2, gid="interval")
    axes.plot(total, places, "D", ms=4, color=INK, mfc="white", gid="cost")
    ends, begin = np.maximum(right, high), float(min(left.min(), low.min(), 0.0))
    if "bound" in rows:
        bound = float(rows["bound"].iloc[0])
        axes.axvline(bound, color=BOUND_COLOR, lw=1.4, ls="--", gid="bound")
        begin = min(begin, bound)
    span, per = float(ends.max()) - begin or 1.0, rows["per"].iloc[0]
    years = rows["cost_per_year"] if "cost_per_year" in rows else np.full(len(rows), np.nan)
    for place, (end, cost, year) in enumerate(zip(ends, total, years, strict=True)):
        words = f"{cost:.2f} a {per}" + ("" if np.isnan(year) else f", {year:.0f} a year")
        axes.text(end + 0.015 * span, place, words, va="center", fontsize=8)
    with_words = 1.18 if np.isnan(years).all() else 1.37
    axes.set_xlim(begin - 0.01 * span, begin + with_words * span)
    name_rows(axes, list(rows["policy"]))
    axes.set_xlabel(f"{rows['currency'].iloc[0]} per {per}")


def cost_against_missing(summary: pd.DataFrame, path: str | Path) -> Figure:
    """What a policy pays, but for missing energy, against the energy missing at departures.

    Args:
        summary: As for `bills`, with `missing_kwh`.
        path: Where the PNG goes.
    """
    scenarios = names_in(summary["scenario"])
    with png(path, 5.4 if len(scenarios) == 1 else 4.4 * len(scenarios), 4.2) as figure:
        panels = figure.subplots(1, len(scenarios), squeeze=False)[0]
        for axes, scenario in zip(panels, scenarios, strict=True):
            rows = summary[summary["scenario"] == scenario]
            _labelled_points(
                axes,
                rows["missing_kwh"].to_numpy(np.float64),
                (rows["cost"] - rows["missing"]).to_numpy(np.float64),
                list(rows["policy"]),
            )
            axes.set_title(f"{scenario}: lower left is better")
            currency, per = rows[["currency", "per"]].iloc[0]
            axes.set_xlabel(f"energy missing at departure (kWh per {per})")
            axes.set_ylabel(f"cost without what is missing ({currency} per {per})")
    return figure


def _labelled_points(axes: Axes, x: Floats, y: Floats, names: list[str]) -> None:
    """Points with their names beside them; names that would meet move up, with a line."""
    for across, up, name in zip(x, y, names, strict=True):
        axes.plot(across, up, "o", ms=8, color=policy_color(name), gid=name)
    # Zero is always in the picture, and differences below half a unit are not magnified.
    x_low, x_high = min(0.0, x.min()), max(x.max(), 0.5)
    y_low, y_high = min(0.0, y.min()), max(y.max(), 0.5)
    axes.set_xlim(x_low - 0.05 * (x_high - x_low), x_high + 0.1 * (x_high - x_low))
    axes.set_ylim(y_low - 0.05 * (y_high - y_low), y_high + 0.12 * (y_high - y_low))
    axes.grid()
    x_share = (x - axes.get_xlim()[0]) / np.ptp(axes.get_xlim())
    y_share = (y - axes.get_ylim()[0]) / np.ptp(axes.get_ylim())
    heights = _apart(x_share, y_share)
    for i, name in enumerate(names):
        side = 1 if x_share[i] < 0.6 else -1
        moved = abs(heights[i] - y_share[i]) > 0.01
        axes.annotate(
            name, (x[i], y[i]), xytext=(x_share[i] + 0.03 * side, heights[i]),
            textcoords="axes fraction", ha="left" if side > 0 else "right", va="center",
            color=policy_color(name), fontweight="bold",
            arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.6} if moved else None,
        )  # fmt: skip


def _apart(x_share: Floats, y_share: Floats) -> Floats:
    """Heights of names near their points: those that would meet move up, then down from the top.

    All are shares of the picture's width and height.
    """
    heights, line = y_share.copy(), 0.055
    for rising in (True, False):
        placed: list[int] = []
        order = heights.argsort(kind="stable")
        for i in order if rising else order[::-1]:
            heights[i] = heights[i] if rising else min(heights[i], 0.97)
            for j in placed:
                near = abs(x_share[i] - x_share[j]) < 0.6
                if near and rising:
                    heights[i] = max(heights[i], heights[j] + line)
                elif near:
                    heights[i] = min(heights[i], heights[j] - line)
            placed.append(int(i))
    return heights


def week(steps: pd.DataFrame, path: str | Path, currency: str | None = None) -> Figure:
    """The same seven days under each policy: one household of the first scenario and seed.

    Args:
        steps: One row per step, with `scenario`, `policy`, `seed`, `household`, `time` (aware, the
            start of the step) and the columns of an env's history.
        path: Where the PNG goes.
        currency: Of the price, for its label.
    """
    first = steps.iloc[0]
    same = steps["scenario"] == first["scenario"]
    for column in ("seed", "household"):
        same &= steps[column] == first[column]
    week_steps = steps[same & (steps["time"] < first["time"] + np.timedelta64(7, "D"))]
    policies = names_in(week_steps["policy"])
    charge_kw = per_car(week_steps, "charge_kw")
    top_kw = max(
        float(week_steps["load_kw"].max()),
        float(week_steps["pv_kw"].max()),
        float(charge_kw.clip(min=0.0).sum(axis=1).max()),
    )
    low_kw = min(
        float(charge_kw.clip(max=0.0).sum(axis=1).min()), float(week_steps["grid_kw"].min()), 0.0
    )
    with png(path, 10.0, 1.0 + 1.7 * len(policies)) as figure:
        ratios = {"height_ratios": [3, 1.1] * len(policies)}
        panels = figure.subplots(2 * len(policies), 1, sharex=True, gridspec_kw=ratios)
        for upper, lower, name in zip(panels[::2], panels[1::2], policies, strict=True):
            frame, color = week_steps[week_steps["policy"] == name], policy_color(name)
            _week_power(upper, frame, color, currency)
            upper.set_ylim(1.05 * low_kw, 1.05 * top_kw or 1.0)
            upper.set_title(name, color=color, fontweight="bold")
            _week_soc(lower, frame, color)
        local_days(panels[-1], week_steps[week_steps["policy"] == policies[0]])
        figure.suptitle(f"{first['scenario']}: the same days under each policy (seed "
                        f"{first['seed']}, household {first['household']})",
                        fontsize=10.5, x=0.01, ha="left")  # fmt: skip
        handles = _week_legend(bool(week_steps["pv_kw"].any()), low_kw < 0.0)
        ncols = 6 if len(handles) < 6 else 4
        figure.legend(handles=handles, loc="outside lower left", ncols=ncols, fontsize=8)
    return figure


def _week_power(axes: Axes, frame: pd.DataFrame, color: str, currency: str | None) -> None:
    edges, price = edge_days(frame), frame["price_per_kwh"].to_numpy(np.float64)
    right = axes.twinx()
    # The price lies below the power, although its axis is the second.
    axes.set_zorder(right.get_zorder() + 1)
    axes.patch.set_visible(False)
    right.stairs(price, edges, baseline=None, color=PALE, lw=1.3, gid="price_per_kwh")
    right.set_ylim(min(0.0, 1.05 * price.min()), 1.08 * max(price.max(), 1e-3))
    right.set_ylabel(f"price\n({currency}/kWh)" if currency else "price\nper kWh", color=GREY)
    right.tick_params(axis="y", colors=GREY)
    right.spines["right"].set_visible(True)
    load_kw = frame["load_kw"].to_numpy(np.float64)
    pv_kw, sold_kw = frame["pv_kw"].to_numpy(np.float64), frame["grid_kw"].clip(upper=0.0)
    if pv_kw.any():
        axes.stairs(pv_kw, edges, fill=True, color=SUN, lw=0, gid="pv_kw")
    car_kw = per_car(frame, "charge_kw")
    charge_kw, feed_kw = (side.sum(axis=1) for side in (car_kw.clip(min=0), car_kw.clip(max=0)))
    axes.stairs(charge_kw, edges, fill=True, color=color, alpha=0.75, lw=0, gid="charge_kw")
    if feed_kw.any():
        axes.stairs(feed_kw, edges, fill=True, color=color, alpha=0.75, lw=0, gid="discharge_kw")
    if sold_kw.any():
        axes.stairs(sold_kw, edges, baseline=None, color=SOLD, lw=1, gid="sold_kw")
        axes.axhline(0, color=GREY, lw=1)
    axes.stairs(load_kw, edges, baseline=None, color=INK, lw=0.7, gid="load_kw")
    axes.set_ylabel("power\n(kW)")


def _week_soc(axes: Axes, frame: pd.DataFrame, color: str) -> None:
    ends, dashes = edge_days(frame)[1:], ("-", "--", ":", "-.")
    soc, plugged, topup_kwh = (per_car(frame, name) for name in ("soc", "plugged", "topup_kwh"))
    for k in range(soc.shape[1]):
        axes.plot(ends, soc[:, k], color=color, lw=1.2, ls=dashes[k % 4], gid=f"soc_{k}")
        leaves = np.append((plugged[:-1, k] > 0) & (plugged[1:, k] == 0), False)
        short = leaves & (topup_kwh[:, k] > 0)
        for what, marker, gid in ((leaves & ~short, "^", "leaves"), (short, "x", "short")):
            axes.plot(ends[what], soc[what, k], marker, color=INK, ms=5, gid=f"{gid}_{k}")
    axes.set_ylim(0, 1.12)
    axes.set_yticks([0, 0.5, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel("SoC")
    axes.grid(axis="y")


def _week_legend(sun: bool, below: bool) -> list[Any]:
    charging = "charging, below zero discharging" if below else "charging"
    return [
        Patch(color=PALE, label=f"{charging} (the policy's colour)"),
        *([Patch(color=SUN, label="sun")] if sun else []),
        *([Line2D([], [], color=SOLD, lw=1, label="fed into the grid")] if below else []),
        Line2D([], [], color=INK, lw=0.7, label="base load"),
        Line2D([], [], color=PALE, lw=1.3, label="price (right axis)"),
        Line2D([], [], color=INK, ls="", marker="^", ms=4, label="departure"),
        Line2D([], [], color=INK, ls="", marker="x", ms=6, label="departure with energy missing"),
    ]


def heat_map(charged: Sequence[ChargedEnergy], path: str | Path) -> Figure:
    """Where a policy's energy goes: local hour of the day against the rank of the hour's price.

    Hours are ranked within each 24 hours from the episode's start, so that a night is not cut at
    midnight; of equal prices the earlier is the cheaper. A policy that charges when power is cheap
    is dark at the bottom; charging at random would put a third of the energy below the line.

    Args:
        charged: Energy charged, for each scenario and policy.
        path: Where the PNG goes.
    """
    scenarios = list(dict.fromkeys(energy.scenario for energy in charged))
    groups = [[energy for energy in charged if energy.scenario == name] for name in scenarios]
    most = max(map(len, groups))
    columns = -(-most // -(-most // MOST_COLUMNS))  # the last line as full as the others
    lines = [-(-len(group) // columns) for group in groups]
    with png(path, 1.2 + 2.1 * columns, 0.9 + 2.6 * sum(lines)) as figure:
        panels = figure.subplots(sum(lines), columns, squeeze=False, sharey=True)
        for group, count, end in zip(groups, lines, np.cumsum(lines), strict=True):
            rows = panels[end - count : end]
            image = _heat_panels(rows, group)
            bar = figure.colorbar(
                image, ax=list(rows.flat), format=PercentFormatter(1.0, decimals=0)
            )
            bar.set_label("share of energy charged")
        figure.supxlabel("local hour of the day", fontsize=9)
    return figure


def _heat_panels(rows: Any, charged: list[ChargedEnergy]) -> Any:
    """A panel for each policy of a scenario, all of one scale; the last one's image, for a bar."""
    shares = [energy.energy_kwh / (energy.energy_kwh.sum() or 1.0) for energy in charged]
    top = max(float(share.max()) for share in shares) or 1.0
    for axes in list(rows.flat)[len(charged) :]:
        axes.set_visible(False)
    for axes, energy, share in zip(rows.flat, charged, shares, strict=False):
        image = axes.pcolormesh(
            np.arange(DAY_H + 1), np.arange(0.5, DAY_H + 1), share, cmap="Blues", vmin=0, vmax=top,
            gid=f"{energy.scenario} {energy.policy}",
        )  # fmt: skip
        axes.axhline(CHEAP_HOURS + 0.5, color=INK, lw=0.8, ls="--")
        axes.set_title(energy.policy, color=policy_color(energy.policy), fontweight="bold", pad=16)
        cheap = f"{share[:CHEAP_HOURS].sum():.0%} in the {CHEAP_HOURS} cheapest hours"
        axes.text(0, 1.02, cheap, transform=axes.transAxes, fontsize=8)
        hours = range(0, DAY_H + 1, 6)
        axes.set_xticks(hours, [f"{(energy.first_hour + hour) % DAY_H:02d}" for hour in hours])
        axes.set_yticks([1, 8, 16, DAY_H])
    for axes in rows[:, 0]:
        words = f"{charged[0].scenario}\nrank of the hour's price\nin its 24 h (1 = cheapest)"
        axes.set_ylabel(words)
    return image


def regret(summary: pd.DataFrame, path: str | Path) -> Figure:
    """What each policy pays above the lower bound, with 95 % intervals, the least on top.

    A band reaches from the bound to `optimal`: somewhere in it lies the true optimum.

    Args:
        summary: One row per scenario and policy, with `scenario`, `policy`, `currency`,
            `regret` with `_low` and `_high`, and where it is known `regret_percent`.
        path: Where the PNG goes.
    """
    scenarios = names_in(summary["scenario"])
    heights = [int(summary["scenario"].eq(name).sum()) + 2.6 for name in scenarios]
    with png(path, 7.0, 0.3 + 0.28 * sum(heights)) as figure:
        for axes, scenario in zip(stacked(figure, heights), scenarios, strict=True):
            rows = summary[summary["scenario"] == scenario]
            _regrets(axes, rows.sort_values("regret", ascending=False, kind="stable"))
            axes.set_title(f"Regret: what is paid above the lower bound, {scenario}")
    return figure


def _regrets(axes: Axes, rows: pd.DataFrame) -> None:
    middle, low, high = (
        rows[f"regret{part}"].to_numpy(np.float64) for part in ("", "_low", "_high")
    )
    shares = rows["regret_percent"] if "regret_percent" in rows else np.full(len(rows), np.nan)
    names = [str(name) for name in rows["policy"]]
    span = float(high.max()) or 1.0
    width = unknown_width(rows)
    if width is not None:
        axes.axvspan(0.0, width, color=BOUND_COLOR, alpha=0.18, lw=0.0, zorder=0, gid="unknown")
    for place, (name, share) in enumerate(zip(names, shares, strict=True)):
        color = policy_color(name)
        axes.hlines(place, low[place], high[place], color=color, lw=2.4, gid=f"interval {name}")
        axes.plot(middle[place], place, "o", ms=6, color=color, gid=name)
        words = f"{middle[place]:.2f}" + ("" if np.isnan(share) else f" ({share:.0f} %)")
        axes.text(high[place] + 0.015 * span, place, words, va="center", fontsize=8)
    name_rows(axes, names)
    axes.set(xlim=(min(0.0, 1.05 * float(low.min())), 1.2 * span), ylim=(-0.6, len(names) - 0.4))
    currency, per = rows[["currency", "per"]].iloc[0]
    words = f"{currency} per {per} (percent of what is avoidable)"
    if width is not None:
        words += f"\nshaded, 0 to {width:.2f}: not known; the true optimum lies in it"
    axes.set_xlabel(words)
