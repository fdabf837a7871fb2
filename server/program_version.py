"""Which program this is: one that made a session goes on with it, another might differently."""

from __future__ import annotations

import functools
import hashlib

import numba
import numpy as np

from ev_gym import __version__
from ev_gym.drivers.habits import habits_table
from ev_gym.runtime.compiling import INTERPRETED, source_fingerprint
from ev_gym.simulation.state_fields import LAYOUT_VERSION


@functools.cache
def program_version() -> str:
    """The package's version and, in brackets, what else the last bit of a result depends on.

    The layout of the state, the sources of the env with the habits that its drivers are drawn
    from, what runs them, and what works out the tables they read (such as the sun's).
    """
    sources = hashlib.sha256(source_fingerprint().encode() + habits_table().tobytes())
    runs = "interpreted" if INTERPRETED else f"numba {numba.__version__}"
    made_of = f"{LAYOUT_VERSION}, {sources.hexdigest()[:12]}, {runs}, numpy {np.__version__}"
    return f"{__version__} ({made_of})"
