"""The Gymnasium protocol over HTTP, `/v1`: sessions that are reset and stepped.

Documentation comes from the decorators of flask-openapi3, with the models that
`server.http.request_reading` reads the requests by.
"""

from __future__ import annotations

import inspect
import itertools
import secrets
from collections.abc import Callable
from typing import Any

from flask import Response, request, url_for
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel

from server.http.openapi import (
    CSV,
    JSON,
    NPY,
    answer,
    body,
    describe,
    header,
    in_path,
    in_query,
    reference,
    refusals,
)
from server.http.problems import Problem
from server.http.request_reading import (
    NoQuery,
    media_type,
    parse,
    read_json,
    read_query,
    request_body,
    unsupported,
    wanted,
)
from server.services import services
from server.v1 import session_json, step_codec
from server.v1.answer_schemas import RESET_ANSWER, SCHEMAS, STEP_ANSWER
from server.v1.replayed_env import Spec
from server.v1.request_schemas import NewEnv, Reset, Step, StepQuery, StepsQuery
from server.v1.scenario_schema import scenario_of
from server.v1.step_answer import Answer

TAG = Tag(name="Gymnasium", description="Sessions: reset and step an env, or a vector of them.")
MOST_STEPS = 100_000  # of households in one page
STEPS_LIMIT = 100  # operations in a page, where the client does not say

_PATH = [in_path("id", "the session's id")]
_BYTES = {"type": "string", "format": "binary"}
_ARRAYS = " ".join(inspect.cleandoc(step_codec.to_npy.__doc__ or "").split())
_INDEX = {"Session-Index": header("the session's index after this operation", "integer")}
_LINKS = {
    name: {"operationId": name, "parameters": {"id": "$response.body#/id"}}
    for name in ("reset", "step", "look", "steps", "steps_csv", "delete")
}


def _documented(
    view: Callable[..., Response],
    responses: dict[str, Any],
    refused: tuple[int, ...],
    query: type[BaseModel] = NoQuery,
    **more: Any,
) -> dict[str, Any]:
    """What a route's decorator is told; summary and description are the view's docstring."""
    path = [] if view is create else _PATH
    summary, _, description = inspect.cleandoc(view.__doc__ or "").partition("\n\n")
    return {
        "operation_id": view.__name__,
        "summary": " ".join(summary.split()),
        "description": " ".join(description.split()) or " ",
        "responses": {**responses, **refusals(*refused)},
        "openapi_extensions": {"parameters": [*path, *in_query(query)], **more},
    }


def _answers(what: str, schema: dict[str, Any]) -> dict[str, Any]:
    links = {"step": {"operationId": "step", "parameters": {"id": "$request.path.id"}}}
    content = {JSON: schema, NPY: {**_BYTES, "description": _ARRAYS}}
    return {"200": answer(what, content, headers=_INDEX, links=links)}


def make_api() -> APIBlueprint:
    """The routes of `/v1`."""
    api = APIBlueprint("envs", __name__, url_prefix="/v1/envs", abp_tags=[TAG])
    describe(api, [NewEnv, Reset, Step], SCHEMAS)
    made = answer(
        "The session",
        {JSON: reference("SessionDescription")},
        headers={"Location": header("the session's address")},
        links=_LINKS,
    )
    given = body({JSON: reference("NewEnv")}, False, {"scenario": "classic", "seed": 0})
    api.post("", **_documented(create, {"201": made}, (415, 422, 429), requestBody=given))(create)

    shown = {"200": answer("The session", {JSON: reference("SessionLook")})}
    api.get("/<id>", **_documented(look, shown, (404, 409)))(look)

    gone = {"204": {"description": "It is gone"}}
    api.delete("/<id>", **_documented(delete, gone, (404,)))(delete)

    given = body({JSON: reference("Reset")}, False, {"seed": 0})
    began = _answers("What the rows show before their first step", RESET_ANSWER)
    told = _documented(reset, began, (404, 409, 415, 422), requestBody=given)
    api.post("/<id>/reset", **told)(reset)

    given = body({JSON: reference("Step"), NPY: _BYTES}, True, {"action": [0.5]})
    stepped = _answers("What the rows show after the step", STEP_ANSWER)
    told = _documented(step, stepped, (404, 409, 415, 422), StepQuery, requestBody=given)
    api.post("/<id>/step", **told)(step)

    listed = {"200": answer("The steps of some operations", {JSON: reference("Steps")})}
    api.get("/<id>/steps", **_documented(steps, listed, (404, 409, 422), StepsQuery))(steps)

    listed = {"200": answer("All steps of the session", {CSV: {"type": "string"}})}
    api.get("/<id>/steps.csv", **_documented(steps_csv, listed, (404, 409)))(steps_csv)
    return api


