"""Months that can be reckoned by hand: loads and prices as functions of the local clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from ev_gym.env import EVChargingEnv
from ev_gym.invoice import invoices
from ev_gym.scenario import Data, Driving, Household, Scenario, Tariff, Vehicle
from ev_gym.series.dataset import Dataset

OfClock = Callable[[datetime], float]
CAR = Vehicle(battery_kwh=50.0, eta=1.0, aux_kw=0.0, chemistry=None, wanted_soc=0.0, min_soc=0.0)
AT_HOME = Driving(pattern="daily", arrival_h=0.0, departure_h=24.0, trip_km=0.0)


def always(value: float) -> OfClock:
    """The same at all times."""
    return lambda local: value


def worked_series(
    first: datetime,
    weeks: int,
    zone: str,
    currency: str,
    load_kw: OfClock,
    spot: OfClock,
) -> Dataset:
    """Series of one house from the last local Monday on or before a day; prices are hourly."""
    monday = first - timedelta(days=first.weekday())
    start = monday.replace(tzinfo=ZoneInfo(zone)).timestamp()
    local = [datetime.fromtimestamp(start + 900 * q, ZoneInfo(zone)) for q in range(672 * weeks)]
    return Dataset(
        start=monday.replace(tzinfo=ZoneInfo(zone)),
        zone=zone,
        load_kw=np.array([[load_kw(time) for time in local]]),
        price_per_kwh=np.array([spot(time) for time in local[::4]]),
        temperature_c=np.zeros(168 * weeks),
        currency=currency,
    )


def house_of(tariff: Tariff, zone: str, days: int | str, step_min: int = 60) -> Scenario:
    """A house of the data set's load with a car that charges nothing."""
    return Scenario(
        household=Household(annual_kwh=None, fuse_a=63.0),
        vehicles=(CAR,),
        driving=AT_HOME,
        tariff=tariff,
        currency=tariff.currency,
        data=Data(zone=zone),
        days=days,
        start_hour=0,
        time_step_min=step_min,
    )


def idle_history(scenario: Scenario, dataset: Dataset, start: str) -> pd.DataFrame:
    """The history of an episode in which nothing is charged."""
    env = EVChargingEnv(scenario, dataset=dataset)
    env.reset(seed=0, options={"start": start, "soc": 0.5, "house": 0})
    over = False
    while not over:
        _, _, _, over, _ = env.step(np.zeros(1, np.float32))
    return env.history


def month_bill(
    tariff: Tariff,
    year: int,
    month: int,
    zone: str,
    load_kw: OfClock,
    spot: OfClock,
    step_min: int = 60,
) -> Any:
    """The invoice of a house for a calendar month, a row of `ev_gym.invoice.invoices`."""
    first = datetime(year, month, 1)
    dataset = worked_series(first, 7, zone, tariff.currency, load_kw, spot)
    scenario = house_of(tariff, zone, "month", step_min)
    (bill,) = invoices(
        scenario, idle_history(scenario, dataset, f"{first:%Y-%m-%d}"), dataset
    ).to_dict("records")
    assert abs(bill["total"] - bill["house_total"]) < 1e-9
    return bill
