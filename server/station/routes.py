"""The classic charging-station protocol, which programs have spoken since 2024.

Those programs were written in many languages and long ago, so requests are read generously: any
content type, any `Accept`, any query, double slashes (`CollapseSlashes`), and further keys as long
as they are null. What a request asks for is read strictly: an unknown command changes nothing.

Percentages, energies, powers and prices are rounded to 2 decimals; hour and minute are integers of
the local clock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from server.http.openapi import CSV, JSON, answer, body, describe, reference, refusals
from server.http.problems import Problem
from server.http.request_reading import parse, request_body
from server.services import services
from server.station import day_series, logs
from server.station.household import AUTO, Shown
from server.v1.answer_schemas import BOOLEAN, INTEGER, NUMBER, STRING, Json, object_of, said

TAG = Tag(name="classic station", description="One household's charging station, in real time.")
TEXT = "text/plain"
PNG = "image/png"
SLASHES = re.compile("//+")
ON_OFF = {True: "on", False: "off"}


def _null(value: Any) -> None:
    if value is not None:
        raise PydanticCustomError("unknown", "is unknown here; allowed: only null")


class _Command(BaseModel):
    """A command: one key that says what, and any others that are null."""

    model_config = ConfigDict(extra="allow", strict=True)
    send: ClassVar[str]
    __pydantic_extra__: dict[str, Annotated[None, BeforeValidator(_null)]] = Field(init=False)


class Charge(_Command):
    """Turn charging on or off."""

    send: ClassVar[str] = '{"charging": "on"} or {"charging": "off"}'
    charging: Literal["on", "off"]
    discharging: Literal["off", None] = Field(None, description="of no effect")


class Discharge(_Command):
    """Restart the day with a battery of 20 %; "off" changes nothing."""

    send: ClassVar[str] = '{"discharging": "on"}'
    discharging: Literal["on", "off"]
    charging: Literal["off", None] = Field(None, description="of no effect")


class Override(_Command):
    """Override the commands, or let them count again."""

    send: ClassVar[str] = '{"mode": "auto"}, {"mode": "force_on"} or {"mode": "force_off"}'
    mode: Literal["auto", "force_on", "force_off"]


C = TypeVar("C", bound=_Command)

_HOURS: Json = {"type": "array", "items": NUMBER, "minItems": 24, "maxItems": 24}
_SWITCH: Json = {"type": "string", "enum": ["on", "off"]}
_MODE: Json = {"type": "string", "enum": ["auto", "force_on", "force_off"]}
_SCHEMAS: dict[str, Json] = {
    "Info": object_of(
        {
            "sim_time_hour": said(INTEGER, "local hour, 0 to 23"),
            "sim_time_min": said(INTEGER, "minute at which the running tick began"),
            "base_current_load": said(NUMBER, "load of the house and its charger (kW)"),
            "battery_capacity_kWh": said(NUMBER, "energy stored in the battery (kWh)"),
            "ev_battery_charge_start_stopp": said(BOOLEAN, "whether the car draws power"),
            "battery_max_capacity_kWh": said(NUMBER, "usable size of the battery (kWh)"),
            "battery_percent": said(NUMBER, "state of charge (%)"),
            "user_override": _MODE,
        }
    ),
    "Charging": object_of({"charging": _SWITCH}, {"override": said(_MODE, "while forced")}),
    "Discharging": object_of({"discharging": _SWITCH}),
    "Overridden": object_of({"charging": said(BOOLEAN, "as in /info"), "override": _MODE}),
    "Message": object_of({"message": STRING}),
}


class CollapseSlashes:
    """Lets the app see one slash where a client sends several: `//info` is `/info`."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request (WSGI)."""
        path = environ.get("PATH_INFO", "")
        if "//" in path:
            environ["PATH_INFO"] = SLASHES.sub("/", path)
        return self._app(environ, start_response)


def make_api() -> APIBlueprint:
    """The routes of the classic protocol."""
    api = APIBlueprint("classic", __name__, abp_tags=[TAG])
    describe(api, [Charge, Discharge, Override], _SCHEMAS)

    def documented(view: Callable[[], Response], answered: dict[str, Json], *no: int) -> Any:
        responses: dict[str, Any] = {"200": answer(_first_line(view), answered), **refusals(*no)}
        return {"operation_id": view.__name__, "responses": responses}

    def get(rule: str, view: Callable[[], Response], media: str, schema: Json, *no: int) -> None:
        api.get(rule, **documented(view, {media: schema}, *no))(view)

    def post(rule: str, view: Callable[[], Response], given: str, answered: str) -> None:
        asked = {"requestBody": body({JSON: reference(given)})}
        told = documented(view, {JSON: reference(answered)})
        api.post(rule, **told, openapi_extensions=asked)(view)

    get("/", energy, JSON, NUMBER)
    get("/info", info, JSON, reference("Info"))
    get("/baseload", baseload, JSON, _HOURS)
    get("/priceperhour", priceperhour, JSON, _HOURS)
    get("/charge", percent, JSON, NUMBER)
    get("/discharge", about_discharge, JSON, reference("Message"))
    get("/override", override, JSON, reference("Overridden"))
    post("/charge", charge, "Charge", "Charging")
    post("/discharge", discharge, "Discharge", "Discharging")
    post("/override", set_override, "Override", "Overridden")
    get("/log", log, TEXT, STRING)
    get("/log.txt", log_text, TEXT, STRING)
    get("/log.csv", log_csv, CSV, STRING)
    get("/plot.png", plot, PNG, {"type": "string", "format": "binary"}, 409)
    return api


