"""The figures of the report that a reader can zoom, as plotly.js takes them: data and layout.

Colours named `var(--...)` are those of the page's style sheet, so a figure is light or dark as the
page is. Names of policies are the user's text, and plotly.js reads markup in labels: they are
escaped. Numbers are rounded to what a screen can show.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.plot_style import per_car, policy_color
from baselines.report.worst_days import WorstDay, hourly_kw, step_hours
from ev_gym.rendering.picture import SOLD, SUN
from ev_gym.runtime.arrays import Floats

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
    given = np.asarray(values, np.float64)
    return [None if np.isnan(value) else round(float(value), digits) + 0.0 for value in given]


def layout(height: int, **own: Any) -> Figure:
    """What all figures share."""
    return {
        "height": height,
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"color": INK, "family": "system-ui, sans-serif", "size": 12},
        "hoverlabel": {"bgcolor": PAPER, "font": {"color": INK}},
        "margin": {"l": 10, "r": 16, "t": 26, "b": 44},
        "modebar": {"bgcolor": CLEAR, "color": MUTED, "activecolor": INK},
        "showlegend": False,
        **own,
    }


def axis(title: str = "", **own: Any) -> Figure:
    """An axis with faint lines."""
    lines = {"gridcolor": GRID, "zerolinecolor": MUTED, "linecolor": MUTED, "automargin": True}
    return {"title": {"text": title, "standoff": 8}, **lines, **own}


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


def _dots(names: list[str], rows: pd.DataFrame, column: str, currency: str) -> Figure:
    """A dot a policy with its interval, in rows from the top."""
    middle, low, high = (
        rows[f"{column}{part}"].to_numpy(np.float64) for part in ("", "_low", "_high")
    )
    told = [
        f"{escape(name)}<br>{one:.2f} {currency} a day<br>95 %: {least:.2f} to {most:.2f}"
        for name, one, least, most in zip(names, middle, low, high, strict=True)
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
        "text": told,
        "hovertemplate": "%{text}<extra></extra>",
    }


def money(rows: pd.DataFrame, column: str, title: str, bound: float | None = None) -> Figure:
    """Money a day under each policy with its 95 % interval, and the bound as a line.

    Args:
        rows: Of the summary, one a policy, from the top down.
        column: `cost_per_day` or `regret_per_day`, with `_low` and `_high` beside it.
        title: Of the axis.
        bound: Cost a day below which none can come; None: no line.
    """
    names = [str(name) for name in rows["policy"]]
    currency = escape(str(rows["currency"].iloc[0]))
    own: Figure = {"xaxis": axis(f"{title} ({currency} a day)"), "yaxis": _name_axis(names)}
    if bound is not None:
        line = {"color": INK, "width": 1.5, "dash": "dash"}
        own["shapes"] = [{"type": "line", "x0": bound, "x1": bound, "yref": "paper", "y0": 0,
                          "y1": 1, "line": line}]  # fmt: skip
        own["annotations"] = [{"x": bound, "yref": "paper", "y": 1, "yanchor": "bottom",
                               "text": f"lower bound {bound:.2f}", "showarrow": False}]  # fmt: skip
    height = 90 + ROW_PX * len(names)
    return {"data": [_dots(names, rows, column, currency)], "layout": layout(height, **own)}


def paired(differences: pd.DataFrame, names: list[str], currency: str) -> Figure:
    """Paired differences to one policy, of which the page shows one at a time.

    Args:
        differences: `policy`, `other`, `difference_per_day` (policy less other) with `_low` and
            `_high`; every ordered pair once.
        names: Policies from the top down; trace i compares with the i-th.
        currency: Of the money.
    """
    data, currency = [], escape(currency)
    for other in names:
        own = differences[differences["other"] == other].set_index("policy").reindex(names)
        data.append({**_dots(names, own, "difference_per_day", currency), "visible": False})
    title = f"more than the policy chosen ({currency} a day)"
    own_layout = layout(
        90 + ROW_PX * len(names),
        xaxis=axis(title, zeroline=True, zerolinewidth=2),
        yaxis=_name_axis(names),
    )
    return {"data": data, "layout": own_layout}


def _stairs(
    x: list[float], values: Any, clocks: list[str], name: str, color: str, unit: str, **own: Any
) -> Figure:
    """Means of steps, each drawn level over its step; x and clocks hold the last one's end too."""
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
        **own,
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

    def stairs(values: Any, name: str, line: str, unit: str = "kW", **own: Any) -> Figure:
        return _stairs(x, values, clocks, name, line, unit, **own)

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

    What a departing car buys at a public charger is in its state, but not in this line.
    """
    plugged, soc = per_car(steps, "plugged") > 0, per_car(steps, "soc")
    energy_kwh, topup_kwh = per_car(steps, "energy_kwh"), per_car(steps, "topup_kwh")
    charged = 1.0 - topup_kwh / np.where(topup_kwh > 0, energy_kwh, 1.0)
    percent = np.where(plugged, 100 * soc * charged, np.nan)
    traces: list[Figure] = []
    for k, own in enumerate(percent.T):
        name = "state of charge" if len(percent.T) == 1 else f"state of charge, car {k}"
        line = {"color": color, "width": 2.5, "dash": DASHES[k % len(DASHES)]}
        told = f"from %{{customdata}} {name} %{{y:.0f}} %<extra></extra>"
        traces.append({"type": "scatter", "mode": "lines", "x": ends, "y": rounded(own, 2),
                       "name": name, "legendgroup": name, "line": line, "customdata": clocks,
                       "hovertemplate": told, **place})  # fmt: skip
    return traces


def _top_hour(steps: pd.DataFrame, place: Figure) -> Figure:
    """A bar over the hour with the highest mean power at the meter."""
    hours = hourly_kw(steps)
    top_kw, place_of_top = float(hours.max()), int(hours.to_numpy().argmax())
    begins_h = (int(hours.index[place_of_top]) - int(steps["now_min"].iloc[0])) / 60
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


def _clock_axis(steps: pd.DataFrame, domain: tuple[float, float], **own: Any) -> Figure:
    """Elapsed hours of a day, marked with the local clock's time every six hours."""
    import pandas as pd

    first = steps["time"].iloc[0]
    marks = range(0, 24, 6)
    clocks = [f"{first + pd.Timedelta(hours=hour):%H:%M}" for hour in marks]
    ticks: Figure = {"tickvals": list(marks), "ticktext": clocks, "range": [0, 24]}
    return axis(domain=list(domain), zeroline=False, **ticks, **own)


