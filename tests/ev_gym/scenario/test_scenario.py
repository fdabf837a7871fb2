"""Scenarios: presets, overrides, round trips, hashes, known cars, the constants of `classic`."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest

import ev_gym
from ev_gym.scenario import (
    Charger,
    Driving,
    Household,
    RewardWeights,
    Scenario,
    Solar,
    Tariff,
    Vehicle,
    as_scenario,
    preset,
    preset_names,
)
from ev_gym.scenario.known_tariffs import TARIFFS
from ev_gym.scenario.scenario import preset_summary
from ev_gym.scenario.series_source import CARBON, FLAT_FILES, OF_ANY_FILE, PARTS
from ev_gym.scenario.vehicle import DAILY
from ev_gym.series.of_scenario import dataset_of
from tests.support.refusals import refusal
from tests.support.tariffs import SWEDISH_FLAT

CLASSIC_PRICES_ORE = [
    *(85.28, 70.86, 68.01, 67.95, 68.01, 85.04, 87.86, 100.26, 118.45, 116.61, 105.93, 91.95),
    *(90.51, 90.34, 90.80, 88.85, 90.39, 99.03, 87.11, 82.9, 80.45, 76.48, 32.00, 34.29),
]
CLASSIC_LOADS_KW = [
    *(0.88, 0.77, 2.2, 1.98, 2.75, 3.85, 4.51, 3.74, 3.85, 4.4, 4.73, 6.16),
    *(4.62, 3.74, 3.52, 3.63, 5.83, 11.0, 8.91, 6.05, 4.29, 2.64, 1.87, 0.99),
]


def as_json(scenario: Scenario) -> Any:
    return json.loads(json.dumps(scenario.to_dict()))


def test_presets_by_name() -> None:
    expected = ["stockholm", "stockholm-villa", "stockholm-measured", "goteborg-2026", "classic"]
    assert list(preset_names()) == expected
    for name in preset_names():
        assert as_scenario(name) == preset(name) == ev_gym.preset(name)
        assert preset(name).name == name
        assert preset_summary(name).endswith(".")
    assert dataclasses.replace(Scenario(), days="month", start_hour=0) == preset("stockholm")
    assert as_scenario(preset("classic")) == preset("classic")
    message = refusal(lambda: as_scenario("stokholm"))
    assert message.startswith("unknown scenario 'stokholm' (did you mean 'stockholm'?); presets: ")
    assert all(name in message for name in preset_names())
    for wrong in (5, None, ["stockholm"], Household()):
        assert refusal(lambda w=wrong: as_scenario(w)).startswith(f"scenario is {wrong!r}; allowed")
    for wrong in ([], {}, None, 3):
        said = refusal(lambda w=wrong: as_scenario({"preset": w}))
        assert said.startswith(f"unknown scenario {wrong!r}")


@pytest.mark.parametrize("name", preset_names())
def test_dict_round_trip(name: str) -> None:
    """Through JSON text and back it is the same scenario, with the same hashes."""
    scenario = preset(name)
    for given in (as_json(scenario), {"preset": "classic", **as_json(scenario)}):
        again = Scenario.from_dict(given)
        assert again == scenario
        assert hash(again) == hash(scenario)
        assert again.fingerprint() == scenario.fingerprint()
    assert Scenario.from_dict({"preset": name}) == scenario
    for same in (copy.deepcopy(scenario), pickle.loads(pickle.dumps(scenario))):
        assert same == scenario
        assert same.fingerprint() == scenario.fingerprint()


def paths(plain: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all parameters in a plain dict; of the vehicles, those of the first."""
    if isinstance(plain, dict):
        return [place for key in plain for place in paths(plain[key], (*path, key))]
    if path == ("vehicles",):
        return paths(plain[0], (*path, 0))
    return [path]


# Parameters that are read only in the company of others.
COMPANY: dict[str, dict[str, Any]] = {
    **{name: {"pattern": "daily"} for name in DAILY},
    **{field.name: {"peak_kw": 5.0} for field in dataclasses.fields(Solar)},
    **{key: {"phase_switching": True} for key in ("switch_pause_min", "switch_hold_min")},
    "peak_kw": {},
    "credits_up_to_kwh": {"credits": -0.1},
}

