"""A server that answers by a script, and a proxy that loses answers: for tests of clients."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Request(NamedTuple):
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Act = Callable[[BaseHTTPRequestHandler, Request], None]


def answer(status: int, body: Any = None, kind: str = "application/json", **headers: str) -> Act:
    """Answer with a status and JSON."""

    def act(handler: BaseHTTPRequestHandler, _: Request) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(text), **headers}.items():
            handler.send_header(name, str(value))
        handler.end_headers()
        handler.wfile.write(text)

    return act


def problem(status: int, detail: str, **extra: Any) -> Act:
    """Answer with a problem."""
    body = {"type": "about:blank", "status": status, "detail": detail, **extra}
    return answer(status, body, "application/problem+json")


def drop(handler: BaseHTTPRequestHandler, _: Request) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def cut(handler: BaseHTTPRequestHandler, _: Request) -> None:
    """Begin an answer, and close the connection within its body."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"half")
    handler.close_connection = True


def hang(handler: BaseHTTPRequestHandler, _: Request) -> None:
    """Answer nothing for longer than a test waits."""
    time.sleep(0.3)
    handler.close_connection = True


@contextmanager
def scripted(*acts: Act, port: int = 0) -> Iterator[tuple[str, list[Request]]]:
    """Serve one act a request, the last one again and again: the URL, and what arrived."""
    requests: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            requests.append(Request(self.command, self.path, dict(self.headers), body))
            acts[min(len(requests), len(acts)) - 1](self, requests[-1])

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815  # http.server's names

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def relay(upstream: str, lose: bool = False) -> Act:
    """Pass a request on to another server, and its answer back, unless that is to be lost."""
    host = urlsplit(upstream)

    def act(handler: BaseHTTPRequestHandler, request: Request) -> None:
        connection = HTTPConnection(str(host.hostname), host.port, timeout=30)
        connection.request(request.method, request.path, request.body, request.headers)
        told = connection.getresponse()
        body, kind = told.read(), told.getheader("Content-Type", "")
        connection.close()
        pass_on = drop if lose else answer(told.status, body, kind)
        pass_on(handler, request)

    return act
