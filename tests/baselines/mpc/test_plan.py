"""Parts of `mpc`: plans worked out by hand, following them, what it learns, its forecast."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from baselines.foresight import foresee
from baselines.mpc import Mpc
from baselines.mpc.follow import Follower, LastAmpere
from baselines.mpc.forecast import Forecast, Memory
from baselines.mpc.own_peaks import FULL_PRICE, PeakRaise, after, cost_of
from baselines.mpc.plan import (
    Level,
    Limits,
    Outlook,
    PeakOutlook,
    Plan,
    Site,
    Stay,
    Surplus,
    make_plan,
    site_of,
)
from baselines.policies.view import HouseholdView
from ev_gym.scenario import Scenario
from ev_gym.vector_env import EVChargingVectorEnv
from tests.support.tariffs import peak_rule

# No losses, no ageing: an AC kWh is a stored one. 50 kWh, of which 40 are wanted.
CAR: dict[str, Any] = {
    "battery_kwh": 50.0, "eta": 1.0, "aux_kw": 0.0, "wanted_soc": 0.8, "chemistry": None
}  # fmt: skip


def site(**changes: Any) -> Site:
    return site_of(Scenario.from_dict({"vehicles": [CAR], **changes}))


def peaks(factor: list[float], peak_kw: float, price_per_kw: float, **changes: Any) -> PeakOutlook:
    """A rule of which a kW costs the full price, in an hour that has just begun."""
    return PeakOutlook(factor, peak_kw, 0.0, price_per_kw, FULL_PRICE)._replace(**changes)


def outlook(
    price_per_kwh: list[float],
    load_kw: float = 0.0,
    rules: tuple[PeakOutlook, ...] = (),
    **changes: Any,
) -> Outlook:
    """Whole hours of a constant load and no sun; nothing exported or stored is worth anything.

    Without `rules` peaks cost nothing.
    """
    n = len(price_per_kwh)
    plain = Outlook(
        slots_h=[[1.0]] * n,
        slot_prices_per_kwh=[[price] for price in price_per_kwh],
        export_price_per_kwh=[0.0] * n,
        export_kw=[50.0] * n,
        load_kw=[load_kw] * n,
        pv_kw=[0.0] * n,
        day=[0] * n,
        rules=list(rules) or [peaks([0.0] * n, 0.0, 0.0)],
        worth_per_kwh=0.0,
        reserves=[[]],
    )
    return plain._replace(**changes)


def planned_kwh(plan: Plan) -> list[float]:
    """What each battery is to hold at the end of the running hour."""
    return [of_slots[-1] for of_slots in plan.energy_kwh]


def test_a_contract_and_dimming_leave_less_of_the_cheap_hour() -> None:
    """Of 11 kW the cheap hour takes 3 beside the house, or 4.2; below 6 A of three lines none."""
    dear = Limits(13.8, math.inf)
    for limits, cheap_kwh in (
        (dear, 11.0),
        (Limits(5.0, math.inf), 3.0),
        (Limits(13.8, 4.2), 4.2),
        (Limits(5.0, 4.2), 3.0),
        (Limits(13.8, 4.0), 0.0),
    ):
        known = outlook([2.0, 1.0], load_kw=2.0, limits=[[dear], [limits]])
        plan = make_plan(site(), known, [Stay(0, 28.0, 2.0, 40.0)])
        assert planned_kwh(plan) == pytest.approx([28.0 + min(11.0, 12.0 - cheap_kwh)])


def test_dimmed_quarters_of_an_hour() -> None:
    """The cheaper half is dimmed: 2.1 kWh in it, so 2.9 of 5 kWh in the dear one."""
    halves = outlook(
        [1.0],
        slots_h=[[0.5, 0.5]],
        slot_prices_per_kwh=[[1.5, 0.5]],
        limits=[[Limits(13.8, math.inf), Limits(13.8, 4.2)]],
    )
    plan = make_plan(site(), halves, [Stay(0, 35.0, 1.0, 40.0)])
    assert plan.energy_kwh[0] == pytest.approx([37.9, 40.0])


def test_two_cars_share_a_dimmed_hour() -> None:
    """4.2 kW together; 8.4 kWh are wanted, so as much again in the dear hour."""
    known = outlook(
        [1.0, 2.0],
        limits=[[Limits(13.8, 4.2)], [Limits(13.8, math.inf)]],
        reserves=[[], []],
    )
    plan = make_plan(
        site(vehicles=[CAR, CAR]), known, [Stay(0, 35.8, 2.0, 40.0), Stay(1, 35.8, 2.0, 40.0)]
    )
    assert sum(planned_kwh(plan)) == pytest.approx(2 * 35.8 + 4.2)


def test_the_observed_headroom_is_kept_in_a_dimmed_hour() -> None:
    """5 kW are 7 A of three lines, where limits change; the connection's own would be 35 A."""
    dimmed = {"charger": {"dimming": 4.2}}
    assert set_kw(household(headroom_kw=5.0), 11.0, scenario=dimmed) == pytest.approx(7 * 0.69)
    assert set_kw(household(headroom_kw=5.0), 11.0) == pytest.approx(16 * 0.69)


