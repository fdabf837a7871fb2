"""What must hold in every household, whatever the scenario, the seed and the actions.

Balances hold to 1e-9 kWh a step, as the rules promise; numbers that are copied, or added up in one
order, are equal to the last bit.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Charger, Driving, Household, Scenario, Vehicle
from ev_gym.simulation.observation import observation_slices
from ev_gym.simulation.state_fields import REWARD_TERMS
from tests.support.accounts import (
    by_line,
    energy_cost,
    export_limit_kw,
    limits_kw,
    line_currents_a,
    over_kw,
    sun_alone_kw,
    sun_let_through_kw,
)
from tests.support.scenario_strategies import (
    SERIES,
    Episode,
    cases,
    examples,
    managed_cases,
    run_case,
)
from tests.support.tariffs import SWEDISH_FLAT, peak_rule

BALANCE_KWH = 1e-9

Case = tuple[Scenario, str, int]


def added(terms: Iterable[float]) -> float:
    """The terms added one after the other: from Python 3.12 on `sum` corrects for rounding."""
    return functools.reduce(operator.add, terms)


@settings(max_examples=examples(60))
@given(cases())
def test_energy_is_conserved(case: Case) -> None:
    """Grid and sun feed the house and the cars; what cars drew is stored or lost.

    A battery changes by what charging stored, what was bought elsewhere, and the trips.
    """
    episode = run_case(*case)
    step_h = episode.env.scenario.step_h
    drawn_kwh = episode.of("charge_kw") * step_h
    stored_kwh, loss_kwh = episode.of("stored_kwh"), episode.of("loss_kwh")
    fed_kw = episode.of("grid_kw") + episode.of("pv_kw")
    used_kw = episode.of("load_kw") + episode.of("charge_kw").sum(axis=1)
    assert np.abs(fed_kw - used_kw).max() * step_h < BALANCE_KWH
    assert np.abs(drawn_kwh - stored_kwh - loss_kwh).max() < BALANCE_KWH
    assert np.all(stored_kwh * drawn_kwh >= 0.0)
    assert loss_kwh.min() >= 0.0
    after_kwh = episode.before_kwh + stored_kwh + episode.of("topup_kwh") - episode.of("trip_kwh")
    assert np.abs(episode.of("energy_kwh") - after_kwh).max() < BALANCE_KWH


@settings(max_examples=examples(30))
@given(cases())
def test_losses_are_those_of_the_car(case: Case) -> None:
    """A share 1 - eta of what is put in, and aux power for as long as the car charged.

    What is put in is drawn from the wall, or taken from the battery when it is discharged.
    """
    episode = run_case(*case)
    scenario = episode.env.scenario
    drawn_kwh, taken_kwh = episode.of("charge_kw") * scenario.step_h, -episode.of("stored_kwh")
    input_kwh = np.where(drawn_kwh >= 0.0, drawn_kwh, taken_kwh)
    for k, vehicle in enumerate(scenario.vehicles):
        aux_kwh = episode.of("loss_kwh")[:, k] - (1.0 - vehicle.eta) * input_kwh[:, k]
        assert aux_kwh.min() > -BALANCE_KWH
        assert aux_kwh.max() < vehicle.aux_kw * scenario.step_h + BALANCE_KWH
        flowed = input_kwh[:, k] != 0.0
        assert np.all(aux_kwh[~flowed] == 0.0)
        if vehicle.aux_kw:
            assert np.all(episode.of("loss_kwh")[flowed, k] > 0.0)


def bought_cost(episode: Episode, what: str) -> Any:
    """Each step's cost of what was bought at public chargers: its energy, and the stops for it."""
    tariff = episode.env.scenario.tariff
    energy = tariff.public_energy_price * episode.of(f"{what}_kwh")
    return energy + tariff.public_stop_price * episode.of(f"{what}_stops")


