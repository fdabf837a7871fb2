"""The counters and histograms that `/metrics` shows.

Each app has a registry of its own, so two apps in one process do not mix their counts. Of several
worker processes each shows the requests and steps that it answered itself; the number of sessions
is that of the database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from flask import Flask, current_app, has_app_context
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

EXTENSION = "ev_gym.metrics"
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The counts of one app, and the registry that shows them.

    Args:
        count_sessions: Counts the sessions in the database; called whenever the counts are shown.
    """

    def __init__(self, count_sessions: Callable[[], int]) -> None:
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
        self._by_request: dict[Any, tuple[Counter, Histogram]] = {}
        sessions = Gauge("ev_gym_sessions", "Sessions in the database.", registry=self.registry)
        sessions.set_function(count_sessions)

    def of_request(self, rule: str | None, method: str, status: int) -> tuple[Counter, Histogram]:
        """The counter and the histogram of such requests.

        Clients can make up any path and any method; those count as "unknown" and "other", so that
        there are never many series.
        """
        found = self._by_request.get((rule, method, status))
        if found is None:
            route, known = rule or "unknown", method if method in METHODS else "other"
            counter = self.requests.labels(route, known, str(status))
            found = counter, self.duration_s.labels(route, known)
            if known == method:
                self._by_request[rule, method, status] = found
        return found


def metrics_of(app: Flask) -> Metrics:
    """The counts of an app."""
    found: Metrics = app.extensions[EXTENSION]
    return found


def count_steps(count: int, protocol: Literal["v1", "classic"]) -> None:
    """Count steps of households that the present request took; outside of a request do nothing."""
    if has_app_context():
        metrics_of(current_app).steps.labels(protocol).inc(count)
