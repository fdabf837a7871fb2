"""A household's bills and currents worked out once more from a step's results, with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ev_gym.scenario import Scenario
from tests.support.scenario_strategies import Life

Array = NDArray[Any]


def sun_let_through_kw(life: Life, used_kw: Array, given_kw: Array) -> Array:
    """The sun, less what would leave the house above its export limit (T,)."""
    house = life.env.scenario.household
    limit_kw = house.limit_kw if house.export_limit_kw is None else house.export_limit_kw
    return np.minimum(life.sun_kw(), np.maximum(0.0, limit_kw + used_kw - given_kw))


def sun_alone_kw(life: Life) -> Array:
    """The sun that the house without cars lets through (T,)."""
    load_kw = life.of("load_kw")
    return sun_let_through_kw(life, load_kw, np.zeros_like(load_kw))


def cost_of(life: Life, used_kw: Array, produced_kw: Array) -> Array:
    """What the energy of each step costs (T,), netted within the step or each kWh in full."""
    buys, sells = life.of("price_per_kwh"), life.of("export_price_per_kwh")
    bought_kw, sold_kw = used_kw, produced_kw
    if life.env.scenario.tariff.netting == "step":
        bought_kw = np.maximum(0.0, used_kw - produced_kw)
        sold_kw = np.maximum(0.0, produced_kw - used_kw)
    return life.env.scenario.step_h * (bought_kw * buys - sold_kw * sells)


def line_currents(life: Life, with_cars: bool, sun_kw: Array) -> Array:
    """Current on each line of the house (T, 3), by shares of the load, sun and each car's lines."""
    scenario, house = life.env.scenario, life.env.scenario.household
    shares = house.line_shares or (1.0 / house.phases,) * house.phases
    load_kw = life.of("load_kw")[:, np.newaxis] * (*shares, 0.0, 0.0)[:3]
    lines_a = (load_kw - sun_kw[:, np.newaxis] / 3.0) / 0.23
    if with_cars:
        current_a = life.of("charge_kw") / 0.23 / np.maximum(1.0, life.of("phases"))
        for k, vehicle in enumerate(scenario.vehicles):
            for place in range(3):
                takes = life.of("phases")[:, k] > place
                lines_a[:, (vehicle.line - 1 + place) % 3] += takes * current_a[:, k]
    return lines_a


def by_line(scenario: Scenario) -> bool:
    """Whether each line has a fuse of its own, rather than all a limit together."""
    return scenario.household.connection_kw is None and scenario.household.phases == 3


def over_kw(life: Life, with_cars: bool) -> Array:
    """Power above the connection's limit (T,)."""
    house = life.env.scenario.household
    if by_line(life.env.scenario):
        sun_kw = life.of("pv_kw") if with_cars else sun_alone_kw(life)
        over_a = np.maximum(0.0, line_currents(life, with_cars, sun_kw) - house.fuse_a)
        return 0.23 * over_a.sum(axis=1)
    cars_kw = with_cars * life.of("charge_kw").sum(axis=1)
    return np.maximum(0.0, life.of("load_kw") - life.sun_kw() + cars_kw - house.limit_kw)
