"""The lower bound of households solved by hand: one term of money at a time, `classic`, then
connections, several cars and discharging.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from baselines.foresight import foresee
from baselines.optimum.relaxation import Bound, lower_bound
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Charger, ContractedPower, Dimming, Household, RewardWeights, Solar
from tests.support.foreseen_households import (
    AT_HOME,
    CAR,
    DIP,
    FREE,
    HOUSE,
    LOSSY,
    ONE_HOUR,
    bound_of,
    scenario,
)
from tests.support.tariffs import tariff_of, with_peaks

DEAR = replace(FREE, public_price_per_kwh=100.0)
LESS_FOR_EXPORT = tariff_of(export_fee=0.1, public_stop_cost=0.0)


def test_energy_tax_transfer_vat_losses_and_settlement() -> None:
    """10 kWh into the battery: 6.9 kWh at the cheapest hour, the rest of 10 / 0.85 at the next."""
    tariff = tariff_of(tax=0.1, transfer=0.05, vat=0.25, public_stop_cost=0.0)
    bound = bound_of(scenario(vehicles=(LOSSY,), tariff=tariff), DIP)
    low, next_low, other = 0.35 * 1.25, 0.55 * 1.25, 1.15 * 1.25
    settlement_price = (low + next_low + 4 * other) / 6
    rest_kwh = 10.0 / 0.85 - 6.9
    assert bound.cost == pytest.approx(6.9 * low + rest_kwh * next_low - 10.0 * settlement_price)
    plan = np.zeros(24)
    plan[3], plan[5] = 6.9, rest_kwh
    assert bound.charge_kw[:, 0] == pytest.approx(plan, abs=1e-8)
    held = np.full(25, 10.0)
    held[4:6], held[6:] = 10.0 + 0.85 * 6.9, 20.0
    assert bound.energy_kwh[:, 0] == pytest.approx(held)
    assert bound.cap_kw.size == 0


def test_weights_are_those_of_the_terms() -> None:
    weights = RewardWeights(energy=2.0, missing=3.0)
    case = scenario(driving=ONE_HOUR, reward_weights=weights)
    expected = 2.0 * 6.9 * 0.8 + 3.0 * 3.1 * 5.0 - 10.0 * 0.8
    assert bound_of(case, [0.8]).cost == pytest.approx(expected)


def test_what_one_hour_cannot_charge_is_missing() -> None:
    bound = bound_of(scenario(driving=ONE_HOUR), [0.8])
    assert bound.cost == pytest.approx(6.9 * 0.8 + 3.1 * 5.0 - 10.0 * 0.8)


@pytest.mark.parametrize(
    ("limit_soc", "departure_h", "stop"),
    [
        (0.4, 1.0, 30.0),  # 3.1 kWh lack whatever is done: the stop is certain
        (0.35, 1.0, 0.0),  # 0.6 kWh are no stop
        (0.4, 2.0, 0.0),  # all can be charged at home, if not for less
    ],
)
def test_a_stop(limit_soc: float, departure_h: float, stop: float) -> None:
    """It adds its 30 to the energy, which is cheaper at home."""
    car = replace(CAR, limit_soc=limit_soc, wanted_soc=limit_soc)
    driving = replace(ONE_HOUR, departure_h=departure_h)
    tariff = replace(FREE, public_stop_cost=30.0)
    free = bound_of(scenario(vehicles=(car,), driving=driving), [0.8]).cost
    case = scenario(vehicles=(car,), driving=driving, tariff=tariff)
    assert bound_of(case, [0.8]).cost == pytest.approx(free + stop)


def test_a_stop_that_buys_all_there_is_costs_all_of_it() -> None:
    """Home costs 10 a kWh, elsewhere 5 and 30 a stop: all 10 kWh are bought in one stop."""
    case = scenario(
        driving=replace(ONE_HOUR, departure_h=4.0),
        tariff=replace(FREE, public_stop_cost=30.0),
    )
    free = scenario(driving=replace(ONE_HOUR, departure_h=4.0))
    prices = [10.0] * 24
    stop = bound_of(case, prices).cost - bound_of(free, prices).cost
    assert stop == pytest.approx(30.0)


def test_what_a_trip_needs_beyond_the_battery_is_bought_on_the_road() -> None:
    """It leaves with 20 kWh at 01:00, needs 30, and is back with its least, 5, at 12:00.

    At home again it fills up from 5 to 20 kWh at the same price at which that is settled.
    """
    car = replace(CAR, min_soc=0.1)
    driving = replace(ONE_HOUR, arrival_h=12.0, trip_kwh=30.0, start_soc=0.4)
    bound = bound_of(scenario(vehicles=(car,), driving=driving), [0.8])
    assert bound.cost == pytest.approx(15.0 * 5.0 + 15.0 * 0.8)


@pytest.mark.parametrize(
    ("tariff", "days", "cost", "caps_kw"),
    [
        # 12 kWh over 24 hours are 0.5 kW on top of the house's own 1 kW.
        ({"days": 1}, 1, 10.0 * 0.5, [1.5]),
        # The days to come count as 0: a third of it.
        ({"days": 3}, 1, 10.0 / 3 * 0.5, [1.5]),
        # Nights count half, so up to 2 P kW: 16 (P - 1) + 8 (2 P - 1) = 12 gives P = 1.125.
        (
            {"days": 1, "from_h": 6, "to_h": 22, "other_factor": 0.5},
            1,
            10.0 * 0.125,
            [1.125],
        ),
        # Of two days the first is 0.5 kW higher than without the car, and the second is not.
        ({"days": 2}, 2, 10.0 / 2 * 0.5, [1.5, 1.0]),
        # Two hours of the first day count: both are.
        ({"days": 2, "different_days": False}, 2, 10.0 / 2 * 1.0, [1.5, 1.5]),
    ],
)
def test_power_charge(tariff: dict[str, Any], days: int, cost: float, caps_kw: list[float]) -> None:
    """At a price that is that of the settlement only the peaks of the first day cost something."""
    case = scenario(
        vehicles=(replace(CAR, wanted_soc=0.44, limit_soc=0.44),),
        tariff=with_peaks(DEAR, 10.0, **tariff),
        days=days,
    )
    bound = bound_of(case, [0.5])
    assert bound.cost == pytest.approx(cost)
    (cap_kw,) = bound.cap_kw
    assert cap_kw == pytest.approx(np.repeat(caps_kw, 24))


@pytest.mark.parametrize(("kwh", "above_kw"), [(18.0, 0.0), (24.0, 0.5)])
def test_a_month_under_way_has_its_peaks(kwh: float, above_kw: float) -> None:
    """In the 12 hours from noon on, 1.5 kW on top of the house's 1 kW do not exceed the morning's.

    Its peak was 2.5 kW; 24 kWh make it 3.
    """
    soc = 0.2 + kwh / 50.0
    case = scenario(
        tariff=with_peaks(DEAR, 10.0, 1),
        vehicles=(replace(CAR, wanted_soc=soc, limit_soc=soc),),
        driving=replace(AT_HOME, arrival_h=12.0),
    )
    load_kw = [1.0] * 36 + [2.5] * 4 + [1.0]
    bound = bound_of(case, [0.5], load_kw, "2024-01-01T12:00")
    assert bound.cost == pytest.approx(10.0 * above_kw, abs=1e-6)


def test_an_hour_under_way_has_its_energy() -> None:
    """At 12:30 the hour has 1.5 kWh, and with the house's other 0.5 kWh the month its peak: 2 kW.

    12 kWh fit below P kW from then on: 11 (P - 1) + (P - 2) = 12 gives P = 25 / 12.
    """
    case = scenario(
        tariff=with_peaks(DEAR, 10.0, 1),
        vehicles=(replace(CAR, wanted_soc=0.44, limit_soc=0.44),),
        driving=replace(AT_HOME, arrival_h=12.0),
        time_step_min=30,
    )
    load_kw = [1.0] * 48 + [3.0] * 2 + [1.0]
    bound = bound_of(case, [0.5], load_kw, "2024-01-01T12:30")
    assert bound.cost == pytest.approx(10.0 * (25.0 / 12.0 - 2.0))


def test_each_month_has_its_own_peaks() -> None:
    """12 kWh each day, driven at midnight: 0.5 kW more on 31 January and again on the 1st."""
    case = scenario(
        tariff=with_peaks(DEAR, 10.0, 1),
        vehicles=(replace(CAR, wanted_soc=0.44, limit_soc=0.44),),
        driving=replace(AT_HOME, trip_kwh=12.0),
        days=2,
    )
    energy, both = 24.0 * 0.5, 2 * 10.0 * 0.5
    assert bound_of(case, [0.5], 1.0, "2024-01-31").cost == pytest.approx(energy + both)
    one = bound_of(case, [0.5], 1.0, "2024-01-30").cost
    assert one == pytest.approx(energy + 10.0 * 0.5)


ORE = 100.0


def classic(public_price: float, **options: Any) -> tuple[Bound, float]:
    """The bound, and the cost in ore of its plan before the settlement."""
    tariff = {"public_price_per_kwh": public_price}
    env = EVChargingEnv({"preset": "classic", "tariff": tariff})
    env.reset(seed=0)
    future = foresee(env.simulator)
    bound = lower_bound(future, **options)
    stored_kwh = bound.energy_kwh[-1, 0] - bound.energy_kwh[0, 0]
    settlement = future.households["settlement_price"][0] * stored_kwh
    return bound, ORE * (bound.cost + settlement)


def test_classic_with_80_percent_as_a_constraint() -> None:
    """Hours 22, 23, 3 and one of 2 and 4, which cost the same: 1496.65 ore, settlement apart."""
    bound, cost = classic(100.0, whole_levels=True)
    assert cost == pytest.approx(1496.65, abs=1e-4)
    hours = bound.charge_kw[:, 0].reshape(24, 4).mean(axis=1)
    assert hours[[3, 22, 23]] == pytest.approx([7.4, 7.4, 7.4])
    assert hours[2] + hours[4] == pytest.approx(7.4)
    assert bound.energy_kwh[-1, 0] == pytest.approx(9.26 + 29.6)


def test_classic_as_money() -> None:
    """15 quarters, 1370.83 ore, and the 0.03 kWh that they lack at the public price of 5 SEK."""
    bound, cost = classic(5.0, whole_levels=True)
    assert cost == pytest.approx(1370.8315 + 0.03 * 5.0 * ORE, abs=1e-4)
    assert (bound.charge_kw > 0.0).sum() == 15


def test_classic_with_any_power_costs_a_little_less() -> None:
    """27.78 kWh, all that is missing, with the last 0.03 kWh in one of the two hours at 68.01."""
    for public_price in (5.0, 100.0):
        _, cost = classic(public_price)
        assert cost == pytest.approx(1370.8315 + 0.03 * 68.01, abs=1e-3)


@pytest.mark.parametrize(
    ("overload_price", "cost"),
    # 1 kW of headroom: a kWh above it costs 0.8 and the overload, or 5 at the public charger.
    [(2.0, 6.9 * 0.8 + 5.9 * 2.0 + 3.1 * 5.0), (10.0, 1.0 * 0.8 + 9.0 * 5.0)],
)
def test_overload_where_nothing_manages_the_load(overload_price: float, cost: float) -> None:
    case = scenario(
        household=replace(HOUSE, connection_kw=5.0),
        charger=Charger(load_management=False),
        driving=ONE_HOUR,
        tariff=replace(FREE, overload_price_per_kwh=overload_price),
    )
    assert bound_of(case, [0.8], 4.0).cost == pytest.approx(cost - 10.0 * 0.8)


@pytest.mark.parametrize(
    ("connection_kw", "over_kw"),
    # Of 11.9 kW in all 3.9 are above 8, less than the lines' 4.54; above 6 they are 5.9.
    [(None, 7.9 - 3.68), (8.0, 7.9 - 3.68), (6.0, 5.9 - 0.32)],
)
def test_overload_of_one_line_or_in_all(connection_kw: float | None, over_kw: float) -> None:
    """6.9 kW from one line of 16 A that holds 1 kW already: 7.9 - 3.68 kW too much on that line.

    The house is 0.32 kW above the limit of its second line by itself, which stays out of it.
    """
    house = Household(
        annual_kwh=None, fuse_a=16.0, connection_kw=connection_kw, line_shares=(0.2, 0.8, 0.0)
    )
    case = scenario(
        household=house,
        charger=Charger(load_management=False, max_current_a=32),
        vehicles=(replace(CAR, phases=1),),
        driving=ONE_HOUR,
        tariff=replace(FREE, overload_price_per_kwh=1.0),
    )
    cost = 6.9 * 0.8 + 1.0 * over_kw + 3.1 * 5.0
    assert bound_of(case, [0.8], 5.0).cost == pytest.approx(cost - 10.0 * 0.8)


@pytest.mark.parametrize(
    ("connection_kw", "current_a"),
    # In all 1.5 kW are left of 4.5, 6.5 A; of 6 kW 13 A, more than on the line.
    [(None, 11), (4.5, 6), (6.0, 11)],
)
def test_load_management_grants_whole_amperes_of_one_line(
    connection_kw: float | None, current_a: int
) -> None:
    """16 A less 1 kW on that line leave 11.65 A, of which the car gets 11."""
    case = scenario(
        household=Household(annual_kwh=None, fuse_a=16.0, connection_kw=connection_kw),
        vehicles=(replace(CAR, phases=1),),
        charger=Charger(max_current_a=32),
        driving=ONE_HOUR,
    )
    stored = current_a * 0.23
    cost = stored * 0.8 + (10.0 - stored) * 5.0 - 10.0 * 0.8
    assert bound_of(case, [0.8], 3.0).cost == pytest.approx(cost)
    nothing = bound_of(case, [0.8], 9.0)  # 2.9 A are left: below 6 A there is no current
    assert nothing.cost == pytest.approx(10.0 * 5.0 - 10.0 * 0.8)


def test_a_car_that_switches_charges_on_the_free_line() -> None:
    """The second line is full; on the first alone 16 A are 3.68 kW."""
    case = scenario(
        household=Household(annual_kwh=None, fuse_a=16.0, line_shares=(0.0, 1.0, 0.0)),
        charger=Charger(phase_switching=True),
        driving=ONE_HOUR,
    )
    cost = 3.68 * 0.8 + 6.32 * 5.0 - 10.0 * 0.8
    assert bound_of(case, [0.8], 3.68).cost == pytest.approx(cost)


def test_a_car_of_two_phases_switches_to_the_free_line() -> None:
    """Lines 2 and 3 are full; on the first alone 16 A are 3.68 kW."""
    case = scenario(
        household=Household(annual_kwh=None, fuse_a=16.0, line_shares=(0.0, 0.5, 0.5)),
        charger=Charger(phase_switching=True),
        vehicles=(replace(CAR, phases=2),),
        driving=ONE_HOUR,
    )
    cost = 3.68 * 0.8 + 6.32 * 5.0 - 10.0 * 0.8
    assert bound_of(case, [0.8], 2 * 3.68).cost == pytest.approx(cost)


@pytest.mark.parametrize("house", [HOUSE, Household(annual_kwh=None, fuse_a=63.0)])
def test_a_contract_limits_the_hours_in_which_it_holds(house: Household) -> None:
    """Of 6 kW by contract the house takes 1: in the first hour 21 A of one line, 4.83 kWh.

    In the second only the connection counts, so the other 5.17 kWh cost 0.9 and not 5.
    """
    hour = ContractedPower(kw=6.0, to_time="01:00")
    case = scenario(
        household=house,
        vehicles=(replace(CAR, phases=1),),
        charger=Charger(max_current_a=32),
        driving=replace(ONE_HOUR, departure_h=2.0),
        tariff=replace(FREE, contracts=(hour,)),
    )
    cost = 4.83 * 0.5 + 5.17 * 0.9
    settled = 10.0 * 0.5  # the mean of the cheapest quarter, as the later hours cost 0.5
    assert bound_of(case, [0.5, 0.9, 0.5], 1.0).cost == pytest.approx(cost - settled)


@pytest.mark.parametrize(
    ("overload_price", "cost"),
    # 3.6 kW are left of 4.6: a kWh above costs 0.8 and the overload, or 5 at the public charger.
    [(2.0, 6.9 * 0.8 + 3.3 * 2.0 + 3.1 * 5.0), (10.0, 3.6 * 0.8 + 6.4 * 5.0)],
)
@pytest.mark.parametrize("house", [HOUSE, Household(annual_kwh=None, fuse_a=63.0)])
def test_overload_above_a_contract(house: Household, overload_price: float, cost: float) -> None:
    case = scenario(
        household=house,
        charger=Charger(load_management=False),
        driving=ONE_HOUR,
        tariff=replace(
            FREE, contracts=(ContractedPower(kw=4.6),), overload_price_per_kwh=overload_price
        ),
    )
    assert bound_of(case, [0.8], 1.0).cost == pytest.approx(cost - 10.0 * 0.8)


@pytest.mark.parametrize("managed", [True, False])
@pytest.mark.parametrize(
    ("kw", "stored"),
    # Two cars on one phase each, with 10 A; 4.2 kW are 18.26 A, of 2 kW no 12 A for both.
    [(20.0, 4.6), (4.2, 4.2), (2.0, 2.0), (0.0, 0.0)],
)
def test_two_cars_in_a_dimmed_hour(managed: bool, kw: float, stored: float) -> None:
    """Whole amperes are relaxed for two cars together, and so is the floor of 6 A."""
    car = replace(CAR, phases=1, ac_max_kw=2.3)
    case = scenario(
        vehicles=(car, car),
        charger=Charger(load_management=managed, dimming=(Dimming(kw=kw),)),
        driving=ONE_HOUR,
    )
    cost = stored * 0.8 + (20.0 - stored) * 5.0 - 20.0 * 0.8
    assert bound_of(case, [0.8]).cost == pytest.approx(cost)


def test_one_dimmed_car_takes_whole_amperes() -> None:
    """6 A on three phases are 4.14 kW of 4.2; 4 kW are nothing, on one line 16 A."""
    for kw, switching, stored in ((4.2, False, 4.14), (4.0, False, 0.0), (4.0, True, 3.68)):
        charger = Charger(phase_switching=switching, dimming=(Dimming(kw=kw),))
        case = scenario(charger=charger, driving=ONE_HOUR)
        cost = stored * 0.8 + (10.0 - stored) * 5.0 - 10.0 * 0.8
        assert bound_of(case, [0.8]).cost == pytest.approx(cost)


def test_one_car_makes_headroom_for_another() -> None:
    """The house takes 3 kW more than the connection carries; 6.9 kW from one car leave 3.9.

    Of these the other gets 16 A on one line. Energy costs what it is settled at.
    """
    giver = replace(CAR, wanted_soc=0.0, limit_soc=0.5, driving=replace(ONE_HOUR, start_soc=0.5))
    case = scenario(
        household=replace(HOUSE, connection_kw=5.0),
        charger=Charger(bidirectional=True, max_current_a=32),
        vehicles=(giver, replace(CAR, phases=1)),
        driving=ONE_HOUR,
    )
    cost = 3.68 * 0.8 + 6.32 * 5.0 - 10.0 * 0.8
    assert bound_of(case, [0.8], 8.0).cost == pytest.approx(cost)
    # The same below a contract; of dimming it makes no room: 2 kW are 8 A.
    contract = ContractedPower(kw=5.0)
    case = replace(case, household=HOUSE, tariff=replace(FREE, contracts=(contract,)))
    assert bound_of(case, [0.8], 8.0).cost == pytest.approx(cost)
    case = replace(case, charger=replace(case.charger, dimming=(Dimming(kw=2.0),)))
    cost = 1.84 * 0.8 + 8.16 * 5.0 - 10.0 * 0.8
    assert bound_of(case, [0.8], 8.0).cost == pytest.approx(cost)


@pytest.mark.parametrize("netting", ["step", "none"])
def test_without_room_in_the_battery_nothing_is_gained(netting: str) -> None:
    """Whatever of the sun is cut off."""
    case = scenario(
        household=replace(HOUSE, export_limit_kw=0.0),
        solar=Solar(peak_kw=20.0),
        vehicles=(replace(CAR, wanted_soc=0.2, limit_soc=0.2),),
        tariff=replace(FREE, netting=netting),
    )
    assert bound_of(case, DIP).cost == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("netting", ["step", "none"])
@pytest.mark.parametrize("price", [-0.5, 0.5])
def test_sun_that_is_cut_off_for_its_price(netting: str, price: float) -> None:
    """Below the price nothing is exported, as with a limit of 0; above it, it is not looked at.

    The car, which can be discharged, may have all of the sun, and more at an import price below 0.
    """
    car = replace(CAR, limit_soc=1.0)
    plain = scenario(
        solar=Solar(peak_kw=20.0),
        charger=Charger(bidirectional=True),
        vehicles=(car,),
        tariff=replace(FREE, netting=netting),
    )
    without_export = replace(plain, household=replace(HOUSE, export_limit_kw=0.0))
    curtailed = replace(plain, solar=Solar(peak_kw=20.0, curtail_below_price=0.0))
    prices = [price * (1.0 + hour % 3) for hour in range(24)]
    costs = [bound_of(case, prices).cost for case in (plain, without_export, curtailed)]
    assert costs[0] != pytest.approx(costs[1], abs=0.01)
    assert costs[2] == pytest.approx(costs[1] if price < 0.0 else costs[0], abs=1e-9)


def test_two_cars_share_the_headroom() -> None:
    case = scenario(
        household=replace(HOUSE, connection_kw=10.0), vehicles=(CAR, CAR), driving=ONE_HOUR
    )
    cost = 9.0 * 0.8 + 11.0 * 5.0 - 20.0 * 0.8
    assert bound_of(case, [0.8]).cost == pytest.approx(cost)


# The car may give the 15 kWh above its floor at 1.0 and take them back at 0.4.
FALLING = [1.0] * 12 + [0.4]
SHORT = [1.0] * 2 + [0.4]


@pytest.mark.parametrize(
    ("prices", "load_kw", "house", "netting", "given_kwh", "gain"),
    [
        (FALLING, 2.0, {}, "step", 15.0, 15.0),
        # What the house does not use, 9 kWh, is sold for 0.1 less.
        (FALLING, 0.5, {}, "step", 15.0, 6.0 + 9.0 * 0.9),
        # Where nothing is netted, all of it is sold.
        (FALLING, 2.0, {}, "none", 15.0, 15.0 * 0.9),
        # Of two hours at full power the house uses 1 kWh.
        (SHORT, 0.5, {}, "step", 13.8, 1.0 + 12.8 * 0.9),
        # 0.5 kW and 4 kW of export leave 6.5 A, of which whole amperes are given: 4.14 kW.
        (SHORT, 0.5, {"export_limit_kw": 4.0}, "step", 8.28, 1.0 + 7.28 * 0.9),
        # 5.8 A are none.
        (SHORT, 0.5, {"export_limit_kw": 3.5}, "step", 0.0, 0.0),
    ],
)
def test_discharging(
    prices: list[float],
    load_kw: float,
    house: dict[str, Any],
    netting: str,
    given_kwh: float,
    gain: float,
) -> None:
    case = scenario(
        household=replace(HOUSE, **house),
        charger=Charger(bidirectional=True),
        vehicles=(replace(CAR, wanted_soc=0.0, limit_soc=0.5),),
        driving=replace(AT_HOME, start_soc=0.5),
        tariff=replace(LESS_FOR_EXPORT, netting=netting),
    )
    cost = given_kwh * 0.4 - gain
    assert bound_of(case, prices, load_kw).cost == pytest.approx(cost, abs=1e-6)


def test_losses_of_discharging() -> None:
    """At 6.9 kW (6.9 + 0.345) / 0.9 = 8.05 are taken: 15 kWh give 15 * 6.9 / 8.05."""
    case = scenario(
        charger=Charger(bidirectional=True),
        vehicles=(replace(LOSSY, wanted_soc=0.0, limit_soc=0.5),),
        driving=replace(AT_HOME, start_soc=0.5),
    )
    # They are not taken back: settled at 0.4 they are worth less than they would cost.
    cost = 15.0 * 0.4 - 15.0 * 6.9 / 8.05
    assert bound_of(case, FALLING, 6.9).cost == pytest.approx(cost)


def test_a_negative_price_pays_for_losses() -> None:
    """3 kWh of room, paid for in the first hour: slowest, at 6 A, most is drawn for them.

    That is 3 kWh / (0.9 * 4.14 - 0.345) kW = 0.887 h at 4.14 kW.
    """
    car = replace(LOSSY, wanted_soc=0.26, limit_soc=0.26)
    bound = bound_of(scenario(vehicles=(car,)), [-1.0, 1.0])
    drawn = 4.14 * 3.0 / (0.9 * 4.14 - 0.345)
    assert bound.charge_kw[0, 0] == pytest.approx(drawn)
    assert bound.cost == pytest.approx(-drawn - 3.0 * 4.0 / 6.0)


def test_a_level_ends_where_the_battery_is_full() -> None:
    """7.4 kWh in the cheapest hour, and 2.6 of them in the next one."""
    case = scenario(
        charger=Charger(levels_kw=(0.0, 7.4), load_management=False),
        vehicles=(replace(CAR, ac_max_kw=7.4),),
    )
    bound = bound_of(case, DIP, whole_levels=True)
    assert bound.cost == pytest.approx(7.4 * 0.2 + 2.6 * 0.4 - 10.0 * 4.6 / 6.0)
