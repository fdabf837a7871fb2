"""The figures of the report that a reader can zoom, as plotly.js takes them: data and layout.

Colours named `var(--...)` are those of the page's style sheet, so a figure is light or dark as the
page is. Names of policies are the user's text, which is escaped because plotly.js reads markup in
labels. Numbers are rounded to what a screen can show.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.comparison.statistics import BEST
from baselines.plot_style import per_car, policy_color
from baselines.report.worst_days import WorstDay, hourly_kw, step_hours
from ev_gym.rendering.picture import SOLD, SUN
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import DAY_H, HOUR_MIN

if TYPE_CHECKING:
    import pandas as pd

Figure = dict[str, Any]

INK, MUTED, GRID, PAPER = "var(--ink)", "var(--muted)", "var(--grid)", "var(--paper)"
CLEAR = "rgba(0,0,0,0)"
LABEL_LENGTH = 26
ROW_PX = 30
DASHES = ("solid", "dash", "dot", "dashdot")
PRICE, POWER, CHARGE = (0.78, 1.0), (0.34, 0.72), (0.0, 0.28)  # heights of a day's three panels


def label(name: str) -> str:
    """A policy's name for an axis: escaped, and the middle of a long one left out."""
    keep = (LABEL_LENGTH - 1) // 2
    short = name if len(name) <= LABEL_LENGTH else f"{name[:keep]}\u2026{name[-keep:]}"
    return escape(short)


def rounded(values: Any, digits: int) -> list[float | None]:
    """Numbers for JSON, which knows no NaN."""
    numbers = np.asarray(values, np.float64)
    return [None if np.isnan(value) else round(float(value), digits) + 0.0 for value in numbers]


def layout(height: int, **more: Any) -> Figure:
    """A layout with what all figures share."""
    return {
        "height": height,
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"color": INK, "family": "system-ui, sans-serif", "size": 12},
        "hoverlabel": {"bgcolor": PAPER, "font": {"color": INK}},
        "margin": {"l": 10, "r": 16, "t": 26, "b": 44},
        "modebar": {"bgcolor": CLEAR, "color": MUTED, "activecolor": INK},
        "showlegend": False,
        **more,
    }


def axis(title: str = "", **more: Any) -> Figure:
    """An axis with faint lines."""
    lines = {"gridcolor": GRID, "zerolinecolor": MUTED, "linecolor": MUTED, "automargin": True}
    return {"title": {"text": title, "standoff": 8}, **lines, **more}


def _name_axis(names: list[str]) -> Figure:
    places = list(range(len(names)))
    labels = [label(name) for name in names]
    return axis(
        tickvals=places,
        ticktext=labels,
        range=[len(names) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
    )


def _dots(names: list[str], rows: pd.DataFrame, column: str, unit: str) -> Figure:
    """A dot with its interval for each policy, in rows from the top."""
    middle, low, high = (
        rows[f"{column}{part}"].to_numpy(np.float64) for part in ("", "_low", "_high")
    )
    hover_texts = [
        f"{escape(name)}<br>{mean:.2f} {unit}<br>95 %: {least:.2f} to {most:.2f}"
        for name, mean, least, most in zip(names, middle, low, high, strict=True)
    ]
    bars = {"type": "data", "symmetric": False, "color": MUTED, "thickness": 2, "width": 5}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded(middle, 4),
        "y": list(range(len(names))),
        "error_x": {
            **bars,
            "array": rounded(high - middle, 4),
            "arrayminus": rounded(middle - low, 4),
        },
        "marker": {
            "size": 11,
            "color": [policy_color(name) for name in names],
            "line": {"color": INK, "width": 1},
        },
        "text": hover_texts,
        "hovertemplate": "%{text}<extra></extra>",
    }


def money(
    rows: pd.DataFrame,
    column: str,
    title: str,
    bound: float | None = None,
    width: float | None = None,
) -> Figure:
    """Money under each policy with its 95 % interval, and the bound as a line.

    Args:
        rows: Of the summary, one a policy, from the top down.
        column: `cost` or `regret`, with `_low` and `_high` beside it.
        title: Of the axis.
        bound: Cost below which none can come; None: no line.
        width: Of what is not known, a band from 0 on; None: no band.
    """
    names = [str(name) for name in rows["policy"]]
    unit = escape(f"{rows['currency'].iloc[0]} a {rows['per'].iloc[0]}")
    more: Figure = {"xaxis": axis(f"{title} ({unit})"), "yaxis": _name_axis(names)}
    if bound is not None:
        line = {"color": INK, "width": 1.5, "dash": "dash"}
        more["shapes"] = [{"type": "line", "x0": bound, "x1": bound, "yref": "paper", "y0": 0,
                           "y1": 1, "line": line}]  # fmt: skip
        text = {"text": f"lower bound {bound:.2f}", "showarrow": False}
        more["annotations"] = [{"x": bound, "yref": "paper", "y": 1, "yanchor": "bottom", **text}]
    if width is not None:
        more["shapes"] = [{"type": "rect", "x0": 0.0, "x1": width, "yref": "paper", "y0": 0,
                           "y1": 1, "layer": "below", "line": {"width": 0},
                           "fillcolor": policy_color(BEST), "opacity": 0.15}]  # fmt: skip
        text = {"text": f"not known: 0 to {width:.2f}", "showarrow": False, "xanchor": "left"}
        more["annotations"] = [{"x": 0.0, "yref": "paper", "y": 1, "yanchor": "bottom", **text}]
    height = 90 + ROW_PX * len(names)
    return {"data": [_dots(names, rows, column, unit)], "layout": layout(height, **more)}


