"""The picture of one household's run: `battery_plot.png`, and `/plot.png` of a charging station."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from matplotlib.ticker import PercentFormatter

from baselines.one_run.money import money_parts, soc_before
from baselines.plot_style import edge_days, local_days, per_car, png
from ev_gym.rendering.picture import CAR_COLORS, INK, draw_flows
from ev_gym.rendering.scene import cost_name
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
        policy: Name of the policy, for the title; empty: none.
    """
    frame = history.rename_axis("time").reset_index()
    with png(path, 10.0, 6.0) as figure:
        ratios = {"height_ratios": [4, 5, 4]}
        price, power, soc = figure.subplots(3, 1, sharex=True, gridspec_kw=ratios)
        edges, values = edge_days(frame), frame["price_per_kwh"].to_numpy(np.float64)
        price.stairs(values, edges, baseline=None, color=INK, lw=1.2, gid="price_per_kwh")
        price.set_ylim(min(0.0, price.get_ylim()[0]), None)
        price.set_ylabel(f"price ({scenario.currency}/kWh)")
        price.set_title(_title(history, scenario, policy))
        _power(power, frame, scenario)
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


def _title(history: pd.DataFrame, scenario: Scenario, policy: str) -> str:
    cost = 0.0 - float(history["reward"].sum())
    name = f"{scenario.name}, {policy}: " if policy else f"{scenario.name}: "
    others = [f"{kind} {money:.2f}" for kind, money in money_parts(history, scenario).items()][1:]
    more = f" ({', '.join(others)})" if others else ""
    return f"{name}charging {cost_name(scenario)} {cost:.2f} {scenario.currency}{more}"


def _power(axes: Axes, frame: pd.DataFrame, scenario: Scenario) -> None:
    """Base load, charging, sun and discharging, with the connection's limit."""
    names = [vehicle.name for vehicle in scenario.vehicles]
    low_kw, high_kw = draw_flows(axes, edge_days(frame), frame, per_car(frame, "charge_kw"), names)
    limit_kw = scenario.household.limit_kw
    label = f"connection {limit_kw:.3g} kW"
    axes.axhline(limit_kw, color=INK, lw=1, ls=(0, (6, 3)), label=label, gid="limit_kw")
    axes.set_ylim(1.08 * low_kw, 1.08 * max(limit_kw, high_kw))
    axes.set_ylabel("power (kW)")
