"""A step's currents in a household: netting, lines, limits and pauses, by hand and by balance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ev_gym.scenario import Charger, Household, Scenario, Solar, Vehicle
from tests.support.physics_tables import NEVER_MIN, cars_at, ready, step, tables_of
from tests.support.scenario_strategies import examples, vehicles

V2G = Charger(bidirectional=True, max_current_a=32)
FUSE_16 = Household(fuse_a=16.0)  # 11.04 kW
SINGLE = Vehicle(phases=1, ac_max_kw=7.4)
TRIPLE = Vehicle()

# --- a car on one phase ---


def test_a_single_phase_exceeds_what_the_total_would_not() -> None:
    """3 kW of the house are 4.348 A a line; 32 A more on line 1 are 36.35 of 16, in all 10.36 kW.

    The excess is 20.348 A of 230 V, 4.68 kW, and all the car's. Shared, 11 A are left: 2.53 kW.
    """
    unmanaged = cars_at(SINGLE, charger=Charger(max_current_a=32, load_management=False))
    alone = step(ready(unmanaged.cars), unmanaged, [1.0], load_kw=3.0)
    assert alone.charged_kw == pytest.approx(7.36, abs=1e-12)
    assert (unmanaged.settings["by_line"], alone.over_kw) == (1, pytest.approx(3.76, abs=1e-12))
    tables = cars_at(
        SINGLE, charger=Charger(max_current_a=32, load_management=False), household=FUSE_16
    )
    taken = step(ready(tables.cars), tables, [1.0], load_kw=3.0)
    assert taken.charged_kw + 3.0 < tables.settings["limit_kw"]
    assert taken.over_kw == pytest.approx(4.68, abs=1e-9)
    assert taken.alone_over_kw == 0.0
    managed = cars_at(SINGLE, charger=Charger(max_current_a=32), household=FUSE_16)
    shared = step(ready(managed.cars), managed, [1.0], load_kw=3.0)
    assert shared.vehicle_results["current_a"][0] == 11.0
    assert shared.charged_kw == pytest.approx(2.53, abs=1e-12)
    assert shared.over_kw == 0.0


def test_the_house_alone_above_a_line() -> None:
    """60 % of 9 kW on line 2 are 23.48 A, 7.478 above the fuse: 1.72 kW, and no car's doing.

    Line 2 leaves nothing for three phases; line 1 leaves 8 of its 16 A for a car of its own.
    """
    house = replace(FUSE_16, line_shares=(0.2, 0.6, 0.2))
    for car, current_a in ((TRIPLE, 0.0), (SINGLE, 8.0)):
        tables = cars_at(car, charger=Charger(max_current_a=32), household=house)
        taken = step(ready(tables.cars), tables, [1.0], load_kw=9.0)
        assert taken.vehicle_results["current_a"][0] == current_a
        assert taken.over_kw == taken.alone_over_kw == pytest.approx(1.72, abs=1e-9)


def test_the_sun_makes_room_on_each_line() -> None:
    """Of 6 kW each line gets 2, that is 8.696 A: 16 - 4.348 + 8.696 leave 20 A for line 1."""
    tables = cars_at(SINGLE, charger=Charger(max_current_a=32), household=FUSE_16)
    taken = step(ready(tables.cars), tables, [1.0], load_kw=3.0, pv_kw=6.0)
    assert taken.vehicle_results["current_a"][0] == 20.0
    three = cars_at(TRIPLE, TRIPLE, charger=Charger(), household=FUSE_16)
    assert three.settings["by_line"] == 0
    # 11.04 - 3 + 6 kW are 20.3 A for two cars.
    taken = step(ready(three.cars), three, [1.0, 1.0], load_kw=3.0, pv_kw=6.0)
    assert taken.vehicle_results["current_a"].tolist() == [10.0, 10.0]


def test_overload_in_all() -> None:
    """Two cars of 11 kW and 4 kW of house at 11.04 kW: 14.96 above; of 12 kW 0.96 are its own."""
    tables = cars_at(TRIPLE, TRIPLE, charger=Charger(load_management=False), household=FUSE_16)
    assert step(ready(tables.cars), tables, [1, 1], load_kw=4.0).over_kw == pytest.approx(14.96)
    taken = step(ready(tables.cars), tables, [1, 0], load_kw=14.0, pv_kw=2.0)
    assert (taken.over_kw, taken.alone_over_kw) == pytest.approx((11.96, 0.96), abs=1e-12)


# --- a fuse on each line and a limit in all ---

BOTH = replace(FUSE_16, connection_kw=6.0)
SECOND = replace(SINGLE, line=2)


@pytest.mark.parametrize(
    ("house", "currents_a"),
    [
        # 16 - 4.348 A are left on each line, as many on both: 5.06 kW.
        (FUSE_16, [11.0, 11.0]),
        # 9 kW less the house's 3 are 26 A for both, and a line carries no more than 11.
        (replace(FUSE_16, connection_kw=9.0), [11.0, 11.0]),
        # 3 kW are 13 A, seven of them for the first car and six for the other.
        (BOTH, [7.0, 6.0]),
        # 2.5 kW are 10 A, too few for six each.
        (replace(FUSE_16, connection_kw=5.5), [10.0, 0.0]),
        # Without a fuse 9 kW leave 26 A, 13 for each car.
        (Household(fuse_a=None, connection_kw=9.0), [13.0, 13.0]),
    ],
)
def test_the_lower_of_both_limits_counts(house: Household, currents_a: list[float]) -> None:
    """3 kW of house on three lines, and cars on the first and on the second."""
    tables = cars_at(SINGLE, SECOND, charger=Charger(max_current_a=32), household=house)
    assert tables.settings["by_line"] == (house.fuse_a is not None)
    taken = step(ready(tables.cars), tables, [1.0, 1.0], load_kw=3.0)
    assert taken.vehicle_results["current_a"].tolist() == currents_a
    assert taken.over_kw == 0.0


def test_discharging_makes_room_in_all_and_not_on_another_line() -> None:
    """3 kW and 11 A of the first car, 2.53 kW more, are left in all; on line 2 11 A as ever."""
    tables = cars_at(SINGLE, SECOND, charger=V2G, household=replace(BOTH, connection_kw=4.0))
    for action, currents_a in ((0.0, [0.0, 0.0]), (-11 / 32, [-11.0, 11.0])):
        taken = step(ready(tables.cars, 40.0), tables, [action, 1.0], load_kw=3.0)
        assert taken.vehicle_results["current_a"].tolist() == currents_a


@pytest.mark.parametrize(
    ("connection_kw", "over_kw", "alone_kw"),
    [
        # Line 1 carries 36.35 of 16 A, 4.68 kW above; in all 10.36 kW.
        (None, 4.68, 0.0),
        (6.0, 4.68, 0.0),  # 4.36 above the limit in all
        (5.0, 5.36, 0.0),
        (2.0, 8.36, 1.0),  # and the house alone 1 above it
    ],
)
def test_overload_is_the_larger_of_both(
    connection_kw: float | None, over_kw: float, alone_kw: float
) -> None:
    house = replace(FUSE_16, connection_kw=connection_kw)
    unmanaged = Charger(max_current_a=32, load_management=False)
    tables = cars_at(SINGLE, charger=unmanaged, household=house)
    taken = step(ready(tables.cars), tables, [1.0], load_kw=3.0)
    assert (taken.over_kw, taken.alone_over_kw) == pytest.approx((over_kw, alone_kw), abs=1e-9)


def test_alike_lines_have_the_lower_limit() -> None:
    """11.04 kW of fuses and 9 kW in all, less 3 kW: 8 A of 0.69 kW."""
    house = replace(FUSE_16, connection_kw=9.0)
    tables = cars_at(TRIPLE, charger=Charger(), household=house)
    assert (tables.settings["by_line"], tables.settings["limit_kw"], house.limit_kw) == (0, 9, 9)
    taken = step(ready(tables.cars), tables, [1.0], load_kw=3.0)
    assert taken.vehicle_results["current_a"][0] == 8.0
    assert replace(house, connection_kw=12.0).limit_kw == pytest.approx(11.04)


# --- discharging ---


def test_a_discharged_car_by_hand() -> None:
    """A quarter-hour of -11 kW: 2.75 kWh delivered, 11.2/0.94/4 = 2.9787 taken, 0.2287 lost."""
    tables = cars_at(TRIPLE, charger=V2G)
    cars = ready(tables.cars, 40.0)
    taken = step(cars, tables, [-1.0])
    vehicle_result = taken.vehicle_results[0]
    assert (taken.charged_kw, taken.discharged_kw) == (0.0, 11.0)
    assert vehicle_result["current_a"] == -16.0
    assert vehicle_result["charge_kw"] == -11.0
    assert vehicle_result["stored_kwh"] == pytest.approx(-2.978723, abs=1e-6)
    assert vehicle_result["loss_kwh"] == pytest.approx(0.228723, abs=1e-6)
    assert cars["energy_kwh"][0] == pytest.approx(37.021277, abs=1e-6)
    cars["departure_min"] = 6  # it leaves after 6 of the 15 minutes
    assert step(cars, tables, [-1.0]).discharged_kw == pytest.approx(4.4, abs=1e-12)


def test_nothing_is_discharged_below_the_floor() -> None:
    """The floor of 30 % is 17.4 kWh: exactly there it ends, and a car below stays as it is."""
    tables = cars_at(TRIPLE, charger=V2G)
    cars = ready(tables.cars, 18.0)
    assert step(cars, tables, [-1.0]).discharged_kw == pytest.approx(4 * 11 * 0.6 / 11.914894)
    assert cars["energy_kwh"][0] == 0.3 * 58.0
    for energy_kwh in (17.4, 5.0):
        cars["energy_kwh"] = energy_kwh
        assert step(cars, tables, [-1.0]).discharged_kw == 0.0
        assert cars["energy_kwh"][0] == energy_kwh


@pytest.mark.parametrize(
    ("load_kw", "pv_kw", "currents_a"),
    [
        (5.5, 0.0, [-8.0, -8.0]),  # an ampere of both is 0.92 kW; 7.5 kW are 8 of each
        (7.5, 0.0, [-10.0, -11.0]),  # 9.5: 10 of each, and one more of one phase
        (9.5, 0.0, [-12.0, -14.0]),  # 11.5: 12 of each, and two more
        (10.4, 0.0, [-13.0, -14.0]),  # 12.4: 13 of each, and one more
        (2.0, 0.0, [0.0, -17.0]),  # 4 kW are 5 A of three phases, below 6; 17 of one
        (1.0, 3.0, [0.0, 0.0]),  # the sun uses up what may be exported
    ],
)
def test_the_export_limit(load_kw: float, pv_kw: float, currents_a: list[float]) -> None:
    """At most the house's use and 2 kW more, in equal shares and whole amperes from 6 on."""
    house = Household(fuse_a=63.0, export_limit_kw=2.0)
    tables = cars_at(TRIPLE, SINGLE, charger=V2G, household=house)
    taken = step(ready(tables.cars, 40.0), tables, [-1.0, -1.0], load_kw=load_kw, pv_kw=pv_kw)
    assert taken.vehicle_results["current_a"].tolist() == currents_a
    assert taken.discharged_kw <= max(0.0, load_kw - pv_kw + 2.0) + 1e-9


