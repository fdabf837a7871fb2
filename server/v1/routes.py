"""The Gymnasium protocol over HTTP, `/v1`: sessions that are reset and stepped.

The decorators document the routes; the models in them (`server.v1.request_schemas`) also read the
requests.
"""

from __future__ import annotations

import inspect
import itertools
import secrets
from typing import Any

from flask import Response, current_app, request, url_for
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel

from server.http.json_schema import BYTES, STRING, Json, with_description
from server.http.openapi import (
    CSV,
    JSON,
    NPY,
    add_schemas,
    answer,
    body,
    header,
    in_path,
    in_query,
    operation_id,
    reference,
    refusals,
)
from server.http.problems import Problem
from server.http.request_reading import (
    NoQuery,
    best_media_type,
    media_type,
    parse,
    read_json,
    read_query,
    request_body,
    unsupported,
)
from server.v1 import session_json, step_codec
from server.v1.answer_schemas import RESET_ANSWER, SCHEMAS, STEP_ANSWER
from server.v1.refusals import unknown_session
from server.v1.replayed_env import Spec
from server.v1.request_schemas import NewEnv, Reset, Step, StepQuery, StepsQuery
from server.v1.scenario_schema import scenario_of
from server.v1.sessions import Sessions
from server.v1.step_answer import Answer

SESSIONS = "ev_gym.sessions"  # the app's extension that holds its `Sessions`
MOST_STEPS = 100_000  # of households in one page
STEPS_LIMIT = 100  # operations in a page, where the client does not say

api = APIBlueprint(
    "envs",
    __name__,
    url_prefix="/v1/envs",
    abp_tags=[
        Tag(name="Gymnasium", description="Sessions: reset and step an env, or a vector of them.")
    ],
    operation_id_callback=operation_id,
)
add_schemas(api, [NewEnv, Reset, Step], SCHEMAS)

_ID = in_path("id", "the session's id")
_NO_DESCRIPTION = " "  # flask-openapi3 would leave out an empty one
_OPERATIONS = ("reset", "step", "look", "steps", "steps_csv", "delete")


def _takes(query: type[BaseModel] = NoQuery, **more: Any) -> dict[str, Any]:
    """The documentation of what a session's route takes: its path, its query, perhaps a body."""
    return {"parameters": [_ID, *in_query(query)], **more}


def _answers(description: str, schema: Json) -> dict[str, Any]:
    """The documentation of what a reset or a step answers, as JSON or as arrays."""
    arrays = " ".join(inspect.cleandoc(step_codec.to_npy.__doc__ or "").split())
    return answer(
        description,
        {JSON: schema, NPY: with_description(BYTES, arrays)},
        headers={"Session-Index": header("the session's index after this operation", "integer")},
        links={"step": {"operationId": "step", "parameters": {"id": "$request.path.id"}}},
    )


def _sessions() -> Sessions:
    """The sessions of the app that answers the present request."""
    found: Sessions = current_app.extensions[SESSIONS]
    return found


def _session_id() -> str:
    """The session's id in the path, which flask-openapi3 passes on only to models of its own."""
    return str((request.view_args or {})["id"])


@api.post(
    "",
    description="It has yet to be reset. A wrong scenario is told parameter by parameter.",
    responses={
        "201": answer(
            "The session",
            {JSON: reference("SessionDescription")},
            headers={"Location": header("the session's address")},
            links={
                name: {"operationId": name, "parameters": {"id": "$response.body#/id"}}
                for name in _OPERATIONS
            },
        ),
        **refusals(415, 422, 429),
    },
    openapi_extensions={
        "parameters": in_query(NoQuery),
        "requestBody": body(
            {JSON: reference("NewEnv")}, required=False, example={"scenario": "classic", "seed": 0}
        ),
    },
)
def create() -> Response:
    """Make a session."""
    best_media_type((JSON,))
    read_query(NoQuery)
    content = read_json(NewEnv, request_body())
    sessions = _sessions()
    session = sessions.create(
        Spec(
            scenario=scenario_of(content.scenario),
            num_envs=content.num_envs,
            seed=_random_seed() if content.seed is None else content.seed,
            continuous=content.continuous,
            split=content.split,
            autoreset_mode=content.autoreset_mode,
            observation=content.observation,
        )
    )
    description = session_json.session(session, sessions.world(session.id))
    response = _json(step_codec.dumps(description), 201)
    response.headers["Location"] = url_for("envs.look", id=session.id)
    return response


def _random_seed() -> int:
    """A seed that, with those after it for the other rows, a double holds exactly."""
    return secrets.randbelow(2**52)


@api.get(
    "/<id>",
    description=_NO_DESCRIPTION,
    responses={
        "200": answer("The session", {JSON: reference("SessionLook")}),
        **refusals(404, 409),
    },
    openapi_extensions=_takes(),
)
def look() -> Response:
    """A session: what it is, what it answered last, and its state."""
    best_media_type((JSON,))
    read_query(NoQuery)
    sessions = _sessions()
    seen = sessions.look(_session_id())
    single = seen.session.spec.num_envs is None
    return _json(
        step_codec.dumps(
            {
                **session_json.session(seen.session, sessions.world(_session_id())),
                "last": None if seen.last is None else step_codec.plain_values(seen.last, single),
                "state": session_json.state(seen),
            }
        )
    )


