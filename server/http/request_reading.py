"""A request's body, query and wanted answer, read by the models that document them."""

from __future__ import annotations

import codecs
import functools
import json
import re
from collections.abc import Iterator, Sequence
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
    """For JSON 2.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
T = TypeVar("T")
# The first wrong entry ends the reading: a long list of them would cost more than it tells.
Listed = Annotated[list[T], Field(fail_fast=True)]


class Given(BaseModel):
    """What a client sends: no unknown key, no type for another, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Query(BaseModel):
    """What stands behind the question mark: text, read as the types named."""

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
    data = data.removeprefix(codecs.BOM_UTF8)  # which some shells put in front
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise _refused(model, "/body", error, lambda: json.loads(data)) from None


def read_query(model: type[M]) -> M:
    """The request's query as a model.

    Raises:
        Problem: 400 for an unknown or repeated name, or an impossible value.
    """
    if not request.query_string:
        given = {}
    else:
        given = request.args.to_dict()
        for name, values in request.args.lists():
            if len(values) > 1:
                raise Problem(400, f"{name!r} stands {len(values)} times in the query; allowed: 1")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _refused(model, "/query", error, lambda: given) from None


def unsupported(allowed: Sequence[str]) -> Problem:
    """The problem of a body of another media type."""
    return Problem(415, f"Content-Type is {media_type()!r}; allowed: {' or '.join(allowed)}")


def wanted(offers: tuple[str, ...]) -> str:
    """The offered media type that the request's `Accept` likes best; the first if it is silent.

    Raises:
        Problem: 406 if it likes none.
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


def _refused(model: type[BaseModel], root: str, error: ValidationError, given: Any) -> Problem:
    """A 400 that lists what is wrong; `given()` is what the model was given."""
    if error.error_count() > MOST_READ_ERRORS:
        many = f"holds {error.error_count()} errors, most likely unknown keys"
        return Problem(400, f"{root} {many}", errors=[{"where": root, "detail": many}])
    found: dict[tuple[Any, ...], list[str]] = {}
    values = {}
    errors = error.errors(include_url=False)
    tree = None if errors[0]["type"] == "json_invalid" else given()
    for one in errors:
        place, value = _place(tree, one["loc"], one["type"] == "missing")
        found.setdefault(place, []).append(_said(model, place, one))
        values[place] = value
    told = [
        {"where": _pointer(root, place), "detail": _sentence(values[place], found[place])}
        for place in found
        if not any(other[: len(place)] == place for other in found if other != place)
    ][:MOST_ERRORS]
    detail = "; ".join(f"{one['where']} {one['detail']}" for one in told[:3])
    return Problem(400, detail, errors=told)


def _place(tree: Any, loc: Sequence[Any], missing: bool) -> tuple[tuple[Any, ...], Any]:
    """Where in the given tree an error is, and what stands there.

    pydantic's own path also names the branches of unions: what is no step into the tree is one.
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


def _said(model: type[BaseModel], place: tuple[Any, ...], error: Any) -> str:
    """What an error says; what it expects begins with "Input should be"."""
    if error["type"] == "extra_forbidden":
        return f"is unknown; allowed: {', '.join(_names_at(model, place[:-1])) or 'none'}"
    return "is missing" if error["type"] == "missing" else str(error["msg"])


def _sentence(value: Any, said: Sequence[str]) -> str:
    wanted = [one.removeprefix(EXPECTED) for one in said if one.startswith(EXPECTED)]
    if not wanted:
        return said[0]
    return f"is {_short(json.dumps(value))}; allowed: {_or(wanted)}"


def _or(wanted: Sequence[str]) -> str:
    """What is allowed, in the words of JSON."""
    return re.sub(r"\bNone\b", "null", " or ".join(dict.fromkeys(wanted)))


def _names_at(model: type[BaseModel], place: tuple[Any, ...]) -> list[str]:
    """The names that a model allows at a place."""
    kinds = [model]
    for part in place:
        if isinstance(part, str):
            fields = [kind.model_fields[part] for kind in kinds if part in kind.model_fields]
            kinds = [found for field in fields for found in _models_in(field.annotation)]
    return [name for kind in kinds for name in kind.model_fields]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    plain = get_origin(annotation) is None and isinstance(annotation, type)
    if plain and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _pointer(root: str, place: tuple[Any, ...]) -> str:
    steps = (_short(str(part)).replace("~", "~0").replace("/", "~1") for part in place)
    return "/".join([root, *steps])


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
