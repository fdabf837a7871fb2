"""The README's table of bills, as the benchmark with its defaults finds them.

`python -m tests.support.readme_table` writes the table and the README's two pictures anew.
"""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
from pathlib import Path

from baselines.cli.commands import main as ev_gym_command
from tests.support.repository import ROOT

README = ROOT / "README.md"
ROWS = re.compile(r"(?:^\| `\w+` \| [\d.]+ \|.*\n)+", flags=re.MULTILINE)
IN_THE_WEEK = ("uncontrolled", "price_based", "peak_shaving", "mpc", "optimal")
UNKNOWN = "?"  # a cell of a run without the bound


def table_rows(summary: Path) -> dict[str, list[str]]:
    """By policy, the cells of its row in the README, from a benchmark's summary.csv."""
    with summary.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["policy"]: _cells(row) for row in rows}


def _cells(row: dict[str, str]) -> list[str]:
    figures = {name: float(value) for name, value in list(row.items())[5:] if value}
    low, high = figures["cost_low"], figures["cost_high"]
    regret = [UNKNOWN, UNKNOWN]
    if "regret" in figures:
        regret = [f"{figures['regret']:.2f}", f"{figures['regret_percent']:.0f}%"]
    terms = [f"{figures[term]:.2f}" for term in ("energy", "power", "wear", "missing")]
    return [
        f"`{row['policy']}`",
        f"{figures['cost']:.2f}",
        f"{low:.2f} to {high:.2f}",
        f"{figures['cost_per_year']:.0f}",
        *regret,
        *terms,
        f"{figures['missing_kwh']:.2f}",
        f"{figures['peak_kw']:.1f}",
    ]


def shown_rows() -> dict[str, list[str]]:
    """By policy, the cells of its row that the README shows."""
    (rows,) = ROWS.findall(README.read_text(encoding="utf-8"))
    cells = [line.strip("| ").split(" | ") for line in rows.splitlines()]
    return {row[0].strip("`"): row for row in cells}


def _benchmark(folder: str, *options: str) -> None:
    arguments = ["benchmark", "--quiet", "--no-steps", "--out", folder, *options]
    ev_gym_command(arguments, standalone_mode=False)


def main() -> None:
    """Run the benchmark and write what it found."""
    docs = ROOT / "docs"
    with tempfile.TemporaryDirectory() as folder:
        _benchmark(folder, *(f"--policy={name}" for name in IN_THE_WEEK), "--days=7", "--seed=4")
        shutil.copyfile(Path(folder) / "week.png", docs / "week.png")
    with tempfile.TemporaryDirectory() as folder:
        _benchmark(folder)
        found = table_rows(Path(folder) / "summary.csv").values()
        shutil.copyfile(Path(folder) / "bills.png", docs / "bills.png")
    lines = [f"| {' | '.join(row)} |\n" for row in sorted(found, key=lambda row: float(row[1]))]
    text, count = ROWS.subn(lambda _: "".join(lines), README.read_text(encoding="utf-8"))
    assert count == 1
    README.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
