"""The series that a scenario names: built in, or a user's own files.

The files begin on Friday 2024-01-05 00:00 in Stockholm and hold five weeks. The first whole local
Monday is 2024-01-08 00:00, 2024-01-07T23:00Z; four whole weeks follow.
"""

from __future__ import annotations

import dataclasses
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import ev_gym  # noqa: F401  # registers the env
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Data, Price, Scenario, ScenarioError, Tariff, preset
from ev_gym.series.limits import DataError
from ev_gym.series.of_scenario import dataset_of
from ev_gym.simulation.observation import observation_slices
from tests.support.one_day import A_DAY
from tests.support.refusals import refusal

FRIDAY = datetime(2024, 1, 5)
MONDAY = datetime(2024, 1, 7, 23, tzinfo=timezone.utc)
ONLY_FILES: dict[str, Any] = {
    **{"price_file": "my.csv", "load_file": "my.csv", "temperature_file": "my.csv"},
    **{"price_column": "price_sek_per_kwh", "load_zone": "Europe/Paris"},
    **{
        "irradiance_file": "my.csv",
        "temperature_c": 0.0,
        "eur_rate": 11.5,
        "stamp_zone": "Europe/Stockholm",
    },
}

# What of the default tariff is money, in euro.
IN_EURO = {"transfer": 0.005, "taxes": 0.02, "fees": 25.0, "peaks": {"prices": 6.0}}