def test_no_line_exports_more_than_its_fuse() -> None:
    """4.348 A of the house and 16 of the fuse: 20 A for a car on one phase, not its 32."""
    tables = cars_at(SINGLE, charger=V2G, household=FUSE_16)
    taken = step(ready(tables.cars, 40.0), tables, [-1.0], load_kw=3.0)
    assert taken.vehicle_results["current_a"][0] == -20.0


def test_discharging_makes_room_for_charging() -> None:
    """Of 11.04 kW the house leaves 5.04, 7 A. 11 kW from the other car make it 16.04 kW, 16 A.

    What ends within the step makes no room: with 0.6 kWh above its floor the other car gives a mean
    of 2.2157 kW, one that leaves after 6 of 15 minutes 4.4 kW. It would be missing afterwards.
    """
    tables = cars_at(TRIPLE, TRIPLE, charger=V2G, household=FUSE_16)
    for other_kwh, action, leaves_min, current_a, other_kw in (
        (40.0, 0.0, NEVER_MIN, 7.0, 0.0),
        (40.0, -1.0, NEVER_MIN, 16.0, 11.0),
        (18.0, -1.0, NEVER_MIN, 7.0, 2.2157),
        (40.0, -1.0, 6, 7.0, 4.4),
    ):
        cars = ready(tables.cars, [20.0, other_kwh])
        cars["departure_min"][1] = leaves_min
        taken = step(cars, tables, [1.0, action], load_kw=6.0)
        assert taken.vehicle_results["current_a"][0] == current_a
        assert taken.discharged_kw == pytest.approx(other_kw, abs=1e-4)
        assert taken.over_kw == 0.0


