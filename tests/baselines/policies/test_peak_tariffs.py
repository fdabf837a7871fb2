"""Peaks of quarter-hours, of several rules and in steps: what policies choose, by hand."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from baselines import make_policy
from baselines.policies.app_rules import Night
from baselines.policies.base import Policy
from baselines.policies.peak_rule import known_rules
from baselines.policies.peak_rules import WaterFilling
from baselines.policies.simple_rules import PriceBased
from baselines.policies.view import USUAL_LOAD
from ev_gym.env import EVChargingEnv
from ev_gym.runtime.compiling import INTERPRETED
from ev_gym.scenario import Scenario
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.any_tariffs import FLEMISH, NORWEGIAN
from tests.support.observations_by_hand import observation_with
from tests.support.scenario_strategies import SERIES

# 16 A on three phases are 11.04 kW, and all of it is stored; 5 for a missing kWh, 30 for a stop;
# no VAT.
CAR = {"battery_kwh": 60.0, "ac_max_kw": 11.04, "eta": 1.0, "aux_kw": 0.0, "taper_from_soc": 1.0}
PLAIN: dict[str, Any] = {"household": {"fuse_a": 35}, "vehicles": [{**CAR, "chemistry": None}]}
PUBLIC = {"public_price_per_kwh": 5.0, "public_stop_cost": 30.0, "vat": []}
STAY: dict[str, Any] = {"hour": 10.0, "interval_factor": 1.0, "plugged": 1, "available_kw": 11.04}
# What is observed on the first three steps of `NORWEGIAN`: their slopes over N = 3.
SLOPES = (81 / 2 / 3, 144 / 3 / 3, 150 / 5 / 3)


def scenario(tariff: dict[str, Any], **changes: Any) -> Scenario:
    return Scenario.from_dict({**PLAIN, "tariff": {**PUBLIC, **tariff}, **changes})


def amperes(policy: Policy, load_kw: float = 1.0, **fields: Any) -> int:
    """Amperes now, in a house that draws `load_kw` in every hour; prices are 1."""
    told = {**STAY, "load_kw": load_kw, **dict.fromkeys(USUAL_LOAD, load_kw), **fields}
    told["headroom_kw"] = 24.0 - load_kw
    return round(16 * float(np.ravel(policy(observation_with(policy, **told)))[0]))


def filled(tariff: dict[str, Any], changes: Any = None, **fields: Any) -> tuple[int, float]:
    """Amperes that `water_filling` takes now, and its budget."""
    policy = WaterFilling(scenario(tariff, **(changes or {})), reserve_soc=0.0)
    load_kw = fields.setdefault("load_kw", 1.0)
    told = {**STAY, **dict.fromkeys(USUAL_LOAD, load_kw), **fields, "headroom_kw": 24.0 - load_kw}
    _, budgets_kw = policy.fill(policy.view(observation_with(policy, **told)[np.newaxis]))
    return amperes(policy, **fields), float(budgets_kw[0])


def test_a_quarter_hour_is_filled_up_to_the_peak() -> None:
    """Of 8 kW the house leaves 7: 10 A, since eleven do not fit, whatever more is needed."""
    told = {"peak_kw": 8.0, "power_price_per_kw": 48.0, "hours_to_departure": 0.25}
    assert filled(FLEMISH, **told, energy_to_wanted_kwh=1.7) == (10, 8.0)
    assert filled(FLEMISH, **told, energy_to_wanted_kwh=1.4) == (9, 8.0)
    # At 10:05 half a kWh of two is drawn; 1.5 are left, a sixth of it for the house: 8 kW.
    begun = {**told, "hour": 10.0 + 1.0 / 12.0, "interval_kw": 2.0, "hours_to_departure": 1 / 6}
    five = {"time_step_min": 5}
    assert filled(FLEMISH, five, **begun, energy_to_wanted_kwh=1.3) == (12, 8.0)
    assert filled(FLEMISH, five, **begun, energy_to_wanted_kwh=1.26) == (11, 8.0)


def test_a_quarter_hour_that_leaves_too_little_is_raised_to_the_least_current() -> None:
    """At the floor, 6 A need 4.54 kW, and the rest of the month has them for nothing then.

    The rise alone costs 98; 10 kWh at a public charger cost 50 and the stop 30. In the quarter of
    an hour before departure 6 A would not do for 1.5 kWh, which is no reason to go above 4.54 kW.
    What needs no stop, up to 1 kWh, raises nothing, nor does a connection that leaves no 6 A.
    """
    told = {"peak_kw": 2.5, "power_price_per_kw": 48.0, "hours_to_departure": 12.0, "load_kw": 0.4}
    raised = (6, pytest.approx(4.54))
    assert filled(FLEMISH, **told, energy_to_wanted_kwh=10.0) == raised
    assert filled(FLEMISH, **told, energy_to_wanted_kwh=40.0) == raised
    short = {**told, "hours_to_departure": 0.25}
    assert filled(FLEMISH, **short, energy_to_wanted_kwh=1.5) == raised
    assert filled(FLEMISH, **told, energy_to_wanted_kwh=1.0) == (0, 2.5)
    full = {**told, "load_kw": 20.5}  # of 24 kW
    assert filled(FLEMISH, **full, energy_to_wanted_kwh=10.0) == (0, 20.5)
    # A house that draws 1.4 kW now, and usually 0.4 in the next hour, waits for that.
    waits = {**told, "load_kw": 1.4, "usual_load_kw_h11": 0.4}
    assert filled(FLEMISH, **waits, energy_to_wanted_kwh=2.0) == (0, pytest.approx(4.54))
    # One phase has its 6 A, 1.38 kW, below the floor.
    one = {"vehicles": [{**CAR, "chemistry": None, "phases": 1}]}
    assert filled(FLEMISH, one, **told, energy_to_wanted_kwh=10.0)[1] == 2.5


def test_a_three_phase_car_in_a_small_flemish_house_is_charged_at_home() -> None:
    """Eight weeks of some 0.4 kW: the quarter-hour rises above the floor, once, and not beyond."""
    case = {
        "household": {"annual_kwh": 3500.0},
        "vehicles": [{"model": "Volkswagen ID.3 58 kWh"}],
        "driving": {"pattern": "daily", "trip_km": 40.0},
        "tariff": "fluvius-antwerpen-2026",
        "currency": "EUR",
        "data": {"zone": "Europe/Brussels", "holidays": "BE", "sek_rate": 0.087},
        "days": 56,
    }
    paid, public_kwh = {}, {}
    for spec in ("uncontrolled", "water_filling"):
        env = EVChargingEnv(case)
        policy = make_policy(spec, env)
        observation, _ = env.reset(seed=0, options={"start": "2025-03-01", "house": 0})
        policy.reset()
        over = False
        while not over:
            observation, _, _, over, _ = env.step(policy(observation))
        history = env.history
        public_kwh[spec] = float((history["missing_kwh"] + history["public_kwh"]).sum())
        stops = float((history["missing_stops"] + history["public_stops"]).sum())
        tariff = env.scenario.tariff
        paid[spec] = float(history[["energy_cost", "power_cost"]].to_numpy().sum())
        paid[spec] += tariff.public_energy_price * public_kwh[spec]
        paid[spec] += tariff.public_stop_price * stops
    assert history["charge_kw"].sum() / 4 > 350.0
    assert public_kwh["water_filling"] < 5.0
    assert paid["water_filling"] < 0.85 * paid["uncontrolled"]
    assert history["grid_kw"].max() < 6.0


def test_hourly_prices_are_cut_into_quarters_of_the_clock() -> None:
    """At 10:30 of an hour at 1 two quarters are left, before one at 2: 7 kW in each, 3.5 kWh."""
    told = {"peak_kw": 8.0, "power_price_per_kw": 48.0, "hour": 10.5, "hours_to_departure": 1.5}
    told |= {"prices": [2.0, 1.0]}
    assert filled(FLEMISH, **told, energy_to_wanted_kwh=6.9) == (0, 8.0)
    assert filled(FLEMISH, **told, energy_to_wanted_kwh=8.2) == (7, 8.0)  # 1.2 kWh, 4.8 kW


TWO = {"peaks": [{"prices": 65.0}, {"count": 1, "over": "year", "prices": 200.0}]}


@pytest.mark.parametrize(
    ("told", "now_a", "budget_kw"),
    [
        ({"peak_kw": [8.0, 6.0]}, 7, 6.0),  # 5 kW beside the house
        ({"peak_kw": [6.0, 8.0]}, 7, 6.0),
        ({"peak_kw": [8.0, 6.0], "interval_factor": [1.0, 0.5]}, 10, 6.0),  # 12 kW: the other binds
        ({"peak_kw": [8.0, 6.0], "power_price_per_kw": [27.0, 0.0]}, 10, 8.0),  # costs nothing
        # 4 kWh, three beside the house: too few for 6 A, so one rule rises to what these need.
        ({"peak_kw": [8.0, 6.0], "interval_kw": [0.0, 2.0]}, 6, pytest.approx(7.14)),
    ],
)
def test_of_two_rules_the_tighter_one_binds(
    told: dict[str, Any], now_a: int, budget_kw: Any
) -> None:
    stay = {"hours_to_departure": 1.0, "energy_to_wanted_kwh": 7.0}
    prices = {"power_price_per_kw": [100.0, 100.0], "interval_factor": [1.0, 1.0]}
    hourly = {"time_step_min": 60}
    assert filled(TWO, hourly, **{**prices, **stay, **told}) == (now_a, budget_kw)


def test_night_stays_below_the_least_of_the_peaks_by_day() -> None:
    """6 kW less the house's one: 7 A; of a rule that costs nothing now, nothing."""
    policy = Night(scenario(TWO, time_step_min=60))
    told = {"hour": 12.0, "hours_to_departure": 2.0, "energy_to_wanted_kwh": 9.0}
    told |= {"peak_kw": [8.0, 6.0], "interval_factor": [1.0, 1.0]}
    assert amperes(policy, **told, power_price_per_kw=[20.0, 100.0]) == 7
    assert amperes(policy, **told, power_price_per_kw=[20.0, 0.0]) == 10


