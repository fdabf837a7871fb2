"""A comparison as one HTML file that opens without a network: table, figures, worst days, manifest.

plotly.js (about 4.8 MB, most of the file's size; the Python package carries no smaller bundle)
stands in the file once, so that a reader can zoom; a content security policy in the page forbids
the browser to fetch anything. The same comparison gives the same bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from baselines.comparison.statistics import REFERENCE, caveats
from baselines.plot_style import policy_color
from baselines.report import figures
from baselines.report.worst_days import WorstDay, account, day_steps, why, worst_days, yardstick

if TYPE_CHECKING:
    import pandas as pd

    from baselines.comparison.benchmark import Comparison

    Steps = Callable[[str, int, int], pd.DataFrame]  # of a policy, seed and household

TEMPLATE = "report.html.jinja"
# Pictures of the benchmark, where they lie beside the report: file, what one sees in it.
PICTURES = {
    "bills.png": "Cost of charging a day under each policy, as bars stacked by term of the bill",
    "cost_against_missing.png": "Cost without what is missing against energy missing at departure",
    "heat_map.png": "Energy charged by local hour and rank of the hour's price, for each policy",
    "week.png": "The same week of one household under each policy: price, power and SoC",
}


class Column(NamedTuple):
    """A column of the table: heading, figure of the summary, format, and how it is shown."""

    heading: str
    name: str
    form: str
    interval: bool = False
    bar: bool = False
    always: bool = False  # also where it is zero under every policy


COLUMNS = (
    Column("rank", "rank", ".0f", interval=True, always=True),
    Column("cost a day", "cost_per_day", ".2f", interval=True, always=True),
    Column("regret a day", "regret_per_day", ".2f", interval=True, always=True),
    Column("% of the avoidable", "regret_percent", ".1f", interval=True, bar=True, always=True),
    Column("missing kWh a day", "missing_kwh_per_day", ".2f", always=True),
    Column("peak kW", "peak_kw", ".2f", always=True),
    Column("power charge a day", "power_per_day", ".2f"),
    Column("wear a day", "wear_per_day", ".2f"),
    Column("rank kept", "same_share", ".0%", always=True),
)


def plotly_js() -> str:
    """The source of plotly.js; call it before a long run, to know that it is there.

    Raises:
        ValueError: where the package plotly is missing.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ValueError(
            f"the report needs plotly ({error}); pip install 'ev-gym[report]'"
        ) from error
    return str(get_plotlyjs())


def write(comparison: Comparison, folder: Path) -> Path:
    """Write `report.html`: into it go `manifest.json` and the pictures that lie in the folder.

    Args:
        comparison: What a benchmark found.
        folder: Of its results.

    Returns:
        Path of the file.

    Raises:
        ValueError: where the package plotly is missing.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    source = plotly_js()
    environment = Environment(
        loader=PackageLoader("baselines.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    manifest = folder / "manifest.json"
    page = environment.get_template(TEMPLATE).render(
        title=title(comparison),
        parts=list(parts(comparison)),
        pictures=[
            (base64.b64encode((folder / name).read_bytes()).decode(), alt)
            for name, alt in PICTURES.items()
            if (folder / name).is_file()
        ],
        manifest=manifest.read_text(encoding="utf-8") if manifest.is_file() else None,
        plotly_js=source,
    )
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


def title(comparison: Comparison) -> str:
    """What was compared, in a line."""
    plan, count = comparison.plan, len(comparison.plan.policies)
    return (
        f"{count} charging {'policy' if count == 1 else 'policies'} on "
        f"{', '.join(scenario.name for scenario in plan.scenarios)}: "
        f"{len(plan.episodes)} episodes of {plan.days} days"
    )


def parts(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """What the page says of each scenario, and each split of it, in the summary's order."""
    from baselines.comparison.benchmark import panel

    key = ["scenario", "split"]
    summary = comparison.summary.merge(
        comparison.ranks.drop(columns="rank"), on=[*key, "policy"], validate="1:1"
    )
    for number, (names, own) in enumerate(summary.groupby(key, sort=False)):
        scenario, split = map(str, names)
        rows = own.sort_values("cost_per_day", kind="stable")
        paired, days = (
            frame[(frame["scenario"] == scenario) & (frame["split"] == split)]
            for frame in (comparison.paired, comparison.days)
        )
        yield {
            "id": f"part-{number}",
            "heading": panel(scenario, split),
            "findings": findings(rows),
            "currency": str(rows["currency"].iloc[0]),
            "table": table(rows),
            "money": money_figures(rows),
            "paired": paired_part(paired, rows),
            "worst": worst_part(days, rows, partial(comparison.steps, scenario, split)),
        }


def bound_of(rows: pd.DataFrame) -> float | None:
    """The mean lower bound a day, or None where none was computed."""
    return float(rows["bound_per_day"].iloc[0]) if known(rows, "bound_per_day") else None


def known(rows: pd.DataFrame, column: str) -> bool:
    """Whether the table has such a column, and a number in it."""
    return column in rows and bool(rows[column].notna().any())