@pytest.mark.parametrize("line", [1, 2, 3])
@pytest.mark.parametrize("other_line", [1, 2, 3])
def test_discharging_makes_room_on_its_own_line(line: int, other_line: int) -> None:
    """11.65 A are left on each line; 20 A from a car make them 31.65 on its own, and no other."""
    cars = (replace(SINGLE, line=line), replace(SINGLE, line=other_line))
    tables = cars_at(*cars, charger=V2G, household=FUSE_16)
    taken = step(ready(tables.cars, 40.0), tables, [-20 / 32, 1.0], load_kw=3.0)
    expected_a = 31.0 if line == other_line else 11.0
    assert taken.vehicle_results["current_a"].tolist() == [-20.0, expected_a]


def test_a_car_at_its_floor_leaves_the_export_to_others() -> None:
    """6.3 kW of the house are 9 A, 6.21 kW, of the second car; the first has nothing to give."""
    house = Household(fuse_a=63.0, export_limit_kw=0.0)
    tables = cars_at(TRIPLE, TRIPLE, charger=V2G, household=house)
    records = ready(tables.cars, [0.3 * 58.0, 0.9 * 58.0])
    taken = step(records, tables, [-1.0, -1.0], load_kw=6.3)
    assert taken.vehicle_results["current_a"].tolist() == [0.0, -9.0]
    assert taken.discharged_kw == pytest.approx(6.21, abs=1e-12)


