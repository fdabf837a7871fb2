"""One policy in one household, and the three files that the teaching program wrote."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium as gym

import ev_gym  # noqa: F401  # registers the env
from baselines.foresight import tell_future
from baselines.policies.base import make_policy
from ev_gym.scenario import Scenario
from ev_gym.simulation.results import vehicle_columns

if TYPE_CHECKING:
    import pandas as pd

MOVED_KWH = 1e-6


class Ride(NamedTuple):
    """What a run leaves behind: every step, the return, and the settlement."""

    history: pd.DataFrame
    total_reward: float
    settlement: float


def drive(scenario: Scenario, policy_name: str, seed: int, days: int | None) -> Ride:
    """Let a policy drive one household for one episode.

    Args:
        scenario: The scenario.
        policy_name: Spec of the policy, see `baselines.policies.specs`.
        seed: Of the episode.
        days: Horizon in days; None: the scenario's.
    """
    if days is not None:
        scenario = replace(scenario, days=days)
    env: Any = gym.make("EVCharging-v0", scenario=scenario)
    policy = make_policy(policy_name, env, seed=seed)
    observation, info = env.reset(seed=seed)
    policy.reset()
    tell_future(policy, env)
    total_reward, over = 0.0, False
    while not over:
        observation, reward, _, over, info = env.step(policy(observation))
        total_reward += reward
    return Ride(env.unwrapped.history, total_reward, info["settlement"])


def soc_before(history: pd.DataFrame, scenario: Scenario, car: int) -> list[float]:
    """SoC of a car at the start of each step: what it held less what the step brought."""
    name = {
        field: vehicle_columns(field, len(scenario.vehicles))[car]
        for field in ("energy_kwh", "stored_kwh", "topup_kwh", "trip_kwh")
    }
    brought = history[name["stored_kwh"]] + history[name["topup_kwh"]] - history[name["trip_kwh"]]
    before = (history[name["energy_kwh"]] - brought) / scenario.vehicles[car].battery_kwh
    return [float(soc) for soc in before]


def log_csv(history: pd.DataFrame) -> str:
    """The battery log: a line for each step, its start in ISO 8601, and every declared field."""
    frame = history.reset_index()
    frame["time"] = [stamp.isoformat() for stamp in history.index]
    table: str = frame.to_csv(index=False, lineterminator="\n")
    return table


def moments(history: pd.DataFrame, scenario: Scenario) -> Iterator[str]:
    """The charging log: lines on what changed from step to step, for each car."""
    cars, currency = len(scenario.vehicles), scenario.currency
    columns = {
        name: vehicle_columns(name, cars)
        for name in ("plugged", "current_a", "phases", "charge_kw", "topup_kwh", "trip_kwh")
    }
    socs = [soc_before(history, scenario, k) for k in range(cars)]
    switching = scenario.charger.phase_switching
    was: list[tuple[float, ...] | None] = [None] * cars
    rows = (dict(zip(history.columns, row, strict=True)) for row in history.to_numpy())
    for step, (time, row) in enumerate(zip(history.index, rows, strict=True)):
        for k in range(cars):
            own = {name: row[places[k]] for name, places in columns.items()}
            own["soc"] = socs[k][step]
            who = "" if cars == 1 else f"car {k}: "
            stamp = f"{time:%Y-%m-%d %H:%M}  {who}"
            before, now = was[k], (own["plugged"], own["phases"], own["current_a"])
            if now != before:
                arrived = "" if before is not None and before[0] else "plugged in, "
                yield stamp + _decision(own, row, arrived, switching, currency)
            if own["topup_kwh"] > MOVED_KWH:
                yield stamp + f"{own['topup_kwh']:.2f} kWh bought at a public charger"
            if own["trip_kwh"] > MOVED_KWH:
                yield stamp + f"came home from a trip of {own['trip_kwh']:.2f} kWh"
            was[k] = now


def _decision(
    own: dict[str, float], row: dict[str, float], arrived: str, switching: bool, currency: str
) -> str:
    state = (
        f"price {row['price_per_kwh']:.4f} {currency}/kWh, house {row['load_kw']:.2f} kW, "
        f"SoC {100 * own['soc']:.2f} %"
    )
    if own["plugged"] == 0:
        return f"away; {state}"
    if own["current_a"] == 0:
        return f"{arrived}charging off; {state}"
    doing = "charging on" if own["current_a"] > 0 else "discharging"
    phase = " on one phase" if switching and own["phases"] == 1 else ""
    flow = f"{abs(own['current_a']):.3g} A{phase}, {abs(own['charge_kw']):.2f} kW"
    return f"{arrived}{doing}, {flow}; {state}"


def write(ride: Ride, scenario: Scenario, policy_name: str, folder: Path) -> list[Path]:
    """Write `battery_log.csv`, `charging_log.txt` and `battery_plot.png`; the paths written."""
    from baselines.one_run.picture import battery

    folder.mkdir(parents=True, exist_ok=True)
    names = ("battery_log.csv", "charging_log.txt", "battery_plot.png")
    log, words, picture = (folder / name for name in names)
    log.write_bytes(log_csv(ride.history).encode())
    lines = [f"{scenario.name}, {policy_name}"]
    lines += moments(ride.history, scenario)
    lines.append(bill(ride, scenario))
    words.write_text("\n".join(lines) + "\n", encoding="utf-8")
    battery(ride.history, scenario, picture, policy_name)
    return [log, words, picture]


def money_parts(history: pd.DataFrame, scenario: Scenario) -> dict[str, float]:
    """Money for charging of those kinds that a run had: grid energy always, by name."""
    parts = {
        "from the grid": history["energy_cost"] - history["house_cost"],
        "power charge": history["power_cost"] - history["house_power_cost"],
    }
    spent = {name: float(part.sum()) for name, part in parts.items()}
    lost_kwh = vehicle_columns("wear_kwh", len(scenario.vehicles))
    spent["battery wear"] = math.fsum(
        vehicle.wear_price_per_kwh * float(history[column].sum())
        for vehicle, column in zip(scenario.vehicles, lost_kwh, strict=True)
    )
    return {name: money for name, money in spent.items() if money or name == "from the grid"}


def bill(ride: Ride, scenario: Scenario) -> str:
    """The bill of a run in words."""
    history, currency = ride.history, scenario.currency
    grid, *others = money_parts(history, scenario).items()
    more = "".join(f", {name} {money:.4f} {currency}" for name, money in others)
    socs = [history[name].iloc[-1] for name in vehicle_columns("soc", len(scenario.vehicles))]
    final = ", ".join(f"{100 * soc:.2f} %" for soc in socs)
    return (
        f"charging cost {grid[1]:.4f} {currency} {grid[0]}{more}, with all terms "
        f"{-ride.total_reward:.4f} {currency}; missing at departures "
        f"{history['missing_kwh'].sum():.2f} kWh; final SoC {final}"
    )
