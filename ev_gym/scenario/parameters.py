"""How scenario parameters are declared, checked, and turned into plain dicts and back.

A parameter is a dataclass field made by `number`, `choice`, `text` or one of their kin. It declares
the default, the unit, the meaning and the allowed values in one place; checks, messages and tables
come from there.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, TypeVar

T = TypeVar("T")

REQUIRED = dataclasses.MISSING
NAME_LENGTH, PATH_LENGTH = 200, 1000  # characters


class ScenarioError(ValueError):
    """A scenario holds an unknown key or an impossible value."""


class Row:
    """A dataclass of which parameters hold lists; it shows what it has besides its defaults."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in not_default(self).items())
        return f"{type(self).__name__}({shown})"


def number(
    default: Any,
    unit: str,
    meaning: str,
    low: float,
    high: float,
    *,
    whole: bool = False,
    optional: bool = False,
    word: str | None = None,
) -> Any:
    """A parameter that is a number from `low` to `high`, both included.

    With `whole` it is an integer, with `optional` it may also be None; or it is `word`.
    """
    rule = {
        "unit": unit,
        "meaning": meaning,
        "low": low,
        "high": high,
        "whole": whole,
        "optional": optional,
        "word": word,
    }
    return dataclasses.field(default=default, metadata=rule)


def choice(default: Any, meaning: str, allowed: Iterable[Any]) -> Any:
    """A parameter that is one of a few values."""
    rule = {"unit": "", "meaning": meaning, "allowed": tuple(allowed)}
    return dataclasses.field(default=default, metadata=rule)


def numbers(
    default: Any, unit: str, meaning: str, low: float, high: float, *, many: int, **rule: Any
) -> Any:
    """A parameter that is a tuple of at most `many` numbers, each between `low` and `high`."""
    rule = {"unit": unit, "meaning": meaning, "low": low, "high": high, "many": many, **rule}
    return dataclasses.field(default=default, metadata=rule)


def text(default: Any, meaning: str, *, longest: int = NAME_LENGTH, optional: bool = False) -> Any:
    """A parameter that is a string of 1 to `longest` characters."""
    rule = {"unit": "", "meaning": meaning, "text": longest, "optional": optional}
    return dataclasses.field(default=default, metadata=rule)


def texts(default: Any, meaning: str, *, many: int, longest: int = NAME_LENGTH) -> Any:
    """A parameter that is a tuple of at most `many` strings of 1 to `longest` characters."""
    rule = {"unit": "", "meaning": meaning, "text": longest, "many": many}
    return dataclasses.field(default=default, metadata=rule)


def section(kind: type, meaning: str, *, word: str | None = None) -> Any:
    """A parameter that is a dataclass of further parameters, or None; or it is `word`."""
    rule = {"unit": "", "meaning": meaning, "section": kind, "optional": True, "word": word}
    return dataclasses.field(default=None, metadata=rule)


def rows(default: Any, meaning: str, kind: type, *, many: int, number_is: str | None = None) -> Any:
    """A parameter that is a tuple of at most `many` dataclasses of one kind.

    A dict of parameters is taken for such a row. With `number_is`, a number or a row alone stands
    for a tuple of one: `0.05` for a row whose field of that name is 0.05.
    """
    rule = {"unit": "", "meaning": meaning, "rows": kind, "most": many, "number_is": number_is}
    return dataclasses.field(default=default, metadata=rule)


