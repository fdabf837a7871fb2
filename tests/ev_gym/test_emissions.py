"""Grams of CO2 that charging causes: netting, exports and resolutions by hand."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest

from ev_gym.emissions import charging_co2_g, history_co2_g
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario, Tariff
from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError
from ev_gym.series.of_scenario import dataset_of
from ev_gym.simulation.results import vehicle_columns

HOURS = 168
STEP_WISE, APART = (Scenario(tariff=Tariff(netting=kind)) for kind in ("step", "none"))


def with_carbon(carbon: Any) -> Dataset:
    return Dataset(
        start=datetime(2023, 1, 1, 23, tzinfo=timezone.utc),
        zone="Europe/Stockholm",
        load_kw=np.ones((1, 4 * HOURS)),
        price_per_kwh=np.ones(HOURS),
        temperature_c=np.zeros(HOURS),
        carbon_g_per_kwh=carbon,
    )


# 100 g/kWh in even hours, 500 in odd ones.
TWO = with_carbon(np.tile([100.0, 500.0], HOURS // 2))


def step_of(now_min: int, load_kw: float, pv_kw: float, grid_kw: float) -> dict[str, Any]:
    named = {"now_min": now_min, "load_kw": load_kw, "pv_kw": pv_kw, "grid_kw": grid_kw}
    return {name: np.array([value]) for name, value in named.items()}


@pytest.mark.parametrize(
    ("what", "now_min", "load_kw", "pv_kw", "charge_kw", "netted_g", "apart_g"),
    [
        ("in the low hour", 0, 1.0, 0.0, 4.0, 4 * 0.25 * 100, 4 * 0.25 * 100),
        ("in the high hour", 105, 1.0, 0.0, 4.0, 4 * 0.25 * 500, 4 * 0.25 * 500),
        ("2 of 4 kW from the sun", 0, 1.0, 3.0, 4.0, 2 * 0.25 * 100, 4 * 0.25 * 100),
        ("all from the sun, the rest sold", 60, 0.5, 5.0, 2.0, 0.0, 2 * 0.25 * 500),
        ("1 of 3 kW given is sold", 60, 2.0, 0.0, -3.0, -2 * 0.25 * 500, 0.0),
        ("given beside sun that covers the house", 60, 1.0, 2.0, -3.0, 0.0, 0.0),
        ("beyond the end of the series", HOURS * 60 + 60, 1.0, 0.0, 4.0, 500.0, 500.0),
    ],
)
def test_import_with_cars_less_that_of_the_house_alone(
    what: str,
    now_min: int,
    load_kw: float,
    pv_kw: float,
    charge_kw: float,
    netted_g: float,
    apart_g: float,
) -> None:
    step = step_of(now_min, load_kw, pv_kw, load_kw - pv_kw + charge_kw)
    cars_kw = np.array([[charge_kw, 0.0]])
    for scenario, grams in ((STEP_WISE, netted_g), (APART, apart_g)):
        assert charging_co2_g(scenario, TWO, step, cars_kw).tolist() == [grams], what


def test_a_year_of_netting_moves_no_electricity() -> None:
    step = step_of(60, 0.5, 5.0, -2.5)
    for kind in ("hour", "month", "year"):
        scenario = Scenario(tariff=Tariff(netting=kind))
        assert charging_co2_g(scenario, TWO, step, np.array([[2.0]])).tolist() == [0.0]


def test_steps_and_intervals_of_different_lengths() -> None:
    """Quarter-hours of 0, 40, 80, 120 g/kWh: an hour has 60; five minutes have their quarter's."""
    quarters = with_carbon(np.tile([0.0, 40.0, 80.0, 120.0], HOURS))
    step, cars_kw = step_of(30, 0.0, 0.0, 6.0), np.array([[6.0]])
    for minutes, grams in ((1, 8.0), (5, 40.0), (15, 120.0), (30, 300.0)):
        scenario = Scenario(time_step_min=minutes)
        found = charging_co2_g(scenario, quarters, step, cars_kw)
        assert found == pytest.approx([grams], rel=1e-12)
    hour = step_of(60, 0.0, 0.0, 6.0)
    found = charging_co2_g(Scenario(time_step_min=60), quarters, hour, cars_kw)
    assert found == pytest.approx([360.0], rel=1e-12)


def test_without_carbon_intensity() -> None:
    with pytest.raises(DataError, match=r"no carbon intensity; allowed: .* with data\.carbon"):
        charging_co2_g(STEP_WISE, with_carbon(None), step_of(0, 1.0, 0.0, 2.0), np.ones((1, 1)))


def test_the_house_alone_is_that_of_its_bill() -> None:
    """Sun, an export limit and cars that discharge, over three days of random currents.

    Where its bill is above 0, the house alone imports what it costs, divided by the price.
    """
    plain = {"preset": "stockholm-villa", "days": 3, "start_hour": 12}
    scenario = Scenario.from_dict({**plain, "household": {"export_limit_kw": 1.0}})
    env = EVChargingEnv(scenario)
    env.reset(seed=3, options={"start": "2025-06-10"})
    env.action_space.seed(3)
    for _ in range(3 * 96):
        env.step(env.action_space.sample())
    history, series = env.history, dataset_of(scenario)
    assert (history[vehicle_columns("charge_kw", 2)].sum(axis=1) < -0.1).any()
    assert (history["grid_kw"] == -1.0).any()
    carbon = np.linspace(10.0, 900.0, series.temperature_c.size)
    fields = {"start", "zone", "load_kw", "price_per_kwh", "temperature_c", "price_minutes"}
    known = Dataset(**{name: getattr(series, name) for name in fields}, carbon_g_per_kwh=carbon)
    alone_kwh = (history["house_cost"] / history["price_per_kwh"]).clip(lower=0.0)
    added_kwh = history["grid_kw"].clip(lower=0.0) * 0.25 - alone_kwh
    expected = added_kwh * carbon[history["now_min"] // 60]
    assert (expected < -1.0).any()
    np.testing.assert_allclose(history_co2_g(scenario, history, known), expected, atol=1e-9)
