"""What the owner's limit does to the battery: a year without control for each limit and cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

import ev_gym  # noqa: F401  # registers the env
from baselines.plot_style import png
from baselines.policies.specs import make_policy
from ev_gym.scenario import Vehicle
from tests.validation.batteries import NAMES
from tests.validation.writing import figure, table

MODEL = "Volkswagen ID.3 58 kWh"
LIMITS = tuple(round(0.6 + 0.05 * step, 2) for step in range(9))
COLORS = {"nmc622": "#0072B2", "lfp": "#009E73", "nca": "#D55E00"}
HOUSEHOLDS, DAYS, SEED = 16, 365, 0
SHOWN = "limit.png"


class Year(NamedTuple):
    """Means over households of a year: capacity lost and its price, and energy by where from."""

    lost_kwh: float
    lost_sek: float
    mean_soc: float
    road_kwh: float
    road_sek: float


def a_year(chemistry: str, limit_soc: float) -> Year:
    """A year of `uncontrolled` on `stockholm`; every driver wants the lowest limit at departure."""
    vehicle = {
        "model": MODEL,
        "chemistry": chemistry,
        "limit_soc": limit_soc,
        "wanted_soc": LIMITS[0],
    }
    env: Any = gym.make_vec(
        "EVCharging-v0",
        HOUSEHOLDS,
        "vector_entry_point",
        scenario={"days": DAYS, "vehicles": [vehicle]},
    )
    policy = make_policy("uncontrolled", env)
    observation, _ = env.reset(seed=SEED)
    found = np.zeros(5)
    for _ in range(DAYS * 96):
        observation, _, _, _, info = env.step(policy(observation))
        found += [
            info["wear_kwh"].mean(),
            -info["reward_terms"]["wear"].mean(),
            info["soc"].mean() / (DAYS * 96),
            info["public_kwh"].mean(),
            -info["reward_terms"]["public"].mean(),
        ]
    return Year(*found.tolist())


def draw(years: dict[tuple[str, float], Year], path: Path) -> None:
    """Capacity lost in a year by limit, one line for each cell."""
    with png(path, 5.6, 3.6) as drawing:
        axes = drawing.subplots()
        top = 1.12 * max(year.lost_kwh for year in years.values())
        place = 0.0
        for chemistry in sorted(COLORS, key=lambda cell: years[cell, LIMITS[-1]].lost_kwh):
            color, lost = COLORS[chemistry], [years[chemistry, each].lost_kwh for each in LIMITS]
            axes.plot([100 * limit for limit in LIMITS], lost, color=color, lw=1.8, marker="o",
                      ms=3.5, gid=chemistry)  # fmt: skip
            place = max(lost[-1], place + 0.06 * top)
            axes.text(101, place, NAMES[chemistry].split()[0], color=color, fontweight="bold",
                      va="center")  # fmt: skip
        axes.axvline(80, color="#8C8C8C", lw=0.8, ls=(0, (4, 3)))
        axes.set(xlim=(59, 109), ylim=(0, top), xlabel="owner's limit (% SoC)")
        axes.set_ylabel("capacity lost in a year (kWh)")
        axes.set_xticks(range(60, 101, 10))
        axes.grid(axis="y")
        price = Vehicle.model(MODEL).wear_price_in("SEK")
        right = axes.twinx()
        right.set_ylim(0, top * price)
        right.set_ylabel(f"its price (SEK, at {price:g} per kWh)")
        right.spines["right"].set_visible(True)
        axes.set_title("A year of uncontrolled charging on stockholm")


def section(docs: Path) -> str:
    """Draw `limit.png`; its table and text."""
    years = {(cell, limit): a_year(cell, limit) for cell in COLORS for limit in LIMITS}
    draw(years, docs / SHOWN)
    rows = []
    for limit in LIMITS:
        own = [years[cell, limit] for cell in COLORS]
        cells = [f"{year.lost_kwh:.2f} kWh, {year.lost_sek:.0f} SEK" for year in own]
        rows.append([f"{100 * limit:.0f} %", f"{own[0].mean_soc:.2f}", *cells])
        rows[-1].append(f"{own[0].road_kwh:.0f} kWh, {own[0].road_sek:.0f} SEK")
    head = ["limit", "mean SoC", *(NAMES[cell] for cell in COLORS), "bought on the road"]
    vehicle = Vehicle.model(MODEL)
    words = (
        f"{MODEL}, {HOUSEHOLDS} drivers, {DAYS} days from a battery "
        f"{vehicle.battery_age_years:g} years old, priced at {vehicle.wear_price_in('SEK'):g} SEK "
        f"per kWh lost. All drivers want {100 * LIMITS[0]:.0f} % at departure, so that only the "
        "limit differs. The dashed line is the usual 80 %."
    )
    return f"{figure(SHOWN, 'Wear by limit', words)}\n{table(head, rows)}"