def test_the_cheaper_hour_first_and_then_the_next() -> None:
    """16 kWh in three hours of 11 kW: 11 in the cheapest, 5 at a price of 2, none at 3."""
    plan = make_plan(site(), outlook([2.0, 1.0, 3.0]), [Stay(0, 24.0, 3.0, 40.0)])
    assert planned_kwh(plan) == pytest.approx([29.0])
    assert plan.charges_later == [[True]]
    assert plan.value_per_kwh == pytest.approx([2.0])  # a kWh more would have saved one of those


def test_the_cheaper_quarters_of_an_hour_first() -> None:
    """11 kW give 2.75 kWh in a quarter: 5.5 at 0.1 and 0.2, and of the 0.3 kWh left all at 0.4."""
    quarters = outlook([0.0])._replace(
        slots_h=[[0.25] * 4], slot_prices_per_kwh=[[0.4, 0.1, 0.9, 0.2]]
    )
    house = site(household={"fuse_a": 35.0})
    plan = make_plan(house, quarters, [Stay(0, 40.0 - 5.5 - 0.3, 1.0, 40.0)])
    assert plan.energy_kwh[0] == pytest.approx([34.5, 37.25, 37.25, 40.0])
    assert plan.charges_later == [[True, True, True, False]]
    assert plan.value_per_kwh == pytest.approx([0.4])


def test_the_quarters_of_an_hour_share_its_peak() -> None:
    """Of the hour 4 kWh fit below the peak, whatever is cheap: 2.75 in one, the rest dear."""
    quarters = outlook([0.0], rules=(peaks([1.0], 4.0, 27.0),))._replace(
        slots_h=[[0.25] * 4], slot_prices_per_kwh=[[1.0, 0.1, 1.0, 1.0]]
    )
    house = site(
        household={"fuse_a": 35.0},
        tariff={"public_price_per_kwh": 5.0, "public_stop_cost": 0.0},
    )
    plan = make_plan(house, quarters, [Stay(0, 30.0, 1.0, 40.0)])
    assert plan.energy_kwh[0][-1] == pytest.approx(34.0)
    assert plan.energy_kwh[0][1] - plan.energy_kwh[0][0] == pytest.approx(2.75)


def test_losses_are_those_of_full_power() -> None:
    """(0.9 * 11 - 0.9) kW in the battery."""
    lossy = {**CAR, "eta": 0.9, "aux_kw": 0.9, "ac_max_kw": 11.0}
    plan = make_plan(site(vehicles=[lossy]), outlook([1.0]), [Stay(0, 20.0, 1.0, 40.0)])
    assert planned_kwh(plan) == pytest.approx([29.0])


def test_what_can_wait_until_after_the_last_slot_waits() -> None:
    """20 kWh, of which 8 h of 11 kW after two slots take more; 1 h takes 11."""
    for hours, energy_kwh in ((10.0, 20.0), (3.0, 29.0)):
        plan = make_plan(site(), outlook([1.0, 2.0]), [Stay(0, 20.0, hours, 40.0)])
        assert planned_kwh(plan) == pytest.approx([energy_kwh])


def test_a_departure_within_an_hour_leaves_a_part_of_it() -> None:
    """An hour and a half: 5.5 kWh in the cheap half hour, the other 10.5 now."""
    plan = make_plan(site(), outlook([2.0, 1.0]), [Stay(0, 24.0, 1.5, 40.0)])
    assert planned_kwh(plan) == pytest.approx([34.5])


@pytest.mark.parametrize(
    ("public", "energy_kwh", "peak_kw", "value"),
    # Below the peak of 3 kW a load of 1 kW leaves 2 kW in four hours, 8 of 12 kWh. A kW more costs
    # 27 and gives the other 4: to buy them elsewhere costs 20, or 40.
    [(5.0, 30.0, 3.0, 5.0), (10.0, 31.0, 4.0, 6.75 + 1.0)],
)
def test_the_power_charge_against_the_public_charger(
    public: float, energy_kwh: float, peak_kw: float, value: float
) -> None:
    known = outlook([1.0] * 4, load_kw=1.0, rules=(peaks([1.0] * 4, 3.0, 27.0),))
    house = site(tariff={"public_price_per_kwh": public, "public_stop_cost": 0.0})
    plan = make_plan(house, known, [Stay(0, 28.0, 4.0, 40.0)])
    assert plan.peak_kw == pytest.approx([peak_kw])
    assert plan.value_per_kwh == pytest.approx([value])
    if public == 10.0:  # at the lower one it does not matter which hour it charges in
        assert planned_kwh(plan) == pytest.approx([energy_kwh])


