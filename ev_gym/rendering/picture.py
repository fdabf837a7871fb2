"""Pictures of an episode: the steps so far, and what is known of the hours to come.

They show nothing but what the history and the current observation hold, which
`ev_gym.rendering.scene` gathers. The horizontal axis counts elapsed hours. Every curve and area
has a name, its matplotlib `gid`, by which tests find it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from ev_gym.rendering.scene import Scene, current_scene
from ev_gym.runtime.arrays import Floats
from ev_gym.simulation.simulator import Simulator

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

WIDTH_PX, HEIGHT_PX, DPI = 960, 640, 100
# The colours of Okabe and Ito, which colour-blind readers can tell apart
# (https://jfly.uni-koeln.de/color/); two others replace their black and their yellow, which is too
# light for text.
CAR_COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A6A00", "#6A3D9A",
)  # fmt: skip
INK, GREY, PALE = "#333333", "#8C8C8C", "#C4C4C4"
SUN, SOLD = "#FFE08A", "#A07D00"
STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def _beside(axes: Axes, y: float, text: str, color: str, weight: str = "normal") -> None:
    """Write text in the margin right of a panel, with its top at `y` from 0 (bottom) to 1."""
    font = {"color": color, "va": "top", "fontsize": 8, "fontweight": weight}
    axes.text(1.01, y, text, font, transform=axes.transAxes)


def _draw_price(axes: Axes, scene: Scene) -> None:
    price = scene.past["price_per_kwh"].to_numpy(np.float64)
    known, window = scene.known_slots, scene.ahead_price
    parts = [
        ("price_per_kwh", price, scene.edges_h, INK, 1.8, "-"),
        ("known", window[:known], scene.ahead_h[: known + 1], INK, 1.2, "-"),
        ("assumed", window[known:], scene.ahead_h[known:], GREY, 1.2, (0.0, (3.0, 2.0))),
    ]
    for gid, values, edges_h, color, width, dashes in parts:
        if len(values):
            steps = np.append(values, values[-1])
            axes.plot(edges_h, steps, drawstyle="steps-post", gid=gid, color=color, lw=width,
                      ls=dashes)  # fmt: skip
    every = np.concatenate([price, window])
    low, high = min(0.0, every.min()), max(0.0, every.max())
    margin = 0.08 * (high - low) or 1.0
    axes.set_ylim(low - margin * (low < 0), high + margin)
    axes.locator_params(axis="y", nbins=4)
    axes.set_ylabel(f"price ({scene.price_unit})")
    _beside(axes, 0.98, "paid", INK, "bold")
    _beside(axes, 0.86, "published", INK)
    _beside(axes, 0.74, "assumed (dashed): as the\nlast known day", GREY)


def draw_flows(
    axes: Axes, edges: Floats, steps: pd.DataFrame, charge_kw: Floats, cars: Sequence[str]
) -> tuple[float, float]:
    """Draw where a house's power comes from and where it goes.

    Above 0 the base load and the charging of each car are stacked, with the power of the sun as an
    area behind them. Below 0 the discharging of each car is stacked, and a line shows what is fed
    into the grid.

    Args:
        axes: Where to draw.
        edges: (n + 1,) starts of the steps and the end of the last.
        steps: The steps, n rows with the columns `load_kw`, `pv_kw` and `grid_kw`.
        charge_kw: (n, K) AC power of each car, below 0 where it discharges.
        cars: K names, for a legend.

    Returns:
        The lowest and the highest power in the drawing, kW.
    """
    load_kw, pv_kw, grid_kw = (
        steps[name].to_numpy(np.float64) for name in ("load_kw", "pv_kw", "grid_kw")
    )
    if pv_kw.any():
        axes.stairs(pv_kw, edges, fill=True, color=SUN, lw=0, label="sun", gid="pv_kw")
    above, below = np.zeros(len(load_kw)), np.zeros(len(load_kw))
    layers = [("load_kw", "base load", PALE, load_kw)]
    for k, name in enumerate(cars):
        layers.append((f"charge_kw_{k}", name, CAR_COLORS[k], charge_kw[:, k].clip(min=0.0)))
    for gid, label, color, layer_kw in layers:
        if len(layer_kw):
            axes.stairs(above + layer_kw, edges, baseline=above, fill=True, color=color, lw=0,
                        label=label, gid=gid)  # fmt: skip
        above = above + layer_kw
    for k in range(len(cars)):
        discharge_kw = (-charge_kw[:, k]).clip(min=0.0)
        if discharge_kw.any():
            axes.stairs(below - discharge_kw, edges, baseline=below, fill=True, color=CAR_COLORS[k],
                        lw=0, gid=f"discharge_kw_{k}")  # fmt: skip
        below = below - discharge_kw
    sold_kw = grid_kw.clip(max=0.0)
    if pv_kw.any():
        axes.stairs(pv_kw, edges, baseline=None, color=SOLD, lw=0.7)
    if sold_kw.any():
        axes.stairs(sold_kw, edges, baseline=None, color=SOLD, lw=1.2, label="fed into the grid",
                    gid="sold_kw")  # fmt: skip
        axes.axhline(0, color=GREY, lw=1.2)
    lowest_kw = min(below.min(initial=0.0), sold_kw.min(initial=0.0))
    return float(lowest_kw), float(max(above.max(initial=0.0), pv_kw.max(initial=0.0)))


def _draw_power(axes: Axes, scene: Scene) -> None:
    low_kw, high_kw = draw_flows(axes, scene.edges_h, scene.past, scene.charge_kw, scene.cars)
    now_h = scene.edges_h[-1]
    for gid, next_kw, color in (("next", scene.load_kw, GREY), ("next_pv", scene.pv_kw, SOLD)):
        if gid == "next" or next_kw > 0.0:
            axes.plot([now_h, now_h + scene.step_h], [next_kw] * 2, color=color, lw=1.5, gid=gid)
    axes.axhline(scene.limit_kw, color=INK, lw=1, ls=(0, (6, 3)), gid="limit_kw")
    axes.set_ylim(1.12 * low_kw, 1.12 * max(scene.limit_kw, scene.load_kw, scene.pv_kw, high_kw))
    axes.locator_params(axis="y", nbins=4)
    axes.set_ylabel("power (kW)")
    _beside(axes, 0.98, f"connection {scene.limit_kw:.3g} kW", INK)
    names = [*zip(scene.cars, CAR_COLORS, strict=False), ("base load", GREY)]
    names += [("sun (area)", SOLD)] if scene.past["pv_kw"].any() else []
    names += [("fed into the grid (line)", SOLD)] if low_kw < 0.0 else []
    for i, (name, color) in enumerate(names):
        _beside(axes, 0.83 - min(0.095, 0.86 / len(names)) * i, name, color)


def _stays(edges_h: Floats, plugged: Floats) -> Iterator[tuple[float, float]]:
    """Start and length of each run of steps in which a car is plugged in."""
    bounds = np.flatnonzero(np.diff(np.concatenate([[0.0], plugged > 0, [0.0]])))
    for start, end in zip(bounds[::2], bounds[1::2], strict=True):
        yield float(edges_h[start]), float(edges_h[end] - edges_h[start])


def _draw_soc(axes: Axes, scene: Scene) -> None:
    cars, now_h = len(scene.cars), scene.edges_h[-1]
    for k, plan in enumerate(scene.plans):
        color = CAR_COLORS[k]
        # The stays of a single car shade the whole panel; each of several cars has a strip below 0.
        band, shades = (0.0, 1.0), (0.16, 0.07)
        if cars > 1:
            band, shades = (-0.06 * (k + 1), 0.05), (0.6, 0.25)
        stays = list(_stays(scene.edges_h, scene.plugged[:, k]))
        axes.broken_barh(stays, band, color=color, alpha=shades[0], lw=0, gid=f"plugged_{k}")
        axes.plot(scene.edges_h, scene.soc[:, k], color=color, lw=1.8, gid=f"soc_{k}",
                  marker="" if len(scene.past) else ".")  # fmt: skip
        if plan is not None:
            stay = [(now_h, plan.departure_h - now_h)]
            axes.broken_barh(stay, band, color=color, alpha=shades[1], lw=0, gid=f"stay_{k}")
            inside = plan.departure_h <= scene.right_h
            axes.plot(min(plan.departure_h, scene.right_h), plan.wanted_soc, color=color, ms=6,
                      marker="D" if inside else ">", clip_on=False, gid=f"plan_{k}")  # fmt: skip
    _write_plans(axes, scene)
    axes.set_ylim(0 if cars == 1 else -0.06 * cars - 0.02, 1.05)
    axes.set_yticks([0, 0.5, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel("state of charge")


def _write_plans(axes: Axes, scene: Scene) -> None:
    """Write each car's plan beside the panel; five cars or more go by their numbers alone."""
    few = len(scene.cars) < 5
    for k, (name, plan) in enumerate(zip(scene.cars, scene.plans, strict=True)):
        text = "away"
        if plan is not None:
            text = f"leaves {plan.departure}, wants {plan.wanted_soc:.0%}"
        label = f"{name}\n{text}" if few else f"{k}: {text}"
        _beside(axes, 0.98 - (0.25 if few else 0.125) * k, label, CAR_COLORS[k])