@api.delete(
    "/<id>",
    description=_NO_DESCRIPTION,
    responses={"204": {"description": "It is gone"}, **refusals(404)},
    openapi_extensions=_takes(),
)
def delete() -> Response:
    """Delete a session."""
    read_query(NoQuery)
    if not _sessions().delete(_session_id()):
        raise unknown_session()
    return Response(status=204)


@api.post(
    "/<id>/reset",
    description=_NO_DESCRIPTION,
    responses={
        "200": _answers("What the rows show before their first step", RESET_ANSWER),
        **refusals(404, 409, 415, 422),
    },
    openapi_extensions=_takes(
        requestBody=body({JSON: reference("Reset")}, required=False, example={"seed": 0})
    ),
)
def reset() -> Response:
    """Begin an episode: of the seed, or the next of the stream."""
    media = best_media_type((JSON, NPY))
    read_query(NoQuery)
    content = read_json(Reset, request_body())
    options = None if content.options is None else content.options.model_dump(exclude_none=True)
    sessions = _sessions()
    spec = sessions.spec(_session_id())
    result = sessions.reset(_session_id(), content.seed, options, content.index)
    return _answer(result, spec, media)


@api.post(
    "/<id>/step",
    description="The action is JSON, or one array as numpy.save writes it; then the index stands "
    "in the query.",
    responses={
        "200": _answers("What the rows show after the step", STEP_ANSWER),
        **refusals(404, 409, 415, 422),
    },
    openapi_extensions=_takes(
        StepQuery,
        requestBody=body({JSON: reference("Step"), NPY: BYTES}, example={"action": [0.5]}),
    ),
)
def step() -> Response:
    """Step all rows of a session."""
    media = best_media_type((JSON, NPY))
    index = read_query(StepQuery).index
    data = request_body()
    kind = media_type()
    action: Any
    if kind == NPY:
        action = step_codec.action_of(data)
    elif kind == JSON:
        content = parse(Step, data or b"{}")
        action = content.action
        if content.index is not None:
            if index is not None:
                raise Problem(422, "index stands in the query and in the body; allowed: one")
            index = content.index
    else:
        raise unsupported((JSON, NPY))
    sessions = _sessions()
    spec = sessions.spec(_session_id())
    return _answer(sessions.step(_session_id(), action, index), spec, media)


@api.get(
    "/<id>/steps",
    description=_NO_DESCRIPTION,
    responses={
        "200": answer("The steps of some operations", {JSON: reference("Steps")}),
        **refusals(404, 409, 422),
    },
    openapi_extensions=_takes(StepsQuery),
)
def steps() -> Response:
    """The steps of some operations of a session, household by household."""
    best_media_type((JSON,))
    page = read_query(StepsQuery)
    sessions = _sessions()
    session = sessions.session(_session_id())
    rows = session.spec.rows
    most = max(1, MOST_STEPS // rows)
    limit = min(STEPS_LIMIT, most) if page.limit is None else page.limit
    if limit > most:
        raise Problem(422, f"limit is {limit}; allowed with {rows} rows: at most {most}")
    end = page.first + limit
    results = sessions.steps(_session_id(), page.first, limit)
    return _json(
        step_codec.dumps(
            {
                "steps": list(session_json.steps(results, sessions.world(_session_id()))),
                "next": end if end < session.index else None,
            }
        )
    )


@api.get(
    "/<id>/steps.csv",
    description=_NO_DESCRIPTION,
    responses={"200": answer("All steps of the session", {CSV: STRING}), **refusals(404, 409)},
    openapi_extensions=_takes(),
)
def steps_csv() -> Response:
    """All steps of a session as CSV: index, row, time and every declared step field."""
    best_media_type((CSV,))
    read_query(NoQuery)
    sessions = _sessions()
    session = sessions.session(_session_id())
    results = sessions.steps(_session_id(), 0, None)
    pieces = session_json.csv(results, sessions.world(_session_id()), session.spec.rows)
    first = list(itertools.islice(pieces, 2))  # so that a refusal is not half an answer
    return Response(itertools.chain(first, pieces), content_type=f"{CSV}; charset=utf-8")


def _answer(result: Answer, spec: Spec, media: str) -> Response:
    """What a reset or a step answers, in the media type that the client takes."""
    if media == NPY:
        response = Response(step_codec.to_npy(result), content_type=NPY)
    else:
        response = _json(step_codec.to_json(result, spec.num_envs is None))
    response.headers["Session-Index"] = str(result.index)
    return response


def _json(text: bytes, status: int = 200) -> Response:
    return Response(text, status, content_type=JSON)
