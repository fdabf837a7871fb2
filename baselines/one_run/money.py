"""What the history of a run adds up to: the bill for charging, its parts, CO2, each step's SoC."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ev_gym.emissions import history_co2_g
from ev_gym.scenario import Scenario
from ev_gym.simulation.results import vehicle_columns

if TYPE_CHECKING:
    import pandas as pd


def soc_before(history: pd.DataFrame, scenario: Scenario, car: int) -> list[float]:
    """SoC of a car at the start of each step: what it holds at the end less what the step added."""
    energy_kwh, stored_kwh, topup_kwh, trip_kwh = (
        history[vehicle_columns(field, len(scenario.vehicles))[car]]
        for field in ("energy_kwh", "stored_kwh", "topup_kwh", "trip_kwh")
    )
    added_kwh = stored_kwh + topup_kwh - trip_kwh
    before = (energy_kwh - added_kwh) / scenario.vehicles[car].battery_kwh
    return [float(soc) for soc in before]


def money_parts(history: pd.DataFrame, scenario: Scenario) -> dict[str, float]:
    """Money for charging by kind, of the kinds that a run had; energy from the grid always."""
    parts = {
        "from the grid": history["energy_cost"] - history["house_cost"],
        "power charge": history["power_cost"] - history["house_power_cost"],
    }
    costs = {name: float(part.sum()) for name, part in parts.items()}
    costs["battery wear"] = wear_cost(history, scenario)
    return {name: money for name, money in costs.items() if money or name == "from the grid"}


def wear_cost(history: pd.DataFrame, scenario: Scenario) -> float:
    """What the batteries lost in a run, at its price."""
    lost_kwh = vehicle_columns("wear_kwh", len(scenario.vehicles))
    return math.fsum(
        vehicle.wear_price_in(scenario.currency) * float(history[column].sum())
        for vehicle, column in zip(scenario.vehicles, lost_kwh, strict=True)
    )


def co2_g(history: pd.DataFrame, scenario: Scenario) -> float | None:
    """Grams of CO2 that charging caused (`ev_gym.emissions`); None without `data.carbon`."""
    if scenario.data.carbon is None:
        return None
    return math.fsum(history_co2_g(scenario, history))


def bill(history: pd.DataFrame, total_reward: float, scenario: Scenario) -> str:
    """The bill of a run in words.

    Args:
        history: Every step.
        total_reward: Sum of the rewards.
        scenario: What was run.
    """
    currency = scenario.currency
    grid, *others = money_parts(history, scenario).items()
    more = "".join(f", {name} {money:.4f} {currency}" for name, money in others)
    socs = [history[name].iloc[-1] for name in vehicle_columns("soc", len(scenario.vehicles))]
    final = ", ".join(f"{100 * soc:.2f} %" for soc in socs)
    grams = co2_g(history, scenario)
    emitted = "" if grams is None else f"; CO2 of charging {grams:.0f} g"
    return (
        f"charging cost {grid[1]:.4f} {currency} {grid[0]}{more}, with all terms "
        f"{-total_reward:.4f} {currency}; missing at departures "
        f"{history['missing_kwh'].sum():.2f} kWh; final SoC {final}{emitted}"
    )
