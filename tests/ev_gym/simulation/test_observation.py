"""The observation's table, its bounds, and that it holds what is known before the step; infos."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ev_gym
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario, as_scenario
from ev_gym.simulation.observation import observation_slices
from ev_gym.simulation.state_fields import REWARD_TERMS, STEP_FIELDS, VEHICLE_STEP_FIELDS
from tests.support.one_day import A_DAY, ONE_DAY, THREE_CARS_DAY, VILLA_DAY
from tests.support.rollouts import THREE_CARS, action_of
from tests.support.small_series import series
from tests.support.tariffs import vat_of

SCENARIOS = ["stockholm", "stockholm-villa", "classic", THREE_CARS]
HEAD = [
    *("hour_sin", "hour_cos", "day_sin", "day_cos", "weekend", "load_kw", "headroom_kw"),
    *("temperature_c", "price_per_kwh", "hours_known"),
]
OF_CARS = [
    *("plugged", "soc", "hours_to_departure", "wanted_soc", "energy_to_wanted_kwh"),
    "available_kw",
]
POWER = [
    *("month_days_left", "peak_kw", "interval_kw", "interval_factor", "power_price_per_kw"),
    *[f"usual_load_kw_h{h:02d}" for h in range(24)],
]
OF_VILLA = ["pv_kw", "export_price_per_kwh", *POWER, "phases", "discharge_kw"]
EXTRAS = {"classic": [], "stockholm-villa": OF_VILLA}  # of each other scenario here: POWER
BY_CAR = {*OF_CARS, "phases", "discharge_kw"}
TERMS = [f"{term}_term" for term in REWARD_TERMS]
INFO = {field.name for field in STEP_FIELDS} - set(TERMS)
CAR_INFO = {field.name for field in VEHICLE_STEP_FIELDS}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_the_table_covers_the_space_once(scenario: Any) -> None:
    """Names and units as promised; the slices tile the space; bounds are the space's and finite."""
    env = EVChargingEnv(scenario)
    fields = ev_gym.observation_fields(scenario)
    cars = len(as_scenario(scenario).vehicles)
    window = [f"price_m{15 * i:04d}" for i in range(144)]
    if scenario == "classic":
        window = [f"price_h{h:02d}" for h in range(36)]
    extras = POWER if isinstance(scenario, dict) else EXTRAS.get(scenario, POWER)
    assert [field.name for field in fields] == [*HEAD, *window, *OF_CARS, *extras]
    covered = np.zeros(env.observation_space.shape, int)
    low, high = env.observation_space.low, env.observation_space.high
    for field in fields:
        covered[field.slice] += 1
        assert field.slice.stop - field.slice.start == (cars if field.name in BY_CAR else 1)
        assert (low[field.slice] == np.float32(field.low)).all()
        assert (high[field.slice] == np.float32(field.high)).all()
        assert field.meaning
        assert -math.inf < field.low < field.high < math.inf
    assert (covered == 1).all()
    units = {field.name: field.unit for field in fields}
    assert {units[name] for name in ("load_kw", "headroom_kw", "available_kw")} == {"kW"}
    assert {units[name] for name in ("price_per_kwh", *window)} == {"SEK/kWh"}
    assert units["temperature_c"] == "deg C"
    assert units["hours_to_departure"] == units["hours_known"] == "h"
    assert units["energy_to_wanted_kwh"] == "kWh"
    in_sek = {"export_price_per_kwh": "SEK/kWh", "power_price_per_kw": "SEK/kW"}
    own = {"pv_kw": "kW", "peak_kw": "kW", "interval_kw": "kW", "discharge_kw": "kW", **in_sek}
    own |= {"month_days_left": "d"} | {name: "kW" for name in POWER if "usual" in name}
    assert {name: units[name] for name in extras if units[name]} == {
        name: unit for name, unit in own.items() if name in extras
    }
    assert units["soc"] == units["plugged"] == units["hour_sin"] == ""