MONEY_IN_EURO = {"transfer": 0.01, "taxes": 0.1, "fees": 20, "peaks": {"prices": 6}}

OTHER: dict[str, Any] = {
    "wanted_soc": 0.5,
    **{"name": "another", "phases": 1, "levels_kw": [0, 5], "load_management": False},
    **{"pattern": "daily", "routine_shares": [1, 0, 0]},
    **{"source": "classic", "zone": "UTC", "holidays": "NO"},
    **{"start": "2024-01-01", "currency": "EUR", "time_step_min": 60, "connection_kw": 9},
    **{"annual_kwh": 9000, "export_limit_kw": 5, "line_shares": [0.5, 0.3, 0.2]},
    **{
        "peak_kw": 4,
        "inverter_kw": 4,
        "curtail_below_price": 0,
        "net_load": True,
        "count": 1,
        "bidirectional": True,
    },
    **{"dimming": 3, "phase_switching": True, "line": 3, "priority": 5, "chemistry": "lfp"},
    **{"driving": {"pattern": "daily"}, "trip_kwh": 5, "wear_price_per_kwh": 900},
    **{"energy": 0.3, "transfer": 0.2, "taxes": 0.1, "levy": 0.05, "credits": -0.1, "vat": 0.1},
    **{"credits_up_to_kwh": 900, "fees": 9, "contracts": {"kw": 9}, "export": 0.1},
    **{"peaks": {"prices": 9}, "called_days": {"days": "2025-01-01"}, "netting": "none"},
    **{"network_ceiling_per_kwh": 0.3, "public_price_per_kwh": 4, "public_stop_cost": 9},
    **{"overload_price_per_kwh": 3},
    **dict.fromkeys(
        ("price_file", "load_file", "load_zone", "temperature_file", "irradiance_file"), "y.csv"
    ),
    **{"temperature_c": 5, "eur_rate": 11, "stamp_zone": "UTC"},
    **{"price_column": "price", "ac_max_kw": 10, "min_soc": 0.2, "eta": 0.9, "days": 7},
    **{"seed": 7, "price_window": "hourly", "prices_known": "agile"},
    **{part: {"path": "z.csv", "counter": True} for part in (*PARTS, CARBON)},
    "sek_rate": 0.1,
    "complete_weeks": True,
}


def test_hash_changes_with_every_parameter() -> None:
    """Each parameter in turn gets another value; all scenarios and fingerprints differ."""
    base = Scenario()
    seen = {base.fingerprint()}
    places = paths(base.to_dict())
    places.remove(("tariff", "currency"))  # which is the scenario's
    for place in places:
        plain = as_json(base)
        owner = plain
        for key in place[:-1]:
            owner = owner[key]
        name, old = place[-1], owner[place[-1]]
        if name in OTHER:
            owner[name] = OTHER[name]
        else:
            owner[name] = old - 1 if isinstance(old, int) else old * 0.95
        owner.update(COMPANY.get(name, {}))
        if place[0] == "data" and name in {*sum(FLAT_FILES.values(), OF_ANY_FILE)}:
            owner.update({"source": "files", "price_file": "x.csv", "load_file": "x.csv"})
            owner["temperature_file"] = None if name == "temperature_c" else "x.csv"
            owner[name] = OTHER[name]
        if place == ("household", "phases"):
            plain["charger"]["phases"] = 1
        if name == "one_phase_max_a":
            plain["charger"]["phase_switching"] = True
        if name in ("currency", "sek_rate"):
            plain.update({"currency": "EUR", "tariff": {**MONEY_IN_EURO, "currency": "EUR"}})
        changed = Scenario.from_dict(plain)
        assert changed != base, place
        seen.add(changed.fingerprint())
    assert len(seen) == 1 + len(places)
    two = dataclasses.replace(base, vehicles=base.vehicles * 2)
    assert two.fingerprint() not in seen