def test_a_house_above_the_peak_leaves_its_cars_headroom_without_a_price() -> None:
    """The load of 5 kW in the second hour raises the peak by itself, to 5 kW in the first too."""
    known = outlook([1.0, 1.0], rules=(peaks([1.0, 1.0], 3.0, 27.0),))._replace(load_kw=[1.0, 5.0])
    plan = make_plan(site(), known, [Stay(0, 36.0, 2.0, 40.0)])
    assert (*plan.peak_kw, *planned_kwh(plan)) == pytest.approx((5.0, 40.0))


def test_hours_that_count_half_leave_twice_the_headroom() -> None:
    """Half of (1.5 so far + 1 of load + 5.5 of the car) is the peak of 4 kW."""
    begun = peaks([0.5, 1.0], 4.0, 1e3, interval_kw=0.75)
    known = outlook([1.0, 2.0], load_kw=1.0, rules=(begun,))
    plan = make_plan(site(), known, [Stay(0, 33.0, 2.0, 40.0)])
    assert planned_kwh(plan) == pytest.approx([38.5])


def test_discharging_to_the_house_in_the_dear_hour() -> None:
    """5 kWh of load at 3 are worth more than 5 kWh bought back at 1; more would be given away."""
    house = site(charger={"bidirectional": True}, solar={"peak_kw": 0.0})
    plan = make_plan(house, outlook([3.0, 1.0], load_kw=5.0), [Stay(0, 40.0, 2.0, 40.0)])
    assert planned_kwh(plan) == pytest.approx([35.0])
    # Not below the floor of 30 % of 50 kWh, and no longer where it pays less than the wear.
    full = [Stay(0, 17.0, 9.0, 40.0)]
    plan = make_plan(house, outlook([3.0] + [1.0] * 8, load_kw=5.0), full)
    assert planned_kwh(plan) == pytest.approx([15.0])
    worn = [{**CAR, "chemistry": "nmc622", "wear_price_per_kwh": 9000.0}]  # 2.52 a kWh
    aged = site(charger={"bidirectional": True}, vehicles=worn)
    plan = make_plan(aged, outlook([3.0, 1.0], load_kw=5.0), [Stay(0, 40.0, 2.0, 40.0)])
    assert planned_kwh(plan) == pytest.approx([40.0])


def test_what_the_sun_leaves_is_taken_before_the_grid() -> None:
    """6 kW of surplus for two hours, worth 0.1 exported; 12 of 14 kWh from it, 2 at 1."""
    known = outlook([1.0, 1.1], export_price_per_kwh=[0.1, 0.1])._replace(pv_kw=[6.0, 6.0])
    plan = make_plan(site(solar={"peak_kw": 10.0}), known, [Stay(0, 26.0, 2.0, 40.0)])
    assert planned_kwh(plan) == pytest.approx([34.0])
    assert plan.value_per_kwh == pytest.approx([1.0])


@pytest.mark.parametrize(("export_kw", "energy_kwh"), [(50.0, 42.0), (0.0, 40.0)])
def test_sun_that_is_cut_off_costs_nothing(export_kw: float, energy_kwh: float) -> None:
    """6 kWh of surplus, for which 0.5 is paid if it is sold: into the battery, wanted or not.

    Where it is cut off instead, the car takes the 4 kWh that it wants.
    """
    known = outlook([1.0], export_price_per_kwh=[-0.5], export_kw=[export_kw], pv_kw=[6.0])
    plan = make_plan(site(solar={"peak_kw": 10.0}), known, [Stay(0, 36.0, 1.0, 40.0)])
    assert planned_kwh(plan) == pytest.approx([energy_kwh])


def test_when_a_site_cuts_off_its_sun() -> None:
    """Below the price, weighted as all money of a plan; without one never."""
    weighted = {"reward_weights": {"energy": 2.0}}
    cuts = site(solar={"peak_kw": 10.0, "curtail_below_price": -0.1}, **weighted)
    assert [cuts.export_kw(price) for price in (-0.21, -0.2)] == [0.0, pytest.approx(13.8)]
    assert site(solar={"peak_kw": 10.0}).export_kw(-9.0) == pytest.approx(13.8)


def test_no_car_draws_or_gives_less_than_6_a() -> None:
    """2.07 kW are half of 6 A: of 4.14 kWh so much comes from the sun, and goes to the house."""
    known = outlook([1.0], export_price_per_kwh=[0.1], worth_per_kwh=0.6)._replace(pv_kw=[2.07])
    plan = make_plan(site(solar={"peak_kw": 10.0}), known, [Stay(0, 40.0, 1.0, 40.0)])
    assert planned_kwh(plan) == pytest.approx([44.14])
    house = site(charger={"bidirectional": True})
    plan = make_plan(house, outlook([3.0, 1.0], load_kw=2.07), [Stay(0, 40.0, 2.0, 40.0)])
    assert planned_kwh(plan) == pytest.approx([35.86])