def test_price_based_adds_up_the_rules() -> None:
    """Eight kWh in an hour of levels: each kW above 5 costs both rules; at a stop, 50, less."""
    levels = {"time_step_min": 60, "charger": {"levels_kw": [0.0, 4.0, 8.0]}}
    policy = PriceBased(scenario(TWO, **levels))
    told = {"hours_to_departure": 1.0, "energy_to_wanted_kwh": 8.0, "peak_kw": [5.0, 5.0]}
    told["interval_factor"] = [1.0, 1.0]
    # 8 + 4 * 11 against 4 + 4 * 5 + 30, then 8 + 4 * 12.
    assert amperes(policy, **told, power_price_per_kw=[5.0, 6.0]) == 16
    assert amperes(policy, **told, power_price_per_kw=[6.0, 6.0]) == 8


@pytest.mark.parametrize(
    ("usual_kw", "step", "peak_kw", "budget_kw"),
    [
        # Three peaks of a month are 2.3 times the highest usual hour: 1.9 kW, and 2.1.
        (0.8, 0, 5.999, 1.999),  # the first of the month
        (0.9, 0, 5.999, 4.999),
        # What one peak may be, where others are higher: 15 kW less those of 5.5.
        (0.9, 1, 3.999, 3.999),
        (0.9, 2, 11.0, 9.999),  # the house or its cars are on the third step already
        (0.9, 2, 7.5, 7.5),
    ],
)
def test_a_step_is_kept(usual_kw: float, step: int, peak_kw: float, budget_kw: float) -> None:
    told = {"power_price_per_kw": SLOPES[step], "peak_kw": peak_kw, "load_kw": 0.7}
    told |= {"usual_load_kw_h05": usual_kw, "hours_to_departure": 3.0}
    _, found_kw = filled(NORWEGIAN, {"time_step_min": 60}, **told, energy_to_wanted_kwh=1e-2)
    assert found_kw == pytest.approx(budget_kw, abs=1e-4)


