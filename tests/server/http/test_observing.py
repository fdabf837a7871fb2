"""The log, `/health` and `/metrics` of a real server."""

from __future__ import annotations

import io
import json
import logging
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from server import create_app
from server.http import observing
from server.http.observing import STREAMS, JsonLines
from tests.support.real_server import FakeClock, serving

SECRET = "correct-horse-7"
WITH_TOKEN = {"Authorization": f"Bearer {SECRET}"}


def ask(method: str, url: str, **more: Any) -> requests.Response:
    return requests.request(method, url, headers=WITH_TOKEN, timeout=20, **more)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the server logs of requests."""
    stream = io.StringIO()
    monkeypatch.setattr(observing, "STREAMS", [stream])
    return stream


def lines(stream: io.StringIO, count: int) -> list[dict[str, Any]]:
    """The first lines of a log; a streamed answer's comes a moment after its end."""
    for _ in range(200):
        if stream.getvalue().count("\n") >= count:
            break
        time.sleep(0.01)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def samples(url: str) -> dict[tuple[Any, ...], float]:
    """The metrics: a value by name and labels in the order of their names."""
    answer = ask("GET", f"{url}/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_line_of_json_for_each_request(tmp_path: Path, logged: io.StringIO) -> None:
    before = datetime.now(timezone.utc)
    with serving(tmp_path, token=SECRET, max_body_bytes=1000) as url:
        sizes = [len(ask("GET", f"{url}/info?token={SECRET}").content)]
        ask("HEAD", f"{url}/info")
        sizes += [0, len(ask("GET", f"{url}/a%0Ab/{'x' * 1000}").content)]
        sizes += [len(requests.get(f"{url}/info", timeout=20).content)]
        sizes += [len(ask("POST", f"{url}/charge", data=b"x" * 1001).content)]
        told = lines(logged, 5)
    assert SECRET not in logged.getvalue()
    assert [(line["method"], line["path"][:8], line["status"]) for line in told] == [
        ("GET", "/info", 200), ("HEAD", "/info", 200), ("GET", "/a\nb/xxx", 404),
        ("GET", "/info", 401), ("POST", "/charge", 413),
    ]  # fmt: skip
    assert [line["bytes"] for line in told] == sizes
    assert len(told[2]["path"]) == 300
    for line in told:
        assert list(line) == ["time", "method", "path", "status", "duration_ms", "bytes", "client"]
        assert line["client"] == "127.0.0.1"
        assert 0 <= line["duration_ms"] < 10_000
        when = datetime.fromisoformat(line["time"])
        assert before.timestamp() - 0.001 <= when.timestamp() <= time.time()
        assert when.utcoffset() is not None


def test_a_streamed_answer_is_logged_when_it_has_been_sent(
    tmp_path: Path, logged: io.StringIO
) -> None:
    with serving(tmp_path, token=SECRET) as url:
        made = ask("POST", f"{url}/v1/envs", json={"scenario": "classic", "num_envs": 40}).json()
        session = f"{url}/v1/envs/{made['id']}"
        ask("POST", f"{session}/reset")
        for _ in range(5):
            ask("POST", f"{session}/step", json={"action": [[1.0]] * 40})
        size = len(ask("GET", f"{session}/steps.csv").content)
        last = lines(logged, 8)[-1]
    assert size > 40 * 5 * 50
    assert (last["path"][-10:], last["status"], last["bytes"]) == ("/steps.csv", 200, size)
    assert last["duration_ms"] > 0


def test_without_a_log_nothing_is_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """An app in somebody else's process leaves logging to that process."""
    with serving(tmp_path) as url:
        requests.get(f"{url}/info", timeout=20)
    assert capfd.readouterr() == ("", "")
    assert not STREAMS
    assert not logging.getLogger("server").handlers


def test_a_log_that_cannot_be_written_fails_no_request(tmp_path: Path, logged: io.StringIO) -> None:
    logged.close()
    with serving(tmp_path) as url:
        assert requests.get(f"{url}/info", timeout=20).status_code == 200


def test_other_messages_and_traces_are_lines_too() -> None:
    logger, stream = logging.Logger("server.errors"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger.addHandler(handler)
    try:
        raise RuntimeError("two\nlines")
    except RuntimeError:
        logger.exception("%s broke", "it")
    told = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert [told["level"], told["logger"], told["message"]] == [
        "ERROR",
        "server.errors",
        "it broke",
    ]
    assert told["trace"].startswith("Traceback")
    assert told["trace"].endswith("RuntimeError: two\nlines")


def test_metrics_count_what_happened(tmp_path: Path) -> None:
    clock = FakeClock()
    with serving(tmp_path, token=SECRET, clock=clock, seconds_per_hour=4) as url:
        begun = samples(url)
        assert begun["ev_gym_steps_total", "v1"] == begun["ev_gym_steps_total", "classic"] == 0
        assert begun["ev_gym_sessions",] == 0
        bodies = [{"num_envs": 7}, {}]
        paths = []
        for body in bodies:
            made = ask("POST", f"{url}/v1/envs", json={"scenario": "classic", **body}).json()
            paths.append(f"{url}/v1/envs/{made['id']}")
            ask("POST", f"{paths[-1]}/reset")
        step = {"action": [[0.0]] * 7, "index": 1}
        answers = [ask("POST", f"{paths[0]}/step", json=step).content for _ in range(3)]
        assert answers == answers[:1] * 3  # one step, and two lost answers
        ask("POST", f"{paths[1]}/step", json={"action": [1.0]})
        assert ask("POST", f"{paths[1]}/step", json={"action": [3.0]}).status_code == 422
        clock.pass_s(10)
        ask("GET", f"{url}/info")
        ask("GET", f"{url}//info")
        ask("DELETE", paths[1])
        requests.get(f"{url}/info", timeout=20)
        for junk in ("/a", "/b", "/v1/envs/x/y"):
            ask("GET", url + junk)
        ask("BREW", f"{url}/info")
        found = samples(url)
    assert found["ev_gym_steps_total", "v1"] == 7 + 1
    assert found["ev_gym_steps_total", "classic"] == 10
    assert found["ev_gym_sessions",] == 1
    requested = {
        key[1:]: value for key, value in found.items() if key[0] == "ev_gym_requests_total"
    }
    assert requested == {
        ("GET", "/metrics", "200"): 1,
        ("POST", "/v1/envs", "201"): 2,
        ("POST", "/v1/envs/<id>/reset", "200"): 2,
        ("POST", "/v1/envs/<id>/step", "200"): 4,
        ("POST", "/v1/envs/<id>/step", "422"): 1,
        ("GET", "/info", "200"): 2,
        ("GET", "/info", "401"): 1,
        ("DELETE", "/v1/envs/<id>", "204"): 1,
        ("GET", "unknown", "404"): 3,
        ("other", "unknown", "405"): 1,
    }
    spent = "ev_gym_request_duration_seconds"
    assert found[f"{spent}_count", "POST", "/v1/envs/<id>/step"] == 5
    assert 0 < found[f"{spent}_sum", "POST", "/v1/envs/<id>/step"] < 10
    assert found[f"{spent}_bucket", "10.0", "POST", "/v1/envs/<id>/step"] == 5


def test_each_app_counts_its_own(tmp_path: Path) -> None:
    stores = [f"sqlite:///{tmp_path / name}" for name in ("a.db", "b.db")]
    apps = [create_app({"store": store}) for store in stores]
    for app, times in zip(apps, (3, 1), strict=True):
        client = app.test_client()
        for _ in range(times):
            client.get("/health")
        text = client.get("/metrics").text
        assert (
            f'ev_gym_requests_total{{method="GET",route="/health",status="200"}} {times}.0' in text
        )
        app.extensions["ev_gym.store"].close()


def test_health_is_that_of_the_database(tmp_path: Path) -> None:
    app = create_app({"store": f"sqlite:///{tmp_path / 'a.db'}", "token": SECRET})
    client, store = app.test_client(), app.extensions["ev_gym.store"]
    answer = client.get("/health")
    assert (answer.status_code, answer.json["status"]) == (200, "ok")
    assert answer.json["version"].startswith("0.1")
    with store.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE stations"))
    answer = client.get("/health")
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
    assert "database" in answer.json["detail"]
    store.close()
