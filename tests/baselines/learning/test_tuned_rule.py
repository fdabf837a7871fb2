"""`TunedFilling`: neutral it is `water_filling`, and what each parameter does, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from baselines.learning.parameters import NAMES, NEUTRAL, parameters_of
from baselines.learning.tuned_rule import TunedFilling
from baselines.policies.peak_rules import WaterFilling
from baselines.policies.view import USUAL_LOAD
from ev_gym.scenario import Scenario, as_scenario
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.observations_by_hand import observation_with
from tests.support.one_day import A_DAY

# 16 A on three phases are 11.04 kW, 6 A are 4.14, and all of it is stored.
CAR = {"battery_kwh": 60.0, "ac_max_kw": 11.04, "eta": 1.0, "aux_kw": 0.0, "taper_from_soc": 1.0}
DAY = {"hour": 10.0, "interval_factor": 1.0, "power_price_per_kw": 27.0}
RESERVE = {"reserve_worth_first": 2.0, "reserve_worth_last": 0.5, "reserve_kwh": 10.0}


def rule(**parameters: float) -> TunedFilling:
    """Of a house whose battery's capacity costs 1000 a kWh."""
    car = {**CAR, "wear_price_per_kwh": 1000.0}
    plain = {**A_DAY, "household": {"fuse_a": 35}, "vehicles": [car], "time_step_min": 60}
    return TunedFilling(Scenario.from_dict(plain), True, 0, **{"reserve_soc": 0.4, **parameters})


def filled(
    policy: TunedFilling, need_kwh: float, left_h: float, **fields: Any
) -> tuple[int, float]:
    """Amperes now, and the budget, of a house that draws 1 kW in every hour."""
    told: dict[str, Any] = {
        "load_kw": 1.0,
        **dict.fromkeys(USUAL_LOAD, 1.0),
        "prices": [3.0, 1.0, 2.0],
        "plugged": 1,
        "available_kw": 11.04,
        "hours_to_departure": left_h,
        "energy_to_wanted_kwh": need_kwh,
        "soc": 0.5,
        "wanted_soc": 0.5 + need_kwh / 60.0,
        **DAY,
        **fields,
    }
    observation = observation_with(policy, **told)
    now_a = round(16 * float(policy(observation)[0]))
    _, budgets_kw = policy.fill(policy.view(observation[np.newaxis]))
    return now_a, float(budgets_kw[0])


FLANDERS = {"tariff": "fluvius-antwerpen-2026", "data": {"sek_rate": 0.09}}


@pytest.mark.parametrize("scenario", ["stockholm", "stockholm-villa", FLANDERS])
def test_neutral_it_is_water_filling(scenario: Any) -> None:
    """Bit for bit, for four days of six households."""
    env = EVChargingVectorEnv(6, as_scenario(scenario), split="train", info="none")
    plain, neutral = WaterFilling(env.scenario), TunedFilling(env.scenario, True, 0, **NEUTRAL)
    observations, _ = env.reset(seed=3)
    moved = 0
    for _ in range(4 * 96):
        actions = plain(observations)
        np.testing.assert_array_equal(neutral(observations), actions)
        moved += int((actions > 0.0).sum())
        observations, *_ = env.step(actions)
    assert moved > 50


def test_fast_charging_is_spread_where_it_wears() -> None:
    """10 kWh in hours at 1 and 1.20; each kW makes a kWh 0.06 dearer.

    The first 4.14 kWh of an hour cost 0.25 more, the others 0.91: now are 4.14 of them and, after
    as many later on, the other 1.72. That is 8.5 A.
    """
    told: dict[str, Any] = {"need_kwh": 10.0, "left_h": 2.0, "prices": [1.0, 1.2], "peak_kw": 30.0}
    assert filled(rule(), **told)[0] == 15
    assert filled(rule(power_wear=60.0), **told)[0] == 9


def test_what_is_held_long_is_dearer() -> None:
    told: dict[str, Any] = {"need_kwh": 5.0, "left_h": 3.0, "prices": [1.0], "peak_kw": 30.0}
    assert filled(rule(), **told)[0] == 8
    assert filled(rule(holding_wear=1.0), **told)[0] == 0
    late: dict[str, Any] = {**told, "prices": [1.0, 1.0, 0.98]}
    assert filled(rule(), **late)[0] == 0
    assert filled(rule(holding_wear=-8.0), **late)[0] == 0  # 0.016 for two hours
    assert filled(rule(holding_wear=-8.0), **{**late, "prices": [1.0, 1.0, 0.985]})[0] == 8


def test_prices_that_are_not_published_may_be_taken_for_dearer() -> None:
    told: dict[str, Any] = {"need_kwh": 5.0, "left_h": 3.0, "prices": [1.0, 0.8], "peak_kw": 30.0}
    assert filled(rule(), **told, hours_known=1.0)[0] == 0
    assert filled(rule(unknown_price=0.5), **told, hours_known=1.0)[0] == 8
    assert filled(rule(unknown_price=0.5), **told, hours_known=3.0)[0] == 0


@pytest.mark.parametrize(
    ("parameter", "load_kw"),
    [({"load_factor": 1.8}, 1.0), ({"load_margin_kw": 1.0}, 1.0), ({"load_persistence": 0.9}, 2.0)],
)
def test_more_load_than_usual_leaves_less_room_later(
    parameter: dict[str, float], load_kw: float
) -> None:
    """Thirteen kWh fit into the two cheap hours, 7 into each, unless the house draws more."""
    told: dict[str, Any] = {"need_kwh": 13.0, "left_h": 3.0, "peak_kw": 8.0, "load_kw": load_kw}
    assert filled(rule(), **told)[0] == 0
    assert filled(rule(**parameter), **told)[0] == 6


