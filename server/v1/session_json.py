"""Sessions, their state and their steps as plain values and as CSV."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from gymnasium import spaces

from ev_gym.simulation.actions import ActionMap
from ev_gym.simulation.observation import observation_space, world_fields
from ev_gym.simulation.results import NAMES, TERM_FIELDS, VEHICLE_NAMES, steps_frame
from ev_gym.simulation.state_fields import (
    STEP_DTYPE,
    STEP_FIELDS,
    VEHICLE_STATE,
    VEHICLE_STEP_FIELDS,
    Field,
    household_state,
)
from ev_gym.simulation.state_fields import VEHICLE_STEP_DTYPE as CAR_STEP
from ev_gym.world.world import World
from server.v1.sessions import Look, Session
from server.v1.step_answer import StepResults

if TYPE_CHECKING:
    import pandas as pd

ROWS_PER_PIECE = 2000


def session(description: Session, world: World) -> dict[str, Any]:
    """What a session is: its scenario, spaces and field tables."""
    spec = description.spec
    return {
        "id": description.id,
        "index": description.index,
        "scenario": spec.scenario.to_dict(),
        "num_envs": spec.num_envs,
        "seed": spec.seed,
        "continuous": spec.continuous,
        "split": spec.split,
        "autoreset_mode": spec.autoreset_mode,
        "observation": spec.observation,
        "version": description.version,
        "action_space": _space(ActionMap(spec.scenario, spec.continuous).space),
        "observation_space": _space(observation_space(world, spec.observation)),
        "observation_fields": [
            {
                "name": field.name,
                "unit": field.unit,
                "meaning": field.meaning,
                "start": field.slice.start,
                "stop": field.slice.stop,
                "low": field.low,
                "high": field.high,
                "offset": field.offset,
                "factor": field.factor,
            }
            for field in world_fields(world)
        ],
        "step_fields": _table(STEP_FIELDS),
        "vehicle_step_fields": _table(VEHICLE_STEP_FIELDS),
        "household_state_fields": _table(household_state(*world.peaks_shape)),
        "vehicle_state_fields": _table(VEHICLE_STATE),
        "series_start": world.dataset.start.isoformat(),
        "zone": world.dataset.zone,
    }


def _table(fields: Iterable[Field]) -> list[dict[str, str]]:
    return [field._asdict() for field in fields]


def _space(space: spaces.Space[Any]) -> dict[str, Any]:
    if isinstance(space, spaces.Discrete):
        return {"type": "Discrete", "n": int(space.n)}
    if isinstance(space, spaces.MultiDiscrete):
        return {"type": "MultiDiscrete", "nvec": space.nvec.tolist()}
    assert isinstance(space, spaces.Box)  # an env has no others
    return {
        "type": "Box",
        "low": space.low.tolist(),
        "high": space.high.tolist(),
        "shape": list(space.shape),
        "dtype": str(space.dtype),
    }


def state(look: Look) -> dict[str, Any]:
    """The state's records, each with its fields by name."""
    households = [_named(row) for row in look.households]
    return {
        "households": households,
        "vehicles": [[_named(car) for car in row] for row in look.vehicles],
    }


def _named(record: Any) -> dict[str, Any]:
    return {name: record[name].tolist() for name in record.dtype.names}


def steps(results: Iterable[StepResults], world: World) -> Iterator[dict[str, Any]]:
    """Each household's steps as plain values, like a row of `steps_frame`."""
    local = _local_time(world)
    for index, *columns in results:
        for row, values, cars in zip(*(column.tolist() for column in columns), strict=True):
            terms = values[len(NAMES) :]
            yield {
                "index": index,
                "row": row,
                "time": local(values[0]),
                **dict(zip(NAMES, values, strict=False)),
                **dict(zip(VEHICLE_NAMES, zip(*cars, strict=True), strict=True)),
                **dict(zip(TERM_FIELDS, terms, strict=True)),
                "reward": _total(terms),
            }


def _total(terms: Iterable[float]) -> float:
    total = 0.0
    for term in terms:  # not sum(), which since Python 3.12 adds more exactly than the env
        total += term
    return total


def _local_time(world: World) -> Callable[[int], str]:
    """A function from a minute of the series to the local time as text."""
    start, zone = world.dataset.start, ZoneInfo(world.dataset.zone)

    def local(minute: int) -> str:
        return (start + timedelta(minutes=minute)).astimezone(zone).isoformat()

    return local


def csv(results: Iterable[StepResults], world: World, rows: int) -> Iterator[str]:
    """The steps as CSV: `index`, `row` and the columns of `steps_frame`; a piece at a time."""
    remaining = iter(results)
    yield _table_of([], world).to_csv(index=False, lineterminator="\n")
    while piece := list(itertools.islice(remaining, max(1, ROWS_PER_PIECE // rows))):
        yield _table_of(piece, world).to_csv(index=False, header=False, lineterminator="\n")


def _table_of(steps: Sequence[StepResults], world: World) -> pd.DataFrame:
    local, cars = _local_time(world), len(world.scenario.vehicles)
    none = StepResults(0, np.empty(0, int), np.empty(0, STEP_DTYPE), np.empty((0, cars), CAR_STEP))
    columns = zip(*((s.rows, s.results, s.vehicle_results) for s in (none, *steps)), strict=True)
    rows, results, vehicle_results = (np.concatenate(parts) for parts in columns)
    frame = steps_frame(world.dataset.start, world.dataset.zone, results, vehicle_results)
    frame.insert(0, "index", np.repeat([s.index for s in steps], [len(s.rows) for s in steps]))
    frame.insert(1, "row", rows)
    frame.insert(2, "time", [local(minute) for minute in results["now_min"].tolist()])
    return frame
