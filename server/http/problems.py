"""Errors as `application/problem+json` (RFC 9457): what was wrong, where, and what is allowed."""

from __future__ import annotations

import http
import json
import logging
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
)

MEDIA_TYPE = "application/problem+json"
# Of a longer detail, which shows a long value, the begin; and the end, which says what is allowed.
LONGEST, BEGIN, END = 1500, 250, 1000
LOG = logging.getLogger("server.errors")


class Problem(Exception):  # noqa: N818  # an answer, not an error of the program
    """An answer that says no.

    Args:
        status: The HTTP status, 4xx or 503.
        detail: What was wrong, its value, and what is allowed.
        extra: Further members of the answer, such as `index` or `errors`.
    """

    def __init__(self, status: int, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.extra = extra


def body(status: int, detail: str, **extra: Any) -> bytes:
    """The JSON of a problem; a long value in its detail is shortened."""
    if len(detail) > LONGEST:
        detail = f"{detail[:BEGIN]} ... {detail[-END:]}"
    told = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **extra,
    }
    return json.dumps(told).encode()


def response(status: int, detail: str, **extra: Any) -> Response:
    """The answer for a problem."""
    told = Response(body(status, detail, **extra), status, mimetype=MEDIA_TYPE)
    if status == 401:
        told.headers["WWW-Authenticate"] = "Bearer"
    if "retry_after_s" in extra:
        told.headers["Retry-After"] = str(extra["retry_after_s"])
    return told


def install(app: Flask) -> None:
    """Have every error of the app answered as a problem, without a trace or a redirect."""
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    @app.errorhandler(Problem)
    def refused(problem: Problem) -> Response:
        return response(problem.status, problem.detail, **problem.extra)

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> Response:
        answer = error.get_response()
        if error.code is None or error.code < 400:
            return Response(answer.get_data(), error.code, answer.headers)  # a redirect
        told = response(error.code, _detail_of(error))
        for name in ("Allow", "Retry-After"):
            if name in answer.headers:
                told.headers[name] = answer.headers[name]
        return told

    @app.errorhandler(Exception)
    def broke(error: Exception) -> Response:
        LOG.exception("%s %s failed", request.method, request.path, exc_info=error)
        return response(500, "the server failed; its log says how")


def _detail_of(error: HTTPException) -> str:
    """What was wrong and what is allowed, where Werkzeug's own words do not say it."""
    if isinstance(error, NotFound):
        return f"there is nothing at {request.path!r}; /docs shows what there is"
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return f"method is {request.method!r}; allowed at {request.path!r}: {allowed}"
    if isinstance(error, RequestEntityTooLarge):
        most = request.max_content_length
        return f"the body has {request.content_length} bytes; allowed: at most {most} bytes"
    return error.description or error.name
