"""The series that a scenario names: built in, or a user's own files.

The files begin on Friday 2024-01-05 00:00 in Stockholm and hold five weeks. The first whole local
Monday is 2024-01-08 00:00, 2024-01-07T23:00Z; four whole weeks follow.
"""

from __future__ import annotations

import dataclasses
import json
import os
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

import ev_gym  # noqa: F401  # registers the env
from baselines.cli.options import named_scenario
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Data, Household, Price, Scenario, ScenarioError, Tariff, preset
from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError
from ev_gym.series.of_scenario import dataset_of, worlds_of
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
    assert message.startswith(f"Data.{name} is None; allowed with a file of prices, or with built")


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


def test_a_net_load_from_files(own: dict[str, Any], tmp_path: Path) -> None:
    """-1 kW rising by 0.1: below 0 for ten hours, which only a net load may be."""
    own["load_file"] = write_csv(tmp_path / "net.csv", "load_kw", 15, lambda h: h / 10 - 1)
    with pytest.raises(DataError, match=r"-1 kW; allowed is 0 to 100 kW.*\(`net_load`\)\."):
        dataset_of(Scenario(data=Data(**own)))
    scenario = Scenario(data=Data(**own), household=Household(net_load=True))
    assert dataset_of(scenario).load_kw[0, :5] == pytest.approx([-1, -1, -1, -1, -0.9])
    own["load_file"] = write_csv(tmp_path / "large.csv", "load_kw", 15, lambda h: -101.0)
    with pytest.raises(DataError, match="allowed is -100 to 100 kW"):
        dataset_of(Scenario(data=Data(**own), household=Household(net_load=True)))


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


# Each part by itself.


def part_of(path: str, **options: Any) -> dict[str, Any]:
    return {"path": path, "stamp_zone": "Europe/Stockholm", **options}


def test_own_prices_with_built_in_house_weather_and_sky(own: dict[str, Any]) -> None:
    """The prices set the calendar; the rest is what the generator makes for it."""
    data = {"price": part_of(own["price_file"]), "eur_rate": 11.5, "start": None, "weeks": None}
    mixed = dataset_of(Scenario.from_dict({"data": data}))
    built_in = dataset_of(Scenario(data=Data(start="2024-01-08", weeks=4)))
    assert (mixed.start, mixed.weeks, mixed.price_minutes) == (MONDAY, 4, 60)
    np.testing.assert_allclose(mixed.price_per_kwh[:2], [0.46, 0.4715])
    np.testing.assert_array_equal(mixed.load_kw, built_in.load_kw)
    np.testing.assert_array_equal(mixed.temperature_c, built_in.temperature_c)
    np.testing.assert_array_equal(mixed.clearness, built_in.clearness)


def test_own_load_and_sun_with_built_in_prices(own: dict[str, Any], tmp_path: Path) -> None:
    sun = write_csv(tmp_path / "sun.csv", "ghi_w_per_m2", 60, lambda h: 10 * h)
    data = {"load": part_of(own["load_file"]), "sun": part_of(sun)}
    both = {"data": {**data, "start": "2024-01-15", "weeks": 2}}
    mixed = dataset_of(Scenario.from_dict(both))
    built_in = dataset_of(Scenario(data=Data(start="2024-01-15", weeks=2)))
    np.testing.assert_array_equal(mixed.price_per_kwh, built_in.price_per_kwh)
    np.testing.assert_array_equal(mixed.temperature_c, built_in.temperature_c)
    np.testing.assert_allclose(
        mixed.load_kw[0, 96 * 3 : 96 * 4], np.repeat(1 + np.arange(24) / 10, 4)
    )
    np.testing.assert_array_equal(mixed.ghi_w_per_m2[:24], 10.0 * np.arange(24))
    assert mixed.clearness is None
    assert worlds_of(Scenario.from_dict(both), "train") == (0,)  # one world, split by weeks
    assert EVChargingEnv({**A_DAY, **both}, split="train").reset(seed=3)[0].size > 0


