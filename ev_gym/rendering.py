"""Pictures of an episode: what has been, and what is known of what comes.

Drawn from the history and the current observation only. The horizontal axis counts elapsed hours
since the series began, as the history's `now_min` does, so steps are equally wide on the days when
summer time begins or ends; its labels are the local clock. An artist's `gid` is what it shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import gymnasium as gym
import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from ev_gym.infos import vehicle_columns
from ev_gym.observation import HEAD, world_fields
from ev_gym.scenario import RewardWeights, Scenario
from ev_gym.simulator import Outputs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

    from ev_gym.env import EVChargingEnv

Floats = NDArray[np.float64]

WIDTH_PX, HEIGHT_PX, DPI = 960, 640, 100
PAST_H = 48
# Okabe and Ito's colours, which colour-blind readers tell apart (https://jfly.uni-koeln.de/color/),
# with two others for their yellow (too light for text) and black.
CAR_COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A6A00", "#6A3D9A",
)  # fmt: skip
INK, GREY, PALE = "#333333", "#8C8C8C", "#C4C4C4"
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


class Plan(NamedTuple):
    """What a car that is plugged in shall hold, and when (hours, and on the local clock)."""

    departure_h: float
    departure: str
    wanted_soc: float


class Scene(NamedTuple):
    """Everything that a picture shows; times are in hours since the series began."""

    title: str
    price_unit: str
    cars: tuple[str, ...]
    limit_kw: float  # what the connection carries
    past: pd.DataFrame  # the history's last 48 hours, n rows
    edges_h: Floats  # (n + 1,) starts of those steps, and now
    soc: Floats  # (n + 1, K) at these times
    charge_kw: Floats  # (n, K) of those steps, as in the history
    plugged: Floats  # (n, K) of those steps, as in the history
    load_kw: float  # base load of the coming step
    step_h: float
    ahead_h: Floats  # (m + 1,) edges of the price window's hours; the first is now
    ahead_price: Floats  # (m,) prices of the window
    known: int  # how many of them are published
    plans: tuple[Plan | None, ...]  # K, None for a car that is away
    right_h: float  # where the picture ends
    ticks: list[tuple[float, str]]  # place and label of the marks on the local clock


def _local_time(env: EVChargingEnv, hour: float) -> datetime:
    dataset = env.simulator.world.dataset
    return (dataset.start + timedelta(hours=hour)).astimezone(ZoneInfo(dataset.zone))


def _ticks(env: EVChargingEnv, left_h: float, right_h: float) -> list[tuple[float, str]]:
    """Every sixth hour of the local clock, or twelfth; midnight carries the date."""
    every_h = 6 if right_h - left_h <= 60 else 12
    ticks = []
    for quarter in range(math.ceil(4 * left_h), math.floor(4 * right_h) + 1):
        local = _local_time(env, quarter / 4)
        if local.minute == 0 and local.hour % every_h == 0:
            date = f"\n{local:%a} {local.day} {local:%b}" if local.hour == 0 else ""
            ticks.append((quarter / 4, f"{local.hour:02d}{date}"))
    return ticks


def cost_name(scenario: Scenario) -> str:
    """What minus the reward is: money, unless its terms have weights."""
    return "cost" if scenario.reward_weights == RewardWeights() else "weighted cost"


def _title(scenario: Scenario, now: datetime, history: pd.DataFrame) -> str:
    return (
        f"{scenario.name}, {now:%a} {now.day} {now:%b %Y %H:%M}, {cost_name(scenario)} so far "
        f"{0.0 - math.fsum(history['reward']):.2f} {scenario.currency}"
    )


def _per_car(frame: pd.DataFrame, name: str, cars: int) -> Floats:
    return frame[vehicle_columns(name, cars)].to_numpy(np.float64)


def _soc(past: pd.DataFrame, current: Outputs, scenario: Scenario) -> Floats:
    """SoC at the edges of the steps; the first follows from its step's balance of energy."""
    if not len(past):
        return np.asarray(current.vehicle_results["soc"])
    cars, names = len(scenario.vehicles), ("energy_kwh", "stored_kwh", "topup_kwh", "trip_kwh")
    energy, stored, topup, trip = (_per_car(past[:1], name, cars) for name in names)
    capacity_kwh = [vehicle.battery_kwh for vehicle in scenario.vehicles]
    before = (energy - stored - topup + trip) / capacity_kwh
    return np.concatenate([before, _per_car(past, "soc", cars)])


def _plans(env: EVChargingEnv, seen: dict[str, Any], now_h: float) -> Iterator[Plan | None]:
    for plugged, hours, wanted_soc in zip(
        seen["plugged"], seen["hours_to_departure"], seen["wanted_soc"], strict=True
    ):
        departure_h = now_h + float(hours)
        clock = f"{_local_time(env, departure_h):%a %H:%M}"
        yield Plan(departure_h, clock, float(wanted_soc)) if plugged else None


