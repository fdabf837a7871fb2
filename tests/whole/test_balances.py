"""Energy balances and bounds in every household, whatever is switched on and whatever is asked for.

Each example is one random household in three rows of the vector env, with random actions. Balances
are asked to 1e-9 kWh a step; currents on the lines are worked out here from the powers reported.
"""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings

from ev_gym.physics.charger import FLOOR_A
from ev_gym.runtime.arrays import Floats
from ev_gym.scenario import Charger, Driving, Household, Scenario, Solar, Vehicle
from ev_gym.scenario.charger import at_charger
from tests.support.household_strategies import SERIES, Life, cases, live, lived
from tests.support.scenario_strategies import examples

Case = tuple[Scenario, str, int]

BALANCE_KWH = 1e-9
ROUNDING = 1e-8  # kW or A
LINE_KW_PER_A = 0.23


@settings(max_examples=examples(60))
@given(cases())
def test_energy_is_conserved(case: Case) -> None:
    """Grid and sun give what the house uses, what is stored and what is lost.

    A battery changes by what went in or out at home, what was bought elsewhere, and the trips.
    """
    life = lived(*case)
    step_h = life.scenario.step_h
    drawn_kwh = life.of("charge_kw") * step_h
    stored_kwh, loss_kwh = life.of("stored_kwh"), life.of("loss_kwh")
    supplied_kwh = (life.of("grid_kw") + life.of("pv_kw")) * step_h
    used_kwh = life.of("load_kw") * step_h + (stored_kwh + loss_kwh).sum(axis=2)
    assert np.abs(supplied_kwh - used_kwh).max() < BALANCE_KWH
    assert np.abs(drawn_kwh - stored_kwh - loss_kwh).max() < BALANCE_KWH
    assert loss_kwh.min() >= 0.0
    assert life.of("pv_kw").min() >= 0.0
    before_kwh, after_kwh = life.before("energy_kwh"), life.of("energy_kwh")
    change_kwh = stored_kwh + life.of("topup_kwh") - life.of("trip_kwh")
    assert np.abs(after_kwh - before_kwh - change_kwh).max() < BALANCE_KWH
    # Over the episode: nothing is lost in many small roundings.
    steps = len(life.rewards)
    for row, supplied in enumerate(supplied_kwh.T):
        house_kwh = math.fsum(supplied) - math.fsum(life.of("load_kw")[:, row] * step_h)
        change = math.fsum((after_kwh[-1] - before_kwh[0])[row])
        for name, sign in (("topup_kwh", -1.0), ("trip_kwh", 1.0), ("loss_kwh", 1.0)):
            change += sign * math.fsum(life.of(name)[:, row].flat)
        assert abs(house_kwh - change) < BALANCE_KWH * steps


@settings(max_examples=examples(40))
@given(cases())
def test_losses_are_those_of_the_car_in_both_directions(case: Case) -> None:
    """output = eta * input - aux while current flows, and not a watt otherwise."""
    life = lived(*case)
    step_h = life.scenario.step_h
    drawn_kwh, stored_kwh = life.of("charge_kw") * step_h, life.of("stored_kwh")
    assert np.all((drawn_kwh > 0.0) == (stored_kwh > 0.0))
    assert np.all(drawn_kwh * stored_kwh >= 0.0)
    for k, vehicle in enumerate(life.scenario.vehicles):
        into_kwh = np.maximum(drawn_kwh, 0.0) + np.maximum(-stored_kwh, 0.0)
        loss_kwh = life.of("loss_kwh")[..., k]
        aux_kwh = loss_kwh - (1.0 - vehicle.eta) * into_kwh[..., k]
        assert aux_kwh.min() > -BALANCE_KWH
        assert aux_kwh.max() < vehicle.aux_kw * step_h + BALANCE_KWH
        assert np.all(loss_kwh[into_kwh[..., k] == 0.0] == 0.0)
        if vehicle.aux_kw or vehicle.eta < 1.0:
            assert np.all(loss_kwh[into_kwh[..., k] > BALANCE_KWH] > 0.0)