def test_two_cars_on_a_tight_connection() -> None:
    """10 kW for two: the first needs 8 kWh in an hour, the other 12 in two, so now 2."""
    cars = [CAR, CAR]
    house = site(vehicles=cars, household={"connection_kw": 12.0})
    stays = [Stay(0, 32.0, 1.0, 40.0), Stay(1, 28.0, 2.0, 40.0)]
    plan = make_plan(house, outlook([1.0, 1.5], load_kw=2.0, reserves=[[], []]), stays)
    assert planned_kwh(plan) == pytest.approx([40.0, 30.0])
    assert plan.charges_later == [[False], [True]]


@pytest.mark.parametrize(
    ("limits", "now_kwh"),
    [
        # A third of the 8.04 kW that fuses of 16 A leave beside 3 kW of house.
        ({"fuse_a": 16}, 2.68),
        ({"fuse_a": 16, "connection_kw": 6}, 2.68),
        ({"fuse_a": 16, "connection_kw": 5}, 2.0),
        ({"fuse_a": None, "connection_kw": 6}, 3.0),
    ],
)
def test_a_car_on_one_phase_of_a_house_with_two_limits(
    limits: dict[str, Any], now_kwh: float
) -> None:
    """It has the fuse of its line, and what is left in all."""
    car = {**CAR, "phases": 1, "ac_max_kw": 7.36}
    house = site(vehicles=[car], household=limits, charger={"max_current_a": 32})
    plan = make_plan(house, outlook([1.0], load_kw=3.0), [Stay(0, 10.0, 1.0, 40.0)])
    assert planned_kwh(plan) == pytest.approx([10.0 + now_kwh])


def test_what_is_left_over_is_worth_something_up_to_the_limit() -> None:
    """Bought at 1 for 1.2 until full, and not at 1.3; never more than the public charger's."""
    for price, worth, full in ((1.0, 1.2, True), (1.3, 1.2, False), (6.0, 9.0, False)):
        known = outlook([price], worth_per_kwh=worth)
        house = site(tariff={"public_stop_cost": 0.0})
        plan = make_plan(house, known, [Stay(0, 42.0, 1.0, 40.0)])
        assert planned_kwh(plan) == pytest.approx([50.0 if full else 42.0])


# 0.036 a kWh and kW: with 4.14 kW, the least, 0.149 a kWh; the next 3.43 kW 0.422 a kWh each, and
# the last to 11 kW 0.669.
AGEING = {**CAR, "chemistry": "nmc622", "wear_price_per_kwh": 1200.0}


@pytest.mark.parametrize(
    ("later_price", "now_kwh"), [(1.26, 4.14), (1.28, 7.57), (1.51, 7.57), (1.53, 8.28)]
)
def test_fast_charging_wears_the_battery(later_price: float, now_kwh: float) -> None:
    """8.28 kWh, now at 1 or an hour later: how much of it now is worth its wear."""
    house = site(vehicles=[AGEING])
    plan = make_plan(house, outlook([1.0, later_price]), [Stay(0, 31.72, 2.0, 40.0)])
    assert planned_kwh(plan) == pytest.approx([31.72 + now_kwh])


def test_a_battery_is_held_full_as_short_as_can_be() -> None:
    """At one price, the last hour; an hour of 4 kWh costs 4 * 3.9e-7 * 1200."""
    house = site(vehicles=[AGEING])
    stay = [Stay(0, 36.0, 2.0, 40.0)]
    assert planned_kwh(make_plan(house, outlook([1.0, 1.0]), stay)) == pytest.approx([36.0])
    cost_per_kwh = 3.9e-7 * 1200.0
    for later_price, now in ((0.9 * cost_per_kwh, False), (1.1 * cost_per_kwh, True)):
        plan = make_plan(house, outlook([1.0, 1.0 + later_price]), stay)
        assert planned_kwh(plan) == pytest.approx([40.0 if now else 36.0])


def test_a_higher_peak_costs_what_it_probably_adds() -> None:
    """A kW at a third of 27, in four hours 2.25 a kWh; the next at the full price, 6.75."""
    raises = [PeakRaise(1.0, 1.0 / 3.0), *FULL_PRICE]
    known = outlook([1.0] * 4, rules=(peaks([1.0] * 4, 2.0, 27.0, raises=raises),))
    for public, peak_kw in ((3.0, 2.0), (3.5, 3.0), (7.5, 3.0), (8.0, 10.0)):
        house = site(tariff={"public_price_per_kwh": public, "public_stop_cost": 0.0})
        plan = make_plan(house, known, [Stay(0, 0.0, 4.0, 40.0)])
        assert plan.peak_kw == pytest.approx([peak_kw])


