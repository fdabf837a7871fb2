"""Ageing against the package it restates, and what the estimates of the pack's heat are worth."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from ev_gym.physics import thermal
from tests.support.ageing_profiles import (
    BLAST,
    LIVES,
    ORDER,
    STEP_H,
    TARGETS,
    daily_cycle,
    health_after,
    life,
)
from tests.validation.sensitivity import heat_table
from tests.validation.writing import table

TEMPERATURES_C = (10.0, 25.0)
NAMES = {
    "nmc622": "NMC622 (DENSO 50 Ah)",
    "lfp": "LFP (250 Ah)",
    "nca": "NCA (Panasonic 3 Ah)",
    "nmc111": "NMC111 (Sanyo 2 Ah)",
}
# Output of `python -m tests.validation.compare_with_blast`, which needs an environment of its own.
YEAR_FILE = Path(__file__).with_name("compare_with_blast.txt")


def _pair(published: float, ours: float, digits: int) -> str:
    gap = f"{ours - published:+.{digits + 1}f}"
    return f"{published:.{digits}f} / {ours:.{digits}f} ({gap})"


def targets_table() -> str:
    """Capacity left after a year of one full daily cycle: the 32 published figures and ours."""
    rows = []
    for (low, high), cells in TARGETS.items():
        for place, temperature_c in enumerate(TEMPERATURES_C):
            row = [f"{100 * low:.0f} to {100 * high:.0f} %", f"{temperature_c:.0f}"]
            for cell, published in zip(ORDER, cells, strict=True):
                ours = health_after(cell, 1.0, *daily_cycle(low, high, temperature_c))
                row.append(_pair(published[place], ours, 3))
            rows.append(row)
    return table(["SoC band", "deg C", *NAMES.values()], rows)


def lives_table() -> str:
    """Capacity left after a year of eight irregular lives: the package's figure and ours."""
    rows = []
    for name in LIVES:
        soc, pack_c = life(name)
        row = [name.replace("_", " ")]
        for cell, published in zip(ORDER, BLAST[name], strict=True):
            row.append(_pair(published, health_after(cell, STEP_H, soc, pack_c), 4))
        rows.append(row)
    return table(["life", *NAMES.values()], rows)


def policy_year() -> str:
    """The recorded comparison over a year of a real policy."""
    date, *lines = YEAR_FILE.read_text(encoding="utf-8").splitlines()
    rows = []
    for line in lines:
        if line.startswith("price_based"):
            _, cell, rest = line.split(maxsplit=2)
            rows.append([NAMES[cell], *rest.rsplit(maxsplit=3)])
    head = ["price_based on stockholm, 365 days", "asked", "BLAST-Lite", "ours", "difference"]
    return (
        f"Run on {date}.\n\n{table(head, rows, left=2)}\n"
        f"Over this year and the eight lives: {lines[-1]}.\n"
    )


def sensitivity_table() -> str:
    """A year of two cars with each estimate of the pack's heat halved and doubled."""
    rows = []
    for name, own in groupby(heat_table(), key=lambda row: row.life):
        for row in own:
            what = "as they are" if row.estimate == "none" else f"{row.estimate} x {row.factor:g}"
            cells = [f"{row.mean_c:.2f}", f"{row.hottest_k:.1f}"]
            for cell in ORDER[:3]:
                more = "" if row.estimate == "none" else f" ({100 * row.more[cell]:+.3f})"
                cells.append(f"{100 * row.lost[cell]:.3f}{more}")
            rows.append([name, what, *cells])
    head = ["life", "estimates", "mean pack deg C", "most above air (K)"]
    head += [f"lost, {NAMES[cell]} (%)" for cell in ORDER[:3]]
    return table(head, rows, left=2)


def estimates() -> str:
    """The estimates, read from the code."""
    capacity_kj = thermal.CAPACITY_PER_KWH * 3600.0
    return (
        f"Heat capacity {capacity_kj:.2g} kJ/K per kWh of battery, time constant "
        f"{thermal.TAU_H:g} h; {100 * thermal.HEAT_SHARE:g} % of the losses heat the pack.\n"
    )
