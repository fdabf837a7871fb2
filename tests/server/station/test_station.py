"""The station without HTTP: its time, and what survives."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ev_gym.scenario import as_scenario
from server.clock import Anchor, TickClock
from server.config import Config, ConfigError
from server.program_version import program_version
from server.station import household, station
from server.station.household import FORCE_ON, RECORD_DTYPE
from server.station.station import Station
from server.storage.store import Store
from tests.support import layout_2
from tests.support.one_day import STOCKHOLM_DAY
from tests.support.power_charge_by_rule import by_the_rule
from tests.support.power_charge_by_rule import clock as wall_clock
from tests.support.real_server import FakeClock
from tests.support.small_series import STOCKHOLM

DAY = 96


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'station.db'}")
    yield opened
    opened.close()


def history(of: Station) -> np.ndarray[Any, Any]:
    return np.frombuffer(of.records(), RECORD_DTYPE)


# Time.


def test_the_clock_counts_whole_ticks_and_never_goes_backward() -> None:
    time_s = FakeClock(100.0)
    clock = TickClock(time_s, 0.25)
    anchor = Anchor(100.0, 7)
    ticks = []
    for now_s in (100.0, 100.24, 100.25, 101.1, 90.0, 100.9, 101.25):
        time_s.now = now_s
        ticks.append(clock.tick(anchor))
    assert ticks == [7, 7, 8, 11, 11, 11, 12]
    assert clock.tick(Anchor(200.0, 3)) == 3  # of a worker whose clock is ahead


def test_the_default_clock_goes_on_evenly_when_the_wall_clock_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, at_s = Config().clock, time.monotonic()
    assert clock() == pytest.approx(time.time(), abs=60.0)
    seen = []
    for passed_s, wall_s in ((0.0, 2e9), (5.0, 1e9), (7.0, 3e9)):
        monkeypatch.setattr(time, "monotonic", lambda passed_s=passed_s: at_s + passed_s)
        monkeypatch.setattr(time, "time", lambda wall_s=wall_s: wall_s)
        seen.append(clock())
    np.testing.assert_allclose(np.diff(seen), [5.0, 2.0], atol=1e-6)


@pytest.mark.parametrize(("seconds_per_hour", "tick_s"), [(1, 0.25), (4.0, 1.0), (3600, 900.0)])
def test_a_tick_is_a_quarter_of_an_hour(
    store: Store, seconds_per_hour: float, tick_s: float
) -> None:
    clock = FakeClock()
    own = Station(store, Config(clock=clock, seconds_per_hour=seconds_per_hour))
    clock.pass_s(0.99 * tick_s)
    assert own.reading().minute_of_day == 0
    clock.pass_s(0.02 * tick_s)
    assert own.reading().minute_of_day == 15
    clock.pass_s(94.98 * tick_s)
    assert own.reading().minute_of_day == 23 * 60 + 45
    clock.pass_s(0.02 * tick_s)
    assert own.reading().minute_of_day == 0


def test_a_command_holds_for_the_whole_tick_in_which_it_comes(store: Store) -> None:
    clock = FakeClock()
    own = Station(store, Config(clock=clock))
    clock.pass_s(0.999)
    own.charge(True)
    clock.pass_s(0.001)
    assert round(own.reading().energy_kwh, 2) == 11.11
    clock.pass_s(0.9)
    own.charge(False)
    clock.pass_s(0.1)
    assert round(own.reading().energy_kwh, 2) == 11.11


def test_a_tick_begins_anew_with_discharge(store: Store) -> None:
    clock = FakeClock()
    own = Station(store, Config(clock=clock))
    first = own.reading()
    own.charge(True)
    own.force(FORCE_ON)
    clock.pass_s(9.6)
    assert own.discharge() == first
    assert len(history(own)) == 0
    clock.pass_s(0.99)
    assert own.reading() == first
    clock.pass_s(0.01)
    assert (own.reading().minute_of_day, own.reading().energy_kwh) == (15, 9.26)
    assert len(history(own)) == 1


# What survives.


def test_a_station_goes_on_where_it_was_and_time_stood_still(store: Store) -> None:
    clock = FakeClock()
    config = Config(clock=clock, policy="random")
    one, never = Station(store, config), Station(store, replace(config, station="never down"))
    for wait_s, down_s in ((5.5, 1000.0), (0.0, 3.0), (40.0, 0.5)):
        clock.pass_s(wait_s)
        reading = one.reading()
        clock.pass_s(down_s)
        one = Station(store, config)
        assert one.reading() == reading
    one.force(FORCE_ON)
    one = Station(store, config)
    assert one.reading().override == FORCE_ON
    one.force("auto")
    clock.pass_s(0.9)
    assert one.reading()._replace(override="") == reading._replace(override="")
    clock.pass_s(7.1)
    one.reading()
    lived = history(one)
    assert len(lived) == 5 + 40 + 8
    np.testing.assert_array_equal(lived, history(never)[: len(lived)])


def test_what_was_told_survives_sigkill(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'station.db'}"
    code = (
        "from server.config import Config\nfrom server.station.station import Station\n"
        "from server.storage.store import Store\nimport itertools, os, signal\n"
        "now = itertools.count(1000)\n"
        f"one = Station(Store({url!r}), Config(clock=lambda: float(next(now))))\n"
        "one.charge(True)\n"
        "for _ in range(9): told = one.reading()\n"
        "print(round(told.percent, 2), told.minute_of_day, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL) if hasattr(signal, 'SIGKILL') else os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    percent, minute = done.stdout.split()
    opened = Store(url)
    again = Station(opened, Config(clock=FakeClock()))
    assert (str(round(again.reading().percent, 2)), str(again.reading().minute_of_day)) == (
        percent,
        minute,
    )
    assert again.reading().charging
    assert len(history(again)) == int(minute) // 15
    opened.close()


@pytest.mark.parametrize("changed", ["series", "version"])
def test_other_series_or_another_version_begin_anew_and_say_so(
    store: Store, changed: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    own = Station(store, Config(clock=clock))
    own.charge(True)
    clock.pass_s(4.0)
    assert own.reading().energy_kwh > 16
    if changed == "version":
        monkeypatch.setattr(station, "program_version", lambda: "another version")
    else:
        series = own.household.world.dataset
        dearer = replace(series, price_per_kwh=series.price_per_kwh + 1.0)
        monkeypatch.setattr(household, "dataset_of", lambda _: dearer)
    with caplog.at_level(logging.WARNING, "server.station.station"):
        again = Station(store, Config(clock=clock))
    assert (again.reading().energy_kwh, len(history(again))) == (9.26, 0)
    (told,) = caplog.messages
    assert "'classic' begins anew" in told
    assert ("another version" if changed == "version" else "data set") in told
    clock.pass_s(2.0)
    assert len(history(again)) == 2


def test_a_station_saved_in_the_layout_of_before_begins_anew_and_names_both_versions(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """By the program that saved it; and by the state's layout, should that name be the same."""
    clock = FakeClock()
    own = Station(store, Config(clock=clock))
    layouts = "saved state has layout version 2; allowed: 6"
    for program, told in (
        (layout_2.PROGRAM, f"saved by version {layout_2.PROGRAM}; this is {program_version()}"),
        (program_version(), layouts),
    ):
        row = store.load_station(own.name)
        assert row is not None
        saved = {**row.saved, "version": program}
        assert store.save_station(own.name, row.version, saved, layout_2.STATE, [], 0)
        caplog.clear()
        with caplog.at_level(logging.WARNING, "server.station.station"):
            again = Station(store, Config(clock=clock))
        assert [told in message for message in caplog.messages] == [True]
        assert again.reading().energy_kwh == 9.26


