"""The meter's physics: from power to money, each value worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ev_gym.physics import meter
from ev_gym.runtime.compiling import as_records
from ev_gym.scenario import Charger, Household, RewardWeights, Scenario, Solar, Tariff, Vehicle
from ev_gym.simulation.state_fields import STEP_DTYPE
from tests.support.physics_tables import Step, ready, step, tables_of

# --- one step, from the actions to the bill ---


def one_step(load_management: bool, minutes_left: int) -> tuple[Any, Step]:
    """Two cars ask for 16 A for a quarter-hour while the house takes 4 kW of 13.8."""
    tables = tables_of(
        Scenario(
            vehicles=(Vehicle(), Vehicle()),
            charger=Charger(load_management=load_management),
            household=Household(fuse_a=20.0, annual_kwh=None),
        )
    )
    cars = ready(tables.cars)
    cars["departure_min"] = [1000, 100 + minutes_left]
    done = step(cars, tables, [1.0, 1.0], load_kw=4.0, now_min=100)
    assert cars["energy_kwh"].tolist() == (20.0 + done.vehicle_results["stored_kwh"]).tolist()
    result = record(load_kw=4.0, price_per_kwh=2.0)
    meter.bill(result, tables.settings, done.charged_kw, done.discharged_kw)
    meter.bill_overload(result, tables.settings, done.over_kw, done.alone_over_kw)
    return result, done


def record(**values: float) -> Any:
    """A step's record with these values, the others 0."""
    records = as_records(np.zeros(1, STEP_DTYPE))
    for name, value in values.items():
        records[name] = value
    return records[0]


def test_a_step_with_load_management_by_hand() -> None:
    """13.8 - 4 kW are 14.2 A of three phases: 7 A or 4.83 kW each, 13.66 kW at the meter.

    Each car draws 1.2075 kWh and stores 0.94 * 1.2075 - 0.05 = 1.08505; charging costs 4.83.
    """
    result, done = one_step(load_management=True, minutes_left=15)
    vehicle_results = done.vehicle_results
    assert vehicle_results["current_a"].tolist() == [7.0, 7.0]
    assert vehicle_results["charge_kw"].tolist() == pytest.approx([4.83, 4.83], abs=1e-12)
    assert vehicle_results["stored_kwh"].tolist() == pytest.approx([1.08505, 1.08505], abs=1e-12)
    assert vehicle_results["loss_kwh"].tolist() == pytest.approx([0.12245, 0.12245], abs=1e-12)
    assert result["grid_kw"] == pytest.approx(13.66, abs=1e-12)
    assert result["overload_kw"] == 0.0
    assert result["energy_term"] == pytest.approx(-4.83, abs=1e-12)


def test_a_step_without_load_management_by_hand() -> None:
    """Both take 11 kW: 26 kW at the meter, 12.2 above the connection. One leaves after 6 minutes.

    Then it draws 1.1 kWh, a mean of 4.4 kW: 19.4 kW at the meter.
    """
    result, done = one_step(load_management=False, minutes_left=15)
    assert done.vehicle_results["charge_kw"].tolist() == [11.0, 11.0]
    assert result["overload_kw"] == pytest.approx(12.2, abs=1e-12)
    assert result["overload_term"] == pytest.approx(-10.0 * 12.2 * 0.25, abs=1e-12)
    result, done = one_step(load_management=False, minutes_left=6)
    assert done.vehicle_results["charge_kw"].tolist() == pytest.approx([11.0, 4.4], abs=1e-12)
    assert done.vehicle_results["stored_kwh"][1] == pytest.approx(0.94 * 1.1 - 0.02, abs=1e-12)
    assert result["grid_kw"] == pytest.approx(19.4, abs=1e-12)


# --- meter ---


def settings_of(tariff: Tariff | None = None, **weights: float) -> Any:
    """The parameters of a quarter-hour at 11.04 kW that exports up to 6 kW of sun and V2G."""
    house = Household(fuse_a=16.0, export_limit_kw=6.0)
    scenario = Scenario(
        household=house,
        solar=Solar(peak_kw=10.0),
        charger=Charger(bidirectional=True),
        tariff=tariff or Tariff(),
        reward_weights=RewardWeights(**weights),
    )
    return tables_of(scenario).settings


