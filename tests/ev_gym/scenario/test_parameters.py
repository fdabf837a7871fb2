"""Declared parameters: every impossible value is refused in clear words, every bound is allowed."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ev_gym.scenario import (
    CalledDays,
    CarbonSource,
    Charger,
    ContractedPower,
    Data,
    Driving,
    Fee,
    Household,
    PeakPrice,
    PeakRule,
    Price,
    PriceSource,
    RewardWeights,
    Scenario,
    SeriesFile,
    Share,
    Solar,
    Tariff,
    Vehicle,
    Weight,
)
from ev_gym.scenario.parameters import table_of
from ev_gym.scenario.series_source import PARTS as DATA_PARTS
from ev_gym.scenario.vehicle import DAILY
from tests.support.refusals import refusal

ROWS = (Price, Fee, Share, PeakRule, PeakPrice, Weight, ContractedPower, CalledDays)
PARTS: tuple[type, ...] = (
    *ROWS,
    Household,
    Charger,
    Vehicle,
    Driving,
    Tariff,
    Solar,
    Data,
    SeriesFile,
    PriceSource,
    CarbonSource,
    RewardWeights,
    Scenario,
)
DECLARED = [
    pytest.param(kind, field, id=f"{kind.__name__}.{field.name}")
    for kind in PARTS
    for field in dataclasses.fields(kind)
    if field.metadata
]


def impossible(rule: Any) -> list[Any]:
    """Values that a declared parameter must refuse, from its declaration."""
    wrong: list[Any]
    if "rows" in rule:
        return ["x", (5,), (Household(),), None]
    if "section" in rule:
        return [5, "daily", {}, Household()]
    if "allowed" in rule:
        wrong = [None, "no such thing", 7.5, float(rule["allowed"][-1] == 1), []]
        return [v for v in wrong if not any(v is a for a in rule["allowed"])]
    if rule.get("text"):
        wrong = ["", 5, True, ["SEK"], b"SEK", "x" * (rule["text"] + 1)]
        if rule.get("many"):
            return [*((value,) for value in wrong), ("x",) * (rule["many"] + 1), 5, None]
        return wrong if rule["optional"] else [*wrong, None]
    low, high = rule["low"], rule["high"]
    step = 1 if rule.get("whole") else 1e-6
    wrong = [low - step, high + step * max(1, high), math.nan, math.inf, -math.inf, True]
    wrong += ["1", 10**400, 1j, np.bool_(True), object]
    wrong += [0.5 * (low + high) + 0.25] if rule.get("whole") else []
    if rule.get("many"):
        wrong = [(low, value) for value in wrong] + [low, "ab", {low}, (low,) * (rule["many"] + 1)]
    return wrong if rule.get("optional") else [*wrong, None]


@pytest.mark.parametrize(("kind", "field"), DECLARED)
def test_impossible_values_are_refused(kind: type, field: Any) -> None:
    """Each message names the parameter, the value it was given, and the declared bounds."""
    rule = field.metadata
    for value in impossible(rule):
        message = refusal(lambda value=value: kind(**{field.name: value}))
        assert message.startswith(f"{kind.__name__}.{field.name} is {value!r}; allowed: ")
        allowed = message.split("; allowed: ")[1]
        if "low" in rule:
            assert f"from {rule['low']:g} to {rule['high']:g} {rule['unit']}".rstrip() in allowed
            assert ("whole number" in allowed) == bool(rule.get("whole"))
        for known in rule.get("allowed", ()):
            assert repr(known) in allowed
        assert allowed.endswith(", or None") == bool(rule.get("optional"))


def test_a_word_stands_for_a_list_of_one() -> None:
    """`--set data.load.sum_columns=Import` says what a file's list of one column says."""
    assert SeriesFile("x.csv", sum_columns="Import") == SeriesFile("x.csv", sum_columns=("Import",))