def test_files_with_built_in_parts(own: dict[str, Any]) -> None:
    """Of the files' source, the parts that are given are replaced; the sky is built in, too."""
    data = {**own, "load_file": None, "load": "builtin", "sun": "builtin"}
    mixed = dataset_of(Scenario.from_dict({"data": data}))
    built_in = dataset_of(Scenario(data=Data(start="2024-01-08", weeks=4)))
    np.testing.assert_array_equal(mixed.load_kw, built_in.load_kw)
    np.testing.assert_array_equal(mixed.clearness, built_in.clearness)
    np.testing.assert_array_equal(mixed.temperature_c, np.full(4 * 168, 7.0))
    plain = Scenario.from_dict({"data": data}).to_dict()
    assert plain["data"]["sun"] == "builtin"
    assert dataset_of(Scenario.from_dict(plain)) is mixed


def test_built_in_prices_in_another_currency() -> None:
    tariff = Tariff(currency="EUR", taxes=(Price(per_kwh=0.02),))
    data = Data(sek_rate=0.09, weeks=1)
    euro = dataset_of(Scenario(data=data, currency="EUR", tariff=tariff))
    swedish = dataset_of(Scenario(data=Data(weeks=1)))
    assert euro.currency == "EUR"
    np.testing.assert_allclose(euro.price_per_kwh, 0.09 * swedish.price_per_kwh)


