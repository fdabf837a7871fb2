"""The classic charging-station protocol, which programs have spoken since 2024.

Those programs are in many languages, and nobody will mend them, so requests are read generously:
any content type, any `Accept`, any query, double slashes (`CollapseSlashes`), and further keys as
long as they are null. The command itself is read strictly: an unknown one changes nothing.

Percentages, energies, powers and prices are rounded to 2 decimals; hour and minute are integers of
the local clock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from flask import Response, current_app
from flask_openapi3 import APIBlueprint, Tag
from flask_openapi3.types import ResponseDict
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from server.http.json_schema import (
    BOOLEAN,
    BYTES,
    INTEGER,
    NUMBER,
    STRING,
    Json,
    object_of,
    with_description,
)
from server.http.openapi import (
    CSV,
    JSON,
    add_schemas,
    answer,
    body,
    operation_id,
    reference,
    refusals,
)
from server.http.problems import Problem
from server.http.request_reading import parse, request_body
from server.station import day_series, logs
from server.station.household import AUTO, Reading
from server.station.station import Station

STATION = "ev_gym.station"  # the app's extension that holds its `Station`
TEXT = "text/plain"
PNG = "image/png"
SLASHES = re.compile("//+")
ON_OFF = {True: "on", False: "off"}


def _check_null(value: Any) -> None:
    if value is not None:
        raise PydanticCustomError("unknown", "is unknown here; allowed: only null")


class _Command(BaseModel):
    """A command: one key that says what, and any others that are null."""

    model_config = ConfigDict(extra="allow", strict=True)
    send: ClassVar[str]  # what to send instead of what is wrong
    __pydantic_extra__: dict[str, Annotated[None, BeforeValidator(_check_null)]] = Field(init=False)


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
            "sim_time_hour": with_description(INTEGER, "local hour, 0 to 23"),
            "sim_time_min": with_description(INTEGER, "minute at which the running tick began"),
            "base_current_load": with_description(NUMBER, "load of the house and its charger (kW)"),
            "battery_capacity_kWh": with_description(NUMBER, "energy stored in the battery (kWh)"),
            "ev_battery_charge_start_stopp": with_description(
                BOOLEAN, "whether the car draws power"
            ),
            "battery_max_capacity_kWh": with_description(
                NUMBER, "usable size of the battery (kWh)"
            ),
            "battery_percent": with_description(NUMBER, "state of charge (%)"),
            "user_override": _MODE,
        }
    ),
    "Charging": object_of(
        {"charging": _SWITCH}, {"override": with_description(_MODE, "while forced")}
    ),
    "Discharging": object_of({"discharging": _SWITCH}),
    "Overridden": object_of(
        {"charging": with_description(BOOLEAN, "as in /info"), "override": _MODE}
    ),
    "Message": object_of({"message": STRING}),
}


api = APIBlueprint(
    "classic",
    __name__,
    abp_tags=[
        Tag(name="classic station", description="One household's charging station, in real time.")
    ],
    operation_id_callback=operation_id,
)
add_schemas(api, [Charge, Discharge, Override], _SCHEMAS)


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


def _answers(description: str, media: str, schema: Json, *statuses: int) -> ResponseDict:
    """The documentation of an answer and, by their statuses, of the problems that may come."""
    return {"200": answer(description, {media: schema}), **refusals(*statuses)}


def _takes(command: str) -> dict[str, Any]:
    """The documentation of a command as a request's body."""
    return {"requestBody": body({JSON: reference(command)})}


def _station() -> Station:
    """The station of the app that answers the present request."""
    found: Station = current_app.extensions[STATION]
    return found


def _command(model: type[C]) -> C:
    """The command that a request's body is.

    Raises:
        Problem: 400 that says what is wrong with it and what to send.
    """
    data = request_body()
    if not data.strip():
        detail = f"is empty; send {model.send}"
        raise Problem(400, f"/body {detail}", errors=[{"where": "/body", "detail": detail}])
    try:
        return parse(model, data)
    except Problem as problem:
        detail = f"{problem.detail}; send {model.send}"
        raise Problem(problem.status, detail, **problem.extra) from None


def _json(value: Any) -> Response:
    return Response(json.dumps(value), content_type=JSON)


def _text(text: str, media: str) -> Response:
    return Response(text, content_type=f"{media}; charset=utf-8")


@api.get("/", responses=_answers("The stored energy in kWh, a bare number.", JSON, NUMBER))
def energy() -> Response:
    """The stored energy in kWh, a bare number."""
    return _json(round(_station().reading().energy_kwh, 2))


