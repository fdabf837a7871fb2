"""From power to money: the bills, and the terms of the reward."""

from __future__ import annotations

from ev_gym.runtime.compiling import compiled
from ev_gym.runtime.records import Settings, StepResult


@compiled
def export_limit_kw(settings: Settings, export_price_per_kwh: float) -> float:
    """Most power (kW) fed into the grid: nothing while an exported kWh earns too little."""
    if export_price_per_kwh < settings.curtail_below_price:
        return 0.0
    return float(settings.export_limit_kw)


@compiled
def energy_cost(
    result: StepResult, settings: Settings, used_kw: float, produced_kw: float
) -> float:
    """Cost of the energy of a step in which `used_kw` was used and `produced_kw` produced (means).

    What is bought costs the all-in price, what is sold earns the export price. With netting the
    meter sees only the difference within the step. `result` holds the prices.
    """
    if settings.netted == 0:
        paid = used_kw * settings.step_h * result.price_per_kwh
        return float(paid - produced_kw * settings.step_h * result.export_price_per_kwh)
    net_kw = used_kw - produced_kw
    price = result.price_per_kwh if net_kw >= 0.0 else result.export_price_per_kwh
    return float(net_kw * settings.step_h * price)


@compiled
def import_kw(settings: Settings, used_kw: float, produced_kw: float) -> float:
    """Mean power bought (kW), which is what a power charge counts; netted or not as the bill is."""
    return float(used_kw if settings.netted == 0 else max(0.0, used_kw - produced_kw))


@compiled
def sun_alone_kw(limit_kw: float, load_kw: float, sun_kw: float) -> float:
    """What of the sun is not cut off at the export limit without the cars (kW)."""
    return float(min(sun_kw, limit_kw + load_kw))


@compiled
def bill(result: StepResult, settings: Settings, charged_kw: float, discharged_kw: float) -> None:
    """Write both energy bills of a step, with and without the cars, and their difference.

    `result` holds the step's base load, sun (kW) and prices; `charged_kw` is what all cars drew and
    `discharged_kw` what they gave. Sun that would exceed the export limit is cut off, with the cars
    and without them alike.
    """
    load_kw, sun_kw = result.load_kw, result.pv_kw
    used_kw = load_kw + charged_kw
    if settings.produces == 0:
        result.grid_kw = used_kw
        result.energy_cost = used_kw * settings.step_h * result.price_per_kwh
        result.house_cost = load_kw * settings.step_h * result.price_per_kwh
    else:
        limit_kw = export_limit_kw(settings, result.export_price_per_kwh)
        result.pv_kw = min(sun_kw, max(0.0, limit_kw + used_kw - discharged_kw))
        produced_kw = result.pv_kw + discharged_kw
        alone_kw = sun_alone_kw(limit_kw, load_kw, sun_kw)
        result.grid_kw = used_kw - produced_kw
        result.energy_cost = energy_cost(result, settings, used_kw, produced_kw)
        result.house_cost = energy_cost(result, settings, load_kw, alone_kw)
    result.energy_term = -settings.energy_weight * (result.energy_cost - result.house_cost)


@compiled
def bill_overload(
    result: StepResult, settings: Settings, over_kw: float, alone_over_kw: float
) -> None:
    """Write the mean power drawn above the connection's limit; only what cars add to it is priced.

    Discharging that relieves a house above its limit earns nothing by it.
    """
    result.overload_kw = over_kw
    by_cars_kw = max(0.0, over_kw - alone_over_kw)
    result.overload_term = (
        -settings.overload_weight * settings.overload_price_per_kwh * by_cars_kw * settings.step_h
    )


@compiled
def bill_wear(result: StepResult, settings: Settings, cost: float) -> None:
    """Write the reward's term for the capacity that the batteries lost, which cost so much."""
    result.wear_term = -settings.wear_weight * cost


@compiled
def buy_elsewhere(result: StepResult, settings: Settings) -> None:
    """Write the reward's terms for the energy (kWh, in the battery) bought at public chargers.

    A stop there costs a fixed amount besides.
    """
    price, stop_cost = settings.public_price_per_kwh, settings.public_stop_cost
    missing_cost = price * result.missing_kwh + stop_cost * result.missing_stops
    public_cost = price * result.public_kwh + stop_cost * result.public_stops
    result.missing_term = -settings.missing_weight * missing_cost
    result.public_term = -settings.public_weight * public_cost