def test_prices_of_a_market(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are asked for by area and days; hours of a day with 25 are in order."""
    asked = []

    def prices(area: str, first: date, last: date, *, source: str | None) -> pd.Series[float]:
        asked.append((area, first, last, source))
        begin, end = (pd.Timestamp(day, tz="Europe/Stockholm") for day in (first, last))
        hours = pd.date_range(begin, end + pd.Timedelta(days=1), freq="h", inclusive="left")
        values = 30.0 + np.arange(hours.size) / 10
        return pd.Series(values, index=hours.tz_convert("UTC"), name="price_eur_per_mwh")

    monkeypatch.setattr("ev_gym.markets.prices", prices)
    data = {"price": {"market": "SE3", "provider": "energidataservice"}, "eur_rate": 11.5}
    scenario = Scenario.from_dict({"data": {**data, "start": "2024-10-21", "weeks": 2}})
    series = dataset_of(scenario)
    area, first, last, source = asked[0]
    assert (area, source) == ("SE3", "energidataservice")
    assert (str(first), str(last)) == ("2024-10-21", "2024-11-03")
    np.testing.assert_allclose(series.price_per_kwh, (30.0 + np.arange(336) / 10) * 11.5 / 1000)
    assert dataset_of(scenario) is series
    assert len(asked) == 1
    # In London the Monday begins an hour later than on the market; in Helsinki an hour earlier.
    for zone, days in (
        ("Europe/London", ("2024-11-04", "2024-11-18")),
        ("Europe/Helsinki", ("2024-11-03", "2024-11-17")),
    ):
        there = {**data, "zone": zone, "start": "2024-11-04", "weeks": 2}
        dataset_of(Scenario.from_dict({"data": there}))
        assert tuple(map(str, asked[-1][1:3])) == days
    with pytest.raises(ScenarioError, match=r"PriceSource.market is 'SE9'.*; allowed: SE1, "):
        dataset_of(Scenario.from_dict({"data": {"price": {"market": "SE9"}, "eur_rate": 11.5}}))


# Carbon intensity, which is only reported.


def test_carbon_of_a_file_beside_built_in_series(tmp_path: Path) -> None:
    """It changes no series, no worlds and no episode; each world has the same."""
    path = write_csv(tmp_path / "co2.csv", "carbon_g_per_kwh", 60, lambda h: 10 * h)
    plain = {"start": "2024-01-08", "weeks": 4}
    bare = Scenario.from_dict({"data": plain})
    green = Scenario.from_dict({"data": {**plain, "carbon": part_of(path)}})
    assert bare.fingerprint() != green.fingerprint()
    for world in (0, 1):
        without, found = dataset_of(bare, world), dataset_of(green, world)
        np.testing.assert_array_equal(found.carbon_g_per_kwh, np.tile(10.0 * np.arange(24), 28))
        assert without.carbon_g_per_kwh is None
        rest = dataclasses.replace(found, carbon_g_per_kwh=None)
        assert rest.fingerprint == without.fingerprint != found.fingerprint
    for split in (None, "train", "test"):
        assert worlds_of(green, split) == worlds_of(bare, split)
    envs = [EVChargingEnv({**A_DAY, "data": own.to_dict()["data"]}) for own in (bare, green)]
    seen = [env.reset(seed=5)[0] for env in envs]
    np.testing.assert_array_equal(*seen)
    for _ in range(96):
        (one, reward, *_), (other, same, *_) = (env.step(env.action_space.high) for env in envs)
        np.testing.assert_array_equal(one, other)
        assert reward == same
    assert green.data.own_parts == ("carbon",)


@pytest.mark.parametrize(
    ("minutes", "kept", "values"),
    [(60, 168, [0, 1]), (30, 336, [0, 0]), (15, 672, [0, 0]), (5, 672, [0, 0])],
)
def test_carbon_keeps_its_own_intervals(
    own: dict[str, Any], tmp_path: Path, minutes: int, kept: int, values: list[float]
) -> None:
    path = write_csv(tmp_path / "co2.csv", "carbon_g_per_kwh", minutes, lambda h: h)
    series = dataset_of(Scenario.from_dict({"data": {**own, "carbon": {"path": path}}}))
    assert series.carbon_g_per_kwh.size == 4 * kept
    assert series.carbon_g_per_kwh[:2].tolist() == values


def test_carbon_is_refused_as_all_others_are(own: dict[str, Any], tmp_path: Path) -> None:
    def refused(lines: list[str], **options: Any) -> str:
        path = tmp_path / "co2.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        data = {**own, "carbon": {"path": str(path), **options}}
        with pytest.raises(DataError) as error:
            dataset_of(Scenario.from_dict({"data": data}))
        return str(error.value)

    good = Path(write_csv(tmp_path / "good.csv", "carbon_g_per_kwh", 60, lambda h: 300))
    lines = good.read_text(encoding="utf-8").splitlines()
    assert "gap" in refused(lines[:100] + lines[101:])
    assert "= 2500 is 2500 g/kWh; allowed is 0 to 2000 g/kWh" in refused(
        [*lines[:9], lines[9].replace(",300", ",2500"), *lines[10:]]
    )
    message = refused(["time,carbon", *lines[1:]])
    assert (
        "no known carbon unit in ['carbon']; allowed is a name that ends in _g_per_kwh" in message
    )
    named = {"path": str(tmp_path / "co2.csv"), "columns": ["carbon"], "unit": "g_per_kwh"}
    series = dataset_of(Scenario.from_dict({"data": {**own, "carbon": named}}))
    assert set(series.carbon_g_per_kwh) == {300.0}
    assert "lacks 168 hours from" in refused(lines[: 24 * (35 - 11) + 1])
    assert "a whole part of 15" in refused([lines[0], *lines[1::2]])


def test_carbon_of_a_year_before_is_paired_by_position(tmp_path: Path) -> None:
    """Every Monday 0, Tuesday 1 and so on, of all of 2023."""
    hours = pd.date_range("2022-12-31", "2024-01-02", freq="h", tz="Europe/Stockholm")
    days = pd.Series(hours.day_of_week, index=hours.tz_convert("UTC"), name="carbon_g_per_kwh")
    path = tmp_path / "co2.csv"
    days.to_csv(path, index_label="timestamp_utc")
    data = {"start": "2025-03-03", "weeks": 1, "carbon": {"path": str(path)}}
    series = dataset_of(Scenario.from_dict({"data": data}))
    np.testing.assert_array_equal(series.carbon_g_per_kwh, np.repeat(np.arange(7.0), 24))


def test_carbon_of_a_market(own: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for the days of the calendar, which prices of a file set."""
    asked = []

    def carbon(area: str, first: date, last: date, *, source: str | None) -> pd.Series[float]:
        asked.append((area, str(first), str(last), source))
        begin, end = (pd.Timestamp(day, tz="Europe/Berlin") for day in (first, last))
        quarters = pd.date_range(begin, end + pd.Timedelta(days=1), freq="15min", inclusive="left")
        values = 300.0 + np.arange(quarters.size) % 4
        return pd.Series(values, index=quarters.tz_convert("UTC"), name="carbon_g_per_kwh")

    monkeypatch.setattr("ev_gym.markets.carbon_g_per_kwh", carbon)
    source = {"market": "DE-LU", "provider": "energy-charts"}
    series = dataset_of(Scenario.from_dict({"data": {**own, "carbon": source}}))
    assert asked == [("DE-LU", "2024-01-08", "2024-02-04", "energy-charts")]
    np.testing.assert_array_equal(series.carbon_g_per_kwh, np.tile(300.0 + np.arange(4), 4 * 168))
    with pytest.raises(ScenarioError, match=r"CarbonSource.market is 'DE'; allowed: SE1, "):
        dataset_of(Scenario.from_dict({"data": {**own, "carbon": {"market": "DE"}}}))


def test_carbon_from_python(own: dict[str, Any], tmp_path: Path) -> None:
    path = write_csv(tmp_path / "co2.csv", "carbon_g_per_kwh", 60, lambda h: h, end="Z")
    common = {"temperature": 7.0, "eur_rate": 11.5, "stamp_zone": "Europe/Stockholm"}
    files = Dataset.from_csv(own["price_file"], own["load_file"], carbon=path, **common)
    index = pd.date_range("2024-01-05", periods=35 * 24, freq="h", tz="UTC")
    carbon = pd.Series(index.hour, index=index, name="carbon_g_per_kwh")
    price = pd.Series(0.5, index=index, name="price_sek_per_kwh")
    load = pd.Series(1.0, index=index, name="load_kw")
    frames = Dataset.from_frame(price, load, 7.0, carbon=carbon)
    assert files.carbon_g_per_kwh[:3].tolist() == [23.0, 0.0, 1.0]  # 00:00 in Stockholm is 23:00Z
    np.testing.assert_array_equal(frames.carbon_g_per_kwh, files.carbon_g_per_kwh)


def test_files_beside_the_scenario(
    own: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EV_GYM_DATA", raising=False)
    data = {**own, "price_file": "price.csv", "load_file": None}
    data["load"] = {"path": "load.csv", "pair": "position"}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"data": data}), encoding="utf-8")
    scenario = named_scenario(str(path))
    assert scenario.name == "mine"
    absolute = Scenario(data=Data(**own))
    assert dataset_of(scenario).fingerprint == dataset_of(absolute).fingerprint
    (tmp_path / "elsewhere").mkdir()
    write_csv(tmp_path / "elsewhere/price.csv", "eur_per_mwh", 60, lambda h: 90 - h)
    with monkeypatch.context() as patch:  # a file beside the scenario goes before that folder's
        patch.setenv("EV_GYM_DATA", str(tmp_path / "elsewhere"))
        beside = dataset_of(named_scenario(str(path)))
    assert beside.fingerprint == dataset_of(absolute).fingerprint
    path.write_text(json.dumps({"data": {**data, "price_file": "no.csv"}}), encoding="utf-8")
    message = refusal(lambda: dataset_of(named_scenario(str(path))))
    assert message.startswith("EV_GYM_DATA is not set; allowed: the folder that holds no.csv, ")