def findings(rows: pd.DataFrame) -> str:
    """The result in sentences, from the rows of one scenario, the cheapest first."""
    first, bound = rows.iloc[0], bound_of(rows)
    costs = ", then ".join(
        f"{name} ({cost:.2f})"
        for name, cost in zip(rows["policy"][:3], rows["cost_per_day"][:3], strict=True)
    )
    sentences = [f"Cheapest: {costs} {first['currency']} a day."]
    if bound is not None:
        sentences.append(f"No policy can pay less than {bound:.2f} here: a proven bound.")
    free = rows.loc[rows["policy"] == REFERENCE, "cost_per_day"]
    if bound is not None and len(free):
        sentences.append(
            f"Charging without control pays {free.iloc[0]:.2f}, so at most "
            f"{free.iloc[0] - bound:.2f} can be avoided."
        )
    if first["seeds"] > 1 and not np.isnan(first["tau"]):
        sentences.append(
            f"The rankings of {first['seeds']} seeds agree with a Kendall's tau of "
            f"{first['tau']:.2f} on average and {first['tau_low']:.2f} at least; 1 is the same "
            "order."
        )
    return " ".join([*sentences, *caveats(rows)])


def table(rows: pd.DataFrame) -> dict[str, Any]:
    """Headings and cells of the table; of columns that say nothing in this scenario, none."""
    shown = [
        column
        for column in COLUMNS
        if known(rows, column.name) and (column.always or rows[column.name].any())
    ]
    lines = []
    for _, row in rows.iterrows():
        name = str(row["policy"])
        cells = [cell(column, row) for column in shown]
        lines.append({"name": name, "color": policy_color(name), "cells": cells})
    bound = bound_of(rows)
    return {
        "headings": [column.heading for column in shown],
        "rows": lines,
        "bound": None if bound is None else f"{bound:.2f}",
    }


def cell(column: Column, row: pd.Series[Any]) -> dict[str, Any]:
    """One cell: the number, its interval, and how much of the cell its bar fills (percent)."""
    value = float(row[column.name])
    shown = {"text": figure_text(value, column), "interval": "", "bar": None}
    ends = [f"{column.name}_low", f"{column.name}_high"]
    if column.interval and all(end in row for end in ends):
        shown["interval"] = " to ".join(figure_text(float(row[end]), column) for end in ends)
    if column.bar and not np.isnan(value):
        shown["bar"] = f"{min(max(value, 0.0), 100.0):.1f}"
    return shown


def figure_text(value: float, column: Column) -> str:
    """A number as the table shows it, without the sign of a zero; a dash for none."""
    if np.isnan(value):
        return "\u2013"
    text = f"{value:{column.form}}"
    return text if text.strip("-0.%") else text.removeprefix("-")


def money_figures(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Cost, and regret where there is a bound, as dots with intervals."""
    shown = [("cost_per_day", "cost", bound_of(rows))]
    if known(rows, "regret_per_day"):
        shown.append(("regret_per_day", "regret above the bound", None))
    return [
        {
            "figure": figures.money(rows, column, words, bound),
            "alt": f"{words} a day of each policy; the numbers are in the table",
            "caption": f"{words.capitalize()} a day with its 95 % interval.",
        }
        for column, words, bound in shown
    ]


def both_ways(paired: pd.DataFrame) -> pd.DataFrame:
    """Every ordered pair once, from every pair once."""
    import pandas as pd

    turned = paired.assign(
        policy=paired["other"],
        other=paired["policy"],
        difference_per_day=-paired["difference_per_day"],
        difference_per_day_low=-paired["difference_per_day_high"],
        difference_per_day_high=-paired["difference_per_day_low"],
    )
    return pd.concat([paired, turned], ignore_index=True)


def paired_part(paired: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any] | None:
    """The figure of paired differences, and the same numbers as a table; None without a pair."""
    if paired.empty:
        return None
    names, currency = [str(name) for name in rows["policy"]], str(rows["currency"].iloc[0])
    both = both_ways(paired)
    ends = ["difference_per_day", "difference_per_day_low", "difference_per_day_high"]
    pairs = zip(both["policy"], both["other"], both[ends].to_numpy(np.float64), strict=True)
    cells = {(policy, other): pair_cell(*found) for policy, other, found in pairs}
    return {
        "figure": figures.paired(both, names, currency),
        "alt": "Paired differences in cost a day with 95 % intervals; the numbers are in the table",
        "names": names,
        "chosen": names.index(yardstick(names)),
        "rows": [
            {"name": policy, "cells": [cells.get((policy, other)) for other in names]}
            for policy in names
        ],
    }


def pair_cell(middle: float, low: float, high: float) -> dict[str, Any]:
    """A difference, its interval, and whether that leaves out 0."""
    return {
        "text": f"{middle:+.2f}",
        "interval": f"{low:+.2f} to {high:+.2f}",
        "sure": low > 0.0 or high < 0.0,
    }


def worst_part(days: pd.DataFrame, rows: pd.DataFrame, steps: Steps) -> list[dict[str, Any]]:
    """Each policy's worst day beside the optimum's same day, the dearest policies last."""
    names, currency = [str(name) for name in rows["policy"]], str(rows["currency"].iloc[0])
    steps = lru_cache(maxsize=8)(steps)  # several policies often share a worst day
    found = worst_days(days, yardstick(names))
    return [
        worst_day(worst, steps, currency)
        for worst in sorted(found, key=lambda worst: names.index(worst.policy))
    ]


def worst_day(worst: WorstDay, steps: Steps, currency: str) -> dict[str, Any]:
    """The figure of one day and the words beneath it."""
    own, others = (
        day_steps(steps(policy, worst.seed, worst.household), worst.day)
        for policy in (worst.policy, worst.other)
    )
    return {
        "name": worst.policy,
        "other": worst.other,
        "color": policy_color(worst.policy),
        "heading": f"{worst.date}, seed {worst.seed}, household {worst.household}",
        "why": why(worst, account(own), account(others), currency),
        "figure": figures.day(worst, own, others, currency),
        "alt": f"Price, power and state of charge on {worst.date} under {worst.policy}, left, and "
        f"{worst.other}, right; the text says what differs",
    }
