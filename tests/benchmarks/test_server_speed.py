"""`pytest tests/benchmarks`: the server against a plain Flask route on the same WSGI server.

Each in a process of its own, asked in turn by one light client; medians of several rounds.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import ev_gym  # noqa: F401  # registers the env
from tests.benchmarks.http_load import Connection, latencies, message, plain, resident_kib, station

Report = Callable[[str], None]
REQUESTS = 400
ROUNDS = 9


def _seconds(connection: Connection, request: bytes, times: int = REQUESTS) -> float:
    began = time.perf_counter()
    for _ in range(times):
        connection.ask(request)
    return time.perf_counter() - began


def _ratio(ours: tuple[Connection, bytes], theirs: tuple[Connection, bytes]) -> float:
    """Requests per second of ours over theirs, taken in turn."""
    pairs = [(_seconds(*ours), _seconds(*theirs)) for _ in range(ROUNDS + 1)][1:]
    return statistics.median(other / own for own, other in pairs)


def _percentiles(seconds: list[float]) -> str:
    p50, p99 = np.quantile(seconds, (0.5, 0.99)) * 1000
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"


def _session(connection: Connection, **asked: Any) -> tuple[str, dict[str, Any]]:
    """A new session that has been reset: its path, and its answer to one step."""
    made = connection.ask_json("POST", "/v1/envs", {"scenario": "stockholm", **asked})
    path = f"/v1/envs/{made['id']}"
    connection.ask_json("POST", f"{path}/reset", {"seed": 0})
    rows = asked.get("num_envs")
    action = [0.5] if rows is None else [[0.5]] * rows
    return path, connection.ask_json("POST", f"{path}/step", {"action": action})


def test_step_of_one_env(tmp_path: Path, report: Report) -> None:
    """`/v1/.../step` in JSON, each step committed: at least 0.5 of a plain route."""
    body = json.dumps({"action": [0.5]}).encode()
    with station(tmp_path) as (_, address), Connection(address) as connection:
        path, answer = _session(connection)
        step = message("POST", f"{path}/step", body)
        with plain(answer) as other, Connection(other) as there_too:
            there = message("POST", "/plain", body)
            ratio = _ratio((connection, step), (there_too, there))
            report(f"/v1 step, one client: {ratio:.2f} of a plain Flask route")
            for name, target, request in (("step", address, step), ("plain", other, there)):
                report(f"  {name}, 1 client: {_percentiles(latencies(target, [request], 1000))}")
            requests = [message("POST", f"{_session(connection)[0]}/step", body) for _ in range(32)]
            began = time.perf_counter()
            ours = latencies(address, requests, 50)
            between = time.perf_counter()
            theirs = latencies(other, [there] * 32, 50)
            busy = (time.perf_counter() - between) / (between - began)
            report(f"  step, 32 clients on 32 sessions: {_percentiles(ours)}")
            report(f"  plain, 32 clients: {_percentiles(theirs)}; ratio {busy:.2f}")
    assert ratio >= 0.5


def test_info_of_the_station(tmp_path: Path, report: Report) -> None:
    """The classic `/info`: at least 0.8 of a plain route with an answer of the same size."""
    with station(tmp_path) as (_, address), Connection(address) as connection:
        info = message("GET", "/info")
        answer = json.loads(connection.ask(info))
        with plain(answer) as other, Connection(other) as there_too:
            there = message("POST", "/plain", b'{"charging": "on"}')
            ratio = _ratio((connection, info), (there_too, there))
            report(f"/info, one client: {ratio:.2f} of a plain Flask route that parses JSON")
            report(f"  1 client: {_percentiles(latencies(address, [info], 1000))}")
            report(f"  32 clients: {_percentiles(latencies(address, [info] * 32, 50))}")
    assert ratio >= 0.8


def _local_with_encoding(rows: int) -> Callable[[], float]:
    """Seconds of a step of the local vector env and of writing its answer as arrays."""
    from server.v1 import step_codec
    from server.v1.step_answer import Answer

    env: Any = gym.make_vec(
        "EVCharging-v0", num_envs=rows, vectorization_mode="vector_entry_point"
    ).unwrapped
    env.reset(seed=0)
    action = np.full((rows, 1), 0.5, np.float32)
    settlement, masks = np.zeros(rows), np.empty((rows, 0), np.bool_)

    def measure() -> float:
        began = time.perf_counter()
        env.step(action)
        out = env.outputs
        step_codec.to_npy(
            Answer(
                index=1,
                is_step=True,
                observations=out.observations,
                rewards=out.rewards,
                truncated=out.truncated,
                settlement=settlement,
                results=out.results,
                vehicle_results=out.vehicle_results,
                action_masks=masks,
                last_step=None,
            )
        )
        return time.perf_counter() - began

    return measure


def test_vector_session_in_binary(tmp_path: Path, report: Report) -> None:
    """1,024 rows as arrays: 500,000 household-steps a second, or half of local plus encoding."""
    rows, media = 1024, "application/x-npy"
    written = io.BytesIO()
    np.save(written, np.full((rows, 1), 0.5, np.float32))
    local = _local_with_encoding(rows)
    with station(tmp_path) as (_, address), Connection(address) as connection:
        path, _ = _session(connection, num_envs=rows)
        step = message("POST", f"{path}/step", written.getvalue(), media, media)
        rounds = []
        for _ in range(ROUNDS + 1):
            own = statistics.median(local() for _ in range(100))
            rounds.append((_seconds(connection, step, 100) / 100, own))
    remote_s = statistics.median(remote for remote, _ in rounds[1:])
    ratio = statistics.median(own / remote for remote, own in rounds[1:])
    report(
        f"vector session of {rows} rows: {rows / remote_s:,.0f} household-steps a second, "
        f"{ratio:.2f} of the local env plus encoding"
    )
    assert rows / remote_s >= 500_000 or ratio >= 0.5


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_after_100_000_steps(tmp_path: Path, report: Report) -> None:
    """Flat: after 100,000 steps of a session not a twentieth more than after 10,000."""
    with station(tmp_path) as (program, address), Connection(address) as connection:
        path, _ = _session(connection)
        step = message("POST", f"{path}/step", b'{"action": [0.5]}')
        _seconds(connection, step, 10_000)
        before = resident_kib(program)
        _seconds(connection, step, 90_000)
        after = resident_kib(program)
        size = (tmp_path / "server.db").stat().st_size
    report(
        f"memory: {before / 1024:.0f} MiB after 10,000 steps, {after / 1024:.0f} MiB after "
        f"100,000; database {size / 2**20:.1f} MiB"
    )
    assert after < 1.05 * before


def test_ready_in_two_seconds(tmp_path: Path, report: Report) -> None:
    """From the start of the process to the address on the terminal, once compiled."""
    taken = []
    for _ in range(6):
        began = time.perf_counter()
        with station(tmp_path) as (_, address), Connection(address) as connection:
            taken.append(time.perf_counter() - began)
            connection.ask(message("GET", "/info"))
    seconds = statistics.median(taken[1:])
    report(f"ready after {seconds:.2f} s")
    assert seconds < 2.0
