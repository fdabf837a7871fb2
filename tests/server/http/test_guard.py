"""Who gets in, pages of other origins, how much a request may carry; on real servers."""

from __future__ import annotations

import hmac
import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from server import Config, create_app
from server.config import ConfigError, as_config
from server.http import problems
from server.http.problems import Problem
from tests.support.real_server import serving

SECRET = "correct-horse-7"
PAGE = {"Origin": "https://school.example"}
ASKS = {**PAGE, "Access-Control-Request-Method": "POST"}
PROBLEM = "application/problem+json"
MOST = 10_000  # bytes


def ask(method: str, url: str, headers: Any = None, **more: Any) -> requests.Response:
    return requests.request(method, url, headers=headers, timeout=20, allow_redirects=False, **more)


def refused(answer: requests.Response, status: int) -> str:
    """The detail of a problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == PROBLEM
    told = answer.json()
    assert told["status"] == status
    assert "Traceback" not in answer.text
    return str(told["detail"])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text(f"{SECRET}\n")
    with serving(folder, token_file=folder / "token", seconds_per_hour=3600) as url:
        yield url


@pytest.fixture(scope="module")
def open_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("open")
    with serving(folder, max_body_bytes=MOST, seconds_per_hour=3600) as url:
        yield url


# The token.


def test_every_route_but_health_needs_the_token(guarded: str, tmp_path: Path) -> None:
    app = create_app({"store": f"sqlite:///{tmp_path / 'other.db'}"})
    app.extensions["ev_gym.store"].close()
    routes = {
        (method, re.sub("<.*?>", "x", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    for path in ("/info", "/charge", "/log.csv", "/plot.png", "/metrics", "/docs/openapi.json"):
        assert ("GET", path) in routes
    for method, path in [
        *sorted(routes),
        ("GET", "/nowhere"),
        ("POST", "/info"),
        ("GET", "//info"),
    ]:
        answer = ask(method, guarded + path)
        if path == "/health" and method != "OPTIONS":
            assert answer.status_code == 200
            continue
        if path == "/health":
            continue
        assert answer.status_code == 401, (method, path)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        if method != "HEAD":
            assert "Authorization: Bearer" in refused(answer, 401)
        assert SECRET not in answer.text


@pytest.mark.parametrize(
    "given",
    [
        "", "Bearer", "Bearer ", SECRET, f"Basic {SECRET}", f"Bearer {SECRET}x", "Bearer null",
        f"Bearer x {SECRET}", f"Bearer {SECRET[:-1]}", f"Bearer {SECRET.upper()}",
        "Bearer \xe9\xff", "\xff",
    ],
)  # fmt: skip
def test_a_wrong_token_is_refused_and_nothing_happens(guarded: str, given: str) -> None:
    headers = {"Authorization": given.encode("latin-1")}
    refused(ask("POST", f"{guarded}/charge", headers, json={"charging": "on"}), 401)
    right = {"Authorization": f"Bearer {SECRET}"}
    assert ask("GET", f"{guarded}/info", right).json()["ev_battery_charge_start_stopp"] is False


def test_the_right_token_is_enough(guarded: str) -> None:
    """Also from a page, under any name, and however the scheme is written."""
    for given in (f"Bearer {SECRET}", f"bearer {SECRET}", f"BEARER  {SECRET}"):
        for more in ({}, PAGE, {"Host": "charger.school.example"}):
            headers = {"Authorization": given, **more}
            assert ask("GET", f"{guarded}/info", headers).status_code == 200
            assert ask("GET", f"{guarded}/v1/envs/x", headers).status_code == 404


def test_tokens_are_compared_in_constant_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def compare(given: Any, expected: Any) -> bool:
        seen.append((given, expected))
        return True

    app = create_app({"store": f"sqlite:///{tmp_path / 'a.db'}", "token": SECRET})
    monkeypatch.setattr(hmac, "compare_digest", compare)
    headers = {"Authorization": "Bearer caf\xe9"}
    assert app.test_client().get("/info", headers=headers).status_code == 200  # as `compare` says
    assert seen == [("caf\xe9".encode(), SECRET.encode())]
    app.extensions["ev_gym.store"].close()


def test_a_preflight_needs_no_token_but_does_nothing_else(guarded: str) -> None:
    answer = ask(
        "OPTIONS", f"{guarded}/charge", {**ASKS, "Access-Control-Request-Headers": "authorization"}
    )
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"].lower() == "authorization"
    assert answer.content == b""
    refused(ask("OPTIONS", f"{guarded}/charge", PAGE), 401)
    refused(ask("GET", f"{guarded}/charge", ASKS), 401)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"token": ""}, "token holds no token"),
        ({"token": "two words"}, "visible ASCII"),
        ({"token": "na\xefve"}, "visible ASCII"),
        ({"token": "a", "token_file": "b"}, "token and token_file are given"),
        ({"token": "a", "no_token": True}, "token and no_token are given"),
        ({"token_file": "absent/token"}, "token_file 'absent/token' cannot be read"),
        ({"cors_origins": "*"}, "a tuple of origins"),
        ({"cors_origins": ("school.example",)}, "cors_origins has 'school.example'"),
        ({"cors_origins": ("https://.*",)}, "such as 'https://example.com'"),
        ({"seconds_per_hour": 0.5}, "0.5; allowed: a number from 1 to 3600"),
        ({"seconds_per_hour": float("nan")}, "nan; allowed"),
        ({"synchronous": "OFF"}, "'NORMAL' or 'FULL'"),
        ({"max_days": 0}, "max_days is 0; allowed: above 0"),
        ({"tokens": "a"}, "unknown setting 'tokens'; allowed: scenario, policy"),
    ],
)  # fmt: skip
def test_impossible_settings(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        assert as_config(settings).secret is None


def test_an_empty_token_file_is_not_an_open_door(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ConfigError, match="holds no token"):
        create_app({"store": f"sqlite:///{tmp_path / 'a.db'}", "token_file": tmp_path / "token"})


def test_secrets_are_not_shown() -> None:
    shown = repr(Config(token=SECRET, store="postgresql://me:hunter2@host/db"))
    assert SECRET not in shown
    assert "hunter2" not in shown


# Pages.


def test_pages_of_any_origin_may_call_the_classic_protocol(open_url: str) -> None:
    for path in ("/", "/info", "//info", "/baseload", "/priceperhour", "/charge", "/discharge",
                 "/override", "/log", "/log.csv", "/log.txt", "/plot.png"):  # fmt: skip
        answer = ask("GET", open_url + path, PAGE)
        assert answer.status_code in (200, 409)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    bad = ask("POST", f"{open_url}/charge", PAGE, data="{")
    refused(bad, 400)
    assert bad.headers["Access-Control-Allow-Origin"] == "*"  # so that the page can read why
    asked = ask("OPTIONS", f"{open_url}//discharge", ASKS)
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert asked.headers["Access-Control-Allow-Methods"] == "GET, HEAD, POST"
    done = ask("POST", f"{open_url}/discharge", {"Origin": "null"}, json={"discharging": "on"})
    assert done.status_code == 200


def test_pages_elsewhere_may_not_use_the_rest(open_url: str) -> None:
    for method, path in [("POST", "/v1/envs"), ("GET", "/v1/envs/x"), ("GET", "/metrics"),
                         ("GET", "/docs/openapi.json"), ("OPTIONS", "/v1/envs")]:  # fmt: skip
        for origin in (PAGE["Origin"], "null", "http://[", "http://127.0.0.1:1"):
            answer = ask(method, open_url + path, {**ASKS, "Origin": origin})
            assert origin in refused(answer, 403)
            assert "Access-Control-Allow-Origin" not in answer.headers
    assert re.search(r"^ev_gym_sessions 0.0$", ask("GET", f"{open_url}/metrics").text, re.M)
    mistyped = ask("GET", f"{open_url}/infos", {"Origin": PAGE["Origin"]})
    assert mistyped.status_code == 404
    own = {"Origin": open_url}
    assert ask("GET", f"{open_url}/docs/openapi.json", own).status_code == 200
    assert ask("POST", f"{open_url}/v1/envs", own, json={"num_envs": 0}).status_code in (400, 422)


def test_origins_can_be_named(tmp_path: Path) -> None:
    theirs = "https://other.example"
    with serving(tmp_path, cors_origins=(PAGE["Origin"], "http://localhost:3000")) as url:
        answer = ask("POST", f"{url}/charge", PAGE, json={"charging": "on"})
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
        assert answer.headers["Vary"] == "Origin"
        off = ask("POST", f"{url}/charge", {"Origin": theirs}, json={"charging": "off"})
        assert theirs in refused(off, 403)
        assert "Access-Control-Allow-Origin" not in off.headers
        assert ask("GET", f"{url}/info").json()["ev_battery_charge_start_stopp"] is True
        assert ask("GET", f"{url}/info", {"Origin": url}).status_code == 200


def test_no_origins(tmp_path: Path) -> None:
    with serving(tmp_path, cors_origins=(), token=SECRET) as url:
        right = {"Authorization": f"Bearer {SECRET}"}
        answer = ask("GET", f"{url}/info", {**PAGE, **right})
        assert answer.status_code == 200
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Access-Control-Allow-Origin" not in ask("OPTIONS", f"{url}/info", ASKS).headers


def test_a_foreign_name_is_refused_on_a_server_without_a_token(
    open_url: str, tmp_path: Path
) -> None:
    """A page whose own name was made to point to this machine ("DNS rebinding")."""
    for host in (
        "evil.example",
        "evil.example:5000",
        "127.0.0.1.evil.example",
        "localhost.evil",
        "a b",
    ):
        answer = ask("POST", f"{open_url}/charge", {"Host": host}, json={"charging": "on"})
        assert repr(host) in refused(answer, 421)
    for host in ("localhost", "LOCALHOST:80", "127.0.0.1", "10.0.2.2:5000", "[::1]:5000"):
        told = ask("GET", f"{open_url}/info", {"Host": host})
        assert told.json()["ev_battery_charge_start_stopp"] is False
    assert b" 200 OK" in exchange(open_url, b"GET /info HTTP/1.0\r\n\r\n")
    with serving(tmp_path, no_token=True) as url:
        for headers in ({"Host": "charger.school.example"}, PAGE):
            assert ask("GET", f"{url}/v1/envs/x", headers).status_code == 404


# How much, and what no app gets to see.


def exchange(url: str, sent: bytes) -> bytes:
    """What a server answers to bytes on a connection of their own, until it closes."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("size", [MOST + 1, 2 * MOST + 1, 100 * MOST])
