"""The answers of `/v1` as JSON schemas, for the OpenAPI document; `step_codec` writes them.

Their fields come from the declared tables of `ev_gym`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

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
from server.http.json_schema import (
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    STRING,
    Json,
    array_of,
    object_of,
    with_description,
)
from server.http.openapi import reference


def _members_of(fields: Iterable[Field], wrap: Callable[[Json], Json] = dict) -> dict[str, Json]:
    """A member for each declared field; `wrap` makes its schema from that of one number."""
    members = {}
    for field in fields:
        kind = np.dtype(field.dtype)
        number = NUMBER if kind.base.kind == "f" else INTEGER
        for _ in kind.shape:
            number = array_of(number)
        meaning = f"{field.meaning} ({field.unit})" if field.unit else field.meaning
        members[field.name] = with_description(wrap(number), meaning)
    return members


_HOUSE_STEP = [field for field in STEP_FIELDS if field.name in NAMES]
_TERMS = [field for field in STEP_FIELDS if field.name in TERM_FIELDS]
_SETTLEMENT = "in an episode's last step the change in stored energy, valued; else 0"


def _info(wrap: Callable[[Json], Json]) -> dict[str, Json]:
    """The members of every info; `wrap` makes what many rows have of what one has."""
    terms = {name: wrap(NUMBER) for name in REWARD_TERMS}
    return {
        **_members_of(_HOUSE_STEP, wrap),
        **_members_of(VEHICLE_STEP_FIELDS, lambda number: wrap(array_of(number))),
        "reward_terms": with_description(object_of(terms), "the reward is their sum"),
        "settlement": with_description(wrap(NUMBER), _SETTLEMENT),
    }


def _mask(wrap: Callable[[Json], Json]) -> dict[str, Json]:
    """The member of infos with discrete actions alone."""
    meaning = (
        "with discrete actions: which choices of the coming step, of the first car first, can do "
        "anything else than the one that asks for nothing"
    )
    return {"action_mask": with_description(wrap(array_of(BOOLEAN)), meaning)}


_FINAL = {
    "final_obs": with_description(
        array_of(array_of(NUMBER)), "same-step: what ended episodes saw last"
    ),
    "_final_obs": with_description(array_of(BOOLEAN), "same-step: the rows whose episode ended"),
    "final_info": with_description(
        reference("LastStepInfos"), "same-step: infos of the ended episodes"
    ),
    "_final_info": array_of(BOOLEAN),
}
_FLAGS = {"terminated": BOOLEAN, "truncated": BOOLEAN}
_INDEX = {"index": with_description(INTEGER, "resets and steps so far: the index of the next one")}
_FIELD = object_of({"name": STRING, "dtype": STRING, "unit": STRING, "meaning": STRING})
_BOUNDS = {
    "low": array_of(NUMBER),
    "high": array_of(NUMBER),
    "shape": array_of(INTEGER),
    "dtype": STRING,
}
_KIND = {"type": STRING}

_SPEC = {
    "id": STRING,
    **_INDEX,
    "scenario": with_description(reference("ScenarioOverrides"), "every parameter"),
    "num_envs": {"anyOf": [INTEGER, NULL]},
    "seed": INTEGER,
    "continuous": BOOLEAN,
    "split": {"anyOf": [STRING, NULL]},
    "autoreset_mode": STRING,
    "observation": with_description(STRING, "physical or scaled"),
    "version": with_description(STRING, "of the code and the state's layout"),
    "action_space": with_description(
        {
            "anyOf": [
                object_of({**_KIND, **_BOUNDS}),
                object_of({**_KIND, "n": INTEGER}),
                object_of({**_KIND, "nvec": array_of(INTEGER)}),
            ]
        },
        "of one household, as Gymnasium has it: Box, Discrete or MultiDiscrete",
    ),
    "observation_space": with_description(object_of({**_KIND, **_BOUNDS}), "of one household"),
    "observation_fields": array_of(
        object_of(
            {
                "name": STRING,
                "unit": STRING,
                "meaning": STRING,
                "start": INTEGER,
                "stop": INTEGER,
                "low": NUMBER,
                "high": NUMBER,
                "offset": NUMBER,
                "factor": NUMBER,
            }
        )
    ),
    "step_fields": array_of(_FIELD),
    "vehicle_step_fields": array_of(_FIELD),
    "household_state_fields": array_of(_FIELD),
    "vehicle_state_fields": array_of(_FIELD),
    "series_start": with_description(STRING, "UTC time of minute 0 of now_min"),
    "zone": with_description(STRING, "the household's time zone"),
}
_STATE = object_of(
    {
        "households": array_of(object_of(_members_of(household_state(1, 3)))),
        "vehicles": array_of(array_of(object_of(_members_of(VEHICLE_STATE)))),
    }
)
_ONE_STEP = {
    "index": with_description(INTEGER, "of the operation"),
    "row": INTEGER,
    "time": with_description(STRING, "start of the step, local"),
    **_members_of(_HOUSE_STEP),
    **_members_of(VEHICLE_STEP_FIELDS, array_of),
    **_members_of(_TERMS),
    "reward": NUMBER,
}
_SINGLE = {**_INDEX, "observation": array_of(NUMBER), "info": reference("StepInfo")}
_VECTOR = {**_INDEX, "observations": array_of(array_of(NUMBER)), "infos": reference("StepInfos")}
_LAST = [reference(name) for name in ("SingleReset", "VectorReset", "SingleStep", "VectorStep")]

SCHEMAS: dict[str, Json] = {
    "StepInfo": object_of(_info(dict), _mask(dict)),
    "StepInfos": object_of(_info(array_of), {**_mask(array_of), **_FINAL}),
    "LastStepInfos": object_of(_info(array_of), _mask(array_of)),
    "SingleReset": object_of(_SINGLE),
    "VectorReset": object_of(_VECTOR),
    "SingleStep": object_of({**_SINGLE, "reward": NUMBER, **_FLAGS}),
    "VectorStep": object_of(
        {**_VECTOR, "rewards": array_of(NUMBER), **{name: array_of(BOOLEAN) for name in _FLAGS}}
    ),
    "SessionDescription": object_of(_SPEC),
    "SessionLook": object_of({**_SPEC, "last": {"anyOf": [NULL, *_LAST]}, "state": _STATE}),
    "Steps": object_of(
        {
            "steps": array_of(object_of(_ONE_STEP)),
            "next": with_description(
                {"anyOf": [INTEGER, NULL]}, "`first` of the next page; null after the last one"
            ),
        }
    ),
}

RESET_ANSWER: Json = {"anyOf": _LAST[:2]}
STEP_ANSWER: Json = {"anyOf": _LAST[2:]}