def billed(load_kw: float, charge_kw: float, price: float = 2.0, **weights: float) -> Any:
    """The record of a quarter-hour in which 0.2 kWh of capacity worth 240 were lost, too."""
    settings = settings_of(**weights)
    result = record(load_kw=load_kw, price_per_kwh=price, missing_kwh=3.0, public_kwh=0.5)
    over_kw, alone_kw = max(0.0, load_kw + charge_kw - 11.04), max(0.0, load_kw - 11.04)
    meter.bill(result, settings, charge_kw, 0.0)
    meter.bill_overload(result, settings, over_kw, alone_kw)
    meter.bill_wear(result, settings, 240.0)
    meter.buy_elsewhere(result, settings)
    return result


def test_both_bills_by_hand() -> None:
    """2 kW and 7.4 kW for a quarter-hour at 2.00: 4.70 with the car, 1.00 without, 3.70 charging.

    3 kWh missing and 0.5 bought on the road cost 5.00 each kWh.
    """
    step = billed(2.0, 7.4)
    found = {name: float(step[name]) for name in STEP_DTYPE.names or ()}
    expected = {
        "grid_kw": 9.4,
        "pv_kw": 0.0,
        "overload_kw": 0.0,
        "energy_cost": 4.7,
        "house_cost": 1.0,
        "energy_term": -3.7,
        "wear_term": -240.0,
        "missing_term": -15.0,
        "public_term": -2.5,
        "overload_term": 0.0,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert billed(2.0, 7.4, price=-1.0)["energy_term"] == pytest.approx(1.85, abs=1e-12)


@pytest.mark.parametrize(
    ("load_kw", "charge_kw", "overload_kw", "by_cars_kw"),
    [
        (3.04, 8.0, 0.0, 0.0),  # just full
        (8.04, 7.0, 4.0, 4.0),  # the cars alone exceed it
        (12.04, 0.0, 1.0, 0.0),  # the house alone exceeds it: nothing to do with charging
        (12.04, 7.0, 8.0, 7.0),  # both: only what the cars add
    ],
)
def test_overload_is_the_cars_part(
    load_kw: float, charge_kw: float, overload_kw: float, by_cars_kw: float
) -> None:
    """All of it is shown; the part of the cars is priced (10.00 a kWh, a quarter-hour)."""
    step = billed(load_kw, charge_kw)
    assert step["overload_kw"] == pytest.approx(overload_kw, abs=1e-12)
    assert step["overload_term"] == pytest.approx(-10.0 * by_cars_kw * 0.25, abs=1e-12)


def test_weights_scale_the_terms_and_not_the_bills() -> None:
    """Each weight scales its own term; that of the power charge is tested with the power charge."""
    plain = billed(8.04, 7.0)
    weights = {"energy": 2.0, "wear": 0.25, "missing": 0.0, "public": 3.0, "overload": 0.5}
    weighted = billed(8.04, 7.0, **weights)
    for name, weight in weights.items():
        assert plain[f"{name}_term"] != 0.0
        expected = weight * plain[f"{name}_term"]
        assert weighted[f"{name}_term"] == pytest.approx(expected, abs=1e-12), name
    for name in ("energy_cost", "house_cost", "grid_kw", "overload_kw"):
        assert weighted[name] == plain[name]


# --- sun and V2G: what is sold ---

BUYS, SELLS = 2.0, 0.5
IN_FULL = Tariff(netting="none")


def traded(
    load_kw: float,
    sun_kw: float,
    charged_kw: float,
    discharged_kw: float,
    tariff: Tariff | None = None,
) -> tuple[float, ...]:
    """Sun used, power at the meter (kW), both bills of a quarter-hour, and the energy term."""
    result = record(load_kw=load_kw, pv_kw=sun_kw, price_per_kwh=BUYS, export_price_per_kwh=SELLS)
    meter.bill(result, settings_of(tariff), charged_kw, discharged_kw)
    names = ("pv_kw", "grid_kw", "energy_cost", "house_cost", "energy_term")
    return tuple(float(result[name]) for name in names)


@pytest.mark.parametrize(
    ("powers", "expected"),
    [
        # 4 kW of sun on 1 kW of load: 3 sold. A car of 3 kW takes just those, worth 0.375.
        ((1.0, 4.0, 3.0, 0.0), (4.0, 0.0, 0.0, -0.375, -0.375)),
        # A car of 5 kW takes them and buys 2 kW, 1.00.
        ((1.0, 4.0, 5.0, 0.0), (4.0, 2.0, 1.0, -0.375, -1.375)),
        # A car gives the house its 1 kW, which costs 0.50, and sells 3 kW for 0.375.
        ((1.0, 0.0, 0.0, 4.0), (0.0, -3.0, -0.375, 0.5, 0.875)),
        # One car charges another: only the difference passes the meter.
        ((1.0, 0.0, 5.0, 4.0), (0.0, 2.0, 1.0, 0.5, -0.5)),
        # 9 kW of sun, of which 1 + 6 can be used or sold; a car that takes 2 kW wastes none.
        ((1.0, 9.0, 0.0, 0.0), (7.0, -6.0, -0.75, -0.75, 0.0)),
        ((1.0, 9.0, 2.0, 0.0), (9.0, -6.0, -0.75, -0.75, 0.0)),
        # A car that sells, too, takes the sun's place: 6 kW leave the house all the same.
        ((1.0, 9.0, 0.0, 5.0), (2.0, -6.0, -0.75, -0.75, 0.0)),
    ],
)
def test_what_is_bought_and_sold_by_hand(
    powers: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    """A quarter-hour at 2.00 to buy and 0.50 to sell, netted within the step."""
    assert traded(*powers) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("powers", "sells", "expected"),
    [
        # 4 kW of sun on 1 kW of load: 3 sold, for which 0.05 a kWh are paid, as long as it is 0.1.
        ((1.0, 4.0, 0.0, 0.0), -0.05, (4.0, -3.0, 0.0375, 0.0375, 0.0)),
        ((1.0, 4.0, 0.0, 0.0), -0.1, (4.0, -3.0, 0.075, 0.075, 0.0)),
        # At less the sun gives what the house uses, and what a car takes up to all 4 kW.
        ((1.0, 4.0, 0.0, 0.0), -0.11, (1.0, 0.0, 0.0, 0.0, 0.0)),
        ((1.0, 4.0, 2.0, 0.0), -0.11, (3.0, 0.0, 0.0, 0.0, 0.0)),
        ((1.0, 4.0, 5.0, 0.0), -0.11, (4.0, 2.0, 1.0, 0.0, -1.0)),
        # What a car gives takes the sun's place.
        ((1.0, 4.0, 0.0, 0.5), -0.11, (0.5, 0.0, 0.0, 0.0, 0.0)),
        # Without enough sun there is nothing to cut off.
        ((3.0, 1.0, 0.0, 0.0), -0.11, (1.0, 2.0, 1.0, 1.0, 0.0)),
    ],
)
def test_sun_is_cut_off_where_selling_costs(
    powers: tuple[float, ...], sells: float, expected: tuple[float, ...]
) -> None:
    """A quarter-hour at 2.00 to buy; nothing is exported below -0.10, with the car or without."""
    settings = tables_of(
        Scenario(
            household=Household(fuse_a=16.0),
            solar=Solar(peak_kw=10.0, curtail_below_price=-0.1),
            charger=Charger(bidirectional=True),
        )
    ).settings
    load_kw, sun_kw, charged_kw, discharged_kw = powers
    result = record(load_kw=load_kw, pv_kw=sun_kw, price_per_kwh=BUYS, export_price_per_kwh=sells)
    meter.bill(result, settings, charged_kw, discharged_kw)
    names = ("pv_kw", "grid_kw", "energy_cost", "house_cost", "energy_term")
    assert [float(result[name]) for name in names] == pytest.approx(expected, abs=1e-12)


def test_without_netting_every_kwh_is_bought_and_sold_in_full() -> None:
    """1 kW of load costs 0.50 although 4 kW of sun are sold for 0.50; 3 kW of charging 1.50."""
    sun_kw, grid_kw, cost, house, term = traded(1.0, 4.0, 3.0, 0.0, IN_FULL)
    assert (sun_kw, grid_kw) == (4.0, 0.0)
    assert (cost, house, term) == pytest.approx((1.5, 0.0, -1.5), abs=1e-12)
    netted, in_full = settings_of(), settings_of(IN_FULL)
    assert meter.import_kw(netted, 4.0, 1.5) == 2.5
    assert meter.import_kw(netted, 4.0, 5.0) == 0.0
    assert meter.import_kw(in_full, 4.0, 5.0) == 4.0