def test_without_carbon_the_hash_is_that_of_before_it_was_known() -> None:
    plain = Scenario().to_dict()
    assert plain["data"].pop("carbon") is None
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    assert Scenario().fingerprint() == digest


def test_frozen_and_hashable() -> None:
    scenario = Scenario()
    for part in (scenario, scenario.household, scenario.vehicles[0], scenario.tariff):
        name = dataclasses.fields(part)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, name, "changed")
    assert {scenario: 1}[Scenario()] == 1
    assert len({preset(name) for name in preset_names()}) == 5


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"houshold": {}}, "unknown key 'houshold' in the scenario (did you mean 'household'?)"),
        (
            {"household": {"fuse": 16}},
            "in the scenario.household (did you mean 'fuse_a'?);",
        ),
        ({"charger": {"max_current": 16}}, "in the scenario.charger (did you mean 'max_current_a'"),
        ({"vehicles": [{"batery_kwh": 50}]}, "in the scenario.vehicles (did you mean 'battery_kwh"),
        ({"vehicles": [{"model": "Fiat", "soc": 1}]}, "unknown key 'soc' in vehicle 'Fiat'"),
        ({"vehicles": [{"model": "Fiat", 5: 1}]}, "unknown key 5 in vehicle 'Fiat'"),
        ({"vehicles": [{"model": "Fjat"}]}, "unknown vehicle model 'Fjat'; nearest: Fiat 500e"),
        ({"driving": {"patern": "daily"}}, "in the scenario.driving (did you mean 'pattern'?)"),
        ({"tariff": {"moms": 0.25}}, "unknown key 'moms' in the scenario.tariff; allowed: name, "),
        ({"data": {"week": 5}}, "in the scenario.data (did you mean 'weeks'?)"),
        ({"reward_weights": {"mising": 2}}, "in the scenario.reward_weights (did you mean 'miss"),
        ({7: 1}, "unknown key 7 in the scenario"),
        ({"household": 5}, "the scenario.household is 5; allowed: a dict of its parameters"),
        ({"household": None}, "the scenario.household is None"),
        ({"vehicles": {"name": "x"}}, "vehicles is {'name': 'x'}; allowed: a list of dicts"),
        ({"vehicles": [5]}, "vehicle is 5; allowed: a dict of parameters, or"),
        ({"vehicles": []}, "Scenario.vehicles holds 0"),
        ({"household": {"fuse_a": 0}}, "Household.fuse_a is 0; allowed: a number from 6 to 200 A"),
    ],
)
def test_overrides_that_are_refused(changes: dict[Any, Any], said: str) -> None:
    for given in (changes, {"preset": "classic", **changes}):
        assert said in refusal(lambda given=given: as_scenario(given))


def test_a_current_on_one_phase_that_nothing_reads_is_refused() -> None:
    """Without switching, and for a car that has one phase; with two or three it is read."""
    switching = Charger(phase_switching=True)
    narrow = Vehicle(one_phase_max_a=16)
    for phases in (2, 3):
        car = dataclasses.replace(narrow, phases=phases)
        assert Scenario(charger=switching, vehicles=(car,)).vehicles == (car,)
    one = Vehicle(phases=1, ac_max_kw=3.68, one_phase_max_a=16)
    levels = Charger(levels_kw=(0.0, 7.4))
    for charger, car, why in (
        (Charger(), narrow, "Charger.phase_switching is False"),
        (levels, narrow, "Charger.phase_switching is False"),
        (switching, one, "the vehicle has 1 phase"),
    ):
        said = refusal(lambda charger=charger, car=car: Scenario(charger=charger, vehicles=(car,)))
        assert f"one_phase_max_a is 16, which has no effect because {why}; allowed then: 32" in said


