"""The parts of the OpenAPI document, as the routes' decorators of flask-openapi3 take them.

Bodies and queries are documented by pydantic models. The same models read the requests
(`server.http.request_reading`), which flask-openapi3 could do only more slowly and less strictly.
"""

from __future__ import annotations

import http
from collections.abc import Iterable, Mapping
from typing import Any

from flask_openapi3 import APIBlueprint, Info, OpenAPI
from flask_openapi3.models import OPENAPI3_REF_PREFIX, OPENAPI3_REF_TEMPLATE, Schema
from flask_openapi3.types import ResponseDict
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from server.http import problems

JSON = "application/json"
NPY = "application/x-npy"
CSV = "text/csv"

ALWAYS = (400, 401, 403, 406, 413, 421, 503)
SECURITY: Any = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "the server's token"}
}


class Wrong(BaseModel):
    """One thing that a request got wrong."""

    where: str = Field(description="JSON pointer into the request, such as /body/seed")
    detail: str = Field(description="what is wrong there, and what is allowed")


class ProblemDetails(BaseModel):
    """An answer that says no (RFC 9457)."""

    model_config = ConfigDict(extra="allow")
    type: str
    title: str
    status: int
    detail: str = Field(description="what was wrong, its value, and what is allowed")
    errors: list[Wrong] = Field([], description="with 400: each thing that was wrong")
    index: int = Field(0, description="with 409: the session's index")


def new_app(import_name: str, needs_token: bool) -> OpenAPI:
    """An app with an OpenAPI document at `/docs/openapi.json`, and a page that shows it."""
    app = OpenAPI(
        import_name,
        info=Info(
            title="ev_gym",
            version="1",
            description="A household that charges electric cars: the classic charging station, "
            "and Gymnasium sessions under /v1.",
        ),
        doc_prefix="/docs",
        security_schemes=SECURITY,
        openapi_extensions={"security": [{"bearer": []}]} if needs_token else {},
        validation_error_status=400,
        validation_error_model=ProblemDetails,
    )
    app.config["SWAGGER_CONFIG"] = {"validatorUrl": None}  # else it asks validator.swagger.io
    return app


def operation_id(*, name: str, path: str, method: str) -> str:
    """The id of an operation: its view's name. For `APIBlueprint(operation_id_callback=...)`."""
    return name


def reference(name: str) -> dict[str, str]:
    """A reference to one of the document's components, by the name of its model."""
    return {"$ref": f"{OPENAPI3_REF_PREFIX}/{name}"}


def add_schemas(
    api: APIBlueprint,
    models: Iterable[type[BaseModel]],
    schemas: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Put models, what they refer to, and further schemas among the document's components."""
    pairs = [(model, "validation") for model in (ProblemDetails, *models)]
    _, definitions = models_json_schema(pairs, ref_template=OPENAPI3_REF_TEMPLATE)  # type: ignore[arg-type]  # mypy sees a str in it
    for name, schema in {**definitions["$defs"], **(schemas or {})}.items():
        api.components_schemas[name] = Schema(**schema)


def refusals(*statuses: int) -> ResponseDict:
    """The documentation of some problems, and of those that can always come."""
    content = {problems.MEDIA_TYPE: {"schema": reference("ProblemDetails")}}
    responses: ResponseDict = {}
    for status in sorted({*ALWAYS, *statuses}):
        response: dict[str, Any] = {
            "description": http.HTTPStatus(status).phrase,
            "content": content,
        }
        if status == 401:
            response["headers"] = {"WWW-Authenticate": header("the scheme that is asked for")}
        responses[str(status)] = response
    return responses


def header(description: str, kind: str = "string") -> dict[str, Any]:
    """The documentation of a header that is always there."""
    return {"description": description, "required": True, "schema": {"type": kind}}


def answer(
    description: str, content: Mapping[str, Mapping[str, Any]], **more: Mapping[str, Any]
) -> dict[str, Any]:
    """The documentation of an answer: a schema for each media type; `headers`, `links`."""
    return {"description": description, "content": _by_media_type(content), **more}


def body(
    content: Mapping[str, Mapping[str, Any]], required: bool = True, example: Any = None
) -> dict[str, Any]:
    """The documentation of a request's body: a schema for each media type, an example in JSON."""
    described = _by_media_type(content)
    if example is not None:
        described[JSON]["example"] = example
    return {"content": described, "required": required}


def _by_media_type(schemas: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {media: {"schema": dict(schema)} for media, schema in schemas.items()}


def in_path(name: str, description: str) -> dict[str, Any]:
    """The documentation of a part of the path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }


def in_query(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The documentation of the query that a model reads."""
    schema = model.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": field.pop("description", ""),
            "schema": {key: value for key, value in field.items() if value is not None},
        }
        for name, field in schema["properties"].items()
    ]
