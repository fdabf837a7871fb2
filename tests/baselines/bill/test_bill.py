"""Bills: invoices that add up, tariffs and policies side by side, households anywhere in Europe."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

from baselines.bill import household, picture, words, year
from ev_gym.invoice import invoices
from ev_gym.scenario import Scenario, ScenarioError, preset
from ev_gym.scenario.known_tariffs import COUNTRY_OF, TARIFFS
from ev_gym.series.of_scenario import dataset_of

DRIVER = {"driving": {"pattern": "daily", "trip_km": 40.0}}
OCTOBER = pd.period_range("2026-10", periods=2, freq="M")


@pytest.fixture(scope="module")
def outcomes() -> list[year.Outcome]:
    """Two tariffs and two policies, October and November, over the end of summer time."""
    tariffs = ["goteborg-2026", "ellevio-2026-06"]
    found = household.scenarios(household.usual_household(tariffs), tariffs, DRIVER)
    return [
        year.live(each, "", policy, OCTOBER, 0)
        for each in found
        for policy in ("uncontrolled", "water_filling")
    ]


def test_invoices_add_up_in_every_row_and_column(outcomes: list[year.Outcome]) -> None:
    for outcome in outcomes:
        table = words.invoice_table(outcome)
        assert table.index.tolist() == ["2026-10", "2026-11", "sum"]
        items = table.drop(columns="total")
        cents = (100 * table).round().astype(int)
        assert (100 * table - cents).abs().to_numpy().max() < 1e-6
        assert (100 * items).round().astype(int).sum(axis=1).tolist() == cents["total"].tolist()
        assert cents.iloc[:2].sum().tolist() == cents.loc["sum"].tolist()
        assert table.loc["sum", "total"] == outcome.invoiced
        assert outcome.invoiced == pytest.approx(outcome.months["total"].sum(), abs=0.1)
        assert "export" not in table  # nothing is


def test_two_months_are_one_run_and_the_invoices_of_its_steps(
    outcomes: list[year.Outcome],
) -> None:
    """The same steps by an env alone, from the day before on; what a month leaves goes on."""
    scenario = outcomes[0].scenario
    env: Any = gym.make("EVCharging-v0", scenario=scenario)
    env.reset(seed=0, options={"start": "2026-09-30", "house": 0})
    over = False
    while not over:
        *_, over, _ = env.step(np.ones(1, np.float32))
    history = env.unwrapped.history
    inside = history["2026-10-01":"2026-11-30"]
    assert len(inside) == (61 * 24 + 1) * 4  # summer time ends
    bills = invoices(scenario, inside)
    first = outcomes[0].months
    np.testing.assert_allclose(first["total"], bills["total"], atol=1e-9)
    assert outcomes[0].charged_kwh == pytest.approx(inside["charge_kw"].sum() / 4)
    assert outcomes[0].import_kwh == pytest.approx(inside["grid_kw"].sum() / 4)
    public = 5.0 * inside["missing_kwh"].sum() + 30.0 * inside["missing_stops"].sum()
    assert outcomes[0].public_cost == pytest.approx(public)
    energies = inside["energy_kwh"]
    assert outcomes[0].stored_kwh == pytest.approx(energies.iloc[-1] - energies.iloc[0])


def test_tariffs_and_policies_side_by_side(outcomes: list[year.Outcome]) -> None:
    table = words.comparison_table(outcomes)
    assert table.index.names == ["tariff", "policy"]
    row = table.loc[("ellevio-2026-06", "water_filling")]
    last = outcomes[-1]
    house = last.months["house_total"].sum()
    assert row["paid in all"] == pytest.approx(last.invoiced + last.public_cost, abs=0.01)
    assert row["of it for cars"] == pytest.approx(row["paid in all"] - house, abs=0.02)
    first, smart, other, both = (outcome.paid for outcome in outcomes)

    def said(change: float) -> str:
        return f"{abs(change):,.2f} SEK {'more' if change > 0 else 'less'}"

    tariffs = "ellevio-2026-06 instead of goteborg-2026"
    policies = "water_filling instead of uncontrolled"
    assert words.switching(outcomes) == [
        f"{tariffs} (uncontrolled): {said(other - first)}",
        f"{tariffs} (water_filling): {said(both - smart)}",
        f"{policies} (goteborg-2026): {said(smart - first)}",
        f"{policies} (ellevio-2026-06): {said(both - other)}",
    ]


def test_the_explanation_is_three_sentences_of_these_numbers(outcomes: list[year.Outcome]) -> None:
    said = words.explanation(outcomes)
    first = outcomes[0]
    best = min(outcomes, key=lambda outcome: outcome.paid)
    assert said.startswith(f"Of the {first.invoiced:,.0f} SEK that goteborg-2026 asks for 2 months")
    assert f"without cars it would have been {first.months['house_total'].sum():,.0f}." in said
    assert f"The cars took {first.charged_kwh:,.0f} kWh at home" in said
    assert f"highest hour of all was {first.highest_kw:.1f} kW" in said
    cheapest = f"is {best.policy} under {best.scenario.tariff.name}, {first.paid - best.paid:,.0f}"
    assert cheapest in said
    alone = words.explanation([best])
    assert alone.endswith(f"cheaper than {best.policy} under {best.scenario.tariff.name}.")


def test_the_files_hold_every_month_and_the_picture_is_repeatable(
    outcomes: list[year.Outcome], tmp_path: Path
) -> None:
    words.invoices_csv(outcomes, tmp_path / "invoices.csv")
    table = pd.read_csv(tmp_path / "invoices.csv")
    assert len(table) == 8
    assert table["total"].sum() == pytest.approx(sum(o.months["total"].sum() for o in outcomes))
    for name in ("one.png", "two.png"):
        picture.draw(outcomes, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


@pytest.mark.parametrize("name", TARIFFS)
def test_every_known_tariff_has_a_household(name: str) -> None:
    """On its country's clock, with its holidays and currency, and prices in that currency."""
    if name.startswith("edf-tempo"):  # its days are to be given
        pytest.skip("Tempo's days are called a day ahead; nobody publishes them openly")
    (scenario,) = household.scenarios(household.usual_household([name]), [name], {})
    place = household.PLACES[COUNTRY_OF[name]]
    assert (scenario.data.zone, scenario.data.holidays) == (place.zone, place.code)
    assert scenario.currency == TARIFFS[name].currency
    dataset = dataset_of(scenario)
    assert (dataset.currency, dataset.zone) == (scenario.currency, place.zone)
    year_of_list = household.YEAR.search(name)
    assert year_of_list is not None
    months = year.whole_months(scenario)
    assert str(months[0]) == f"{year_of_list[1]}-01"
    assert len(months) == 12
    notes = household.notes(scenario)
    converted = [note for note in notes if f"{scenario.currency} a SEK" in note]
    assert len(converted) == (scenario.currency != "SEK")


