"""Households of which everything is foreseen, to be solved by hand.

All of them start at 00:00 on Monday 1 January 2024. The car holds 50 kWh, starts with 10, has room
up to 20 and stays all day unless said otherwise; without losses it charges with 6.9 kW (10 A).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np

from baselines.foresight import Future, foresee
from baselines.optimum.relaxation import Bound, lower_bound
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Driving, Household, Scenario, Tariff, Vehicle
from ev_gym.series.dataset import Dataset

FREE = Tariff(public_stop_cost=0.0)
CAR = Vehicle(
    battery_kwh=50.0,
    ac_max_kw=6.9,
    eta=1.0,
    aux_kw=0.0,
    taper_from_soc=1.0,
    wanted_soc=0.4,
    limit_soc=0.4,
    floor_soc=0.2,
    min_soc=0.0,
    chemistry=None,
)
# 0.9 * 6.9 - 0.345 = 0.85 * 6.9: of a kWh at the meter 0.85 kWh are stored at most.
LOSSY = replace(CAR, eta=0.9, aux_kw=0.345)
AT_HOME = Driving(pattern="daily", arrival_h=0.0, departure_h=24.0, trip_kwh=0.0, start_soc=0.2)
ONE_HOUR = replace(AT_HOME, departure_h=1.0)
HOUSE = Household(annual_kwh=None, fuse_a=None, connection_kw=50.0)


def scenario(**changes: Any) -> Scenario:
    parts: dict[str, Any] = {
        "household": HOUSE,
        "vehicles": (CAR,),
        "driving": AT_HOME,
        "tariff": FREE,
        "time_step_min": 60,
        "start_hour": 0,
    }
    return Scenario(**{**parts, **changes})


def future_of(
    case: Scenario, prices: list[float], load_kw: Any = 1.0, start: str = "2024-01-01"
) -> Future:
    """What is foreseen of a household from a start on.

    Args:
        case: The scenario.
        prices: Of the series' first hours, which begin on 1 January; the last one holds thereafter.
        load_kw: Of all its quarter-hours, or of each of the first ones, the last of which holds on.
        start: Date or time.
    """
    weeks = 6
    price, load = np.full(weeks * 168, prices[-1]), np.empty(weeks * 672)
    price[: len(prices)] = prices
    loads = np.atleast_1d(load_kw)
    load[:] = loads[-1]
    load[: loads.size] = loads
    dataset = Dataset(
        start=datetime(2023, 12, 31, 23, tzinfo=timezone.utc),
        zone="Europe/Stockholm",
        load_kw=load[np.newaxis],
        price_per_kwh=price,
        temperature_c=np.full(weeks * 168, 10.0),
        clearness=np.ones(weeks * 168),
    )
    env = EVChargingEnv(case, dataset=dataset)
    env.reset(seed=0, options={"start": start})
    return foresee(env.simulator)


def bound_of(case: Scenario, prices: list[float], *more: Any, **options: Any) -> Bound:
    return lower_bound(future_of(case, prices, *more), **options)


# Spot prices of 1.0 but in hours 3 and 5.
DIP = [1.0, 1.0, 1.0, 0.2, 1.0, 0.4, 1.0]
