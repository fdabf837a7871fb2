"""The manifest of results, and whether a second run repeats them."""

from __future__ import annotations

import gzip
import hashlib
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from baselines.comparison import check, manifest
from baselines.comparison.plan import Plan
from ev_gym.scenario import Scenario, preset

TABLE = "policy,seed,cost\nmpc,1,12.345678\nrandom,1,0.5\n"
STEPS = "time,load_kw\n2022-01-01T00:00:00+01:00,1.25\n"


def plan(**changes: Any) -> Plan:
    return Plan((preset("stockholm"), preset("classic")), ("price_based",), (3, 4), 2, 5, **changes)


def described(**changes: Any) -> dict[str, Any]:
    return manifest.describe(plan(**changes).to_dict(), ["ev-gym", "benchmark"])


def results(folder: Path, table: str = TABLE, steps: str = STEPS, picture: bytes = b"P") -> None:
    """Results of a run, made up, into a folder."""
    (folder / "summary.csv").write_text(table)
    with gzip.GzipFile(folder / "steps.csv.gz", "wb", mtime=0) as file:
        file.write(steps.encode())
    (folder / "bills.png").write_bytes(picture)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with results and their manifest."""
    folder = tmp_path / "results"
    folder.mkdir()
    results(folder)
    manifest.write(folder, described(), sorted(folder.iterdir()))
    return folder


def again(**changes: Any) -> Callable[[dict[str, Any], Path], None]:
    return lambda found, folder: results(folder, **changes)


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_processor", lambda: "another processor")


def test_what_a_manifest_holds(written: Path) -> None:
    """The scenario and the plan as they were, versions, machine, command, and every file's hash."""
    found = manifest.read(written)
    assert Plan.from_dict(found["plan"]) == plan()
    scenarios = [Scenario.from_dict(scenario) for scenario in found["plan"]["scenarios"]]
    assert scenarios == [preset("stockholm"), preset("classic")]
    told = [found["plan"][key] for key in ("policies", "seeds", "households", "days", "split")]
    assert told == [["price_based"], [3, 4], 2, 5, None]
    assert found["command"] == ["ev-gym", "benchmark"]
    assert found["versions"]["python"] == platform.python_version()
    for package in ("ev-gym", "numpy", "numba", "pandas", "gymnasium", "orjson"):
        assert found["versions"][package] == version(package)
    assert found["machine"]["system"] == platform.platform()
    assert found["policy_sha256"] == {}
    assert found["results_sha256"] == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in written.iterdir()
        if path.name != "manifest.json"
    }
    assert len(found["results_sha256"]) == 3


def test_the_same_run_writes_the_same_manifest(written: Path) -> None:
    """No time stands in it."""
    first = (written / "manifest.json").read_bytes()
    (written / "manifest.json").unlink()
    manifest.write(written, described(), sorted(written.iterdir()))
    assert (written / "manifest.json").read_bytes() == first


def test_files_of_policies_are_named_by_what_they_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "manifested.py").write_text("def always(observation):\n    return 1.0\n")
    asked = {"policies": ["price_based", "manifested:always"]}
    first = manifest.describe(asked, [])
    digest = hashlib.sha256((tmp_path / "manifested.py").read_bytes()).hexdigest()
    assert first["policy_sha256"] == {"manifested:always": digest}
    (tmp_path / "manifested.py").write_text("def always(observation):\n    return 0.5\n")
    changes = manifest.changes(first, manifest.describe(asked, []))
    assert changes == ["the file of policy manifested:always has changed"]


def git(folder: Path, *words: str) -> str:
    names = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *names, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_revision_of_the_source_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit, whether there are changes; none for a package that lies in another's tree."""
    root = tmp_path / "source"
    root.mkdir()
    (root / "code.py").write_text("a = 1\n")
    git(root, "init", "--quiet")
    git(root, "add", "code.py")
    git(root, "commit", "--quiet", "-m", "first")
    monkeypatch.setattr(manifest, "_root", lambda: root)
    commit = git(root, "rev-parse", "HEAD")
    assert manifest.git_revision() == commit
    (root / "code.py").write_text("a = 2\n")
    assert manifest.git_revision() == f"{commit}-dirty"
    inside = root / "site-packages"
    inside.mkdir()
    monkeypatch.setattr(manifest, "_root", lambda: inside)
    assert manifest.git_revision() is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, r"holds no manifest.json; allowed: a folder that `ev-gym benchmark` wrote"),
        ("{", r"manifest.json is damaged: .*; allowed: a folder"),
        ("[]", r"manifest.json is not of format 1; allowed"),
        ({"format": 2}, r"manifest.json is not of format 1; allowed"),
        ({"plan": 3}, r"is damaged: plan is 3; allowed"),
        ({"plan": {}}, r"is damaged: the plan's policies are None; allowed"),
        ({"data_sha256": None}, r"is damaged: data_sha256 is None; allowed"),
        ({"results_sha256": None}, r"is damaged: results_sha256 is None; allowed"),
        ({"results_sha256": {"../secret": ""}}, r"'../secret' is no file of its folder"),
    ],
)
def test_a_damaged_manifest_is_refused(written: Path, change: Any, message: str) -> None:
    path = written / "manifest.json"
    if isinstance(change, dict):
        change = json.dumps({**json.loads(path.read_text()), **change})
    path.unlink()
    if change is not None:
        path.write_text(change)
    with pytest.raises(ValueError, match=message):
        check.check(written, again())


