"""A load measured behind PV, below 0 where the house exports, is load and sun given apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines import make_policy
from baselines.foresight import foresee
from baselines.optimum.relaxation import lower_bound
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Charger, Driving, Household, Scenario, ScenarioError, Solar
from ev_gym.scenario.known_tariffs import known_tariff
from ev_gym.series.dataset import Dataset
from ev_gym.series.limits import DataError
from ev_gym.vector_env import EVChargingVectorEnv
from ev_gym.world.world import build_world
from tests.support.household_strategies import (
    SEEDS,
    SERIES,
    households,
    random_actions,
    run_episodes,
)
from tests.support.scenario_strategies import examples
from tests.support.tariffs import tariff_of

BARE = tariff_of(export_fee=0.1)
AT_HOME = Driving(pattern="daily", arrival_h=0.0, departure_h=23.0, trip_km=0.0, start_soc=0.2)
MONEY = 1e-9


def net_of(dataset: Dataset, sun_kw: Any) -> Dataset:
    """The same houses as their meters see them behind a sun (slots,) of 15, 30 or 60 minutes."""
    quarters_kw = np.repeat(sun_kw, dataset.load_kw.shape[1] // sun_kw.size)
    return replace(dataset, load_kw=dataset.load_kw - quarters_kw, net_load=True, clearness=None)


def as_net(scenario: Scenario) -> Scenario:
    """The scenario whose sun is in its load."""
    return replace(scenario, solar=Solar(), household=replace(scenario.household, net_load=True))


@st.composite
def sunny(draw: st.DrawFn) -> Scenario:
    """A household with PV, netted, on lines that carry the same without the cars."""
    suns = st.sampled_from((Solar(peak_kw=6.0), Solar(peak_kw=30.0, inverter_kw=20.0)))
    scenario: Scenario = draw(households(solar=draw(suns), days=1))
    house = replace(scenario.household, line_shares=None, annual_kwh=None)
    tariff = replace(scenario.tariff, netting="step")
    return replace(scenario, household=house, tariff=tariff)


@settings(max_examples=examples(80))
@given(sunny(), st.sampled_from(sorted(SERIES)), SEEDS)
def test_both_bills_are_those_of_load_and_sun_apart(
    scenario: Scenario, name: str, seed: int
) -> None:
    """Whatever is done: the same currents, bills, power charge, overload, and the same bound."""
    dataset = SERIES[name]
    net = net_of(dataset, build_world(scenario, dataset, None).tables.pv_kw)
    assert net.load_kw.min() < 0.0
    actions = random_actions(scenario, seed, scenario.horizon_steps)
    apart = run_episodes(scenario, dataset, seed, actions)
    behind = run_episodes(as_net(scenario), net, seed, actions)
    for field in (
        *("current_a", "charge_kw", "grid_kw", "energy_cost", "house_cost", "power_cost"),
        *("house_power_cost", "overload_kw", "export_price_per_kwh"),
    ):
        np.testing.assert_allclose(behind.of(field), apart.of(field), rtol=0, atol=MONEY)
    np.testing.assert_allclose(behind.rewards, apart.rewards, rtol=0, atol=MONEY)
    assert np.all(np.minimum(behind.of("load_kw"), behind.of("pv_kw")) == 0.0)


@settings(max_examples=examples(20))
@given(sunny(), SEEDS)
def test_the_bound_is_that_of_load_and_sun_apart(scenario: Scenario, seed: int) -> None:
    """And no policy pays less than it, though it is told of import and export alone."""
    dataset = SERIES["hourly"]
    net = net_of(dataset, build_world(scenario, dataset, None).tables.pv_kw)
    names = ("uncontrolled", "price_based", "min_pv", "mpc")
    bounds = []
    for case, series in ((scenario, dataset), (as_net(scenario), net)):
        env = EVChargingVectorEnv(len(names), case, dataset=series)
        seen, _ = env.reset(seed=[seed] * len(names))
        bounds.append(lower_bound(foresee(env.simulator)).cost)
    scale = 1.0 + abs(bounds[0])
    assert bounds[1] == pytest.approx(bounds[0], abs=1e-6 * scale)
    policies = [make_policy(name, env) for name in names]
    cost = np.zeros(len(names))
    for _ in range(case.horizon_steps):
        decided = [policy(seen[i : i + 1]) for i, policy in enumerate(policies)]
        seen, reward, *_ = env.step(np.concatenate(decided))
        cost -= reward
    cost -= env.simulator.settlements()
    assert bounds[1] <= cost.min() + 1e-6 * scale


# --- by hand ---


def metered(load_kw: float, **changes: Any) -> tuple[Scenario, Dataset]:
    """A house whose meter shows a constant power, at 2.00 to buy and 1.90 to sell."""
    scenario = Scenario(
        household=Household(net_load=True, **changes.pop("household", {})),
        tariff=changes.pop("tariff", BARE),
        driving=AT_HOME,
        start_hour=0,
        days=1,
        **changes,
    )
    hours = 2 * 168
    plain = SERIES["hourly"]
    dataset = Dataset(
        start=plain.start,
        zone=plain.zone,
        load_kw=np.full((1, 4 * hours), load_kw),
        price_per_kwh=np.full(hours, 2.0),
        temperature_c=np.full(hours, 10.0),
        net_load=True,
    )
    return scenario, dataset


@pytest.mark.parametrize(
    ("load_kw", "shown", "grid_kw", "cost", "house_cost", "current_a"),
    [
        # 11 kW of the car, of which 3 come from the house; alone it would sell them for 1.425.
        (-3.0, (0.0, 3.0), 8.0, 4.0, -1.425, 16.0),
        (1.0, (1.0, 0.0), 12.0, 6.0, 0.5, 16.0),
        # Of 13.8 kW 9 are left, 13 A, 8.97 kW.
        (4.8, (4.8, 0.0), 13.77, 6.885, 2.4, 13.0),
    ],
)
def test_a_quarter_hour_by_hand(
    load_kw: float,
    shown: tuple[float, float],
    grid_kw: float,
    cost: float,
    house_cost: float,
    current_a: float,
) -> None:
    """The observation and the results show import as load and export as sun."""
    scenario, dataset = metered(load_kw)
    env = EVChargingEnv(scenario, dataset=dataset)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    info = env.step([1.0])[4]
    assert (info["load_kw"], info["pv_kw"]) == shown
    assert info["current_a"][0] == current_a
    assert info["grid_kw"] == pytest.approx(grid_kw, abs=1e-9)
    assert info["energy_cost"] == pytest.approx(cost, abs=1e-9)
    assert info["house_cost"] == pytest.approx(house_cost, abs=1e-9)


def test_export_leaves_all_lines_alike() -> None:
    """6 kW are 8.7 A on each line, whatever the shares of the load: 16 + 8.7 A for a car on one."""
    car = replace(Scenario().vehicles[0], phases=1, ac_max_kw=7.4, line=2)
    house = {"fuse_a": 16.0, "line_shares": (0.6, 0.3, 0.1)}
    charger = Charger(max_current_a=32)
    for load_kw, current_a in ((-6.0, 24.0), (6.0, 8.0)):  # of the load line 2 has 7.8 A
        scenario, dataset = metered(load_kw, household=house, vehicles=(car,), charger=charger)
        env = EVChargingEnv(scenario, dataset=dataset)
        env.reset(seed=0)
        assert env.step([1.0])[4]["current_a"][0] == current_a


def test_a_month_of_a_net_meter_has_no_power_charge_for_export() -> None:
    """The house alone exports all day; 11 kW of the car less its 3 are a peak of 8."""
    scenario, dataset = metered(-3.0, tariff=known_tariff("goteborg-2025"))
    env = EVChargingEnv(scenario, dataset=dataset)
    env.reset(seed=0)
    infos = [env.step([1.0])[4] for _ in range(4)]
    assert sum(info["house_power_cost"] for info in infos) == 0.0
    paid = sum(info["power_cost"] for info in infos)
    assert paid == pytest.approx(1.25 * 36.0 * 8.0 / 3, abs=1e-9)


def test_what_contradicts_a_net_load_is_refused() -> None:
    """A sun besides, a yearly use, and series and scenario that disagree; loads below 0 else."""
    net = Household(net_load=True)
    with pytest.raises(
        ScenarioError, match=r"peak_kw is 5.0, but .* in the net load; allowed then"
    ):
        Scenario(household=net, solar=Solar(peak_kw=5.0))
    with pytest.raises(ScenarioError, match=r"annual_kwh is 9000.0 and Household.net_load is True"):
        Household(net_load=True, annual_kwh=9000.0)
    scenario, dataset = metered(-1.0)
    with pytest.raises(ScenarioError, match="net_load is True; allowed: the scenario's"):
        EVChargingEnv(replace(scenario, household=Household()), dataset=dataset)
    with pytest.raises(ScenarioError, match="net_load is False; allowed: the scenario's"):
        EVChargingEnv(Scenario(household=net))  # the built-in series, which are no net load
    with pytest.raises(
        DataError, match=r"load_kw\[0, 0\] = -1.0: allowed is 0 kW or more; less wi"
    ):
        replace(dataset, net_load=False)
    with pytest.raises(DataError, match="net_load = 'yes': allowed are False and True"):
        replace(dataset, net_load="yes")
    assert dataset.fingerprint != metered(-1.5)[1].fingerprint
    used = metered(1.0)[1]
    assert used.fingerprint != replace(used, net_load=False).fingerprint
