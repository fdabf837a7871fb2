"""Tariffs as declared: the companies' prices, energy tax by year, what is refused."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ev_gym.scenario import (
    CalledDays,
    ContractedPower,
    Data,
    Fee,
    PeakPrice,
    PeakRule,
    Price,
    Scenario,
    ScenarioError,
    Share,
    Tariff,
    Weight,
)
from ev_gym.scenario.known_tariffs import OLD_NAMES, TARIFFS, known_tariff
from ev_gym.scenario.known_tariffs.sweden import ENERGY_TAX

# With 25 % VAT: fixed a month, ore per kWh, ore in high hours, per kW, and the name in the file.
LISTED = {
    "ellevio-2025": (365.0, 6.25, None, 81.25, "Ellevio"),
    "goteborg-2025": (185.0, 25.0, None, 45.0, "Göteborg Energi"),
    "vattenfall-time-2025": (588.75, 26.8, 67.0, 0.0, "Vattenfall Eldistribution T4 (time)"),
    "vattenfall-flat-2025": (588.75, 39.0, None, 0.0, "Vattenfall Eldistribution E4 (flat)"),
    "seom-2020": (127.5, 0.0, None, 111.5, "Sollentuna Energi (SEOM)"),
}


@pytest.mark.parametrize("name", LISTED)
def test_presets_hold_the_listed_prices(name: str) -> None:
    """With VAT added they are those of the companies' price pages."""
    found, (fixed, transfer_ore, high_ore, per_kw, _) = TARIFFS[name], LISTED[name]
    assert [row.share for row in found.vat] == [0.25]
    assert 1.25 * found.fees[0].amount == pytest.approx(fixed, abs=1e-9)
    listed = [transfer_ore] if high_ore is None else [transfer_ore, high_ore]
    ore = [125 * row.per_kwh for row in found.transfer] or [0.0]
    assert ore == pytest.approx(listed, abs=1e-9)
    dearest = max((price.per_kw for rule in found.peaks for price in rule.prices), default=0.0)
    assert 1.25 * dearest == pytest.approx(per_kw, abs=1e-9)
    assert found.taxes == ENERGY_TAX
    assert (found.netting, found.export, found.currency) == ("step", Tariff().export, "SEK")
    assert known_tariff(name) is found
    assert found.source


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
    of_file = {row["valid_from"]: float(row["energy_tax_ore_per_kwh_ex_vat"]) for row in rows}
    assert {row.valid_from: round(100 * row.per_kwh, 9) for row in ENERGY_TAX} == of_file