def test_overrides_on_a_preset() -> None:
    """Only what is named changes, and the caller's dict stays as it was."""
    changes = {"preset": "classic", "days": 2, "charger": {"load_management": True}}
    kept = copy.deepcopy(changes)
    scenario = as_scenario(changes)
    assert changes == kept
    charger = dataclasses.replace(preset("classic").charger, load_management=True)
    assert scenario == dataclasses.replace(preset("classic"), days=2, charger=charger)
    default = preset("stockholm")
    assert as_scenario({"days": 2}) == dataclasses.replace(default, days=2)
    whole = as_scenario({"tariff": SWEDISH_FLAT, "vehicles": [Vehicle()]})
    assert whole == dataclasses.replace(default, tariff=SWEDISH_FLAT, vehicles=(Vehicle(),))


def test_vehicles_by_dict_and_by_model() -> None:
    """A plain dict starts from the preset's first car, one with `model` from that known car."""
    own = preset("classic").vehicles[0]
    given = [
        {"wanted_soc": 0.9},
        {"model": "Renault Zoe", "name": "ours", "min_soc": 0.2},
        Vehicle.model("Fiat 500e"),
    ]
    scenario = as_scenario({"preset": "classic", "vehicles": given})
    zoe = Vehicle("ours", 52.0, 3, 22.0, eta=0.941, aux_kw=0.422, min_soc=0.2, kwh_per_100km=17.4)
    assert scenario.vehicles == (
        dataclasses.replace(own, wanted_soc=0.9),
        zoe,
        Vehicle.model("Fiat 500e"),
    )
    assert "Vehicle.min_soc is 2" in refusal(lambda: Vehicle.model("Renault Zoe", min_soc=2))


def test_classic_is_the_teaching_servers_household() -> None:
    """Every constant of that server, written down here once more."""
    classic = preset("classic")
    (car,) = classic.vehicles
    assert (car.battery_kwh, car.eta, car.aux_kw, car.taper_from_soc) == (46.3, 1.0, 0.0, 1.0)
    assert (car.wanted_soc, car.ac_max_kw) == (0.8, 7.4)
    assert classic.driving.start_soc * car.battery_kwh == pytest.approx(9.26, abs=1e-12)
    assert classic.charger.levels_kw == (0.0, 7.4)
    assert classic.charger.load_management is False
    assert classic.household.limit_kw == 11.0
    driving, tariff = classic.driving, classic.tariff
    assert (driving.pattern, driving.arrival_h, driving.departure_h) == ("daily", 0.0, 24.0)
    assert tariff == Tariff(name="classic", public_stop_cost=0.0, overload_price_per_kwh=0.0)
    assert (tariff.overload_price, tariff.public_energy_price) == (0.0, 5.0)
    assert (classic.time_step_min, classic.start_hour, classic.days) == (15, 0, 1)
    assert classic.horizon_steps == 96
    assert classic.currency == "SEK"
    assert (car.chemistry, driving.trip_kwh, classic.solar.peak_kw) == (None, 0.0, 0.0)
    assert (tariff.peaks, classic.charger.bidirectional) == ((), False)
    data = dataset_of(classic)
    assert (100 * data.price_per_kwh).tolist() == pytest.approx(CLASSIC_PRICES_ORE * 7, abs=1e-12)
    assert data.load_kw[:, ::4].tolist() == [CLASSIC_LOADS_KW * 7]
    for quarter in range(1, 4):
        np.testing.assert_array_equal(data.load_kw[:, quarter::4], data.load_kw[:, ::4])


