"""The household behind a station, tick by tick: the env's steps, the switch, the policy's turn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from baselines.policies.specs import make_policy
from ev_gym.env import EVChargingEnv
from ev_gym.scenario import Scenario, as_scenario
from ev_gym.series.of_scenario import dataset_of
from ev_gym.simulation.observation import observation_slices
from ev_gym.world.world import build_world, unending
from server.station.household import FORCE_OFF, FORCE_ON, RECORD_DTYPE, Control, StationHousehold
from tests.support.station_households import DAY, SCENARIOS, give_command, new_household

SEEN = ("hours_to_departure", "wanted_soc")


def local_day(scenario: str, days: int, policy: str | None = None) -> np.ndarray[Any, Any]:
    """What the env records when it begins as a station does; without policy always charging."""
    env = EVChargingEnv(replace(SCENARIOS[scenario], start_hour=0))
    observation, _ = env.reset(seed=0, options={"soc": 0.2})
    chosen = make_policy(policy, env) if policy else lambda _: np.ones(1, np.float32)
    for _ in range(DAY * days):
        observation, *_ = env.step(chosen(observation))
    records = np.empty(DAY * days, RECORD_DTYPE)
    records["house"] = env._history.results[: len(records)]
    records["car"] = env._history.vehicle_results[: len(records), 0]
    return records


@pytest.mark.parametrize("policy", ["load_based", "price_based", "cheapest_hours", "random"])
@pytest.mark.parametrize("scenario", ["classic", "stockholm", "villa"])
def test_ticks_are_the_env_s_steps(scenario: str, policy: str) -> None:
    """Bit for bit, to the end of the first day (classic: to the last step before midnight)."""
    household = new_household(scenario, policy)
    days = 1 if scenario == "classic" else 4
    steps = DAY * days - (scenario == "classic")
    np.testing.assert_array_equal(
        household.advance(steps), local_day(scenario, days, policy)[:steps]
    )


@pytest.mark.parametrize(("policy", "lattice"), [("load_based", 83.93), ("price_based", 83.93)])
def test_policies_reach_the_local_run_s_soc_before_midnight(policy: str, lattice: float) -> None:
    household = new_household("classic", policy)
    records = household.advance(DAY)
    assert round(household.reading().percent, 2) == lattice
    assert records["car"]["topup_kwh"].sum() == 0.0
    charged = set(records["house"]["now_min"][records["car"]["charge_kw"] > 0] % 1440 // 60)
    assert charged == ({0, 1, 2, 3} if policy == "load_based" else {2, 3, 22, 23})


def test_nobody_leaves_the_classic_station_at_midnight() -> None:
    """The SoC goes on and nothing is bought; the env tops up to 80 % there, also from now on."""
    household = new_household("classic")
    seen = []
    for _ in range(3 * DAY):
        (record,) = household.advance(1)
        seen.append(
            (record["car"]["soc"], record["car"]["topup_kwh"], record["house"]["missing_kwh"])
        )
    assert set(seen) == {(0.2, 0.0, 0.0)}
    env = EVChargingEnv("classic")
    env.reset(seed=0)
    *_, over, info = [env.step(np.zeros(1, np.float32)) for _ in range(DAY)][-1]
    assert over
    assert info["soc"][0] == 0.8
    assert info["missing_kwh"] == pytest.approx(27.78)


def test_policies_still_see_the_departure_at_midnight() -> None:
    household = new_household("classic", "price_based")
    at = observation_slices(household.scenario)
    for tick in range(2 * DAY + 5):
        observed = {name: float(household.observation[at[name]][0]) for name in SEEN}
        assert observed["hours_to_departure"] == 24.0 - tick % DAY / 4
        assert observed["wanted_soc"] == pytest.approx(0.8)
        household.advance(1)


def test_only_a_car_that_is_home_all_day_stays_home() -> None:
    def stays(**changes: Any) -> bool:
        scenario = as_scenario({"preset": "classic", "driving": changes})
        world = build_world(scenario, dataset_of(scenario), None)
        assert world.tables.settings["stays_home"][0] == 0
        return bool(unending(world).tables.settings["stays_home"][0])

    assert stays()
    assert not stays(trip_kwh=0.1)
    assert not stays(arrival_h=0.5)
    assert not stays(departure_h=23.0)
    assert not stays(trip_kwh=None)
    own = Scenario.from_dict({"preset": "classic", "vehicles": [{"driving": {}}]})
    for other in (own, Scenario()):
        world = build_world(other, dataset_of(other), None)
        assert unending(world) is world


def test_while_the_car_is_away_nothing_charges() -> None:
    """At home from 17:00 to 07:06: the switch stays on, and charging goes on at the return."""
    household = new_household("nightly")
    household.advance(4 * 4)
    household.charge(True)
    household.advance(4 * 3)
    assert household.reading().charging
    household.advance(4 * 3)  # 10:00
    assert (household.reading().charge_kw, household.reading().charging) == (0.0, False)
    away = household.advance(4 * 7)
    assert away["car"]["charge_kw"].sum() == 0.0
    assert household.reading().charging  # 17:00
    assert away["car"]["trip_kwh"].sum() == 9.0


def test_a_full_car_turns_the_switch_off_unless_it_is_forced() -> None:
    for command in ("on", FORCE_ON):
        household = new_household("classic")
        give_command(household, command)
        household.advance(20)
        assert (round(household.reading().percent, 2), household.control.switch) == (99.91, True)
        household.advance(1)
        reading = household.reading()
        assert (reading.percent, reading.charging, reading.charge_kw) == (100.0, False, 0.0)
        assert household.control.switch is (command == FORCE_ON)
    assert household.control.override == FORCE_ON
    household.force("auto")
    household.advance(1)
    assert not household.control.switch


def test_a_car_at_its_owner_s_limit_is_full() -> None:
    household = StationHousehold(
        Scenario.from_dict({"preset": "classic", "vehicles": [{"limit_soc": 0.8}]}), None
    )
    household.begin()
    household.charge(True)
    household.advance(15)
    assert (round(household.reading().percent, 2), household.control.switch) == (79.94, True)
    household.advance(1)
    assert (household.reading().percent, household.control.switch) == (80.0, False)


@pytest.mark.parametrize(("command", "kw"), [("on", 0.0), (FORCE_ON, 7.4)])
def test_forced_charging_goes_on_after_a_trip(command: str, kw: float) -> None:
    """At home from 17:00 to 07:06, and full before the first trip."""
    household = new_household("nightly")
    give_command(household, command)
    household.advance(4 * 7)
    assert (round(household.reading().percent, 6), household.reading().charging) == (100.0, False)
    household.advance(4 * 10)
    assert household.reading().percent < 90
    assert household.reading().charge_kw == household.advance(1)["car"]["charge_kw"][0] == kw


def test_a_command_takes_precedence_over_the_policy_until_auto() -> None:
    household = new_household("classic", "load_based")
    assert household.reading().charging  # of itself
    household.charge(False)
    assert not household.advance(2)["car"]["charge_kw"].any()
    household.force(FORCE_OFF)
    household.charge(True)  # of no effect while forced
    assert not household.advance(2)["car"]["charge_kw"].any()
    household.force("auto")
    assert household.advance(16)["car"]["charge_kw"].tolist() == [7.4] * 16
    assert not household.advance(20)["car"]["charge_kw"].any()  # 80 %
    household.charge(True)
    assert household.advance(1)["car"]["charge_kw"] == 7.4


def test_auto_leaves_nothing_of_a_command_where_a_policy_decides() -> None:
    for command in ("on", FORCE_ON):
        household = new_household("classic", "price_based")
        give_command(household, command)
        household.force("auto")
        assert household.control == Control()


def test_an_override_takes_precedence_over_the_policy() -> None:
    household = new_household("classic", "price_based")  # which would wait for hour 2
    household.force(FORCE_ON)
    assert household.advance(1)["car"]["charge_kw"] == 7.4
    household.force(FORCE_OFF)
    assert not household.advance(8)["car"]["charge_kw"].any()
    household.force("auto")
    assert household.advance(1)["car"]["charge_kw"] == 7.4


def test_charging_stays_as_it_is_when_released_without_a_policy() -> None:
    household = new_household("classic")
    household.force(FORCE_ON)
    household.force("auto")
    assert household.advance(1)["car"]["charge_kw"] == 7.4
    household.force(FORCE_OFF)
    household.force("auto")
    assert household.advance(1)["car"]["charge_kw"] == 0.0


def test_the_power_shown_is_what_the_tick_then_draws() -> None:
    """Whole amperes beside the house's load, as load management grants them."""
    household = {"fuse_a": 10, "annual_kwh": 25_000}
    scenario = {"household": household, "vehicles": [{"model": "Renault Zoe"}]}
    household = StationHousehold(as_scenario(scenario))
    household.begin()
    household.charge(True)
    powers = set()
    for _ in range(60):
        reading = household.reading()
        (record,) = household.advance(1)
        assert reading.load_kw == record["house"]["load_kw"]
        if reading.percent < 95:
            assert reading.charge_kw == pytest.approx(float(record["car"]["charge_kw"]), abs=1e-6)
            powers.add(round(reading.charge_kw, 3))
    assert len(powers) > 3


def test_the_power_shown_while_a_policy_discharges_a_car() -> None:
    """Below 0 as long as the car gives something; at its floor nothing."""
    household = new_household("villa", "tests.support.station_households:discharge")
    household.charge(True)
    while household.reading().percent < 50:
        household.advance(1)
    household.force("auto")
    signs = []
    for _ in range(20):
        reading = household.reading()
        (record,) = household.advance(1)
        drawn_kw = float(record["car"]["charge_kw"])
        assert not reading.charging
        assert np.sign(reading.charge_kw) == np.sign(drawn_kw)
        assert reading.charge_kw <= drawn_kw
        signs.append(np.sign(drawn_kw))
    assert signs == sorted(signs)
    assert set(signs) == {-1.0, 0.0}
    assert round(household.reading().percent, 6) == 30.0