# --- amperes against amperes, and what is no room ---


@pytest.mark.parametrize("shares", [None, (0.334, 0.333, 0.333)])
def test_16_a_do_not_fit_into_15_99(shares: tuple[float, ...] | None) -> None:
    """On even lines and uneven ones, though 16 A of this car are its 11.0 kW, within 11.033."""
    house = Household(fuse_a=20.0, line_shares=shares)
    tables = cars_at(TRIPLE, charger=Charger(), household=house)
    room_kw = 15.99 * 0.69 if shares is None else 15.99 * 0.23 / 0.334
    load_kw = 13.8 - room_kw if shares is None else (20.0 - 15.99) * 0.23 / 0.334
    taken = step(ready(tables.cars), tables, [1.0], load_kw=load_kw)
    assert taken.vehicle_results["current_a"][0] == 15.0


@pytest.mark.parametrize("car", [TRIPLE, SINGLE])
def test_sun_that_is_cut_off_is_no_room(car: Vehicle) -> None:
    """Nothing may be exported: of 9 kW of sun 3 cover the house, and 16 A of the fuse are left."""
    house = replace(FUSE_16, export_limit_kw=0.0)
    tables = cars_at(car, car, charger=Charger(max_current_a=32), household=house)
    taken = step(ready(tables.cars), tables, [1.0, 1.0], load_kw=3.0, pv_kw=9.0)
    assert taken.vehicle_results["current_a"].tolist() == [8.0, 8.0]


@pytest.mark.parametrize("car", [TRIPLE, SINGLE])
def test_sun_that_is_cut_off_for_its_price_is_no_room_either(car: Vehicle) -> None:
    """As where nothing may be exported: 16 A of the fuse for two cars, or 20 with the sun counted.

    9 kW of sun less 3 of the house are 8.7 A more on each line.
    """
    tables = cars_at(
        *(car, car),
        charger=Charger(max_current_a=32),
        household=FUSE_16,
        solar=Solar(peak_kw=10.0, curtail_below_price=0.0),
    )
    for price, current_a in ((-0.01, 8.0), (0.0, 12.0)):
        taken = step(
            *(ready(tables.cars), tables, [1.0, 1.0]),
            load_kw=3.0,
            pv_kw=9.0,
            export_price_per_kwh=price,
        )
        assert taken.vehicle_results["current_a"].tolist() == [current_a, current_a]


def test_nothing_is_fed_back_while_it_would_earn_too_little() -> None:
    """Of -11 kW a car may give what the house uses beside the sun: 4.2 kW, 6 A of three phases."""
    tables = cars_at(*(TRIPLE,), charger=V2G, solar=Solar(peak_kw=10.0, curtail_below_price=0.0))
    for price, given_kw in ((-0.01, 4.14), (0.0, 11.0)):
        taken = step(
            *(ready(tables.cars, 40.0), tables, [-1.0]),
            load_kw=5.2,
            pv_kw=1.0,
            export_price_per_kwh=price,
        )
        assert taken.discharged_kw == pytest.approx(given_kw)


