"""Heat and ageing in the life of a household: what warms the pack, when wear is booked, its price.

The pack's equation and the ageing models have tests of their own; here a plain replay of an
episode's results must give the same numbers.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from ev_gym.env import EVChargingEnv
from ev_gym.physics import ageing, thermal
from ev_gym.runtime.compiling import as_records
from ev_gym.scenario import Charger, Driving, RewardWeights, Scenario, Tariff, Vehicle
from ev_gym.simulation.state_fields import VEHICLE_DTYPE
from tests.support.scenario_strategies import SERIES, Episode, run_case, some_actions

NIGHTLY = Driving(pattern="daily", arrival_h=17.0, departure_h=7.0, trip_km=60.0)
CARS = (
    Vehicle(chemistry="nmc622", battery_age_years=0.0),
    Vehicle(chemistry="lfp", battery_kwh=40.0, battery_age_years=5.0, wear_price_per_kwh=900.0),
    Vehicle(chemistry="nca", battery_kwh=80.0, driving=dataclasses.replace(NIGHTLY, trip_km=300.0)),
    Vehicle(chemistry="nmc111", battery_age_years=8.0, eta=0.8),
    Vehicle(chemistry=None, driving=NIGHTLY),
)
SCENARIO = Scenario(
    vehicles=CARS,
    charger=Charger(bidirectional=True),
    driving=NIGHTLY,
    tariff=Tariff(),
    days=4,
    start_hour=15,
)
AGED = tuple(k for k, car in enumerate(CARS) if car.chemistry is not None)


def life_of(scenario: Scenario = SCENARIO) -> Episode:
    """Four days with random charging and discharging."""
    return run_case(scenario, "hourly", 3)


def losses_before(car: Vehicle) -> tuple[float, float]:
    """Calendar and cycle loss with which the car begins."""
    assert car.chemistry is not None
    return ageing.losses_at_age(ageing.CHEMISTRIES[car.chemistry], car.battery_age_years)


def test_the_pack_takes_a_quarter_of_the_losses_and_the_air_the_rest() -> None:
    """Followed step by step from a pack that stood in the cold; without ageing it is as the air."""
    life = life_of()
    world = life.env.simulator.world
    hour = int(life.infos[0]["now_min"]) // 60
    air_c = life.of("temperature_c")
    for k, car in enumerate(CARS):
        if k not in AGED:
            assert life.of("pack_c")[:, k].tolist() == air_c.tolist()
            continue
        pack_c = float(world.tables.hours["standing_c"][hour])
        constants = thermal.constants(car.battery_kwh, 0.25)
        for step, info in enumerate(life.infos):
            heat_kwh = 0.25 * info["loss_kwh"][k]
            pack_c, _ = thermal.warm(pack_c, air_c[step], heat_kwh, *constants)
            assert info["pack_c"][k] == pytest.approx(pack_c, abs=1e-9), (k, step)
    wasteful = life.of("pack_c")[:, 3] - life.of("pack_c")[:, 0]
    assert wasteful.max() > 1.0


def test_wear_is_booked_when_each_24_hours_are_over() -> None:
    """In the last step of each 24 h of the episode, the very last included, and in no other."""
    life = life_of()
    wear_kwh = life.of("wear_kwh")
    booked = np.zeros(4 * 96, bool)
    booked[95::96] = True
    assert life.truncated[-1]
    for k in range(len(CARS)):
        assert np.array_equal(wear_kwh[:, k] > 0.0, booked & (k in AGED))
    assert np.array_equal(life.term("wear") < 0.0, booked)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_wear_costs_its_price_and_health_falls_by_it(weight: float) -> None:
    """The term is minus the capacity lost times its price; health counts the same capacity."""
    life = life_of(dataclasses.replace(SCENARIO, reward_weights=RewardWeights(wear=weight)))
    wear_kwh, health = life.of("wear_kwh"), life.of("health")
    prices = [car.wear_price_in("SEK") for car in CARS]
    assert life.term("wear") == pytest.approx(-weight * (wear_kwh @ np.array(prices)), abs=1e-12)
    for k, car in enumerate(CARS):
        if k not in AGED:
            assert set(health[:, k]) == {1.0}
            continue
        before = 1.0 - sum(losses_before(car))
        # The usable battery is that of a car as old as this one: the new one had more.
        new_kwh = car.battery_kwh / before
        fallen = before - np.cumsum(wear_kwh[:, k]) / new_kwh
        assert health[:, k] == pytest.approx(fallen, abs=1e-12)
        assert (before == 1.0) == (car.battery_age_years == 0.0)


@pytest.mark.parametrize("k", AGED)
def test_wear_is_that_of_the_model(k: int) -> None:
    """The ageing model alone is fed with each step's SoC, charging time, temperature and jumps.

    A trip and a top-up are jumps, which take no time; a departure comes before the return.
    """
    life, car = life_of(), CARS[k]
    chemistry = ageing.CHEMISTRIES[str(car.chemistry)]
    record = as_records(np.zeros(1, VEHICLE_DTYPE))[0]
    soc = life.before_kwh[0, k] / car.battery_kwh
    calendar_loss, cycle_loss = losses_before(car)
    ageing.begin(record, calendar_loss, cycle_loss, soc)
    constants = thermal.constants(car.battery_kwh, 0.25)
    hour = int(life.infos[0]["now_min"]) // 60
    pack_c = float(life.env.simulator.world.tables.hours["standing_c"][hour])
    booked = []
    for step, info in enumerate(life.infos):
        heat_kwh = 0.25 * info["loss_kwh"][k]
        pack_c, mean_c = thermal.warm(pack_c, info["temperature_c"], heat_kwh, *constants)
        after = soc + info["stored_kwh"][k] / car.battery_kwh
        power_kw = 0.23 * info["phases"][k] * abs(info["current_a"][k])
        on_h = 0.0
        if info["charge_kw"][k] != 0.0:
            on_h = 0.25 * abs(info["charge_kw"][k]) / min(power_kw, car.ac_max_kw)
        ageing.add_step(record, chemistry, soc, after, on_h, mean_c, 0.25)
        soc = after
        if life.home[step, k] != life.home[step + 1, k]:
            moved = info["energy_kwh"][k] / car.battery_kwh
            ageing.add_jump(record, soc, moved)
            soc = moved
        if (step + 1) % 96 == 0:
            booked.append(ageing.end_day(record, chemistry, soc))
    new_kwh = car.battery_kwh / (1.0 - calendar_loss - cycle_loss)
    expected = [lost * new_kwh for lost in booked]
    assert life.of("wear_kwh")[95::96, k].tolist() == pytest.approx(expected, rel=1e-9)


def wear_of(step_min: int, cars: tuple[Vehicle, ...], charges: bool) -> Any:
    """Wear of four days (4, K) at full power, or without charging at home."""
    charger = Charger(load_management=False)
    scenario = Scenario(
        vehicles=cars, driving=NIGHTLY, charger=charger, time_step_min=step_min, days=4
    )
    env = EVChargingEnv(scenario, dataset=SERIES["constant"])
    env.reset(seed=1, options={"start": "2023-03-21"})
    actions = np.full((scenario.horizon_steps, len(cars)), float(charges), np.float32)
    infos = [env.step(action)[4] for action in actions]
    wear_kwh = np.array([info["wear_kwh"] for info in infos])
    return wear_kwh[wear_kwh.any(axis=1)]


@pytest.mark.parametrize("charges", [True, False])
def test_wear_does_not_depend_on_the_time_step(charges: bool) -> None:
    """An hour, two halves or four quarters agree to one or two parts in a thousand.

    They do not agree to rounding: stress is not linear in SoC and temperature, of which a step
    knows the mean, and in the taper a step counts its charge as lasting as long as full power would
    need.
    """
    cars = CARS[:4]
    hour, half, quarter = (wear_of(step_min, cars, charges) for step_min in (60, 30, 15))
    assert hour.shape == (4, 4)
    assert hour.min() > 1e-4
    assert half == pytest.approx(hour, rel=2e-3)
    assert quarter == pytest.approx(half, rel=1e-3)


def test_heat_and_charge_make_wear() -> None:
    """In the same air a full car wears more than one at half; so does one that is cycled."""
    parked = Driving(pattern="daily", arrival_h=12.0, departure_h=11.75, trip_km=0.0)
    car = Vehicle(driving=parked, wanted_soc=0.0, min_soc=0.0)
    scenario = Scenario(vehicles=(car, car, car), charger=Charger(bidirectional=True), days=1)
    env = EVChargingEnv(scenario, dataset=SERIES["hourly"])
    _, start = env.reset(seed=0, options={"soc": [0.5, 1.0, 0.5]})
    for step in range(96):
        info = env.step(np.array([0.0, 0.0, 1.0 if step % 16 < 8 else -1.0], np.float32))[4]
    half, full, cycled = info["wear_kwh"]
    assert half < full
    assert half < cycled
    assert start["health"].tolist() == pytest.approx([1.0 - sum(losses_before(car))] * 3)


def test_a_reset_shows_health_and_temperature() -> None:
    """Those of the battery at the start: no wear, as warm as one that stood outdoors."""
    env = EVChargingEnv(SCENARIO, dataset=SERIES["hourly"])
    _, info = env.reset(seed=8)
    hour = int(info["now_min"]) // 60
    assert info["wear_kwh"].tolist() == [0.0] * len(CARS)
    standing_c = float(env.simulator.world.tables.hours["standing_c"][hour])
    for k in range(len(CARS)):
        assert info["pack_c"][k] == (standing_c if k in AGED else info["temperature_c"])
    for k in AGED:
        assert info["health"][k] == pytest.approx(1.0 - sum(losses_before(CARS[k])), abs=1e-12)
    assert info["reward_terms"]["wear"] == 0.0
    actions = some_actions(1, (3 * 96, len(CARS)), -1.0)
    for action in actions:
        env.step(action)
    _, again = env.reset()
    assert again["health"].tolist() == info["health"].tolist()