def test_equal_bytes_repeat(written: Path) -> None:
    """The new run is given the manifest, and an empty folder that is gone afterwards."""
    seen = []

    def rerun(found: dict[str, Any], folder: Path) -> None:
        seen.append((Plan.from_dict(found["plan"]), found["command"], list(folder.iterdir())))
        seen.append(folder)
        results(folder)
        manifest.write(folder, described(), [])

    before = {path: path.read_bytes() for path in written.iterdir()}
    outcome = check.check(written, rerun)
    assert seen[0] == (plan(), ["ev-gym", "benchmark"], [])
    assert not seen[1].exists()
    assert {path: path.read_bytes() for path in written.iterdir()} == before
    assert outcome.repeats
    assert {(found.name, found.repeats, found.words) for found in outcome.files} == {
        (name, True, "the same bytes") for name in ("summary.csv", "steps.csv.gz", "bills.png")
    }
    assert str(outcome).splitlines() == [
        "the same machine, versions and source: bytes are compared",
        "bills.png     the same bytes",
        "steps.csv.gz  the same bytes",
        "summary.csv   the same bytes",
        "every number repeats",
    ]


def one(outcome: check.Outcome, name: str = "summary.csv") -> check.Found:
    (found,) = [found for found in outcome.files if found.name == name]
    return found


def test_on_the_same_machine_the_last_digit_counts(written: Path) -> None:
    """In tables the first cell that differs is named with both values."""
    outcome = check.check(written, again(table=TABLE.replace("12.345678", "12.345678001")))
    assert one(outcome)[1:] == (
        False,
        "DIFFERS: line 2, column cost: was 12.345678, is 12.345678001",
    )
    assert not outcome.repeats
    assert str(outcome).endswith("NOT every number repeats")
    outcome = check.check(written, again(steps=STEPS.replace("1.25", "1.5")))
    assert one(outcome, "steps.csv.gz").words == (
        "DIFFERS: line 2, column load_kw: was 1.25, is 1.5"
    )
    outcome = check.check(written, again(picture=b"Q"))
    assert one(outcome, "bills.png")[1:] == (False, "DIFFERS in its bytes")
    assert not outcome.repeats


