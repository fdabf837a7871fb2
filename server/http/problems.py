"""Errors as `application/problem+json` (RFC 9457): what was wrong, where, what is allowed."""

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
# A detail that shows a long value is cut to its begin and its end, which says what is allowed.
LONGEST, BEGIN, END = 1500, 250, 1000  # characters
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
    """A problem as JSON, its detail shortened where it is long."""
    if len(detail) > LONGEST:
        detail = f"{detail[:BEGIN]} ... {detail[-END:]}"
    members = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **extra,
    }
    return json.dumps(members).encode()


def response(status: int, detail: str, **extra: Any) -> Response:
    """The answer for a problem."""
    answer = Response(body(status, detail, **extra), status, mimetype=MEDIA_TYPE)
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if "retry_after_s" in extra:
        answer.headers["Retry-After"] = str(extra["retry_after_s"])
    return answer


def install(app: Flask) -> None:
    """Answer every error of the app as a problem, without a traceback; redirect nobody."""
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    @app.errorhandler(Problem)
    def answer_problem(problem: Problem) -> Response:
        return response(problem.status, problem.detail, **problem.extra)

    @app.errorhandler(HTTPException)
    def answer_http_exception(error: HTTPException) -> Response:
        original = error.get_response()
        if error.code is None or error.code < 400:
            return Response(original.get_data(), error.code, original.headers)  # a redirect
        answer = response(error.code, _detail_of(error))
        for name in ("Allow", "Retry-After"):
            if name in original.headers:
                answer.headers[name] = original.headers[name]
        return answer

    @app.errorhandler(Exception)
    def answer_failure(error: Exception) -> Response:
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