def test_the_table_of_own_series_and_other_windows() -> None:
    scenario = Scenario(price_window_h=5)
    fields = ev_gym.observation_fields(scenario, series(14))
    assert len(fields) == len(HEAD) + 5 + len(OF_CARS) + len(POWER)
    load = next(field for field in fields if field.name == "load_kw")
    assert load.high > load.low > 0.0
    assert EVChargingEnv(scenario, dataset=series(14)).observation_space.shape == (50,)
    assert ev_gym.observation_fields() == ev_gym.observation_fields("stockholm")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_bounds_are_tight_and_true(scenario: Any) -> None:
    """Load, price and temperature reach their bounds somewhere in the series, to a rounding."""
    world = EVChargingEnv(scenario).simulator.world
    fields = {field.name: field for field in ev_gym.observation_fields(scenario)}
    temperature = world.tables.hours["temperature_c"]
    series_of: dict[str, Any] = {
        "load_kw": world.tables.load_kw,
        "price_per_kwh": world.tables.price,
        "temperature_c": temperature,
    }
    if scenario == "stockholm-villa":
        series_of["pv_kw"] = world.tables.pv_kw
        series_of["export_price_per_kwh"] = world.tables.export_price
        assert 7.0 < fields["pv_kw"].high <= 8.001
        assert fields["discharge_kw"].high >= 11.0
    for name, values in series_of.items():
        assert fields[name].low == pytest.approx(values.min(), rel=1e-6, abs=1e-6)
        assert fields[name].high == pytest.approx(values.max(), rel=1e-6, abs=1e-6)
        assert fields[name].low <= values.min()
        assert fields[name].high >= values.max()


def test_a_wish_stands_from_plug_in_to_departure_and_is_not_told_before() -> None:
    """It stays what it is, differs from stay to stay, and what is missing of it is bought."""
    env = EVChargingEnv({"days": 14})
    places = observation_slices(env.scenario)
    observation, _ = env.reset(seed=5)
    wishes: dict[float, float] = {}
    missing = 0
    for _ in range(env.scenario.horizon_steps):
        plugged, hours, wanted, lacks_kwh = (
            float(observation[places[name]][0])
            for name in ("plugged", "hours_to_departure", "wanted_soc", "energy_to_wanted_kwh")
        )
        observation, _, _, _, info = env.step(np.zeros(1, np.float32))
        if plugged:
            departure = info["now_min"] / 60.0 + hours
            assert wishes.setdefault(round(departure, 2), wanted) == wanted
        else:
            assert wanted == lacks_kwh == 0.0
        if plugged and hours <= 0.25:
            assert info["missing_kwh"] == pytest.approx(lacks_kwh, abs=1e-5)
            missing += lacks_kwh > 0.0
    assert len(wishes) > 5
    assert len(set(wishes.values())) > 3
    assert missing > 5


def foretold_power_cost(seen: dict[str, Any], import_kwh: float) -> float:
    """What an import in the coming step adds to the month's power charge, by the observation."""
    names = ("peak_kw", "interval_kw", "interval_factor", "power_price_per_kw")
    peak_kw, interval_kw, factor, price = (float(seen[name][0]) for name in names)
    after_kw = max(peak_kw, interval_kw + factor * import_kwh)
    return price / factor * (after_kw - max(peak_kw, interval_kw))


