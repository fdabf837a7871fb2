"""What must hold in every household, whatever the scenario, the seed and the actions.

Balances are asked to 1e-9 kWh a step, as the rules promise; numbers that are copied or added up in
one order are asked exactly.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ev_gym.env import EVChargingEnv
from ev_gym.fields import REWARD_TERMS
from ev_gym.scenario import (
    Charger,
    Driving,
    Household,
    Scenario,
    Tariff,
    Vehicle,
)
from tests.strategies import (
    SERIES,
    cases,
    chargers,
    examples,
    lived,
)

BALANCE_KWH = 1e-9

Case = tuple[Scenario, str, int]


def added(terms: Iterable[float]) -> float:
    """One after the other; from Python 3.12 on `sum` corrects for rounding."""
    return functools.reduce(operator.add, terms)


@settings(max_examples=examples(60))
@given(cases())
def test_energy_is_conserved(case: Case) -> None:
    """What the meter counts is the house plus the cars; what cars drew is stored or lost.

    A battery changes by what charging stored, what was bought elsewhere, and the trips.
    """
    life = lived(*case)
    step_h = life.env.scenario.step_h
    drawn_kwh = life.of("charge_kw") * step_h
    stored_kwh, loss_kwh = life.of("stored_kwh"), life.of("loss_kwh")
    grid_kwh = life.of("grid_kw") * step_h
    cars_kwh = drawn_kwh.sum(axis=1)
    assert np.abs(grid_kwh - life.of("load_kw") * step_h - cars_kwh).max() < BALANCE_KWH
    assert np.abs(drawn_kwh - stored_kwh - loss_kwh).max() < BALANCE_KWH
    assert stored_kwh.min() >= 0.0
    assert loss_kwh.min() >= 0.0
    after_kwh = life.before_kwh + stored_kwh + life.of("topup_kwh") - life.of("trip_kwh")
    assert np.abs(life.of("energy_kwh") - after_kwh).max() < BALANCE_KWH


@settings(max_examples=examples(30))
@given(cases())
def test_losses_are_those_of_the_car(case: Case) -> None:
    """A share 1 - eta of what is drawn, and aux power for as long as the car charged."""
    life = lived(*case)
    scenario = life.env.scenario
    drawn_kwh = life.of("charge_kw") * scenario.step_h
    for k, vehicle in enumerate(scenario.vehicles):
        aux_kwh = life.of("loss_kwh")[:, k] - (1.0 - vehicle.eta) * drawn_kwh[:, k]
        assert aux_kwh.min() > -BALANCE_KWH
        assert aux_kwh.max() < vehicle.aux_kw * scenario.step_h + BALANCE_KWH
        charged = drawn_kwh[:, k] > 0.0
        assert np.all(aux_kwh[~charged] == 0.0)
        if vehicle.aux_kw:
            assert np.all(life.of("loss_kwh")[charged, k] > 0.0)


@settings(max_examples=examples(60))
@given(cases())
def test_every_kwh_is_billed(case: Case) -> None:
    """Both bills are energy times price; the terms are what the cars drew, lacked and overloaded.

    Over the episode the sums agree too, with `math.fsum`.
    """
    life = lived(*case)
    scenario = life.env.scenario
    step_h, weights, tariff = scenario.step_h, scenario.reward_weights, scenario.tariff
    price, load_kw = life.of("price_per_kwh"), life.of("load_kw")
    cars_kwh = life.of("charge_kw").sum(axis=1) * step_h
    cost, house = life.of("energy_cost"), life.of("house_cost")
    assert house == pytest.approx(load_kw * step_h * price, abs=1e-9)
    assert cost - house == pytest.approx(cars_kwh * price, abs=1e-9)
    billed = {
        "energy": -weights.energy * cars_kwh * price,
        "missing": -weights.missing * tariff.public_price_per_kwh * life.of("missing_kwh"),
        "public": -weights.public * tariff.public_price_per_kwh * life.of("public_kwh"),
    }
    limit_kw = scenario.household.limit_kw
    house_over_kw = np.maximum(load_kw - limit_kw, 0.0)
    over_kw = np.maximum(load_kw + cars_kwh / step_h - limit_kw, 0.0)
    assert life.of("overload_kw") == pytest.approx(over_kw, abs=1e-9)
    overload_kwh = (over_kw - house_over_kw) * step_h
    billed["overload"] = -weights.overload * tariff.overload_price_per_kwh * overload_kwh
    assert set(billed) == set(REWARD_TERMS)
    for name, money in billed.items():
        assert life.term(name) == pytest.approx(money, abs=1e-8), name
        assert math.fsum(life.term(name)) == pytest.approx(math.fsum(money), abs=1e-8), name
    both = math.fsum(np.concatenate([cost, -house]))
    assert both == pytest.approx(math.fsum(cars_kwh * price), abs=1e-8)


@settings(max_examples=examples(40))
@given(cases())
def test_the_reward_is_the_sum_of_its_terms(case: Case) -> None:
    """To the last bit, added up in the declared order."""
    life = lived(*case)
    assert [added(info["reward_terms"].values()) for info in life.infos] == life.rewards.tolist()
    assert list(life.infos[0]["reward_terms"]) == list(REWARD_TERMS)
    assert life.truncated.tolist() == [False] * (len(life.infos) - 1) + [True]


def test_the_reward_adds_up_in_the_declared_order() -> None:
    """Also in steps in which no term is 0: a car charges, leaves short, and returns empty."""
    scenario = Scenario(
        household=Household(fuse_a=6.0, phases=1),
        charger=Charger(phases=1, max_current_a=6, load_management=False),
        driving=Driving(pattern="daily", departure_h=7.1, arrival_h=7.8, trip_kwh=100.0),
        tariff=Tariff(public_price_per_kwh=0.037),  # terms of one size, so that the order matters
        time_step_min=60,
        days=6,
    )
    full = order_matters = 0
    for seed in range(10):
        life = lived(scenario, "hourly", seed, np.ones((scenario.horizon_steps, 1), np.float32))
        for info, reward in zip(life.infos, life.rewards, strict=True):
            terms = [info["reward_terms"][name] for name in REWARD_TERMS]
            assert added(terms) == reward
            full += all(terms)
            order_matters += added(terms) != added(reversed(terms))
    assert full >= 10
    assert order_matters > 0


def test_a_departure_at_the_horizon_is_settled() -> None:
    """On `classic` the car leaves at 24:00: without charging 60 % of 46.3 kWh are missing."""
    env = EVChargingEnv("classic")
    env.reset(seed=0)
    infos = [env.step(np.zeros(1, np.float32))[4] for _ in range(96)]
    assert infos[-1]["missing_kwh"] == pytest.approx(0.6 * 46.3, abs=1e-12)
    assert infos[-1]["soc"][0] == pytest.approx(0.8, abs=1e-15)
    assert sum(info["missing_kwh"] for info in infos[:-1]) == 0.0


@settings(max_examples=examples(80))
@given(cases())
def test_bounds(case: Case) -> None:
    """SoC between 0 and 1, observations in their space, nothing bought or driven is negative."""
    life = lived(*case)
    soc = life.of("soc")
    assert soc.min() >= 0.0
    assert soc.max() <= 1.0
    space = life.env.observation_space
    assert np.all(np.isfinite(space.low) & np.isfinite(space.high))
    assert all(space.contains(observation) for observation in life.observations)
    for name in ("missing_kwh", "public_kwh", "topup_kwh", "trip_kwh", "overload_kw", "charge_kw"):
        assert life.of(name).min() >= 0.0, name
    bought_kwh = life.of("missing_kwh") + life.of("public_kwh")
    assert np.abs(bought_kwh - life.of("topup_kwh").sum(axis=1)).max() < BALANCE_KWH


@settings(max_examples=examples(40))
@given(cases())
def test_cars_take_no_more_than_they_may(case: Case) -> None:
    """Nothing while away; no more than the charger and the car allow; whole amperes from 6 on."""
    life = lived(*case)
    scenario = life.env.scenario
    charge_kw, current_a = life.of("charge_kw"), life.of("current_a")
    away = life.of("plugged") == 0.0
    assert np.all(charge_kw[away] == 0.0)
    assert np.all(current_a[away] == 0.0)
    for k, vehicle in enumerate(scenario.vehicles):
        phases = min(vehicle.phases, scenario.charger.phases)
        assert charge_kw[:, k].max() <= vehicle.ac_max_kw + 1e-9
        assert np.all(charge_kw[:, k] <= 0.23 * phases * current_a[:, k] + 1e-9)
        if scenario.charger.levels_kw is None:
            assert set(current_a[:, k]) <= {0.0, *range(6, scenario.charger.max_current_a + 1)}
        else:
            assert charge_kw[:, k].max() <= scenario.charger.levels_kw[-1] + 1e-9


@settings(max_examples=examples(60))
@given(
    st.tuples(chargers(load_management=True), st.sampled_from((6.0, 16.0, 25.0))).flatmap(
        lambda drawn: cases(charger=drawn[0], household=Household(fuse_a=drawn[1]))
    )
)
def test_load_management_keeps_within_the_connection(case: Case) -> None:
    """Charging takes no more than the limit less the house's load, and nothing below that."""
    life = lived(*case)
    room_kw = np.maximum(life.env.scenario.household.limit_kw - life.of("load_kw"), 0.0)
    assert np.all(life.of("charge_kw").sum(axis=1) <= room_kw + 2e-9)
    assert np.all(life.term("overload") > -1e-7)


