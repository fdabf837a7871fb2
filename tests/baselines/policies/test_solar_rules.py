"""`pv_surplus` and `min_pv`: what the sun leaves over, decision by decision and over weeks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines import make_policy
from baselines.policies.base import Policy
from baselines.policies.solar_rules import MinPv, PvSurplus
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario, Solar
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support import household_strategies
from tests.support.observations_by_hand import observation_with
from tests.support.scenario_strategies import examples

CAR = {"ac_max_kw": 11.04}


def scenario(cars: int = 1, **charger: Any) -> Scenario:
    """Cars of 16 A on three phases: an ampere is 0.69 kW, 6 A are 4.14 kW; 0.23 and 1.38 on one."""
    own = {"solar": {"peak_kw": 10.0}, "vehicles": [CAR] * cars, "charger": charger}
    return Scenario.from_dict(own)


def amperes(policy: Policy, sun_kw: float, **fields: Any) -> list[float]:
    """What a policy asks for on three phases, with 1 kW of base load and so much sun left over."""
    here = {"plugged": 1, "available_kw": 11.04, "energy_to_wanted_kwh": 20.0}
    load = {"load_kw": 1.0, "pv_kw": sun_kw + 1.0, "headroom_kw": 13.0 + sun_kw}
    observation = observation_with(
        policy, 12.0, hours_to_departure=5.0, **{**here, **load, **fields}
    )
    asked: list[float] = np.round(policy(observation) * 16.0, 5).tolist()
    return asked


@pytest.mark.parametrize(
    ("sun_kw", "surplus_a", "min_a"),
    [
        (-1.0, 0, 6),
        (0.0, 0, 6),
        (4.13, 0, 6),
        (4.14, 6, 6),
        (4.82, 6, 6),
        (4.84, 7, 7),
        (11.0, 15, 15),
        (20.0, 16, 16),
    ],
)
def test_three_phases(sun_kw: float, surplus_a: float, min_a: float) -> None:
    assert amperes(PvSurplus(scenario()), sun_kw) == [surplus_a]
    assert amperes(MinPv(scenario()), sun_kw) == [min_a]


@pytest.mark.parametrize(
    ("sun_kw", "surplus_a", "min_a"),
    # On one phase three amperes are one on three.
    [(1.37, 0, 2), (1.38, 2, 2), (3.0, 13 / 3, 13 / 3), (4.13, 16 / 3, 16 / 3), (4.14, 6, 6)],
)
def test_one_phase_where_phases_are_switched(sun_kw: float, surplus_a: float, min_a: float) -> None:
    own = scenario(phase_switching=True)
    assert amperes(PvSurplus(own), sun_kw) == pytest.approx([surplus_a], abs=1e-5)
    assert amperes(MinPv(own), sun_kw) == pytest.approx([min_a], abs=1e-5)


@pytest.mark.parametrize(
    ("sun_kw", "surplus_a"),
    # On one phase two amperes are one on two.
    [(1.37, 0), (1.38, 3), (2.0, 4), (2.75, 5.5), (2.76, 6), (7.0, 15)],
)
def test_a_car_of_two_phases_where_phases_are_switched(sun_kw: float, surplus_a: float) -> None:
    base = scenario(phase_switching=True)
    own = replace(base, vehicles=(replace(base.vehicles[0], phases=2, ac_max_kw=7.36),))
    assert amperes(PvSurplus(own), sun_kw) == pytest.approx([surplus_a], abs=1e-5)


def test_levels_of_power() -> None:
    """0, 3 and 11 kW, as fractions and as numbers of levels."""
    own = scenario(levels_kw=[0.0, 3.0, 11.0], load_management=False)
    for sun_kw, surplus, least in ((2.9, 0, 1), (3.0, 1, 1), (10.9, 1, 1), (11.0, 2, 2)):
        assert amperes(PvSurplus(own), sun_kw) == [8 * surplus]
        assert amperes(MinPv(own), sun_kw) == [8 * least]
        assert MinPv(own, False).to_levels(np.array([[least / 2]])).tolist() == [[least]]


def test_beyond_the_wanted_soc_only_the_sun_charges() -> None:
    for kind in (PvSurplus, MinPv):
        policy = kind(scenario())
        assert amperes(policy, 5.0, energy_to_wanted_kwh=0.0) == [7]
        assert amperes(policy, 4.0, energy_to_wanted_kwh=0.0) == [0]
        full = {"energy_to_wanted_kwh": 0.0, "available_kw": 0.0}
        assert amperes(policy, 5.0, **full) == [0]
        assert amperes(policy, 5.0, plugged=0, **full) == [0]


def test_several_cars_share_in_their_order() -> None:
    surplus, least = PvSurplus(scenario(2)), MinPv(scenario(2))
    assert amperes(surplus, 13.0) == [16, 0]  # 1.96 kW are left
    assert amperes(surplus, 15.3) == [16, 6]
    assert amperes(surplus, 15.3, available_kw=[0.0, 11.0]) == [0, 16]  # the first one is full
    assert amperes(least, 13.0) == [16, 6]
    assert amperes(least, 1.0) == [6, 6]
    # The grid gives 5 kW at most: one car; with 6 kW of sun beside it, 8 A and 6 A, 9.66 kW.
    assert amperes(least, 0.0, headroom_kw=5.0) == [6, 0]
    assert amperes(least, 6.0, headroom_kw=11.0) == [8, 0]
    assert amperes(least, 6.0, headroom_kw=14.3) == [8, 6]


SUN = st.sampled_from((Solar(peak_kw=5.0), Solar(peak_kw=30.0, inverter_kw=20.0)))


@settings(max_examples=examples(30))
@given(drawn=st.data(), solar=SUN, seed=household_strategies.SEEDS, quarters=st.booleans())
def test_pv_surplus_never_imports_for_the_cars(
    drawn: Any, solar: Solar, seed: int, quarters: bool
) -> None:
    """Whatever house, cars, charger and tariff: what cars draw, sun and load left over."""
    own = drawn.draw(household_strategies.households(solar=solar))
    dataset = household_strategies.SERIES["quarters" if quarters else "hourly"]
    env = EVChargingVectorEnv(household_strategies.ROWS, own, dataset=dataset)
    policy = make_policy("pv_surplus", env)
    observations, _ = env.reset(seed=seed)
    over = np.zeros(1, np.bool_)
    while not over.any():
        left_kw = np.maximum(policy.view(observations).pv_kw - policy.view(observations).load_kw, 0)
        observations, _, _, over, infos = env.step(policy(observations))
        assert (infos["charge_kw"].sum(axis=1) <= left_kw + 2e-4).all()


def midsummer(name: str) -> Any:
    """A fortnight's history of a house with 10 kW of PV, whose car is at home from 11 o'clock."""
    car = {"model": "Volkswagen ID.3 58 kWh", "wanted_soc": 0.8}
    driving = {"pattern": "daily", "arrival_h": 11.0, "departure_h": 7.0, "trip_km": 100.0}
    own = {
        "solar": {"peak_kw": 10.0},
        "vehicles": [car],
        "driving": driving,
        "days": 14,
        "start_hour": 12,
    }
    env = EVChargingEnv({**own, "household": {"fuse_a": 25}})
    policy = make_policy(name, env)
    observation, _ = env.reset(seed=4, options={"start": "2025-06-07"})
    over = False
    while not over:
        observation, _, _, over, _ = env.step(policy(observation))
    return env.history


def test_a_fortnight_in_summer() -> None:
    """`pv_surplus` takes from the roof alone, `min_pv` never stops before the wanted SoC."""
    surplus, least, plain = (midsummer(n) for n in ("pv_surplus", "min_pv", "uncontrolled"))
    left_kw = (surplus["pv_kw"] - surplus["load_kw"]).clip(lower=0.0)
    charging = surplus["charge_kw"] > 0
    assert charging.sum() > 50
    assert (surplus["charge_kw"] <= left_kw + 2e-4)[charging].all()
    # Amperes of the surplus that are used: all that are whole, to the owner's limit.
    takes = charging & (surplus["soc"] < 0.97)
    expected = np.floor((left_kw[takes] + 1e-4) / 0.69).clip(upper=16)
    np.testing.assert_array_equal(surplus["current_a"][takes], expected)
    assert surplus["soc"].max() > 0.9
    wanting = (least["plugged"] == 1) & (least["soc"] < 0.79)
    assert wanting.sum() > 50
    assert least["current_a"][wanting].min() >= 6.0
    assert least["missing_kwh"].sum() < surplus["missing_kwh"].sum()
    drawn = {}
    for name, history in (("surplus", surplus), ("least", least), ("plain", plain)):
        over_kw = (history["pv_kw"] - history["load_kw"]).clip(lower=0.0)
        from_sun = np.minimum(history["charge_kw"], over_kw).sum()
        drawn[name] = from_sun / history["charge_kw"].sum()
    assert drawn["surplus"] > 0.9999
    assert drawn["surplus"] > drawn["least"] > drawn["plain"]


@pytest.mark.parametrize("name", ["pv_surplus", "min_pv"])
def test_a_house_without_pv_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} needs PV, and solar.peak_kw of scenario 'stock"):
        make_policy(name, EVChargingEnv("stockholm"))