def create() -> Response:
    """Make a session.

    It has yet to be reset. A wrong scenario is told parameter by parameter.
    """
    wanted((JSON,))
    read_query(NoQuery)
    given = read_json(NewEnv, request_body())
    sessions = services().sessions
    made = sessions.create(
        Spec(
            scenario=scenario_of(given.scenario),
            num_envs=given.num_envs,
            seed=_drawn_seed() if given.seed is None else given.seed,
            continuous=given.continuous,
            split=given.split,
            autoreset_mode=given.autoreset_mode,
        )
    )
    told = session_json.session(made, sessions.world(made.id))
    response = _json(step_codec.dumps(told), 201)
    response.headers["Location"] = url_for("envs.look", id=made.id)
    return response


def _drawn_seed() -> int:
    """A seed that, with those after it for the other rows, a double holds exactly."""
    return secrets.randbelow(2**52)


def look() -> Response:
    """A session: what it is, what it answered last, and its state."""
    wanted((JSON,))
    read_query(NoQuery)
    sessions = services().sessions
    seen = sessions.look(_id())
    told = session_json.session(seen.session, sessions.world(_id()))
    single = seen.session.spec.num_envs is None
    told["last"] = None if seen.last is None else step_codec.plain(seen.last, single)
    told["state"] = session_json.state(seen)
    return _json(step_codec.dumps(told))


def delete() -> Response:
    """Delete a session."""
    read_query(NoQuery)
    if not services().sessions.delete(_id()):
        raise Problem(404, "there is no such session: it was never made, deleted, or has expired")
    return Response(status=204)


def reset() -> Response:
    """Begin an episode: of the seed, or the next of the stream."""
    media = wanted((JSON, NPY))
    read_query(NoQuery)
    given = read_json(Reset, request_body())
    options = None if given.options is None else given.options.model_dump(exclude_none=True)
    sessions = services().sessions
    spec = sessions.spec(_id())
    return _answer(sessions.reset(_id(), given.seed, options, given.index), spec, media)


def step() -> Response:
    """Step all rows of a session.

    The action is JSON, or one array as numpy.save writes it; then the index stands in the query.
    """
    media = wanted((JSON, NPY))
    index = read_query(StepQuery).index
    data = request_body()
    kind = media_type()
    action: Any
    if kind == NPY:
        action = step_codec.action_of(data)
    elif kind == JSON:
        given = parse(Step, data or b"{}")
        action = given.action
        if given.index is not None:
            if index is not None:
                raise Problem(422, "index stands in the query and in the body; allowed: one")
            index = given.index
    else:
        raise unsupported((JSON, NPY))
    sessions = services().sessions
    spec = sessions.spec(_id())
    told = sessions.step(_id(), action, index)
    return _answer(told, spec, media)


def steps() -> Response:
    """The steps of some operations of a session, household by household."""
    wanted((JSON,))
    asked = read_query(StepsQuery)
    sessions = services().sessions
    session = sessions.session(_id())
    rows = session.spec.rows
    most = max(1, MOST_STEPS // rows)
    limit = min(STEPS_LIMIT, most) if asked.limit is None else asked.limit
    if limit > most:
        raise Problem(422, f"limit is {limit}; allowed with {rows} rows: at most {most}")
    end = asked.first + limit
    shown = sessions.steps(_id(), asked.first, limit)
    told = {
        "steps": list(session_json.steps(shown, sessions.world(_id()))),
        "next": end if end < session.index else None,
    }
    return _json(step_codec.dumps(told))


def steps_csv() -> Response:
    """All steps of a session as CSV: index, row, time and every declared step field."""
    wanted((CSV,))
    read_query(NoQuery)
    sessions = services().sessions
    session = sessions.session(_id())
    shown = sessions.steps(_id(), 0, None)
    pieces = session_json.csv(shown, sessions.world(_id()), session.spec.rows)
    begun = list(itertools.islice(pieces, 2))  # so that a refusal is not half an answer
    return Response(itertools.chain(begun, pieces), content_type=f"{CSV}; charset=utf-8")


def _id() -> str:
    """The session's id in the path, which flask-openapi3 passes on only to models of its own."""
    return str((request.view_args or {})["id"])


def _answer(told: Answer, spec: Spec, media: str) -> Response:
    """What a reset or a step answers, in the wanted form."""
    if media == NPY:
        response = Response(step_codec.to_npy(told), content_type=NPY)
    else:
        response = _json(step_codec.to_json(told, spec.num_envs is None))
    response.headers["Session-Index"] = str(told.index)
    return response


def _json(text: bytes, status: int = 200) -> Response:
    return Response(text, status, content_type=JSON)