def test_the_next_step_is_paid_where_it_pays() -> None:
    """4.3 kWh in three hours each; 14.1 of 27 kWh are missing. The next step costs 144 more."""
    told = {"power_price_per_kw": SLOPES[0], "peak_kw": 5.999, "load_kw": 0.7}
    told |= {"usual_load_kw_h05": 0.9, "hours_to_departure": 3.0, "energy_to_wanted_kwh": 27.0}
    hourly = {"time_step_min": 60}
    now_a, budget_kw = filled(NORWEGIAN, hourly, **told)  # 70.50 and the stop, 30
    assert (now_a, budget_kw) == (6, pytest.approx(4.999, abs=1e-4))
    dear_stop = {**NORWEGIAN, "public_stop_cost": 100.0}
    # Then nine kWh an hour, up to the step's end.
    now_a, budget_kw = filled(dear_stop, hourly, **told)
    assert (now_a, budget_kw) == (13, pytest.approx(9.999, abs=1e-4))


def test_what_a_house_expects_of_its_own_peaks() -> None:
    """The mean of the three highest of thirty days, drawn by the ten thousand, within 3 %."""
    (known,) = known_rules(scenario(NORWEGIAN).tariff)
    drawn = np.random.default_rng(2).lognormal(-0.5 * 0.35**2, 0.35, (20_000, 30))
    mean = np.sort(drawn, axis=1)[:, -3:].mean()
    assert known.above_usual * 0.72 == pytest.approx(mean, rel=0.03)


