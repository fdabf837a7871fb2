"""Which program this is, since another might go on differently with the same session."""

from __future__ import annotations

import functools
import hashlib
from importlib import metadata

import numba
import numpy as np

from ev_gym.drivers.habits import habits_table
from ev_gym.runtime.compiling import INTERPRETED, source_fingerprint
from ev_gym.simulation.state_fields import LAYOUT_VERSION


@functools.cache
def program_version() -> str:
    """The package's version and, in brackets, all else on which the last bit of a result depends.

    That is the layout of the state; the sources of the env, with the habits from which its drivers
    are drawn; and Numba and NumPy, which run them and work out their tables.
    """
    sources = hashlib.sha256(source_fingerprint().encode() + habits_table().tobytes()).hexdigest()
    runtime = "interpreted" if INTERPRETED else f"numba {numba.__version__}"
    package = metadata.version("ev-gym")
    return f"{package} ({LAYOUT_VERSION}, {sources[:12]}, {runtime}, numpy {np.__version__})"
