"""Reads a request: its body and query by the models that document them, and its `Accept`."""

from __future__ import annotations

import codecs
import functools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, TypeVar, get_args, get_origin

from flask import request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from server.http.openapi import JSON
from server.http.problems import Problem

M = TypeVar("M", bound=BaseModel)
MOST_ERRORS, MOST_READ_ERRORS = 10, 100
EXPECTED = "Input should be "


def _whole(value: Any) -> Any:
    """An integer for a float without fraction: in JSON 2.0 is an integer too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
T = TypeVar("T")
# Reading ends at the first wrong entry: to report every one of a long list would cost too much.
FailFastList = Annotated[list[T], Field(fail_fast=True)]


class RequestBody(BaseModel):
    """A request's body, read strictly: no unknown key, no type instead of another, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Query(BaseModel):
    """A request's query: text, read as the types of the fields; no unknown key."""

    model_config = ConfigDict(extra="forbid")


class NoQuery(Query):
    """A request without a query."""


def request_body() -> bytes:
    """The bytes of the request's body.

    Raises:
        RequestEntityTooLarge: above the server's limit.
    """
    return request.get_data(cache=False)


def media_type() -> str:
    """The media type of the request's body, without parameters; JSON where none is named."""
    return _media_type(request.environ.get("CONTENT_TYPE", ""))


@functools.lru_cache(maxsize=256)
def _media_type(header: str) -> str:
    return parse_options_header(header)[0].lower() or JSON


def read_json(model: type[M], data: bytes) -> M:
    """A JSON body as a model; an empty body is an empty object.

    Raises:
        Problem: 415 for another media type; 400 for malformed JSON or what the model refuses.
    """
    if not data:
        data = b"{}"
    elif media_type() != JSON:
        raise unsupported((JSON,))
    return parse(model, data)


def parse(model: type[M], data: bytes) -> M:
    """JSON as a model.

    Raises:
        Problem: 400 that says where what is wrong.
    """
    data = data.removeprefix(codecs.BOM_UTF8)  # some shells put it in front
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise _problem(model, "/body", error, lambda: json.loads(data)) from None


def read_query(model: type[M]) -> M:
    """The request's query as a model.

    Raises:
        Problem: 400 for an unknown or repeated name, or an impossible value.
    """
    query = {}
    if request.query_string:
        query = request.args.to_dict()
        for name, values in request.args.lists():
            if len(values) > 1:
                raise Problem(400, f"{name!r} stands {len(values)} times in the query; allowed: 1")
    try:
        return model.model_validate(query)
    except ValidationError as error:
        raise _problem(model, "/query", error, lambda: query) from None


def unsupported(allowed: Sequence[str]) -> Problem:
    """The problem of a body of another media type."""
    return Problem(415, f"Content-Type is {media_type()!r}; allowed: {' or '.join(allowed)}")


def best_media_type(offers: tuple[str, ...]) -> str:
    """The offered media type that the request's `Accept` prefers; without one the first.

    Raises:
        Problem: 406 if it accepts none.
    """
    header = request.environ.get("HTTP_ACCEPT")
    if header is None:
        return offers[0]
    chosen = _best(header, offers)
    if chosen is None:
        raise Problem(406, f"Accept is {header!r}; offered: {' or '.join(offers)}")
    return chosen


@functools.lru_cache(maxsize=256)
def _best(header: str, offers: tuple[str, ...]) -> str | None:
    return parse_accept_header(header, MIMEAccept).best_match(offers)


def _problem(
    model: type[BaseModel], root: str, error: ValidationError, load: Callable[[], Any]
) -> Problem:
    """A 400 that lists what is wrong; `load` gives what the model was to read."""
    if error.error_count() > MOST_READ_ERRORS:
        many = f"holds {error.error_count()} errors, most likely unknown keys"
        return Problem(400, f"{root} {many}", errors=[{"where": root, "detail": many}])
    messages: dict[tuple[Any, ...], list[str]] = {}
    values = {}
    errors = error.errors(include_url=False)
    tree = None if errors[0]["type"] == "json_invalid" else load()
    for one in errors:
        place, value = _place(tree, one["loc"], one["type"] == "missing")
        messages.setdefault(place, []).append(_message(model, place, one))
        values[place] = value
    wrong = [
        {"where": _pointer(root, place), "detail": _sentence(values[place], messages[place])}
        for place in messages
        if not any(other[: len(place)] == place for other in messages if other != place)
    ][:MOST_ERRORS]
    detail = "; ".join(f"{one['where']} {one['detail']}" for one in wrong[:3])
    return Problem(400, detail, errors=wrong)


def _place(tree: Any, loc: Sequence[Any], missing: bool) -> tuple[tuple[Any, ...], Any]:
    """Where in the tree that was read an error is, and what stands there.

    pydantic's own path also names branches of unions; these are the parts that lead nowhere in the
    tree.
    """
    place: list[Any] = []
    for i, part in enumerate(loc):
        in_object = isinstance(tree, dict) and part in tree
        in_list = isinstance(tree, list) and isinstance(part, int) and part < len(tree)
        if in_object or in_list:
            tree = tree[part]
            place.append(part)
        elif missing and i == len(loc) - 1:
            place.append(part)
    return tuple(place), tree


def _message(model: type[BaseModel], place: tuple[Any, ...], error: Any) -> str:
    """What an error says; pydantic's own words begin with EXPECTED where they say what it wants."""
    if error["type"] == "extra_forbidden":
        return f"is unknown; allowed: {', '.join(_names_at(model, place[:-1])) or 'none'}"
    return "is missing" if error["type"] == "missing" else str(error["msg"])


def _sentence(value: Any, messages: Sequence[str]) -> str:
    """All that is said of one value, as one sentence."""
    allowed = [one.removeprefix(EXPECTED) for one in messages if one.startswith(EXPECTED)]
    if not allowed:
        return messages[0]
    return f"is {_shortened(json.dumps(value))}; allowed: {_joined(allowed)}"


def _joined(allowed: Sequence[str]) -> str:
    """What is allowed, in the words of JSON, each once."""
    return re.sub(r"\bNone\b", "null", " or ".join(dict.fromkeys(allowed)))


def _names_at(model: type[BaseModel], place: tuple[Any, ...]) -> list[str]:
    """The names that a model allows at a place."""
    models = [model]
    for part in place:
        if isinstance(part, str):
            fields = [each.model_fields[part] for each in models if part in each.model_fields]
            models = [found for field in fields for found in _models_in(field.annotation)]
    return [name for each in models for name in each.model_fields]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    plain = get_origin(annotation) is None and isinstance(annotation, type)
    if plain and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _pointer(root: str, place: tuple[Any, ...]) -> str:
    steps = (_shortened(str(part)).replace("~", "~0").replace("/", "~1") for part in place)
    return "/".join([root, *steps])


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
