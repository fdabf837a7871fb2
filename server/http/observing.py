"""What a server shows of itself: a line of JSON for each request, `/health`, and `/metrics`."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from typing import IO, Any

from flask import Flask, Request, Response, current_app, request
from flask_openapi3 import APIBlueprint, Tag
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from server.http.json_schema import STRING, object_of
from server.http.metrics import EXTENSION, Metrics, metrics_of
from server.http.openapi import JSON, answer, refusals
from server.program_version import program_version

ASK_DATABASE = "ev_gym.ask_database"  # the app's extension that `/health` calls
ARRIVED_S = "ev_gym.arrived_s"  # in the WSGI environment: `perf_counter` as the request came
LONGEST_PATH = 300
STREAMS: list[IO[str]] = []  # where requests are logged; `log_to` alone adds to them
_LOG_LOCK = threading.Lock()

api = APIBlueprint(
    "observing",
    __name__,
    abp_tags=[
        Tag(name="operation", description="Whether the server is well, and what it has done.")
    ],
)


@api.get(
    "/health",
    responses={
        "200": answer(
            "It answers, and so does its database",
            {JSON: object_of({"status": STRING, "version": STRING})},
        ),
        **refusals(),
    },
    openapi_extensions={"security": []},
)
def health() -> dict[str, str]:
    """Whether the server can answer: its database does."""
    current_app.extensions[ASK_DATABASE]()
    return {"status": "ok", "version": program_version()}


@api.get(
    "/metrics",
    responses={
        "200": answer("The counts, in Prometheus' text format", {"text/plain": STRING}),
        **refusals(),
    },
)
def metrics() -> Response:
    """The counts, in Prometheus' text format."""
    text = generate_latest(metrics_of(current_app).registry)
    return Response(text, content_type=CONTENT_TYPE_LATEST)


def install(app: Flask, metrics: Metrics, ask_database: Callable[[], object]) -> None:
    """Count and log every request of an app.

    Called before anything else is installed, for what is first told to happen after a request
    happens last: so it sees answers as they go out.

    Args:
        app: The app.
        metrics: Its counts.
        ask_database: Raises if the database does not answer.
    """
    app.extensions[EXTENSION] = metrics
    app.extensions[ASK_DATABASE] = ask_database
    rest_of_app = app.wsgi_app

    def note_arrival(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ[ARRIVED_S] = time.perf_counter()
        return rest_of_app(environ, start_response)

    def count_and_log(response: Response) -> Response:
        # Flask's `request` would look the request up at each use.
        answered: Request = request._get_current_object()  # type: ignore[attr-defined]  # a proxy, typed as a Request
        took_s = time.perf_counter() - answered.environ[ARRIVED_S]
        rule = answered.url_rule
        requests, duration_s = metrics.of_request(
            rule.rule if rule else None, answered.method, response.status_code
        )
        requests.inc()
        duration_s.observe(took_s)
        if STREAMS:
            _log_answer(response)
        return response

    app.wsgi_app = note_arrival  # type: ignore[method-assign]  # Flask's way to put something in front
    app.after_request(count_and_log)


def log(
    method: str | None, path: str | None, status: int, took_s: float, size: int, client: str | None
) -> None:
    """Log a request, and the status and size (bytes) of its answer, which took so many seconds.

    The query stays out of it, since clients put secrets there, and so do the headers. The line is
    written as it stands, without `logging`, which would take a seventh of a short request's time.
    """
    now_s = time.time()
    line = (
        f'{{"time": "{_second(int(now_s))}.{int(now_s % 1 * 1000):03d}+00:00", '
        f'"method": {json.dumps(method)}, "path": {json.dumps(path and path[:LONGEST_PATH])}, '
        f'"status": {status}, "duration_ms": {1000 * took_s:.3f}, "bytes": {size}, '
        f'"client": {json.dumps(client)}}}\n'
    )
    # A log that cannot be written is no reason to fail the request.
    with contextlib.suppress(OSError, ValueError), _LOG_LOCK:
        for stream in STREAMS:
            stream.write(line)


@functools.lru_cache(maxsize=2)
def _second(now_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))


def _log_answer(response: Response) -> None:
    """Log the present request: now, or once all is sent where its size is not known before."""
    method, path, environ = request.method, request.path, request.environ

    def log_size(size: int) -> None:
        took_s = time.perf_counter() - environ[ARRIVED_S]
        log(method, path, response.status_code, took_s, size, environ.get("REMOTE_ADDR"))

    size = 0 if method == "HEAD" else response.content_length
    if size is not None:
        log_size(size)
        return
    sent = 0

    def count_bytes(pieces: Iterable[Any]) -> Iterator[Any]:
        nonlocal sent
        for piece in pieces:
            sent += len(piece)
            yield piece

    response.response = count_bytes(response.response)
    response.call_on_close(lambda: log_size(sent))


class JsonLines(logging.Formatter):
    """Log records as lines of JSON; a traceback goes into them as a string."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        when = datetime.fromtimestamp(record.created, timezone.utc)
        members = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            members["trace"] = self.formatException(record.exc_info)
        return json.dumps(members)


def log_to(stream: IO[str]) -> None:
    """Write requests, and what else the server logs, to a line-buffered stream as lines of JSON.

    Only the command does so: an app in somebody else's process leaves logging to that process.
    """
    STREAMS.append(stream)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name in ("server", "waitress"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
