"""The meter's physics and one whole step of a household, each value worked out by hand."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ev_gym.compiling import as_records
from ev_gym.equipment import Charger, Vehicle
from ev_gym.fields import STEP_DTYPE, VEHICLE_STEP_DTYPE
from ev_gym.physics import household, meter
from ev_gym.scenario import Household, RewardWeights, Tariff
from tests.physics_tables import NO_LEVELS, states, world_of

# --- household: one step ---


def one_step(load_management: bool, minutes_left: int) -> tuple[Any, Any]:
    """Two cars ask for 16 A for a quarter-hour while the house takes 4 kW of 13.8."""
    managed = Charger(load_management=load_management)
    house = Household(fuse_a=20.0, annual_kwh=None)
    world = world_of(Vehicle(), Vehicle(), charger=managed, household=house)
    records = states(2)
    records["energy_kwh"], records["departure_min"] = 20.0, [1000, 100 + minutes_left]
    result = as_records(np.zeros(1, STEP_DTYPE))
    result["load_kw"], result["price_per_kwh"] = 4.0, 2.0
    reports = as_records(np.zeros(2, VEHICLE_STEP_DTYPE))
    actions = np.ones(2, np.float32)
    household.charge_cars(
        100, records, world.cars, NO_LEVELS, world.settings[0], actions, result[0], reports
    )
    assert records["energy_kwh"].tolist() == (20.0 + reports["stored_kwh"]).tolist()
    return result[0], reports


def test_a_step_with_load_management_by_hand() -> None:
    """13.8 - 4 kW are 14.2 A of three phases: 7 A or 4.83 kW each, 13.66 kW at the meter.

    Each car draws 1.2075 kWh and stores 0.94 * 1.2075 - 0.05 = 1.08505; charging costs 4.83.
    """
    result, reports = one_step(load_management=True, minutes_left=15)
    assert reports["current_a"].tolist() == [7.0, 7.0]
    assert reports["charge_kw"].tolist() == pytest.approx([4.83, 4.83], abs=1e-12)
    assert reports["stored_kwh"].tolist() == pytest.approx([1.08505, 1.08505], abs=1e-12)
    assert reports["loss_kwh"].tolist() == pytest.approx([0.12245, 0.12245], abs=1e-12)
    assert result["grid_kw"] == pytest.approx(13.66, abs=1e-12)
    assert result["overload_kw"] == 0.0
    assert result["energy_term"] == pytest.approx(-4.83, abs=1e-12)


def test_a_step_without_load_management_by_hand() -> None:
    """Both take 11 kW: 26 kW at the meter, 12.2 above the connection. One leaves after 6 minutes.

    Then it draws 1.1 kWh, a mean of 4.4 kW: 19.4 kW at the meter.
    """
    result, reports = one_step(load_management=False, minutes_left=15)
    assert reports["charge_kw"].tolist() == [11.0, 11.0]
    assert result["overload_kw"] == pytest.approx(12.2, abs=1e-12)
    assert result["overload_term"] == pytest.approx(-10.0 * 12.2 * 0.25, abs=1e-12)
    result, reports = one_step(load_management=False, minutes_left=6)
    assert reports["charge_kw"].tolist() == pytest.approx([11.0, 4.4], abs=1e-12)
    assert reports["stored_kwh"][1] == pytest.approx(0.94 * 1.1 - 0.02, abs=1e-12)
    assert result["grid_kw"] == pytest.approx(19.4, abs=1e-12)


# --- meter ---


def test_all_in_price_by_hand() -> None:
    """100 ore spot, 43.9 ore tax (2025), Ellevio's 6.25 ore of transfer that include 25 % VAT.

    (1.00 + 0.439 + 0.05) * 1.25 = 1.86125; tax and transfer alone are 54.875 and 6.25 ore with
    VAT. At -0.489 of spot a kWh costs nothing, below it is paid for.
    """
    tax, transfer, vat = 0.439, 0.0625 / 1.25, 0.25
    assert meter.all_in_price(1.0, tax, transfer, vat) == pytest.approx(1.86125, abs=1e-12)
    assert meter.all_in_price(0.0, tax, 0.0, vat) == pytest.approx(0.54875, abs=1e-12)
    assert meter.all_in_price(0.0, 0.0, transfer, vat) == pytest.approx(0.0625, abs=1e-12)
    assert meter.all_in_price(-0.489, tax, transfer, vat) == pytest.approx(0.0, abs=1e-12)
    assert meter.all_in_price(-1.489, tax, transfer, vat) == pytest.approx(-1.25, abs=1e-12)
    assert meter.all_in_price(0.8528, 0.0, 0.0, 0.0) == 0.8528
    defaults = Tariff()
    assert (defaults.energy_tax_per_kwh, defaults.vat) == (tax, vat)
    assert defaults.transfer_per_kwh == pytest.approx(transfer, abs=1e-15)


def test_tax_of_2025_is_the_published_one(measured_folder: Path) -> None:
    """The default tax and VAT are the file's of 2025-01-01, the default transfer is Ellevio's."""
    with (measured_folder / "se_energy_tax.csv").open(newline="", encoding="utf-8") as file:
        tax = next(row for row in csv.DictReader(file) if row["valid_from"] == "2025-01-01")
    with (measured_folder / "se_grid_tariffs_2025.csv").open(newline="", encoding="utf-8") as file:
        grid = next(row for row in csv.DictReader(file) if row["operator"] == "Ellevio")
    tariff = Tariff()
    assert 100 * tariff.energy_tax_per_kwh == pytest.approx(
        float(tax["energy_tax_ore_per_kwh_ex_vat"]), abs=1e-9
    )
    transfer_ore = 100 * meter.all_in_price(0.0, 0.0, tariff.transfer_per_kwh, tariff.vat)
    assert transfer_ore == pytest.approx(float(grid["transfer_ore_per_kwh_inc_vat"]), abs=1e-9)


def billed(load_kw: float, charge_kw: float, price: float = 2.0, **weights: float) -> Any:
    """The record of a quarter-hour at a connection of 11.04 kW."""
    world = world_of(
        Vehicle(),
        household=Household(fuse_a=16.0),
        reward_weights=RewardWeights(**weights),
    )
    record = as_records(np.zeros(1, STEP_DTYPE))
    record["load_kw"], record["price_per_kwh"] = load_kw, price
    record["missing_kwh"], record["public_kwh"] = 3.0, 0.5
    meter.charge_bills(record[0], world.settings[0], charge_kw)
    meter.buy_elsewhere(record[0], world.settings[0])
    return record[0]


def test_both_bills_by_hand() -> None:
    """2 kW and 7.4 kW for a quarter-hour at 2.00: 4.70 with the car, 1.00 without, 3.70 charging.

    3 kWh missing and 0.5 bought on the road cost 5.00 each kWh.
    """
    step = billed(2.0, 7.4)
    found = {name: float(step[name]) for name in STEP_DTYPE.names or ()}
    expected = {
        "grid_kw": 9.4,
        "overload_kw": 0.0,
        "energy_cost": 4.7,
        "house_cost": 1.0,
        "energy_term": -3.7,
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
    """Shown as a whole, priced (10.00 a kWh, a quarter-hour) for the cars' part."""
    step = billed(load_kw, charge_kw)
    assert step["overload_kw"] == pytest.approx(overload_kw, abs=1e-12)
    assert step["overload_term"] == pytest.approx(-10.0 * by_cars_kw * 0.25, abs=1e-12)


def test_weights_scale_the_terms_and_not_the_bills() -> None:
    """Each weight its own term."""
    plain = billed(8.04, 7.0)
    weights = {"energy": 2.0, "missing": 0.0, "public": 3.0, "overload": 0.5}
    weighted = billed(8.04, 7.0, **weights)
    for name, weight in weights.items():
        assert plain[f"{name}_term"] != 0.0
        expected = weight * plain[f"{name}_term"]
        assert weighted[f"{name}_term"] == pytest.approx(expected, abs=1e-12), name
    for name in ("energy_cost", "house_cost", "grid_kw", "overload_kw"):
        assert weighted[name] == plain[name]
