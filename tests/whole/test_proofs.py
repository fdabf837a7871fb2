"""Money: bills add up, and no policy earns from nothing.

What is said of cycling holds at a flat price, at which only a mistake could bring a gain.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_gym.env import EVChargingEnv
from ev_gym.runtime.arrays import Floats
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.scenario import Charger, Driving, Household, Scenario, Solar, Tariff, Vehicle
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.accounts import energy_cost, over_kw
from tests.support.household_strategies import (
    ROWS,
    SEEDS,
    SERIES,
    Episodes,
    cases,
    drivings,
    households,
    random_actions,
    run_case,
    run_episodes,
    series,
    vehicles,
)
from tests.support.scenario_strategies import examples
from tests.support.tariffs import peak_rule, tariff_of, vat_of

Case = tuple[Scenario, str, int]

MONEY = 1e-8


def metered_cost(episodes: Episodes) -> Floats:
    """What the energy of the house with its cars costs in each step, from the powers reported."""
    power_kw = episodes.of("charge_kw")
    used_kw = episodes.of("load_kw") + np.maximum(power_kw, 0.0).sum(axis=2)
    produced_kw = episodes.of("pv_kw") - np.minimum(power_kw, 0.0).sum(axis=2)
    return energy_cost(episodes, used_kw, produced_kw)


@settings(max_examples=examples(60))
@given(cases())
def test_the_reward_is_minus_the_difference_of_two_bills(case: Case) -> None:
    """And minus what was bought elsewhere, what the batteries lost, and the overload by the cars.

    Both bills stand in the infos; the one with the cars is worked out again from the powers.
    """
    episodes = run_case(*case)
    tariff = episodes.scenario.tariff
    assert episodes.of("energy_cost") == pytest.approx(metered_cost(episodes), abs=MONEY)
    with_cars = episodes.of("energy_cost") + episodes.of("power_cost")
    of_house = episodes.of("house_cost") + episodes.of("house_power_cost")
    elsewhere_kwh = episodes.of("missing_kwh") + episodes.of("public_kwh")
    assert elsewhere_kwh == pytest.approx(episodes.of("topup_kwh").sum(axis=2), abs=MONEY)
    currency = episodes.scenario.currency
    prices = np.array([car.wear_price_in(currency) for car in episodes.scenario.vehicles])
    stops = episodes.of("missing_stops") + episodes.of("public_stops")
    assert np.all(0.1 * stops <= elsewhere_kwh + MONEY)
    money = of_house - with_cars - tariff.public_energy_price * elsewhere_kwh
    money -= tariff.public_stop_price * stops
    money -= (episodes.of("wear_kwh") * prices).sum(axis=2)
    money += episodes.term("overload")
    assert episodes.rewards == pytest.approx(money, abs=MONEY)
    overload_kw = over_kw(episodes, True, episodes.of("pv_kw"))
    assert episodes.of("overload_kw") == pytest.approx(overload_kw, abs=MONEY)
    for row, rewards in enumerate(episodes.rewards.T):
        assert math.fsum(rewards) == pytest.approx(math.fsum(money[:, row]), abs=1e-6)


@settings(max_examples=examples(40))
@given(cases())
def test_no_policy_changes_the_bill_of_the_house_alone(case: Case) -> None:
    """To the bit; and who never charges nor discharges at home pays just that bill."""
    scenario, name, seed = case
    episodes = run_case(*case)
    nothing = np.zeros((scenario.horizon_steps, ROWS, len(scenario.vehicles)), np.float32)
    idle = run_episodes(scenario, SERIES[name], seed, nothing)
    for with_cars, alone in (("energy_cost", "house_cost"), ("power_cost", "house_power_cost")):
        assert np.array_equal(episodes.of(alone), idle.of(alone))
        assert np.array_equal(idle.of(with_cars), idle.of(alone))
    for term in ("energy", "power", "overload"):
        assert np.all(idle.term(term) == 0.0)
    # Cars that relieve a house above its limit earn nothing by it.
    by_cars_kwh = (
        np.maximum(0.0, episodes.of("overload_kw") - idle.of("overload_kw")) * scenario.step_h
    )
    price = scenario.tariff.overload_price
    assert episodes.term("overload") == pytest.approx(-price * by_cars_kwh, abs=MONEY)


@settings(max_examples=examples(40))
@given(cases())
def test_the_power_charge_of_a_month_never_falls(case: Case) -> None:
    """Each step adds to the invoice or leaves it, with the cars and without; the sun takes nothing.

    It cannot add more than the whole price of what the step drew, on the highest of its hours.
    """
    episodes = run_case(*case)
    for name in ("power_cost", "house_power_cost"):
        assert episodes.of(name).min() >= 0.0
    tariff, step_h = episodes.scenario.tariff, episodes.scenario.step_h
    rule = tariff.peaks[0] if tariff.peaks else peak_rule(0.0)
    price = max(price.per_kw for price in rule.prices) * (1.0 + vat_of(tariff))
    drawn_kw = episodes.of("load_kw") + np.maximum(episodes.of("charge_kw"), 0.0).sum(axis=2)
    if tariff.netting == "step":
        drawn_kw = np.maximum(episodes.of("grid_kw"), 0.0)
    most = price / rule.count * drawn_kw * step_h
    assert np.all(episodes.of("power_cost") <= most + MONEY)


ABOVE_ZERO = replace(
    SERIES["quarters"], price_per_kwh=0.1 + np.abs(SERIES["quarters"].price_per_kwh)
)
SUNNY = Solar(peak_kw=20.0)
CHOICES = 12


@settings(max_examples=examples(40))
@given(st.one_of(households(), households(solar=SUNNY, start_hour=12)), SEEDS, st.integers(0, 20))
def test_drawing_more_never_costs_less(scenario: Scenario, seed: int, lead: int) -> None:
    """From one state, where no car draws less and one draws more, no bill is lower.

    Prices are above 0 and an export earns no more than an import costs. What is compared are
    powers drawn, not actions: a larger current can draw less where the car is full sooner.
    """
    env = EVChargingEnv(scenario, dataset=ABOVE_ZERO)
    env.reset(seed=seed)
    actions = random_actions(scenario, seed, lead + CHOICES, rows=1)[:, 0]
    for action in actions[: min(lead, scenario.horizon_steps - 1)]:
        env.step(action)
    state = env.get_state()
    infos = []
    for action in actions[lead:]:
        env.set_state(state)
        infos.append(env.step(action)[4])
    power_kw = np.array([info["charge_kw"] for info in infos])
    no_less = np.all(power_kw[:, None] <= power_kw[None, :], axis=2)
    for name in ("energy_cost", "power_cost", "overload_kw", "grid_kw"):
        cost = np.array([info[name] for info in infos])
        assert np.all((cost[:, None] <= cost[None, :] + 1e-12)[no_less]), name


# --- cycling at a flat price ---

SPOT = 1.0
FLAT = series(price=SPOT, load_kw=0.5)
# Import costs as much as export earns, or more.
LEVEL: dict[str, float] = {}
TAXED = {"tax": 0.439, "transfer": 0.05, "vat": 0.25}
NO_AGE = {"chemistry": None, "battery_age_years": Vehicle().battery_age_years}
NO_SWITCH = {"one_phase_max_a": Vehicle().one_phase_max_a}
NEVER_GONE = Driving(pattern="daily", arrival_h=12.0, departure_h=11.0, trip_km=0.0)


@st.composite
def flat_tariffs(draw: st.DrawFn, sun: bool) -> Tariff:
    """A flat price without a power charge; with the sun, import and export at the same price.

    Else own sun would be cheaper than the grid's power, and storing it is worth something.
    """
    if sun:
        return tariff_of(**LEVEL)
    prices = draw(st.sampled_from((TAXED, LEVEL)))
    fee = draw(st.sampled_from((0.0, 0.3)))
    netting = draw(st.sampled_from(("step", "none")))
    return tariff_of(**prices, export_fee=fee, netting=netting)


@st.composite
def cyclers(draw: st.DrawFn) -> Scenario:
    """Up to three cars that nobody drives, on a connection that nothing exceeds, for two days."""
    sun = draw(st.booleans())
    cars = []
    for _ in range(draw(st.integers(1, 3))):
        phases = draw(st.sampled_from((1, 3)))
        cars.append(
            Vehicle(
                battery_kwh=draw(st.floats(2.0, 30.0)),
                phases=phases,
                line=draw(st.sampled_from((1, 2, 3))),
                ac_max_kw=draw(st.sampled_from((3.7, 7.4))) if phases == 1 else 11.0,
                eta=draw(st.sampled_from((0.8, 0.94, 1.0))),
                aux_kw=draw(st.sampled_from((0.0, 0.2))),
                wanted_soc=0.0,
                min_soc=0.0,
                limit_soc=draw(st.sampled_from((0.7, 1.0))),
                floor_soc=draw(st.sampled_from((0.0, 0.3, 0.65))),
                priority=draw(st.integers(0, 1)),
                chemistry=draw(st.sampled_from((None, "nmc622", "lfp"))),
            )
        )
    return Scenario(
        name="cycling",
        household=Household(fuse_a=63.0, annual_kwh=None),
        solar=Solar(peak_kw=8.0) if sun else Solar(),
        charger=Charger(
            bidirectional=True,
            load_management=draw(st.booleans()),
            phase_switching=draw(st.booleans()),
        ),
        vehicles=tuple(cars),
        driving=NEVER_GONE,
        tariff=draw(flat_tariffs(sun)),
        time_step_min=draw(st.sampled_from((15, 30, 60))),
        days=2,
    )


@settings(max_examples=examples(60))
@given(cyclers(), SEEDS, st.booleans())
def test_cycling_a_battery_at_a_flat_price_costs_its_losses(
    scenario: Scenario, seed: int, full: bool
) -> None:
    """Any sequence of actions that ends with the energy it began with; nothing is earned.

    The batteries begin at their limit (or their floor), do what they like for a day, and then
    charge to the limit (or discharge to the floor) again.
    """
    cars = scenario.vehicles
    socs = [car.limit_soc if full else car.floor_soc for car in cars]
    actions = random_actions(scenario, seed, scenario.horizon_steps)
    actions[scenario.horizon_steps // 2 :] = 1.0 if full else -1.0
    episodes = run_episodes(scenario, FLAT, seed, actions, {"soc": socs})
    start_kwh, end_kwh = episodes.infos[0]["energy_kwh"], episodes.infos[-1]["energy_kwh"]
    assert end_kwh == pytest.approx(start_kwh, abs=1e-12)
    tariff = scenario.tariff
    taxed = tariff.taxes[0].per_kwh + tariff.transfer[0].per_kwh
    price = (SPOT + taxed) * (1.0 + vat_of(tariff))
    for row in range(ROWS):
        loss_kwh = math.fsum(episodes.of("loss_kwh")[:, row].flat)
        earned = math.fsum(episodes.term("energy")[:, row])
        assert earned <= -price * loss_kwh + 1e-9
        if tariff.export[0].per_kwh == 0.0 and price == SPOT:
            assert earned == pytest.approx(-price * loss_kwh, abs=MONEY)
        if np.any(episodes.of("stored_kwh")[:, row, 0]) and cars[0].eta < 1.0:
            assert loss_kwh > 0.0
        assert math.fsum(episodes.rewards[:, row]) <= earned + 1e-9


@st.composite
def drivers(draw: st.DrawFn) -> Scenario:
    """One car that is driven, far at times, at a flat price below the public charger's."""
    sun = draw(st.booleans())
    car = draw(vehicles())
    tariff = draw(flat_tariffs(sun))
    public = draw(st.sampled_from((2.0, 5.0)))
    return Scenario(
        name="driven",
        household=Household(fuse_a=63.0, annual_kwh=None),
        solar=Solar(peak_kw=8.0) if sun else Solar(),
        charger=Charger(bidirectional=True),
        vehicles=(replace(car, driving=draw(drivings()), **NO_AGE, **NO_SWITCH),),
        tariff=replace(tariff, public_price_per_kwh=public),
        time_step_min=draw(st.sampled_from((15, 60))),
        days=3,
    )