QUARTERS: dict[str, Any] = {"peaks": [{"interval_min": 15, "count": 1, "prices": 48.0}]}
NO_STOP: dict[str, Any] = {"public_price_per_kwh": 5.0, "public_stop_cost": 0.0}


def test_a_cheap_quarter_takes_no_more_than_its_own_peak() -> None:
    """8 kW less a load of 1 are 1.75 kWh in a quarter: of 5 kWh 1.75 each where it is cheapest."""
    house = site(household={"fuse_a": 35.0}, tariff={**QUARTERS, **NO_STOP})
    quarters = outlook([0.0], load_kw=1.0, rules=(peaks([1.0], 8.0, 1e3),))._replace(
        slots_h=[[0.25] * 4], slot_prices_per_kwh=[[0.4, 0.1, 0.9, 0.2]]
    )
    plan = make_plan(house, quarters, [Stay(0, 35.0, 1.0, 40.0)])
    assert plan.energy_kwh[0] == pytest.approx([36.5, 38.25, 38.25, 40.0])
    # In a quarter until its departure a car takes 1.75 kWh too, and not the hour's 7.
    hours = outlook([2.0, 1.0], load_kw=1.0, rules=(peaks([1.0, 1.0], 8.0, 1e3),))
    plan = make_plan(house, hours, [Stay(0, 36.0, 1.25, 40.0)])
    assert planned_kwh(plan) == pytest.approx([38.25])


def test_a_car_that_cannot_charge_below_the_peak_pays_for_a_level() -> None:
    """3 kW beside the house are less than 6 A: nothing, or 1.14 kW more, at 10 and 5 a missing kWh.

    In three hours that is 12.42 kWh for 11.40 and their energy; for 2 kWh it does not pay.
    """
    house = site(household={"fuse_a": 35.0}, tariff={**QUARTERS, **NO_STOP})
    rule = peaks([1.0] * 3, 4.0, 10.0, levels=(Level(1.14, 11.4),))
    known = outlook([1.0] * 3, load_kw=1.0, rules=(rule,))
    for missing_kwh, charged_kwh, peak_kw in ((2.0, 0.0, 4.0), (12.42, 4.14, 5.14)):
        plan = make_plan(house, known, [Stay(0, 40.0 - missing_kwh, 3.0, 40.0)])
        assert planned_kwh(plan) == pytest.approx([40.0 - missing_kwh + charged_kwh])
        assert plan.peak_kw == pytest.approx([peak_kw])


def test_the_next_step_is_paid_at_once_or_not_at_all() -> None:
    """Up to 5 kW 4 kWh an hour beside the house; up to 10 kW for 144 more, 9 kWh.

    Of 24 kWh in three hours 12 are missing, 60; with 15 for each of them 180, and the step pays.
    """
    step = peaks([1.0] * 3, 5.0, 1e4, levels=(Level(5.0, 144.0),))
    for public, peak_kw, charged_kwh in ((5.0, 5.0, 4.0), (15.0, 10.0, 9.0)):
        house = site(tariff={"public_price_per_kwh": public, "public_stop_cost": 0.0})
        known = outlook([1.0, 2.0, 3.0], load_kw=1.0, rules=(step,))
        plan = make_plan(house, known, [Stay(0, 16.0, 3.0, 40.0)])
        assert plan.peak_kw == pytest.approx([peak_kw])
        assert planned_kwh(plan) == pytest.approx([16.0 + charged_kwh])


def test_of_two_rules_the_tighter_one_binds() -> None:
    """One leaves 4 kWh in each hour, the other, in which the second hour does not count, 2."""
    rules = (peaks([1.0, 1.0], 4.0, 1e3), peaks([1.0, 0.0], 2.0, 1e3))
    house = site(tariff={"peaks": [{"prices": 65.0}, {"prices": 40.0}], **NO_STOP})
    plan = make_plan(house, outlook([1.0, 2.0], rules=rules), [Stay(0, 30.0, 2.0, 40.0)])
    assert planned_kwh(plan) == pytest.approx([32.0])
    assert plan.peak_kw == pytest.approx([4.0, 2.0])


def test_one_peak_is_paid_once_for_all_days() -> None:
    """A kW more on both days, 5 kWh each at 3 instead of 5: 20 less; at 15 a kW once, or twice."""
    known = outlook([3.0] * 10, rules=(peaks([1.0] * 10, 0.0, 15.0),), day=[0] * 5 + [1] * 5)
    for count, peak_kw in ((1, 1.0), (3, 0.0)):
        house = site(tariff={"peaks": [{"count": count, "prices": 65.0}], **NO_STOP})
        plan = make_plan(house, known, [Stay(0, 30.0, 10.0, 40.0)])
        assert plan.peak_kw == pytest.approx([peak_kw])


