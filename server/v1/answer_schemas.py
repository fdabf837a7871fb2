"""What `/v1` answers, as JSON schemas for the OpenAPI document; `step_codec` writes the answers.

Their fields come from the declared tables of `ev_gym`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ev_gym.simulation.results import NAMES, TERM_FIELDS
from ev_gym.simulation.state_fields import (
    REWARD_TERMS,
    STEP_FIELDS,
    VEHICLE_STATE,
    VEHICLE_STEP_FIELDS,
    Field,
    household_state,
)
from server.http.openapi import reference

Json = dict[str, Any]

NUMBER: Json = {"type": "number"}
INTEGER: Json = {"type": "integer"}
BOOLEAN: Json = {"type": "boolean"}
STRING: Json = {"type": "string"}
NULL: Json = {"type": "null"}
ANY: Json = {}


def many(schema: Json) -> Json:
    """A list."""
    return {"type": "array", "items": schema}


def object_of(required: Mapping[str, Json], optional: Mapping[str, Json] | None = None) -> Json:
    """An object of just these members."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def said(schema: Json, description: str) -> Json:
    """A schema with a description."""
    return {**schema, "description": description}


def _declared(fields: Iterable[Field], wrap: Callable[[Json], Json] = dict) -> dict[str, Json]:
    """Members for declared fields; `wrap` makes the schema from that of one number, or array."""
    members = {}
    for field in fields:
        kind = np.dtype(field.dtype)
        number = NUMBER if kind.base.kind == "f" else INTEGER
        for _ in kind.shape:
            number = many(number)
        meaning = f"{field.meaning} ({field.unit})" if field.unit else field.meaning
        members[field.name] = said(wrap(number), meaning)
    return members


_HOUSE_STEP = [field for field in STEP_FIELDS if field.name in NAMES]
_TERMS = [field for field in STEP_FIELDS if field.name in TERM_FIELDS]
_SETTLEMENT = "in an episode's last step: the change in stored energy, valued"


def _info(wrap: Callable[[Json], Json]) -> dict[str, Json]:
    """The members of every info; `wrap` makes what many rows have of what one has."""
    terms = {name: wrap(NUMBER) for name in REWARD_TERMS}
    return {
        **_declared(_HOUSE_STEP, wrap),
        **_declared(VEHICLE_STEP_FIELDS, lambda number: wrap(many(number))),
        "reward_terms": said(object_of(terms), "the reward is their sum"),
    }


_SETTLED = {
    "settlement": said(many(NUMBER), f"{_SETTLEMENT}; valid where _settlement"),
    "_settlement": many(BOOLEAN),
}
_FINAL = {
    "final_obs": said(many(many(NUMBER)), "same-step: what ended episodes saw last"),
    "_final_obs": said(many(BOOLEAN), "same-step: the rows whose episode ended"),
    "final_info": said(reference("LastStepInfos"), "same-step: infos of the ended episodes"),
    "_final_info": many(BOOLEAN),
}
_FLAGS = {"terminated": BOOLEAN, "truncated": BOOLEAN}
_INDEX = {"index": said(INTEGER, "resets and steps so far: the index of the next one")}
_FIELD = object_of({"name": STRING, "dtype": STRING, "unit": STRING, "meaning": STRING})
_BOUNDS = {"low": many(NUMBER), "high": many(NUMBER), "shape": many(INTEGER), "dtype": STRING}
_KIND = {"type": STRING}

_SPEC = {
    "id": STRING,
    **_INDEX,
    "scenario": said(reference("ScenarioOverrides"), "every parameter"),
    "num_envs": {"anyOf": [INTEGER, NULL]},
    "seed": INTEGER,
    "continuous": BOOLEAN,
    "split": {"anyOf": [STRING, NULL]},
    "autoreset_mode": STRING,
    "version": said(STRING, "of the code and the state's layout"),
    "action_space": said(
        {
            "anyOf": [
                object_of({**_KIND, **_BOUNDS}),
                object_of({**_KIND, "n": INTEGER}),
                object_of({**_KIND, "nvec": many(INTEGER)}),
            ]
        },
        "of one household, as Gymnasium has it: Box, Discrete or MultiDiscrete",
    ),
    "observation_space": said(object_of({**_KIND, **_BOUNDS}), "of one household"),
    "observation_fields": many(
        object_of(
            {
                "name": STRING,
                "unit": STRING,
                "meaning": STRING,
                "start": INTEGER,
                "stop": INTEGER,
                "low": NUMBER,
                "high": NUMBER,
            }
        )
    ),
    "step_fields": many(_FIELD),
    "vehicle_step_fields": many(_FIELD),
    "household_state_fields": many(_FIELD),
    "vehicle_state_fields": many(_FIELD),
    "series_start": said(STRING, "UTC time of minute 0 of now_min"),
    "zone": said(STRING, "the household's time zone"),
}
_STATE = object_of(
    {
        "households": many(object_of(_declared(household_state(1, 3)))),
        "vehicles": many(many(object_of(_declared(VEHICLE_STATE)))),
    }
)
_ONE_STEP = {
    "index": said(INTEGER, "of the operation"),
    "row": INTEGER,
    "time": said(STRING, "start of the step, local"),
    **_declared(_HOUSE_STEP),
    **_declared(VEHICLE_STEP_FIELDS, many),
    **_declared(_TERMS),
    "reward": NUMBER,
}
_SINGLE = {**_INDEX, "observation": many(NUMBER), "info": reference("StepInfo")}
_VECTOR = {**_INDEX, "observations": many(many(NUMBER)), "infos": reference("StepInfos")}
_LAST = [reference(name) for name in ("SingleReset", "VectorReset", "SingleStep", "VectorStep")]

SCHEMAS: dict[str, Json] = {
    "StepInfo": object_of(_info(dict), {"settlement": said(NUMBER, _SETTLEMENT)}),
    "StepInfos": object_of(_info(many), {**_SETTLED, **_FINAL}),
    "LastStepInfos": object_of({**_info(many), **_SETTLED}),
    "SingleReset": object_of(_SINGLE),
    "VectorReset": object_of(_VECTOR),
    "SingleStep": object_of({**_SINGLE, "reward": NUMBER, **_FLAGS}),
    "VectorStep": object_of(
        {**_VECTOR, "rewards": many(NUMBER), **{name: many(BOOLEAN) for name in _FLAGS}}
    ),
    "SessionDescription": object_of(_SPEC),
    "SessionLook": object_of({**_SPEC, "last": {"anyOf": [NULL, *_LAST]}, "state": _STATE}),
    "Steps": object_of(
        {
            "steps": many(object_of(_ONE_STEP)),
            "next": said(
                {"anyOf": [INTEGER, NULL]}, "`first` of the next page; null after the last one"
            ),
        }
    ),
}

RESET_ANSWER: Json = {"anyOf": _LAST[:2]}
STEP_ANSWER: Json = {"anyOf": _LAST[2:]}
