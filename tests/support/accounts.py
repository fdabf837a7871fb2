"""Bills and currents worked out once more from what the steps of an episode report, with NumPy.

The episode is one of `scenario_strategies`, whose fields are of shape (T,), or several of
`household_strategies`, with (T, n); what is returned has that shape unless said otherwise.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ev_gym.scenario import Scenario
from tests.support.household_strategies import Episodes
from tests.support.scenario_strategies import Episode

Array = NDArray[Any]

LINE_KW_PER_A = 0.23


def export_limit_kw(episode: Episode | Episodes) -> Array:
    """Most power fed into the grid: nothing where that earns less than the sun is cut off below."""
    house, solar = episode.env.scenario.household, episode.env.scenario.solar
    limit_kw = house.limit_kw if house.export_limit_kw is None else house.export_limit_kw
    price = episode.of("export_price_per_kwh")
    below = -np.inf if solar.curtail_below_price is None else solar.curtail_below_price
    return np.where(price < below, 0.0, limit_kw)


def sun_let_through_kw(episode: Episode, used_kw: Array, given_kw: Array) -> Array:
    """The sun, less what would leave the house above its export limit."""
    limit_kw = export_limit_kw(episode)
    return np.minimum(episode.sun_kw(), np.maximum(0.0, limit_kw + used_kw - given_kw))


def sun_alone_kw(episode: Episode) -> Array:
    """The sun that the house without cars lets through."""
    load_kw = episode.of("load_kw")
    return sun_let_through_kw(episode, load_kw, np.zeros_like(load_kw))


def energy_cost(episode: Episode | Episodes, used_kw: Array, produced_kw: Array) -> Array:
    """What the energy of each step costs, netted within the step or each kWh in full."""
    scenario = episode.env.scenario
    bought_kw, sold_kw = used_kw, produced_kw
    if scenario.tariff.netting == "step":
        bought_kw = np.maximum(0.0, used_kw - produced_kw)
        sold_kw = np.maximum(0.0, produced_kw - used_kw)
    earned = sold_kw * episode.of("export_price_per_kwh")
    return np.asarray(scenario.step_h * (bought_kw * episode.of("price_per_kwh") - earned))


def line_currents_a(episode: Episode | Episodes, with_cars: bool, sun_kw: Array) -> Array:
    """Current on each of three lines (..., 3): the load's shares, a third of the sun, the cars."""
    scenario, house = episode.env.scenario, episode.env.scenario.household
    shares = house.line_shares or (1.0 / house.phases,) * house.phases
    load_kw = episode.of("load_kw")[..., np.newaxis] * (*shares, 0.0, 0.0)[:3]
    lines_a = (load_kw - sun_kw[..., np.newaxis] / 3.0) / LINE_KW_PER_A
    if with_cars:
        phases = episode.of("phases")
        current_a = episode.of("charge_kw") / LINE_KW_PER_A / np.maximum(1.0, phases)
        for k, vehicle in enumerate(scenario.vehicles):
            for place in range(3):
                takes = phases[..., k] > place
                lines_a[..., (vehicle.line - 1 + place) % 3] += takes * current_a[..., k]
    return np.asarray(lines_a)


def by_line(scenario: Scenario) -> bool:
    """Whether each of three lines has a fuse of its own."""
    return scenario.household.fuse_a is not None and scenario.household.phases == 3


def limits_kw(episode: Episode | Episodes) -> tuple[Array, Array]:
    """What contracts let house and cars draw, and dimming all cars, in each step; inf without.

    From the rows and the local clock, quarter-hour by quarter-hour.
    """
    scenario, dataset = episode.env.scenario, episode.env.simulator.world.dataset
    contracts, dimming = scenario.tariff.contracts, scenario.charger.dimming
    names = {row.name for row in contracts}
    lists = [[row for row in contracts if row.name == name] for name in names]
    zone = ZoneInfo(dataset.zone)

    def last_that_holds(rows: Any, local: datetime) -> float:
        clock, found = local.strftime("%H:%M"), math.inf
        for row in rows:
            inside = row.from_time <= clock < row.to_time
            if row.to_time < row.from_time:
                inside = clock >= row.from_time or clock < row.to_time
            if inside and local.weekday() in row.weekdays:
                found = row.kw
        return found

    def in_step(minute: int) -> tuple[float, float]:
        least = [math.inf, math.inf]
        for quarter in range(0, scenario.time_step_min, 15):
            time = dataset.start + timedelta(minutes=minute + quarter)
            local = time.astimezone(zone)
            local = local.replace(minute=local.minute // 15 * 15)
            least[0] = min([least[0], *(last_that_holds(rows, local) for rows in lists)])
            least[1] = min(least[1], last_that_holds(dimming, local))
        return least[0], least[1]

    minutes = episode.of("now_min")
    series_min = dataset.weeks * 7 * 24 * 60
    found = [in_step(int(minute) % series_min) for minute in minutes.flat]
    both = np.array(found).reshape(*minutes.shape, 2)
    return both[..., 0], both[..., 1]


def over_kw(episode: Episode | Episodes, with_cars: bool, sun_kw: Array) -> Array:
    """Power above the fuses of three lines, or the limit or contract of all; the larger."""
    house = episode.env.scenario.household
    cars_kw = with_cars * episode.of("charge_kw").sum(axis=-1)
    net_kw = episode.of("load_kw") - sun_kw + cars_kw
    if not by_line(episode.env.scenario):
        return np.maximum(0.0, net_kw - np.minimum(house.limit_kw, limits_kw(episode)[0]))
    over_a = line_currents_a(episode, with_cars, sun_kw) - house.fuse_a
    over_fuses_kw = LINE_KW_PER_A * np.maximum(0.0, over_a).sum(axis=-1)
    most_kw = np.minimum(house.connection_kw or np.inf, limits_kw(episode)[0])
    return np.asarray(np.maximum(over_fuses_kw, net_kw - most_kw))