def test_a_car_in_which_nothing_flows_shows_no_current() -> None:
    """Full, at its floor, or offered less than it needs itself; alone, where nothing is shared."""
    tables = cars_at(TRIPLE, charger=V2G, household=Household(fuse_a=63.0))
    for energy_kwh, action in ((58.0, 1.0), (0.3 * 58.0, -1.0)):
        taken = step(ready(tables.cars, energy_kwh), tables, [action])
        assert taken.vehicle_results["current_a"][0] == taken.vehicle_results["charge_kw"][0] == 0.0
    thirsty = cars_at(replace(TRIPLE, aux_kw=1.0), charger=Charger(levels_kw=(0.0, 1.0, 7.4)))
    taken = step(ready(thirsty.cars), thirsty, [0.5])
    assert taken.vehicle_results["current_a"][0] == taken.vehicle_results["charge_kw"][0] == 0.0


# --- what always holds ---


@st.composite
def households(draw: st.DrawFn) -> Scenario:
    """A managed household whose lines may differ, with cars of all kinds at any charger."""
    house = Household(
        fuse_a=draw(st.sampled_from((10.0, 16.0, 25.0, 63.0))),
        connection_kw=draw(st.sampled_from((None, None, 5.0, 9.0))),
        export_limit_kw=draw(st.sampled_from((None, 0.0, 5.0))),
        line_shares=draw(st.sampled_from((None, (0.5, 0.3, 0.2), (1.0, 0.0, 0.0)))),
    )
    charger = Charger(
        bidirectional=draw(st.booleans()),
        phase_switching=draw(st.booleans()),
        max_current_a=draw(st.sampled_from((16, 32))),
    )
    cars = [
        replace(
            car,
            line=draw(st.integers(1, 3)),
            priority=draw(st.integers(0, 1)),
            limit_soc=max(car.wanted_soc, draw(st.floats(0.0, 1.0))),
            floor_soc=draw(st.floats(0.0, 1.0)),
        )
        for car in draw(st.lists(vehicles(), min_size=1, max_size=3))
    ]
    return Scenario(household=house, charger=charger, vehicles=tuple(cars))


def lines_a(vehicles: Any, cars: Any, vehicle_results: Any) -> Any:
    """Mean current of the cars on each of the three lines (A), from their powers."""
    lines = np.zeros(3)
    for k, vehicle_result in enumerate(vehicle_results):
        phases = int(vehicles["phases"][k])
        first = [cars[f"one_{line}"][k] for line in (1, 2, 3)].index(1.0)
        for more in range(phases):
            lines[(first + more) % 3] += vehicle_result["charge_kw"] / (0.23 * phases)
    return lines


# Sun that may not be exported, on three lines, while all of the load is on one.
NOTHING_EXPORTED = Scenario(
    household=Household(fuse_a=10.0, export_limit_kw=0.0, line_shares=(1.0, 0.0, 0.0)),
    charger=Charger(max_current_a=16),
    vehicles=(Vehicle(phases=1, ac_max_kw=2.0),),
)


