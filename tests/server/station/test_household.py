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
from server.station.household import FORCE_OFF, FORCE_ON, RECORD_DTYPE, Life, Will
from tests.support.station_households import DAY, SCENARIOS, commanded, new_life

SEEN = ("hours_to_departure", "wanted_soc")


def local_day(scenario: str, days: int, policy: str | None = None) -> np.ndarray[Any, Any]:
    """What the env records when it begins as a station does; without policy always charging."""
    own = replace(SCENARIOS[scenario], days=days, start_hour=0)
    env = EVChargingEnv(own)
    observation, _ = env.reset(seed=0, options={"soc": 0.2})
    chosen = make_policy(policy, env) if policy else lambda _: np.ones(1, np.float32)
    over = False
    while not over:
        observation, _, _, over, _ = env.step(chosen(observation))
    records = np.empty(own.horizon_steps, RECORD_DTYPE)
    records["house"] = env._history.results[: len(records)]
    records["car"] = env._history.vehicle_results[: len(records), 0]
    return records


@pytest.mark.parametrize("policy", ["load_based", "price_based", "cheapest_hours", "random"])
@pytest.mark.parametrize("scenario", ["classic", "stockholm", "villa"])
def test_ticks_are_the_env_s_steps(scenario: str, policy: str) -> None:
    """Bit for bit, to the end of the first day (classic: to the last step before midnight)."""
    life = new_life(scenario, policy)
    days = 1 if scenario == "classic" else 4
    steps = DAY * days - (scenario == "classic")
    np.testing.assert_array_equal(life.live(steps), local_day(scenario, days, policy)[:steps])


