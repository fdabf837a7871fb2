"""The HTTP client: what it repeats, what it gives up on, and what its errors say."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.remote import http_client, npy
from baselines.remote.http_client import Client, RemoteError
from ev_gym.simulation.state_fields import STEP_DTYPE, VEHICLE_STEP_DTYPE
from tests.support.scripted_server import answer, cut, drop, hang, problem, scripted

YES = answer(200, {"charging": "on"})


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EV_GYM_TOKEN", raising=False)
    monkeypatch.setattr(http_client, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(http_client, "LONGEST_WAIT_S", 0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.mark.parametrize("act", [drop, cut, hang, *map(answer, (502, 503, 504))])
def test_a_request_without_an_answer_is_sent_again_as_it_was(act: Any) -> None:
    """Also a POST; told once, however often it is tried."""
    told: list[str] = []
    with scripted(act, act, YES) as (url, asked):
        client = Client(url, timeout_s=0.15, notify=told.append)
        got = client.json("POST", "/charge", {"charging": "on"}, params={"index": 3})
        client.close()
    assert got == {"charging": "on"}
    first, *again = [(one.method, one.path, one.body) for one in asked]
    assert first == ("POST", "/charge?index=3", b'{"charging": "on"}')
    assert again == [first, first]
    assert len(told) == 1
    assert told[0].startswith(f"POST {url}/charge?index=3: ")
    assert told[0].endswith("; trying again for up to 40 s")


@pytest.mark.parametrize("status", [400, 401, 404, 409, 413, 422, 429, 500, 307])
def test_a_no_is_final(status: int) -> None:
    with scripted(problem(status, "so it is", index=18)) as (url, asked):
        client = Client(url)
        with pytest.raises(RemoteError) as caught:
            client.request("GET", "/info")
        client.close()
    assert len(asked) == 1
    assert caught.value.status == status
    assert caught.value.happened is (None if status == 500 else False)
    assert caught.value.problem is not None
    assert caught.value.problem["index"] == 18


def test_waits_double_up_to_the_longest_and_patience_ends_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, waits = [0.0], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(http_client, "FIRST_WAIT_S", 0.1)
    monkeypatch.setattr(http_client, "LONGEST_WAIT_S", 2.0)
    monkeypatch.setattr(http_client, "monotonic", lambda: now[0])
    monkeypatch.setattr(http_client, "sleep", sleep)
    client = Client(f"http://127.0.0.1:{free_port()}", notify=lambda text: None)
    with pytest.raises(RemoteError):
        client.request("GET", "/info")
    client.close()
    assert waits[:7] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])
    assert sum(waits) == pytest.approx(40.0)  # a restart of half a minute is ridden out
    assert max(waits) == 2.0


def test_a_server_that_comes_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Away for half a second, on the same port."""
    port, told = free_port(), threading.Event()
    found: list[Any] = []

    def ask() -> None:
        client = Client(f"http://127.0.0.1:{port}", notify=lambda text: told.set())
        found.append(client.json("GET", "/info"))
        client.close()

    asking = threading.Thread(target=ask)
    asking.start()
    assert told.wait(5)
    time.sleep(0.5)
    with scripted(YES, port=port):
        asking.join(10)
    assert found == [{"charging": "on"}]


def failing(act: Any, method: str = "POST", patience_s: float = 0.0, **more: Any) -> RemoteError:
    """The error of a request to a server that always acts so."""
    with scripted(act) as (url, _):
        client = Client(url, timeout_s=0.1, patience_s=patience_s, notify=lambda text: None)
        with pytest.raises(RemoteError) as caught:
            client.request(method, "/charge", **more)
        client.close()
    caught.value.request = caught.value.request.replace(url, "http://host")
    return caught.value


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (
            problem(409, "the session's index is 7"),
            "409 Conflict: the session's index is 7; nothing happened on the server",
        ),
        (
            problem(400, "/body/seed is true; allowed: a number"),
            "400 Bad Request: /body/seed is true; allowed: a number; nothing happened on the "
            "server",
        ),
        (
            answer(301, b"", Location="https://host/charge"),
            "301 Moved Permanently, for it has moved to https://host/charge; nothing happened on "
            "the server",
        ),
        (
            answer(503, b"<html>", "text/html"),
            "503 Service Unavailable; whether it happened on the server is unknown",
        ),
        (hang, "no answer within 0.1 s; whether it happened on the server is unknown"),
    ],
)
def test_errors_name_the_request_what_failed_and_whether_it_happened(act: Any, said: str) -> None:
    assert str(failing(act)) == f"POST http://host/charge: {said}"


