"""The state of a simulator as bytes: how it is saved and restored.

The bytes are a magic word, the layout's version and the scenario's hash, then a JSON header that
describes the records, then the records themselves. `restore` refuses bytes of another layout and
then changes nothing. Compiled code does not check the records, so a checksum guards them.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ev_gym.simulation.state_fields import LAYOUT_VERSION

if TYPE_CHECKING:
    from ev_gym.simulation.simulator import Simulator

MAGIC = b"EVGYMST\n"
_PREFIX = struct.Struct("<8sI64sII")


class StateError(ValueError):
    """The bytes are no saved state, or that of another simulator."""


def _packed(layout: np.dtype[Any]) -> np.dtype[Any]:
    """The layout without the gaps between its fields, whose bytes mean nothing and may differ."""
    return np.dtype([(name, layout[name]) for name in layout.names or ()])


def _header(simulator: Simulator) -> dict[str, Any]:
    def layout(array: Any) -> list[list[Any]]:
        fields = [(name, array.dtype[name]) for name in array.dtype.names]
        return [[name, field.base.str, *field.shape] for name, field in fields]

    return {
        "rows": simulator.count,
        "vehicles": simulator.vehicles.shape[1],
        "household_layout": layout(simulator.households),
        "vehicle_layout": layout(simulator.vehicles),
    }


def save(simulator: Simulator) -> bytes:
    """The whole state of all rows, random streams included; equal states give equal bytes."""
    header = json.dumps(_header(simulator)).encode()
    scenario = simulator.world.fingerprint.encode()
    tables = (simulator.households, simulator.vehicles)
    records = b"".join(table.astype(_packed(table.dtype)).tobytes() for table in tables)
    start = _PREFIX.pack(MAGIC, LAYOUT_VERSION, scenario, len(header), zlib.crc32(records))
    return start + header + records


def restore(simulator: Simulator, saved: bytes) -> None:
    """Bring a simulator into a saved state.

    Raises:
        StateError: if the bytes are no state, of another layout, of another scenario or data,
            or damaged; nothing has changed then.
    """
    if not isinstance(saved, (bytes, bytearray)):
        raise StateError(f"saved state is a {type(saved).__name__}; allowed: bytes")
    if len(saved) < _PREFIX.size or not saved.startswith(MAGIC):
        raise StateError(f"these {len(saved)} bytes are no saved state: they lack the magic word")
    _, version, scenario, length, checksum = _PREFIX.unpack_from(saved)
    if version != LAYOUT_VERSION:
        raise StateError(f"saved state has layout version {version}; allowed: {LAYOUT_VERSION}")
    if scenario.decode(errors="replace") != simulator.world.fingerprint:
        raise StateError(
            "saved state belongs to another scenario, data set or split; allowed: one saved from "
            f"{simulator.world.scenario.name!r} with the same parameters and series"
        )
    body = _PREFIX.size + length
    try:
        header = json.loads(saved[_PREFIX.size : body])
    except ValueError:
        raise StateError("saved state is damaged: its header cannot be read") from None
    expected = _header(simulator)
    for key, value in expected.items():
        if header.get(key) != value:
            raise StateError(f"saved state has {key} {header.get(key)}; allowed: {value}")
    household = _packed(simulator.households.dtype)
    vehicle = _packed(simulator.vehicles.dtype)
    cut = body + simulator.households.size * household.itemsize
    end = cut + simulator.vehicles.size * vehicle.itemsize
    if len(saved) != end:
        raise StateError(f"saved state has {len(saved)} bytes; allowed: {end}")
    if zlib.crc32(saved[body:]) != checksum:
        raise StateError("saved state is damaged: its records do not have its checksum")
    households = np.frombuffer(saved[body:cut], household)
    vehicles = np.frombuffer(saved[cut:end], vehicle)
    simulator.households[:] = households
    simulator.vehicles[:] = vehicles.reshape(simulator.vehicles.shape)
