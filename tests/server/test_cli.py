"""The command `ev-gym-server` as a program: what it prints, refuses, and how it stops."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from click.testing import CliRunner

import server.app
import server.cli
from server import create_app, serving
from server.config import Config
from server.http import observing
from server.serving import bind, is_loopback

SECRET = "correct-horse-7"
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@contextmanager
def program(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program, killed at the end if it still runs."""
    running = subprocess.Popen(
        [sys.executable, "-W", "error", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def until(running: subprocess.Popen[str], word: str) -> list[str]:
    """The lines that a program prints until one begins with a word."""
    assert running.stdout is not None
    told = []
    for line in running.stdout:
        told.append(line.rstrip())
        if line.startswith(word):
            return told
    raise AssertionError((told, running.stderr and running.stderr.read()))


def served(store: str, *options: str, **environment: str) -> Any:
    """The command on a free port."""
    return program("-m", "server.cli", "--port", "0", "--store", store, *options, **environment)


def ask(method: str, url: str, **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {SECRET}"}
    return requests.request(method, url, headers=headers, timeout=20, **more)


@POSIX
def test_starts_serves_and_stops_on_sigterm(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'a.db'}"
    create_app({"store": store}).extensions["ev_gym.store"].close()  # all is compiled
    with served(store, "--max-num-envs", "3", EV_GYM_TOKEN=SECRET) as running:
        began = time.monotonic()
        told = until(running, "ready")
        assert time.monotonic() - began < 10  # about 1 s on an idle machine
        names = dict(line.split(maxsplit=1) for line in told[:-1])
        assert list(names) == ["station", "sessions", "documents", "database"]
        assert names["database"] == store
        url = names["station"].rstrip("/")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert ask("GET", names["station"]).text == "9.26"
        assert ask("GET", names["documents"]).status_code == 200
        made = ask("POST", names["sessions"], json={"scenario": "classic", "num_envs": 3})
        assert made.status_code == 201
        assert "3" in ask("POST", names["sessions"], json={"num_envs": 4}).json()["detail"]
        assert requests.get(f"{url}/info?token={SECRET}", timeout=20).status_code == 401
        running.send_signal(signal.SIGTERM)
        out, log = running.communicate(timeout=20)
    assert (running.returncode, out) == (0, "stopped\n")
    asked = [json.loads(line) for line in log.splitlines()]
    assert [(line["path"], line["status"]) for line in asked[-3:]] == [
        ("/v1/envs", 201), ("/v1/envs", 422), ("/info", 401),
    ]  # fmt: skip
    assert SECRET not in log
    with sqlite3.connect(tmp_path / "a.db") as database:
        rows = database.execute("SELECT name FROM stations ORDER BY name DESC").fetchall()
    database.close()
    stations = [name.rpartition(" ")[0] for (name,) in rows]  # without the scenario's digits
    assert stations == ["default", url.removeprefix("http://")]
    assert not (tmp_path / "a.db-wal").exists()  # the store was closed


@POSIX
def test_own_settings_and_sigint(tmp_path: Path) -> None:
    """Also where its parent ignores SIGINT, as a shell does for what runs in the background."""
    (tmp_path / "mine.json").write_text('{"preset": "classic", "vehicles": [{"battery_kwh": 60}]}')
    options = ["--scenario", str(tmp_path / "mine.json"), "--policy", "uncontrolled",
               "--seconds-per-hour", "3600", "--cors-origin", "none", "--threads", "2"]  # fmt: skip
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        running = served(f"sqlite:///{tmp_path / 'b.db'}", *options)
        with running as program_:
            url = until(program_, "station")[-1].split()[1]
            until(program_, "ready")
            told = ask(
                "GET",
                f"{url}info",
            ).json()
            assert told["battery_max_capacity_kWh"] == 60
            assert told["ev_battery_charge_start_stopp"] is True
            page = requests.get(f"{url}info", headers={"Origin": "https://a.example"}, timeout=20)
            assert page.status_code == 403
            program_.send_signal(signal.SIGINT)
            out, log = program_.communicate(timeout=20)
    finally:
        signal.signal(signal.SIGINT, ignored)
    assert (program_.returncode, out) == (0, "stopped\n")
    assert "Traceback" not in log


# A route that takes half a second, and answers more than a socket's buffers hold.
SLOW = """
import time
from flask import Flask
from server.serving import bind, run_until_stopped, server_on
app = Flask("slow")
@app.get("/")
def slow():
    print("asked", flush=True)
    time.sleep(0.5)
    return b"x" * 50_000_000
listening = bind("127.0.0.1", 0)
server = server_on(app, listening, 2)
print(server.effective_port, flush=True)
run_until_stopped(server)
print("stopped", flush=True)
"""


@POSIX
def test_what_is_in_flight_is_answered(tmp_path: Path) -> None:
    with program("-c", SLOW) as running:
        port = int(until(running, "")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            idle = socket.create_connection(("127.0.0.1", port), timeout=20)
            until(running, "asked")
            running.send_signal(signal.SIGTERM)
            assert idle.recv(1) == b""  # closed, since it had asked for nothing
            idle.close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=20)
            answer = b"".join(iter(lambda: connection.recv(1 << 20), b""))
        out, log = running.communicate(timeout=20)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.partition(b"\r\n\r\n")[2] == b"x" * 50_000_000
    assert (running.returncode, out, log) == (0, "stopped\n", "")


# What it refuses, in one line.


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves this process's logging alone, and knows no token."""
    monkeypatch.setattr(observing, "log_to", lambda _: None)
    monkeypatch.delenv("EV_GYM_TOKEN", raising=False)


TWO_CARS = '{"vehicles": [{}, {}]}'


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--host 0.0.0.0", "lets other machines in; allowed with --token"),
        ("--host 192.0.2.1", "cannot serve on 192.0.2.1"),
        ("--host no.such.host.invalid", "cannot serve on no.such.host.invalid"),
        ("--token a --no-token", "token and no_token are given"),
        ("--token a --token-file b", "token and token_file are given"),
        ("--token-file absent/token", "token_file 'absent/token' cannot be read"),
        ("--token=", "token holds no token"),
        ("--scenario gotham", "unknown scenario 'gotham'; presets: "),
        ("--scenario two.json", "has 2 vehicles; allowed"),
        ("--policy wishful", "unknown policy 'wishful'"),
        ("--policy optimal", "policy 'optimal' needs to know the future; allowed for the charg"),
        ("--policy mpc", "policy 'mpc' needs what it saw before; allowed for the charging stati"),
        ("--seconds-per-hour 0.1", "0.1 is not in the range"),
        ("--port 65536", "65536 is not in the range"),
        ("--threads 0", "0 is not in the range"),
        ("--cors-origin school.example", "cors_origins has 'school.example'"),
        ("--store mysql://localhost/a", "allowed: sqlite:///FILE"),
        ("--store postgresql://me:hunter2@127.0.0.1:1/a", "me:***@127.0.0.1:1/a"),
    ],
)
def test_refused_in_one_line(
    options: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.json").write_text(TWO_CARS)
    settings = ["--port", "0", "--store", "sqlite:///a.db", *options.split()]
    done = CliRunner().invoke(server.cli.main, settings)
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit)
    assert told in done.output
    assert "hunter2" not in done.output
    assert done.output.splitlines()[-1].startswith("Error: ")


@pytest.mark.usefixtures("quiet")
def test_a_port_in_use() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(server.cli.main, ["--port", str(port)])
    assert done.exit_code == 1
    told = f"Error: cannot serve on 127.0.0.1, port {port}: the port is in use; another with --port"
    assert done.output.startswith(told)
    assert len(done.output.splitlines()) == 1


@pytest.mark.usefixtures("quiet")
def test_beyond_loopback_with_a_token_or_openly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what becomes of the other options."""
    seen: list[Config] = []
    monkeypatch.setattr(server.cli, "_serve", lambda _, threads, config, began: seen.append(config))
    (tmp_path / "token").write_text(SECRET)
    limits = "--max-body-mb 0.5 --max-num-envs 2 --max-days 3 --max-sessions 4 --idle-hours 0.5"
    for options in (
        "--no-token",
        f"--token {SECRET}",
        f"--token-file {tmp_path / 'token'}",
        limits,
    ):
        host = "127.0.0.1" if options == limits else "0.0.0.0"
        done = CliRunner().invoke(
            server.cli.main, ["--port", "0", "--host", host, *options.split()]
        )
        assert done.exit_code == 0, done.output
    assert [config.secret for config in seen] == [None, SECRET, SECRET, None]
    assert [config.no_token for config in seen] == [True, False, False, False]
    last = seen[-1]
    assert (last.max_body_bytes, last.max_num_envs, last.max_days) == (512 * 1024, 2, 3)
    assert (last.max_sessions, last.idle_s) == (4, 1800)
    first = seen[0]
    assert first == Config(scenario=first.scenario, no_token=True)  # the defaults are the same
    assert getattr(first.scenario, "name", None) == "classic"


@pytest.mark.usefixtures("quiet")
def test_the_databases_password_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_postgres(config: Config) -> Any:
        app = create_app(replace(config, store=f"sqlite:///{tmp_path / 'a.db'}"))
        app.extensions["ev_gym.store"].url = sa.make_url("postgresql://me:hunter2@host/db")
        return app

    monkeypatch.setattr(server.app, "create_app", on_postgres)
    monkeypatch.setattr(serving, "run_until_stopped", serving.drain)
    done = CliRunner().invoke(server.cli.main, ["--port", "0"])
    assert done.exit_code == 0, done.output
    assert re.search(r"^database +postgresql://me:\*\*\*@host/db$", done.output, re.MULTILINE)


def test_which_addresses_are_loopback() -> None:
    found = {}
    for host in ("127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0"):
        with bind(host, 0) as listening:
            found[host] = is_loopback(listening)
    assert found == {"127.0.0.1": True, "localhost": True, "127.0.0.2": True, "0.0.0.0": False}
