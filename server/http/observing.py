"""What a server tells of itself: a line of JSON per request, `/health`, and `/metrics`.

Each app has a registry of its own, so two apps in one process do not mix their counts. Of several
worker processes each shows the requests and steps that it answered itself; the sessions are those
of the database.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import IO, Any, Literal

from flask import Flask, Request, Response, current_app, has_app_context, request
from flask_openapi3 import APIBlueprint, Tag
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from server.http.openapi import JSON, answer, refusals
from server.program_version import program_version
from server.services import services
from server.v1.answer_schemas import STRING, object_of

BEGAN = "ev_gym.began"  # in the WSGI environment: when the request came, s
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LONGEST_PATH = 300
STREAMS: list[IO[str]] = []  # where each request is logged; none but by `log_to`
_ONE_AT_A_TIME = threading.Lock()
HEALTH = object_of({"status": STRING, "version": STRING})

TAG = Tag(name="operation", description="Whether the server is well, and what it has done.")


class Metrics:
    """The counts of one app, and the registry that shows them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ev_gym_requests",
            "Requests by route, method and status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.duration_s = Histogram(
            "ev_gym_request_duration_seconds",
            "From the request's arrival at the app to the start of its answer.",
            ("route", "method"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.steps = Counter(
            "ev_gym_steps",
            "Steps of households: those of sessions (v1) and the ticks of the station (classic).",
            ("protocol",),
            registry=self.registry,
        )
        for protocol in ("v1", "classic"):
            self.steps.labels(protocol)  # shown from the start, as 0
        self.by_request: dict[Any, tuple[Counter, Histogram]] = {}
        sessions = Gauge("ev_gym_sessions", "Sessions in the database.", registry=self.registry)
        sessions.set_function(lambda: services().sessions.count())

    def of_request(self, rule: str | None, method: str, status: int) -> tuple[Counter, Histogram]:
        """The counter and the histogram of such requests.

        What clients can make up is "unknown" or "other", so that there are not many.
        """
        found = self.by_request.get((rule, method, status))
        if found is None:
            route, named = rule or "unknown", method if method in METHODS else "other"
            counter = self.requests.labels(route, named, str(status))
            found = counter, self.duration_s.labels(route, named)
            if named == method:
                self.by_request[rule, method, status] = found
        return found


def count_steps(count: int, protocol: Literal["v1", "classic"] = "v1") -> None:
    """Count steps of households that the present request took; outside of an app do nothing."""
    if has_app_context() and (metrics := current_app.extensions.get("ev_gym.metrics")):
        metrics.steps.labels(protocol).inc(count)


def make_api() -> APIBlueprint:
    """`/health` and `/metrics`."""
    api = APIBlueprint("observing", __name__, abp_tags=[TAG])
    well: Any = {"200": answer("It answers, and so does its database", {JSON: HEALTH})}
    shown: Any = {"200": answer("The counts, in Prometheus' text format", {"text/plain": STRING})}
    no_token: Any = {"security": []}
    api.get("/health", responses=well | refusals(), openapi_extensions=no_token)(health)
    api.get("/metrics", responses=shown | refusals())(metrics)
    return api


def health() -> dict[str, str]:
    """Whether the server can answer: its database does."""
    here = services()
    here.store.station_version(here.config.station)
    return {"status": "ok", "version": program_version()}


def metrics() -> Response:
    """The counts, in Prometheus' text format."""
    text = generate_latest(current_app.extensions["ev_gym.metrics"].registry)
    return Response(text, content_type=CONTENT_TYPE_LATEST)


def install(app: Flask) -> None:
    """Count and log every request of an app.

    Called before anything else is installed: what is done first after a request is done last.
    """
    counts = app.extensions["ev_gym.metrics"] = Metrics()
    answering = app.wsgi_app

    def timed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ[BEGAN] = time.perf_counter()
        return answering(environ, start_response)

    def answered(response: Response) -> Response:
        asked: Request = request._get_current_object()  # type: ignore[attr-defined]  # a proxy
        began = asked.environ[BEGAN]
        rule = asked.url_rule.rule if asked.url_rule else None
        found = counts.of_request(rule, asked.method, response.status_code)
        found[0].inc()
        found[1].observe(time.perf_counter() - began)
        if STREAMS:
            _log_answer(asked, response, began)
        return response

    app.wsgi_app = timed  # type: ignore[method-assign]  # Flask's way to put something in front
    app.after_request(answered)


def log(
    method: str | None, path: str | None, status: int, took_s: float, size: int, client: str | None
) -> None:
    """Log a request: what was asked, and what was answered after how many seconds and bytes.

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
    with contextlib.suppress(OSError, ValueError), _ONE_AT_A_TIME:
        for stream in STREAMS:
            stream.write(line)


@functools.lru_cache(maxsize=2)
def _second(now_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))


def _log_answer(asked: Request, response: Response, began: float) -> None:
    """Log a request now, or, where only its end shows how long the answer is, when all is sent."""
    size = 0 if asked.method == "HEAD" else response.content_length

    def now(size: int) -> None:
        took_s = time.perf_counter() - began
        client = asked.environ.get("REMOTE_ADDR")
        log(asked.method, asked.path, response.status_code, took_s, size, client)

    if size is not None:
        now(size)
        return
    sent = 0

    def counted(pieces: Iterable[Any]) -> Iterator[Any]:
        nonlocal sent
        for piece in pieces:
            sent += len(piece)
            yield piece

    response.response = counted(response.response)
    response.call_on_close(lambda: now(sent))


class JsonLines(logging.Formatter):
    """Other messages as lines of JSON; a trace goes into them as a string."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        when = datetime.fromtimestamp(record.created, timezone.utc)
        told = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return json.dumps(told)


def log_to(stream: IO[str]) -> None:
    """Write each request and what else the server logs to a line-buffered stream, as JSON lines.

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