@settings(max_examples=examples(60))
@given(drivers(), SEEDS)
def test_an_emptied_car_earns_nothing(scenario: Scenario, seed: int) -> None:
    """Whoever discharges, before a departure or at any time, scores no more than who does not.

    A score is return plus settlement. Both charge alike; what the emptied car then lacks is bought
    at the public charger or on the road, and what it holds less is settled at the flat price.
    """
    actions = random_actions(scenario, seed, scenario.horizon_steps)
    scores = []
    for tried in (actions, np.maximum(actions, 0.0), np.minimum(actions, 0.0), 0.0 * actions):
        episodes = run_episodes(scenario, FLAT, seed, tried)
        scores.append(episodes.rewards.sum(axis=0) + episodes.infos[-1]["settlement"])
    assert np.all(scores[0] <= scores[1] + MONEY)
    assert np.all(scores[2] <= scores[3] + MONEY)


# --- the length of a step ---

compiled_only = pytest.mark.skipif(INTERPRETED, reason="years take minutes interpreted")


def year(time_step_min: int, only_at_night: bool) -> tuple[Floats, Floats]:
    """A year of `stockholm` in eight households (8,): the whole bill, and the charging's part.

    Charging is at full power on arrival, or from 22:00 to 06:00 only.
    """
    # A stop's fixed cost comes or goes where some 1 kWh is missing, however fine the step.
    tariff = {"public_stop_cost": 0.0}
    scenario: dict[str, Any] = {"time_step_min": time_step_min, "days": 365, "tariff": tariff}
    env = EVChargingVectorEnv(8, scenario, copy=False)
    observation, _ = env.reset(seed=3, options={"start": "2024-12-30"})
    actions, charging, of_house = np.ones((8, 1), np.float32), np.zeros(8), np.zeros(8)
    for _ in range(env.scenario.horizon_steps):
        if only_at_night:
            angle = np.arctan2(observation[:, 0], observation[:, 1])
            hour = np.round(12.0 / np.pi * angle, 4) % 24.0
            actions[:, 0] = (hour < 6.0) | (hour >= 22.0)
        observation, rewards, _, _, info = env.step(actions)
        charging -= rewards
        of_house += info["house_cost"] + info["house_power_cost"]
    return of_house + charging, charging


