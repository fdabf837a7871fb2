"""A comparison as one HTML file that opens without a network: table, figures, worst days, manifest.

plotly.js stands in the file once, so that a reader can zoom: about 4.8 MB, most of the file, since
the Python package has no smaller bundle. A content security policy in the page forbids the browser
to fetch anything. The same comparison gives the same bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from baselines.comparison import manifest
from baselines.comparison.benchmark import Comparison, cell_text, panel
from baselines.comparison.statistics import BEST, REFERENCE, caveats, unknown_width
from baselines.plot_style import policy_color
from baselines.report import figures
from baselines.report.worst_days import WorstDay, account, day_steps, why, worst_days, yardstick

if TYPE_CHECKING:
    import pandas as pd

    from baselines.comparison.plan import Plan

    Steps = Callable[[str, int, int], pd.DataFrame]  # of a policy, seed and household

TEMPLATE = "report.html.jinja"
# Pictures of the benchmark that the page shows where they lie beside it: file, what one sees in it.
PICTURE_TEXTS = {
    "bills.png": "Cost of charging under each policy, as bars stacked by term of the bill",
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
    always: bool = False  # also shown where it is zero under every policy


COLUMNS = (
    Column("rank", "rank", ".0f", interval=True, always=True),
    Column("cost", "cost", ".2f", interval=True, always=True),
    Column("regret", "regret", ".2f", interval=True, always=True),
    Column("% of the avoidable", "regret_percent", ".1f", interval=True, bar=True, always=True),
    Column("missing kWh", "missing_kwh", ".2f", always=True),
    Column("peak kW", "peak_kw", ".2f", always=True),
    Column("power charge", "power", ".2f"),
    Column("wear", "wear", ".2f"),
    Column("CO2 g", "co2_g", ".0f"),
    Column("rank kept", "same_share", ".0%", always=True),
)


def plotly_js() -> str:
    """The source of plotly.js; to be called before a long run too, lest it is missing afterwards.

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
    """Write `report.html`; it includes `manifest.json` and pictures where these lie in the folder.

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
    manifest_path = folder / manifest.NAME
    page = environment.get_template(TEMPLATE).render(
        title=title(comparison),
        parts=list(parts(comparison)),
        pictures=[
            (base64.b64encode((folder / name).read_bytes()).decode(), alt)
            for name, alt in PICTURE_TEXTS.items()
            if (folder / name).is_file()
        ],
        manifest=(manifest_path.read_text(encoding="utf-8") if manifest_path.is_file() else None),
        plotly_js=source,
    )
    path = folder / manifest.REPORT
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


def title(comparison: Comparison) -> str:
    """What was compared, in a line."""
    plan, count = comparison.plan, len(comparison.plan.policies)
    return (
        f"{count} charging {'policy' if count == 1 else 'policies'} on "
        f"{', '.join(scenario.name for scenario in plan.scenarios)}: "
        f"{len(plan.episodes)} episodes of {_lengths(plan)}"
    )


def _lengths(plan: Plan) -> str:
    """How long the episodes of a plan are, in words."""
    words = dict.fromkeys(
        "a calendar month" if scenario.by_month else f"{scenario.days} days"
        for scenario in plan.horizons
    )
    return ", ".join(words)


def parts(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """What the page says of each scenario and split, in the summary's order."""
    key = ["scenario", "split"]
    summary = comparison.summary.merge(
        comparison.ranks.drop(columns="rank"), on=[*key, "policy"], validate="1:1"
    )
    for number, (names, group) in enumerate(summary.groupby(key, sort=False)):
        scenario, split = map(str, names)
        rows = group.sort_values("cost", kind="stable")
        paired, days = (
            frame[(frame["scenario"] == scenario) & (frame["split"] == split)]
            for frame in (comparison.paired, comparison.days)
        )
        yield {
            "id": f"part-{number}",
            "heading": panel(scenario, split),
            "findings": findings(rows),
            "unit": unit_of(rows),
            "table": table(rows),
            "money": money_figures(rows),
            "paired": paired_part(paired, rows),
            "worst": worst_part(days, rows, partial(comparison.steps, scenario, split)),
        }


def unit_of(rows: pd.DataFrame) -> str:
    """What the figures of money are in, such as "SEK a month"."""
    return f"{rows['currency'].iloc[0]} a {rows['per'].iloc[0]}"


def bound_of(rows: pd.DataFrame) -> float | None:
    """The mean lower bound, or None where none was computed."""
    return float(rows["bound"].iloc[0]) if has_numbers(rows, "bound") else None


def has_numbers(rows: pd.DataFrame, column: str) -> bool:
    """Whether the table has such a column with a number in it."""
    return column in rows and bool(rows[column].notna().any())


def findings(rows: pd.DataFrame) -> str:
    """The result in sentences, from the rows of one scenario, the cheapest first."""
    first, bound = rows.iloc[0], bound_of(rows)
    costs = ", then ".join(
        f"{name} ({cost:.2f})"
        for name, cost in zip(rows["policy"][:3], rows["cost"][:3], strict=True)
    )
    sentences = [f"Cheapest: {costs} {unit_of(rows)}."]
    if bound is not None:
        sentences.append(f"No policy can pay less than {bound:.2f} here: a proven bound.")
    reference = rows.loc[rows["policy"] == REFERENCE, "cost"]
    if bound is not None and len(reference):
        sentences.append(
            f"Charging without control pays {reference.iloc[0]:.2f}, so at most "
            f"{reference.iloc[0] - bound:.2f} can be avoided."
        )
    if first["seeds"] > 1 and not np.isnan(first["tau"]):
        sentences.append(
            f"The rankings of {first['seeds']} seeds agree with a Kendall's tau of "
            f"{first['tau']:.2f} on average and {first['tau_low']:.2f} at least; 1 is the same "
            "order."
        )
    return " ".join([*sentences, *caveats(rows)])


