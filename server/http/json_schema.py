"""JSON schemas of answers, put together from a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

NUMBER: Json = {"type": "number"}
INTEGER: Json = {"type": "integer"}
BOOLEAN: Json = {"type": "boolean"}
STRING: Json = {"type": "string"}
BYTES: Json = {"type": "string", "format": "binary"}
NULL: Json = {"type": "null"}


def array_of(schema: Json) -> Json:
    """An array of any length."""
    return {"type": "array", "items": schema}


def object_of(required: Mapping[str, Json], optional: Mapping[str, Json] | None = None) -> Json:
    """An object with these members and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def with_description(schema: Json, description: str) -> Json:
    """A schema that says what its value means."""
    return {**schema, "description": description}
