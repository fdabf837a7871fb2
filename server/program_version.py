"""Which program this is, since another might go on differently with the same session."""

from __future__ import annotations

import functools
import hashlib

import numba
import numpy as np

from ev_gym import __version__
from ev_gym.drivers.habits import habits_table
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.runtime.fingerprint import source_fingerprint
from ev_gym.simulation.loops import begin_rows, report_rows, step_one, step_rows
from ev_gym.simulation.state_fields import (
    LAYOUT_VERSION,
    STEP_DTYPE,
    VEHICLE_DTYPE,
    VEHICLE_STEP_DTYPE,
    household_dtype,
)
from ev_gym.world.episode_starts import episode_starts, start_table
from ev_gym.world.tables import build_tables

STEPS = (begin_rows, report_rows, step_one, step_rows)
TABLES = (build_tables, episode_starts, start_table)
LAYOUTS = (household_dtype(1, 3), VEHICLE_DTYPE, STEP_DTYPE, VEHICLE_STEP_DTYPE)


@functools.cache
def program_version() -> str:
    """The package's version and, in brackets, all else on which the last bit of a result depends.

    These are the layouts of the state and of the results; the sources of the code that steps
    households and of the code that works out the tables it reads; the habits from which drivers
    are drawn; and what runs all that.
    """
    sources = hashlib.sha256(source_fingerprint(*STEPS, *TABLES).encode())
    sources.update(repr([layout.descr for layout in LAYOUTS]).encode() + habits_table().tobytes())
    runs = "interpreted" if INTERPRETED else f"numba {numba.__version__}"
    made_of = f"{LAYOUT_VERSION}, {sources.hexdigest()[:12]}, {runs}, numpy {np.__version__}"
    return f"{__version__} ({made_of})"