def paired(differences: pd.DataFrame, names: list[str], unit: str) -> Figure:
    """Paired differences to one policy, of which the page shows one at a time.

    Args:
        differences: `policy`, `other`, `difference` (policy less other) with `_low` and
            `_high`; every ordered pair once.
        names: Policies from the top down; trace i compares with the i-th.
        unit: Of the money, such as "SEK a day".
    """
    data, unit = [], escape(unit)
    for other in names:
        rows = differences[differences["other"] == other].set_index("policy").reindex(names)
        data.append({**_dots(names, rows, "difference", unit), "visible": False})
    height = 90 + ROW_PX * len(names)
    title = f"more than the policy chosen ({unit})"
    money_axis = axis(title, zeroline=True, zerolinewidth=2)
    return {"data": data, "layout": layout(height, xaxis=money_axis, yaxis=_name_axis(names))}


def _stairs(
    x: list[float], values: Any, clocks: list[str], name: str, color: str, unit: str, **more: Any
) -> Figure:
    """Means of steps, each drawn as a level over its step.

    `x` and `clocks` hold the starts of the steps, and the end of the last one.
    """
    heights = rounded(values, 4)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": [*heights, heights[-1]],
        "name": name,
        "legendgroup": name,
        "line": {"shape": "hv", "color": color, "width": 1.5},
        "customdata": clocks,
        "hovertemplate": f"%{{customdata}} {name} %{{y}} {unit}<extra></extra>",
        **more,
    }


def _day_traces(
    steps: pd.DataFrame, policy: str, currency: str, axes: tuple[str, str, str, str]
) -> list[Figure]:
    """One side of a day: price, power and SoC on the horizontal and the three vertical axes."""
    across, *heights = axes
    price, power, soc = ({"xaxis": across, "yaxis": height} for height in heights)
    step_h, color = step_hours(steps), policy_color(policy)
    x = [round(place * step_h, 4) for place in range(len(steps) + 1)]
    starts = [f"{stamp:%H:%M}" for stamp in steps["time"]]
    clocks = [*starts, starts[-1]]

    def stairs(values: Any, name: str, line: str, unit: str = "kW", **more: Any) -> Figure:
        return _stairs(x, values, clocks, name, line, unit, **more)

    filled = {"fill": "tozeroy", **power}
    sun = [stairs(steps["pv_kw"], "sun", SOLD, fillcolor=SUN, **filled)]
    return [
        stairs(steps["price_per_kwh"], "price", INK, f"{currency}/kWh", **price),
        *(sun if steps["pv_kw"].any() else []),
        stairs(_charge_kw(steps), "charging", color, fillcolor=color, **filled),
        stairs(steps["load_kw"], "house", INK, **power),
        stairs(steps["grid_kw"], "grid", MUTED, **power),
        _top_hour(steps, power),
        *_soc_traces(steps, x[1:], starts, color, soc),
    ]


def _charge_kw(steps: pd.DataFrame) -> Floats:
    total: Floats = per_car(steps, "charge_kw").sum(axis=1)
    return total


def _soc_traces(
    steps: pd.DataFrame, ends: list[float], clocks: list[str], color: str, place: Figure
) -> list[Figure]:
    """The state of charge of each car at the steps' ends, with gaps while it is away.

    What a departing car buys at a public charger is in its state of charge, but not in this line.
    """
    plugged, soc = per_car(steps, "plugged") > 0, per_car(steps, "soc")
    energy_kwh, topup_kwh = per_car(steps, "energy_kwh"), per_car(steps, "topup_kwh")
    charged_share = 1.0 - topup_kwh / np.where(topup_kwh > 0, energy_kwh, 1.0)
    percent = np.where(plugged, 100 * soc * charged_share, np.nan)
    traces: list[Figure] = []
    for k, of_car in enumerate(percent.T):
        name = "state of charge" if len(percent.T) == 1 else f"state of charge, car {k}"
        line = {"color": color, "width": 2.5, "dash": DASHES[k % len(DASHES)]}
        hover_text = f"from %{{customdata}} {name} %{{y:.0f}} %<extra></extra>"
        traces.append({"type": "scatter", "mode": "lines", "x": ends, "y": rounded(of_car, 2),
                       "name": name, "legendgroup": name, "line": line, "customdata": clocks,
                       "hovertemplate": hover_text, **place})  # fmt: skip
    return traces


