"""Real servers: one that is killed again and again, and several workers on one database."""

from __future__ import annotations

import itertools
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from server.v1.replayed_env import Spec
from tests.support.session_twins import HOME, Twin

SERVE = """
import sys
import server.v1.sessions
from server import create_app
from server.serving import make_server
server.v1.sessions.SNAPSHOT_EVERY = 100
serving = make_server(create_app({"store": sys.argv[1]}), "127.0.0.1", int(sys.argv[2]))
print(serving.effective_port, flush=True)
serving.run()
"""
LONGEST_S = 60


class Killable:
    """A server process that can be killed, and started again on the same port."""

    def __init__(self, store: str) -> None:
        self.store, self.port = store, 0
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", SERVE, self.store, str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        too_long = threading.Timer(LONGEST_S, self.process.kill)
        too_long.start()
        self.port = int(self.process.stdout.readline())
        too_long.cancel()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


def plain(value: Any) -> Any:
    """What a local env returned as JSON's plain values."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def ask(http: requests.Session, url: str, body: dict[str, Any]) -> dict[str, Any]:
    """Post until there is an answer; the index in the body makes a repeated request safe."""
    until = time.monotonic() + LONGEST_S
    while True:
        try:
            response = http.post(url, json=body, timeout=10)
        except (requests.ConnectionError, requests.Timeout):
            assert time.monotonic() < until, "the server does not come back"
            time.sleep(0.02)
            continue
        assert response.status_code in (200, 201), response.text
        answer: dict[str, Any] = response.json()
        return answer


def drive(
    url: str, spec: Spec, made: dict[str, Any], over: threading.Event, done: list[Any]
) -> None:
    """Reset and step a session until it is over; `done` takes each action and its answer."""
    with requests.Session() as http:
        name = ask(http, f"{url}/v1/envs", {"seed": spec.seed, **made})["id"]
        home = f"{url}/v1/envs/{name}"
        for index in itertools.count():
            action = [round(index % 11 / 10, 1)]
            if spec.num_envs is not None:
                action = [action] * spec.num_envs  # type: ignore[list-item]  # a row each
            if index % 400 == 0:
                done.append((None, ask(http, f"{home}/reset", {"index": index})))
            else:
                body = {"action": action, "index": index}
                done.append((action, ask(http, f"{home}/step", body)))
            if over.is_set():
                break
        state = http.get(home, timeout=30).json()
        assert state["index"] == len(done)
        assert state["last"] == done[-1][1]


def check(done: list[Any], spec: Spec) -> None:
    """Every answer is, number for number, what a local env gives that nobody interrupted."""
    twin = Twin(spec)
    many = "" if spec.num_envs is None else "s"
    for index, (action, answer) in enumerate(done):
        if action is None:
            observations, infos = twin.reset()
            expected = {f"observation{many}": observations, f"info{many}": infos}
        else:
            observations, rewards, terminated, truncated, infos = twin.step(action)
            expected = {
                f"observation{many}": observations,
                f"reward{many}": rewards,
                "terminated": terminated,
                "truncated": truncated,
                f"info{many}": infos,
            }
        assert answer == {"index": index + 1, **plain(expected)}


def test_killed_server_goes_on(tmp_path: Path) -> None:
    """Killed at any moment, while two clients step one household and three."""
    server = Killable(f"sqlite:///{tmp_path / 'server.db'}")
    url, over, choice = f"http://127.0.0.1:{server.port}", threading.Event(), random.Random(5)
    made = {"scenario": HOME.to_dict()}
    specs = [Spec(HOME, seed=3), Spec(HOME, 3, seed=4)]
    lives: list[list[Any]] = [[], []]
    try:
        with ThreadPoolExecutor(2) as pool:
            jobs = [
                pool.submit(drive, url, spec, {**made, "num_envs": spec.num_envs}, over, done)
                for spec, done in zip(specs, lives, strict=True)
            ]
            try:
                for _ in range(2):
                    goal = len(lives[0]) + choice.randint(50, 250)
                    while len(lives[0]) < goal and not any(job.done() for job in jobs):
                        time.sleep(choice.uniform(0.0, 0.01))
                    server.kill()
                    server.start()
            finally:
                over.set()
            for job in jobs:
                job.result()
    finally:
        server.kill()
    for spec, done in zip(specs, lives, strict=True):
        check(done, spec)


@contextmanager
def gunicorn(store: str, folder: Path) -> Iterator[str]:
    """Two worker processes on one database; the address."""
    log = folder / "log"
    command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--threads", "2"]
    command += ["--bind", "127.0.0.1:0", "--log-file", str(log), "--worker-tmp-dir", str(folder)]
    command += ["--access-logfile", str(folder / "pids"), "--access-logformat", "%(p)s"]
    app = f"server:create_app({{'store': {store!r}}})"
    process = subprocess.Popen([*command, app])
    until = time.monotonic() + LONGEST_S
    try:
        while True:
            text = log.read_text(encoding="utf-8") if log.exists() else ""
            found = re.search(r"Listening at: (\S+)", text)
            if found and text.count("Booting worker") >= 2:
                break
            assert process.poll() is None, text
            assert time.monotonic() < until, text
            time.sleep(0.02)
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LONGEST_S)


def contend(home: str, thread: int, count: int) -> dict[int, Any]:
    """Step a session that others step too, until `count` steps were ours: answers by index."""
    won: dict[int, Any] = {}
    index, action = 1, [thread / 4 + 0.2]
    while len(won) < count:
        body = {"action": action, "index": index}
        # A connection for each request, so that any worker may get it.
        response = requests.post(f"{home}/step", json=body, timeout=30)
        answer = response.json()
        if response.status_code == 409:
            assert str(answer["index"]) in answer["detail"]
        else:
            assert response.status_code == 200, response.text
            assert answer["index"] == index + 1
            won[index] = (action, answer)
        index = answer["index"]
    return won


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_workers_share_sessions(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    """Two clients contend for one session, two others have one each; nothing is done twice."""
    pytest.importorskip("gunicorn")
    if kind == "postgresql":
        store = request.getfixturevalue("postgres_database")()
    else:
        store = f"sqlite:///{tmp_path / 'server.db'}"
    spec = Spec(HOME, seed=8)
    with gunicorn(store, tmp_path) as url, ThreadPoolExecutor(4) as pool:
        homes = []
        for _ in range(3):
            made = {"scenario": HOME.to_dict(), "seed": 8}
            answer = requests.post(f"{url}/v1/envs", json=made, timeout=30)
            homes.append(url + answer.headers["Location"])
        began = [requests.post(f"{home}/reset", json={}, timeout=30).json() for home in homes]
        jobs = [
            pool.submit(contend, homes[place], thread, 20)
            for thread, place in enumerate((0, 0, 1, 2))
        ]
        each = [job.result() for job in jobs]
        lists = [
            requests.get(f"{home}/steps?limit=1000", timeout=30).json()["steps"] for home in homes
        ]
    assert len(set((tmp_path / "pids").read_text(encoding="utf-8").split())) == 2
    for first, steps, won in zip(
        began, lists, ([each[0], each[1]], [each[2]], [each[3]]), strict=True
    ):
        indices = sorted(itertools.chain(*won))
        assert indices == list(range(1, len(indices) + 1))
        assert [step["index"] for step in steps] == indices
        done = [(None, first)]
        done += [next(own[index] for own in won if index in own) for index in indices]
        check(done, spec)
