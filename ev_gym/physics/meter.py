"""From power to money: the all-in price, the bills, and the terms of the reward."""

from __future__ import annotations

from typing import Any

from ev_gym.compiling import compiled


@compiled
def all_in_price(spot_per_kwh: float, tax: float, transfer: float, vat: float) -> float:
    """Price of one more imported kWh: spot, energy tax and grid transfer, with VAT.

    Swedish invoices add VAT to the sum of the three; each is given without VAT, per kWh.
    """
    return (spot_per_kwh + tax + transfer) * (1.0 + vat)


@compiled
def charge_bills(result: Any, settings: Any, charge_kw: float) -> None:
    """Write both bills of a step, with and without the cars, and the terms that differ.

    `result` holds the step's base load (kW) and price; `charge_kw` is what all cars drew. Energy
    above the connection's limit costs the overload price, and only the cars' part of it counts.
    """
    load_kw, step_h = result.load_kw, settings.step_h
    result.grid_kw = load_kw + charge_kw
    result.energy_cost = result.grid_kw * step_h * result.price_per_kwh
    result.house_cost = load_kw * step_h * result.price_per_kwh
    result.overload_kw = max(0.0, result.grid_kw - settings.limit_kw)
    by_cars_kw = result.overload_kw - max(0.0, load_kw - settings.limit_kw)
    result.energy_term = -settings.energy_weight * (result.energy_cost - result.house_cost)
    result.overload_term = (
        -settings.overload_weight * settings.overload_price_per_kwh * by_cars_kw * step_h
    )


@compiled
def buy_elsewhere(result: Any, settings: Any) -> None:
    """Write the terms for energy (kWh, in the battery) bought at a public charger's price."""
    price = settings.public_price_per_kwh
    result.missing_term = -settings.missing_weight * price * result.missing_kwh
    result.public_term = -settings.public_weight * price * result.public_kwh
