"""World tables at the edges: clocks that change at midnight, series that contradict a scenario."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ev_gym.scenario import Household, ScenarioError
from ev_gym.series.dataset import Dataset
from ev_gym.world.world import build_world
from tests.ev_gym.world.test_tables import seen
from tests.support.small_series import PLAIN, series


def test_fill_where_the_clock_changes_at_midnight() -> None:
    """Cairo skips 00:00 on 26 April 2024: the first hour there is stands in for it."""
    weeks, zone = 20, "Africa/Cairo"
    hours = weeks * 168
    dataset = Dataset(
        datetime(2024, 1, 1, tzinfo=ZoneInfo(zone)),
        zone,
        np.ones((1, hours * 4)),
        np.arange(hours) / 1000.0,
        np.zeros(hours),
    )
    data = dataclasses.replace(PLAIN.data, zone=zone)
    scenario = dataclasses.replace(PLAIN, data=data, start_hour=1)
    fields = seen(scenario, dataset, "2024-04-26T01:00")
    known = int(fields["hours_known"][0, 0])
    assert known == 23
    now = fields["price_h00"][0, 0]
    # Unknown hours begin at the next midnight, for which 01:00 of the same day stands in.
    assert fields[f"price_h{known:02d}"][0, 0] == now
    assert fields[f"price_h{known + 1:02d}"][0, 0] == now


def test_series_that_contradict_the_scenario_are_refused() -> None:
    data = dataclasses.replace(PLAIN.data, zone="UTC")
    with pytest.raises(ScenarioError, match="zone is 'Europe/Stockholm'; allowed"):
        build_world(dataclasses.replace(PLAIN, data=data), series(), None)
    scenario = dataclasses.replace(PLAIN, household=Household(annual_kwh=9000.0))
    with pytest.raises(ScenarioError, match="load is 0 throughout"):
        build_world(scenario, dataclasses.replace(series(), load_kw=series().load_kw * 0), None)