@settings(max_examples=examples(60))
@given(cases())
def test_charge_and_age_keep_their_bounds(case: Case) -> None:
    """SoC from 0 to 1; at home within the owner's limit and floor; health falls as wear is told."""
    life = lived(*case)
    assert life.of("soc").min() >= 0.0
    assert life.of("soc").max() <= 1.0
    before_kwh, stored_kwh = life.before("energy_kwh"), life.of("stored_kwh")
    at_home_kwh = before_kwh + stored_kwh
    health, wear_kwh = life.of("health"), life.of("wear_kwh")
    assert wear_kwh.min() >= 0.0
    assert np.all(life.of("plugged")[stored_kwh != 0.0] == 1.0)
    for k, vehicle in enumerate(life.scenario.vehicles):
        charged, emptied = stored_kwh[..., k] > 0.0, stored_kwh[..., k] < 0.0
        limit_kwh = vehicle.limit_soc * vehicle.battery_kwh
        floor_kwh = vehicle.floor_soc * vehicle.battery_kwh
        assert np.all(at_home_kwh[charged, k] <= limit_kwh + BALANCE_KWH)
        assert np.all(at_home_kwh[emptied, k] >= floor_kwh - BALANCE_KWH)
        new_kwh = vehicle.battery_kwh / life.infos[0]["health"][:, k]
        fallen_kwh = (life.before("health")[..., k] - health[..., k]) * new_kwh
        assert np.abs(fallen_kwh - wear_kwh[..., k]).max() < BALANCE_KWH
        if vehicle.chemistry is None:
            assert np.all(health[..., k] == 1.0)
        else:
            # At SoC 0 the default cell loses nothing.
            held = life.of("soc")[..., k].mean(axis=0) > 0.1
            assert np.all(health[-1, held, k] < life.infos[0]["health"][held, k])
            assert np.all(health[..., k] > 0.0)


@settings(max_examples=examples(60))
@given(cases())
def test_currents_and_phases_are_those_of_a_wallbox(case: Case) -> None:
    """Whole amperes, 0 or from 6 A to the car's largest; one phase or all; nobody else charges."""
    life = lived(*case)
    charger = life.scenario.charger
    power_kw, current_a, phases = life.of("charge_kw"), life.of("current_a"), life.of("phases")
    plugged = life.of("plugged")
    assert np.all(power_kw * current_a >= 0.0)
    assert np.all(power_kw[current_a == 0.0] == 0.0)
    assert np.all(current_a[plugged == 0.0] == 0.0)
    assert np.all(plugged.sum(axis=2) <= (charger.count or len(life.scenario.vehicles)))
    if not charger.bidirectional:
        assert current_a.min() >= 0.0
    for k, vehicle in enumerate(life.scenario.vehicles):
        limits = at_charger(vehicle, charger)
        allowed = {1, limits.phases} if limits.one_phase_a else {limits.phases}
        at_charger_now = plugged[..., k] == 1.0
        assert set(np.unique(phases[at_charger_now, k])) <= allowed
        assert np.all(np.abs(power_kw[..., k]) <= limits.max_kw + ROUNDING)
        if charger.levels_kw is not None:
            continue
        amount_a = np.abs(current_a[..., k])
        assert np.all(amount_a == np.floor(amount_a))
        assert np.all((amount_a == 0.0) | (amount_a >= FLOOR_A))
        switched = (phases[..., k] == 1.0) & (limits.phases == 3)
        most_a = np.where(switched, limits.one_phase_a, limits.max_current_a)
        assert np.all(amount_a <= most_a)
        most_kw = amount_a * phases[..., k] * LINE_KW_PER_A
        assert np.all(np.abs(power_kw[..., k]) <= most_kw + ROUNDING)


