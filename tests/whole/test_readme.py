"""Everything in the README runs, and its pages say what the code says."""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from baselines.cli.commands import main
from baselines.comparison import benchmark
from baselines.comparison.plan import PLANNERS, default_policies
from ev_gym.reference import markdown
from ev_gym.scenario import preset
from tests.support.readme_table import UNKNOWN, shown_rows, table_rows
from tests.support.real_server import serving
from tests.support.repository import ROOT

DEFAULT_URL = "http://127.0.0.1:5000"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = "https://github.com/ev-gym/ev-gym/blob/main/"
PICTURES = "https://raw.githubusercontent.com/ev-gym/ev-gym/main/"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


(LEARNING_BLOCK,) = [block for block in blocks("sh") if block.startswith("ev-gym train")]
LEARNING = [shlex.split(line)[1:] for line in LEARNING_BLOCK.splitlines()]
SHORT = ["--households", "1", "--days", "1", "--no-bound", "--no-steps", "--quiet"]


def test_python_blocks_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One after the other, as a reader would type them into one session, with a server running."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    assert len(blocks("python")) >= 9
    with serving(tmp_path) as url:
        for block in blocks("python"):
            if not block.rstrip().endswith(".run()"):
                exec(compile(block.replace(DEFAULT_URL, url), "README.md", "exec"), names)
    out = capsys.readouterr().out
    assert "hour_sin  sine of the local time of day" in out
    assert "'ev_battery_charge_start_stopp': True" in out


def test_the_server_from_python_serves(tmp_path: Path) -> None:
    """The block that does not end by itself, in a process of its own."""
    (block,) = [block for block in blocks("python") if block.rstrip().endswith(".run()")]
    port = free_port()
    home = {"XDG_DATA_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    code = block.replace("5000", str(port))
    with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **home}) as server:
        try:
            assert answer_of(f"http://127.0.0.1:{port}/charge") == "20.0"
        finally:
            server.kill()


def test_two_commands_start_the_server_and_drive_it_to_the_three_files(tmp_path: Path) -> None:
    """The server's and the client's, on another port and database than a reader's own."""
    (block,) = [block for block in blocks("sh") if block.startswith("ev-gym-server")]
    serve, drive = (shlex.split(line)[1:] for line in block.splitlines())
    port = free_port()
    store = f"sqlite:///{tmp_path / 'server.db'}"
    serve = ["-m", "server.cli", *serve, "--port", str(port), "--store", store]
    command = [sys.executable, *serve]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        try:
            answer_of(f"http://127.0.0.1:{port}/charge")
            out = str(tmp_path / "night")
            drive = [*drive[:-1], out, "--url", f"http://127.0.0.1:{port}"]
            result = CliRunner().invoke(main, drive)
        finally:
            server.terminate()
    assert result.exit_code == 0, result.output
    assert "charging cost 14.9665 SEK" in result.output
    names = {"battery_log.csv", "charging_log.txt", "battery_plot.png"}
    assert {path.name for path in Path(out).iterdir()} == names


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


def answer_of(url: str) -> str:
    """What a server answers once it serves."""
    until = time.monotonic() + 60
    while True:
        try:
            return requests.get(url, timeout=30).text
        except requests.ConnectionError:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_ev_gym_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("ev-gym ")]
    commands = [command for command in commands if command not in LEARNING]
    known = {"scenarios", "run", "benchmark", "drive", "bill"}
    assert {command[0] for command in commands} == known
    for command in commands:
        if command[0] == "drive":
            continue  # needs a server: the test above has one
        if command[0] == "bill":
            command += ["--months", "1"]  # of twelve, for the sake of time
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
    assert (tmp_path / "run" / "battery_log.csv").exists()
    assert (tmp_path / "compared" / "summary.csv").exists()
    assert (tmp_path / "bill" / "invoices.csv").exists()


