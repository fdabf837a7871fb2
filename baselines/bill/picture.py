"""The picture of a bill: items month by month, and what each tariff and policy costs a year."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np

from baselines.bill.words import invoice_table
from baselines.bill.year import Outcome
from baselines.plot_style import name_rows, png

ITEM_COLORS = (
    *("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#882255"),
    *("#8C8C8C", "#C9C9C9", "#CC79A7", "#555555", "#F0E442", "#117733"),
)
WIDTH_IN, HEIGHT_IN, ROW_IN = 10.0, 2.6, 0.28
TITLE_WIDTH = 44  # letters of a line


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write the picture.

    Args:
        outcomes: Each tariff with each policy; the invoice shown is the first one's.
        path: Where the PNG goes.
    """
    first = outcomes[0]
    currency = first.scenario.currency
    table = invoice_table(first).iloc[:-1]
    labels = list(dict.fromkeys(outcome.label for outcome in outcomes))
    height_in = HEIGHT_IN + ROW_IN * len(outcomes) + 0.35 * len(labels)
    with png(path, WIDTH_IN, max(4.0, height_in)) as figure:
        cells = figure.add_gridspec(1, 2, width_ratios=[3, 2])
        left, right = figure.add_subfigure(cells[0]), figure.add_subfigure(cells[1])
        months = left.subplots()
        above, below = np.zeros(len(table)), np.zeros(len(table))
        for place, name in enumerate(table.columns[:-1]):
            amounts = table[name].to_numpy()
            bottom = np.where(amounts >= 0.0, above, below)
            color = ITEM_COLORS[place % len(ITEM_COLORS)]
            months.bar(table.index, amounts, bottom=bottom, color=color, label=name, width=0.8)
            above += np.maximum(amounts, 0.0)
            below += np.minimum(amounts, 0.0)
        months.axhline(0, color="#555555", lw=0.8)
        months.tick_params(axis="x", labelrotation=60)
        months.set_ylabel(f"{currency} a month")
        months.set_title(f"Invoices: {first.label}, {first.policy}")
        months.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=4, fontsize=8)
        panels = np.atleast_1d(right.subplots(len(labels), 1, sharex=True))
        for axes, label in zip(panels, labels, strict=True):
            own = [outcome for outcome in outcomes if outcome.label == label]
            names = [outcome.policy for outcome in own]
            paid = [outcome.paid for outcome in own]
            cars = [outcome.cars for outcome in own]
            rest = [all_in - of_cars for all_in, of_cars in zip(paid, cars, strict=True)]
            rows = range(len(own))
            axes.barh(rows, rest, color="#C9C9C9", label="house alone")
            axes.barh(rows, cars, left=rest, color="#333333", label="cars, with public chargers")
            for row, amount in zip(rows, paid, strict=True):
                axes.annotate(f" {amount:,.0f}", (amount, row), va="center", fontsize=8)
            name_rows(axes, names)
            axes.invert_yaxis()
            axes.margins(x=0.18)
            axes.set_title(fill(label, TITLE_WIDTH), fontsize=9)
        panels[-1].set_xlabel(f"{currency} in {len(table)} months")
        right.legend(*panels[-1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
