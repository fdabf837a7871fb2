"""Where policies come from: names, names with arguments, a user's own class, a trained model.

A policy is written as a *spec*, the same on the command line and in Python:

- a built-in name, `price_based`, or one that an installed package offers in the entry-point group
  `ev_gym.policies`;
- `module:Class` or `module:function` of an importable module, also of one in the current folder;
- either of them with arguments, `night(from_h=22, to_h=6)`: names and literals;
- the path of an agent that `ev-gym train` left, which ends in `.npz`;
- the path of an archive that Stable-Baselines3 saved, which ends in `.zip`, or of the folder in
  which it lies as `model.zip`, with a slash in it (`./trained`): then, if it was trained behind
  `VecNormalize`, its statistics lie beside as `vecnormalize.pkl`. An archive that does not tell
  how its model saw the world needs `model.zip(normalized=False)`.

A class is called as `Class(scenario, continuous, seed, **arguments)`. What it makes is a
`baselines.Policy`, or anything that can be called with one observation (D,) and answers one action.
A function *is* the policy: `function(observation, **arguments)`. Where a field stands in an
observation says `ev_gym.observation_fields(scenario)`. What is no `Policy` is called row by row and
is not told when an episode begins, so it must not remember anything; a policy that remembers, or is
to be fast on many rows, derives from `Policy`. Workers on other machines must be able to import the
module, or to read the archive at its path.

Modules, archives and `vecnormalize.pkl` are code of whoever wrote them (the latter are pickles):
they run with the user's rights.
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
from gymnasium import spaces
from numpy.typing import NDArray

from baselines.policies.base import Policy
from baselines.policies.model_marker import archive_of, files_of
from ev_gym.scenario import Scenario
from ev_gym.scenario.parameters import nearest
from ev_gym.simulation.observation import PHYSICAL

# The policies of this package: where each class is. It is imported when somebody asks for it.
_CLASSES = {
    "uncontrolled": "baselines.policies.simple_rules:Uncontrolled",
    "load_based": "baselines.policies.simple_rules:LoadBased",
    "price_based": "baselines.policies.simple_rules:PriceBased",
    "cheapest_hours": "baselines.policies.simple_rules:CheapestHours",
    "plan": "baselines.policies.app_rules:ChargingPlan",
    "price_limit": "baselines.policies.app_rules:PriceLimit",
    "delayed": "baselines.policies.app_rules:Delayed",
    "night": "baselines.policies.app_rules:Night",
    "water_filling": "baselines.policies.peak_rules:WaterFilling",
    "peak_shaving": "baselines.policies.simple_rules:PeakShaving",
    "pv_surplus": "baselines.policies.solar_rules:PvSurplus",
    "min_pv": "baselines.policies.solar_rules:MinPv",
    "optimal": "baselines.optimal:Optimal",
    "mpc": "baselines.mpc:Mpc",
    "random": "baselines.policies.simple_rules:Random",
    "never": "baselines.policies.simple_rules:Never",
}
POLICY_NAMES = tuple(_CLASSES)
GROUP = "ev_gym.policies"
ARCHIVE, AGENT = ".zip", ".npz"
CLASS_ARGUMENTS = ("scenario", "continuous", "seed")  # with which every class is called
FUNCTION_ARGUMENTS = ("observation",)


def built_in(name: str) -> type[Policy]:
    """The class of a policy by its name, one of `POLICY_NAMES`."""
    module, kind = _CLASSES[name].split(":")
    policy: type[Policy] = getattr(importlib.import_module(module), kind)
    return policy


def make_policy(spec: str, env: Any, seed: int = 0) -> Policy:
    """A policy for an env: single, vector, or remote.

    Args:
        spec: One of `POLICY_NAMES`, a name with arguments, `module:Class`, or the path of a
            Stable-Baselines3 archive; see the module.
        env: Anything with a `scenario` and a (single) action space.
        seed: Of a policy that draws.

    Raises:
        ValueError: for a policy that does not exist or cannot be made; for actions of another
            range.
    """
    if not isinstance(spec, str):
        raise ValueError(f"policy is {spec!r}; allowed: a name, module:Class or a path, as text")
    base = env.unwrapped
    space = getattr(base, "single_action_space", None) or env.action_space
    lowest = -1 if base.scenario.charger.bidirectional else 0
    if isinstance(space, spaces.Box) and not (
        np.all(space.low == lowest) and np.all(space.high == 1)
    ):
        raise ValueError(
            f"the env's actions are {space}; allowed: a Box from {lowest} to 1, or levels"
        )
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed is {seed!r}; allowed: a whole number from 0 to {2**64 - 1}")
    continuous, observation = isinstance(space, spaces.Box), getattr(base, "observation", PHYSICAL)
    return policy_from_spec(spec, base.scenario, continuous, seed, observation)


class Spec(NamedTuple):
    """A spec in its parts.

    Attributes:
        text: As it was written.
        target: A name, `module:Class` or a path.
        arguments: By name.
    """

    text: str
    target: str
    arguments: dict[str, Any]

    @property
    def is_agent(self) -> bool:
        """Whether it is the path of an agent that `ev-gym train` left."""
        return self.target.lower().endswith(AGENT)

    @property
    def is_model(self) -> bool:
        """Whether it is the path of a model that Stable-Baselines3 saved, or of its folder."""
        separators = [separator for separator in ("/", os.sep, os.altsep) if separator]
        is_path = any(separator in self.target for separator in separators)
        return not self.is_agent and (is_path or self.target.lower().endswith(ARCHIVE))


def parse_spec(text: str) -> Spec:
    """A spec in its parts; nothing is imported or opened.

    Raises:
        ValueError: for arguments that are not names with literals.
    """
    if text.lower().endswith((ARCHIVE, AGENT)):
        return Spec(text, text, {})
    target, bracket, rest = text.partition("(")
    return Spec(text, target.strip(), _arguments(text, bracket + rest) if bracket else {})


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


def entry_point_of(spec: Spec) -> EntryPoint | None:
    """Where a class or function is to be imported from; None for a built-in name or an archive.

    Raises:
        ValueError: for a name or a path that does not exist. Nothing has been imported.
    """
    name = spec.target
    if spec.is_agent:
        if not Path(name).is_file():
            raise ValueError(f"policy {name!r}: there is no such file")
        return None
    if spec.is_model:
        if not (archive := archive_of(name)).is_file():
            lacks = f"the folder holds no {archive.name}" if Path(name).is_dir() else None
            raise ValueError(f"policy {name!r}: {lacks or 'there is no such file'}")
        return None
    if name in POLICY_NAMES:
        return None
    module, colon, attribute = name.partition(":")
    if colon:
        if not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
            raise ValueError(f"policy {spec.text!r} cannot be read; allowed: module:Class")
        return EntryPoint(name=name, value=name, group=GROUP)
    installed = sorted(entry_points(group=GROUP), key=lambda point: point.value)
    for point in installed:
        if point.name == name:
            return point
    names = [*POLICY_NAMES, *sorted({point.name for point in installed})]
    raise ValueError(
        f"unknown policy {name!r}{nearest(name, names)}; allowed: {', '.join(names)}, or "
        "module:Class, or the path of an agent.npz, of a Stable-Baselines3 .zip or of its folder, "
        "such as ./trained"
    )


def policy_from_spec(
    text: str, scenario: Scenario, continuous: bool, seed: int, observation: str = PHYSICAL
) -> Policy:
    """The policy that a spec stands for; its `name` is the spec.

    Args:
        text: The spec.
        scenario: The scenario, read once.
        continuous: Whether actions are fractions, or levels of the charger.
        seed: Of a policy that draws.
        observation: `"physical"` or `"scaled"`, as the observations that it will be given.

    Raises:
        ValueError: for a spec that cannot be read, something that does not exist or is no policy,
            an argument that it does not take, a model of another env.
    """
    spec = parse_spec(text)
    point = entry_point_of(spec)
    target: Any
    if spec.is_agent:
        # By name, as built-in policies are: what learns stands above policies.
        agents = importlib.import_module("baselines.learning.agent")
        target = agents.agent_from(spec.target, scenario, continuous)
    elif spec.is_model:
        from baselines.policies.stable_baselines3 import TrainedModel

        _check_arguments(spec, TrainedModel, ("path", *CLASS_ARGUMENTS))
        target = TrainedModel(spec.target, scenario, continuous, seed, **spec.arguments)
    else:
        target = _callable_from(spec, point, (scenario, continuous, seed))
    policy = target if isinstance(target, Policy) else RowByRow(target, scenario, continuous, seed)
    policy.name = text
    policy.observation = observation
    return policy


def _callable_from(
    spec: Spec, point: EntryPoint | None, class_arguments: tuple[Scenario, bool, int]
) -> Any:
    """An object of the spec's class, or its function with the spec's arguments."""
    maker = built_in(spec.target) if point is None else _load(spec, point)
    if isinstance(maker, type):
        _check_arguments(spec, maker, CLASS_ARGUMENTS)
        policy = maker(*class_arguments, **spec.arguments)
        if not callable(policy):
            raise ValueError(
                f"policy {spec.text!r} is made, but cannot be called; allowed: a class with "
                "__call__(self, observation), best one derived from baselines.Policy"
            )
        return policy
    if not callable(maker):
        raise ValueError(
            f"policy {spec.text!r} is of type {type(maker).__name__}; allowed: a class or a "
            "function"
        )
    _check_arguments(spec, maker, FUNCTION_ARGUMENTS)
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
    except Exception as error:  # the module's code may raise anything
        raise ValueError(
            f"policy {spec.text!r}: module {point.module!r} does not import: "
            f"{type(error).__name__}: {error}"
        ) from error


def _check_arguments(spec: Spec, maker: Callable[..., Any], positional: tuple[str, ...]) -> None:
    """Refuse arguments that a class or function does not take after its positional ones."""
    signature = inspect.signature(maker)
    others = list(signature.parameters.values())[len(positional) :]
    allowed = [p.name for p in others if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not any(p.kind == p.VAR_KEYWORD for p in signature.parameters.values()):
        for name in spec.arguments:
            if name not in allowed:
                raise ValueError(
                    f"policy {spec.target!r} has no argument {name!r}{nearest(name, allowed)}; "
                    f"allowed: {', '.join(allowed) or 'none'}"
                )
    try:
        signature.bind(*positional, **spec.arguments)
    except TypeError as error:
        raise ValueError(
            f"policy {spec.text!r} cannot be called with ({', '.join(positional)}) and its "
            f"arguments: {error}"
        ) from None


class RowByRow(Policy):
    """A function of one observation as a policy for many rows: it is called row by row.

    Args:
        function: From one observation (D,), as the env gives it, to one action: a fraction for each
            car, for one car also a number; with levels a level for each car.
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
        return np.stack([self._action(row) for row in observation])

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
    """The file that holds a policy's code, or the archive; None for a built-in policy.

    Raises:
        ValueError: for what does not exist.
    """
    files = _files_of(text)
    return files[0] if files else None


def _files_of(text: str) -> list[Path]:
    """The files that make a policy what it is; none of a built-in one."""
    spec = parse_spec(text)
    point = entry_point_of(spec)
    if point is not None:
        file = _import(spec, point).__file__
        return [Path(file)] if file else []
    if spec.is_agent:
        return [Path(spec.target)]
    if spec.is_model:
        return files_of(spec.target, spec.arguments.get("normalized"))
    return []


def digest_of(text: str) -> str | None:
    """SHA-256 of those files, which tells policies of one name apart; None for a built-in policy.

    Of several files it is that of their bytes one after the other.
    """
    files = [file.read_bytes() for file in _files_of(text)]
    return hashlib.sha256(b"".join(files)).hexdigest() if files else None