def test_raises_beyond_a_level_go_on_where_it_ends() -> None:
    raises = [PeakRaise(1.0, 0.5), PeakRaise(math.inf, 1.0)]
    assert after(raises, 0.4) == [PeakRaise(0.6, 0.5), PeakRaise(math.inf, 1.0)]
    assert after(raises, 3.0) == [PeakRaise(math.inf, 1.0)]
    assert [cost_of(raises, kw) for kw in (0.4, 3.0)] == [0.2, 2.5]


def test_a_reserve_is_bought_as_far_as_it_is_worth_it() -> None:
    """Up to 43 kWh are worth 0.5 more than the 0.4 of any kWh, and up to 44 kWh 0.2 more."""
    reserves = [[Surplus(3.0, 0.5), Surplus(1.0, 0.2)]]
    for price, energy_kwh in ((0.3, 50.0), (0.5, 44.0), (0.7, 43.0), (0.95, 40.0)):
        known = outlook([price], worth_per_kwh=0.4, reserves=reserves)
        house = site(tariff={"public_price_per_kwh": 0.9, "public_stop_cost": 0.0})
        plan = make_plan(house, known, [Stay(0, 40.0, 1.0, 40.0)])
        assert planned_kwh(plan) == pytest.approx([energy_kwh])


@pytest.mark.parametrize(("missing_kwh", "raised"), [(4.0, True), (8.0, False)])
def test_a_stop_is_paid_once(missing_kwh: float, raised: bool) -> None:
    """An hour below the peak gives 2 kWh; a kW more costs 9 for each kWh beside the energy.

    4 kWh missing cost 4 * 5 + 30 at a public charger and 4 * 10 here; 8 kWh 70 there and 80 here.
    Shared out to 3 kWh, a stop would make all of them dearer there.
    """
    known = outlook([1.0], rules=(peaks([1.0], 2.0, 9.0),))
    house = site(
        household={"fuse_a": 35.0}, tariff={"public_price_per_kwh": 5.0, "public_stop_cost": 30.0}
    )
    plan = make_plan(house, known, [Stay(0, 38.0 - missing_kwh, 1.0, 40.0)])
    assert plan.peak_kw == pytest.approx([2.0 + missing_kwh if raised else 2.0])


def household(**changes: Any) -> HouseholdView:
    """At 8:00 on a workday, with the car of `CAR` at 20 kWh.

    What is a list for the rules of the power charge is given for one rule, or as a list.
    """
    rules = {"peak_kw": 0.0, "interval_kw": 0.0, "interval_factor": 1.0, "power_price_per_kw": 0.0}
    of_rules = {name: changes.pop(name, usual) for name, usual in rules.items()}
    plain = HouseholdView(
        hour_of_day=8.0, month=1, weekend=False, load_kw=1.0, headroom_kw=20.0, pv_kw=0.0,
        price_per_kwh=1.0, price_window=[1.0] * 4, slot_h=1.0, export_price_per_kwh=0.0,
        balance_kwh=0.0, peak_kw=[],
        interval_kw=[], interval_factor=[], power_price_per_kw=[], plugged=[True],
        minutes_to_departure=[600], soc=[0.4], wanted_soc=[0.8], usual_load_kw=[],
        month_days_left=0.0, year_days_left=0.0,
    )  # fmt: skip
    lists = {
        name: value if isinstance(value, list) else [value] for name, value in of_rules.items()
    }
    return plain._replace(**lists, **changes)


def set_kw(
    seen: HouseholdView,
    want_kwh: float,
    peak_kw: float | list[float] = 0.0,
    scenario: dict[str, Any] | None = None,
) -> float:
    """AC power to which the car of `CAR` is set in a quarter-hour."""
    policy = Mpc(
        Scenario.from_dict({"vehicles": [CAR], "household": {"fuse_a": 35}, **(scenario or {})})
    )
    plan = Plan([[20.0 + want_kwh]], [[True]], [0.0], np.atleast_1d(peak_kw).tolist())
    left_h = 1.0 - seen.hour_of_day % 1.0
    follower = Follower(policy.site, seen, plan, left_h, 0.25, managed=True)
    last = LastAmpere(True, 0.0, 0.0, 0.0)
    fraction = follower.fraction_of(policy.site.cars[0], policy.settings[0], want_kwh, 10.0, last)
    return 16 * 0.69 * fraction


def test_an_hour_is_filled_evenly_in_whole_amperes() -> None:
    """6 kWh: 9 A are 6.21 kW; in half an hour 12 kW, so 16 A; for 1.5 kWh no less than 6 A."""
    assert set_kw(household(), 6.0) == pytest.approx(9 * 0.69)
    assert set_kw(household(hour_of_day=8.5), 6.0) == pytest.approx(16 * 0.69)
    assert set_kw(household(), 1.5) == pytest.approx(6 * 0.69)
    assert set_kw(household(), 0.5) == 0.0  # the nearer of 0 and 1.035 kWh, since the plan goes on


