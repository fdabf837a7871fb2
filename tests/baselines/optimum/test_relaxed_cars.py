"""The lower bound of households that are solved by hand: connection, several cars, discharging."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ev_gym.scenario import Charger, Household, Solar
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


@pytest.mark.parametrize(
    ("overload_price", "cost"),
    # 1 kW of room: a kWh above it costs 0.8 and the overload, or 5 at the public charger.
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


def test_overload_of_one_line() -> None:
    """6.9 kW from one line of 16 A that holds 1 kW already: 7.9 - 3.68 kW too much on that line.

    The house is 0.32 kW above the limit of its second line by itself, which stays out of it.
    """
    house = Household(annual_kwh=None, fuse_a=16.0, line_shares=(0.2, 0.8, 0.0))
    case = scenario(
        household=house,
        charger=Charger(load_management=False, max_current_a=32),
        vehicles=(replace(CAR, phases=1),),
        driving=ONE_HOUR,
        tariff=replace(FREE, overload_price_per_kwh=1.0),
    )
    cost = 6.9 * 0.8 + 1.0 * (7.9 - 3.68) + 3.1 * 5.0
    assert bound_of(case, [0.8], 5.0).cost == pytest.approx(cost - 10.0 * 0.8)


def test_load_management_grants_whole_amperes_of_one_line() -> None:
    """16 A less 1 kW on that line leave 11.65 A, of which the car gets 11."""
    case = scenario(
        household=Household(annual_kwh=None, fuse_a=16.0),
        vehicles=(replace(CAR, phases=1),),
        charger=Charger(max_current_a=32),
        driving=ONE_HOUR,
    )
    stored = 11 * 0.23
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


def test_one_car_makes_room_for_another() -> None:
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


def test_two_cars_share_the_room() -> None:
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
        tariff=replace(FREE, netting=netting, export_fee_per_kwh=0.1),
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
