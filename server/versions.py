"""Which program this is: one that made a session goes on with it, another might differently."""

from __future__ import annotations

import functools
from importlib import metadata

import numba

from ev_gym.compiling import INTERPRETED, source_fingerprint
from ev_gym.fields import LAYOUT_VERSION


@functools.cache
def program_version() -> str:
    """The package's version and, in brackets, what else the last bit of a result depends on.

    The layout of the state, the sources of the env, and what runs them.
    """
    runs = "interpreted" if INTERPRETED else f"numba {numba.__version__}"
    package = metadata.version("ev-gym")
    return f"{package} ({LAYOUT_VERSION}, {source_fingerprint()[:12]}, {runs})"