def test_the_commands_that_learn_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped at once; the benchmark of what they leave is shortened."""
    missing = [name for name in ("torch", "cma") if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("EV_GYM_REQUIRE_LEARN") != "1":
        pytest.skip(f"needs {', '.join(missing)}: pip install 'ev-gym[learn]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benchmark, "_write_pictures", lambda *_: [])  # other tests draw them
    assert [command[0] for command in LEARNING] == ["train", "train", "benchmark"]
    for command in LEARNING:
        shorter = ["--minutes", "0.0001"] if command[0] == "train" else SHORT
        result = CliRunner().invoke(main, [*command, *shorter])
        assert result.exit_code == 0, result.output
    summary = (tmp_path / "learned" / "summary.csv").read_text(encoding="utf-8")
    assert "trained/agent.npz" in summary
    assert "tuned/agent.npz" in summary


def test_the_two_commands_stand_where_ci_finds_them() -> None:
    commands = re.findall(r"^python3 -m venv \.venv && .*$", README, flags=re.MULTILINE)
    assert [command.split(" && ")[1:] for command in commands] == [
        [".venv/bin/pip install .", ".venv/bin/ev-gym benchmark"],
        [".venv/bin/pip install '.[test]'", ".venv/bin/pytest -n 2"],
    ]


def test_links_and_pictures_exist_and_work_outside_the_repository() -> None:
    """PyPI shows the README without the files beside it, so every address is absolute."""
    pictures = re.findall(r"^!\[.+\]\((.+)\)$", README, flags=re.MULTILINE)
    pages = dict(re.findall(r"^\[(.+)\]: (.+)$", README, flags=re.MULTILINE))
    assert len(pictures) == 2
    assert len(pages) >= 9
    assert set(re.findall(r"\[([\w./]+\.(?:md|cff))\](?!:)", README)) <= set(pages)
    assert not re.findall(r"\]\((?!https://)", README)
    targets = [address.removeprefix(PICTURES) for address in pictures]
    targets += [address.removeprefix(PAGES) for address in pages.values()]
    for target in targets:
        assert (ROOT / target).is_file(), target


def test_public_names_of_the_page_exist() -> None:
    """What `docs/compatibility.md` promises in Python: modules, and names in them."""
    page = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`((?:ev_gym|baselines|server)\.\w+)`", page)) - {"ev_gym.policies"}
    assert len(names) >= 13
    for name in names:
        pkgutil.resolve_name(name)


def test_reference_page_is_what_the_tables_say() -> None:
    """Renew it with `python -m ev_gym.reference > docs/reference.md`."""
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == markdown()


@pytest.mark.parametrize("everything", [False, True], ids=["rules", "all"])
def test_the_table_of_the_readme_is_what_the_benchmark_prints(
    everything: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The README's bills against a benchmark run with its defaults, to the last digit shown.

    `python -m tests.support.readme_table` writes them anew. Every run compares the rules; the
    planners, and the regret against the bound, take about a minute and are compared only where
    EV_GYM_REQUIRE_TABLE is set.
    """
    if everything and not os.environ.get("EV_GYM_REQUIRE_TABLE"):
        pytest.skip("takes about a minute; EV_GYM_REQUIRE_TABLE=1 runs it")
    monkeypatch.setattr(benchmark, "_write_pictures", lambda *_: [])  # other tests draw them
    command = ["benchmark", "--quiet", "--no-steps", "--out", str(tmp_path)]
    shown = shown_rows()
    names = [name for name in shown if everything or name not in PLANNERS]
    command += [part for name in names for part in ("--policy", name)]
    command += [] if everything else ["--no-bound"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert set(shown) == set(default_policies((preset("stockholm"),)))
    found = table_rows(tmp_path / "summary.csv")
    assert set(found) == set(names)
    for name, cells in found.items():
        known = [(cell, mine) for cell, mine in zip(cells, shown[name], strict=True)
                 if cell != UNKNOWN]  # fmt: skip
        assert [cell for cell, _ in known] == [mine for _, mine in known]


def test_the_scenario_on_own_files_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The JSON of the README, with two files of three weeks beside it."""
    hours = [f"2024-01-{1 + h // 24:02d} {h % 24:02d}:00" for h in range(21 * 24)]
    prices = ["time,price_sek_per_kwh", *(f"{hour}+01:00,0.5" for hour in hours)]
    meter = ["Meter 735999", "", "Datum;Uttag (kWh)", *(f"{hour};0,5" for hour in hours)]
    for name, lines in (("prices", prices), ("meter", meter)):
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (block,) = blocks("json")
    (tmp_path / "mine.json").write_text(block)
    monkeypatch.delenv("EV_GYM_DATA", raising=False)
    arguments = ["run", "--scenario", str(tmp_path / "mine.json"), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    log = (tmp_path / "run" / "battery_log.csv").read_text().splitlines()
    row = dict(zip(log[0].split(","), log[1].split(","), strict=True))
    assert float(row["load_kw"]) == 0.5
    assert float(row["price_per_kwh"]) == pytest.approx((0.5 + 0.428 + 0.05) * 1.25)  # tax of 2024
