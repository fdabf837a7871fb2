"""A folder of results is of one run and of one set of series."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from baselines.cli.commands import main
from baselines.comparison import benchmark, manifest
from baselines.comparison.plan import Plan
from ev_gym.scenario import preset
from ev_gym.series.of_scenario import dataset_of


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take a second and more."""
    monkeypatch.setattr(benchmark, "_write_pictures", lambda *_: [])


def test_the_series_are_named_by_what_they_hold() -> None:
    """Of each scenario, all worlds of a split; those of a server are not known here."""
    asked = Plan((preset("stockholm"), preset("classic")), ("price_based",))
    found = manifest.describe(asked.to_dict(), [])
    assert found["data_sha256"] == {
        name: dataset_of(preset(name)).fingerprint for name in ("stockholm", "classic")
    }
    assert manifest.describe(replace(asked, url="http://house").to_dict(), [])["data_sha256"] == {}
    worlds = [dataset_of(preset("stockholm"), world).fingerprint for world in range(101, 105)]
    assert manifest.describe(replace(asked, split="test").to_dict(), [])["data_sha256"] == {
        "stockholm": hashlib.sha256(" ".join(worlds).encode()).hexdigest(),
        "classic": found["data_sha256"]["classic"],
    }
    later = json.loads(json.dumps(found))
    later["data_sha256"]["classic"] = "0"
    assert manifest.changes(found, later) == ["the series of classic are others"]
    assert manifest.changes(found, found) == []


def write_series(path: Path, column: str, rise: float) -> str:
    """A week of hours from a Monday on, which repeat each day."""
    values = [f"2024-01-{1 + h // 24:02}T{h % 24:02}:00,{1 + rise * (h % 24)}" for h in range(168)]
    path.write_text("\n".join([f"time,{column}", *values]) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.usefixtures("no_pictures")
def test_other_series_are_other_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of other prices are not resumed, and a check names them as the reason."""
    prices, out, own = tmp_path / "price.csv", tmp_path / "there", tmp_path / "own.json"
    data = {"source": "files", "temperature_c": 7.0, "stamp_zone": "Europe/Stockholm",
            "price_file": write_series(prices, "price_sek_per_kwh", 0.1),
            "load_file": write_series(tmp_path / "load.csv", "load_kw", 0.0),
            "start": None, "weeks": None}  # fmt: skip
    own.write_text(json.dumps({"name": "mine", "data": data}))
    arguments = ["benchmark", "--scenario", str(own), "--days", "1", "--households", "2", "--quiet",
                 "--no-bound", "--policy", "load_based"]  # fmt: skip
    with monkeypatch.context() as stopped:  # after the last task
        stopped.setattr(benchmark, "write", lambda *_: 1 / 0)
        assert CliRunner().invoke(main, [*arguments, "--out", str(out)]).exit_code != 0
    assert (out / "parts").exists()
    write_series(prices, "price_sek_per_kwh", 0.2)
    for folder in (out, tmp_path / "fresh"):
        result = CliRunner().invoke(main, [*arguments, "--out", str(folder), "--resume"])
        assert result.exit_code == 0, result.output
    resumed = (out / "episodes.csv").read_bytes()
    assert resumed == (tmp_path / "fresh" / "episodes.csv").read_bytes()
    check = ["benchmark", "--check", str(out), "--quiet"]
    result = CliRunner().invoke(main, check)
    assert result.exit_code == 0, result.output
    write_series(prices, "price_sek_per_kwh", 0.1)
    result = CliRunner().invoke(main, check)
    assert result.exit_code == 1
    assert "\n  the series of mine are others\n" in result.output


@pytest.mark.usefixtures("no_pictures")
def test_nothing_of_an_earlier_run_stays(tmp_path: Path) -> None:
    """Steps that the new run does not write; a user's own file is left alone."""
    arguments = ["benchmark", "--scenario", "classic", "--days", "1", "--households", "2",
                 "--no-bound", "--quiet", "--policy", "load_based", "--out",
                 str(tmp_path)]  # fmt: skip
    (tmp_path / "notes.csv").write_text("mine")
    for steps in ("--steps", "--no-steps"):
        assert CliRunner().invoke(main, [*arguments, steps]).exit_code == 0
        assert (tmp_path / "steps.csv.gz").exists() == (steps == "--steps")
    assert (tmp_path / "notes.csv").read_text() == "mine"
    check = ["benchmark", "--check", str(tmp_path), "--quiet"]
    assert CliRunner().invoke(main, check).exit_code == 0
    (tmp_path / "steps.csv.gz").write_bytes(b"old")
    result = CliRunner().invoke(main, check)
    assert result.exit_code == 1
    assert "steps.csv.gz  DIFFERS: it is not of this run" in result.output