@settings(max_examples=examples(60))
@given(cases())
def test_every_kwh_is_billed(case: Case) -> None:
    """Both bills are energy times price; the terms are what the cars used, lacked and overloaded.

    Over the episode the sums agree too, with `math.fsum`.
    """
    episode = run_case(*case)
    scenario = episode.env.scenario
    step_h, weights, tariff = scenario.step_h, scenario.reward_weights, scenario.tariff
    charge_kw, load_kw = episode.of("charge_kw"), episode.of("load_kw")
    used_kw = load_kw + np.maximum(charge_kw, 0.0).sum(axis=1)
    given_kw = np.maximum(-charge_kw, 0.0).sum(axis=1)
    sun_kw = sun_let_through_kw(episode, used_kw, given_kw)
    assert episode.of("pv_kw") == pytest.approx(sun_kw, abs=1e-9)
    cost = energy_cost(episode, used_kw, sun_kw + given_kw)
    house = energy_cost(episode, load_kw, sun_alone_kw(episode))
    assert episode.of("energy_cost") == pytest.approx(cost, abs=1e-8)
    assert episode.of("house_cost") == pytest.approx(house, abs=1e-8)
    power = episode.of("power_cost") - episode.of("house_power_cost")
    assert episode.of("power_cost").min() >= 0.0
    assert power.any() <= tariff.has_power_charge
    wear_prices = [car.wear_price_in(scenario.currency) for car in scenario.vehicles]
    with_cars_kw = over_kw(episode, True, episode.of("pv_kw"))
    alone_kw = over_kw(episode, False, sun_alone_kw(episode))
    assert episode.of("overload_kw") == pytest.approx(with_cars_kw, abs=1e-8)
    overload_kwh = np.maximum(0.0, with_cars_kw - alone_kw) * step_h
    billed = {
        "energy": -weights.energy * (cost - house),
        "power": -weights.power * power,
        "wear": -weights.wear * (episode.of("wear_kwh") @ np.array(wear_prices)),
        "missing": -weights.missing * bought_cost(episode, "missing"),
        "public": -weights.public * bought_cost(episode, "public"),
        "overload": -weights.overload * tariff.overload_price * overload_kwh,
    }
    assert set(billed) == set(REWARD_TERMS)
    for name, money in billed.items():
        assert episode.term(name) == pytest.approx(money, abs=1e-7), name
        assert math.fsum(episode.term(name)) == pytest.approx(math.fsum(money), abs=1e-7), name


@settings(max_examples=examples(40))
@given(cases())
def test_the_reward_is_the_sum_of_its_terms(case: Case) -> None:
    """To the last bit, added up in the declared order."""
    episode = run_case(*case)
    assert [
        added(info["reward_terms"].values()) for info in episode.infos
    ] == episode.rewards.tolist()
    assert list(episode.infos[0]["reward_terms"]) == list(REWARD_TERMS)
    assert episode.truncated.tolist() == [False] * (len(episode.infos) - 1) + [True]


