"""Energy balances and bounds in every household, whatever its features and its actions.

Each example is one random household in three rows of the vector env, with random actions. Balances
hold to 1e-9 kWh a step; currents on the lines are worked out from the powers reported.
"""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings

from ev_gym.physics.charger import FLOOR_A
from ev_gym.scenario import Charger, Driving, Household, Scenario, Solar, Vehicle
from ev_gym.scenario.charger import at_charger
from tests.support.accounts import (
    LINE_KW_PER_A,
    by_line,
    export_limit_kw,
    line_currents_a,
)
from tests.support.household_strategies import SERIES, cases, run_case, run_episodes
from tests.support.scenario_strategies import examples

Case = tuple[Scenario, str, int]

BALANCE_KWH = 1e-9
ROUNDING = 1e-8  # kW or A


@settings(max_examples=examples(60))
@given(cases())
def test_energy_is_conserved(case: Case) -> None:
    """Grid and sun give what the house uses, what is stored and what is lost.

    A battery changes by what went in or out at home, what was bought elsewhere, and the trips.
    """
    episodes = run_case(*case)
    step_h = episodes.scenario.step_h
    drawn_kwh = episodes.of("charge_kw") * step_h
    stored_kwh, loss_kwh = episodes.of("stored_kwh"), episodes.of("loss_kwh")
    supplied_kwh = (episodes.of("grid_kw") + episodes.of("pv_kw")) * step_h
    used_kwh = episodes.of("load_kw") * step_h + (stored_kwh + loss_kwh).sum(axis=2)
    assert np.abs(supplied_kwh - used_kwh).max() < BALANCE_KWH
    assert np.abs(drawn_kwh - stored_kwh - loss_kwh).max() < BALANCE_KWH
    assert loss_kwh.min() >= 0.0
    assert episodes.of("pv_kw").min() >= 0.0
    before_kwh, after_kwh = episodes.before("energy_kwh"), episodes.of("energy_kwh")
    change_kwh = stored_kwh + episodes.of("topup_kwh") - episodes.of("trip_kwh")
    assert np.abs(after_kwh - before_kwh - change_kwh).max() < BALANCE_KWH
    # Over the episode: nothing is lost in many small roundings.
    steps = len(episodes.rewards)
    for row, supplied in enumerate(supplied_kwh.T):
        house_kwh = math.fsum(supplied) - math.fsum(episodes.of("load_kw")[:, row] * step_h)
        change = math.fsum((after_kwh[-1] - before_kwh[0])[row])
        for name, sign in (("topup_kwh", -1.0), ("trip_kwh", 1.0), ("loss_kwh", 1.0)):
            change += sign * math.fsum(episodes.of(name)[:, row].flat)
        assert abs(house_kwh - change) < BALANCE_KWH * steps


@settings(max_examples=examples(40))
@given(cases())
def test_losses_are_those_of_the_car_in_both_directions(case: Case) -> None:
    """output = eta * input - aux while current flows, and not a watt otherwise."""
    episodes = run_case(*case)
    step_h = episodes.scenario.step_h
    drawn_kwh, stored_kwh = episodes.of("charge_kw") * step_h, episodes.of("stored_kwh")
    assert np.all((drawn_kwh > 0.0) == (stored_kwh > 0.0))
    assert np.all(drawn_kwh * stored_kwh >= 0.0)
    for k, vehicle in enumerate(episodes.scenario.vehicles):
        into_kwh = np.maximum(drawn_kwh, 0.0) + np.maximum(-stored_kwh, 0.0)
        loss_kwh = episodes.of("loss_kwh")[..., k]
        aux_kwh = loss_kwh - (1.0 - vehicle.eta) * into_kwh[..., k]
        assert aux_kwh.min() > -BALANCE_KWH
        assert aux_kwh.max() < vehicle.aux_kw * step_h + BALANCE_KWH
        assert np.all(loss_kwh[into_kwh[..., k] == 0.0] == 0.0)
        if vehicle.aux_kw or vehicle.eta < 1.0:
            assert np.all(loss_kwh[into_kwh[..., k] > BALANCE_KWH] > 0.0)