# A house of 0.5 kW without change, prices of 0.8, and a car from 17:15 to 7:15 that drives 10 kWh.
DRIVING = {"pattern": "daily", "arrival_h": 17.25, "departure_h": 7.25, "trip_kwh": 10.0}
HOUSE = {
    **PLAIN,
    "vehicles": [{**CAR, "chemistry": None, "wanted_soc": 0.5, "limit_soc": 0.6}],
    "driving": {**DRIVING, "start_soc": 0.5},
    "days": 5,
    "start_hour": 12,
}


def week(spec: str, tariff: dict[str, Any], **changes: Any) -> Any:
    """The history of five days, and what the power charge added in them."""
    case = {**HOUSE, "tariff": {**PUBLIC, **tariff}, **changes}
    env = EVChargingEnv(case, dataset=SERIES["constant"])
    policy = make_policy(spec, env)
    observation, _ = env.reset(seed=1, options={"start": "2023-03-21T12:00"})
    policy.reset()
    over, cost = False, 0.0
    while not over:
        observation, _, _, over, info = env.step(policy(observation))
        cost -= info["reward_terms"]["power"]
    return env.history, cost


@pytest.mark.parametrize("spec", ["water_filling(reserve_soc=0)", "mpc"])
def test_a_flemish_household_keeps_its_quarter_hours(spec: str) -> None:
    """The floor leaves 2 kW, less than 6 A: one raise to 4.64 kW, at 20 a kW 42.80.

    Ten kWh at a public charger cost 80 a day.
    """
    rule = {"interval_min": 15, "count": 1, "floor_kw": 2.5, "prices": 20.0}
    history, cost = week(spec, {"peaks": [rule]})
    assert history["grid_kw"].max() == pytest.approx(4.64)
    assert cost == pytest.approx(20.0 * (4.64 - 2.5))
    assert history["missing_kwh"].max() < 1.0  # no reason for a stop
    # Where 8 kW cost nothing, up to 10 A are taken, which is 7.4 kW, and nothing is paid.
    wide, cost = week(spec, {"peaks": [{**rule, "floor_kw": 8.0}]})
    assert 4.64 <= wide["grid_kw"].max() <= 7.4 + 1e-6
    assert cost == 0.0
    assert wide["missing_kwh"].max() < 1.0


@pytest.mark.parametrize("spec", ["water_filling(reserve_soc=0)", "mpc"])
def test_a_norwegian_household_stays_in_its_step(spec: str) -> None:
    """Up to 2 kW: 1.5 kWh an hour beside the house, 21 in a stay."""
    history, cost = week(spec, NORWEGIAN, time_step_min=5)
    hourly_kw = history["grid_kw"].to_numpy().reshape(-1, 12).mean(axis=1)
    assert hourly_kw.max() < 2.0
    assert cost == 0.0
    assert history["missing_kwh"].max() < 1.0  # no reason for a stop
    assert hourly_kw.sum() > 5 * 24 * 0.5 + 35.0  # and it was charged


HOUSEHOLDS = 6
PAIR = {
    "peaks": [
        {"count": 1, "over": "year", "prices": 200.0},
        {
            "interval_min": 15,
            "count": 10,
            "different_days": False,
            "weights": [{"factor": 0.0}, {"factor": 1.0, "from_time": "07:00", "to_time": "20:00"}],
            "prices": [{"per_kw": 60.0, "months": [11, 12, 1, 2, 3]}],
        },
    ]
}


@functools.cache
def month_cost(spec: str, name: str) -> float:
    """Mean cost of four weeks of test worlds, the settlement included."""
    tariff = {"flemish": FLEMISH, "norwegian": NORWEGIAN, "two rules": PAIR}[name]
    case = {"days": 28, "tariff": tariff}
    env = EVChargingVectorEnv(HOUSEHOLDS, case, split="test", info="terms")
    policy = make_policy(spec, env)
    observations, _ = env.reset(seed=5)
    policy.reset()
    cost, over = 0.0, False
    while not over:
        observations, rewards, _, truncated, infos = env.step(policy(observations))
        cost -= float(rewards.mean())
        over = bool(truncated.all())
    return cost - float(infos["settlement"].mean())


@pytest.mark.skipif(INTERPRETED, reason="a hundred thousand steps take minutes interpreted")
@pytest.mark.parametrize("name", ["flemish", "norwegian", "two rules"])
def test_who_counts_the_peaks_pays_less(name: str) -> None:
    for spec in ("mpc", "water_filling", "price_based", "plan"):
        assert month_cost(spec, name) < 0.9 * month_cost("uncontrolled", name), spec
        assert month_cost(spec, name) < 0.9 * month_cost("price_based(power_charge=False)", name)
    assert month_cost("mpc", name) < month_cost("price_based", name)
    assert month_cost("water_filling", name) < month_cost("price_based", name)