def write_csv(path: Path, column: str, minutes: int, by_hour: Any, end: str = "") -> str:
    """Five weeks whose value follows the local hour; stamps without offset unless `end` is one."""
    lines = [f"time,{column}"]
    for i in range(35 * 1440 // minutes):
        moment = FRIDAY + timedelta(minutes=minutes * i)
        lines.append(f"{moment:%Y-%m-%dT%H:%M}{end},{by_hour(moment.hour):g}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def own(tmp_path: Path) -> dict[str, Any]:
    """A home owner's parameters: EUR/MWh rising by 1 an hour, kW rising by 0.1, 7 deg C."""
    return {
        "source": "files",
        "price_file": write_csv(tmp_path / "price.csv", "eur_per_mwh", 60, lambda h: 40 + h),
        "load_file": write_csv(tmp_path / "load.csv", "load_kw", 15, lambda h: 1 + h / 10),
        "temperature_c": 7.0,
        "eur_rate": 11.5,
        "stamp_zone": "Europe/Stockholm",
        "start": None,
        "weeks": None,
    }


@pytest.mark.parametrize("source", ["synthetic", "classic"])
@pytest.mark.parametrize("name", ONLY_FILES)
def test_what_the_source_does_not_read_is_refused(source: str, name: str) -> None:
    message = refusal(lambda: Data(source=source, **{name: ONLY_FILES[name]}))
    assert message.startswith(f"Data.{name} is {ONLY_FILES[name]!r}, ")
    assert f"source is {source!r}, not 'files'" in message


@pytest.mark.parametrize("source", ["synthetic", "classic"])
@pytest.mark.parametrize("name", ["start", "weeks"])
def test_built_in_series_need_start_and_weeks(source: str, name: str) -> None:
    message = refusal(lambda: Data(source=source, **{name: None}))
    assert message == f"Data.{name} is None; allowed with source 'files' only"


def test_files_need_prices_loads_and_one_temperature(own: dict[str, Any]) -> None:
    for name in ("price_file", "load_file"):
        message = refusal(lambda name=name: Data(**{**own, name: None}))
        assert message == f"Data.{name} is None; allowed with files: a path"
    none = refusal(lambda: Data(**{**own, "temperature_c": None}))
    assert none.startswith("Data.temperature_file is None and Data.temperature_c is None; allowed")
    both = refusal(lambda: Data(**{**own, "temperature_file": "t.csv"}))
    assert both.startswith("Data.temperature_file is 't.csv' and Data.temperature_c is 7.0; allo")
    assert none.endswith("exactly one of the two")
    assert both.endswith("exactly one of the two")


def test_all_whole_weeks_or_some_of_them(own: dict[str, Any]) -> None:
    whole = dataset_of(Scenario(data=Data(**own)))
    assert (whole.start, whole.weeks, whole.houses) == (MONDAY, 4, 1)
    some = dataset_of(Scenario(data=Data(**{**own, "start": "2024-01-15", "weeks": 2})))
    assert (some.start, some.weeks) == (MONDAY + timedelta(weeks=1), 2)
    rest = dataset_of(Scenario(data=Data(**{**own, "start": "2024-01-15"})))
    assert (rest.start, rest.weeks) == (MONDAY + timedelta(weeks=1), 3)
    assert (Data().start, Data().weeks) == ("2024-12-30", 53)


def test_a_files_scenario_goes_to_and_from_a_dict(own: dict[str, Any]) -> None:
    scenario = Scenario.from_dict({"data": own})
    plain = scenario.to_dict()
    assert {name: plain["data"][name] for name in own} == own
    assert Scenario.from_dict(plain) == scenario


def test_rate_and_stamp_zone_reach_the_reader(own: dict[str, Any]) -> None:
    rate = dataset_of(Scenario(data=Data(**{**own, "eur_rate": 10.0})))
    np.testing.assert_allclose(rate.price_per_kwh[:3], [0.40, 0.41, 0.42], rtol=1e-12)
    with pytest.raises(DataError, match=r"price.csv.*'eur_per_mwh' is not in SEK; needed is eur_r"):
        dataset_of(Scenario(data=Data(**{**own, "eur_rate": None})))
    tariff = Tariff(currency="EUR", taxes=(Price(per_kwh=0.02),))
    data = Data(**{**own, "eur_rate": None})
    euro = dataset_of(Scenario(data=data, currency="EUR", tariff=tariff))
    np.testing.assert_allclose(euro.price_per_kwh[:3], [0.040, 0.041, 0.042], rtol=1e-12)
    assert euro.currency == "EUR"
    with pytest.raises(DataError, match=r"price.csv, row 2: stamp '2024-01-05T00:00' has no offs"):
        dataset_of(Scenario(data=Data(**{**own, "stamp_zone": None})))


def test_temperature_from_a_file_or_constant(own: dict[str, Any], tmp_path: Path) -> None:
    constant = dataset_of(Scenario(data=Data(**{**own, "temperature_c": 0.0})))
    np.testing.assert_array_equal(constant.temperature_c, np.zeros(4 * 168))
    path = write_csv(tmp_path / "t.csv", "temperature_c", 60, lambda h: h - 10)
    changes = {**own, "temperature_c": None, "temperature_file": path}
    measured = dataset_of(Scenario(data=Data(**changes)))
    np.testing.assert_array_equal(measured.temperature_c, np.tile(np.arange(24.0) - 10, 28))


def test_irradiance_from_a_file(own: dict[str, Any], tmp_path: Path) -> None:
    none = dataset_of(Scenario(data=Data(**own)))
    assert none.ghi_w_per_m2 is None
    path = write_csv(
        tmp_path / "sun.csv", "ghi_w_per_m2", 60, lambda h: max(0, 400 - 100 * abs(h - 12))
    )
    data = Data(**{**own, "irradiance_file": path})
    sunny = dataset_of(Scenario(data=data))
    noon = np.maximum(0.0, 400.0 - 100.0 * np.abs(np.arange(24.0) - 12.0))
    np.testing.assert_array_equal(sunny.ghi_w_per_m2, np.tile(noon, 28))
    assert sunny.fingerprint != none.fingerprint
    Path(path).unlink()
    with pytest.raises(FileNotFoundError, match=r"irradiance file not found: .*sun\.csv"):
        dataset_of(Scenario(data=data))


def test_files_relative_to_the_folder(
    own: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relative = Scenario(data=Data(**{**own, "price_file": "price.csv", "load_file": "load.csv"}))
    monkeypatch.delenv("EV_GYM_DATA", raising=False)
    message = refusal(lambda: dataset_of(relative))
    assert message == "EV_GYM_DATA is not set; allowed: the folder that holds price.csv, load.csv"
    monkeypatch.setenv("EV_GYM_DATA", str(tmp_path))
    absolute = dataset_of(Scenario(data=Data(**own)))
    assert dataset_of(relative).fingerprint == absolute.fingerprint


def test_an_edited_file_is_read_anew(own: dict[str, Any]) -> None:
    scenario = Scenario(data=Data(**own))
    first = dataset_of(scenario)
    assert dataset_of(Scenario(data=Data(**own))) is first
    path = Path(own["price_file"])
    before = path.stat()
    write_csv(path, "eur_per_mwh", 60, lambda h: 60 + h)  # of the same size
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    second = dataset_of(scenario)
    np.testing.assert_allclose(second.price_per_kwh, first.price_per_kwh + 0.02 * 11.5, rtol=1e-12)
    edited = path.stat()
    write_csv(path, "eur_per_mwh", 60, lambda h: 100 + h)  # longer, its time set back
    os.utime(path, ns=(edited.st_atime_ns, edited.st_mtime_ns))
    assert dataset_of(scenario).price_per_kwh[0] == pytest.approx(0.1 * 11.5, rel=1e-12)


@pytest.mark.parametrize("role", ["price", "load", "temperature"])
def test_a_missing_file_is_named(own: dict[str, Any], tmp_path: Path, role: str) -> None:
    """Also one that was there when the series were read first."""
    path = write_csv(tmp_path / "temperature.csv", "temperature_c", 60, lambda h: h)
    changes = {**own, "temperature_c": None, "temperature_file": path}
    scenario = Scenario(data=Data(**changes))
    dataset_of(scenario)
    Path(changes[f"{role}_file"]).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{role} file not found: .*{role}\.csv"):
        dataset_of(scenario)


@pytest.mark.parametrize("name", ["stockholm", "classic"])
def test_built_in_series_are_in_sek(name: str) -> None:
    with pytest.raises(ScenarioError, match="prices are in 'SEK'; allowed: the scenario's currenc"):
        EVChargingEnv({"preset": name, "currency": "EUR", "tariff": IN_EURO})
    swedish = dataset_of(preset(name))
    assert swedish.currency == "SEK"
    euro = dataclasses.replace(preset(name), currency="EUR", tariff=Tariff(currency="EUR"))
    assert dataset_of(euro) is swedish


def test_a_home_owners_files_from_end_to_end(own: dict[str, Any]) -> None:
    """An ID.3 charges at noon with 16 A on three phases, of whose 11.04 kW it takes 11.

    Spot 52 EUR/MWh at 11.5 SEK/EUR is 0.598 SEK/kWh; with tax 0.439, transfer 0.05 and VAT 25 %
    1.35875. The house takes 1 + 12 / 10 kW of the 3 x 230 V x 20 A = 13.8 kW.
    """
    driving = {"pattern": "daily", "arrival_h": 0.0, "departure_h": 24.0, "start_soc": 0.2}
    scenario = {
        **A_DAY,
        "data": own,
        "driving": {**driving, "trip_kwh": 0.0},
        "vehicles": [{"model": "Volkswagen ID.3 58 kWh", "chemistry": None}],
        "tariff": {"peaks": [], "taxes": 0.439},
    }
    env = gym.make("EVCharging-v0", scenario=scenario)
    assert isinstance(env.unwrapped, EVChargingEnv)
    observation, _ = env.reset(seed=1, options={"start": "2024-01-10"})
    slices = observation_slices(env.unwrapped.scenario)
    seen = {name: float(observation[place][0]) for name, place in slices.items()}
    all_in = [((40 + h % 24) * 0.0115 + 0.439 + 0.05) * 1.25 for h in range(12, 24)]
    assert all_in[0] == pytest.approx(1.35875, rel=1e-12)
    assert seen["price_per_kwh"] == pytest.approx(1.35875, rel=1e-6)
    known = [seen[f"price_h{h:02d}"] for h in range(12)]
    assert known == pytest.approx(all_in, rel=1e-6)
    assert seen["hours_known"] == 12.0
    assert seen["load_kw"] == pytest.approx(2.2, rel=1e-6)
    assert seen["headroom_kw"] == pytest.approx(13.8 - 2.2, rel=1e-6)
    assert seen["temperature_c"] == 7.0
    _, reward, _, _, info = env.step(np.ones(1, np.float32))
    assert reward == pytest.approx(-11.0 * 0.25 * 1.35875, rel=1e-9)
    assert info["load_kw"] == pytest.approx(2.2, rel=1e-12)
    assert info["grid_kw"] == pytest.approx(13.2, rel=1e-9)
