"""What a picture of an episode shows: numbers from the history and from the current observation.

Times are hours since the series began, like `now_min` in the history. So all steps are equally
wide, also on the days when summer time begins or ends. Tick marks show the local clock.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import gymnasium as gym
import numpy as np

from ev_gym.runtime.arrays import Floats
from ev_gym.scenario import RewardWeights, Scenario
from ev_gym.series.dataset import Dataset
from ev_gym.simulation.observation import SCALED, physical, world_fields
from ev_gym.simulation.results import vehicle_columns
from ev_gym.simulation.simulator import Outputs, Simulator
from ev_gym.world.limit_tables import limit_kw_at

if TYPE_CHECKING:
    import pandas as pd


PAST_H = 48
IN_WINDOW = re.compile(r"price_[hm]\d+")


class Plan(NamedTuple):
    """When a plugged-in car is to depart, and with which state of charge."""

    departure_h: float
    departure: str  # the same on the local clock
    wanted_soc: float


class Scene(NamedTuple):
    """Everything that a picture shows; times are in hours since the series began."""

    title: str
    price_unit: str
    cars: tuple[str, ...]
    limit_kw: float  # what connection and contract let it draw now
    past: pd.DataFrame  # the history's last 48 hours, n rows
    edges_h: Floats  # (n + 1,) starts of those steps, and now
    soc: Floats  # (n + 1, K) state of charge at these times
    charge_kw: Floats  # (n, K) of those steps, as in the history
    plugged: Floats  # (n, K) of those steps, as in the history
    load_kw: float  # base load of the coming step
    pv_kw: float  # power of the sun in the coming step
    step_h: float
    ahead_h: Floats  # (m + 1,) edges of the price window's slots; the first is now
    ahead_price: Floats  # (m,) prices of the window
    known_slots: int  # how many of them are published
    plans: tuple[Plan | None, ...]  # (K,) None for a car that is away
    right_h: float  # where the picture ends
    ticks: list[tuple[float, str]]  # place and label of the marks on the local clock


def _local_time(dataset: Dataset, hour: float) -> datetime:
    return (dataset.start + timedelta(hours=hour)).astimezone(ZoneInfo(dataset.zone))


def _ticks(dataset: Dataset, left_h: float, right_h: float) -> list[tuple[float, str]]:
    """Marks at every sixth hour of the local clock, or twelfth; those at midnight have a date."""
    every_h = 6 if right_h - left_h <= 60 else 12
    ticks = []
    for quarter in range(math.ceil(4 * left_h), math.floor(4 * right_h) + 1):
        local = _local_time(dataset, quarter / 4)
        if local.minute == 0 and local.hour % every_h == 0:
            date = f"\n{local:%a} {local.day} {local:%b}" if local.hour == 0 else ""
            ticks.append((quarter / 4, f"{local.hour:02d}{date}"))
    return ticks


def cost_name(scenario: Scenario) -> str:
    """What to call minus the reward: it is money only where its terms have no weights."""
    return "cost" if scenario.reward_weights == RewardWeights() else "weighted cost"


def _title(scenario: Scenario, now: datetime, history: pd.DataFrame) -> str:
    return (
        f"{scenario.name}, {now:%a} {now.day} {now:%b %Y %H:%M}, {cost_name(scenario)} so far "
        f"{0.0 - math.fsum(history['reward']):.2f} {scenario.currency}"
    )


def _per_car(frame: pd.DataFrame, name: str, cars: int) -> Floats:
    return frame[vehicle_columns(name, cars)].to_numpy(np.float64)


def _soc(past: pd.DataFrame, current: Outputs, scenario: Scenario) -> Floats:
    """(n + 1, K) SoC at the edges of the steps.

    The history holds the SoC after each step; that before the first one follows from its energies.
    """
    if not len(past):
        return np.asarray(current.vehicle_results["soc"])
    cars, names = len(scenario.vehicles), ("energy_kwh", "stored_kwh", "topup_kwh", "trip_kwh")
    energy, stored, topup, trip = (_per_car(past[:1], name, cars) for name in names)
    capacity_kwh = [vehicle.battery_kwh for vehicle in scenario.vehicles]
    before = (energy - stored - topup + trip) / capacity_kwh
    return np.concatenate([before, _per_car(past, "soc", cars)])


def _plans(dataset: Dataset, observation: dict[str, Any], now_h: float) -> Iterator[Plan | None]:
    for plugged, hours, wanted_soc in zip(
        observation["plugged"],
        observation["hours_to_departure"],
        observation["wanted_soc"],
        strict=True,
    ):
        departure_h = now_h + float(hours)
        clock = f"{_local_time(dataset, departure_h):%a %H:%M}"
        yield Plan(departure_h, clock, float(wanted_soc)) if plugged else None


def _contract_kw(simulator: Simulator) -> float:
    """Contracted power of the coming step; infinite where there is none."""
    tables = simulator.world.tables
    place_min = int(simulator.households["place_min"][0])
    return float(limit_kw_at(tables.contract_kw, tables.settings[0], place_min))


def current_scene(simulator: Simulator, history: pd.DataFrame) -> Scene:
    """The scene of a household at its current time; its state is not changed.

    Args:
        simulator: The simulator of one household.
        history: The steps of its episode so far, as `history_frame` returns them.

    Raises:
        gymnasium.error.ResetNeeded: before the first reset.
    """
    if simulator.households["episode"][0] == 0:
        raise gym.error.ResetNeeded("call reset() before render()")
    scenario, dataset = simulator.world.scenario, simulator.world.dataset
    current = simulator.outputs()
    simulator.report(np.zeros(1, np.int64), current)
    seen = current.observations[0]
    if simulator.observation == SCALED:
        seen = physical(seen, simulator.tables.observation_scales)
    observation = {field.name: seen[field.slice] for field in world_fields(simulator.world)}
    past = history.iloc[-round(PAST_H / scenario.step_h) :]
    now_h = float(current.results["now_min"][0]) / 60.0
    edges_h = np.append(past["now_min"].to_numpy(np.float64) / 60.0, now_h)
    cars, window_h = len(scenario.vehicles), scenario.price_window_h
    slot_h = simulator.world.window_slot_min / 60.0
    window = [values for name, values in observation.items() if IN_WINDOW.fullmatch(name)]
    right_h = float(edges_h[0]) + min(PAST_H, 24 * scenario.longest_days) + window_h
    names = [f"{k}: {vehicle.name}" for k, vehicle in enumerate(scenario.vehicles)]
    return Scene(
        title=_title(scenario, _local_time(dataset, now_h), history),
        price_unit=f"{scenario.currency}/kWh",
        cars=tuple(names) if cars > 1 else (scenario.vehicles[0].name,),
        limit_kw=min(scenario.household.limit_kw, _contract_kw(simulator)),
        past=past,
        edges_h=edges_h,
        soc=_soc(past, current, scenario),
        charge_kw=_per_car(past, "charge_kw", cars),
        plugged=_per_car(past, "plugged", cars),
        load_kw=float(observation["load_kw"][0]),
        pv_kw=float(observation["pv_kw"][0]) if "pv_kw" in observation else 0.0,
        step_h=scenario.step_h,
        ahead_h=np.append(now_h, slot_h * (now_h // slot_h + 1.0 + np.arange(len(window)))),
        ahead_price=np.concatenate(window).astype(np.float64),
        known_slots=round(float(observation["hours_known"][0]) / slot_h),
        plans=tuple(_plans(dataset, observation, now_h)),
        right_h=right_h,
        ticks=_ticks(dataset, float(edges_h[0]), right_h),
    )
