"""The scenario in a request: a model made from the declared parameters.

So the OpenAPI document shows each parameter's unit, meaning and range, and a wrong one is refused
with its place. `Scenario.from_dict` has the last word, for it knows what fits together.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BeforeValidator, Discriminator, Field, Tag, create_model
from pydantic_core import PydanticCustomError

from ev_gym.scenario import Scenario, ScenarioError, Tariff, Vehicle, as_scenario, preset_names
from ev_gym.scenario.known_tariffs import OLD_NAMES, TARIFFS
from ev_gym.scenario.parameters import NAME_LENGTH
from ev_gym.scenario.scenario import MAX_VEHICLES, preset_summary
from server.http.problems import Problem
from server.http.request_reading import WHOLE, FailFastList, RequestBody


def _type_of(rule: Mapping[str, Any]) -> Any:
    """The type of a declared parameter, by its declaration."""
    kind: Any
    if "rows" in rule:
        row: Any = _row_of(rule["rows"])
        many = Annotated[FailFastList[row], Field(max_length=rule["most"])]
        kind = Annotated[many, Tag(MANY)] | Annotated[row, Tag(ONE)]
        if rule["number_is"]:
            number = Annotated[float, Field(**_bounds_of(rule)), BeforeValidator(_no_bool)]
            kind = kind | Annotated[number, Tag(NUMBER)]
            return Annotated[kind, Discriminator(_list_row_or_number)]
        return Annotated[kind, Discriminator(_list_or_row)]
    elif "section" in rule:
        kind = overrides_of(rule["section"])
        if rule["word"]:
            word: Any = Literal[rule["word"]]
            word = Annotated[word, Tag(NAME)]
            kind = Annotated[word | Annotated[kind, Tag(OVERRIDES)], Discriminator(_branch)]
    elif "allowed" in rule:
        kind = bool
        if not isinstance(rule["allowed"][0], bool):
            kind = Annotated[Literal[rule["allowed"]], BeforeValidator(_no_bool)]
    elif rule.get("text"):
        kind = Annotated[str, Field(min_length=1, max_length=rule["text"])]
        if rule.get("many"):
            kind = Annotated[FailFastList[kind], Field(max_length=rule["many"])]
    else:
        bounds = Field(ge=rule["low"], le=rule["high"])
        kind = Annotated[int, bounds, WHOLE] if rule.get("whole") else Annotated[float, bounds]
        if rule.get("word"):
            kind = kind | Literal[rule["word"]]
        if rule.get("many"):
            kind = Annotated[FailFastList[kind], Field(max_length=rule["many"])]
    return kind | None if rule.get("optional") else kind


# How a list of rows is given: as it is, as one row alone, or as a number of that row.
MANY, ONE, NUMBER = "a list", "one row", "a number"


def _list_or_row(value: Any) -> str:
    return MANY if isinstance(value, list) else ONE


def _list_row_or_number(value: Any) -> str:
    return ONE if isinstance(value, (dict, RequestBody)) else _list_or_number(value)


def _list_or_number(value: Any) -> str:
    return MANY if isinstance(value, list) else NUMBER


def _bounds_of(rule: Mapping[str, Any]) -> dict[str, float]:
    """The bounds of the field of a row that a number alone stands for."""
    (field,) = (f for f in dataclasses.fields(rule["rows"]) if f.name == rule["number_is"])
    return {"ge": field.metadata["low"], "le": field.metadata["high"]}


@functools.cache
def _row_of(kind: type) -> type[RequestBody]:
    """A model of one row of a list."""
    return overrides_of(kind, doc=_summary(kind))


def _no_bool(value: Any) -> Any:
    """Refuse a boolean, since pydantic takes True for the literal 1."""
    if isinstance(value, bool):
        raise PydanticCustomError("no_bool", "Input should be no boolean")
    return value


def _no_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)  # null is none: what is left out stays as the preset has it


def _field(kind: Any, meaning: str, unit: str = "") -> Any:
    text = f"{meaning} ({unit})" if unit else meaning
    return kind, Field(default=None, description=text, json_schema_extra=_no_default)


def overrides_of(part: type, doc: str | None = None, **more: Any) -> type[RequestBody]:
    """A model of the declared parameters of a dataclass, none of them required."""
    hints = get_type_hints(part)
    parameters: dict[str, Any] = {}
    for field in dataclasses.fields(part):
        rule = field.metadata
        if rule:
            parameters[field.name] = _field(_type_of(rule), rule["meaning"], rule["unit"])
        elif field.name not in more:
            kind = hints[field.name]
            parameters[field.name] = _field(overrides_of(kind), _summary(kind))
    doc = doc or f"{_summary(part)} What is left out stays as the preset has it."
    return create_model(
        f"{part.__name__}Overrides", __base__=RequestBody, __doc__=doc, **parameters, **more
    )


def _summary(part: type) -> str:
    return (part.__doc__ or "").partition("\n")[0]


NAME, OVERRIDES = "a name", "overrides"


def _branch(value: Any) -> str:
    return NAME if isinstance(value, str) else OVERRIDES


_presets = Literal[preset_names()]  # type: ignore[valid-type]  # names known at run time
_PRESETS = " ".join(f"{name}: {preset_summary(name)}" for name in preset_names())

_Model = Annotated[str, Field(max_length=NAME_LENGTH)]
VehicleOverrides = overrides_of(
    Vehicle, model=_field(_Model, "known car to start from, such as Renault Zoe R110 ZE50")
)
TariffOverrides = overrides_of(
    Tariff, like=_field(_Model, "known tariff to start from, such as ellevio-2025")
)


def _name_of_today(name: Any) -> Any:
    """A tariff's name, of an old one the new."""
    return OLD_NAMES.get(name, name) if isinstance(name, str) else name


_tariffs = Literal[tuple(TARIFFS)]  # type: ignore[valid-type]  # names known at run time
ScenarioOverrides = overrides_of(
    Scenario,
    tariff=_field(
        Annotated[
            Annotated[_tariffs, BeforeValidator(_name_of_today), Tag(NAME)]
            | Annotated[TariffOverrides, Tag(OVERRIDES)],
            Discriminator(_branch),
        ],
        "what a kWh costs beyond the spot price: a known tariff's name, or overrides",
    ),
    preset=_field(_presets, f"preset to start from; stockholm where left out. {_PRESETS}"),
    vehicles=_field(
        Annotated[FailFastList[VehicleOverrides], Field(min_length=1, max_length=MAX_VEHICLES)],  # type: ignore[valid-type]  # a model made above
        "the cars; each starts from its `model`, or from the preset's first car",
    ),
)

ScenarioOrOverrides = Annotated[
    Annotated[_presets, Tag(NAME)] | Annotated[ScenarioOverrides, Tag(OVERRIDES)],  # type: ignore[valid-type]  # models made above
    Discriminator(_branch),
    Field(description=f"A preset's name or overrides of one. {_PRESETS}"),
]


def scenario_of(content: str | RequestBody) -> Scenario:
    """The scenario that a request names, or whose overrides it holds.

    Raises:
        Problem: 422 for one that is impossible, saying what is allowed.
    """
    try:
        return as_scenario(
            content if isinstance(content, str) else content.model_dump(exclude_unset=True)
        )
    except ScenarioError as error:
        raise Problem(422, str(error)) from None