def test_a_lost_answer_is_an_unknown_outcome_even_if_later_tries_were_refused() -> None:
    error = failing(drop)
    assert (error.status, error.happened) == (None, None)
    assert str(error).startswith("POST http://host/charge: the answer was lost (")
    with scripted(drop, problem(404, "no such session")) as (url, _):
        client = Client(url, notify=lambda text: None)
        with pytest.raises(RemoteError, match="no such session; whether it happened") as caught:
            client.request("DELETE", "/v1/envs/x")
        client.close()
    assert (caught.value.status, caught.value.happened) == (404, None)


def test_nothing_happens_where_nobody_listens() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    client = Client(url, patience_s=0)
    with pytest.raises(RemoteError) as caught:
        client.request("POST", "/charge")
    client.close()
    assert caught.value.happened is False
    said = str(caught.value)
    assert said.startswith(f"POST {url}/charge: no connection (")
    assert said.endswith("); nothing happened on the server")
    assert "efused" in said


def test_an_answer_that_is_not_json() -> None:
    with scripted(answer(200, b"<h1>hello</h1>", "text/html")) as (url, _):
        client = Client(url)
        with pytest.raises(RemoteError, match="not JSON but text/html: '<h1>hello</h1>'"):
            client.json("GET", "/info")
        client.close()


def test_the_token_comes_from_the_argument_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with scripted(YES) as (url, asked):
        for token, variable in [(None, None), ("mine", "theirs"), (None, "théirs"), ("", "x")]:
            if variable is not None:
                monkeypatch.setenv("EV_GYM_TOKEN", variable)
            client = Client(url, token)
            client.request("GET", "/info")
            client.close()
    sent = [one.headers.get("Authorization") for one in asked]
    assert sent == [None, "Bearer mine", "Bearer théirs".encode().decode("latin-1"), None]


def test_no_proxy_and_no_netrc_between_a_program_and_its_own_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with scripted(YES) as (url, asked):
        client = Client(url)
        client.request("GET", "/info")
        client.close()
    assert "Authorization" not in asked[0].headers
    client = Client("http://example.org")
    assert client._session.proxies["http"] == "http://127.0.0.1:9"
    client.close()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "127.0.0.1:5000"}, "url is '127.0.0.1:5000'; allowed: such as 'http://127"),
        ({"url": "ftp://host"}, "url is 'ftp://host'"),
        ({"url": "http://host", "timeout_s": 0}, "timeout_s is 0; allowed: above 0"),
        ({"url": "http://host", "token": "a\nb"}, "the token holds an unprintable character"),
    ],
)
def test_impossible_clients(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        Client(**given)
    assert "a\nb" not in str(caught.value)


ARRAYS: list[Any] = [
    np.arange(6, dtype=np.float32).reshape(3, 2),
    np.array([True, False, True]),
    np.float64(2.5) * np.ones(()),
    np.zeros(2, STEP_DTYPE),
    np.ones((2, 3), VEHICLE_STEP_DTYPE),
    np.empty((0, 4), np.int64),
]


def test_npy_is_what_numpy_writes_and_reads(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npy"
    with path.open("wb") as file:
        for array in ARRAYS:
            np.save(file, array)
    body = path.read_bytes()
    assert b"".join(map(npy.encode, ARRAYS)) == body
    for got, array in zip(npy.decode(body), ARRAYS, strict=True):
        assert (got.dtype, got.shape) == (array.dtype, array.shape)
        assert got.tobytes() == array.tobytes()
        assert got.flags.aligned
        assert got.flags.writeable


@pytest.mark.parametrize("body", [b"{}", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x00", b"x" * 200])
def test_npy_of_anything_else(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # numpy's words for some
        npy.decode(body)
    whole = npy.encode(np.arange(3.0))
    with pytest.raises(ValueError, match="buffer"):
        npy.decode(whole[:-1])
    with pytest.raises(ValueError, match="object"):
        npy.decode(whole.replace(b"'<f8'", b"'|O' "))