def _first_line(view: Callable[[], Response]) -> str:
    return (view.__doc__ or "").splitlines()[0]


def _asked(command: type[C]) -> C:
    """The command that a request's body is.

    Raises:
        Problem: 400 that says what is wrong with it and what to send.
    """
    data = request_body()
    if not data.strip():
        told = f"is empty; send {command.send}"
        errors = [{"where": "/body", "detail": told}]
        raise Problem(400, f"/body {told}", errors=errors)
    try:
        return parse(command, data)
    except Problem as problem:
        told = f"{problem.detail}; send {command.send}"
        raise Problem(problem.status, told, **problem.extra) from None


def _json(told: Any) -> Response:
    return Response(json.dumps(told), content_type=JSON)


def _text(told: str, media: str) -> Response:
    return Response(told, content_type=f"{media}; charset=utf-8")


def energy() -> Response:
    """The stored energy in kWh, a bare number."""
    return _json(round(services().station.shown().energy_kwh, 2))


def info() -> Response:
    """What the station shows now."""
    shown = services().station.shown()
    return _json(
        {
            "sim_time_hour": shown.minute_of_day // 60,
            "sim_time_min": shown.minute_of_day % 60,
            "base_current_load": round(shown.load_kw + shown.charge_kw, 2),
            "battery_capacity_kWh": round(shown.energy_kwh, 2),
            "ev_battery_charge_start_stopp": shown.charging,
            "battery_max_capacity_kWh": round(shown.capacity_kwh, 2),
            "battery_percent": round(shown.percent, 2),
            "user_override": shown.override,
        }
    )


def baseload() -> Response:
    """The base load of each hour of the present day, kW."""
    station = services().station
    shown = station.shown()
    return _json(day_series.loads_kw(station.life.world, shown.house, shown.place_min))


def priceperhour() -> Response:
    """The spot price of each hour of the present day, in hundredths of the currency per kWh."""
    station = services().station
    return _json(day_series.prices_ore(station.life.world, station.shown().place_min))


def percent() -> Response:
    """The state of charge in percent, a bare number."""
    return _json(round(services().station.shown().percent, 2))


def charge() -> Response:
    """Turn charging on or off, from the running tick on.

    While forced, nothing changes, and the answer says what the charger really does. With a policy
    the command takes precedence until the override is set to auto.
    """
    asked = _asked(Charge).charging
    shown = services().station.charge(asked == "on")
    if shown.override != AUTO:
        return _json({"charging": ON_OFF[shown.charging], "override": shown.override})
    return _json({"charging": asked})


def about_discharge() -> Response:
    """Says how to restart the day."""
    message = 'POST {"discharging": "on"} resets the battery to 20 % and the clock to 00:00'
    return _json({"message": message})


def discharge() -> Response:
    """Restart the day: 20 %, 00:00, charging off, no override, an empty history."""
    asked = _asked(Discharge).discharging
    if asked == "on":
        services().station.discharge()
    return _json({"discharging": asked})


def _overridden(shown: Shown) -> Response:
    return _json({"charging": shown.charging, "override": shown.override})


def override() -> Response:
    """Whether the car draws power, and whether commands are overridden."""
    return _overridden(services().station.shown())


def set_override() -> Response:
    """Force charging on or off, or let commands (and the policy) count again."""
    mode = _asked(Override).mode
    return _overridden(services().station.force(mode))


def log() -> Response:
    """The last lines of the charging log, in words."""
    return _text(logs.log_text(services().station, logs.LAST_LINES), TEXT)


def log_text() -> Response:
    """The charging log since the last /discharge, in words."""
    return _text(logs.log_text(services().station), TEXT)


def log_csv() -> Response:
    """The battery log since the last /discharge: every field of every tick."""
    return _text(logs.log_csv(services().station), CSV)


def plot() -> Response:
    """The curve since the last /discharge."""
    return Response(logs.picture(services().station), content_type=PNG)
