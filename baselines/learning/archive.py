"""An agent as a file: arrays and a description of them, nothing that could run.

The file is a zip of NumPy arrays (`.npy`) and one `manifest.json`, so `numpy.load` opens it too. It
is read without pickle, up to a size that no agent needs; a file of a stranger can be wrong, but not
do anything. Equal content gives equal bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUFFIX = ".npz"
MANIFEST = "manifest.json"
FORMAT = "ev_gym agent 1"
MOST_BYTES = 32 * 2**20  # of all that is in a file; agents of this package hold less than 1 MB
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold, so that files are equal


def write_archive(
    path: Path, arrays: Mapping[str, NDArray[Any]], manifest: Mapping[str, Any]
) -> None:
    """Write an agent's file; nothing is left half written."""
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    members = {f"{name}.npy": _as_bytes(array) for name, array in sorted(arrays.items())}
    described = {"format": FORMAT, **manifest}
    members[MANIFEST] = json.dumps(described, indent=1, allow_nan=False).encode()
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _LONG_AGO)
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, content)
    part.replace(path)


def read_archive(path: Path | str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays of an agent's file by name, and its manifest.

    Raises:
        ValueError: for a file that is no agent of this package.
    """
    try:
        with zipfile.ZipFile(path) as file:
            size = sum(member.file_size for member in file.infolist())
            if size > MOST_BYTES:
                raise ValueError(f"it holds {size:,} bytes; allowed: {MOST_BYTES:,}")
            manifest = json.loads(file.read(MANIFEST))
            names = [name for name in file.namelist() if name.endswith(".npy")]
            arrays = {name.removesuffix(".npy"): _from_bytes(file.read(name)) for name in names}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, KeyError, ValueError, EOFError) as error:
        raise ValueError(f"agent {str(path)!r} cannot be read: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise ValueError(f"agent {str(path)!r} has the format {found!r}; allowed: {FORMAT!r}")
    for name, array in arrays.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(f"agent {str(path)!r}: {name} holds what is no finite number")
    return arrays, manifest


def _as_bytes(array: NDArray[Any]) -> bytes:
    written = io.BytesIO()
    np.lib.format.write_array(written, np.ascontiguousarray(array), allow_pickle=False)
    return written.getvalue()


def _from_bytes(content: bytes) -> NDArray[Any]:
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array
