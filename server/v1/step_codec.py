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
from server.v1.step_answer import Answer

_MAGIC = npy.magic(1, 0)
_LONGEST_HEADER = 10_000
_SHOWN_BYTES = 200
_TOO_LONG = 2**63
_TERMS_FROM = len(NAMES)

# Ten times as fast as the standard library's on an answer, which took a tenth of a step's time.
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
    info["reward_terms"] = dict(zip(REWARD_TERMS, values[_TERMS_FROM:]))  # noqa: B905  # likewise
    told = {"index": answer.index, "observation": answer.observations[0].tolist()}
    if answer.is_step:
        truncated = answer.truncated.item(0)
        told |= {"reward": answer.rewards.item(0), "terminated": False, "truncated": truncated}
        if truncated:
            info["settlement"] = answer.settlement.item(0)
    told["info"] = info
    return told


def _vector(answer: Answer) -> dict[str, Any]:
    infos = rows_info(answer.results, answer.vehicle_results)
    told = {"index": answer.index, "observations": answer.observations.tolist()}
    if answer.is_step:
        ended = answer.truncated.tolist()
        told["rewards"] = answer.rewards.tolist()
        told["terminated"] = [False] * len(ended)
        told["truncated"] = ended
        if True in ended:
            infos |= _endings(answer)
    told["infos"] = _lists(infos)
    return told


def _endings(answer: Answer) -> dict[str, Any]:
    """What the vector env's infos hold in a step in which episodes ended."""
    ended = answer.truncated
    settled = {"settlement": answer.settlement, "_settlement": ended}
    if answer.ended is None:
        return settled
    last = answer.ended
    return {
        **settled,
        "final_obs": last.observations,
        "_final_obs": ended,
        "final_info": rows_info(last.results, last.vehicle_results) | settled,
        "_final_info": ended,
    }


def _lists(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _lists(value) if isinstance(value, dict) else value.tolist()
        for name, value in tree.items()
    }


def to_npy(answer: Answer) -> bytes:
    """An answer as arrays, one after another, each as `numpy.save` writes it.

    In this order: observations (n, D) float32, rewards (n,) float64, truncated (n,) bool,
    settlement (n,) float64 (valid where truncated), results (n,) STEP_DTYPE, vehicle results
    (n, K) VEHICLE_STEP_DTYPE; and with same-step autoreset, in a step in which episodes ended,
    their last observations, results and vehicle results (valid where truncated). A single env is
    one row; after a reset rewards are 0 and nothing is truncated.
    """
    arrays: tuple[NDArray[Any], ...] = (
        answer.observations,
        answer.rewards,
        answer.truncated,
        answer.settlement,
        answer.results,
        answer.vehicle_results,
        *(answer.ended or ()),
    )
    pieces: list[Any] = []
    for array in arrays:
        pieces += (_header(array.dtype, array.shape), np.ascontiguousarray(array))
    return b"".join(pieces)


@functools.lru_cache(maxsize=256)
def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    described = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(stream, described)
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
    shape, by_columns, dtype = _described(data[:begin])
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
        return np.ndarray(shape, dtype, data, begin, order=order)  # type: ignore[arg-type]  # a literal in a variable
    except (ValueError, OverflowError) as error:  # an empty one with too many or too long axes
        raise Problem(400, f"the npy array has shape {shape}: {error}") from None


@functools.lru_cache(maxsize=256)
def _described(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type that an npy header names; clients send the same one again and again."""
    stream = io.BytesIO(head[len(_MAGIC) :])
    try:
        shape, by_columns, dtype = npy.read_array_header_1_0(stream)
    except Exception as error:  # whatever a parser of Python literals may raise on such bytes
        raise Problem(400, f"the npy header cannot be read: {error}") from None
    whole = all(type(length) is int and 0 <= length < _TOO_LONG for length in shape)
    if not whole or math.prod(shape) >= _TOO_LONG:  # too long perhaps even to be printed
        begins = bytes(head[10 : 10 + _SHOWN_BYTES])
        raise Problem(
            400,
            f"the npy header is {begins!r}; allowed: a shape of whole numbers, no negative length, "
            f"and less than {_TOO_LONG} entries",
        )
    return shape, by_columns, dtype