def test_the_planned_peak_is_kept_to_the_ampere() -> None:
    """In the last quarter 4 - 2.5 - 0.25 = 1.25 kWh: 5 kW, 7 A; at half price 4 kWh, 16 kW."""
    end = household(hour_of_day=8.75, interval_kw=2.5, power_price_per_kw=27.0)
    assert set_kw(end, 9.0, peak_kw=4.0) == pytest.approx(7 * 0.69)
    assert set_kw(end._replace(interval_kw=[4.0]), 9.0, peak_kw=4.0) == 0.0
    half = end._replace(interval_factor=[0.5], power_price_per_kw=[13.5])
    assert set_kw(half, 2.0, peak_kw=3.5) == pytest.approx(10 * 0.69)  # 2 - 0.25: 7 kW


def test_the_planned_peak_is_kept_where_the_load_rises_to_the_usual_one() -> None:
    """At 8:00 of 6 kWh: 1 / 4 now and 3 / 4 of (2 + 0.2) kW later leave 4.1 kWh, 5 A too few."""
    begun = household(power_price_per_kw=27.0, usual_load_kw=[2.0] * 24)
    assert set_kw(begun, 9.0, peak_kw=6.0) == pytest.approx(6 * 0.69)
    assert set_kw(begun, 9.0, peak_kw=6.5) == pytest.approx(7 * 0.69)
    assert set_kw(begun._replace(load_kw=3.0), 9.0, peak_kw=8.2) == pytest.approx(8 * 0.69)


def test_a_quarter_hour_is_kept_to_the_ampere() -> None:
    """Of two rules: 6 kW in a quarter leave 5 beside the load, 7 A; the hour has room for more.

    Where the hour's peak is 4 kW and 3.2 kWh are drawn, 0.55 are left in its last quarter: nothing.
    """
    rules = {"tariff": {"peaks": [{"interval_min": 15, "prices": 48.0}, {"prices": 65.0}]}}
    policy_told = {"interval_factor": [1.0, 1.0], "power_price_per_kw": [48.0, 21.0]}
    seen = household(**policy_told, interval_kw=[0.0, 3.2], peak_kw=[6.0, 9.0], hour_of_day=8.75)
    assert set_kw(seen, 9.0, peak_kw=[6.0, 9.0], scenario=rules) == pytest.approx(7 * 0.69)
    assert set_kw(seen, 9.0, peak_kw=[6.0, 4.0], scenario=rules) == 0.0
    half = seen._replace(interval_factor=[0.5, 1.0])
    assert set_kw(half, 9.0, peak_kw=[5.9, 9.0], scenario=rules) == pytest.approx(15 * 0.69)


def test_a_power_charge_that_nobody_weighs_limits_nothing() -> None:
    """An hour that is told to cost, and a plan for which a kW costs nothing: 16 A."""
    free = make_plan(
        site(), outlook([1.0], rules=(peaks([1.0], 0.0, 0.0),)), [Stay(0, 20.0, 1.0, 40.0)]
    )
    assert free.peak_kw == [math.inf]
    told = household(interval_kw=5.0, power_price_per_kw=27.0, usual_load_kw=[2.0] * 24)
    assert set_kw(told, 11.0, peak_kw=free.peak_kw[0]) == pytest.approx(16 * 0.69)


def test_the_usual_load_is_less_what_the_sun_gives() -> None:
    """5 kWh of sun beside a load of 1 kW, usual as well, less the margin: 4.85 kW, 8 A at first."""
    solar = {"solar": {"peak_kw": 10.0}}
    sunny = household(pv_kw=6.0, power_price_per_kw=27.0, usual_load_kw=[1.0] * 24)
    assert set_kw(sunny, 9.0, scenario=solar) == pytest.approx(8 * 0.69)


def test_the_sun_is_taken_as_it_comes() -> None:
    """5 kW of surplus are 7 A at once, though 2 kWh over the hour would be 3 A; 3 kW need 6 A."""
    solar = {"solar": {"peak_kw": 10.0}}
    assert set_kw(household(pv_kw=6.0), 2.0, scenario=solar) == pytest.approx(7 * 0.69)
    assert set_kw(household(pv_kw=4.0), 2.0, scenario=solar) == pytest.approx(6 * 0.69)


def test_a_car_gives_what_the_house_takes_and_the_rest_at_the_end() -> None:
    """5 kW of load take 7 A; of 6 kWh at least 11 kW in the second half hour are still to give."""
    both = {"charger": {"bidirectional": True}}
    assert set_kw(household(load_kw=5.0), -4.0, scenario=both) == pytest.approx(-7 * 0.69)
    late = household(load_kw=5.0, hour_of_day=8.5)
    assert set_kw(late, -5.5, scenario=both) == pytest.approx(-16 * 0.69)
    assert set_kw(household(load_kw=5.0), -0.5, scenario=both) == 0.0