def test_the_sun_stands_where_the_tariff_is() -> None:
    panels = [(("solar", "peak_kw"), 5.0)]
    base = household.usual_household(["spain-2.0td-2025"])
    (madrid,) = household.scenarios(base, ["spain-2.0td-2025"], {}, panels)
    assert (madrid.solar.peak_kw, madrid.solar.latitude_deg) == (5.0, 40.42)
    assert any("40.42 N, -3.7 E" in note for note in household.notes(madrid))
    (stockholm,) = household.scenarios(preset("stockholm"), ["ellevio-2025"], {}, panels)
    assert stockholm.solar.latitude_deg == 59.33


def test_single_parameters_of_the_house_and_of_every_car() -> None:
    changes = {"vehicles": [{"model": "Nissan Leaf 40 kWh"}, {"model": "Renault Zoe R135"}]}
    settings = [(("household", "fuse_a"), 16), (("vehicle", "limit_soc"), 0.8)]
    (scenario,) = household.scenarios(preset("stockholm"), [], changes, settings)
    assert scenario.household.fuse_a == 16.0
    assert [car.limit_soc for car in scenario.vehicles] == [0.8, 0.8]
    assert scenario.tariff == preset("stockholm").tariff


def test_what_cannot_be_compared_or_is_not_there_is_refused() -> None:
    base = preset("stockholm")
    with pytest.raises(ScenarioError, match="elvia-2025 in NOK; allowed: those of one currency"):
        household.scenarios(base, ["ellevio-2025", "elvia-2025"], {})
    with pytest.raises(ScenarioError, match="unknown tariff 'elvio-2025'"):
        household.scenarios(base, ["elvio-2025"], {})
    with pytest.raises(ScenarioError, match="first month is 2030-01; allowed: the series hold 202"):
        year.chosen_months(base, "2030-01", None)
    with pytest.raises(ScenarioError, match="first month is 'spring'; allowed: as YYYY-MM, 2025"):
        year.chosen_months(base, "spring", None)
    with pytest.raises(
        ScenarioError,
        match="3 months are asked for; allowed: up to 2, as the series hold 2025-01 to",
    ):
        year.chosen_months(base, "2025-11", 3)
    market = {"data": {"price": {"market": "SE3"}}}
    with pytest.raises(ScenarioError, match="no first month is given; allowed: a month as YYYY-MM"):
        household.scenarios(base, [], market)