@settings(max_examples=examples(60))
@given(cases())
def test_cars_leave_as_they_want_and_return_as_the_trip_left_them(case: Case) -> None:
    """Who leaves has the wanted SoC at least; what was missing is what charging left missing."""
    life = lived(*case)
    cars = life.env.scenario.vehicles
    plugged = np.array([info["plugged"] for info in life.infos[1:]])
    here, energy_kwh = life.of("plugged")[:-1], life.of("energy_kwh")[:-1]
    for k, vehicle in enumerate(cars):
        wanted_kwh = vehicle.wanted_soc * vehicle.battery_kwh
        least_kwh = vehicle.min_soc * vehicle.battery_kwh
        # Steps in which the car left and stayed away, or came home and stayed there.
        left = (here[:, k] == 1.0) & (plugged[:, k] == 0.0)
        returned = (here[:, k] == 0.0) & (plugged[:, k] == 1.0)
        assert np.all(energy_kwh[left, k] >= wanted_kwh)
        charged_kwh = (life.before_kwh + life.of("stored_kwh"))[:-1][left, k]
        missing_kwh = np.maximum(wanted_kwh - charged_kwh, 0.0)
        topup_kwh, trip_kwh = life.of("topup_kwh")[:-1, k], life.of("trip_kwh")[:-1, k]
        assert topup_kwh[left] == pytest.approx(missing_kwh, abs=BALANCE_KWH)
        before_kwh = life.before_kwh[:-1][returned, k]
        floor_kwh = np.minimum(before_kwh, least_kwh)
        after_kwh = np.maximum(before_kwh - trip_kwh[returned], floor_kwh)
        assert energy_kwh[returned, k] == pytest.approx(after_kwh, abs=BALANCE_KWH)