def scene(env: EVChargingEnv) -> Scene:
    """What is to be drawn of an env, whose state stays as it is.

    Raises:
        gymnasium.error.ResetNeeded: before the first reset.
    """
    if env.simulator.households["episode"][0] == 0:
        raise gym.error.ResetNeeded("call reset() before render()")
    scenario, simulator = env.scenario, env.simulator
    current = simulator.outputs()
    simulator.report(np.zeros(1, np.int64), current)
    fields = world_fields(simulator.world)
    seen = {field.name: current.observations[0, field.slice] for field in fields}
    history = env.history
    past = history.iloc[-round(PAST_H / scenario.step_h) :]
    now_h = float(current.results["now_min"][0]) / 60.0
    edges_h = np.append(past["now_min"].to_numpy(np.float64) / 60.0, now_h)
    cars, window_h = len(scenario.vehicles), scenario.price_window_h
    right_h = float(edges_h[0]) + min(PAST_H, 24 * scenario.days) + window_h
    names = [f"{k}: {vehicle.name}" for k, vehicle in enumerate(scenario.vehicles)]
    return Scene(
        title=_title(scenario, _local_time(env, now_h), history),
        price_unit=f"{scenario.currency}/kWh",
        cars=tuple(names) if cars > 1 else (scenario.vehicles[0].name,),
        limit_kw=scenario.household.limit_kw,
        past=past,
        edges_h=edges_h,
        soc=_soc(past, current, scenario),
        charge_kw=_per_car(past, "charge_kw", cars),
        plugged=_per_car(past, "plugged", cars),
        load_kw=float(seen["load_kw"][0]),
        step_h=scenario.step_h,
        ahead_h=np.append(now_h, math.floor(now_h) + np.arange(1.0, window_h + 1)),
        ahead_price=current.observations[0, HEAD : HEAD + window_h].astype(np.float64),
        known=int(seen["hours_known"][0]),
        plans=tuple(_plans(env, seen, now_h)),
        right_h=right_h,
        ticks=_ticks(env, float(edges_h[0]), right_h),
    )


def _beside(axes: Axes, y: float, text: str, color: str, weight: str = "normal") -> None:
    """Text in the margin right of a panel, its top at `y` from 0 (bottom) to 1."""
    look = {"color": color, "va": "top", "fontsize": 8, "fontweight": weight}
    axes.text(1.01, y, text, look, transform=axes.transAxes)


