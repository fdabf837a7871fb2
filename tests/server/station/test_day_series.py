"""The 24 prices and base loads of a local day, of whatever length."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ev_gym.scenario import as_scenario
from ev_gym.series.of_scenario import dataset_of
from ev_gym.world.world import build_world
from server.station import day_series


def world_of(changes: dict[str, Any]) -> Any:
    scenario = as_scenario(changes)
    return build_world(scenario, dataset_of(scenario), None)


def hourly_ore(world: Any) -> Any:
    """(H,) mean spot price of each hour of the series, whose prices are of quarter-hours."""
    assert world.dataset.price_minutes == 15
    return 100 * world.dataset.price_per_kwh.reshape(-1, 4).mean(axis=1)


def clock(world: Any) -> pd.DatetimeIndex:
    """The local time at which each hour of the series begins."""
    utc = pd.date_range(world.dataset.start, periods=len(world.tables.hours), freq="h")
    return utc.tz_convert(world.dataset.zone)


@pytest.mark.parametrize(
    ("day_name", "hours"), [("2023-03-26", 23), ("2023-10-29", 25), ("2023-06-01", 24)]
)
def test_24_numbers_on_days_of_any_length(day_name: str, hours: int) -> None:
    world = world_of({"data": {"start": "2023-01-02"}})
    assert world.dataset.zone == "Europe/Stockholm"
    index = clock(world)
    spot = pd.Series(hourly_ore(world), index=index)
    load = pd.Series(world.tables.load_kw[1].reshape(-1, 4).mean(axis=1), index=index)
    places = np.flatnonzero(index.strftime("%Y-%m-%d") == day_name)
    assert len(places) == hours
    for place in (places[0], places[-1]):
        for told, series in (
            (day_series.prices_ore(world, 60 * int(place) + 59), spot),
            (day_series.loads_kw(world, 1, 60 * int(place)), load),
        ):
            own = series.iloc[places]
            expected = own.groupby(own.index.hour).mean().reindex(range(24)).ffill()
            np.testing.assert_allclose(told, expected, atol=0.005001)
            assert all(value == round(value, 2) for value in told)


@pytest.mark.parametrize(
    ("zone", "day_name"), [("America/Havana", "2023-03-12"), ("Africa/Cairo", "2023-04-28")]
)
def test_a_day_that_begins_at_one_o_clock(zone: str, day_name: str) -> None:
    """Where clocks skip midnight's hour, it is told like the first one."""
    world = world_of({"data": {"zone": zone, "start": "2023-01-02"}})
    hours = clock(world)
    places = np.flatnonzero(hours.strftime("%Y-%m-%d") == day_name)
    assert list(hours[places].hour) == list(range(1, 24))
    own = hourly_ore(world)[places]
    told = day_series.prices_ore(world, 60 * int(places[3]))
    np.testing.assert_allclose(told, [own[0], *own], atol=0.005001)


def test_prices_of_quarters_are_told_by_the_hour() -> None:
    world = world_of({"preset": "classic"})
    quarters = replace(world.dataset, price_per_kwh=np.arange(672.0), price_minutes=15)
    told = day_series.prices_ore(build_world(world.scenario, quarters, None), 1440)
    assert told[:2] == [100 * (96 + 1.5), 100 * (100 + 1.5)]