def test_stockholm_is_the_default() -> None:
    scenario = Scenario()
    assert scenario.household.limit_kw == pytest.approx(3 * 230 * 20 / 1000)
    assert scenario.data.houses == 16
    assert (scenario.time_step_min, scenario.start_hour, scenario.days) == (15, 12, 1)
    assert scenario.price_window_h == 36
    assert scenario.horizon_steps == 96
    assert scenario.reward_weights == RewardWeights(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    months = preset("stockholm")
    assert (months.start_hour, months.days, months.horizon_steps) == (0, "month", 4 * 745)


def test_stockholm_and_its_villa() -> None:
    """One car, Ellevio, heat and ageing; the villa adds PV, V2G and a second car, no more."""
    plain, villa = preset("stockholm"), preset("stockholm-villa")
    for scenario in (plain, villa):
        assert scenario.tariff == TARIFFS["ellevio-2025"]
        assert all(car.chemistry == "nmc622" for car in scenario.vehicles)
        assert all(car.wear_price_in("SEK") == 1200.0 for car in scenario.vehicles)
    assert (len(plain.vehicles), plain.solar.peak_kw, plain.charger.bidirectional) == (1, 0, False)
    assert len(villa.vehicles) == 2
    assert (villa.solar.peak_kw, villa.solar.limit_kw) == (10.0, 8.0)
    assert villa.charger == Charger(bidirectional=True, phase_switching=True)
    same = {"household": plain.household, "solar": plain.solar, "charger": plain.charger}
    assert dataclasses.replace(villa, name=plain.name, vehicles=plain.vehicles, **same) == plain


def test_tariffs_by_name_and_a_driving_of_ones_own() -> None:
    """A tariff's name stands for the whole of it; a dict changes the preset's."""
    for name, known in TARIFFS.items():
        assert as_scenario({"tariff": name}).tariff == known
        scenario = as_scenario({"preset": "classic", "tariff": name})
        assert (scenario.tariff, scenario.currency) == (known, known.currency)
    changed = as_scenario({"tariff": {"peaks": []}}).tariff
    own = {"name": "own", "source": None, "peaks": ()}
    assert changed == dataclasses.replace(TARIFFS["ellevio-2025"], **own)
    said = refusal(lambda: as_scenario({"tariff": "elevio"}))
    assert said.startswith("unknown tariff 'elevio' (did you mean 'ellevio-2025'?); tariffs: ")
    own = {"pattern": "daily", "trip_km": 70}
    cars = as_scenario({"vehicles": [{}, {"driving": own}, {"driving": None}]}).vehicles
    daily = Driving(pattern="daily", trip_km=70.0)
    assert [car.driving for car in cars] == [None, daily, None]
    said = refusal(lambda: as_scenario({"vehicles": [{"driving": {"trip": 70}}]}))
    assert said.startswith("unknown key 'trip' in the scenario.vehicles.driving (did you mean")
    said = refusal(lambda: as_scenario({"vehicles": [{"driving": "daily"}]}))
    assert said == "Vehicle.driving is 'daily'; allowed: a Driving, or None"


def test_measured_preset_needs_its_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EV_GYM_DATA", raising=False)
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_, **__: tmp_path)
    message = refusal(lambda: dataset_of(preset("stockholm-measured")))
    assert message.startswith("EV_GYM_DATA is not set; allowed: the folder that holds ")
    data = preset("stockholm-measured").data
    for name in (data.price_file, data.load_file, data.temperature_file):
        assert str(name) in message
    monkeypatch.setenv("EV_GYM_DATA", "no-such-folder")
    with pytest.raises(FileNotFoundError, match="no-such-folder"):
        dataset_of(preset("stockholm-measured"))


def test_what_would_have_no_effect_is_refused() -> None:
    """Instead of being silently ignored: the hours of another pattern, of a flat tariff."""
    said = refusal(lambda: as_scenario({"driving": {"arrival_h": 20}}))
    assert said.startswith("Driving.arrival_h is 20.0, which has no effect because pattern is 'rou")
    said = refusal(lambda: as_scenario({"preset": "classic", "charger": {"max_current_a": 32}}))
    assert said.startswith("Charger.max_current_a is 32, which has no effect because levels_kw")
    said = refusal(lambda: as_scenario({"household": {"phases": 1}}))
    assert said == (
        "Charger.phases is 3, but Household.phases is 1; allowed: no more phases than the house has"
    )
    said = refusal(lambda: as_scenario({"vehicles": ["Renault Zoe"]}))
    assert said == (
        "vehicle is 'Renault Zoe'; allowed: a dict of parameters, or {'model': 'Renault Zoe'}"
    )
    assert refusal(lambda: Scenario.from_dict([1])) == (  # type: ignore[arg-type]
        "scenario is [1]; allowed: a dict of overrides"
    )