@pytest.mark.parametrize("old", OLD_NAMES)
def test_an_old_name_still_works_and_says_the_new_one(old: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{old!r} is now called {OLD_NAMES[old]!r}"):
        assert known_tariff(old) is TARIFFS[OLD_NAMES[old]]


def test_an_unknown_tariff_is_named_with_what_is_allowed() -> None:
    """The message names the nearest one, too."""
    with pytest.raises(ScenarioError) as refused:
        known_tariff("elevio-2025")
    assert str(refused.value).startswith(
        "unknown tariff 'elevio-2025' (did you mean 'ellevio-2025'?); tariffs: ellevio-2025, "
    )
    with pytest.raises(ScenarioError, match="unknown tariff None; tariffs: ellevio-2025"):
        known_tariff(None)


def test_hours_that_count() -> None:
    """Of Sollentuna those from 7 to 19 on workdays; Ellevio's nights half, over midnight."""
    (seom,), (ellevio,) = TARIFFS["seom-2020"].peaks, TARIFFS["ellevio-2025"].peaks
    quarters = np.arange(96)
    workday = seom.factor_in(quarters, np.array(2), np.array(1))
    assert np.flatnonzero(workday).tolist() == list(range(28, 76))
    assert not seom.factor_in(quarters, np.array(6), np.array(1)).any()
    by_day = ellevio.factor_in(quarters, np.array(6), np.array(7))
    assert by_day.tolist() == [0.5] * 24 + [1.0] * 64 + [0.5] * 8


def test_a_number_or_one_row_stands_for_a_list_of_one() -> None:
    """And dicts for rows, as they come from JSON; what is unknown in them is named."""
    given = {
        "transfer": 0.3,
        "taxes": {"per_kwh": 0.1, "months": [1, 2]},
        "vat": 0.2,
        "peaks": [{"count": 1, "prices": 45}],
    }
    short = Scenario.from_dict({"tariff": given}).tariff
    assert short.transfer == (Price(per_kwh=0.3),)
    assert short.taxes == (Price(per_kwh=0.1, months=(1, 2)),)
    assert short.vat == (Share(share=0.2),)
    assert short.peaks == (PeakRule(count=1, prices=(PeakPrice(per_kw=45.0),)),)
    assert (short.name, short.source) == ("own", None)
    plain = Scenario.from_dict({"tariff": given}).to_dict()
    assert plain["tariff"]["taxes"] == [{"per_kwh": 0.1, "months": [1, 2]}]
    assert Scenario.from_dict(plain).tariff == short
    with pytest.raises(ScenarioError, match=r"unknown key 'per_kw' in Tariff.transfer\[1\] \(did"):
        Scenario.from_dict({"tariff": {"transfer": [{}, {"per_kw": 1}]}})


def test_a_tariff_like_a_known_one() -> None:
    like = {"like": "goteborg-2025", "vat": 0.0}
    own = Scenario.from_dict({"preset": "classic", "tariff": like}).tariff
    assert own.peaks == TARIFFS["goteborg-2025"].peaks
    assert own.vat == (Share(share=0.0),)
    assert own.name == "own"


def test_money_does_not_change_its_currency_in_silence() -> None:
    """Each part in money is named; a tariff of the other currency brings its own."""
    with pytest.raises(ScenarioError, match=r"in SEK; .* anew: transfer, taxes, fees, peaks"):
        Scenario.from_dict({"currency": "EUR"})
    with pytest.raises(ScenarioError, match="anew: taxes, peaks"):
        Scenario.from_dict({"currency": "EUR", "tariff": {"transfer": 0.01, "fees": 10}})
    given = {"transfer": 0.01, "taxes": 0.02, "fees": 10, "peaks": []}
    scenario = Scenario.from_dict({"currency": "EUR", "tariff": given})
    assert (scenario.tariff.currency, scenario.tariff.public_energy_price) == ("EUR", 0.5)
    assert scenario.vehicles[0].wear_price_in("EUR") == 110.0
    worn = {"currency": "EUR", "tariff": given, "vehicles": [{"wear_price_per_kwh": 1200}]}
    assert Scenario.from_dict(worn).vehicles[0].wear_price_in("EUR") == 1200.0
    with pytest.raises(ScenarioError, match=r"Tariff.public_price_per_kwh is None, and there is"):
        Scenario.from_dict({"currency": "CHF", "tariff": given})
    with pytest.raises(ScenarioError, match=r"Tariff.currency is 'SEK', but Scenario.currency is"):
        Scenario(currency="EUR")


STEPS = {"steps_kw": (0.0, 2.0, 5.0), "steps_price": (1.0, 2.0, 3.0)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PeakPrice(per_kw=-1.0), "PeakPrice.per_kw is -1.0; allowed: a number from 0 to"),
        (lambda: PeakPrice(per_kw=1.0, **STEPS), "no effect because steps_kw is given"),
        (
            lambda: PeakPrice(steps_kw=(0.0, 1.0)),
            "steps_price is None; allowed: one price for",
        ),
        (
            lambda: PeakPrice(steps_kw=(1.0, 2.0), steps_price=(1.0, 2.0)),
            "steps_kw is (1.0, 2.0); allowed: at least two limits, rising from 0",
        ),
        (
            lambda: PeakPrice(steps_kw=(0.0, 2.0), steps_price=(2.0, 1.0)),
            "steps_price is (2.0, 1.0); allowed: one price for each of steps_kw, none below the",
        ),
        (
            lambda: PeakRule(count=11, prices=(PeakPrice(per_kw=1.0),)),
            "count is 11; allowed: a whole number from 1 to 10",
        ),
        (lambda: PeakRule(), "PeakRule.prices is (); allowed: at least one price"),
        (
            lambda: PeakRule(prices=(PeakPrice(per_kw=1.0), PeakPrice(**STEPS))),
            "PeakRule.prices holds prices per kW and steps; allowed: either, or two rules",
        ),
        (
            lambda: PeakRule(prices=(PeakPrice(per_kw=1.0, valid_from="2025-01-15"),)),
            "valid_from is '2025-01-15'; allowed: the first of a month",
        ),
        (
            lambda: PeakRule(count=1, different_days=False, prices=(PeakPrice(per_kw=1.0),)),
            "no effect because count is 1",
        ),
        (
            lambda: PeakRule(over="year", prices=(PeakPrice(per_kw=1.0, months=(1, 2)),)),
            "PeakPrice.months is (1, 2); allowed for the peaks of a year: the first of a January",
        ),
        (
            lambda: PeakRule(over="year", prices=(PeakPrice(valid_from="2025-07-01"),)),
            "PeakPrice.valid_from is '2025-07-01' and",
        ),
        (
            lambda: PeakRule(invoice_months=12, prices=(PeakPrice(**STEPS),)),
            "PeakRule.invoice_months is 12; allowed with prices of some months, or with steps: 1",
        ),
        (
            lambda: Tariff(peaks=(PeakRule(invoice_months=12, prices=(PeakPrice(),)),) * 2),
            "PeakRule.invoice_months is [12, 12] in the rules of Tariff.peaks; allowed: above 1 in",
        ),
        (
            lambda: Tariff(network_ceiling_per_kwh=0.3),
            "network_ceiling_per_kwh is 0.3, which has no effect because there is neither transfer",
        ),
        (
            lambda: CalledDays(days="2025-01-01", begins="24:00"),
            "CalledDays.begins is '24:00'; allowed: a quarter-hour as HH:MM, from 00:00 to 23:45",
        ),
        (lambda: Weight(from_time="06:10"), "from_time is '06:10'; allowed: a quarter-hour as"),
        (
            lambda: Weight(from_time="06:00", to_time="06:00"),
            "to_time is '06:00'; allowed: an",
        ),
        (lambda: Weight(to_time="24:15"), "to_time is '24:15'; allowed: a quarter-hour"),
        (lambda: Weight(weekdays=()), "weekdays is (); allowed: at least one"),
        (lambda: Fee(months=()), "months is (); allowed: at least one"),
        (lambda: Fee(valid_from="2025-02-30"), "valid_from is '2025-02-30'; allowed: a date as"),
        (lambda: Fee(valid_from="2025-03-02"), "'2025-03-02'; allowed: the first of a month"),
        (
            lambda: ContractedPower(valid_from="2025-03-02"),
            "ContractedPower.valid_from is '2025-03-02'; allowed: the first of a month",
        ),
        (
            lambda: Scenario(data=Data(sek_rate=0.09)),
            "Data.sek_rate is 0.09, but Scenario.currency is 'SEK', as built-in prices are",
        ),
        (lambda: Share(valid_from="2025"), "valid_from is '2025'; allowed: a date as"),
        (
            lambda: Price(floor_per_kwh=2.0, cap_per_kwh=1.0),
            "floor_per_kwh is 2.0; allowed: at",
        ),
        (
            lambda: CalledDays(days="2025-01-01 soon"),
            "CalledDays.days holds 'soon'; allowed:",
        ),
        (
            lambda: Tariff(netting="week"),
            "netting is 'week'; allowed: one of 'none', 'step'",
        ),
        (lambda: Tariff(credits_up_to_kwh=100.0), "no effect because there are no credits"),
        (
            lambda: Tariff(transfer=(Price(called="red"),)),
            "Price.called is 'red'; allowed: a list of Tariff.called_days, here none",
        ),
        (
            lambda: Tariff(credits=(Price(per_kwh=-1.0),), credits_up_to_kwh=100.0, netting="year"),
            "Tariff.netting is 'year'; allowed: credits up to a limit only with netting 'step'",
        ),
        (
            lambda: Scenario(
                tariff=Tariff(peaks=(PeakRule(interval_min=15, prices=(PeakPrice(per_kw=1.0),)),)),
                time_step_min=30,
            ),
            "PeakRule.interval_min is 15, but Scenario.time_step_min is 30; allowed: steps no",
        ),
    ],
)
def test_what_a_tariff_refuses(make: Callable[[], Tariff], message: str) -> None:
    """Each message names the field, its value, and what is allowed."""
    with pytest.raises(ScenarioError) as refused:
        make()
    assert message in str(refused.value)