def test_each_scenario_has_a_station_of_its_own_under_one_name(store: Store) -> None:
    """At the same time, and one after the other."""
    clock = FakeClock()
    classic = Config(clock=clock)
    mine = replace(classic, scenario={"preset": "classic", "name": "mine", "currency": "SEK"})
    one = Station(store, classic)
    one.charge(True)
    clock.pass_s(4.0)
    reading = one.reading()
    other = Station(store, mine)
    assert (other.reading().energy_kwh, len(history(other))) == (9.26, 0)
    clock.pass_s(2.0)
    assert [len(history(each)) for each in (one, other)] == [6, 2]
    again = Station(store, classic)
    assert again.reading() == one.reading() != reading
    assert again.reading().charging
    assert not Station(store, mine).reading().charging


def test_a_station_led_by_another_policy_forgets_what_clients_wanted(store: Store) -> None:
    clock = FakeClock()
    by_hand = Config(clock=clock)
    led = replace(by_hand, policy="price_based")  # which would wait for hour 2
    Station(store, led).charge(True)
    Station(store, led).force("auto")
    assert not Station(store, by_hand).reading().charging
    for mode in ("auto", FORCE_ON):
        own = Station(store, by_hand)
        own.charge(True)
        own.force(mode)
        assert Station(store, by_hand).reading().charging
        own = Station(store, led)
        assert (own.reading().charging, own.reading().override) == (False, "auto")
        clock.pass_s(8.0)
        assert own.reading().charging  # the policy, at 02:00
        own.discharge()


