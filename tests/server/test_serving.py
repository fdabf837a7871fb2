"""Whoever wakes a server that stops writes to the server's own file number, or to none."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest
from flask import Flask

from server import serving
from tests.support.real_server import polled


def test_a_thread_that_outlives_the_server_writes_into_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "THREADS_END_S", 0.01)
    begun, ended = threading.Event(), threading.Event()
    app = Flask(__name__)

    @app.get("/")
    def wait() -> str:
        begun.set()
        ended.wait(10)
        return ""

    server = serving.make_server(app, "127.0.0.1", 0, threads=1)
    with socket.create_connection(("127.0.0.1", server.effective_port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        while not begun.is_set():
            serving.poll_once(server, 0.01)
        serving.drain(server, most_s=0.0)
    files = [(tmp_path / str(k)).open("wb") for k in range(8)]  # on the lowest free numbers
    server.pull_trigger()  # as that thread may
    ended.set()
    for file in files:
        file.close()
    assert [os.path.getsize(file.name) for file in files] == [0] * len(files)
    server.task_dispatcher.shutdown()
    server.trigger.close()


def test_a_server_that_is_told_to_stop_is_still_open_while_it_is_told() -> None:
    """It may be woken, and stop, after the news is there and before this thread pulls."""
    server = serving.make_server(Flask(__name__), "127.0.0.1", 0, threads=1)
    pull = server.trigger._physical_pull

    def pull_late() -> None:
        pull()  # by another thread, which has just answered a request
        time.sleep(0.05)
        pull()

    with polled(server):
        server.trigger._physical_pull = pull_late
    assert not serving._sockets(server)