def files_if_needed(given: dict[str, Any]) -> Data:
    """The data as given; where that needs files, with such, and a temperature of either kind."""
    files = {"source": "files", "price_file": "x.csv", "load_file": "x.csv"}
    if given.keys() & {*DATA_PARTS, "sek_rate"}:
        return Data(**given)
    if given.get("source", "files") == "files":
        temperature = {"temperature_file": "x.csv"} if given.get("temperature_c") is None else {}
        if given.get("temperature_file", "x") is None:
            temperature = {"temperature_c": 5.0}
        unset = {"price_file", "load_file"} & {k for k, value in given.items() if value is None}
        return Data(**given) if unset else Data(**{**files, **temperature, **given})
    return Data(**given)


@pytest.mark.parametrize(("kind", "field"), DECLARED)
def test_bounds_themselves_are_allowed(kind: type, field: Any) -> None:
    """What a message allows is taken, with the few companions that some values need."""
    rule = field.metadata
    company: dict[str, dict[str, Any]] = {
        "Tariff.credits_up_to_kwh": {"credits": (Price(per_kwh=-1.0),)},
        "Tariff.network_ceiling_per_kwh": {"transfer": 0.1},
        "PeakPrice.steps_kw": {"steps_price": (1.0, 2.0)},
        "PeakPrice.steps_price": {"steps_kw": (0.0, 2.0)},
        **{
            f"PeakRule.{field.name}": {"prices": 1.0}
            for field in dataclasses.fields(PeakRule)
            if field.name != "prices"
        },
        **{f"Driving.{name}": {"pattern": "daily"} for name in DAILY},
        "Vehicle.wanted_soc": {"min_soc": 0.0},
        "Vehicle.min_soc": {"wanted_soc": 1.0},
        "Vehicle.limit_soc": {"min_soc": 0.0, "wanted_soc": 0.0},
        "Charger.switch_pause_min": {"phase_switching": True},
        "Charger.switch_hold_min": {"phase_switching": True},
        **{f"Solar.{own.name}": {"peak_kw": 5.0} for own in dataclasses.fields(Solar)},
        "Solar.peak_kw": {},
        "Household.export_limit_kw": {"connection_kw": 500.0, "fuse_a": None},
        "Household.fuse_a": {"connection_kw": 500.0},
        "Scenario.currency": {"tariff": Tariff(currency="EUR")},
    }
    name = f"{kind.__name__}.{field.name}"
    bounds: dict[str, tuple[Any, ...]] = {
        "PeakPrice.steps_kw": ((0.0, 2.0), [0, 2]),
        "PeakPrice.steps_price": ((1.0, 2.0), [1, 1]),
        "Vehicle.driving": (Driving(), Driving(pattern="daily")),
        "Data.carbon": (CarbonSource(path="x.csv"), CarbonSource(market="DE-LU")),
        "Data.price": ("builtin", PriceSource(path="x.csv"), PriceSource(market="SE3")),
        **{
            f"Data.{part}": ("builtin", SeriesFile(path="x.csv", sum_columns=["a", "b"]))
            for part in ("load", "temperature", "sun")
        },
    }
    if "rows" in rule:
        one = {PeakRule: PeakRule(prices=1.0)}.get(rule["rows"]) or rule["rows"]()  # type: ignore[arg-type]  # a number for a list
        bounds[name] = ((one,),) if name == "PeakRule.prices" else ((), (one,))
    values = bounds.get(name, rule.get("allowed") or (rule.get("low"), rule.get("high")))
    if rule.get("text") or rule.get("many"):
        special = {
            "Data.zone": ("UTC", "Asia/Kolkata"),
            "Data.start": ("1900-01-01", "2198-12-24"),
            "Driving.routine_shares": ((0.0, 0.25, 0.75), [1, 0, 0]),
            "Household.line_shares": ((0.0, 0.25, 0.75), [1, 0, 0]),
            "Charger.levels_kw": ((0, 7.4), [0.0, 3.7, 100.0], tuple(range(100))),
            "Scenario.currency": ("EUR",),
            "Tariff.currency": ("SEK", "EUR"),
            "CalledDays.begins": ("00:00", "23:45"),
            "CalledDays.days": ("2025-01-01", "2025-01-01 2025-12-31"),
            **{
                f"{row.__name__}.{name}": known
                for row in ROWS
                for name, known in (
                    ("from_time", ("00:00", "23:45")),
                    ("to_time", ("00:15", "24:00")),
                    ("valid_from", ("2025-01-01", "2025-12-01")),
                )
            },
        }
        if name.startswith("PeakPrice.steps"):
            others: tuple[Any, ...] = bounds[name]
        elif rule.get("many") and rule.get("text"):
            others = (["a", "b"], ("x" * rule["text"],) * rule["many"])
        elif rule.get("many"):
            others = ((rule["low"], rule["high"]), (rule["low"],) * rule["many"])
        else:
            others = ("x", "x" * rule["text"])
        values = special.get(name, others)
    for value in (*values, *([None] if rule.get("optional") else [])):
        alone = value is None and name.startswith("PeakPrice.steps")
        with_value = {field.name: value, **({} if alone else company.get(name, {}))}
        part = files_if_needed(with_value) if kind is Data else kind(**with_value)
        wanted = tuple(value) if isinstance(value, list) else value
        assert getattr(part, field.name) == wanted


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Household(fuse_a=16.0, export_limit_kw=11.5),
            "export_limit_kw is 11.5; allowed: at most what the connection carries, 11.04 kW",
        ),
        (
            lambda: Household(fuse_a=25.0, connection_kw=11.0, export_limit_kw=11.5),
            "export_limit_kw is 11.5; allowed: at most what the connection carries, 11 kW",
        ),
        (
            lambda: Household(fuse_a=None),
            "Household.fuse_a is None and Household.connection_kw is None; allowed: None for",
        ),
        (lambda: Driving(routine_shares=(0.5, 0.5)), "three shares that add up to 1"),
        (lambda: Driving(routine_shares=(0.5, 0.4, 0.2)), "Driving.routine_shares is (0.5, 0.4"),
        (lambda: Charger(levels_kw=(0.0,)), "at least two rising levels from 0"),
        (lambda: Charger(levels_kw=(1.0, 7.4)), "Charger.levels_kw is (1.0, 7.4)"),
        (lambda: Charger(levels_kw=(0.0, 7.4, 7.4)), "rising"),
        (lambda: Charger(levels_kw=(0.0, 7.4), bidirectional=True), "Charger.bidirectional is Tru"),
        (lambda: Charger(levels_kw=(0.0, 7.4), phase_switching=True), "because levels_kw is given"),
        (lambda: Charger(phases=1, phase_switching=True), "Charger.phases is 1; allowed: 3 phases"),
        (lambda: Charger(switch_hold_min=5), "no effect because phase_switching is False"),
        (
            lambda: Vehicle(min_soc=0.9, wanted_soc=0.8),
            "Vehicle.min_soc is 0.9; allowed: at most wanted_soc, 0.8",
        ),
        (
            lambda: Vehicle(limit_soc=0.7, wanted_soc=0.8),
            "Vehicle.wanted_soc is 0.8; allowed: at most limit_soc, 0.7",
        ),
        (
            lambda: Vehicle(min_soc=0.9, limit_soc=0.7),
            "Vehicle.min_soc is 0.9; allowed: at most limit_soc, 0.7",
        ),
        (lambda: Vehicle(wanted_soc="trip"), "a number from 0 to 1, or 'trips'"),
        (
            lambda: Vehicle(chemistry="lead"),
            "allowed: one of 'nmc622', 'lfp', 'nca', 'nmc111', None",
        ),
        (
            lambda: Vehicle(chemistry=None, battery_age_years=5.0),
            "Vehicle.battery_age_years is 5.0, which has no effect because chemistry is None",
        ),
        (lambda: Vehicle(chemistry=None, wear_price_per_kwh=5.0), "Vehicle.wear_price_per_kwh is"),
        (
            lambda: Driving(pattern="daily", trip_km=50.0, trip_kwh=8.0),
            "Driving.trip_km is 50.0, which has no effect because trip_kwh is given",
        ),
        (lambda: Solar(tilt_deg=40.0), "Solar.tilt_deg is 40.0, which has no effect because peak_"),
        (lambda: Household(line_shares=(0.5, 0.5)), "Household.line_shares is (0.5, 0.5); allowed"),
        (lambda: Household(line_shares=(0.5, 0.5, 0.5)), "each of the 3 phases, together 1"),
        (lambda: Household(phases=1, line_shares=(0.5, 0.5, 0.0)), "each of the 1 phases"),
        (
            lambda: Household(fuse_a=10.0, export_limit_kw=7.0),
            "Household.export_limit_kw is 7.0; allowed: at most what the connection carries",
        ),
        (lambda: Data(zone="Europe/Stokholm"), "Data.zone is 'Europe/Stokholm'; allowed: an IANA"),
        (lambda: Data(zone="/etc"), "Data.zone is '/etc'"),
        (lambda: Data(start="2023-01-03"), "Data.start is '2023-01-03'; allowed: a Monday"),
        (lambda: Data(start="monday"), "Data.start is 'monday'"),
        (lambda: Data(start="0001-01-01"), "Data.start is '0001-01-01' and Data.weeks is 53; "),
        (lambda: Data(start="1899-12-25"), "allowed: series from 1900-01-01 to 2200-01-01"),
        (lambda: Data(start="9999-12-27", weeks=1), "Data.start is '9999-12-27'"),
        (lambda: Data(start="2199-12-30", weeks=1), "Data.start is '2199-12-30'"),
        (lambda: Data(start="2190-01-04", weeks=1000), "and Data.weeks is 1000; allowed: series"),
        (lambda: Data(sun=SeriesFile()), "Data.sun is SeriesFile(path=None, "),
        (lambda: Data(sun=SeriesFile()), "allowed: one with a path"),
        (
            lambda: SeriesFile(counter=True, stamp_marks="end"),
            "SeriesFile.stamp_marks is 'end', which has no effect because a counter's reading is",
        ),
        (lambda: Data(price=PriceSource()), "allowed: one with a path or a market, not both"),
        (lambda: Data(price=PriceSource(market="SE3", path="x")), "a path or a market, not both"),
        (
            lambda: Data(price=PriceSource(market="SE3", decimal=",")),
            "PriceSource.decimal is ',', which has no effect because market is given",
        ),
        (
            lambda: Data(price=PriceSource(path="x.csv", provider="entsoe")),
            "PriceSource.provider is 'entsoe', which has no effect because market is None",
        ),
        (lambda: Data(carbon=CarbonSource()), "allowed: one with a path or a market, not both"),
        (
            lambda: Data(carbon=CarbonSource(market="DE-LU", decimal=",")),
            "CarbonSource.decimal is ',', which has no effect because market is given",
        ),
        (
            lambda: Data(carbon=CarbonSource(path="x.csv", provider="energy-charts")),
            "CarbonSource.provider is 'energy-charts', which has no effect because market is None",
        ),
        (
            lambda: Data(source="classic", carbon=CarbonSource(market="DE-LU")),
            "which has no effect because source is 'classic'",
        ),
        (lambda: Data(carbon="builtin"), "Data.carbon is 'builtin'; allowed: a CarbonSource, or N"),
        (
            lambda: Data(price=PriceSource(market="SE3"), weeks=None),
            "Data.weeks is None; allowed with a file of prices, or with built-in prices and a file",
        ),
        (
            lambda: Data(source="classic", sun="builtin"),
            "Data.sun is 'builtin', which has no effect because source is 'classic'",
        ),
        (
            lambda: Data(sek_rate=0.09, price=PriceSource(path="x.csv")),
            "Data.sek_rate is 0.09, which has no effect because prices are not built in",
        ),
        (
            lambda: Data(source="files", load_file="x", temperature_c=5.0, temperature="builtin"),
            "Data.temperature_c is 5.0, which has no effect because temperature is given",
        ),
        (lambda: Data(source="files"), "Data.price_file is None; allowed with files: a path"),
        (lambda: Scenario(currency="kronor"), "Scenario.currency is 'kronor'; allowed: a three-"),
        (lambda: Scenario(vehicles=()), "Scenario.vehicles holds 0; allowed: 1 to 8 vehicles"),
        (lambda: Scenario(vehicles=(Vehicle(),) * 9), "Scenario.vehicles holds 9"),
        (lambda: Scenario(vehicles=[Vehicle()]), "Scenario.vehicles is [Vehicle("),  # type: ignore[arg-type]
        (lambda: Scenario(vehicles=(5,)), "Scenario.vehicles is (5,); allowed: a tuple"),  # type: ignore[arg-type]
        (lambda: Scenario(household={}), "Scenario.household is {}; allowed: a Household"),  # type: ignore[arg-type]
        (lambda: Scenario(charger=None), "Scenario.charger is None; allowed: a Charger"),  # type: ignore[arg-type]
        (lambda: Scenario(tariff=Driving()), "allowed: a Tariff"),  # type: ignore[arg-type]
        (lambda: Scenario(solar=None), "Scenario.solar is None; allowed: a Solar"),  # type: ignore[arg-type]
        (
            lambda: Scenario(charger=Charger(count=2)),
            "Charger.count is 2; allowed: at most one for each of the 1 vehicles",
        ),
        (
            lambda: Scenario(
                household=Household(phases=1),
                charger=Charger(phases=1),
                vehicles=(Vehicle(line=2),),
            ),
            "Vehicle.line is 2, but Household.phases is 1; allowed: a line that the house has",
        ),
    ],
)
def test_impossible_combinations_are_refused(make: Any, said: str) -> None:
    assert said in refusal(make)


