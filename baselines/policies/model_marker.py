"""How a model of Stable-Baselines3 saw the world, which its archive alone does not say.

The library saves a model without the wrappers around its env, so nothing tells whether it was shown
normalised observations. `baselines.learning.sb3.save` therefore adds a member `ev_gym.json` to the
archive, the *marker*: the fields that the model saw, in which units, whether normalised and by
which statistics, and what its actions mean. Statistics lie beside the archive, in the file
`vecnormalize.pkl` that the library's own `VecNormalize.save` writes.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ev_gym.simulation.observation import OBSERVATION_MODES

ARCHIVE = "model.zip"  # in a folder
STATISTICS = "vecnormalize.pkl"
MEMBER = "ev_gym.json"
FORMAT = 1

FRACTIONS, RESCALED, LEVELS = ACTIONS = ("fractions", "rescaled", "levels")


class Marker(NamedTuple):
    """What a marker tells of a model.

    Attributes:
        ev_gym: Version that wrote it.
        scenario: Name of the scenario in which the model was trained.
        observation: "physical" or "scaled".
        fields: Name, first and last place (exclusive) of each field that it saw.
        statistics_sha256: Digest of the `vecnormalize.pkl` with which its observations were
            normalised; None where they were not.
        actions: "fractions", "rescaled" (fractions brought to the range from -1 to 1), or "levels".
        lowest: Lowest fraction of its env: 0, or -1 where cars could be discharged.
        levels: Of each car's charger the fraction of each level, in its env.
    """

    ev_gym: str
    scenario: str
    observation: str
    fields: list[list[Any]]
    statistics_sha256: str | None
    actions: str
    lowest: float
    levels: list[list[float]]


def fields_of(slices: Mapping[str, slice]) -> list[list[Any]]:
    """The fields of an observation as a marker holds them."""
    return [[name, place.start, place.stop] for name, place in slices.items()]


def levels_of(levels: Iterable[NDArray[np.float32]]) -> list[list[float]]:
    """Levels of chargers as a marker holds them."""
    return [[float(level) for level in of_car] for of_car in levels]


def actions_of(by_level: bool, rescaled: bool) -> str:
    """What actions mean, in a marker's word."""
    if by_level:
        return LEVELS
    return RESCALED if rescaled else FRACTIONS


def symmetric(cars: int) -> spaces.Box:
    """Actions from -1 to 1, as `gymnasium.wrappers.RescaleAction` gives them in training."""
    return spaces.Box(-1.0, 1.0, (cars,), np.float32)


def archive_of(path: str) -> Path:
    """The archive that a path means: itself, or `model.zip` in the folder that it is."""
    return Path(path) / ARCHIVE if Path(path).is_dir() else Path(path)


def sha256(file: Path) -> str:
    """Digest of a file, as hexadecimal digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write(archive: Path, marker: Marker) -> None:
    """Add a marker to an archive that has none."""
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(MEMBER, json.dumps({"format": FORMAT, **marker._asdict()}, indent=1))


def read(archive: Path) -> Marker | None:
    """The marker of an archive; None where there is none, or the file is no archive.

    Raises:
        ValueError: for a marker that cannot be read, or one of a later format.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            text = opened.read(MEMBER)
    except (zipfile.BadZipFile, KeyError):
        return None
    try:
        told = json.loads(text)
        number = told.pop("format")
        if number != FORMAT:
            raise ValueError(f"is of format {number!r}; allowed: {FORMAT}, so update ev-gym")
        marker = Marker(**told)
        if marker.observation not in OBSERVATION_MODES or marker.actions not in ACTIONS:
            raise ValueError(f"tells of {marker.observation!r} and {marker.actions!r}")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"policy {str(archive)!r}: its member {MEMBER} cannot be read: {error}"
        ) from error
    return marker


def statistics_beside(archive: Path, marker: Marker | None, normalized: bool | None) -> Path | None:
    """Where the statistics of a model lie, if it has any; the file may be missing.

    A marker tells. Without one, what lies beside the archive belongs to it, unless `normalized`,
    an argument of the policy's spec, is False.
    """
    beside = archive.with_name(STATISTICS)
    if marker is not None:
        return beside if marker.statistics_sha256 is not None else None
    if normalized is None:
        return beside if beside.is_file() else None
    return beside if normalized else None


def files_of(path: str, normalized: bool | None) -> list[Path]:
    """The files on which a model's decisions depend: its archive and, if any, its statistics."""
    archive = archive_of(path)
    statistics = statistics_beside(archive, read(archive), normalized)
    there = statistics is not None and statistics.is_file()
    return [archive, statistics] if there and statistics is not None else [archive]
