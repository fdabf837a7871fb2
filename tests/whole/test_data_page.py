"""docs/data.md: its files are read by the parts beside them, and its commands run."""

from __future__ import annotations

import json
import re
import shlex
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from baselines.cli.commands import main
from ev_gym.scenario import Data, Scenario
from ev_gym.scenario.parameters import override
from ev_gym.series.file_report import report
from tests.support.repository import ROOT

PAGE = (ROOT / "docs/data.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"`([\w-]+\.csv)`:\n\n```\n(.*?)```\n\n```json\n(.*?)```", PAGE, re.DOTALL)

# Of each file and part: start of the first interval in UTC, its length in minutes, first values.
EXPECTED: dict[tuple[str, str], tuple[str, int, list[float]]] = {
    ("meter.csv", "load"): ("2024-10-20T22:00", 15, [0.412] * 4 + [0.395] * 4),
    ("prices.csv", "price"): ("2025-09-30T22:00", 15, [0.30482, 0.28125]),
    ("entsoe.csv", "price"): ("2024-01-14T23:00", 60, [0.05812, 0.0554]),
    ("elhub.csv", "load"): ("2023-12-31T23:00", 15, [0.816] * 4 + [2.108] * 4),
    ("lastgang.csv", "load"): ("2023-12-31T23:00", 15, [0.34, 0.448]),
    ("fluvius.csv", "load"): ("2024-01-15T05:30", 15, [0.22, 0.244, 0.56]),
    ("open-meteo.csv", "temperature"): ("2024-06-01T10:00", 60, [14.2, 15.1]),
    ("open-meteo.csv", "sun"): ("2024-06-01T09:00", 60, [612.0, 655.0]),
    ("pvgis.csv", "temperature"): ("2023-06-01T10:00", 60, [14.9, 15.6]),
    ("pvgis.csv", "sun"): ("2023-06-01T10:00", 60, [598.0, 634.0]),
}


def read_example(folder: Path, name: str, text: str, part: str, options: Any) -> Any:
    (folder / name).write_text(text, encoding="utf-8")
    data = override(Data(), {part: options}, "data")
    file = data.origin(part)
    return report(
        override(file, {"path": str(folder / name)}, "file"),
        "irradiance" if part == "sun" else part,
        "Europe/Stockholm",
    )


def test_every_example_is_tested() -> None:
    shown = {(name, part) for name, _, parts in EXAMPLES for part in json.loads(parts)}
    assert shown == set(EXPECTED)


@pytest.mark.parametrize(("name", "text", "parts"), EXAMPLES, ids=[name for name, *_ in EXAMPLES])
def test_examples(tmp_path: Path, name: str, text: str, parts: str) -> None:
    for part, options in json.loads(parts).items():
        start, minutes, values = EXPECTED[name, part]
        found = read_example(tmp_path, name, text, part, options)
        assert f"{datetime.fromtimestamp(found.start_s, timezone.utc):%Y-%m-%dT%H:%M}" == start
        assert found.step_s == 60 * minutes
        first = next(iter(found.columns.values()))
        assert first[: len(values)].tolist() == pytest.approx(values, rel=1e-12)


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text, _ in EXAMPLES:
        Path(name).write_text(text, encoding="utf-8")
    commands = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert commands
    for line in "".join(commands).splitlines():
        program, *arguments = shlex.split(line)
        assert program == "ev-gym"
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        assert "Förbrukning (kWh), with a decimal comma" in result.output


def test_the_scenario_of_the_page_is_one() -> None:
    text = PAGE.split("## Into a scenario")[1].split("```json\n")[1].split("```")[0]
    scenario = Scenario.from_dict(json.loads(text))
    assert scenario.data.own_parts == ("price", "load")