def test_elsewhere_numbers_count(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within 1e-9; pictures are not compared, texts are equal."""
    elsewhere(monkeypatch)
    outcome = check.check(
        written, again(table=TABLE.replace("12.345678", "12.345678001"), picture=b"Q")
    )
    assert outcome.repeats
    assert one(outcome)[1:] == (True, "the same within 1e-09")
    assert one(outcome, "steps.csv.gz")[1:] == (True, "the same bytes")
    assert one(outcome, "bills.png")[1:] == (None, "not compared")
    assert "  processor was " in str(outcome)
    assert ", is another processor" in str(outcome)
    for old, new in (("12.345678", "12.34568"), ("random", "randm"), ("1,0.5", "2,0.5")):
        outcome = check.check(written, again(table=TABLE.replace(old, new)))
        assert not outcome.repeats, new
        assert one(outcome).words.startswith("DIFFERS: line ")


@pytest.mark.parametrize("change", ["version", "source", "revision"])
def test_other_versions_are_elsewhere(
    written: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = TABLE.replace("12.345678", "12.345678001")
    assert not check.check(written, again(table=text)).repeats
    if change == "version":
        monkeypatch.setattr(platform, "python_version", lambda: "3.99")
    elif change == "source":
        monkeypatch.setattr(manifest, "source_digest", lambda: "0")
    else:
        monkeypatch.setattr(manifest, "git_revision", lambda: "0")
    assert check.check(written, again(table=text)).repeats


@pytest.mark.parametrize(
    ("a", "b", "near"),
    [
        ("0.345678901234", "0.345678901235", True),
        ("1234567890.123", "1234567890.4", True),  # 2e-10 of its size
        ("1234567890.1", "1234567895.1", False),
        ("0.12345678901", "0.12345678902", True),
        ("0.1234567", "0.1234569", False),
        ("1.4e-17", "0.0", True),
        ("0.5", "0.500001", False),
        ("-0.0", "0.0", True),
        ("1000000000000.0", "1000000000001.0", True),
        ("1000000000000", "1000000000001", False),  # whole numbers are names, such as seeds
        ("1", "1.0", False),
        ("", "0.0", False),
        ("nan", "1.0", False),
        ("abc", "abd", False),
    ],
)
def test_near_numbers(a: str, b: str, near: bool) -> None:
    assert check.close(a, b) is check.close(b, a) is near


def test_steps_may_be_rounded_to_the_other_side() -> None:
    assert check.close("0.5", "0.500001", check.ROUNDING)
    assert not check.close("0.5", "0.500002", check.ROUNDING)


def test_files_that_came_or_went(written: Path) -> None:
    def other_files(found: dict[str, Any], folder: Path) -> None:
        results(folder)
        (folder / "bills.png").unlink()
        (folder / "new.csv").write_text(TABLE)

    outcome = check.check(written, other_files)
    assert one(outcome, "bills.png").words == "DIFFERS: the new run did not write it"
    assert "the new run wrote it" in one(outcome, "new.csv").words
    (written / "bills.png").unlink()
    assert one(check.check(written, again()), "bills.png").words.endswith("missing in the folder")
    (written / "summary.csv").write_text(TABLE.replace("0.5", "0.6"))
    assert one(check.check(written, again())).words == (
        "DIFFERS: it was changed after it was written; line 3, column cost: was 0.6, is 0.5"
    )
    (written / "summary.csv").write_bytes(TABLE.replace("\n", "\r\n").encode())
    outcome = check.check(written, again())
    assert one(outcome)[1:] == (False, "DIFFERS: it was changed after it was written")


def test_files_of_another_run_are_told(written: Path) -> None:
    """Those whose names a run gives; a user's own are none of it."""
    (written / "notes.csv").write_text("mine")
    assert check.check(written, again()).repeats
    (written / "regret.png").write_bytes(b"old")
    outcome = check.check(written, again())
    assert not outcome.repeats
    assert one(outcome, "regret.png")[1:] == (
        False, "DIFFERS: it is not of this run, the manifest does not name it"
    )  # fmt: skip
    assert {found.name for found in outcome.files if found.repeats is False} == {"regret.png"}


def test_an_earlier_run_is_cleared_away(written: Path) -> None:
    """Its manifest and the files this names; without one that can be read nothing is removed."""
    (written / "notes.csv").write_text("mine")
    (written / "days.csv").write_text("not named")
    path = written / "manifest.json"
    text = path.read_text()
    path.write_text("{")
    before = {file.name for file in written.iterdir()}
    manifest.clear(written)
    assert {file.name for file in written.iterdir()} == before
    path.write_text(text)
    (written / "bills.png").unlink()
    manifest.clear(written)
    assert {file.name for file in written.iterdir()} == {"notes.csv", "days.csv"}


def test_lines_and_cells_that_came_or_went(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text(TABLE)
    for text, said in {
        TABLE + "mpc,2,1.0\n" * 3: "the longer one is 6 lines long",
        "policy,seed,cost\n": "the longer one was 3 lines long",
        TABLE.replace("mpc,1,12.345678", "mpc,1"): "line 2, column cost: was 12.345678, is None",
        TABLE.replace("0.5", "0.5,7"): "line 3, column number 4: was None, is 7",
        TABLE.replace("policy,", "name,"): "line 1, column policy: was policy, is name",
    }.items():
        new.write_text(text)
        for exact in (True, False):
            assert check.first_difference(old, new, exact) == said
    new.write_text(TABLE)
    assert check.first_difference(old, new, exact=True) is None


def test_equal_cells_in_other_bytes(written: Path) -> None:
    """On the same machine an archive of the same table must also be the same archive."""

    def rerun(found: dict[str, Any], folder: Path) -> None:
        results(folder)
        (folder / "steps.csv.gz").write_bytes(gzip.compress(STEPS.encode(), mtime=99))

    found = one(check.check(written, rerun), "steps.csv.gz")
    assert found[1:] == (False, "DIFFERS in its bytes, in no cell")