def _top_hour(steps: pd.DataFrame, place: Figure) -> Figure:
    """A bar over the hour with the highest mean power at the meter."""
    hours = hourly_kw(steps)
    top_kw, place_of_top = float(hours.max()), int(hours.to_numpy().argmax())
    begins_h = (int(hours.index[place_of_top]) - int(steps["now_min"].iloc[0])) / HOUR_MIN
    return {
        "type": "scatter",
        "mode": "lines+text",
        "x": [begins_h, begins_h + 0.5, begins_h + 1],
        "y": [round(top_kw, 4)] * 3,
        "text": ["", f"{top_kw:.1f} kW", ""],
        "textposition": "top center",
        "cliponaxis": False,
        "name": "highest hour",
        "legendgroup": "highest hour",
        "line": {"color": INK, "width": 4},
        "hovertemplate": f"highest hour {top_kw:.2f} kW<extra></extra>",
        **place,
    }


def _clock_axis(steps: pd.DataFrame, domain: tuple[float, float], **more: Any) -> Figure:
    """Elapsed hours of a day, marked with the local clock's time every six hours."""
    import pandas as pd

    first = steps["time"].iloc[0]
    marks = range(0, DAY_H, 6)
    clocks = [f"{first + pd.Timedelta(hours=hour):%H:%M}" for hour in marks]
    ticks: Figure = {"tickvals": list(marks), "ticktext": clocks, "range": [0, DAY_H]}
    return axis(domain=list(domain), zeroline=False, **ticks, **more)


def _limits(*series: Any) -> list[float]:
    """Ends of an axis: zero or the lowest value, and the highest value, with a margin."""
    values = np.concatenate([np.asarray(part, np.float64) for part in series])
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max())) or 1.0
    margin = 0.12 * (high - low)
    return [round(low - (margin if low < 0 else 0.0), 4), round(high + margin, 4)]


def day(worst: WorstDay, steps: pd.DataFrame, other_steps: pd.DataFrame, currency: str) -> Figure:
    """A day under a policy, left, and under another, right: price, power, SoC on the same axes.

    Args:
        worst: The day.
        steps: Its steps under the policy.
        other_steps: Those under `worst.other`.
        currency: Of the price.
    """
    sides, currency = (steps, other_steps), escape(currency)
    prices = _limits(*(side["price_per_kwh"] for side in sides))
    powers = [side[name] for side in sides for name in ("grid_kw", "load_kw", "pv_kw")]
    panels = {
        "": (PRICE, f"{currency}/kWh", prices),
        "3": (POWER, "kW", _limits(*powers, *map(_charge_kw, sides))),
        "5": (CHARGE, "% SoC", [0.0, 105.0]),
    }
    content: Figure = {}
    for number, (domain, title, limits) in panels.items():
        right = str(int(number or 1) + 1)
        left = axis(title, domain=list(domain), range=limits)
        content[f"yaxis{number}"] = {**left, "anchor": "x"}
        as_left = {"matches": f"y{number}", "showticklabels": False, "anchor": "x2"}
        content[f"yaxis{right}"] = {**left, "title": {"text": ""}, **as_left}
    content["xaxis"] = _clock_axis(steps, (0.0, 0.485), anchor="y5")
    content["xaxis2"] = _clock_axis(other_steps, (0.515, 1.0), anchor="y6", matches="x")
    costs = ((worst.policy, worst.cost, 0.0), (worst.other, worst.other_cost, 0.515))
    content["annotations"] = [
        {"text": f"<b>{label(name)}</b> {cost:.2f} {currency}", "x": x, "y": 1.0,
         "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom",
         "showarrow": False}
        for name, cost, x in costs
    ]  # fmt: skip
    left_traces = _day_traces(steps, worst.policy, currency, ("x", "y", "y3", "y5"))
    right_traces = _day_traces(other_steps, worst.other, currency, ("x2", "y2", "y4", "y6"))
    content |= {
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.1},
        "hovermode": "closest",
    }
    content["margin"] = {"l": 10, "r": 10, "t": 28, "b": 60}
    data = [*left_traces, *({**trace, "showlegend": False} for trace in right_traces)]
    return {"data": data, "layout": layout(520, **content)}
