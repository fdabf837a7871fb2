"""What all pictures of the baselines share: style, colours, time axes, and how they are saved."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import matplotlib.dates
import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ev_gym.rendering import picture
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.durations import DAY_MIN, QUARTER_MIN

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


_dates: Any = matplotlib.dates  # its functions are not typed
DPI = 150
STYLE: dict[str, Any] = {
    **picture.STYLE,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}

# Mostly Okabe and Ito's, which colour-blind readers tell apart (https://jfly.uni-koeln.de/color/).
# There are more policies than such colours, so names stand beside them everywhere.
POLICY_COLORS = {
    "uncontrolled": "#D55E00",
    "load_based": "#E69F00",
    "price_based": "#0072B2",
    "cheapest_hours": "#56B4E9",
    "water_filling": "#2A9DF4",
    "peak_shaving": "#6A3D9A",
    "plan": "#1B3A93",
    "price_limit": "#00A6B5",
    "delayed": "#7A4A1E",
    "night": "#3A3A4A",
    "pv_surplus": "#C9A800",
    "min_pv": "#8DB600",
    "random": "#8C8C8C",
    "never": "#D9A5B3",
    "optimal": "#009E73",
    "mpc": "#CC79A7",
}
OTHER_COLORS = ("#6A3D9A", "#7A6A00", "#882255", "#117733", "#AA4499", "#444444")


def policy_color(name: str) -> str:
    """The colour of a policy in all pictures; it depends on its name alone."""
    if name in POLICY_COLORS:
        return POLICY_COLORS[name]
    return OTHER_COLORS[zlib.crc32(name.encode()) % len(OTHER_COLORS)]


@contextmanager
def png(path: str | Path | IO[bytes], width_in: float, height_in: float) -> Iterator[Figure]:
    """A figure that is saved as PNG at the end.

    It is made in matplotlib's own default style, whatever the user's is, and carries neither a time
    nor a version, so the same data give the same bytes.
    """
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(width_in, height_in))
        yield figure
        figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})


def stacked(figure: Figure, heights: list[float]) -> NDArray[Any]:
    """Axes (n,) one above the other, of these relative heights."""
    ratios = {"height_ratios": heights}
    panels: NDArray[Any] = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw=ratios)
    return panels[:, 0]


def name_rows(axes: Axes, names: list[str]) -> None:
    """Name rows 0, 1 and so on after policies, in their colours; money is read across from 0."""
    axes.set_yticks(range(len(names)), names)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color(policy_color(name))
        label.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.axvline(0, color=picture.GREY, lw=0.8)
    axes.grid(axis="x")


def names_in(column: pd.Series[Any]) -> list[str]:
    """The different values of a column, in the order in which they come."""
    return [str(name) for name in dict.fromkeys(column)]


def per_car(frame: pd.DataFrame, name: str) -> Floats:
    """A vehicle's field as (rows, K), from `name` or from `name_0`, `name_1` and so on.

    Scenarios with different numbers of cars share a table, so columns without a value are left out.
    """
    columns = [column for column in frame if re.fullmatch(rf"{name}(_\d+)?", str(column))]
    values = frame[columns].to_numpy(np.float64)
    return values[:, ~np.isnan(values).all(axis=0)]


def edge_days(frame: pd.DataFrame) -> Floats:
    """(rows + 1,) starts of the steps and the end of the last one, in matplotlib's days."""
    import pandas as pd

    stamps = pd.DatetimeIndex(frame["time"]).tz_convert("UTC").tz_localize(None)
    days = np.asarray(_dates.date2num(stamps.to_numpy()), np.float64)
    step = days[1] - days[0] if len(days) > 1 else QUARTER_MIN / DAY_MIN
    return np.append(days, days[-1] + step)


FORTNIGHT_DAYS, LONG_DAYS = 14, 63  # between them, Mondays are marked


def local_days(axes: Axes, frame: pd.DataFrame) -> None:
    """Mark local times on an axis that counts days in UTC."""
    zone, edges = frame["time"].iloc[0].tzinfo, edge_days(frame)
    axes.set_xlim(edges[0], edges[-1])
    locator: Any = _dates.AutoDateLocator(tz=zone, minticks=4, maxticks=9)
    if FORTNIGHT_DAYS < edges[-1] - edges[0] <= LONG_DAYS:
        # By itself it would mark every fourth day and the next first, which meet.
        locator = _dates.WeekdayLocator(_dates.MO, tz=zone)
    formatter = _dates.ConciseDateFormatter(locator, tz=zone, show_offset=False)
    day, clock = "%a %d %b", "%H:%M"
    formatter.formats = ["%Y", "%b %Y", day, clock, clock, "%S.%f"]
    formatter.zero_formats = ["", "%b %Y", day, day, clock, clock]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
