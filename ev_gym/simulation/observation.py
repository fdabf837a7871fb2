"""Observations: where each declared field stands, its bounds, and the code that writes it.

The fields themselves are declared in `ev_gym.simulation.observation_fields`.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ev_gym.runtime.compiling import compiled, inlined
from ev_gym.runtime.durations import HOUR_MIN
from ev_gym.runtime.records import HouseholdState, Records, VehicleState
from ev_gym.scenario import Scenario, as_scenario
from ev_gym.series.dataset import Dataset
from ev_gym.series.of_scenario import price_minutes_of
from ev_gym.simulation.observation_fields import (
    DAY_AHEAD,
    DECLARATIONS,
    HOUSE,
    PART,
    PEAK_RULES,
    SLOTS_AHEAD,
    VEHICLES,
    Condition,
    Declaration,
    Owner,
    Ranges,
    Scale,
)
from ev_gym.world.tables import Tables, window_slot_min
from ev_gym.world.world import World, build_world

F = TypeVar("F", bound=Callable[..., Any])


class Group(NamedTuple):
    """Fields of one owner and condition, which stand side by side in an observation.

    Where the owner has n entries, entry i of the group's field f is number f * n + i of the group.
    """

    condition: Condition | None
    owner: Owner
    fields: list[Declaration]


OWNERS = (HOUSE, PEAK_RULES, SLOTS_AHEAD, DAY_AHEAD, VEHICLES)


def _groups() -> list[Group]:
    """All groups, in the order of an observation."""

    def rank(field: Declaration) -> tuple[bool, int]:
        return field.condition is not None, OWNERS.index(field.owner)

    return [
        Group(condition, owner, list(fields))
        for (condition, owner), fields in itertools.groupby(
            sorted(DECLARATIONS, key=rank), lambda field: (field.condition, field.owner)
        )
    ]


GROUPS = _groups()

PHYSICAL, SCALED = OBSERVATION_MODES = ("physical", "scaled")

# --- the table of the fields ---


class ObservationField(NamedTuple):
    """One field of the observation: where it stands, what it means, and its true bounds.

    A field of the vehicles has one entry per vehicle, in their order. Bounds are physical;
    `observation="scaled"` shows (number - offset) / factor.
    """

    name: str
    unit: str
    meaning: str
    slice: slice
    low: float
    high: float
    offset: float
    factor: float


_SLOT_NAMES = {HOUR_MIN: "hour", HOUR_MIN // 2: "half-hour", HOUR_MIN // 4: "quarter-hour"}


def _in_window(field: Declaration, slot_min: int, number: int) -> tuple[str, str]:
    """Name and meaning of a field of one slot of the price window."""
    slot = _SLOT_NAMES[slot_min]
    if slot_min == HOUR_MIN:
        return f"{field.name}_h{number:02d}", field.meaning.format(slot=slot, ahead=f"{number} h")
    minutes = number * slot_min
    return f"{field.name}_m{minutes:04d}", field.meaning.format(slot=slot, ahead=f"{minutes} min")


def _placed(scenario: Scenario, slot_min: int) -> Iterator[tuple[str, slice, str, Declaration]]:
    """Name, place, meaning and declaration of each field that a scenario has, in their order."""
    place = 0
    for group in GROUPS:
        if group.condition is not None and not group.condition.of_scenario(scenario):
            continue
        entries = group.owner.entries(scenario, slot_min)
        for field in group.fields:
            if field.owner is DAY_AHEAD:
                for h in range(entries):
                    meaning = field.meaning.format(ahead=h)
                    yield f"{field.name}_h{h:02d}", slice(place + h, place + h + 1), meaning, field
            elif field.owner is SLOTS_AHEAD:
                for i in range(entries):
                    name, meaning = _in_window(field, slot_min, i)
                    yield name, slice(place + i, place + i + 1), meaning, field
            else:
                yield field.name, slice(place, place + entries), field.meaning, field
            place += entries


def observation_slices(scenario: Scenario, slot_min: int | None = None) -> dict[str, slice]:
    """Where each observation field of a scenario stands, by name.

    Args:
        scenario: The scenario.
        slot_min: Minutes of a slot of the price window; None: those with the series that the
            scenario names.
    """
    if slot_min is None:
        slot_min = window_slot_min(scenario, price_minutes_of(scenario))
    return {name: place for name, place, _, _ in _placed(scenario, slot_min)}


def world_fields(world: World) -> tuple[ObservationField, ...]:
    """The table of a world; bounds of load, sun, prices and temperature are those of its series."""
    ranges, fields = Ranges(world), []
    for name, place, meaning, field in _placed(world.scenario, world.window_slot_min):
        low, high = field.bounds(ranges) if callable(field.bounds) else field.bounds
        unit = field.unit.format(currency=world.scenario.currency)
        scale = field.scale_in(world.scenario.currency)
        bounds = float(low), float(high)
        fields.append(ObservationField(name, unit, meaning, place, *bounds, *scale))
    return tuple(fields)


def observation_fields(
    scenario: str | Scenario | Mapping[str, Any] = "stockholm", dataset: Dataset | None = None
) -> tuple[ObservationField, ...]:
    """Name, unit, meaning, slice, bounds and scale of each observation field of a scenario.

    Args:
        scenario: A preset's name, a `Scenario`, or a dict of overrides.
        dataset: Series to use instead of those that the scenario names.

    Raises:
        ScenarioError: if the scenario is not one.
    """
    scenario = as_scenario(scenario)
    return world_fields(build_world(scenario, dataset, None))


def observation_bounds(world: World) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest value of each entry, float32 arrays of the observation's length."""
    fields = world_fields(world)
    low = np.empty(fields[-1].slice.stop, np.float32)
    high = np.empty_like(low)
    for field in fields:
        low[field.slice] = field.low
        high[field.slice] = field.high
    return low, high