def _allowed(rule: Mapping[str, Any]) -> str:
    if "rows" in rule:
        kind = rule["rows"].__name__
        short = f", or a number: {rule['number_is']} of the only row" if rule["number_is"] else ""
        return f"a list of at most {rule['most']} {kind}{short}"
    if "section" in rule:
        words = f"a {rule['section'].__name__}"
        if rule["word"]:
            words += f", or {rule['word']!r}"
    elif "allowed" in rule:
        words = "one of " + ", ".join(repr(value) for value in rule["allowed"])
    elif rule.get("text"):
        words = f"a non-empty string of at most {rule['text']} characters"
        if rule.get("many"):
            words = f"a list of at most {rule['many']}, each entry {words}"
    else:
        kind = "a whole number" if rule.get("whole") else "a number"
        words = f"{kind} from {rule['low']:g} to {rule['high']:g} {rule['unit']}".rstrip()
        if rule.get("many"):
            words = f"a list of at most {rule['many']}, each entry {words}"
        if rule.get("word"):
            words += f", or {rule['word']!r}"
    return words + (", or None" if rule.get("optional") else "")


def _is_number(value: Any, rule: Mapping[str, Any]) -> bool:
    kind = Integral if rule.get("whole") else Real
    if isinstance(value, bool) or not isinstance(value, kind):
        return False
    return bool(rule["low"] <= value <= rule["high"])  # False for a NaN


def _is_allowed(value: Any, rule: Mapping[str, Any]) -> bool:
    if "rows" in rule:
        fits = isinstance(value, tuple) and len(value) <= rule["most"]
        return fits and all(isinstance(row, rule["rows"]) for row in value)
    if value is None:
        return bool(rule.get("optional")) or None in rule.get("allowed", ())
    if "section" in rule:
        return isinstance(value, rule["section"]) or (
            isinstance(value, str) and value == rule["word"]
        )
    if "allowed" in rule:
        return any(type(value) is type(known) and value == known for known in rule["allowed"])
    if rule.get("text"):
        if rule.get("many"):
            fits = isinstance(value, tuple) and len(value) <= rule["many"]
            return fits and all(_is_allowed(entry, {**rule, "many": 0}) for entry in value)
        return isinstance(value, str) and 0 < len(value) <= rule["text"]
    if isinstance(value, str):
        return bool(rule.get("word") == value)
    if rule.get("many"):
        fits = isinstance(value, tuple) and len(value) <= rule["many"]
        return fits and all(_is_number(entry, rule) for entry in value)
    return _is_number(value, rule)


def _in_standard_form(value: Any, rule: Mapping[str, Any]) -> Any:
    """An allowed value in the form that all values equal to it take: 16 as 16.0, -0.0 as 0.0."""
    if value is None or isinstance(value, str) or "low" not in rule:
        return value
    if rule.get("many"):
        return tuple(_in_standard_form(entry, {**rule, "many": 0}) for entry in value)
    return int(value) if rule.get("whole") else float(value) + 0.0


def _as_rows(value: Any, rule: Mapping[str, Any], where: str) -> Any:
    """A value as a tuple of dataclasses, where it can be read as one."""
    kind, name = rule["rows"], rule["number_is"]
    if name is not None and isinstance(value, Real) and not isinstance(value, bool):
        return (kind(**{name: value}),)
    if isinstance(value, (kind, Mapping)):
        value = (value,)
    if not isinstance(value, (tuple, list)):
        return value
    known = [field.name for field in dataclasses.fields(kind)]
    made = []
    for place, row in enumerate(value):
        if isinstance(row, Mapping):
            check_keys(row, known, f"{where}[{place}]")
            row = kind(**row)
        made.append(row)
    return tuple(made)


def check(part: Any) -> None:
    """Check each declared field of a dataclass, and bring its value into its standard form.

    Lists become tuples, whole numbers ints and other numbers floats, so that equal scenarios have
    the same fingerprint.

    Raises:
        ScenarioError: naming the field, its value and what is allowed.
    """
    for field in dataclasses.fields(part):
        rule = field.metadata
        if not rule:
            continue
        value = getattr(part, field.name)
        if "rows" in rule:
            value = _as_rows(value, rule, f"{type(part).__name__}.{field.name}")
        if rule.get("many") and isinstance(value, list):
            value = tuple(value)
        if rule.get("many") and rule.get("text") and isinstance(value, str):
            value = (value,)  # a word for a list of one
        if not _is_allowed(value, rule):
            owner = type(part).__name__
            raise ScenarioError(f"{owner}.{field.name} is {value!r}; allowed: {_allowed(rule)}")
        object.__setattr__(part, field.name, _in_standard_form(value, rule))