@settings(max_examples=examples(120))
@example(NOTHING_EXPORTED, 1, 8.0)
@given(households(), st.integers(0, 2**32), st.sampled_from((0.0, 8.0)))
def test_balance_limits_and_fuses(scenario: Scenario, seed: int, sun_kw: float) -> None:
    """Twelve quarter-hours of any actions, loads and sun.

    Each car: what it draws is stored or lost, both ways; currents are 0 or whole amperes from 6 on;
    charging ends at the limit, discharging at the floor. The house: no line above its fuse (where
    all are alike, no total) but what the house alone takes, no export above its limit but sun.
    """
    tables, generator = tables_of(scenario), np.random.default_rng(seed)
    cars, fuse_a = tables.cars, scenario.household.fuse_a
    shares = np.array(scenario.household.line_shares or (1 / 3,) * 3)
    export_kw, limit_kw = tables.settings["export_limit_kw"], tables.settings["limit_kw"]
    records = ready(cars, cars["battery_kwh"] * generator.random(len(cars)))
    for k in range(12):
        before_kwh, load_kw = records["energy_kwh"].copy(), generator.gamma(1.0, 2.0)
        pv_kw = sun_kw * generator.random()
        lowest = -1.0 if scenario.charger.bidirectional else 0.0
        actions = generator.uniform(lowest, 1.0, len(cars))
        taken = step(records, tables, actions, load_kw, pv_kw, 15 * k)
        done = taken.vehicle_results
        drawn_kwh = done["charge_kw"] * 0.25
        changed_kwh = records["energy_kwh"] - before_kwh
        assert np.allclose(drawn_kwh, done["stored_kwh"] + done["loss_kwh"], 0, 1e-9)
        assert np.allclose(changed_kwh, done["stored_kwh"], 0, 1e-9)
        assert np.all(done["loss_kwh"] >= 0.0)
        assert np.all(records["energy_kwh"] <= np.maximum(before_kwh, cars["limit_kwh"]))
        assert np.all(records["energy_kwh"] >= np.minimum(before_kwh, cars["floor_kwh"]))
        assert np.all(np.abs(done["charge_kw"]) <= cars["max_kw"] + 1e-9)
        assert {abs(a) for a in done["current_a"]} <= {0.0, *range(6, 33)}
        net_kw = load_kw - pv_kw
        charged_kw = float(done["charge_kw"].sum())
        assert taken.charged_kw - taken.discharged_kw == pytest.approx(charged_kw, abs=1e-9)
        assert net_kw - taken.discharged_kw >= min(net_kw, -export_kw) - 1e-6
        # What would be exported above the limit is cut off, and charging leaves less to cut off.
        alone_pv_kw = min(pv_kw, max(0.0, export_kw + load_kw))
        used_pv_kw = min(pv_kw, max(0.0, export_kw + load_kw + charged_kw))
        house_a = (load_kw * shares - alone_pv_kw / 3) / 0.23
        free_a = (load_kw * shares - used_pv_kw / 3) / 0.23
        line_a = free_a + lines_a(records, cars, done)
        over_kw = max(0.0, net_kw + charged_kw - limit_kw)
        if tables.settings["by_line"]:
            over_kw = max(
                0.23 * np.maximum(0.0, line_a - fuse_a).sum(),
                net_kw + charged_kw - tables.settings["total_kw"],
            )
            total_kw = max(tables.settings["total_kw"], net_kw)
            assert net_kw + charged_kw <= total_kw + 1e-6
            assert np.all(line_a <= np.maximum(fuse_a, house_a) + 1e-6)
            assert np.all(line_a >= np.minimum(-fuse_a, free_a) - 1e-6)
        else:
            assert net_kw + charged_kw <= max(limit_kw, net_kw) + 1e-6
        assert taken.over_kw == pytest.approx(over_kw, abs=1e-8)


# --- contracted power and dimming ---


@pytest.mark.parametrize(
    ("car", "house", "current_a"),
    [
        # 4.6 - 1 kW are 15.65 A on one line, and too little for 6 A on three, 4.14 kW.
        (SINGLE, Household(fuse_a=35.0), 15.0),
        (TRIPLE, FUSE_16, 0.0),
        (SINGLE, Household(fuse_a=None, connection_kw=11.0), 15.0),
        # The connection's own limit, where that is lower: 2.5 kW are 10.87 A.
        (SINGLE, Household(fuse_a=None, connection_kw=3.5), 10.0),
        (SINGLE, Household(phases=1, fuse_a=25.0), 15.0),
    ],
)
def test_what_a_contract_leaves(car: Vehicle, house: Household, current_a: float) -> None:
    charger = Charger(max_current_a=32, phases=house.phases)
    tables = cars_at(car, charger=charger, household=house)
    taken = step(ready(tables.cars), tables, [1.0], load_kw=1.0, contract_kw=4.6)
    assert taken.vehicle_results["current_a"][0] == current_a
    assert taken.over_kw == 0.0


def test_the_sun_makes_room_beside_a_contract() -> None:
    """4.6 - 1 + 2 kW are 24.3 A."""
    house = Household(fuse_a=35.0)
    tables = cars_at(SINGLE, charger=Charger(max_current_a=32), household=house)
    taken = step(ready(tables.cars), tables, [1.0], load_kw=1.0, pv_kw=2.0, contract_kw=4.6)
    assert taken.vehicle_results["current_a"][0] == 24.0