def test_cars_that_cannot_charge_at_the_charger_are_refused() -> None:
    slow = Vehicle(name="slow", phases=3, ac_max_kw=3.0)
    message = refusal(lambda: Scenario(vehicles=(slow,)))
    assert message.startswith("vehicle 'slow' takes 5 A on 3 phases (ac_max_kw is 3.0)")
    assert "at least 6 A" in message
    hungry = Vehicle(name="hungry", ac_max_kw=1.0, eta=0.5, aux_kw=0.6)
    levels = Charger(levels_kw=(0.0, 7.4))
    message = refusal(lambda: Scenario(vehicles=(hungry,), charger=levels))
    assert "'hungry' needs aux_kw 0.6 and gets 1 kW" in message


def test_equal_scenarios_have_one_fingerprint() -> None:
    """However a number was written: 20 or 20.0, -0.0 or 0.0, NumPy's or Python's."""
    base = Scenario()
    same = [
        Scenario(household=Household(fuse_a=20)),
        Scenario(household=Household(fuse_a=np.float64(20))),
        Scenario(charger=Charger(max_current_a=np.int64(16))),
        replace(base, tariff=replace(base.tariff, vat=[Share(share=0.25)])),
    ]
    for scenario in same:
        assert scenario == base
        assert scenario.fingerprint() == base.fingerprint()
    zero = Scenario(tariff=Tariff(vat=0.0))
    assert Scenario(tariff=Tariff(vat=-0.0)).fingerprint() == zero.fingerprint()


def test_tables_of_parameters() -> None:
    """Every field of every part is declared with a meaning; the table says what is allowed."""
    for kind in PARTS[:-1]:
        assert [row["name"] for row in table_of(kind)] == [f.name for f in dataclasses.fields(kind)]
    rows = {row["name"]: row for kind in PARTS for row in table_of(kind)}
    assert all(row["meaning"] for row in rows.values())
    assert rows["fuse_a"] == {
        "name": "fuse_a",
        "default": 20.0,
        "unit": "A",
        "meaning": "main fuse, per phase; None, with connection_kw only: no fuse",
        "allowed": "a number from 6 to 200 A, or None",
    }
    assert rows["time_step_min"]["allowed"] == "one of 1, 5, 15, 30, 60"


def test_an_inverter_is_as_large_as_the_modules_unless_it_is_given() -> None:
    assert Solar().limit_kw == 0.0
    assert Solar(peak_kw=8.0).limit_kw == 8.0
    assert Solar(peak_kw=8.0, inverter_kw=6.0).limit_kw == 6.0
