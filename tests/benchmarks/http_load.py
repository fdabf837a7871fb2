"""Servers in processes of their own, and a client light enough to measure them by."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# The same WSGI server with the same settings, and a route that parses JSON and returns JSON.
PLAIN_SERVER = """
import json, sys
import flask
from server.serving import make_server
app = flask.Flask("plain")
answer = json.loads(sys.argv[1])
@app.post("/plain")
def plain():
    flask.request.get_json()
    return flask.jsonify(answer)
@app.get("/plain")
def plain_get():
    return flask.jsonify(answer)
served = make_server(app, "127.0.0.1", 0)
print(f"http://127.0.0.1:{served.effective_port}", flush=True)
served.run()
"""


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    """A Python program that prints its address, and the address."""
    program = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert program.stdout is not None
        for line in program.stdout:
            found = re.search(r"http://([\d.]+):(\d+)", line)
            if found:
                break
        else:
            raise RuntimeError("the server ended before it printed an address")
        yield program, (found[1], int(found[2]))
    finally:
        program.terminate()
        program.communicate(timeout=20)


@contextmanager
def station(folder: Path) -> Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]:
    """Our server with a durable SQLite database, at a clock so slow that it hardly ticks."""
    store = f"sqlite:///{folder / 'server.db'}"
    arguments = ["-m", "server.cli", "--port", "0", "--store", store, "--seconds-per-hour", "3600"]
    with running(*arguments) as both:
        yield both


@contextmanager
def plain(answer: Any) -> Iterator[tuple[str, int]]:
    """A Flask route on the same WSGI server that returns this answer."""
    with running("-c", PLAIN_SERVER, json.dumps(answer)) as (_, address):
        yield address


def message(
    method: str, path: str, body: bytes = b"", kind: str = "application/json", accept: str = "*/*"
) -> bytes:
    """A whole HTTP request."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\n"
        "Connection: keep-alive\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection:
    """One kept-alive connection; requests are sent as they are and answers hardly looked at."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def ask(self, request: bytes) -> bytes:
        """The body of a successful answer."""
        self.socket.sendall(request)
        received = self.socket.recv(1 << 18)
        while b"\r\n\r\n" not in received:
            received += self.socket.recv(1 << 18)
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 20"), received[:500]
        found = re.search(rb"(?i)content-length: (\d+)", head)
        assert found, head
        parts, missing = [body], int(found[1]) - len(body)
        while missing > 0:
            parts.append(self.socket.recv(1 << 20))
            missing -= len(parts[-1])
        return b"".join(parts)

    def ask_json(self, method: str, path: str, body: Any = None) -> Any:
        """The same for a JSON body, parsed."""
        return json.loads(self.ask(message(method, path, json.dumps(body or {}).encode())))


def latencies(address: tuple[str, int], requests: list[bytes], rounds: int) -> list[float]:
    """Seconds of each request, one client per entry of `requests`, all at once."""
    taken: list[list[float]] = [[] for _ in requests]
    ready = threading.Barrier(len(requests))

    def client(own: list[float], request: bytes) -> None:
        with Connection(address) as connection:
            connection.ask(request)
            ready.wait()
            for _ in range(rounds):
                began = time.perf_counter()
                connection.ask(request)
                own.append(time.perf_counter() - began)

    threads = [
        threading.Thread(target=client, args=both) for both in zip(taken, requests, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [seconds for own in taken for seconds in own]


def resident_kib(program: subprocess.Popen[str]) -> int:
    """Memory of a process, from /proc."""
    text = Path(f"/proc/{program.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", text)
    assert found
    return int(found[1])
