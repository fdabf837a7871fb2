"""Tariffs as declared: the companies' prices, energy tax by year, what is refused."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ev_gym.scenario import ScenarioError, Tariff
from ev_gym.scenario.tariff import ENERGY_TAX_PER_KWH, TARIFFS, energy_tax, tariff

# With 25 % VAT: fixed a month, ore per kWh, ore in high hours, per kW, and the name in the file.
LISTED = {
    "ellevio": (365.0, 6.25, None, 81.25, "Ellevio"),
    "goteborg": (185.0, 25.0, None, 45.0, "Göteborg Energi"),
    "vattenfall_time": (588.75, 26.8, 67.0, 0.0, "Vattenfall Eldistribution T4 (time)"),
    "vattenfall_flat": (588.75, 39.0, None, 0.0, "Vattenfall Eldistribution E4 (flat)"),
    "seom": (127.5, 0.0, None, 111.5, "Sollentuna Energi (SEOM)"),
}


@pytest.mark.parametrize("name", TARIFFS)
def test_presets_hold_the_listed_prices(name: str) -> None:
    """With VAT added they are those of the companies' price pages."""
    found, (fixed, transfer_ore, high_ore, per_kw, _) = TARIFFS[name], LISTED[name]
    assert found.vat == 0.25
    assert 1.25 * found.fixed_per_month == pytest.approx(fixed, abs=1e-9)
    assert 125 * found.transfer_per_kwh == pytest.approx(transfer_ore, abs=1e-9)
    assert 1.25 * found.power_price_per_kw == pytest.approx(per_kw, abs=1e-9)
    assert (found.transfer_high_per_kwh is None) == (high_ore is None)
    if found.transfer_high_per_kwh is not None:
        assert 125 * found.transfer_high_per_kwh == pytest.approx(high_ore, abs=1e-9)
    assert found.energy_tax_per_kwh is None
    assert (found.netting, found.export_fee_per_kwh) == ("step", 0.0)
    assert tariff(name) is found


@pytest.mark.parametrize("name", LISTED)
def test_listed_prices_are_those_of_the_file(name: str, measured_folder: Path) -> None:
    """The file of the measured series that lists the companies' prices."""
    with (measured_folder / "se_grid_tariffs_2025.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["operator"] == LISTED[name][4]]
    row = next(row for row in rows if "20 A" in row["customer"] or len(rows) == 1)
    columns = (
        "fixed_sek_per_month_inc_vat",
        "transfer_ore_per_kwh_inc_vat",
        "transfer_high_ore_per_kwh_inc_vat",
        "power_sek_per_kw_month_inc_vat",
    )
    assert tuple(float(row[key]) if row[key] else None for key in columns) == LISTED[name][:4]


def test_energy_tax_by_year_is_that_of_the_file(measured_folder: Path) -> None:
    """All years of the file, and none besides."""
    with (measured_folder / "se_energy_tax.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    of_file = {
        int(row["valid_from"][:4]): float(row["energy_tax_ore_per_kwh_ex_vat"]) for row in rows
    }
    assert {year: round(100 * tax, 9) for year, tax in ENERGY_TAX_PER_KWH.items()} == of_file
    assert all(row["valid_from"].endswith("-01-01") for row in rows)


def test_energy_tax_by_year() -> None:
    """A given number holds in every year; Sweden's goes on after its last, and has a first."""
    by_year = Tariff(energy_tax_per_kwh=None)
    taxes = [energy_tax(by_year, year) for year in (2018, 2023, 2024, 2025, 2026, 2199)]
    assert taxes == [0.331, 0.392, 0.428, 0.439, 0.360, 0.360]
    assert energy_tax(Tariff(), 2018) == energy_tax(Tariff(), 1900) == 0.439
    with pytest.raises(ScenarioError, match="hold the year 2017; allowed: years from 2018"):
        energy_tax(by_year, 2017)


def test_hours_that_count_in_full_in_the_power_charge() -> None:
    """Of Sollentuna those from 7 to 19 on workdays, of single hours and of many."""
    seom, hours = tariff("seom"), np.arange(24)
    on_workday = seom.counts_in_full(hours, np.ones(24, bool))
    assert np.flatnonzero(on_workday).tolist() == list(range(7, 19))
    assert not seom.counts_in_full(hours, np.zeros(24, bool)).any()
    assert [seom.counts_in_full(hour, True) for hour in (6, 7, 18, 19)] == [
        False,
        True,
        True,
        False,
    ]
    assert not seom.counts_in_full(12, False)


def test_an_unknown_tariff_is_named_with_what_is_allowed() -> None:
    """The message names the nearest one, too."""
    with pytest.raises(ScenarioError) as refused:
        tariff("elevio")
    assert str(refused.value) == (
        "unknown tariff 'elevio' (did you mean 'ellevio'?); tariffs: ellevio, goteborg, "
        "vattenfall_time, vattenfall_flat, seom"
    )
    with pytest.raises(ScenarioError, match="unknown tariff None; tariffs: ellevio"):
        tariff(None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tariff(power_price_per_kw=-1.0), "power_price_per_kw is -1.0; allowed: a number"),
        (lambda: Tariff(power_days=4), "power_days is 4; allowed: a whole number from 1 to 3"),
        (lambda: Tariff(netting="hour"), "netting is 'hour'; allowed: one of 'step', 'none'"),
        (
            lambda: Tariff(power_price_per_kw=60.0, power_from_h=22, power_to_h=6),
            "power_to_h is 6; allowed: later than power_from_h, 22",
        ),
        (
            lambda: Tariff(power_price_per_kw=60.0, power_high_months=(1,)),
            "no effect because power_low_per_kw is None",
        ),
        (
            lambda: Tariff(power_price_per_kw=60.0, power_days=1, power_different_days=False),
            "no effect because power_days is 1",
        ),
        (
            lambda: Tariff(power_price_per_kw=60.0, power_other_factor=0.5),
            "power_other_factor is 0.5, which has no effect because all hours count in full",
        ),
        (lambda: Tariff(energy_tax_per_kwh="2025"), "energy_tax_per_kwh is '2025'; allowed"),  # type: ignore[arg-type]
    ],
)
def test_what_a_tariff_refuses(make: Callable[[], Tariff], message: str) -> None:
    """Each message names the field, its value, and what is allowed."""
    with pytest.raises(ScenarioError) as refused:
        make()
    assert message in str(refused.value)
    assert str(refused.value).startswith("Tariff.")