def test_the_last_ampere_is_taken_by_what_it_costs() -> None:
    """0.3 kWh short at 5, or 0.7 too many of a kWh for 2 each, which are worth 1.

    Nobody stops for less than a kWh. Of 2 kWh at 3.3, 6.6 in all, 1.01 short and 0.99 too many cost
    6.04 and a stop, 0.99 short and 1.01 too many 5.96 and no stop.
    """
    assert not LastAmpere(False, 2.3, 5.0, 1.0).is_taken(0.3, 0.0, 1.0)
    assert LastAmpere(False, 2.1, 5.0, 1.0).is_taken(0.3, 0.0, 1.0)  # 1.5 + 0.7 is more than 2.1
    assert not LastAmpere(False, 3.3, 5.0, 1.0).is_taken(1.01, 0.0, 2.0)
    assert LastAmpere(False, 3.3, 5.0, 1.0, 30.0).is_taken(1.01, 0.0, 2.0)  # it spares a stop
    assert not LastAmpere(False, 3.3, 5.0, 1.0, 30.0).is_taken(0.99, 0.0, 2.0)
    nearer = LastAmpere(True, 9.0, 0.0, 0.0)
    assert [nearer.is_taken(want, 0.0, 1.0) for want in (0.4, 0.6)] == [False, True]


def test_memory_is_the_mean_of_the_same_hour() -> None:
    memory = Memory([peak_rule(1.0)], netted=True)
    peaks = [5.0, 2.0, 4.0, 3.0, 1.0, 2.5, 1.5, 1.5, 1.5]
    for day in range(9):
        for quarter in range(96):
            load_kw = peaks[day] if quarter // 4 == 18 else 0.25
            load_kw += 0.5 * (quarter % 2)
            memory.note(household(hour_of_day=quarter / 4, load_kw=load_kw, pv_kw=0.125))
    memory.note(household(hour_of_day=0.0))
    # The last 7 of the 9 days; each quarter-hour more or less 0.25 kW around its hour.
    assert memory.load_kw(18, 9.0) == pytest.approx(np.mean(peaks[2:]) + 0.25)
    assert memory.load_kw(3, 9.0) == pytest.approx(0.5)
    assert memory.pv_kw(12) == 0.125
    early = Memory([peak_rule(1.0)], netted=True)
    for hour_of_day in (5.0, 5.5, 6.0):
        early.note(household(hour_of_day=hour_of_day, load_kw=hour_of_day))
    assert (early.load_kw(5, 9.0), early.load_kw(6, 9.0)) == (5.25, 9.0)
    fresh = Memory([peak_rule(1.0)], netted=True)
    assert (fresh.load_kw(3, 9.0), fresh.pv_kw(3)) == (9.0, 0.0)


def test_the_worth_of_energy_is_learned_from_arrivals() -> None:
    """The cheapest quarter of eight hours, then the mean of three stays."""
    memory = Memory([peak_rule(1.0)], netted=True)
    memory.note(household(price_window=[0.5]))
    assert memory.value_per_kwh([0.5, 0.7, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]) == pytest.approx(0.6)
    for value in (1.0, 2.0, 3.0):
        memory.learn_value(value)
    assert memory.value_per_kwh([0.5]) == pytest.approx(2.0)


def test_a_perfect_forecast_is_the_true_load_of_each_hour() -> None:
    env = EVChargingVectorEnv(2, {"days": 40})
    env.reset(seed=3)
    future = foresee(env.simulator, 1)
    load_kw = future.results["load_kw"]
    perfect = Forecast(future, 15, 0.0, seed=0, slots=72)
    assert perfect.mean_kw(8, 4) == pytest.approx(load_kw[8:12].mean())
    assert perfect.mean_kw(3840 + 4, 4) == pytest.approx(load_kw[-92:-88].mean())  # a day before
    # An error of 50 %: each hour wrong by its own factor, the same for the household in any row.
    wrong = Forecast(future, 15, 0.5, seed=7, slots=72)
    ratios = np.array(
        [wrong.mean_kw(4 * h, 4) / load_kw[4 * h : 4 * h + 4].mean() for h in range(900)]
    )
    assert (ratios.min(), ratios.max()) == pytest.approx((0.5, 1.5), abs=0.01)
    assert ratios.mean() == pytest.approx(1.0, abs=0.05)
    alone: Any = gym.make("EVCharging-v0", scenario={"days": 40}).unwrapped
    alone.reset(seed=4)
    same = Forecast(foresee(alone.simulator), 15, 0.5, seed=7, slots=72)
    other = Forecast(future, 15, 0.5, seed=8, slots=72)
    assert same.mean_kw(8, 4) == wrong.mean_kw(8, 4) != other.mean_kw(8, 4)