def test_months_of_a_market(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weeks around them are asked for, and the months are those."""
    asked = []

    def prices(area: str, first: date, last: date, *, source: str | None) -> pd.Series[float]:
        asked.append((area, str(first), str(last)))
        begin = pd.Timestamp(first, tz="Europe/Stockholm")
        end = pd.Timestamp(last + timedelta(days=1), tz="Europe/Stockholm")
        hours = pd.date_range(begin, end, freq="h", inclusive="left").tz_convert("UTC")
        values = 0.5 + 0.1 * np.sin(np.arange(len(hours)))
        return pd.Series(values, index=hours, name="price_sek_per_kwh")

    monkeypatch.setattr("ev_gym.markets.prices", prices)
    changes = {"data": {"price": {"market": "SE3"}}}
    base = household.usual_household(["ellevio-2025"])
    args: Any = (base, ["ellevio-2025"], changes, (), "2024-02", 1)
    (scenario,) = household.scenarios(*args)
    months = year.chosen_months(scenario, "2024-02", 1)
    assert asked == [("SE3", "2024-01-29", "2024-03-03")]
    outcome = year.live(scenario, "", "price_based", months, 0)
    assert outcome.months.index.astype(str).tolist() == ["2024-02"]
    bill = outcome.months.iloc[0]
    assert bill["spot"] / bill["import_kwh"] == pytest.approx(0.5, abs=0.05)
    assert bill["taxes"] == pytest.approx(0.428 * bill["import_kwh"])


def test_a_scenario_of_one_s_own_keeps_its_place() -> None:
    """What a file says of clock, prices and car stands; only the tariff is another."""
    own = Scenario.from_dict({"data": {"zone": "Europe/Oslo", "holidays": "NO"}, "days": 7})
    (scenario,) = household.scenarios(own, ["elvia-2025"], {})
    assert scenario.data.zone == "Europe/Oslo"
    assert math.isclose(scenario.data.sek_rate or 0.0, 1.02)


def test_a_parameter_of_the_tariff_leaves_the_rest_of_it() -> None:
    """It is no longer the known one, and says so."""
    settings = [(("tariff", "public_price_per_kwh"), 3.0)]
    for tariffs in ([], ["seom-2026"]):
        own = preset("goteborg-2026").tariff if not tariffs else TARIFFS["seom-2026"]
        (scenario,) = household.scenarios(preset("goteborg-2026"), tariffs, {}, settings)
        name = f"{own.name}, changed"
        assert scenario.tariff == replace(own, name=name, source=None, public_price_per_kwh=3.0)
    with pytest.raises(ScenarioError, match=r"tariff.peaks.count is a part of the list 'peaks'"):
        household.scenarios(preset("stockholm"), [], {}, [(("tariff", "peaks", "count"), 1)])


def test_the_house_s_own_ceiling_is_not_the_cars() -> None:
    """Where nobody charges, the cars add nothing to invoices that a ceiling cuts."""
    low = replace(TARIFFS["fluvius-west-2026"], network_ceiling_per_kwh=0.05)
    base = replace(
        household.usual_household(["fluvius-west-2026"]), currency="EUR", tariff=low,
        data=replace(preset("goteborg-2026").data, sek_rate=0.087),
    )  # fmt: skip
    idle = year.live(base, "", "never", OCTOBER, 0)
    assert idle.ceiling < -1.0
    assert idle.invoiced - idle.house == pytest.approx(0.0, abs=0.02)
    assert idle.cars == pytest.approx(idle.public_cost, abs=0.02)
    assert "a kWh)" not in words.explanation([idle])


def test_prices_that_are_a_supplier_s_own_are_not_multiplied() -> None:
    """Octopus publishes Agile's rates; what makes them of wholesale prices is refused on them."""
    market = {"data": {"price": {"market": "GB-C"}}}
    base = household.usual_household(["octopus-agile-2026"])
    with pytest.raises(
        ScenarioError, match=r"multiplies them by 2.2; allowed: a tariff that takes"
    ):
        household.scenarios(base, ["octopus-agile-2026"], market, (), "2025-03", 1)
    (scenario,) = household.scenarios(base, ["octopus-agile-rates-2026"], market, (), "2025-03", 1)
    assert scenario.data.prices_known == "agile"


def test_money_of_cars_is_not_carried_into_another_currency() -> None:
    worn = Scenario.from_dict({"vehicles": [{"wear_price_per_kwh": 1200}]})
    with pytest.raises(ScenarioError, match=r"is 1200.0 in SEK, but tariff 'wien-2026' is in EUR"):
        household.scenarios(worn, ["wien-2026"], {})


def test_the_first_filling_is_on_no_invoice(outcomes: list[year.Outcome]) -> None:
    """Batteries begin half full; by the first of the month they are as full as on other days."""
    first = outcomes[0]
    assert abs(first.stored_kwh) < 8.0  # 40 km, not half a battery
    assert household.in_words(first.scenario).startswith(f"{first.scenario.vehicles[0].name} (14,6")


def test_a_changed_tariff_is_held_against_the_one_it_was(outcomes: list[year.Outcome]) -> None:
    """As a change of the household; a tariff that is another altogether stands for itself."""
    first = outcomes[0]
    tariff = replace(first.scenario.tariff, name="goteborg-2026, changed")
    other = replace(first.scenario.tariff, name="of one's own")
    dearer, own = (
        first._replace(
            scenario=replace(first.scenario, tariff=each),
            household=text,
            public_cost=first.public_cost + 5.0,
        )
        for each, text in ((tariff, "tariff.x=1"), (other, "tariff={}"))
    )
    assert words.switching([first, dearer, own]) == [
        "tariff.x=1 instead of as it is (goteborg-2026, uncontrolled): 5.00 SEK more"
    ]