def _draw_price(axes: Axes, shown: Scene) -> None:
    price = shown.past["price_per_kwh"].to_numpy(np.float64)
    known, window = shown.known, shown.ahead_price
    parts = [
        ("price_per_kwh", price, shown.edges_h, INK, 1.8, "-"),
        ("known", window[:known], shown.ahead_h[: known + 1], INK, 1.2, "-"),
        ("assumed", window[known:], shown.ahead_h[known:], GREY, 1.2, (0.0, (3.0, 2.0))),
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
    axes.set_ylabel(f"price ({shown.price_unit})")
    _beside(axes, 0.98, "paid", INK, "bold")
    _beside(axes, 0.86, "published", INK)
    _beside(axes, 0.74, "assumed (dashed): as the\nlast known day", GREY)


def _draw_power(axes: Axes, shown: Scene) -> None:
    load_kw = shown.past["load_kw"].to_numpy(np.float64)
    below = np.zeros(len(load_kw))
    layers = [("load_kw", PALE, load_kw)]
    layers += [
        (f"charge_kw_{k}", CAR_COLORS[k], shown.charge_kw[:, k]) for k in range(len(shown.cars))
    ]
    for gid, color, layer_kw in layers:
        if len(layer_kw):
            axes.stairs(below + layer_kw, shown.edges_h, baseline=below, fill=True, color=color,
                        lw=0, gid=gid)  # fmt: skip
        below = below + layer_kw
    now_h = shown.edges_h[-1]
    axes.plot([now_h, now_h + shown.step_h], [shown.load_kw] * 2, color=GREY, lw=1.5, gid="next")
    axes.axhline(shown.limit_kw, color=INK, lw=1, ls=(0, (6, 3)), gid="limit_kw")
    axes.set_ylim(0, 1.12 * max(shown.limit_kw, shown.load_kw, below.max(initial=0.0)))
    axes.locator_params(axis="y", nbins=4)
    axes.set_ylabel("power (kW)")
    _beside(axes, 0.98, f"connection {shown.limit_kw:.3g} kW", INK)
    for k, name in enumerate(shown.cars):
        _beside(axes, 0.83 - 0.095 * k, name, CAR_COLORS[k])
    _beside(axes, 0.83 - 0.095 * len(shown.cars), "base load", GREY)


def _stays(edges_h: Floats, plugged: Floats) -> Iterator[tuple[float, float]]:
    """Start and length of each run of steps in which a car is plugged in."""
    bounds = np.flatnonzero(np.diff(np.concatenate([[0.0], plugged > 0, [0.0]])))
    for start, end in zip(bounds[::2], bounds[1::2], strict=True):
        yield float(edges_h[start]), float(edges_h[end] - edges_h[start])


def _draw_soc(axes: Axes, shown: Scene) -> None:
    cars, now_h = len(shown.cars), shown.edges_h[-1]
    for k, plan in enumerate(shown.plans):
        color = CAR_COLORS[k]
        # One car's stays shade the panel; those of several get a strip each, below zero.
        band, shades = (0.0, 1.0), (0.16, 0.07)
        if cars > 1:
            band, shades = (-0.06 * (k + 1), 0.05), (0.6, 0.25)
        stays = list(_stays(shown.edges_h, shown.plugged[:, k]))
        axes.broken_barh(stays, band, color=color, alpha=shades[0], lw=0, gid=f"plugged_{k}")
        axes.plot(shown.edges_h, shown.soc[:, k], color=color, lw=1.8, gid=f"soc_{k}",
                  marker="" if len(shown.past) else ".")  # fmt: skip
        if plan is not None:
            stay = [(now_h, plan.departure_h - now_h)]
            axes.broken_barh(stay, band, color=color, alpha=shades[1], lw=0, gid=f"stay_{k}")
            inside = plan.departure_h <= shown.right_h
            axes.plot(min(plan.departure_h, shown.right_h), plan.wanted_soc, color=color, ms=6,
                      marker="D" if inside else ">", clip_on=False, gid=f"plan_{k}")  # fmt: skip
    _write_plans(axes, shown)
    axes.set_ylim(0 if cars == 1 else -0.06 * cars - 0.02, 1.05)
    axes.set_yticks([0, 0.5, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel("state of charge")


def _write_plans(axes: Axes, shown: Scene) -> None:
    """For each car what is planned; where there are many, by their numbers alone."""
    few = len(shown.cars) < 5
    for k, (name, plan) in enumerate(zip(shown.cars, shown.plans, strict=True)):
        text = "away"
        if plan is not None:
            text = f"leaves {plan.departure}, wants {plan.wanted_soc:.0%}"
        label = f"{name}\n{text}" if few else f"{k}: {text}"
        _beside(axes, 0.98 - (0.25 if few else 0.125) * k, label, CAR_COLORS[k])


def draw(figure: FigureBase, shown: Scene) -> None:
    """Draw a scene on an empty figure of three panels: price, power, state of charge."""
    panels = figure.subplots(3, 1, gridspec_kw={"height_ratios": [4, 5, 4]})
    figure.subplots_adjust(left=0.08, right=0.8, top=0.93, bottom=0.075, hspace=0.12)
    midnights = [place for place, label in shown.ticks if "\n" in label]
    for axes, paint in zip(panels, (_draw_price, _draw_power, _draw_soc), strict=True):
        for midnight in midnights:
            axes.axvline(midnight, color="#E6E6E6", lw=0.8, zorder=0)
        paint(axes, shown)
        axes.axvline(shown.edges_h[-1], color=INK, lw=0.8, gid="now")
        axes.set_xlim(shown.edges_h[0], shown.right_h)
        axes.set_xticks([])  # every mark costs a millisecond, so the lowest panel alone has them
        axes.yaxis.set_label_coords(-0.065, 0.5)
    panels[-1].set_xticks(*zip(*shown.ticks, strict=True))
    panels[0].set_title(shown.title, loc="left", fontsize=11)
    top = panels[0].get_xaxis_transform()
    panels[0].annotate("now", (shown.edges_h[-1], 1), xycoords=top, xytext=(3, -2),
                       textcoords="offset points", va="top", fontsize=8)  # fmt: skip


def picture(env: EVChargingEnv) -> Figure:
    """The picture of an env as a matplotlib figure, 960 x 640 pixels, already drawn."""
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(WIDTH_PX / DPI, HEIGHT_PX / DPI), dpi=DPI)
        canvas: Any = FigureCanvasAgg(figure)  # whose methods are not typed
        draw(figure, scene(env))
        canvas.draw()
    return figure


def rgb_array(env: EVChargingEnv) -> NDArray[np.uint8]:
    """The picture of an env as pixels, (640, 960, 3) uint8."""
    canvas: Any = picture(env).canvas
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


class Window:
    """A window that shows the picture; without a screen it is drawn and not shown."""

    def __init__(self) -> None:
        from matplotlib import pyplot

        self._pyplot = pyplot
        self.figure = pyplot.figure(figsize=(WIDTH_PX / DPI, HEIGHT_PX / DPI), dpi=DPI)

    @property
    def is_open(self) -> bool:
        """False once the window was closed, by `close` or by its user."""
        return bool(self._pyplot.fignum_exists(self.figure.number))

    def update(self, shown: Scene) -> None:
        """Draw a scene and let the window react; does not block."""
        self.figure.clear()
        draw(self.figure, shown)
        canvas = self.figure.canvas
        if canvas.required_interactive_framework is not None:
            self.figure.show()
        canvas.draw_idle()
        canvas.flush_events()

    def close(self) -> None:
        """Close the window."""
        self._pyplot.close(self.figure)


def show(env: EVChargingEnv, window: Window | None) -> Window:
    """Show the picture of an env in its window, or in a new one where there is none (any more)."""
    with style.context(["default", STYLE]):
        if window is None or not window.is_open:
            window = Window()
        window.update(scene(env))
    return window
