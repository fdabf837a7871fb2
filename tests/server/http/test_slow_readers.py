"""Clients that ask for much and do not read it: they keep none of the server's threads."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import requests
from flask import Flask, Response

from server import serving
from tests.support.real_server import polled

PIECE = bytes(1_000_000)
ASK = b"GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@pytest.fixture
def ended() -> threading.Event:
    """Set when the endless answer was given up."""
    return threading.Event()


@pytest.fixture
def port(ended: threading.Event, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server with one thread, and little patience."""
    monkeypatch.setattr(serving, "READER_S", 0.3)
    app = Flask(__name__)

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield PIECE
        finally:
            ended.set()

    app.add_url_rule("/endless", "endless", lambda: Response(pieces()))
    app.add_url_rule("/long", "long", lambda: Response(PIECE for _ in range(30)))
    app.add_url_rule("/short", "short", lambda: "short")
    server = serving.make_server(app, "127.0.0.1", 0, threads=1)
    with polled(server):
        yield server.effective_port


def connection_asking(port: int, path: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(ASK % path)
    return client


def test_a_client_that_does_not_read_is_cut_off(port: int, ended: threading.Event) -> None:
    with connection_asking(port, b"endless") as client:
        assert client.recv(12) == b"HTTP/1.1 200"
        answer = requests.get(f"http://127.0.0.1:{port}/short", timeout=10)
        assert answer.text == "short"
        assert ended.wait(1)
        with contextlib.suppress(ConnectionResetError):
            while client.recv(1_000_000):  # what was under way still comes
                pass


def test_a_slow_client_gets_all_of_it(port: int) -> None:
    with connection_asking(port, b"long") as client:
        count, begun = 0, time.monotonic()
        while data := client.recv(1_500_000):
            count += len(data)
            if time.monotonic() - begun < 0.8:
                time.sleep(0.1)
    assert count > 30 * len(PIECE)