@pytest.mark.parametrize("scenario", ONE_DAY, ids=str)
def test_an_observation_is_what_is_known_before_the_step(scenario: Any) -> None:
    """What it says of load, price, temperature, plug and SoC is what the next info reports."""
    env = EVChargingEnv(scenario)
    places = observation_slices(env.scenario)
    batteries = np.array([car.battery_kwh for car in env.scenario.vehicles])
    limit_kw = env.scenario.household.limit_kw
    step_h = env.scenario.step_h
    world = env.simulator.world
    slot_min = world.dataset.price_minutes
    assert slot_min == (60 if scenario == "classic" else 15)
    observation, before = env.reset(seed=17)
    away = paid = fed = 0
    for step in range(400):
        seen = {name: observation[place] for name, place in places.items()}
        vehicles = env.simulator.vehicles[0]
        here, wanted = vehicles["plugged"] != 0, vehicles["wanted_soc"].copy()
        now_min = int(env.simulator.households["now_min"][0])
        away += int((~here).sum())
        phases = vehicles["phases"].tolist()
        assert env.observation_space.contains(observation)
        np.testing.assert_array_equal(seen["soc"], np.float32(before["soc"]))
        assert seen["wanted_soc"].tolist() == np.where(here, np.float32(wanted), 0.0).tolist()
        left_h = np.where(here, (vehicles["departure_min"] - now_min) / 60.0, 0.0)
        np.testing.assert_array_equal(seen["hours_to_departure"], np.float32(left_h))
        short_kwh = np.maximum(0.0, wanted * batteries - before["energy_kwh"]) * here
        np.testing.assert_allclose(seen["energy_to_wanted_kwh"], short_kwh, rtol=1e-6, atol=1e-6)
        observation, _, _, truncated, info = env.step(action_of(env, step))
        assert info["now_min"] == now_min
        quarter = now_min % (world.dataset.weeks * 10080) // 15
        house = int(env.simulator.households["house"][0])
        assert info["load_kw"] == world.tables.load_kw[house, quarter]
        assert info["price_per_kwh"] == world.tables.price[15 * quarter // slot_min]
        assert seen["load_kw"][0] == np.float32(info["load_kw"])
        assert seen["headroom_kw"][0] == np.float32(limit_kw - info["load_kw"] + info["pv_kw"])
        assert seen["price_per_kwh"][0] == np.float32(info["price_per_kwh"])
        assert seen["temperature_c"][0] == np.float32(info["temperature_c"])
        assert seen["plugged"].tolist() == here.tolist() == info["plugged"].tolist()
        assert (info["charge_kw"] <= seen["available_kw"] + 1e-5).all()
        if "peak_kw" in seen:
            assert info["power_cost"] == pytest.approx(
                foretold_power_cost(seen, max(0.0, info["grid_kw"]) * step_h), abs=1e-3
            )
            paid += info["power_cost"] > 0.0
        if "pv_kw" in seen:
            assert seen["pv_kw"][0] == np.float32(info["pv_kw"])
            assert seen["export_price_per_kwh"][0] == np.float32(info["export_price_per_kwh"])
            assert (-info["charge_kw"] <= seen["discharge_kw"] + 1e-5).all()
            assert seen["phases"].tolist() == phases
            fed += info["charge_kw"].min() < 0.0
        before = info
        if truncated:
            observation, before = env.reset()
    assert away > 50 or scenario == "classic"
    assert (paid > 5) == (scenario != "classic")
    assert (fed > 5) == (scenario == VILLA_DAY)


@pytest.mark.parametrize("scenario", ONE_DAY, ids=str)
def test_infos_hold_the_declared_names(scenario: Any) -> None:
    """Of a reset too, where no money has flowed; vehicles' results have shape (K,)."""
    env = EVChargingEnv(scenario)
    cars = len(env.scenario.vehicles)
    _, info = env.reset(seed=23)
    rewards = [0.0]
    infos = [info]
    for step in range(96):
        _, reward, _, _, info = env.step(action_of(env, step))
        rewards.append(reward)
        infos.append(info)
    for reward, info in zip(rewards, infos, strict=True):
        assert set(info) == INFO | CAR_INFO | {"reward_terms", "settlement"}
        assert tuple(info["reward_terms"]) == REWARD_TERMS
        assert sum(info["reward_terms"].values()) == pytest.approx(reward, rel=1e-12, abs=1e-15)
        for name in INFO:
            assert type(info[name]) is (int if name == "now_min" else float), name
        for name in CAR_INFO:
            assert (info[name].shape, info[name].dtype) == ((cars,), np.float64), name
    quiet = ("grid_kw", "overload_kw", "energy_cost", "house_cost", "missing_kwh", "public_kwh")
    assert [infos[0][name] for name in quiet] == [0.0] * len(quiet)
    for name in ("charge_kw", "stored_kwh", "loss_kwh", "topup_kwh", "current_a", "trip_kwh"):
        assert not infos[0][name].any()


@pytest.mark.parametrize("scenario", ONE_DAY, ids=str)
def test_history_is_the_infos_as_a_table(scenario: Any) -> None:
    """A row a step in local time, a column a field (a column each of several cars)."""
    env = EVChargingEnv(scenario)
    cars = len(env.scenario.vehicles)
    env.reset(seed=29)
    env.step(action_of(env, 0))
    _, start = env.reset()
    assert len(env.history) == 0
    infos, rewards = [], []
    for step in range(96):
        _, reward, _, _, info = env.step(action_of(env, step))
        infos.append(info)
        rewards.append(reward)
    table = env.history
    ends = [""] if cars == 1 else [f"_{k}" for k in range(cars)]
    columns = [f.name for f in STEP_FIELDS if f.name not in TERMS]
    columns += [f"{f.name}{end}" for f in VEHICLE_STEP_FIELDS for end in ends]
    assert table.columns.tolist() == [*columns, *TERMS, "reward"]
    for name in INFO:
        assert table[name].tolist() == [info[name] for info in infos]
    for name in CAR_INFO:
        for k, end in enumerate(ends):
            assert table[f"{name}{end}"].tolist() == [info[name][k] for info in infos]
    for term in REWARD_TERMS:
        assert table[f"{term}_term"].tolist() == [i["reward_terms"][term] for i in infos]
    assert table["reward"].tolist() == rewards
    dataset = env.simulator.world.dataset
    first = pd.Timestamp(dataset.start) + pd.Timedelta(minutes=start["now_min"])
    wanted = pd.date_range(first, periods=96, freq="15min").tz_convert(dataset.zone)
    assert table.index.tolist() == wanted.tolist()
    assert isinstance(table.index, pd.DatetimeIndex)
    assert (table.index.name, str(table.index.tz)) == ("time", dataset.zone)
    table.iloc[:, :] = 0
    assert env.history["reward"].tolist() == rewards


@pytest.mark.parametrize(
    "scenario", [{**A_DAY, "days": 2}, "classic", {**THREE_CARS_DAY, "tariff": {"vat": 0.1}}]
)
def test_settlement_by_hand(scenario: Any) -> None:
    """The change in stored energy at the mean price of the cheapest quarter of the hours."""
    env = EVChargingEnv(scenario)
    tariff, dataset = env.scenario.tariff, env.simulator.world.dataset
    seen = set()
    for seed in range(4):
        _, start = env.reset(seed=seed)
        truncated, step = False, 0
        while not truncated:
            _, _, _, truncated, info = env.step(action_of(env, step))
            step += 1
        # Sweden's tax of 2025, and Ellevio's transfer.
        added = 0.439 + 0.05 if tariff.taxes else 0.0
        first, count = start["now_min"] // 60, 24 * env.scenario.days
        hourly = dataset.price_per_kwh.reshape(-1, 60 // dataset.price_minutes).mean(axis=1)
        spot = np.take(hourly, range(first, first + count), mode="wrap")
        cheapest = sorted((p + added) * (1 + vat_of(tariff)) for p in spot.tolist())[: count // 4]
        price = math.fsum(cheapest) / len(cheapest)
        gained_kwh = math.fsum(info["energy_kwh"]) - math.fsum(start["energy_kwh"])
        assert info["settlement"] == pytest.approx(gained_kwh * price, abs=1e-9)
        seen.add(round(info["settlement"], 6))
    assert len(seen) > 1 or scenario == "classic"
