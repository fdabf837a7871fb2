"""One policy in one household for one episode, and its three files: log, log in words, picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium as gym

import ev_gym  # noqa: F401  # registers the env
from baselines.foresight import tell_future
from baselines.one_run.money import bill, soc_before
from baselines.policies.specs import make_policy
from ev_gym.scenario import Scenario
from ev_gym.scenario.scenario import with_horizon
from ev_gym.simulation.results import vehicle_columns

if TYPE_CHECKING:
    import pandas as pd

# The charging log passes over less: the rounding of an energy.
LOGGED_KWH = 1e-6


class EpisodeOutcome(NamedTuple):
    """What an episode leaves behind.

    Attributes:
        history: Every step, as an env's `history`.
        total_reward: Sum of the rewards.
        settlement: Money for the energy stored at the end beyond that at the start.
    """

    history: pd.DataFrame
    total_reward: float
    settlement: float


def run_episode(
    scenario: Scenario, policy_name: str, seed: int, days: int | str | None
) -> EpisodeOutcome:
    """Let a policy charge the cars of one household for one episode.

    Args:
        scenario: The scenario.
        policy_name: Spec of the policy, see `baselines.policies.specs`.
        seed: Of the episode.
        days: Horizon in days, or "month"; None: the scenario's.
    """
    if days is not None:
        scenario = with_horizon(scenario, days)
    env: Any = gym.make("EVCharging-v0", scenario=scenario)
    policy = make_policy(policy_name, env, seed=seed)
    observation, info = env.reset(seed=seed)
    policy.reset()
    tell_future(policy, env)
    total_reward, over = 0.0, False
    while not over:
        observation, reward, _, over, info = env.step(policy(observation))
        total_reward += reward
    return EpisodeOutcome(env.unwrapped.history, total_reward, info["settlement"])


def log_csv(history: pd.DataFrame) -> str:
    """The battery log: a line for each step, its start in ISO 8601, and every declared field."""
    frame = history.reset_index()
    frame["time"] = [stamp.isoformat() for stamp in history.index]
    table: str = frame.to_csv(index=False, lineterminator="\n")
    return table


def moments(history: pd.DataFrame, scenario: Scenario) -> Iterator[str]:
    """The charging log: a line on each change from step to step, of each car."""
    cars, currency = len(scenario.vehicles), scenario.currency
    columns = {
        name: vehicle_columns(name, cars)
        for name in ("plugged", "current_a", "phases", "charge_kw", "topup_kwh", "trip_kwh")
    }
    socs = [soc_before(history, scenario, k) for k in range(cars)]
    switching = scenario.charger.phase_switching
    # Plugged, phases and current of each car in the step before.
    last: list[tuple[float, ...] | None] = [None] * cars
    rows = (dict(zip(history.columns, row, strict=True)) for row in history.to_numpy())
    for step, (time, row) in enumerate(zip(history.index, rows, strict=True)):
        for k in range(cars):
            vehicle = {name: row[places[k]] for name, places in columns.items()}
            vehicle["soc"] = socs[k][step]
            name = "" if cars == 1 else f"car {k}: "
            stamp = f"{time:%Y-%m-%d %H:%M}  {name}"
            before, now = last[k], (vehicle["plugged"], vehicle["phases"], vehicle["current_a"])
            if now != before:
                arrival = "" if before is not None and before[0] else "plugged in, "
                yield stamp + _decision(vehicle, row, arrival, switching, currency)
            if vehicle["topup_kwh"] > LOGGED_KWH:
                yield stamp + f"{vehicle['topup_kwh']:.2f} kWh bought at a public charger"
            if vehicle["trip_kwh"] > LOGGED_KWH:
                yield stamp + f"came home from a trip of {vehicle['trip_kwh']:.2f} kWh"
            last[k] = now


def _decision(
    vehicle: dict[str, float], row: dict[str, float], arrival: str, switching: bool, currency: str
) -> str:
    """What a car does from now on, and at what price, load and SoC."""
    state = (
        f"price {row['price_per_kwh']:.4f} {currency}/kWh, house {row['load_kw']:.2f} kW, "
        f"SoC {100 * vehicle['soc']:.2f} %"
    )
    if vehicle["plugged"] == 0:
        return f"away; {state}"
    if vehicle["current_a"] == 0:
        return f"{arrival}charging off; {state}"
    action = "charging on" if vehicle["current_a"] > 0 else "discharging"
    phase = " on one phase" if switching and vehicle["phases"] == 1 else ""
    flow = f"{abs(vehicle['current_a']):.3g} A{phase}, {abs(vehicle['charge_kw']):.2f} kW"
    return f"{arrival}{action}, {flow}; {state}"


def write(
    outcome: EpisodeOutcome, scenario: Scenario, policy_name: str, folder: Path
) -> list[Path]:
    """Write `battery_log.csv`, `charging_log.txt` and `battery_plot.png`; the paths written."""
    from baselines.one_run.picture import battery  # matplotlib takes a while to load

    folder.mkdir(parents=True, exist_ok=True)
    names = ("battery_log.csv", "charging_log.txt", "battery_plot.png")
    log, words, picture = (folder / name for name in names)
    log.write_bytes(log_csv(outcome.history).encode())
    lines = [f"{scenario.name}, {policy_name}"]
    lines += moments(outcome.history, scenario)
    lines.append(bill(outcome.history, outcome.total_reward, scenario))
    words.write_text("\n".join(lines) + "\n", encoding="utf-8")
    battery(outcome.history, scenario, picture, policy_name)
    return [log, words, picture]
