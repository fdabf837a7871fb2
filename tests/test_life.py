"""The household behind a station, tick by tick: the env's steps, the switch, the policy's turn."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.policy import make_policy
from ev_gym.compiling import INTERPRETED
from ev_gym.env import EVChargingEnv
from ev_gym.observation import observation_slices
from ev_gym.presets import preset
from ev_gym.scenario import Scenario, as_scenario
from ev_gym.sources import dataset_of
from ev_gym.world import build_world, unending
from server.life import FORCE_OFF, FORCE_ON, RECORD_DTYPE, Life, Will
from tests.strategies import examples

DAY = 96
SEEN = ("hours_to_departure", "wanted_soc")
NIGHTLY = Scenario.from_dict(
    {
        "preset": "classic",
        "driving": {"arrival_h": 17.0, "departure_h": 7.1, "trip_kwh": 9.0},
        "vehicles": [{"taper_from_soc": 0.9, "min_soc": 0.1}],
    }
)
# An hour a day at the charger: 500 kWh take eight weeks.
SLOW = Scenario.from_dict(
    {
        "preset": "classic",
        "driving": {"arrival_h": 6.0, "departure_h": 7.0},
        "vehicles": [{"battery_kwh": 500.0, "wanted_soc": 0.0}],
    }
)
# At random, the seven hours before midnight fill the car every other day.
OFTEN = Scenario.from_dict(
    {
        "preset": "classic",
        "driving": {"arrival_h": 17.0, "departure_h": 7.0, "trip_kwh": 26.0},
        "vehicles": [{"wanted_soc": 1.0}],
    }
)
SCENARIOS = {"classic": preset("classic"), "stockholm": preset("stockholm"), "nightly": NIGHTLY}
RARE = {"slow": SLOW, "often": OFTEN}


def new_life(scenario: str, policy: str | None = None) -> Life:
    life = Life({**SCENARIOS, **RARE}[scenario], policy)
    life.begin()
    return life


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
@pytest.mark.parametrize("scenario", ["classic", "stockholm"])
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
        assert world.settings["stays_home"][0] == 0
        return bool(unending(world).settings["stays_home"][0])

    assert stays()
    assert not stays(trip_kwh=0.1)
    assert not stays(arrival_h=0.5)
    assert not stays(departure_h=23.0)
    assert unending(build_world(Scenario(), dataset_of(Scenario()), None)).settings["daily"][0] == 0


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


# Unattended or asked at every tick, it is the same.

COMMANDS = ("on", "off", FORCE_ON, FORCE_OFF, "auto")


def commanded(life: Life, command: str) -> None:
    if command in ("on", "off"):
        life.charge(command == "on")
    else:
        life.force(command)


@settings(max_examples=examples(40))
@given(
    scenario=st.sampled_from(sorted(SCENARIOS)),
    policy=st.sampled_from((None, "load_based", "price_based", "random")),
    days=st.lists(st.tuples(st.sampled_from(COMMANDS), st.integers(0, 150)), max_size=6),
)
def test_unattended_equals_polled(scenario: str, policy: str | None, days: Any) -> None:
    alone, polled = new_life(scenario, policy), new_life(scenario, policy)
    for command, ticks in days:
        commanded(alone, command)
        commanded(polled, command)
        at_once = alone.live(ticks)
        one_by_one = [polled.live(1) for _ in range(ticks) if polled.shown()]
        if ticks:
            np.testing.assert_array_equal(at_once, np.concatenate(one_by_one))
        assert (alone.saved(), alone.will) == (polled.saved(), polled.will)
        assert alone.shown() == polled.shown()


@pytest.mark.parametrize(
    ("scenario", "policy", "ticks"),
    [
        ("classic", None, 9000),
        ("classic", "load_based", 6001),
        ("slow", None, 9000),
        ("often", "random", 31 * DAY + 4 * 7 * DAY),
        ("nightly", None, 7111),
        ("stockholm", None, 5000),
        ("stockholm", "load_based", 4000),
    ],
)
def test_skipped_rounds_are_as_if_lived(scenario: str, policy: str | None, ticks: int) -> None:
    """Weeks beyond the history's 31 days: one stretch, or tick by tick."""
    alone, polled = new_life(scenario, policy), new_life(scenario, policy)
    if policy is None:
        alone.charge(True)
        polled.charge(True)
    at_once = alone.live(ticks)
    one_by_one = np.concatenate([polled.live(1) for _ in range(ticks)])
    assert (alone.saved(), alone.will) == (polled.saved(), polled.will)
    assert len(at_once) == 31 * DAY
    np.testing.assert_array_equal(at_once, one_by_one[-31 * DAY :])


@pytest.mark.parametrize("policy", [None, "price_based"])
def test_a_year_unattended_is_caught_up_at_once_on_classic(policy: str | None) -> None:
    life = new_life("classic", policy)
    life.live(1)
    began = time.perf_counter()
    life.live(365 * 86400)  # a tick a second
    assert time.perf_counter() - began < (60.0 if INTERPRETED else 5.0)
    assert life.shown().minute_of_day == 15 * ((365 * 86400 + 1) % DAY)
