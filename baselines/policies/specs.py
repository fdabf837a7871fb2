"""Where policies come from: names, names with arguments, a user's own class, a learnt model.

A policy is written as a *spec*, the same on the command line and in Python:

- a built-in name, `price_based`, or one that an installed package offers in the entry-point group
  `ev_gym.policies`;
- `module:Class` or `module:function` of an importable module, also of one in the current folder;
- either of them with arguments, `night(from_h=22, to_h=6)`: names and literals;
- the path of an archive that Stable-Baselines3 saved, which ends in `.zip`.

A class is called as `Class(scenario, continuous, seed, **arguments)`. What it makes is a
`baselines.Policy`, or anything that can be called with one observation (D,) and answers one action.
A function *is* the policy: `function(observation, **arguments)`. Where a field stands in an
observation says `ev_gym.observation_fields(scenario)`. What is no `Policy` is called row by row and
not told when an episode begins, so it keeps no memory; what has one, or is to be fast on many rows,
derives from `Policy`. Workers on other machines must be able to import the module, or to read the
archive at its path.

Modules and archives are code of whoever wrote them: they run with the user's rights.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.policies.base import POLICY_NAMES, Policy, built_in
from ev_gym.scenario import Scenario
from ev_gym.scenario.parameters import nearest

GROUP = "ev_gym.policies"
ARCHIVE = ".zip"
GIVEN = 3  # scenario, continuous and seed, with which every class is called


class Spec(NamedTuple):
    """A spec in its parts: a name, `module:Class` or a path, and the arguments."""

    text: str
    head: str
    arguments: dict[str, Any]


def parse(text: str) -> Spec:
    """A spec in its parts; nothing is imported or opened.

    Raises:
        ValueError: for arguments that are not names with literals.
    """
    if text.lower().endswith(ARCHIVE):
        return Spec(text, text, {})
    head, bracket, rest = text.partition("(")
    return Spec(text, head.strip(), _arguments(text, bracket + rest) if bracket else {})


def _arguments(text: str, brackets: str) -> dict[str, Any]:
    allowed = "allowed: names with literals, such as night(from_h=22, to_h=6)"
    try:
        call = ast.parse(f"f{brackets}", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise ValueError(f"policy {text!r} cannot be read ({reason}); {allowed}") from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise ValueError(f"policy {text!r} cannot be read; {allowed}")
    arguments: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in arguments:
            again = "is given twice" if keyword.arg else "has no name"
            raise ValueError(f"policy {text!r}: an argument {again}; {allowed}")
        try:
            arguments[keyword.arg] = ast.literal_eval(keyword.value)
        except (ValueError, TypeError, RecursionError, MemoryError):
            value = ast.unparse(keyword)
            raise ValueError(f"policy {text!r} has the argument {value}; {allowed}") from None
    return arguments


def point_of(spec: Spec) -> EntryPoint | None:
    """Where a class or function lies; None for a built-in name or an archive.

    Raises:
        ValueError: for a name or a path that nobody knows. Nothing has been imported.
    """
    name = spec.head
    if name.lower().endswith(ARCHIVE):
        if not Path(name).is_file():
            raise ValueError(f"policy {name!r}: there is no such file")
        return None
    if name in POLICY_NAMES:
        return None
    module, colon, attribute = name.partition(":")
    if colon:
        if not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
            raise ValueError(f"policy {spec.text!r} cannot be read; allowed: module:Class")
        return EntryPoint(name=name, value=name, group=GROUP)
    offered = sorted(entry_points(group=GROUP), key=lambda point: point.value)
    for point in offered:
        if point.name == name:
            return point
    known = [*POLICY_NAMES, *sorted({point.name for point in offered})]
    raise ValueError(
        f"unknown policy {name!r}{nearest(name, known)}; allowed: {', '.join(known)}, or "
        "module:Class, or the path of a Stable-Baselines3 .zip"
    )


def enter(text: str, scenario: Scenario, continuous: bool, seed: int) -> Policy:
    """The policy of a spec, which bears the spec as its name.

    Args:
        text: The spec.
        scenario: The scenario, read once.
        continuous: Whether actions are fractions, or levels of the charger.
        seed: Of a policy that draws.

    Raises:
        ValueError: for a spec that cannot be read, something that does not exist or is no policy,
            an argument that it does not take, a model of another env.
    """
    spec = parse(text)
    point = point_of(spec)
    if spec.head.lower().endswith(ARCHIVE):
        from baselines.policies.stable_baselines3 import Learnt

        made: Any = Learnt(spec.head, scenario, continuous, seed)
    else:
        made = _make(spec, point, (scenario, continuous, seed))
    policy = made if isinstance(made, Policy) else RowByRow(made, scenario, continuous, seed)
    policy.name = text
    return policy


def _make(spec: Spec, point: EntryPoint | None, given: tuple[Scenario, bool, int]) -> Any:
    maker = built_in(spec.head) if point is None else _load(spec, point)
    if isinstance(maker, type):
        _check_arguments(spec, maker, GIVEN)
        made = maker(*given, **spec.arguments)
        if not callable(made):
            raise ValueError(
                f"policy {spec.text!r} is made, but cannot be called; allowed: a class with "
                "__call__(self, observation), best one derived from baselines.Policy"
            )
        return made
    if not callable(maker):
        raise ValueError(
            f"policy {spec.text!r} is of type {type(maker).__name__}; allowed: a class or a "
            "function"
        )
    _check_arguments(spec, maker, 1)
    return partial(maker, **spec.arguments)


def _load(spec: Spec, point: EntryPoint) -> Any:
    """The class or function of an entry point."""
    module = _import(spec, point)
    try:
        return point.load()
    except AttributeError:
        names = [name for name in vars(module) if not name.startswith("_")]
        raise ValueError(
            f"policy {spec.text!r}: module {point.module!r} ({module.__file__}) has no "
            f"{point.attr!r}{nearest(point.attr, names)}"
        ) from None


def _import(spec: Spec, point: EntryPoint) -> ModuleType:
    # Behind all others, so that a file of the current folder shadows no library; and behind this
    # package's folder, which an editable install does not put on the path that workers inherit.
    for folder in (str(Path(__file__).parents[2]), os.getcwd()):
        if folder not in sys.path:
            sys.path.append(folder)
    importlib.invalidate_caches()  # the file may be younger than the last look into its folder
    try:
        return importlib.import_module(point.module)
    except Exception as error:  # whatever the module's own code raises
        raise ValueError(
            f"policy {spec.text!r}: module {point.module!r} does not import: "
            f"{type(error).__name__}: {error}"
        ) from error


def _check_arguments(spec: Spec, maker: Callable[..., Any], given: int) -> None:
    """Refuse arguments that a class (after `given` ones) or function does not take."""
    signature = inspect.signature(maker)
    own = list(signature.parameters.values())[given:]
    allowed = [p.name for p in own if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not any(p.kind == p.VAR_KEYWORD for p in signature.parameters.values()):
        for name in spec.arguments:
            if name not in allowed:
                raise ValueError(
                    f"policy {spec.head!r} has no argument {name!r}{nearest(name, allowed)}; "
                    f"allowed: {', '.join(allowed) or 'none'}"
                )
    try:
        signature.bind(*range(given), **spec.arguments)
    except TypeError as error:
        called = "(scenario, continuous, seed)" if given == GIVEN else "(observation)"
        raise ValueError(
            f"policy {spec.text!r} cannot be called with {called} and its arguments: {error}"
        ) from None


class RowByRow(Policy):
    """A function of one observation as a policy for many rows: called for one after the other.

    Args:
        function: From one observation (D,) to one action: a fraction for each car, for one car
            also a number; with levels a level for each car.
        scenario: The scenario.
        continuous: Whether actions are fractions, or levels of the charger.
        seed: Not used.
    """

    def __init__(
        self, function: Callable[[Any], Any], scenario: Scenario, continuous: bool, seed: int
    ) -> None:
        super().__init__(scenario, continuous, seed)
        self._function = function

    def __call__(self, observation: NDArray[np.float32]) -> Any:
        """The action for one observation (D,), or the actions for a batch (n, D)."""
        if observation.ndim == 1:
            return self._action(observation)
        return np.stack([self._action(own) for own in observation])

    def _action(self, observation: NDArray[np.float32]) -> Any:
        answer, cars = self._function(observation), len(self.levels)
        shape = (cars,) if self.continuous or cars > 1 else ()
        action = np.asarray(answer)
        if action.size != cars or action.dtype.kind not in "fiub":
            raise ValueError(
                f"policy {self.name!r} answers {answer!r}; allowed: "
                f"{'a fraction' if self.continuous else 'a level'} for each of {cars} car(s)"
            )
        return action.reshape(shape)


def source_of(text: str) -> Path | None:
    """The file that a policy is written in, or an archive; None for a built-in policy.

    Raises:
        ValueError: for what does not exist.
    """
    spec = parse(text)
    point = point_of(spec)
    if point is not None:
        file = _import(spec, point).__file__
        return Path(file) if file else None
    return Path(spec.head) if spec.head.lower().endswith(ARCHIVE) else None


def digest_of(text: str) -> str | None:
    """SHA-256 of that file: which policy of that name it is; None for a built-in one."""
    path = source_of(text)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else None
