"""The history of a station: as CSV, in words, and as a picture.

The same files as those of `ev-gym run`, about the ticks since the last /discharge, of the last 31
days at most. A station may outlive the dates that can be written: more than a century after its
series began, the times in its files are those of the first time through the series.
"""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

import numpy as np

from ev_gym.runtime.durations import DAY_MIN
from ev_gym.simulation.results import steps_frame
from server.http.problems import Problem
from server.station.household import RECORD_DTYPE
from server.station.station import Station

if TYPE_CHECKING:
    import pandas as pd

LAST_LINES = 20
CENTURY_MIN = 36_525 * DAY_MIN

# A picture's style is the whole process's while it is drawn.
_DRAWING = threading.Lock()


def _history(station: Station) -> pd.DataFrame:
    """The ticks until now as a table, like the history of an env."""
    records = np.frombuffer(station.records(), RECORD_DTYPE)
    world = station.household.world
    house, dataset = records["house"].copy(), world.dataset
    if len(house) and house["now_min"][0] > CENTURY_MIN:
        round_min = int(world.tables.settings["series_min"][0])
        house["now_min"] -= house["now_min"][0] // round_min * round_min
    return steps_frame(dataset.start, dataset.zone, house, records["car"][:, np.newaxis])


def log_csv(station: Station) -> str:
    """The battery log until now: every declared step field, a line for each tick."""
    from baselines.one_run import run

    return run.log_csv(_history(station))


def log_text(station: Station, lines: int | None = None) -> str:
    """The charging log until now, in words; all of it, or the last lines."""
    from baselines.one_run import run

    all_lines = list(run.moments(_history(station), station.household.scenario))
    return "".join(f"{line}\n" for line in all_lines[-lines if lines else None :])


def picture(station: Station) -> bytes:
    """The curve until now as PNG.

    Raises:
        Problem: 409 before the first tick is over.
    """
    from baselines.one_run.picture import battery

    history = _history(station)
    if history.empty:
        raise Problem(
            409,
            "no tick is over since the station began, so there is no curve yet; a tick takes "
            f"{station.tick_s:g} s",
        )
    png = io.BytesIO()
    with _DRAWING:
        battery(history, station.household.scenario, png)
    return png.getvalue()