@settings(max_examples=examples(100))
@given(st.floats(1.0, 12.0), st.floats(0.0, 0.6))
@example(battery_kwh=3.3825933684367473, soc=0.2532699453496304)  # rounds up past full
def test_a_full_battery_is_not_overfull(battery_kwh: float, soc: float) -> None:
    """Charged to full within one step, from below half, where the sum of two numbers is rounded.

    From half on the difference of two floats is exact, so that larger batteries cannot show it.
    """
    car = Vehicle(battery_kwh=battery_kwh, ac_max_kw=22.0, taper_from_soc=1.0)
    driving = Driving(pattern="daily", arrival_h=12.0, departure_h=11.0)
    scenario = Scenario(
        household=Household(fuse_a=63.0),
        charger=Charger(max_current_a=32),
        vehicles=(car,),
        driving=driving,
        time_step_min=60,
    )
    env = EVChargingEnv(scenario, dataset=SERIES["constant"])
    env.reset(seed=0, options={"soc": soc})
    info = env.step(np.ones(1, np.float32))[4]
    assert 1.0 - 1e-15 < info["soc"][0] <= 1.0
    assert info["energy_kwh"][0] <= battery_kwh
    assert env.step(np.ones(1, np.float32))[4]["charge_kw"][0] == 0.0
