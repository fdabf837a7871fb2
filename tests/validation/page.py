"""The page's parts, and how it is put together."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from string import Template

from tests.validation import batteries, models, series, sessions

TEMPLATE = Path(__file__).with_name("page.md")
# Parts that need no measured series and take seconds together.
QUICK: dict[str, Callable[[], str]] = {
    "losses": models.losses,
    "ranges": models.ranges,
    "bills": models.bills,
    "classic": models.classic,
    "trips": models.trips,
    "roofs": models.roofs,
    "yields": models.yields,
    "targets": batteries.targets_table,
    "lives": batteries.lives_table,
    "policy_year": batteries.policy_year,
    "estimates": batteries.estimates,
    "sensitivity": batteries.sensitivity_table,
    "worlds": series.worlds_table,
    "prices": series.price_table,
    "quarters": series.quarter_table,
    "temperatures": series.temperature_table,
    "loads": series.load_table,
    "skies": series.sky_table,
    "sessions": sessions.pooled_table,
    "drivers": sessions.drivers_table,
}


def measured_parts(folder: Path, docs: Path) -> dict[str, str]:
    """Parts that need the measured series, or minutes; draws the pictures."""
    from tests.validation import cold, limit, ranking, series_plots, wants

    os.environ["EV_GYM_DATA"] = str(folder)  # where stockholm-measured finds its files
    shown = series_plots.pictures(folder, docs)
    return {
        **{f"measured_{name}": text for name, text in shown.items()},
        "measured_worlds": series_plots.years_table(folder),
        "measured_sessions": sessions.measured_section(folder, docs),
        "cold": cold.section(),
        "held_out": sessions.held_out_section(folder),
        "wants": wants.section(),
        "limit": limit.section(docs),
        "ranking": ranking.section(docs),
    }


def render(parts: dict[str, str]) -> str:
    """The page: the template with each part between two comments."""
    marked = {
        name: f"<!-- begin {name} -->\n\n{text.strip()}\n\n<!-- end {name} -->"
        for name, text in parts.items()
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(marked)


def parts_of(page: str) -> dict[str, str]:
    """The parts of a page that `render` made."""
    found = re.findall(r"<!-- begin (\w+) -->\n\n(.*?)\n\n<!-- end \1 -->", page, flags=re.DOTALL)
    return dict(found)