def _limits(*series: Any) -> list[float]:
    """An axis from zero, or below where there is less, to the highest value, with some air."""
    values = np.concatenate([np.asarray(one, np.float64) for one in series])
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max())) or 1.0
    air = 0.12 * (high - low)
    return [round(low - (air if low < 0 else 0.0), 4), round(high + air, 4)]


def day(worst: WorstDay, own: pd.DataFrame, others: pd.DataFrame, currency: str) -> Figure:
    """A day under a policy, left, and under another, right: price, power, SoC; the same axes.

    Args:
        worst: The day.
        own: Its steps under the policy.
        others: Those under `worst.other`.
        currency: Of the price.
    """
    sides, currency = (own, others), escape(currency)
    prices = _limits(*(side["price_per_kwh"] for side in sides))
    powers = [side[name] for side in sides for name in ("grid_kw", "load_kw", "pv_kw")]
    panels = {
        "": (PRICE, f"{currency}/kWh", prices),
        "3": (POWER, "kW", _limits(*powers, *map(_charge_kw, sides))),
        "5": (CHARGE, "% SoC", [0.0, 105.0]),
    }
    whole: Figure = {}
    for number, (domain, title, limits) in panels.items():
        right = str(int(number or 1) + 1)
        left = axis(title, domain=list(domain), range=limits)
        whole[f"yaxis{number}"] = {**left, "anchor": "x"}
        follows = {"matches": f"y{number}", "showticklabels": False, "anchor": "x2"}
        whole[f"yaxis{right}"] = {**left, "title": {"text": ""}, **follows}
    whole["xaxis"] = _clock_axis(own, (0.0, 0.485), anchor="y5")
    whole["xaxis2"] = _clock_axis(others, (0.515, 1.0), anchor="y6", matches="x")
    costs = ((worst.policy, worst.cost, 0.0), (worst.other, worst.other_cost, 0.515))
    whole["annotations"] = [
        {"text": f"<b>{label(name)}</b> {cost:.2f} {currency}", "x": x, "y": 1.0,
         "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom",
         "showarrow": False}
        for name, cost, x in costs
    ]  # fmt: skip
    left_traces = _day_traces(own, worst.policy, currency, ("x", "y", "y3", "y5"))
    right_traces = _day_traces(others, worst.other, currency, ("x2", "y2", "y4", "y6"))
    whole |= {"showlegend": True, "legend": {"orientation": "h", "y": -0.1}, "hovermode": "closest"}
    whole["margin"] = {"l": 10, "r": 10, "t": 28, "b": 60}
    data = [*left_traces, *({**trace, "showlegend": False} for trace in right_traces)]
    return {"data": data, "layout": layout(520, **whole)}