def check_unread(part: Any, names: Iterable[str], because: str) -> None:
    """Refuse a parameter that is set although nothing would read it.

    Args:
        part: The dataclass.
        names: The parameters that are not read.
        because: Why they are not read, for the message.

    Raises:
        ScenarioError: naming the field, its value and why it has no effect.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(part)}
    for name in names:
        value = getattr(part, name)
        if value != defaults[name]:
            raise ScenarioError(
                f"{type(part).__name__}.{name} is {value!r}, which has no effect because "
                f"{because}; allowed then: {defaults[name]!r}"
            )


def nearest(name: Any, known: Iterable[str]) -> str:
    """Words that follow an unknown name in a message: which known one may be meant, or ""."""
    near = difflib.get_close_matches(str(name), list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def check_keys(entries: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuse a key that is not known; the message names the nearest known one.

    Raises:
        ScenarioError: naming the key and all that is allowed there.
    """
    known = list(known)
    for key in entries:
        if key not in known:
            raise ScenarioError(
                f"unknown key {key!r} in {where}{nearest(key, known)}; allowed: {', '.join(known)}"
            )


def not_default(row: Any) -> dict[str, Any]:
    """What a dataclass holds besides its defaults."""
    values = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    defaults = {field.name: field.default for field in dataclasses.fields(row)}
    return {name: value for name, value in values.items() if value != defaults[name]}


def to_plain(part: Any) -> Any:
    """A dataclass as nested dicts and lists of plain JSON values; rows without their defaults."""
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        plain = {}
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if "rows" in field.metadata:
                plain[field.name] = [to_plain_row(row) for row in value]
            else:
                plain[field.name] = to_plain(value)
        return plain
    if isinstance(part, tuple):
        return [to_plain(entry) for entry in part]
    return part


def to_plain_row(row: Any) -> dict[str, Any]:
    """A row of a list as a dict of what it holds besides its defaults."""
    plain = to_plain(row)
    return {name: plain[name] for name in not_default(row)}


def override(base: T, changes: Any, where: str) -> T:
    """The dataclass `base` with the fields named in `changes` replaced.

    Raises:
        ScenarioError: for an unknown key, an impossible value, or `changes` that is no dict.
    """
    if not isinstance(changes, Mapping):
        raise ScenarioError(f"{where} is {changes!r}; allowed: a dict of its parameters")
    names = [field.name for field in dataclasses.fields(base)]  # type: ignore[arg-type]  # T is one of our dataclasses
    check_keys(changes, names, where)
    new = {}
    rules = {field.name: field.metadata for field in dataclasses.fields(base)}  # type: ignore[arg-type]  # T is one of our dataclasses
    for key, value in changes.items():
        current = getattr(base, key)
        unset = not dataclasses.is_dataclass(current)
        if unset and "section" in rules[key] and isinstance(value, Mapping):
            current = rules[key]["section"]()
        nested = dataclasses.is_dataclass(current) and not isinstance(value, type(current))
        whole = value is None or isinstance(value, str)  # None, or the section's word
        nested = nested and not (whole and rules[key].get("optional"))
        new[key] = override(current, value, f"{where}.{key}") if nested else value
    return dataclasses.replace(base, **new)  # type: ignore[type-var]  # T is one of our dataclasses


def table_of(kind: type) -> list[dict[str, Any]]:
    """Name, default, unit, meaning and allowed values of each declared parameter of a dataclass."""
    return [
        {
            "name": field.name,
            "default": None if field.default is REQUIRED else field.default,
            "unit": field.metadata["unit"],
            "meaning": field.metadata["meaning"],
            "allowed": _allowed(field.metadata),
        }
        for field in dataclasses.fields(kind)
        if field.metadata
    ]
