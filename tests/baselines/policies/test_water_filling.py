"""`water_filling`: budgets by hand, when they are raised, and that they are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from baselines.policies.app_rules import ChargingPlan
from baselines.policies.peak_rules import WaterFilling
from baselines.policies.view import USUAL_LOAD
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario
from tests.support.observations_by_hand import observation_with
from tests.support.one_day import A_DAY

# 16 A on three phases are 11.04 kW, and all of it is stored.
CAR = {"battery_kwh": 60.0, "ac_max_kw": 11.04, "eta": 1.0, "aux_kw": 0.0, "taper_from_soc": 1.0}
# As an observation tells them; by day an hour counts in full.
DAY = {"hour": 10.0, "interval_factor": 1.0, "power_price_per_kw": 27.0}
NIGHT = {"hour": 0.0, "interval_factor": 0.5, "power_price_per_kw": 13.5}
PRICES = [3.0, 1.0, 2.0]


def rule(reserve_soc: float = 0.0, **changes: Any) -> WaterFilling:
    plain = {**A_DAY, "household": {"fuse_a": 35}, "vehicles": [{**CAR, "chemistry": None}]}
    scenario = Scenario.from_dict({**plain, "time_step_min": 60, **changes})
    return WaterFilling(scenario, reserve_soc=reserve_soc)


def filled(
    policy: WaterFilling, need_kwh: float, left_h: float, load_kw: float = 1.0, **fields: Any
) -> tuple[float, float]:
    """Amperes now, and the budget, of a house that draws `load_kw` in every hour."""
    told = {
        "load_kw": load_kw,
        **dict.fromkeys(USUAL_LOAD, load_kw),
        "prices": PRICES,
        "plugged": 1,
        "available_kw": 11.04,
        "hours_to_departure": left_h,
        "energy_to_wanted_kwh": need_kwh,
        **fields,
    }
    observation = observation_with(policy, **told)
    _, budgets_kw = policy.fill(policy.view(observation[np.newaxis]))
    return round(16 * float(policy(observation)[0])), float(budgets_kw[0])


@pytest.mark.parametrize(
    ("need_kwh", "now_a"),
    [
        (6.9, 0),  # which the hour at 1 takes: 8 kW less the house's one
        (13.9, 0),  # and that at 2
        (18.0, 6),  # 4 kWh are left for now: 5.8 A, so 6
        (20.0, 9),  # 6 kWh: 8.7 A, and nine still fit
        (21.0, 10),  # 7 kWh: 10.1 A, and eleven do not
    ],
)
def test_the_cheapest_slots_are_filled_up_to_the_peak(need_kwh: float, now_a: int) -> None:
    """A peak of 8 kW, which nothing here pays to raise."""
    assert filled(rule(), need_kwh, 3.0, peak_kw=8.0, **DAY) == (now_a, 8.0)


def test_a_budget_is_raised_where_missing_energy_costs_more() -> None:
    """Two hours of 7 kWh for 20 kWh: 6 are missing, 5 each and 30 for the stop are 60."""
    told = {"need_kwh": 20.0, "left_h": 2.0, "peak_kw": 8.0, **DAY, "prices": [1.0]}
    # Two and a half kW more bring five of them; the sixth is no reason for a stop. That is 67.50
    # for the peak, 5 for their energy and 5 for the sixth.
    assert filled(rule(), **told) == (10, 8.0)
    # At 12 for a kW it is 40. The next half would cost 6, to have for 1 what costs 5.
    assert filled(rule(), **{**told, "power_price_per_kw": 12.0}) == (13, 10.5)
    assert filled(rule(), **{**told, "power_price_per_kw": 7.0}) == (14, 11.0)
    # The same for each of them where a stop costs nothing.
    free_stop = rule(tariff={"public_stop_cost": 0.0})
    assert filled(free_stop, **{**told, "power_price_per_kw": 8.5})[1] == 8.0
    assert filled(free_stop, **{**told, "power_price_per_kw": 7.5})[1] == 11.0


def test_a_budget_is_raised_where_dear_slots_cost_more() -> None:
    """Ten kWh, seven of them at 1, three at 2 or, with a peak higher by 3 kW, at 1 as well."""
    told = {"need_kwh": 10.0, "left_h": 3.0, "peak_kw": 8.0, **DAY}
    assert filled(rule(), **told) == (0, 8.0)
    dear = {**told, "prices": [50.0, 1.0, 30.0]}
    assert filled(rule(), **dear) == (0, 11.0)  # 3 x 27 instead of 3 x 29


@pytest.mark.parametrize(
    ("fields", "budget_kw"),
    [
        ({"peak_kw": 0.0}, 1.0),  # the first of the month: what the house draws
        ({"peak_kw": 0.0, "usual_load_kw_h05": 6.5}, 6.5),  # and will draw at 15
        ({"peak_kw": 4.0, "usual_load_kw_h05": 3.0}, 4.0),
        ({"peak_kw": 4.0, "usual_load_kw_h15": 6.0}, 4.0),  # at 1 at night, where it is half
        ({"peak_kw": 0.0, "hour": 10.5, "interval_kw": 4.0}, 4.5),  # and half a kWh to come
    ],
)
def test_a_budget_begins_at_what_costs_nothing_more(
    fields: dict[str, float], budget_kw: float
) -> None:
    assert filled(rule(), 1e-2, 12.0, **{**DAY, **fields})[1] == pytest.approx(budget_kw)


def test_an_hour_that_counts_half_is_filled_twice_as_high() -> None:
    """A peak of 4 kW: 3 kWh beside the house by day, so it rises to 6 A; 7 at night."""
    assert filled(rule(), 7.0, 1.0, peak_kw=4.0, **NIGHT, prices=[1.0]) == (10, 4.0)
    price = {"power_price_per_kw": 100.0}
    assert filled(rule(), 3.0, 1.0, peak_kw=4.0, **{**DAY, **price}, prices=[1.0]) == (
        6,
        pytest.approx(5.14),
    )
    # Before ten, an hour of the evening is waited for: of one price, it alone has room.
    evening = {**DAY, **price, "hour": 21.0, "prices": [1.0]}
    assert filled(rule(), 7.0, 2.0, peak_kw=4.0, **evening) == (0, 4.0)


def test_what_was_drawn_in_the_hour_is_no_room() -> None:
    """At half past, 2.5 of 8 kWh: 5.5 are left, half a kWh of it for the house; 10 kW."""
    half_past = {**DAY, "hour": 10.5, "interval_kw": 2.5, "peak_kw": 8.0, "prices": [1.0]}
    assert filled(rule(time_step_min=30), 5.0, 0.5, **half_past) == (14, 8.0)


def test_two_cars_share_the_budget_in_their_order() -> None:
    policy = rule(vehicles=[CAR, CAR])
    told = {**DAY, "peak_kw": 12.0, "load_kw": 1.0, **dict.fromkeys(USUAL_LOAD, 1.0)}
    stay = {"plugged": 1, "hours_to_departure": 2.0, "prices": [1.0, 2.0]}
    # 11 kWh an hour: 6.21 kWh or 9 A for the first; 4.79 are left, 6 A and no seventh.
    observation = observation_with(policy, energy_to_wanted_kwh=[6.2, 9.0], **told, **stay)
    assert np.round(16 * policy(observation)).tolist() == [9, 6]


def test_a_reserve_is_filled_as_far_as_nothing_is_raised() -> None:
    """At 50 %, with 24 kWh to 90 %: three hours of seven, or only what is cheapest."""
    at_home = {**DAY, "peak_kw": 8.0, "soc": 0.5, "wanted_soc": 0.5}
    assert filled(rule(0.9), 0.0, 3.0, **at_home) == (10, 8.0)
    assert filled(rule(0.7), 0.0, 3.0, **at_home) == (0, 8.0)  # 12 kWh, for which two are enough
    assert filled(rule(0.0), 0.0, 3.0, **at_home)[0] == 0
    full = {**at_home, "available_kw": 0.0}  # at its owner's limit
    assert filled(rule(0.9), 0.0, 3.0, **full)[0] == 0
    plain = rule(0.9, tariff={"peaks": []})
    observation = observation_with(
        plain, plugged=1, soc=0.5, available_kw=11.0, hours_to_departure=3.0
    )
    assert plain(observation) == 0.0  # without a power charge hours are not scarce


def test_without_a_power_charge_it_charges_in_the_hours_of_a_plan() -> None:
    scenario = Scenario.from_dict({**A_DAY, "tariff": "vattenfall-flat-2025"})
    plan, own = ChargingPlan(scenario), WaterFilling(scenario)
    stay = {"plugged": 1, "prices": [3.0, 1.0, 2.0, 5.0], "available_kw": 11.0}
    for need_kwh in (5.0, 15.0, 25.0, 35.0):
        for left_h in (1.0, 2.0, 3.0, 4.0):
            told = {**stay, "energy_to_wanted_kwh": need_kwh, "hours_to_departure": left_h}
            observation = observation_with(plan, **told, headroom_kw=12.0)
            assert (plan(observation) > 0.0) == (own(observation) > 0.0)


ANY_HOUSE: dict[str, dict[str, Any]] = {
    "quarters": {},
    "hours": {"time_step_min": 60, "tariff": "goteborg-2025"},
    "five minutes": {"time_step_min": 5, "price_window": "hourly"},
    "workdays": {"tariff": "seom-2020"},
    "one peak": {"tariff": {"peaks": [{"count": 1, "prices": 65.0}]}},
    "levels": {"charger": {"levels_kw": [0.0, 3.7, 7.4, 11.0]}},
    "switching": {"charger": {"phase_switching": True}},
    "two cars": {"vehicles": [{"model": "Renault Zoe"}, {"model": "Nissan Leaf 40 kWh"}]},
    "sun": {"preset": "stockholm-villa"},
}


@pytest.mark.parametrize("label", ANY_HOUSE)
def test_no_hour_is_charged_above_its_budget(label: str) -> None:
    """If the house goes on as it does: in each step of twelve days that charges, to a watt-hour."""
    scenario = {"preset": "stockholm", **ANY_HOUSE[label], "days": 12}
    env = EVChargingEnv(scenario)
    policy = WaterFilling(env.scenario)
    observation, _ = env.reset(seed=3, options={"start": "2025-01-27"})
    step_h, charged, over = env.scenario.time_step_min / 60, 0, False
    while not over:
        view = policy.view(observation[np.newaxis])
        _, budgets_kw = policy.fill(view)
        observation, _, _, over, info = env.step(policy(observation))
        if info["charge_kw"].sum() > 0.0 and view.interval_factor[0] > 0.0:
            charged += 1
            house_kw = max(0.0, float(view.load_kw[0] - view.pv_kw[0]))
            left_h = 1.0 - view.hour_of_day[0] % 1.0
            more_kwh = house_kw * left_h + step_h * info["charge_kw"].sum()
            hour_kwh = view.interval_kw[0] + view.interval_factor[0] * more_kwh
            assert hour_kwh <= budgets_kw[0] + 1e-3
    assert charged > 3


@pytest.mark.parametrize("reserve_soc", ["much", 1.5, None, True])
def test_impossible_reserves_are_refused(reserve_soc: Any) -> None:
    with pytest.raises(ValueError, match=r"water_filling: reserve_soc is .*; allowed: a number"):
        rule(reserve_soc)
