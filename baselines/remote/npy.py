"""Arrays as NumPy's `npy` bytes and back, quick for the few layouts that come again and again."""

from __future__ import annotations

import functools
import io
import math
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

MEDIA_TYPE = "application/x-npy"
_LENGTH_BYTES = {1: 2, 2: 4}  # that say how long the header is, by version of the format


@functools.lru_cache(maxsize=64)
def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    described = {"descr": npy_format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy_format.write_array_header_1_0(file, described)
    return file.getvalue()


def encode(array: NDArray[Any]) -> bytes:
    """The bytes that `numpy.save` writes for a C-contiguous array."""
    return _header(array.dtype, array.shape) + array.tobytes()


@functools.lru_cache(maxsize=64)
def _layout(header: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype according to a whole header, magic and length included."""
    file = io.BytesIO(header)
    version = npy_format.read_magic(file)
    if version == (1, 0):
        shape, fortran_order, dtype = npy_format.read_array_header_1_0(file)
    else:
        shape, fortran_order, dtype = npy_format.read_array_header_2_0(file)
    if fortran_order or dtype.hasobject:
        raise ValueError(f"an array of {dtype}, fortran_order={fortran_order}")
    return shape, dtype


def decode(body: bytes) -> list[NDArray[Any]]:
    """The arrays that stand one after another in a body, each in memory of its own.

    Raises:
        ValueError: if the body is anything else.
    """
    arrays, place = [], 0
    while place < len(body):
        lengths = _LENGTH_BYTES.get(body[place + 6]) if len(body) > place + 12 else None
        if lengths is None:
            raise ValueError(f"no npy array at byte {place} of {len(body)}")
        length = int.from_bytes(body[place + 8 : place + 8 + lengths], "little")
        begins = place + 8 + lengths + length
        shape, dtype = _layout(body[place:begins])
        count = math.prod(shape)
        array = np.frombuffer(body, dtype, count, begins).reshape(shape)
        arrays.append(array.copy())  # aligned and writable, which the body is not
        place = begins + array.nbytes
    return arrays