@pytest.mark.parametrize("house", [FUSE_16, Household(fuse_a=None, connection_kw=11.0)])
def test_above_a_contract_is_overload_without_load_management(house: Household) -> None:
    """10 A on three lines and 1 kW are 7.9, that is 3.3 above 4.6; 5 kW alone are 0.4 above."""
    tables = cars_at(TRIPLE, charger=Charger(load_management=False), household=house)
    taken = step(ready(tables.cars), tables, [10 / 16], load_kw=1.0, contract_kw=4.6)
    assert (taken.over_kw, taken.alone_over_kw) == pytest.approx((3.3, 0.0), abs=1e-12)
    taken = step(ready(tables.cars), tables, [10 / 16], load_kw=5.0, contract_kw=4.6)
    assert (taken.over_kw, taken.alone_over_kw) == pytest.approx((7.3, 0.4), abs=1e-12)


def test_a_contract_below_what_one_line_is_overloaded_by() -> None:
    """32 A on a line of 16 are 3.68 kW too much there; in all 7.36 kW are 2.76 above 4.6."""
    charger = Charger(max_current_a=32, load_management=False)
    tables = cars_at(SINGLE, charger=charger, household=FUSE_16)
    for contract_kw, over_kw in ((4.6, 3.68), (3.0, 4.36)):
        taken = step(ready(tables.cars), tables, [1.0], contract_kw=contract_kw)
        assert taken.over_kw == pytest.approx(over_kw, abs=1e-12)


@pytest.mark.parametrize("managed", [True, False])
@pytest.mark.parametrize("house", [Household(fuse_a=63.0), Household(phases=1, fuse_a=63.0)])
@pytest.mark.parametrize(
    ("kw", "one_a", "three_a"),
    [
        (4.2, [9.0, 9.0], [6.0, 0.0]),  # 18.26 A of one line; 6.09 of three, enough for one car
        (7.56, [16.0, 16.0], [10.0, 0.0]),  # what § 14a leaves two devices: 32.87 and 10.96 A
        (8.28, [16.0, 16.0], [6.0, 6.0]),
        (2.7, [11.0, 0.0], [0.0, 0.0]),  # 11.74 A: twice 6 are more
        (0.0, [0.0, 0.0], [0.0, 0.0]),
    ],
)
def test_two_cars_in_a_dimmed_hour(
    managed: bool, house: Household, kw: float, one_a: list[float], three_a: list[float]
) -> None:
    """Load management or not; neither the house nor the sun changes it."""
    phases = house.phases
    charger = Charger(phases=phases, load_management=managed)
    tables = cars_at(TRIPLE, TRIPLE, charger=charger, household=house)
    for load_kw, pv_kw in ((0.0, 0.0), (3.0, 0.0), (0.0, 9.0)):
        taken = step(ready(tables.cars), tables, [1, 1], load_kw, pv_kw, cars_limit_kw=kw)
        wanted_a = three_a if phases == 3 else one_a
        assert taken.vehicle_results["current_a"].tolist() == wanted_a
        assert taken.charged_kw == pytest.approx(0.23 * phases * sum(wanted_a), abs=1e-9)


def test_dimmed_below_six_amperes_of_all_phases() -> None:
    """2 kW are 2.9 A of three lines: nothing; asked for less than 6 A, one line gets 8 A of it."""
    tables = cars_at(TRIPLE, charger=Charger(phase_switching=True, load_management=False))
    assert step(ready(tables.cars), tables, [1.0], cars_limit_kw=2.0).charged_kw == 0.0
    vehicles_ = ready(tables.cars)
    taken = step(vehicles_, tables, [3 / 16], cars_limit_kw=2.0)
    assert (vehicles_["phases"][0], vehicles_["current_a"][0]) == (1, 8.0)
    assert taken.charged_kw == pytest.approx(8 * 0.23, abs=1e-12)


def test_a_car_that_discharges_lifts_no_dimming() -> None:
    """It makes room in the connection, not in what the grid operator lets the cars draw."""
    tables = cars_at(TRIPLE, TRIPLE, charger=V2G)
    taken = step(ready(tables.cars), tables, [-0.5, 1.0], load_kw=6.0, cars_limit_kw=4.2)
    assert taken.vehicle_results["current_a"].tolist() == [-8.0, 6.0]


def test_levels_in_a_dimmed_hour() -> None:
    """Of 0, 3.7 and 11 kW one car has 3.7, and nothing is left for the other."""
    charger = Charger(levels_kw=(0.0, 3.7, 11.0), load_management=False)
    tables = cars_at(TRIPLE, TRIPLE, charger=charger)
    taken = step(ready(tables.cars), tables, [1, 1], cars_limit_kw=4.2)
    assert taken.charged_kw == pytest.approx(3.7, abs=1e-9)