def observation_space(world: World, mode: str = PHYSICAL) -> spaces.Box:
    """The observation space of one household."""
    low, high = observation_bounds(world)
    if mode == SCALED:
        scales = observation_scales(world.scenario, world.window_slot_min)
        low, high = scaled(low, scales), scaled(high, scales)
    return spaces.Box(low, high)


# --- scaled observations ---


def checked_observation(mode: Any) -> str:
    """The `observation` argument of an env.

    Raises:
        ValueError: for anything but an observation mode.
    """
    if isinstance(mode, str) and mode in OBSERVATION_MODES:
        return mode
    raise ValueError(f"observation is {mode!r}; allowed: 'physical' or 'scaled'")


def observation_scales(scenario: Scenario, slot_min: int) -> NDArray[np.float32]:
    """(2, D) offset and factor of each entry, with slots of the price window of so many minutes."""
    placed: list[tuple[slice, Scale]] = [
        (place, field.scale_in(scenario.currency))
        for _, place, _, field in _placed(scenario, slot_min)
    ]
    scales = np.empty((2, placed[-1][0].stop), np.float32)
    for place, (offset, factor) in placed:
        scales[0, place], scales[1, place] = offset, factor
    return scales


def scaled(observation: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """A physical observation (..., D) as `observation="scaled"` shows it."""
    offset, factor = scales
    shown: NDArray[np.float32] = (observation - offset) / factor
    return shown


def physical(observation: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """A scaled observation (..., D) in physical units, to the rounding of float32."""
    offset, factor = scales.astype(np.float64)
    seen: NDArray[np.float32] = (observation * factor + offset).astype(np.float32)
    return seen


# --- the code that writes an observation ---


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _lines_of(group: Group) -> list[str]:
    """The code that writes one group, from `place` on."""
    owner, fields = group.owner, group.fields
    # All numbers of a group are worked out before the first is written. The compiler has to suppose
    # that a number written changes what is read, and would look everything up again after each.
    lines = [f"{field.name}_ = {field.name}_of({', '.join(field.parameters)})" for field in fields]
    if owner.names == PART:
        lines = []
        for field in fields:
            lines += [
                f"part = observation[place : place + {owner.entries_in_code}]",
                f"{field.name}_of({', '.join(field.parameters)})",
                f"place += {owner.entries_in_code}",
            ]
    elif owner is HOUSE:
        lines += [f"observation[place + {f}] = {field.name}_" for f, field in enumerate(fields)]
        lines += [f"place += {len(fields)}"]
    else:
        # A slice, because counting from 0 lets the compiler copy several numbers at once.
        lines += [f"part[{f} * n + i] = {field.name}_" for f, field in enumerate(fields)]
        lines = [
            f"n, part = {owner.entries_in_code}, observation[place:]",
            "for i in range(n):",
            *_indented([owner.entry_in_code, *lines]),
            f"place += {len(fields)} * n",
        ]
    if group.condition is None:
        return lines
    return [f"if {group.condition.in_code}:", *_indented(lines)]


def _running_hour(household: HouseholdState) -> tuple[int, int]:
    """Index of the running hour in the tables of hours, and the minutes of it that have passed."""
    hour_index = int(household.place_min) // HOUR_MIN
    return hour_index, household.place_min - HOUR_MIN * hour_index


def writer_code() -> str:
    """The body of `observe`: the lines of all groups, because Numba has no loop over functions.

    At its end they are scaled, where the tables hold scales.

    Two house fields of scenarios that can export, for example, would give these lines:

        if settings.produces != 0:
            pv_kw_ = pv_kw_of(household)
            discharge_kw_ = discharge_kw_of(household, tables)
            observation[place + 0] = pv_kw_
            observation[place + 1] = discharge_kw_
            place += 2
    """
    lines = [
        "hour_index, minute_of_hour = running_hour(household)",
        "hour, settings = tables.hours[hour_index], tables.settings[0]",
        "place = 0",
        *itertools.chain.from_iterable(map(_lines_of, GROUPS)),
        "if tables.observation_scales.shape[1] > 0:",
        "    offset, factor = tables.observation_scales[0], tables.observation_scales[1]",
        "    for i in range(observation.shape[0]):",
        "        observation[i] = (observation[i] - offset[i]) / factor[i]",
    ]
    return "\n".join(_indented(lines)) + "\n"


def compiled_writer(declared: F) -> F:
    """Compile a function of this name and these parameters, with `writer_code` as its body."""
    parameters = ", ".join(inspect.signature(declared).parameters)
    code = f"def {declared.__name__}({parameters}):\n{writer_code()}"
    # Numba caches machine code by the file and the line at which the function stands.
    code = "\n" * (declared.__code__.co_firstlineno - 1) + code
    names: dict[str, Any] = {f"{field.name}_of": inlined(field.number) for field in DECLARATIONS}
    names |= {"running_hour": inlined(_running_hour), "__name__": __name__}
    exec(compile(code, __file__, "exec"), names)
    function: F = names[declared.__name__]
    function.__doc__ = declared.__doc__
    return compiled(function)


@compiled_writer
def observe(
    household: HouseholdState,
    vehicles: Records[VehicleState],
    tables: Tables,
    observation: NDArray[np.float32],
) -> None:
    """Write what is known before the coming step.

    Args:
        household: Its state.
        vehicles: (K,) state of its cars.
        tables: What the world holds.
        observation: (D,) written.
    """