@settings(max_examples=examples(60))
@given(cases())
def test_charge_and_age_keep_their_bounds(case: Case) -> None:
    """SoC from 0 to 1, at home within the owner's limit and floor; health falls by the wear."""
    episodes = run_case(*case)
    assert episodes.of("soc").min() >= 0.0
    assert episodes.of("soc").max() <= 1.0
    before_kwh, stored_kwh = episodes.before("energy_kwh"), episodes.of("stored_kwh")
    at_home_kwh = before_kwh + stored_kwh
    health, wear_kwh = episodes.of("health"), episodes.of("wear_kwh")
    assert wear_kwh.min() >= 0.0
    assert np.all(episodes.of("plugged")[stored_kwh != 0.0] == 1.0)
    for k, vehicle in enumerate(episodes.scenario.vehicles):
        charged, emptied = stored_kwh[..., k] > 0.0, stored_kwh[..., k] < 0.0
        limit_kwh = vehicle.limit_soc * vehicle.battery_kwh
        floor_kwh = vehicle.floor_soc * vehicle.battery_kwh
        assert np.all(at_home_kwh[charged, k] <= limit_kwh + BALANCE_KWH)
        assert np.all(at_home_kwh[emptied, k] >= floor_kwh - BALANCE_KWH)
        new_kwh = vehicle.battery_kwh / episodes.infos[0]["health"][:, k]
        fallen_kwh = (episodes.before("health")[..., k] - health[..., k]) * new_kwh
        assert np.abs(fallen_kwh - wear_kwh[..., k]).max() < BALANCE_KWH
        if vehicle.chemistry is None:
            assert np.all(health[..., k] == 1.0)
        else:
            # At SoC 0 the default cell loses nothing.
            held = episodes.of("soc")[..., k].mean(axis=0) > 0.1
            assert np.all(health[-1, held, k] < episodes.infos[0]["health"][held, k])
            assert np.all(health[..., k] > 0.0)


@settings(max_examples=examples(60))
@given(cases())
def test_currents_and_phases_are_those_of_a_wallbox(case: Case) -> None:
    """Whole amperes, 0 or from 6 A to the car's largest; one phase or all; plugged cars only."""
    episodes = run_case(*case)
    charger = episodes.scenario.charger
    power_kw, current_a, phases = (
        episodes.of("charge_kw"),
        episodes.of("current_a"),
        episodes.of("phases"),
    )
    phases, plugged = episodes.of("phases"), episodes.of("plugged")
    assert np.all(power_kw * current_a >= 0.0)
    assert np.all(power_kw[current_a == 0.0] == 0.0)
    assert np.all(current_a[plugged == 0.0] == 0.0)
    assert np.all(plugged.sum(axis=2) <= (charger.count or len(episodes.scenario.vehicles)))
    if not charger.bidirectional:
        assert current_a.min() >= 0.0
    for k, vehicle in enumerate(episodes.scenario.vehicles):
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


@settings(max_examples=examples(100))
@given(cases())
def test_cars_overload_neither_a_line_nor_the_whole(case: Case) -> None:
    """With load management neither a fuse nor all lines carry more than without the cars.

    In or out; each of the two limits counts where it is given.
    """
    episodes = run_case(*case)
    house = episodes.scenario.household
    if not episodes.scenario.charger.load_management:
        return
    assert np.all(episodes.term("overload") >= -1e-7)
    if house.connection_kw is not None or not by_line(episodes.scenario):
        limit_kw = house.connection_kw or house.limit_kw
        most_kw = np.maximum(np.abs(episodes.of("load_kw") - episodes.of("pv_kw")), limit_kw)
        assert np.all(np.abs(episodes.of("grid_kw")) <= most_kw + ROUNDING)
    if by_line(episodes.scenario):
        with_cars_a = line_currents_a(episodes, True, episodes.of("pv_kw"))
        alone_a = line_currents_a(episodes, False, episodes.of("pv_kw"))
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
    episodes = run_episodes(scenario, SERIES["hourly"], 0, actions, {"start": "2024-03-26"})
    assert np.any((episodes.of("grid_kw") == 0.0) & (episodes.of("charge_kw")[..., 0] > 0.0))
    assert line_currents_a(episodes, True, episodes.of("pv_kw")).max() <= 16.0 + ROUNDING
    assert episodes.of("overload_kw").max() == 0.0


@settings(max_examples=examples(60))
@given(cases())
def test_no_more_is_exported_than_the_grid_takes(case: Case) -> None:
    """Sun is cut off and discharging cut down at the export limit, the connection's by default.

    It is 0 where an exported kWh earns less than the price below which sun is cut off.
    """
    episodes = run_case(*case)
    assert np.all(episodes.of("grid_kw") >= -export_limit_kw(episodes) - ROUNDING)


@settings(max_examples=examples(40))
@given(cases())
def test_observations_stay_in_their_space(case: Case) -> None:
    """Finite bounds, and no field beyond them."""
    episodes = run_case(*case)
    space = episodes.env.single_observation_space
    assert np.all(np.isfinite(space.low) & np.isfinite(space.high))
    beyond = (episodes.observations < space.low) | (episodes.observations > space.high)
    assert not beyond.any(), np.flatnonzero(beyond.any(axis=(0, 1)))
