"""Answers as JSON and as NumPy's binary format, and actions from that format.

JSON numbers are Python's shortest that read back as the same double, so a float32 observation and
a float64 reward arrive bit for bit. The binary form of an answer is a sequence of arrays, each as
`numpy.save` writes it: see `to_npy`.
"""

from __future__ import annotations

import functools
import io
import math
from typing import Any

import numpy as np
import orjson
from numpy.lib import format as npy
from numpy.typing import NDArray

from ev_gym.simulation.results import NAMES, VEHICLE_NAMES, rows_info
from ev_gym.simulation.state_fields import REWARD_TERMS
from server.http.problems import Problem
from server.v1.step_answer import Answer, LastStep

_MAGIC = npy.magic(1, 0)
_LONGEST_HEADER = 10_000  # bytes
_QUOTED_BYTES = 200  # of a header, in an error
_TOO_LONG = 2**63  # entries
_TERMS_FROM = len(NAMES)

# Ten times as fast on an answer as the standard library, which took a tenth of a step's time.
dumps = orjson.dumps


def plain_values(answer: Answer, single: bool) -> dict[str, Any]:
    """An answer as plain Python values, in the shape of `EVChargingEnv`'s or the vector env's."""
    return _single(answer) if single else _vector(answer)


def to_json(answer: Answer, single: bool) -> bytes:
    """An answer as JSON text."""
    return dumps(plain_values(answer, single))


def _single(answer: Answer) -> dict[str, Any]:
    values = answer.results.item(0)
    cars = zip(*answer.vehicle_results[0].tolist(), strict=True)
    info: dict[str, Any] = dict(zip(NAMES + VEHICLE_NAMES, (*values[:_TERMS_FROM], *cars)))  # noqa: B905  # a check costs time at every step
    info["reward_terms"] = dict(zip(REWARD_TERMS, values[_TERMS_FROM:]))  # noqa: B905  # a check costs time at every step
    info["settlement"] = answer.settlement.item(0)
    if answer.action_masks.size:
        info["action_mask"] = answer.action_masks[0].tolist()
    members = {"index": answer.index, "observation": answer.observations[0].tolist()}
    if answer.is_step:
        truncated = answer.truncated.item(0)
        members |= {"reward": answer.rewards.item(0), "terminated": False, "truncated": truncated}
    members["info"] = info
    return members


def _vector(answer: Answer) -> dict[str, Any]:
    members = {"index": answer.index, "observations": answer.observations.tolist()}
    if answer.is_step:
        truncated = answer.truncated.tolist()
        members["rewards"] = answer.rewards.tolist()
        members["terminated"] = [False] * len(truncated)
        members["truncated"] = truncated
    members["infos"] = _lists(_infos(answer))
    return members


def _infos(answer: Answer) -> dict[str, Any]:
    """The infos of the vector env."""
    last = answer.last_step
    over, settlement = answer.truncated, answer.settlement
    if last is None:
        return _rows_info(answer, settlement)
    return {
        **_rows_info(answer, np.zeros(len(over))),
        "final_obs": last.observations,
        "_final_obs": over,
        "final_info": _rows_info(last, settlement),
        "_final_info": over,
    }


def _rows_info(rows: Answer | LastStep, settlement: NDArray[np.float64]) -> dict[str, Any]:
    info = rows_info(rows.results, rows.vehicle_results, settlement)
    if rows.action_masks.size:
        info["action_mask"] = rows.action_masks
    return info


def _lists(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree with lists instead of arrays."""
    return {
        name: _lists(value) if isinstance(value, dict) else value.tolist()
        for name, value in tree.items()
    }


def to_npy(answer: Answer) -> bytes:
    """An answer as arrays, one after another, each as `numpy.save` writes it.

    In this order: observations (n, D) float32, rewards (n,) float64, truncated (n,) bool,
    settlement (n,) float64 (0 where not truncated), results (n,) STEP_DTYPE, vehicle results
    (n, K) VEHICLE_STEP_DTYPE, action masks (n, C) bool ((n, 0) with continuous actions); and with
    same-step autoreset, in a step in which episodes ended, their last observations, results,
    vehicle results and action masks (valid where truncated). A single env is one row; after a reset
    rewards are 0 and nothing is truncated.
    """
    arrays: tuple[NDArray[Any], ...] = (
        answer.observations,
        answer.rewards,
        answer.truncated,
        answer.settlement,
        answer.results,
        answer.vehicle_results,
        answer.action_masks,
        *(answer.last_step or ()),
    )
    pieces: list[Any] = []
    for array in arrays:
        pieces += (_header(array.dtype, array.shape), np.ascontiguousarray(array))
    return b"".join(pieces)


@functools.lru_cache(maxsize=256)
def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    members = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(stream, members)
    return stream.getvalue()


def action_of(data: bytes) -> NDArray[Any]:
    """The array of numbers in a body of one npy array (format 1.0).

    Raises:
        Problem: 400 for anything else; 422 for an array of anything but numbers.
    """
    if data[:8] != _MAGIC:
        raise Problem(400, f"the body begins with {data[:8]!r}; allowed: an npy array, format 1.0")
    begin = 10 + int.from_bytes(data[8:10], "little")
    if begin > _LONGEST_HEADER:
        raise Problem(400, f"the npy header has {begin} bytes; allowed: {_LONGEST_HEADER}")
    shape, by_columns, dtype = _read_header(data[:begin])
    if dtype.kind not in "iuf":
        raise Problem(422, f"the npy array holds {dtype.name}; allowed: integers or floats")
    size = math.prod(shape) * dtype.itemsize
    if len(data) - begin != size:
        raise Problem(
            400,
            f"the npy array of shape {shape} and {dtype.name} is followed by {len(data) - begin} "
            f"bytes of data; allowed: {size}",
        )
    try:
        order = "F" if by_columns else "C"
        return np.ndarray(shape, dtype, data, begin, order=order)  # type: ignore[arg-type]  # mypy sees a str in it
    except (ValueError, OverflowError) as error:  # an empty array with too many or too long axes
        raise Problem(400, f"the npy array has shape {shape}: {error}") from None


@functools.lru_cache(maxsize=256)
def _read_header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and type; clients send the same header again and again."""
    stream = io.BytesIO(head[len(_MAGIC) :])
    try:
        shape, by_columns, dtype = npy.read_array_header_1_0(stream)
    except Exception as error:  # whatever a parser of Python literals may raise on such bytes
        raise Problem(400, f"the npy header cannot be read: {error}") from None
    whole = all(type(length) is int and 0 <= length < _TOO_LONG for length in shape)
    if not whole or math.prod(shape) >= _TOO_LONG:  # perhaps too long even to be printed
        quoted = bytes(head[10 : 10 + _QUOTED_BYTES])
        raise Problem(
            400,
            f"the npy header is {quoted!r}; allowed: a shape of whole numbers, no negative length, "
            f"and less than {_TOO_LONG} entries",
        )
    return shape, by_columns, dtype