@pytest.fixture(scope="module")
def night_years() -> dict[int, tuple[Floats, Floats]]:
    """Years of charging at night, by the length of a step in minutes."""
    return {minutes: year(minutes, only_at_night=True) for minutes in (60, 30, 15)}


@compiled_only
@pytest.mark.parametrize("minutes", [60, 30])
def test_finer_steps_change_a_years_bill_by_less_than_a_hundredth(
    night_years: dict[int, tuple[Floats, Floats]], minutes: int
) -> None:
    """Energy, power charge, wear and all, of each household; and even the charging's part alone.

    The policy follows the clock, so that only the physics can change with the step.
    """
    for coarse, fine in zip(night_years[minutes], night_years[minutes // 2], strict=True):
        assert np.all(np.abs(fine / coarse - 1.0) < 0.01)


@compiled_only
def test_finer_steps_change_the_bill_of_charging_on_arrival_little() -> None:
    """Charging on arrival begins with a step, so that finer steps let it begin sooner.

    That moves energy between the hours which the power charge counts. In the mean over households
    the bill changes by less than 1 % from 30 to 15 minutes; from 60 to 30 it is 1.5 %.
    """
    coarse, fine = (year(minutes, only_at_night=False)[0].sum() for minutes in (30, 15))
    assert abs(fine / coarse - 1.0) < 0.01
