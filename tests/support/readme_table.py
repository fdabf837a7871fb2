"""The README's table of bills, as the benchmark with its defaults finds them.

`python -m tests.support.readme_table` writes the table and docs/bills.png anew.
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
UNKNOWN = "?"  # a cell of a run without the bound


def table_rows(summary: Path) -> dict[str, list[str]]:
    """By policy, the cells of its row in the README, from a benchmark's summary.csv."""
    with summary.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["policy"]: _cells(row) for row in rows}


def _cells(row: dict[str, str]) -> list[str]:
    figures = {name: float(value) for name, value in list(row.items())[4:] if value}
    low, high = figures["cost_per_day_low"], figures["cost_per_day_high"]
    regret = [UNKNOWN, UNKNOWN]
    if "regret_per_day" in figures:
        regret = [f"{figures['regret_per_day']:.2f}", f"{figures['regret_percent']:.0f}%"]
    terms = [f"{figures[f'{term}_per_day']:.2f}" for term in ("energy", "power", "wear", "missing")]
    return [
        f"`{row['policy']}`",
        f"{figures['cost_per_day']:.2f}",
        f"{low:.2f} to {high:.2f}",
        *regret,
        *terms,
        f"{figures['missing_kwh_per_day']:.2f}",
        f"{figures['peak_kw']:.1f}",
    ]


def shown_rows() -> dict[str, list[str]]:
    """By policy, the cells of its row that the README shows."""
    (rows,) = ROWS.findall(README.read_text(encoding="utf-8"))
    cells = [line.strip("| ").split(" | ") for line in rows.splitlines()]
    return {row[0].strip("`"): row for row in cells}


def main() -> None:
    """Run the benchmark and write what it found."""
    with tempfile.TemporaryDirectory() as folder:
        ev_gym_command(
            ["benchmark", "--quiet", "--no-steps", "--out", folder], standalone_mode=False
        )
        found = table_rows(Path(folder) / "summary.csv").values()
        shutil.copyfile(Path(folder) / "bills.png", ROOT / "docs" / "bills.png")
    lines = [f"| {' | '.join(row)} |\n" for row in sorted(found, key=lambda row: float(row[1]))]
    text, count = ROWS.subn(lambda _: "".join(lines), README.read_text(encoding="utf-8"))
    assert count == 1
    README.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