def test_the_history_is_that_of_the_last_31_days(store: Store) -> None:
    clock = FakeClock()
    own = Station(store, Config(clock=clock))
    for wait_s in (31 * DAY - 1.0, 1.0, 1.0, 500.0, 100_000.0):
        clock.pass_s(wait_s)
        own.reading()
    lived = history(own)
    assert len(lived) == 31 * DAY
    np.testing.assert_array_equal(np.diff(lived["house"]["now_min"]), 15)
    assert lived["house"]["now_min"][-1] + 15 == own.household._simulator.households["now_min"][0]


@pytest.mark.parametrize("tariff", ["ellevio-2025", "seom-2020"])
def test_the_months_of_a_station_add_up_to_their_invoices(store: Store, tariff: str) -> None:
    """Across midnights, a change of clocks and the months' ends, whoever asks when.

    The first month begins with the peaks that the house alone has had in it.
    """
    clock = FakeClock()
    scenario = as_scenario({**STOCKHOLM_DAY, "tariff": tariff, "time_step_min": 60})
    own = Station(store, Config(clock=clock, scenario=scenario))
    lived = []
    for days in (30, 1, 26, 31, 17):
        own.charge(days != 26)
        clock.pass_s(days * 24 * 4.0)
        own.reading()
        lived.append(history(own)["house"][-days * 24 :])
    steps = np.concatenate(lived)
    assert (np.diff(steps["now_min"]) == 60).all()
    world, began = own.household.world, int(steps["now_min"][0]) // 60
    alone_kwh = world.tables.load_kw[own.reading().house]
    np.testing.assert_array_equal(alone_kwh[began : began + len(steps)], steps["load_kw"])
    first = world.dataset.start.astimezone(STOCKHOLM).replace(tzinfo=None)
    with_car_kwh = np.append(alone_kwh[:began], steps["grid_kw"])
    months = np.array([(t.year, t.month) for t in wall_clock(first, len(with_car_kwh))])[began:]
    for cost, kwh in (
        ("power_cost", with_car_kwh),
        ("house_power_cost", alone_kwh[: len(with_car_kwh)]),
    ):
        charges = by_the_rule(scenario.tariff, kwh, 60, first)
        for month, before in by_the_rule(scenario.tariff, alone_kwh[:began], 60, first).items():
            charges[month] -= before
        told = {
            month: math.fsum(steps[cost][(months == month).all(axis=1)])
            for month in {tuple(month) for month in months.tolist()}
        }
        assert told == pytest.approx({month: charges[month] for month in told}, rel=1e-12)
        assert len(told) == 5
        # The last day of the series is a public holiday, on which nothing counts in Sollentuna.
        assert sorted(told.values())[1] > 0.0


def test_a_failed_save_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    own = Station(store, Config(clock=clock))

    def fails(*_: Any) -> bool:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "save_station", fails)
        clock.pass_s(3.0)
        for _ in range(2):
            with pytest.raises(OSError, match="disk full"):
                own.charge(True)
    assert not own.reading().charging
    assert len(history(own)) == 3


# What is refused.


@pytest.mark.parametrize(
    ("scenario", "name"), [({"vehicles": [{}, {}]}, "stockholm"), ("stockholm-villa",) * 2]
)
def test_a_station_has_one_vehicle(store: Store, scenario: Any, name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' has 2 vehicles; allowed .*: exactly one"):
        Station(store, Config(scenario=scenario))


def test_an_unknown_policy_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="unknown policy 'greedy'; allowed: uncontrolled"):
        Station(store, Config(policy="greedy"))