def test_the_reward_adds_up_in_the_declared_order() -> None:
    """Also in steps in which no term is 0: a car charges, leaves short, and returns empty.

    That is the last hour of each 24 h, when wear is booked, and the one with a power charge.
    """
    in_one_hour = peak_rule(0.5, from_h=7, to_h=8)
    scenario = Scenario(
        household=Household(fuse_a=6.0, phases=1),
        charger=Charger(phases=1, max_current_a=6, load_management=False),
        vehicles=(Vehicle(wear_price_per_kwh=100.0),),
        driving=Driving(pattern="daily", departure_h=7.1, arrival_h=7.8, trip_kwh=100.0),
        tariff=replace(
            SWEDISH_FLAT, public_price_per_kwh=0.037, peaks=(in_one_hour,)
        ),  # terms of one size, so that the order matters
        time_step_min=60,
        start_hour=8,
        days=6,
    )
    full = order_matters = 0
    for seed in range(15):
        episode = run_case(
            scenario, "hourly", seed, np.ones((scenario.horizon_steps, 1), np.float32)
        )
        for info, reward in zip(episode.infos, episode.rewards, strict=True):
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
def test_soc_observations_and_purchases_keep_their_bounds(case: Case) -> None:
    """SoC between 0 and 1, observations in their space, nothing bought or driven is negative."""
    episode = run_case(*case)
    soc = episode.of("soc")
    assert soc.min() >= 0.0
    assert soc.max() <= 1.0
    space = episode.env.observation_space
    assert np.all(np.isfinite(space.low) & np.isfinite(space.high))
    assert all(space.contains(observation) for observation in episode.observations)
    never_negative = ("missing_kwh", "public_kwh", "topup_kwh", "trip_kwh", "overload_kw", "pv_kw")
    for name in (*never_negative, "wear_kwh"):
        assert episode.of(name).min() >= 0.0, name
    health = episode.of("health")
    assert health.min() > 0.0
    assert health.max() <= 1.0
    assert np.all(np.diff(health, axis=0) <= 0.0)
    bought_kwh = episode.of("missing_kwh") + episode.of("public_kwh")
    assert np.abs(bought_kwh - episode.of("topup_kwh").sum(axis=1)).max() < BALANCE_KWH


@settings(max_examples=examples(40))
@given(cases())
def test_cars_take_no_more_than_they_may(case: Case) -> None:
    """Nothing while not at a charger; no more than charger, car and owner allow; whole amperes."""
    episode = run_case(*case)
    scenario, charger = episode.env.scenario, episode.env.scenario.charger
    charge_kw, current_a, phases = (
        episode.of("charge_kw"),
        episode.of("current_a"),
        episode.of("phases"),
    )
    away = episode.of("plugged") == 0.0
    assert np.all(charge_kw[away] == 0.0)
    assert np.all(current_a[away] == 0.0)
    assert np.all(phases[away] == 0.0)
    assert episode.of("plugged").sum(axis=1).max() <= (charger.count or len(scenario.vehicles))
    assert charge_kw.min() >= 0.0 or charger.bidirectional
    assert np.all(charge_kw * current_a >= 0.0)
    flowed_kwh = episode.before_kwh + episode.of("stored_kwh")
    for k, vehicle in enumerate(scenario.vehicles):
        all_phases = min(vehicle.phases, charger.phases)
        used = set(phases[~away[:, k], k])
        assert used <= {all_phases, *([1] if charger.phase_switching else [])}
        assert np.abs(charge_kw[:, k]).max() <= vehicle.ac_max_kw + 1e-9
        by_current_kw = 0.23 * phases[:, k] * np.abs(current_a[:, k])
        assert np.all(np.abs(charge_kw[:, k]) <= by_current_kw + 1e-9)
        limit_kwh = np.maximum(episode.before_kwh[:, k], vehicle.limit_soc * vehicle.battery_kwh)
        floor_kwh = np.minimum(episode.before_kwh[:, k], vehicle.floor_soc * vehicle.battery_kwh)
        assert np.all(flowed_kwh[:, k] <= limit_kwh + BALANCE_KWH)
        assert np.all(flowed_kwh[:, k] >= floor_kwh - BALANCE_KWH)
        if charger.levels_kw is None:
            amperes = set(np.abs(current_a[:, k]))
            assert amperes <= {0.0, *range(6, charger.max_current_a + 1)}
        else:
            assert charge_kw[:, k].max() <= charger.levels_kw[-1] + 1e-9