def line_currents(life: Life) -> tuple[Floats, Floats]:
    """Current (A) on each of three lines: with the cars, and of the house under the same sun."""
    shares = np.array(life.scenario.household.line_shares or (1 / 3, 1 / 3, 1 / 3))
    house_kw = life.of("load_kw")[..., None] * shares - life.of("pv_kw")[..., None] / 3.0
    alone_a = house_kw / LINE_KW_PER_A
    with_cars_a = alone_a.copy()
    phases, power_kw = life.of("phases"), life.of("charge_kw")
    for k, vehicle in enumerate(life.scenario.vehicles):
        per_line_a = power_kw[..., k] / np.maximum(phases[..., k], 1.0) / LINE_KW_PER_A
        for place in range(3):
            on = place < phases[..., k]
            with_cars_a[..., (vehicle.line - 1 + place) % 3] += np.where(on, per_line_a, 0.0)
    return with_cars_a, alone_a


@settings(max_examples=examples(100))
@given(cases())
def test_cars_overload_neither_a_line_nor_the_whole(case: Case) -> None:
    """With load management no fuse carries more, in or out, than it does without the cars."""
    life = lived(*case)
    house = life.scenario.household
    if not life.scenario.charger.load_management:
        return
    assert np.all(life.term("overload") >= -1e-7)
    if house.connection_kw is not None or house.phases == 1:
        most_kw = np.maximum(np.abs(life.of("load_kw") - life.of("pv_kw")), house.limit_kw)
        assert np.all(np.abs(life.of("grid_kw")) <= most_kw + ROUNDING)
    else:
        with_cars_a, alone_a = line_currents(life)
        most_a = np.maximum(np.abs(alone_a), house.fuse_a)
        assert np.all(with_cars_a <= most_a + ROUNDING)
        assert np.all(with_cars_a >= -most_a - ROUNDING)


def test_sun_that_is_cut_off_relieves_no_line() -> None:
    """Nothing may be exported, so 30 kW of panels give what the car draws, on all lines alike.

    With 32 A on one line and a third of them from the sun on each, that line would take 21 A.
    """
    scenario = Scenario(
        household=Household(fuse_a=16.0, annual_kwh=1000.0, export_limit_kw=0.0),
        solar=Solar(peak_kw=30.0),
        charger=Charger(max_current_a=32),
        vehicles=(Vehicle(phases=1, ac_max_kw=7.4),),
        driving=Driving(pattern="daily", trip_km=0.0, arrival_h=12.0, departure_h=11.0),
    )
    actions = np.ones((scenario.horizon_steps, 1, 1), np.float32)
    life = live(scenario, SERIES["hourly"], 0, actions, {"start": "2024-03-26"})
    assert np.any((life.of("grid_kw") == 0.0) & (life.of("charge_kw")[..., 0] > 0.0))
    assert line_currents(life)[0].max() <= 16.0 + ROUNDING
    assert life.of("overload_kw").max() == 0.0


@settings(max_examples=examples(60))
@given(cases())
def test_no_more_is_exported_than_the_grid_takes(case: Case) -> None:
    """Sun is cut off and discharging cut down at the export limit, the connection's by default."""
    life = lived(*case)
    house = life.scenario.household
    limit_kw = house.limit_kw if house.export_limit_kw is None else house.export_limit_kw
    assert np.all(life.of("grid_kw") >= -limit_kw - ROUNDING)


@settings(max_examples=examples(40))
@given(cases())
def test_observations_stay_in_their_space(case: Case) -> None:
    """Finite bounds, and no field beyond them."""
    life = lived(*case)
    space = life.env.single_observation_space
    assert np.all(np.isfinite(space.low) & np.isfinite(space.high))
    beyond = (life.observations < space.low) | (life.observations > space.high)
    assert not beyond.any(), np.flatnonzero(beyond.any(axis=(0, 1)))