def draw(figure: FigureBase, scene: Scene) -> None:
    """Draw a scene on an empty figure, in three panels: price, power, state of charge."""
    panels = figure.subplots(3, 1, gridspec_kw={"height_ratios": [4, 5, 4]})
    figure.subplots_adjust(left=0.08, right=0.8, top=0.93, bottom=0.075, hspace=0.12)
    midnights = [place for place, label in scene.ticks if "\n" in label]
    for axes, paint in zip(panels, (_draw_price, _draw_power, _draw_soc), strict=True):
        for midnight in midnights:
            axes.axvline(midnight, color="#E6E6E6", lw=0.8, zorder=0)
        paint(axes, scene)
        axes.axvline(scene.edges_h[-1], color=INK, lw=0.8, gid="now")
        axes.set_xlim(scene.edges_h[0], scene.right_h)
        axes.set_xticks([])  # each mark costs a millisecond, so only the lowest panel has them
        axes.yaxis.set_label_coords(-0.065, 0.5)
    panels[-1].set_xticks(*zip(*scene.ticks, strict=True))
    panels[0].set_title(scene.title, loc="left", fontsize=11)
    top = panels[0].get_xaxis_transform()
    panels[0].annotate("now", (scene.edges_h[-1], 1), xycoords=top, xytext=(3, -2),
                       textcoords="offset points", va="top", fontsize=8)  # fmt: skip