@settings(max_examples=examples(60))
@given(managed_cases())
def test_load_management_keeps_within_the_connection(case: Case) -> None:
    """Cars exceed neither limit, contract nor a line's fuse, whatever house and other cars do.

    On each line, and in all, charging takes no more than the house and discharging leave; and cars
    that are discharged do not lift what a line gives above its fuse, beyond what sun alone does.
    """
    episode = run_case(*case)
    scenario = episode.env.scenario
    house = scenario.household
    if by_line(scenario):
        alone_a = line_currents_a(episode, False, sun_alone_kw(episode))
        with_cars_a = line_currents_a(episode, True, episode.of("pv_kw"))
        assert np.all(with_cars_a <= np.maximum(house.fuse_a, alone_a) + 1e-8)
        of_sun_a = line_currents_a(episode, False, episode.of("pv_kw"))
        assert np.all(with_cars_a >= np.minimum(-house.fuse_a, of_sun_a) - 1e-8)
    most_kw, _ = limits_kw(episode)
    if house.connection_kw is not None or not by_line(scenario):
        most_kw = np.minimum(most_kw, house.connection_kw or house.limit_kw)
    alone_kw = episode.of("load_kw") - episode.sun_kw()
    total_kw = alone_kw + episode.of("charge_kw").sum(axis=1)
    assert np.all(total_kw <= np.maximum(most_kw, alone_kw) + 2e-9)
    assert np.all(episode.term("overload") > -1e-7)


@settings(max_examples=examples(60))
@given(cases())
def test_dimmed_cars_draw_no_more_than_they_may(case: Case) -> None:
    """All together, whoever manages the load; and headroom as observed says no more."""
    scenario, episode = case[0], run_case(*case)
    _, cars_kw = limits_kw(episode)
    drawn_kw = np.maximum(0.0, episode.of("charge_kw")).sum(axis=1)
    assert np.all(drawn_kw <= cars_kw + 2e-9)
    place = observation_slices(scenario)["headroom_kw"]
    assert np.all(episode.observations[:-1, place][:, 0] <= cars_kw + 1e-5)


@settings(max_examples=examples(40))
@given(cases())
def test_no_more_is_sold_than_the_grid_takes(case: Case) -> None:
    """Neither sun nor cars feed more into the grid than its limit, or than earns enough."""
    episode = run_case(*case)
    assert np.all(episode.of("grid_kw") >= -export_limit_kw(episode) - 2e-9)


@settings(max_examples=examples(60))
@given(cases())
def test_cars_leave_as_they_want_and_return_as_the_trip_left_them(case: Case) -> None:
    """A car leaves with the wanted SoC at least; what charging at home left missing is bought."""
    episode = run_case(*case)
    cars = episode.env.scenario.vehicles
    here, after, energy_kwh = episode.home[:-1], episode.home[1:], episode.of("energy_kwh")
    for k, vehicle in enumerate(cars):
        least_kwh = vehicle.min_soc * vehicle.battery_kwh
        # Steps in which the car left and stayed away, or came home and stayed there.
        left = here[:, k] & ~after[:, k]
        returned = ~here[:, k] & after[:, k]
        wanted_kwh = episode.wanted_soc[:-1][left, k] * vehicle.battery_kwh
        assert np.all(energy_kwh[left, k] >= wanted_kwh)
        charged_kwh = (episode.before_kwh + episode.of("stored_kwh"))[left, k]
        missing_kwh = np.maximum(wanted_kwh - charged_kwh, 0.0)
        topup_kwh, trip_kwh = episode.of("topup_kwh")[:, k], episode.of("trip_kwh")[:, k]
        assert topup_kwh[left] == pytest.approx(missing_kwh, abs=BALANCE_KWH)
        before_kwh = episode.before_kwh[returned, k]
        floor_kwh = np.minimum(before_kwh, least_kwh)
        after_kwh = np.maximum(before_kwh - trip_kwh[returned], floor_kwh)
        assert energy_kwh[returned, k] == pytest.approx(after_kwh, abs=BALANCE_KWH)


@settings(max_examples=examples(100))
@given(st.floats(1.0, 12.0), st.floats(0.0, 0.6))
@example(battery_kwh=3.3825933684367473, soc=0.2532699453496304)  # where rounding goes beyond full
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