def table(rows: pd.DataFrame) -> dict[str, Any]:
    """Headings and cells of the table, without columns that say nothing in this scenario."""
    columns = [
        column
        for column in COLUMNS
        if has_numbers(rows, column.name) and (column.always or rows[column.name].any())
    ]
    lines = []
    for _, row in rows.iterrows():
        name = str(row["policy"])
        cells = [cell(column, row) for column in columns]
        lines.append({"name": name, "color": policy_color(name), "cells": cells})
    bound = bound_of(rows)
    return {
        "headings": [column.heading for column in columns],
        "rows": lines,
        "bound": None if bound is None else f"{bound:.2f}",
    }


def cell(column: Column, row: pd.Series[Any]) -> dict[str, Any]:
    """One cell: the number, its interval, and how much of the cell its bar fills (percent)."""
    value = float(row[column.name])
    interval, bar = "", None
    ends = [f"{column.name}_low", f"{column.name}_high"]
    if column.interval and all(end in row for end in ends):
        interval = " to ".join(figure_text(float(row[end]), column) for end in ends)
    if column.bar and not np.isnan(value):
        bar = f"{min(max(value, 0.0), 100.0):.1f}"
    return {"text": figure_text(value, column), "interval": interval, "bar": bar}


def figure_text(value: float, column: Column) -> str:
    """A number as the table shows it; a dash for none."""
    return cell_text(value, column.form, missing="\u2013")


def money_figures(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Cost, and regret where there is a bound, as dots with intervals."""
    money: list[tuple[str, str, float | None, float | None, str]] = [
        ("cost", "cost", bound_of(rows), None, "")
    ]
    if has_numbers(rows, "regret"):
        width = unknown_width(rows)
        more = "" if width is None else f" Shaded: what is not known, as far as {BEST} comes."
        money.append(("regret", "regret above the bound", None, width, more))
    return [
        {
            "figure": figures.money(rows, column, words, bound, width),
            "alt": f"{words} of each policy; the numbers are in the table",
            "caption": f"{words.capitalize()} in {unit_of(rows)}, with its 95 % interval.{more}",
        }
        for column, words, bound, width, more in money
    ]


def both_ways(paired: pd.DataFrame) -> pd.DataFrame:
    """Paired differences in both directions, from those in one."""
    import pandas as pd

    opposite = paired.assign(
        policy=paired["other"],
        other=paired["policy"],
        difference=-paired["difference"],
        difference_low=-paired["difference_high"],
        difference_high=-paired["difference_low"],
    )
    return pd.concat([paired, opposite], ignore_index=True)


def paired_part(paired: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any] | None:
    """The figure of paired differences, and the same numbers as a table; None without a pair."""
    if paired.empty:
        return None
    names = [str(name) for name in rows["policy"]]
    both = both_ways(paired)
    ends = ["difference", "difference_low", "difference_high"]
    pairs = zip(both["policy"], both["other"], both[ends].to_numpy(np.float64), strict=True)
    cells = {(policy, other): pair_cell(*numbers) for policy, other, numbers in pairs}
    return {
        "figure": figures.paired(both, names, unit_of(rows)),
        "alt": "Paired differences in cost with 95 % intervals; the numbers are in the table",
        "names": names,
        "chosen": names.index(yardstick(names)),
        "rows": [
            {"name": policy, "cells": [cells.get((policy, other)) for other in names]}
            for policy in names
        ],
    }


def pair_cell(middle: float, low: float, high: float) -> dict[str, Any]:
    """A difference, its interval, and whether 0 lies outside that."""
    return {
        "text": f"{middle:+.2f}",
        "interval": f"{low:+.2f} to {high:+.2f}",
        "sure": low > 0.0 or high < 0.0,
    }


def worst_part(days: pd.DataFrame, rows: pd.DataFrame, steps: Steps) -> list[dict[str, Any]]:
    """Each policy's worst day beside the same day under the optimum, the dearest policies last."""
    names, currency = [str(name) for name in rows["policy"]], str(rows["currency"].iloc[0])
    steps = lru_cache(maxsize=8)(steps)  # several policies often share a worst day
    worst = worst_days(days, yardstick(names))
    return [
        worst_day(day, steps, currency)
        for day in sorted(worst, key=lambda day: names.index(day.policy))
    ]


def worst_day(worst: WorstDay, steps: Steps, currency: str) -> dict[str, Any]:
    """The figure of one day and the words beneath it."""
    of_policy, of_other = (
        day_steps(steps(policy, worst.seed, worst.household), worst.first_h, worst.hours)
        for policy in (worst.policy, worst.other)
    )
    return {
        "name": worst.policy,
        "other": worst.other,
        "color": policy_color(worst.policy),
        "heading": f"{worst.date}, seed {worst.seed}, household {worst.household}",
        "why": why(worst, account(of_policy), account(of_other), currency),
        "figure": figures.day(worst, of_policy, of_other, currency),
        "alt": f"Price, power and state of charge on {worst.date} under {worst.policy}, left, and "
        f"{worst.other}, right; the text says what differs",
    }