def test_too_large_a_body(open_url: str, size: int) -> None:
    body = b'{"charging": "on"}'.ljust(size)
    pieces = (body[at : at + 4096] for at in range(0, size, 4096))
    assert f"at most {MOST}" in refused(ask("POST", f"{open_url}/charge", data=body), 413)
    refused(ask("POST", f"{open_url}/v1/envs", data=body), 413)
    if size < 2 * MOST:  # a client that sends on and on does not read
        assert f"at most {MOST}" in refused(ask("POST", f"{open_url}/charge", data=pieces), 413)
    assert ask("GET", f"{open_url}/info").json()["ev_battery_charge_start_stopp"] is False
    fits = ask("POST", f"{open_url}/charge", data=b'{"charging": "off"}'.ljust(MOST))
    assert fits.status_code == 200


def test_too_large_a_body_on_another_wsgi_server(tmp_path: Path) -> None:
    app = create_app({"store": f"sqlite:///{tmp_path / 'a.db'}", "max_body_bytes": MOST})
    answer = app.test_client().post("/charge", data=b" " * (MOST + 1))
    assert (answer.status_code, answer.mimetype) == (413, PROBLEM)
    assert answer.json["detail"] == "the body has 10001 bytes; allowed: at most 10000 bytes"
    app.extensions["ev_gym.store"].close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),  # TLS
        (b"POST /charge HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST /charge HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /charge HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST /charge HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST /charge HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /info HTTP/1.1\r\nHost: localhost\r\nX: ".ljust(64 * 1024, b"x"), 431),
        (b"FOO /info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
        (b"GET /%ff%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
    ],
)
def test_malformed_requests_are_told_so(open_url: str, sent: bytes, status: int) -> None:
    head, _, body = exchange(open_url, sent).partition(b"\r\n\r\n")
    assert re.match(rb"HTTP/1.[01] %d " % status, head), head
    assert b"Content-Type: application/problem+json" in head
    assert b'"status": %d' % status in body
    assert b"Traceback" not in body


def test_unknown_paths_and_methods(open_url: str) -> None:
    assert "/nowhere" in refused(ask("GET", f"{open_url}/nowhere"), 404)
    answer = ask("PUT", f"{open_url}/charge")
    assert "'PUT'; allowed at '/charge': GET, HEAD, OPTIONS, POST" in refused(answer, 405)
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    assert ask("GET", f"{open_url}/info/").status_code == 200  # no redirect
    assert ask("HEAD", f"{open_url}/nowhere").status_code == 404


def test_what_breaks_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask("broken")
    problems.install(app)

    @app.get("/breaks")
    def breaks() -> str:
        raise RuntimeError("the secret plan")

    @app.get("/busy")
    def busy() -> str:
        raise Problem(503, "come back", retry_after_s=2)

    client = app.test_client()
    with caplog.at_level(logging.ERROR, "server.errors"):
        answer = client.get("/breaks?token=abc")
    assert (answer.status_code, answer.mimetype) == (500, PROBLEM)
    assert "secret plan" not in answer.text
    assert "Traceback" not in answer.text
    assert "the secret plan" in caplog.text
    assert "GET /breaks failed" in caplog.text
    assert "abc" not in caplog.text
    answer = client.get("/busy")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