def test_a_budget_begins_at_the_peak_that_the_house_will_set() -> None:
    """A usual kW lets expect daily peaks of 1 / 0.72 kW."""
    assert filled(rule(), 1e-2, 12.0)[1] == 1.0
    assert filled(rule(own_peak=1.6), 1e-2, 12.0)[1] == pytest.approx(1.6 / 0.72)
    growth = rule(own_peak_growth=0.5)
    expected_kw = 0.5 * np.log(31.0) / 0.72
    assert filled(growth, 1e-2, 12.0, month_days_left=30.0)[1] == pytest.approx(expected_kw)
    assert filled(growth, 1e-2, 12.0, month_days_left=0.0)[1] == 1.0


def test_the_house_s_own_peaks_are_remembered() -> None:
    """A day of 1 kW, in which one hour draws 9, counts beside three of 1 / 0.72 kW."""
    policy = rule(own_peak=1.0)
    for hour in range(24):
        filled(policy, 0.0, 0.0, hour=float(hour), load_kw=9.0 if hour == 18 else 1.0)
    expected_kw = (9.0 + 3.0 / 0.72) / 4.0
    assert filled(policy, 1e-2, 12.0, hour=0.0)[1] == pytest.approx(expected_kw)
    policy.reset(np.array([0]))
    assert filled(policy, 1e-2, 12.0, hour=0.0)[1] == pytest.approx(1.0 / 0.72)


@pytest.mark.parametrize(
    ("parameters", "days_left", "budget_kw"),
    [
        ({}, 30.0, 8.0),  # 2.5 kW more cost 67.50, to save 20 kWh less five, and a stop
        ({"peak_share_first": 0.4}, 30.0, 10.5),  # at 10.80
        ({"peak_share_first": 0.4}, 0.0, 8.0),
        ({"peak_share_last": 0.4}, 0.0, 10.5),
        ({"missing_share": 3.0}, 30.0, 11.0),  # the last half costs 13.50, to save 14
    ],
)
def test_a_budget_is_raised_by_what_a_peak_and_a_stop_are_taken_for(
    parameters: dict[str, float], days_left: float, budget_kw: float
) -> None:
    told: dict[str, Any] = {"need_kwh": 20.0, "left_h": 2.0, "peak_kw": 8.0, "prices": [1.0]}
    assert filled(rule(**parameters), **told, month_days_left=days_left)[1] == budget_kw


def test_a_reserve_is_bought_at_what_it_is_worth() -> None:
    """At the typical price: 10 ln 3 = 11.0 kWh, of which the battery may hold some already."""
    told: dict[str, Any] = {"need_kwh": 0.0, "left_h": 2.0, "prices": [1.0], "peak_kw": 30.0}
    empty = {**told, "wanted_soc": 0.5}
    assert filled(rule(**RESERVE, reserve_soc=0.9), **empty)[0] == 16
    assert filled(rule(**RESERVE), **empty)[0] == 0  # up to a SoC of 0.4 alone
    five = {**told, "wanted_soc": 0.5 - 5.986 / 60.0}
    assert filled(rule(**RESERVE, reserve_soc=0.9), **five)[0] == 8  # 5 kWh: 7.2 A
    eleven = {**told, "wanted_soc": 0.5 - 11.0 / 60.0}
    assert filled(rule(**RESERVE, reserve_soc=0.9), **eleven)[0] == 0
    assert filled(rule(**{**RESERVE, "reserve_kwh": 20.0}, reserve_soc=0.9), **eleven)[0] == 16
    assert filled(rule(**{**RESERVE, "reserve_worth_first": 4.0}, reserve_soc=0.9), **eleven)[0] > 0
    assert (
        filled(rule(**{**RESERVE, "reserve_worth_last": 1.0}, reserve_soc=0.9), **eleven)[0] == 16
    )


@pytest.mark.parametrize(
    ("parameters", "bought"),
    [
        ({"memory_days": 28.0}, True),  # 0.75
        ({"memory_days": 1.0}, False),  # 0.50
        ({"memory_days": 28.0, "coming_share": 0.8}, False),  # 0.55
    ],
)
def test_the_typical_price_is_that_of_days_seen(parameters: dict[str, float], bought: bool) -> None:
    """One day at 1, then 0.5 is published, and 0.6 is a price for a reserve or not."""
    worth = {"reserve_worth_first": 1.0, "reserve_worth_last": 1.0, "reserve_soc": 0.9}
    policy = rule(**worth, **parameters)
    told: dict[str, Any] = {"need_kwh": 0.0, "left_h": 1.0, "peak_kw": 30.0, "wanted_soc": 0.5}
    filled(policy, **told, prices=[1.0], hours_known=12.0)
    later = {**told, "hour": 13.0, "hours_known": 24.0}
    assert (filled(policy, **later, prices=[0.6, *[0.5] * 35])[0] > 0) == bought


def test_parameters_by_name() -> None:
    assert parameters_of({}).tolist() == list(NEUTRAL.values())
    found = parameters_of({"memory_days": 3.0})
    assert dict(zip(NAMES, found.tolist(), strict=True)) == {**NEUTRAL, "memory_days": 3.0}
    with pytest.raises(ValueError, match=r"no parameter 'power'; allowed: power_wear, holding"):
        parameters_of({"power": 1.0})
    with pytest.raises(ValueError, match=r"memory_days is 0.5; allowed: a number from 1 to 28"):
        parameters_of({"memory_days": 0.5})
