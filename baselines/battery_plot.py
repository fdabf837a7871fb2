"""The picture of one household's run, for `battery_plot.png` and the station's `/plot.png`."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from matplotlib.ticker import PercentFormatter

from baselines.plot_style import edge_days, local_days, per_car, png
from baselines.running import soc_before
from ev_gym.rendering import CAR_COLORS, INK, PALE, cost_name
from ev_gym.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def battery(
    history: pd.DataFrame, scenario: Scenario, path: str | Path | IO[bytes], policy: str = ""
) -> Figure:
    """One run: price, base load and charging, and state of charge, on a local time axis.

    Args:
        history: An env's history, indexed by local time.
        scenario: What was run.
        path: Where the PNG goes, a file or an open one.
        policy: Who charged, for the title.
    """
    frame = history.rename_axis("time").reset_index()
    with png(path, 10.0, 6.0) as figure:
        ratios = {"height_ratios": [4, 5, 4]}
        price, power, soc = figure.subplots(3, 1, sharex=True, gridspec_kw=ratios)
        edges, values = edge_days(frame), frame["price_per_kwh"].to_numpy(np.float64)
        price.stairs(values, edges, baseline=None, color=INK, lw=1.2, gid="price_per_kwh")
        price.set_ylim(min(0.0, price.get_ylim()[0]), None)
        price.set_ylabel(f"price ({scenario.currency}/kWh)")
        cost = 0.0 - float(history["reward"].sum())
        named = f"{scenario.name}, {policy}: " if policy else f"{scenario.name}: "
        price.set_title(f"{named}charging {cost_name(scenario)} {cost:.2f} {scenario.currency}")
        _stack(power, frame, scenario)
        for k, values in enumerate(per_car(frame, "soc").T):
            values = np.concatenate([soc_before(history, scenario, k)[:1], values])
            soc.plot(edges, values, color=CAR_COLORS[k], lw=1.5, gid=f"soc_{k}")
        soc.set_ylim(0, 1.05)
        soc.yaxis.set_major_formatter(PercentFormatter(1.0))
        soc.set_ylabel("state of charge")
        local_days(soc, frame)
        parts = power.get_legend_handles_labels()
        figure.legend(*parts, loc="outside lower left", ncols=4, fontsize=8)
    return figure


def _stack(axes: Axes, frame: pd.DataFrame, scenario: Scenario) -> None:
    """Base load and the cars' charging, one upon the other, below the connection's limit."""
    edges, below = edge_days(frame), np.zeros(len(frame))
    layers = [("load_kw", "base load", PALE, frame["load_kw"].to_numpy(np.float64))]
    for k, values in enumerate(per_car(frame, "charge_kw").T):
        layers.append((f"charge_kw_{k}", scenario.vehicles[k].name, CAR_COLORS[k], values))
    for gid, label, color, layer_kw in layers:
        above = below + layer_kw
        axes.stairs(
            above, edges, baseline=below, fill=True, color=color, lw=0, label=label, gid=gid
        )
        below = above
    limit_kw = scenario.household.limit_kw
    label = f"connection {limit_kw:.3g} kW"
    axes.axhline(limit_kw, color=INK, lw=1, ls=(0, (6, 3)), label=label, gid="limit_kw")
    axes.set_ylim(0, 1.08 * max(limit_kw, float(below.max())))
    axes.set_ylabel("power (kW)")