def picture(simulator: Simulator, history: pd.DataFrame) -> Figure:
    """The picture of a household as a matplotlib figure, 960 x 640 pixels, already drawn.

    Args:
        simulator: The simulator of one household.
        history: The steps of its episode so far, as `history_frame` returns them.

    Raises:
        gymnasium.error.ResetNeeded: before the first reset.
    """
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(WIDTH_PX / DPI, HEIGHT_PX / DPI), dpi=DPI)
        canvas: Any = FigureCanvasAgg(figure)  # its methods have no types
        draw(figure, current_scene(simulator, history))
        canvas.draw()
    return figure


def rgb_array(simulator: Simulator, history: pd.DataFrame) -> NDArray[np.uint8]:
    """The same `picture` as pixels, (640, 960, 3) uint8."""
    canvas: Any = picture(simulator, history).canvas
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


class Window:
    """A window that shows the picture; without a screen it is drawn but not visible."""

    def __init__(self) -> None:
        from matplotlib import pyplot

        self._pyplot = pyplot
        self.figure = pyplot.figure(figsize=(WIDTH_PX / DPI, HEIGHT_PX / DPI), dpi=DPI)

    @property
    def is_open(self) -> bool:
        """False once the window was closed, by `close` or by its user."""
        return bool(self._pyplot.fignum_exists(self.figure.number))

    def update(self, scene: Scene) -> None:
        """Draw a scene and handle the window's pending events, without waiting for any."""
        self.figure.clear()
        draw(self.figure, scene)
        canvas = self.figure.canvas
        if canvas.required_interactive_framework is not None:
            self.figure.show()
        canvas.draw_idle()
        canvas.flush_events()

    def close(self) -> None:
        """Close the window."""
        self._pyplot.close(self.figure)


def show(simulator: Simulator, history: pd.DataFrame, window: Window | None) -> Window:
    """Show the same `picture` in `window`, or in a new one where that is None or closed."""
    with style.context(["default", STYLE]):
        if window is None or not window.is_open:
            window = Window()
        window.update(current_scene(simulator, history))
    return window
