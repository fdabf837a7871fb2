"""The station without HTTP: its time, what survives, and several workers."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server import station
from server.clock import Anchor, TickClock
from server.config import Config, ConfigError
from server.life import FORCE_ON, RECORD_DTYPE
from server.station import Station
from server.store import Store
from tests.serving import FakeClock

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


@pytest.mark.parametrize(("seconds_per_hour", "tick_s"), [(1, 0.25), (4.0, 1.0), (3600, 900.0)])
def test_a_tick_is_a_quarter_of_an_hour(
    store: Store, seconds_per_hour: float, tick_s: float
) -> None:
    clock = FakeClock()
    own = Station(store, Config(clock=clock, seconds_per_hour=seconds_per_hour))
    clock.pass_s(0.99 * tick_s)
    assert own.shown().minute_of_day == 0
    clock.pass_s(0.02 * tick_s)
    assert own.shown().minute_of_day == 15
    clock.pass_s(94.98 * tick_s)
    assert own.shown().minute_of_day == 23 * 60 + 45
    clock.pass_s(0.02 * tick_s)
    assert own.shown().minute_of_day == 0


def test_a_command_holds_for_the_whole_tick_in_which_it_comes(store: Store) -> None:
    clock = FakeClock()
    own = Station(store, Config(clock=clock))
    clock.pass_s(0.999)
    own.charge(True)
    clock.pass_s(0.001)
    assert round(own.shown().energy_kwh, 2) == 11.11
    clock.pass_s(0.9)
    own.charge(False)
    clock.pass_s(0.1)
    assert round(own.shown().energy_kwh, 2) == 11.11


def test_a_tick_begins_anew_with_discharge(store: Store) -> None:
    clock = FakeClock()
    own = Station(store, Config(clock=clock))
    first = own.shown()
    own.charge(True)
    own.force(FORCE_ON)
    clock.pass_s(9.6)
    assert own.discharge() == first
    assert len(history(own)) == 0
    clock.pass_s(0.99)
    assert own.shown() == first
    clock.pass_s(0.01)
    assert (own.shown().minute_of_day, own.shown().energy_kwh) == (15, 9.26)
    assert len(history(own)) == 1


# What survives, and several workers.


def test_a_station_goes_on_where_it_was_and_time_stood_still(store: Store) -> None:
    clock = FakeClock()
    config = Config(clock=clock, policy="random")
    one, never = Station(store, config), Station(store, replace(config, station="never down"))
    for wait_s, down_s in ((5.5, 1000.0), (0.0, 3.0), (40.0, 0.5)):
        clock.pass_s(wait_s)
        shown = one.shown()
        clock.pass_s(down_s)
        one = Station(store, config)
        assert one.shown() == shown
    one.force(FORCE_ON)
    one = Station(store, config)
    assert one.shown().override == FORCE_ON
    one.force("auto")
    clock.pass_s(0.9)
    assert one.shown()._replace(override="") == shown._replace(override="")
    clock.pass_s(7.1)
    one.shown()
    lived = history(one)
    assert len(lived) == 5 + 40 + 8
    np.testing.assert_array_equal(lived, history(never)[: len(lived)])


def test_what_was_told_survives_sigkill(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'station.db'}"
    code = (
        "from server.config import Config\nfrom server.station import Station\n"
        "from server.store import Store\nimport itertools, os, signal\n"
        "now = itertools.count(1000)\n"
        f"one = Station(Store({url!r}), Config(clock=lambda: float(next(now))))\n"
        "one.charge(True)\n"
        "for _ in range(9): told = one.shown()\n"
        "print(round(told.percent, 2), told.minute_of_day, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL) if hasattr(signal, 'SIGKILL') else os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    percent, minute = done.stdout.split()
    opened = Store(url)
    again = Station(opened, Config(clock=FakeClock()))
    assert (str(round(again.shown().percent, 2)), str(again.shown().minute_of_day)) == (
        percent,
        minute,
    )
    assert again.shown().charging
    assert len(history(again)) == int(minute) // 15
    opened.close()


def test_two_workers_are_one_station(store: Store) -> None:
    clock = FakeClock()
    config = Config(clock=clock)
    first, second = Station(store, config), Station(store, config)
    first.charge(True)
    assert second.shown().charging
    clock.pass_s(3.0)
    assert second.shown() == first.shown()
    second.discharge()
    assert first.shown().energy_kwh == 9.26
    assert not first.shown().charging
    clock.pass_s(2.0)
    assert len(history(first)) == len(history(second)) == 2


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that take turns all the time."""
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual_s)


@pytest.mark.usefixtures("restless")
def test_workers_that_race_lose_no_tick_and_double_none(store: Store) -> None:
    """Threads on two workers while the clock runs; what counts is one gapless history."""
    clock = FakeClock()
    workers = [Station(store, Config(clock=clock)) for _ in range(2)]
    failed: list[BaseException] = []

    def hammer(own: Station, on: bool) -> None:
        try:
            for _ in range(40):
                own.charge(on)
                clock.now += 0.25
                own.shown()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=hammer, args=(workers[i % 2], i % 3 == 0)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert workers[0].shown() == workers[1].shown()
    lived = history(workers[0])
    np.testing.assert_array_equal(np.diff(lived["house"]["now_min"]), 15)
    stored_kwh = 9.26 + lived["car"]["stored_kwh"].sum()
    assert stored_kwh == pytest.approx(workers[0].shown().energy_kwh)
    np.testing.assert_allclose(np.diff(lived["car"]["energy_kwh"]), lived["car"]["stored_kwh"][1:])


@pytest.mark.parametrize("changed", ["scenario", "version"])
def test_another_scenario_or_version_begins_anew_and_says_so(
    store: Store, changed: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    own = Station(store, Config(clock=clock))
    own.charge(True)
    clock.pass_s(4.0)
    assert own.shown().energy_kwh > 16
    if changed == "version":
        monkeypatch.setattr(station, "program_version", lambda: "another version")
    scenario = {"preset": "classic", "name": "mine", "currency": "SEK"}
    with caplog.at_level(logging.WARNING, "server.station"):
        again = Station(
            store, Config(clock=clock, scenario=scenario if changed == "scenario" else "classic")
        )
    assert (again.shown().energy_kwh, len(history(again))) == (9.26, 0)
    (told,) = caplog.messages
    assert "'classic'" in told
    assert ("'mine'" if changed == "scenario" else "another version") in told
    assert "begins anew" in told
    clock.pass_s(2.0)
    assert len(history(again)) == 2


def test_the_history_is_that_of_the_last_31_days(store: Store) -> None:
    clock = FakeClock()
    own = Station(store, Config(clock=clock))
    for wait_s in (31 * DAY - 1.0, 1.0, 1.0, 500.0, 100_000.0):
        clock.pass_s(wait_s)
        own.shown()
    lived = history(own)
    assert len(lived) == 31 * DAY
    np.testing.assert_array_equal(np.diff(lived["house"]["now_min"]), 15)
    assert lived["house"]["now_min"][-1] + 15 == own.life._simulator.households["now_min"][0]


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
    assert not own.shown().charging
    assert len(history(own)) == 3


# What is refused.


def test_a_station_has_one_vehicle(store: Store) -> None:
    scenario = {"vehicles": [{}, {}]}
    with pytest.raises(ConfigError, match=r"'stockholm' has 2 vehicles; allowed .*: exactly one"):
        Station(store, Config(scenario=scenario))


def test_an_unknown_policy_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="unknown policy 'greedy'; allowed: uncontrolled"):
        Station(store, Config(policy="greedy"))
