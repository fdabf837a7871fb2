"""The classic protocol as programs of many makes speak it, and what is refused."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from server.station.routes import CollapseSlashes
from tests.support.classic_program import START, Client, classic_client


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with classic_client(tmp_path_factory.mktemp("classic")) as own:
        yield own


@pytest.fixture
def client(served: Client) -> Client:
    served.post("/discharge", {"discharging": "on"})
    return served


# Programs of many makes.


@pytest.mark.parametrize(
    ("path", "body", "answered"),
    [
        ("/charge", {"charging": "on", "discharging": None}, {"charging": "on"}),
        ("/charge", {"charging": "on", "discharging": "off"}, {"charging": "on"}),
        ("/charge", {"id": None, "charging": "on", "mode": None}, {"charging": "on"}),
        ("/charge", b'\xef\xbb\xbf{"charging": "on"}', {"charging": "on"}),
        ("/discharge", {"discharging": "off"}, {"discharging": "off"}),
        ("/discharge", {"charging": None, "discharging": "off"}, {"discharging": "off"}),
        ("/override", {"mode": "auto", "x": None}, {"charging": True, "override": "auto"}),
    ],
)
def test_null_keys_and_discharging_off(client: Client, path: str, body: Any, answered: Any) -> None:
    client.post("/charge", {"charging": "on"})
    client.clock.pass_s(2.0)
    assert client.post(path, body) == answered
    client.clock.pass_s(1.0)
    assert client.get("/charge") == 31.99


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; utf-8",
        "application/json;charset=UTF-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
        None,
    ],
)
def test_any_content_type_and_accept(client: Client, content_type: str | None) -> None:
    headers = {"Content-Type": content_type, "Accept": "text/html, image/gif; q=.2"}
    told = client.post("/charge", '{"charging": "on"}', headers=headers)
    assert told == {"charging": "on"}
    assert client.get("/info?t=123")["ev_battery_charge_start_stopp"]


def test_the_same_command_many_times(client: Client) -> None:
    for _ in range(3):
        for _ in range(5):
            assert client.post("/charge", {"charging": "on"}) == {"charging": "on"}
        client.clock.pass_s(1.0)
    assert client.get("/charge") == 31.99


H2C = (
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    "HTTP2-Settings: AAMAAABkAAQAoAAAAAIA\r\n"
)


def test_double_slashes_on_the_wire(client: Client) -> None:
    for path in ("//info", "///info", "/info"):
        answer = client.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert answer.endswith(START)
    body = '{"charging": "on"}'
    answer = client.raw(
        f"POST //charge HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n\r\n{body}"
    )
    assert answer.endswith(b'{"charging": "on"}')


def test_slashes_collapse_on_any_wsgi_server() -> None:
    """Not every server strips leading slashes as waitress does."""
    seen: list[str] = []
    app = CollapseSlashes(lambda environ, _: seen.append(environ["PATH_INFO"]) or [])
    for path in ("//info", "/info", "///", "//v1//envs", "/a/b"):
        app({"PATH_INFO": path}, None)
    assert seen == ["/info", "/info", "/", "/v1/envs", "/a/b"]


@pytest.mark.parametrize(("more", "closes"), [("", True), ("User-Agent: x\r\n", False)])
def test_bare_sockets_may_read_until_the_end(client: Client, more: str, closes: bool) -> None:
    """A program on a bare socket names neither itself nor what becomes of the connection."""
    place = urlsplit(client.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as link:
        link.sendall(f"GET /info HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
        answer = b""
        while not answer.endswith(START):
            answer += link.recv(4096)
        link.settimeout(0.3)
        if closes:
            assert link.recv(1) == b""
        else:
            with pytest.raises(TimeoutError):
                link.recv(1)


def test_an_upgrade_to_http_2_is_declined_and_the_request_answered(client: Client) -> None:
    answer = client.raw(f"GET /info HTTP/1.1\r\nHost: localhost\r\n{H2C}\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(START)
    body = '{"charging":"on"}'
    answer = client.raw(
        f"POST /charge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json; utf-8\r\n"
        f"{H2C}Content-Length: {len(body)}\r\n\r\n{body}"
    )
    assert answer.endswith(b'{"charging": "on"}')


def test_head_options_and_preflights(client: Client) -> None:
    head = client.raw("HEAD /info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert f"Content-Length: {len(START)}".encode() in head
    assert head.endswith(b"\r\n\r\n")
    asked = {
        "Origin": "http://example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = client.session.options(client.url + "/charge", headers=asked, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


# What is refused changes nothing.

ON = '"charging": "on"'
KEYS = {"/charge": "charging", "/discharge": "discharging", "/override": "mode"}


@pytest.mark.parametrize(
    ("path", "body", "where", "told"),
    [
        ("/charge", '{"charging": "maybe"}', "/body/charging", "'on' or 'off'"),
        ("/charge", '{"charging": "ON"}', "/body/charging", "'on' or 'off'"),
        ("/charge", '{"charging": true}', "/body/charging", "'on' or 'off'"),
        ("/charge", '{"charging": null}', "/body/charging", "'on' or 'off'"),
        ("/charge", '{"charging": NaN}', "/body/charging", "'on' or 'off'"),
        ("/charge", "{}", "/body/charging", "missing"),
        ("/charge", "", "/body", "is empty; send"),
        ("/charge", "charging=on", "/body", "JSON"),
        ("/charge", f"{{{ON}", "/body", "JSON"),
        ("/charge", f"[{{{ON}}}]", "/body", "an object"),
        ("/charge", '"on"', "/body", "an object"),
        ("/charge", "null", "/body", "an object"),
        ("/charge", f'{{{ON}, "amps": 6}}', "/body/amps", "unknown"),
        ("/charge", f'{{{ON}, "amps": NaN}}', "/body/amps", "unknown"),
        ("/charge", f'{{{ON}, "discharging": "on"}}', "/body/discharging", "'off'"),
        ("/charge", f'{{{ON}, "mode": "auto"}}', "/body/mode", "unknown"),
        ("/charge", b'{"charging": "\xff"}', "/body", "JSON"),
        ("/charge", "[" * 50_000, "/body", "JSON"),
        ("/discharge", '{"discharging": "now"}', "/body/discharging", "'on' or 'off'"),
        ("/discharge", f"{{{ON}}}", "/body/discharging", "missing"),
        ("/override", '{"mode": "force"}', "/body/mode", "'auto', 'force_on' or 'force_off'"),
        ("/override", f'{{"mode": "auto", {ON}}}', "/body/charging", "unknown"),
    ],
)
def test_bad_commands_say_what_is_allowed_and_change_nothing(
    client: Client, path: str, body: Any, where: str, told: str
) -> None:
    client.post("/override", {"mode": "force_off"})
    client.clock.pass_s(2.0)
    before = client.get("/info")
    problem = client.post(path, body, 400)
    assert (problem["status"], problem["title"]) == (400, "Bad Request")
    details = {error["where"]: error["detail"] for error in problem["errors"]}
    assert told in details[where]
    assert told in problem["detail"]
    assert f'send {{"{KEYS[path]}": ' in problem["detail"]
    assert client.get("/info") == before


def test_other_methods_are_told_which_are_allowed(client: Client) -> None:
    answer = client.session.put(client.url + "/charge", data="{}", timeout=10)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    assert client.session.post(client.url + "/info", timeout=10).status_code == 405
