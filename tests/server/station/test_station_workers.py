"""Several workers on one station, and those that are replaced."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.config import Config
from server.station import station
from server.station.household import RECORD_DTYPE
from server.station.station import Station
from server.storage.store import Store
from tests.support.real_server import FakeClock


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'station.db'}")
    yield opened
    opened.close()


def history(of: Station) -> np.ndarray[Any, Any]:
    return np.frombuffer(of.records(), RECORD_DTYPE)


def test_two_workers_are_one_station(store: Store) -> None:
    clock = FakeClock()
    config = Config(clock=clock)
    first, second = Station(store, config), Station(store, config)
    first.charge(True)
    assert second.reading().charging
    clock.pass_s(3.0)
    assert second.reading() == first.reading()
    second.discharge()
    assert first.reading().energy_kwh == 9.26
    assert not first.reading().charging
    clock.pass_s(2.0)
    assert len(history(first)) == len(history(second)) == 2


def test_a_worker_whose_clock_is_behind_takes_nothing_back(store: Store) -> None:
    clock = FakeClock()
    behind = Station(store, Config(clock=clock))
    ahead = Station(store, Config(clock=lambda: clock.now + 10.0))
    ahead.charge(True)
    clock.pass_s(3.0)
    told = ahead.reading()
    assert told.minute_of_day == 45
    assert behind.reading() == told
    assert not behind.charge(False).charging
    assert len(history(behind)) == 3
    clock.pass_s(11.0)
    assert behind.reading().minute_of_day == 60
    assert ahead.reading().minute_of_day == 14 * 15
    assert behind.reading() == ahead.reading()


def test_time_goes_on_while_one_worker_of_a_group_is_replaced(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    config = Config(clock=clock)
    monkeypatch.setattr(station, "serving_group", lambda: "the first")
    one, _ = Station(store, config), Station(store, config)
    clock.pass_s(2.7)
    replaced = Station(store, config)
    assert replaced.reading().minute_of_day == 30
    clock.pass_s(0.3)
    assert replaced.reading().minute_of_day == one.reading().minute_of_day == 45
    clock.pass_s(1000.9)
    monkeypatch.setattr(station, "serving_group", lambda: "the next")
    one, two = Station(store, config), Station(store, config)
    assert one.reading().minute_of_day == two.reading().minute_of_day == 45
    clock.pass_s(0.9)
    assert Station(store, config).reading().minute_of_day == 45
    clock.pass_s(0.1)
    assert one.reading().minute_of_day == two.reading().minute_of_day == 60


def test_workers_that_are_replaced_by_faster_ones_do_not_make_time_jump(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(station, "serving_group", lambda: "one")
    slower = Station(store, Config(clock=clock))
    clock.pass_s(8.0)
    assert slower.reading().minute_of_day == 120
    faster = Station(store, Config(clock=clock, seconds_per_hour=1.0))
    assert faster.reading().minute_of_day == 120
    clock.pass_s(1.0)
    assert faster.reading().minute_of_day == 180


def test_workers_of_one_gunicorn_are_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVER_SOFTWARE", raising=False)
    assert station.serving_group() != station.serving_group()
    monkeypatch.setenv("SERVER_SOFTWARE", "gunicorn/23.0.0")
    own = station.serving_group()
    assert own == station.serving_group()
    assert own.split()[:2] == ["gunicorn", str(os.getppid())]
    monkeypatch.setattr(os, "getppid", os.getpid)
    assert own != station.serving_group()


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
                own.reading()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=hammer, args=(workers[i % 2], i % 3 == 0)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert workers[0].reading() == workers[1].reading()
    lived = history(workers[0])
    np.testing.assert_array_equal(np.diff(lived["house"]["now_min"]), 15)
    stored_kwh = 9.26 + lived["car"]["stored_kwh"].sum()
    assert stored_kwh == pytest.approx(workers[0].reading().energy_kwh)
    np.testing.assert_allclose(np.diff(lived["car"]["energy_kwh"]), lived["car"]["stored_kwh"][1:])