@pytest.mark.parametrize(("policy", "lattice"), [("load_based", 83.93), ("price_based", 83.93)])
def test_policies_reach_the_local_run_s_soc_before_midnight(policy: str, lattice: float) -> None:
    life = new_life("classic", policy)
    records = life.live(DAY)
    assert round(life.shown().percent, 2) == lattice
    assert records["car"]["topup_kwh"].sum() == 0.0
    charged = set(records["house"]["now_min"][records["car"]["charge_kw"] > 0] % 1440 // 60)
    assert charged == ({0, 1, 2, 3} if policy == "load_based" else {2, 3, 22, 23})


def test_nobody_leaves_the_classic_station_at_midnight() -> None:
    """The SoC goes on and nothing is bought; the env tops up to 80 % there, also from now on."""
    life = new_life("classic")
    seen = []
    for _ in range(3 * DAY):
        (record,) = life.live(1)
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
    life = new_life("classic", "price_based")
    at = observation_slices(life.scenario)
    for tick in range(2 * DAY + 5):
        observed = {name: float(life._observation[at[name]][0]) for name in SEEN}
        assert observed["hours_to_departure"] == 24.0 - tick % DAY / 4
        assert observed["wanted_soc"] == pytest.approx(0.8)
        life.live(1)


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
    life = new_life("nightly")
    life.live(4 * 4)
    life.charge(True)
    life.live(4 * 3)
    assert life.shown().charging
    life.live(4 * 3)  # 10:00
    assert (life.shown().charge_kw, life.shown().charging) == (0.0, False)
    away = life.live(4 * 7)
    assert away["car"]["charge_kw"].sum() == 0.0
    assert life.shown().charging  # 17:00
    assert away["car"]["trip_kwh"].sum() == 9.0


def test_a_full_car_turns_the_switch_off_unless_it_is_forced() -> None:
    for command in ("on", FORCE_ON):
        life = new_life("classic")
        commanded(life, command)
        life.live(20)
        assert (round(life.shown().percent, 2), life.will.switch) == (99.91, True)
        life.live(1)
        shown = life.shown()
        assert (shown.percent, shown.charging, shown.charge_kw) == (100.0, False, 0.0)
        assert life.will.switch is (command == FORCE_ON)
    assert life.will.override == FORCE_ON
    life.force("auto")
    life.live(1)
    assert not life.will.switch


def test_a_car_at_its_owner_s_limit_is_full() -> None:
    life = Life(Scenario.from_dict({"preset": "classic", "vehicles": [{"limit_soc": 0.8}]}), None)
    life.begin()
    life.charge(True)
    life.live(15)
    assert (round(life.shown().percent, 2), life.will.switch) == (79.94, True)
    life.live(1)
    assert (life.shown().percent, life.will.switch) == (80.0, False)


@pytest.mark.parametrize(("command", "kw"), [("on", 0.0), (FORCE_ON, 7.4)])
def test_forced_charging_goes_on_after_a_trip(command: str, kw: float) -> None:
    """At home from 17:00 to 07:06, and full before the first trip."""
    life = new_life("nightly")
    commanded(life, command)
    life.live(4 * 7)
    assert (round(life.shown().percent, 6), life.shown().charging) == (100.0, False)
    life.live(4 * 10)
    assert life.shown().percent < 90
    assert life.shown().charge_kw == life.live(1)["car"]["charge_kw"][0] == kw


def test_a_command_takes_precedence_over_the_policy_until_auto() -> None:
    life = new_life("classic", "load_based")
    assert life.shown().charging  # of itself
    life.charge(False)
    assert not life.live(2)["car"]["charge_kw"].any()
    life.force(FORCE_OFF)
    life.charge(True)  # of no effect while forced
    assert not life.live(2)["car"]["charge_kw"].any()
    life.force("auto")
    assert life.live(16)["car"]["charge_kw"].tolist() == [7.4] * 16
    assert not life.live(20)["car"]["charge_kw"].any()  # 80 %
    life.charge(True)
    assert life.live(1)["car"]["charge_kw"] == 7.4


def test_auto_leaves_nothing_of_a_command_where_a_policy_decides() -> None:
    for command in ("on", FORCE_ON):
        life = new_life("classic", "price_based")
        commanded(life, command)
        life.force("auto")
        assert life.will == Will()


def test_an_override_takes_precedence_over_the_policy() -> None:
    life = new_life("classic", "price_based")  # which would wait for hour 2
    life.force(FORCE_ON)
    assert life.live(1)["car"]["charge_kw"] == 7.4
    life.force(FORCE_OFF)
    assert not life.live(8)["car"]["charge_kw"].any()
    life.force("auto")
    assert life.live(1)["car"]["charge_kw"] == 7.4


def test_charging_stays_as_it_is_when_released_without_a_policy() -> None:
    life = new_life("classic")
    life.force(FORCE_ON)
    life.force("auto")
    assert life.live(1)["car"]["charge_kw"] == 7.4
    life.force(FORCE_OFF)
    life.force("auto")
    assert life.live(1)["car"]["charge_kw"] == 0.0


def test_the_power_shown_is_what_the_tick_then_draws() -> None:
    """Whole amperes beside the house's load, as load management grants them."""
    household = {"fuse_a": 10, "annual_kwh": 25_000}
    scenario = {"household": household, "vehicles": [{"model": "Renault Zoe"}]}
    life = Life(as_scenario(scenario), None)
    life.begin()
    life.charge(True)
    powers = set()
    for _ in range(60):
        shown = life.shown()
        (record,) = life.live(1)
        assert shown.load_kw == record["house"]["load_kw"]
        if shown.percent < 95:
            assert shown.charge_kw == pytest.approx(float(record["car"]["charge_kw"]), abs=1e-6)
            powers.add(round(shown.charge_kw, 3))
    assert len(powers) > 3


def test_the_power_shown_while_a_car_is_discharged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 0 as long as it gives something, as a policy might ask for; at its floor nothing."""
    life = new_life("villa")
    life.charge(True)
    while life.shown().percent < 50:
        life.live(1)
    monkeypatch.setattr(life, "_action", lambda: np.full(1, -1.0, np.float32))
    signs = []
    for _ in range(20):
        shown = life.shown()
        (record,) = life.live(1)
        drawn_kw = float(record["car"]["charge_kw"])
        assert not shown.charging
        assert np.sign(shown.charge_kw) == np.sign(drawn_kw)
        assert shown.charge_kw <= drawn_kw
        signs.append(np.sign(drawn_kw))
    assert signs == sorted(signs)
    assert set(signs) == {-1.0, 0.0}
    assert round(life.shown().percent, 6) == 30.0