@api.get("/info", responses=_answers("What the station shows now.", JSON, reference("Info")))
def info() -> Response:
    """What the station shows now."""
    reading = _station().reading()
    return _json(
        {
            "sim_time_hour": reading.minute_of_day // 60,
            "sim_time_min": reading.minute_of_day % 60,
            "base_current_load": round(reading.load_kw + reading.charge_kw, 2),
            "battery_capacity_kWh": round(reading.energy_kwh, 2),
            "ev_battery_charge_start_stopp": reading.charging,
            "battery_max_capacity_kWh": round(reading.capacity_kwh, 2),
            "battery_percent": round(reading.percent, 2),
            "user_override": reading.override,
        }
    )


@api.get(
    "/baseload",
    responses=_answers("The base load of each hour of the present day, kW.", JSON, _HOURS),
)
def baseload() -> Response:
    """The base load of each hour of the present day, kW."""
    station = _station()
    reading = station.reading()
    return _json(day_series.loads_kw(station.household.world, reading.house, reading.place_min))


@api.get(
    "/priceperhour",
    responses=_answers(
        "The spot price of each hour of the present day, in hundredths of the currency per kWh.",
        JSON,
        _HOURS,
    ),
)
def priceperhour() -> Response:
    """The spot price of each hour of the present day, in hundredths of the currency per kWh."""
    station = _station()
    return _json(day_series.prices_ore(station.household.world, station.reading().place_min))


@api.get(
    "/charge", responses=_answers("The state of charge in percent, a bare number.", JSON, NUMBER)
)
def percent() -> Response:
    """The state of charge in percent, a bare number."""
    return _json(round(_station().reading().percent, 2))


@api.get(
    "/discharge", responses=_answers("Says how to restart the day.", JSON, reference("Message"))
)
def about_discharge() -> Response:
    """Says how to restart the day."""
    message = 'POST {"discharging": "on"} resets the battery to 20 % and the clock to 00:00'
    return _json({"message": message})


@api.get(
    "/override",
    responses=_answers(
        "Whether the car draws power, and whether commands are overridden.",
        JSON,
        reference("Overridden"),
    ),
)
def override() -> Response:
    """Whether the car draws power, and whether commands are overridden."""
    return _overridden(_station().reading())


@api.post(
    "/charge",
    responses=_answers(
        "Turn charging on or off, from the running tick on.", JSON, reference("Charging")
    ),
    openapi_extensions=_takes("Charge"),
)
def charge() -> Response:
    """Turn charging on or off, from the running tick on.

    While forced, nothing changes, and the answer says what the charger really does. With a policy
    the command takes precedence until the override is set to auto.
    """
    charging = _command(Charge).charging
    reading = _station().charge(charging == "on")
    if reading.override != AUTO:
        return _json({"charging": ON_OFF[reading.charging], "override": reading.override})
    return _json({"charging": charging})


@api.post(
    "/discharge",
    responses=_answers(
        "Restart the day: 20 %, 00:00, charging off, no override, an empty history.",
        JSON,
        reference("Discharging"),
    ),
    openapi_extensions=_takes("Discharge"),
)
def discharge() -> Response:
    """Restart the day: 20 %, 00:00, charging off, no override, an empty history."""
    discharging = _command(Discharge).discharging
    if discharging == "on":
        _station().discharge()
    return _json({"discharging": discharging})


@api.post(
    "/override",
    responses=_answers(
        "Force charging on or off, or let commands (and the policy) count again.",
        JSON,
        reference("Overridden"),
    ),
    openapi_extensions=_takes("Override"),
)
def set_override() -> Response:
    """Force charging on or off, or let commands (and the policy) count again."""
    mode = _command(Override).mode
    return _overridden(_station().force(mode))


def _overridden(reading: Reading) -> Response:
    return _json({"charging": reading.charging, "override": reading.override})


@api.get("/log", responses=_answers("The last lines of the charging log, in words.", TEXT, STRING))
def log() -> Response:
    """The last lines of the charging log, in words."""
    return _text(logs.log_text(_station(), logs.LAST_LINES), TEXT)


@api.get(
    "/log.txt",
    responses=_answers("The charging log since the last /discharge, in words.", TEXT, STRING),
)
def log_text() -> Response:
    """The charging log since the last /discharge, in words."""
    return _text(logs.log_text(_station()), TEXT)


@api.get(
    "/log.csv",
    responses=_answers(
        "The battery log since the last /discharge: every field of every tick.", CSV, STRING
    ),
)
def log_csv() -> Response:
    """The battery log since the last /discharge: every field of every tick."""
    return _text(logs.log_csv(_station()), CSV)


@api.get("/plot.png", responses=_answers("The curve since the last /discharge.", PNG, BYTES, 409))
def plot() -> Response:
    """The curve since the last /discharge."""
    return Response(logs.picture(_station()), content_type=PNG)
