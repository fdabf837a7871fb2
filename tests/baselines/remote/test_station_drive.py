"""`ev-gym drive`: our client of the classic protocol, at our server and at the teaching server."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from baselines.cli.commands import main
from baselines.one_run import picture
from baselines.one_run import run as one_run
from baselines.remote import station_drive as driving
from baselines.remote.http_client import Client
from baselines.remote.station_client import ClassicClient, StationError, StationState
from baselines.remote.station_drive import Drive
from ev_gym.scenario import preset
from tests.support.real_server import FakeClock, serving
from tests.support.teaching_server import OldStation, serving_old

POLICIES = ("load_based", "price_based", "cheapest_hours", "uncontrolled", "random")
TICK_S = 1.0  # four seconds per simulated hour
FILES = ("battery_log.csv", "charging_log.txt", "battery_plot.png")


class RunningClock(FakeClock):
    """Goes on by a fifth of a quarter-hour whenever it is read."""

    def __call__(self) -> float:
        self.now += TICK_S / 5
        return self.now


@pytest.fixture
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture takes most of the time."""
    monkeypatch.setattr(picture, "battery", lambda *_: None)


@contextmanager
def driver(
    url: str, policy: str, sleep: Callable[[float], object], lines: list[str]
) -> Iterator[Drive]:
    """One that looks at the station twice in a quarter-hour."""
    with closing(Client(url, notify=lines.append)) as client:
        yield Drive(ClassicClient(client), policy, lines.append, TICK_S / 2, sleep)


def driven(url: str, policy: str, clock: FakeClock) -> tuple[one_run.EpisodeOutcome, list[str]]:
    """A day without disturbance, and the lines that were said."""
    lines: list[str] = []
    with driver(url, policy, clock.pass_s, lines) as day:
        day.run()
    return day.mirror.outcome, lines


def local(policy: str) -> one_run.EpisodeOutcome:
    return one_run.run_episode(preset("classic"), policy, 0, None)


def logs(outcome: one_run.EpisodeOutcome, policy: str, folder: Path) -> list[str]:
    """Battery log and charging log as `ev-gym run` writes them."""
    table, words, _ = one_run.write(outcome, preset("classic"), policy, folder)
    return [table.read_text(encoding="utf-8"), words.read_text(encoding="utf-8")]


def charged(outcome: one_run.EpisodeOutcome) -> list[bool]:
    return [bool(kw > 0) for kw in outcome.history["charge_kw"]]


@pytest.mark.usefixtures("no_picture")
@pytest.mark.parametrize("policy", POLICIES)
def test_a_driven_station_leaves_the_logs_of_a_local_run(policy: str, tmp_path: Path) -> None:
    """Byte for byte, SoC and bill too, where every decision lands within its quarter-hour."""
    clock = FakeClock()
    with serving(tmp_path, clock=clock) as url:
        outcome, lines = driven(url, policy, clock)
        with closing(Client(url)) as client:
            assert not ClassicClient(client).state().charging
    there, here = tmp_path / "there", tmp_path / "here"
    assert logs(outcome, policy, there) == logs(local(policy), policy, here)
    assert outcome.settlement == local(policy).settlement
    assert [line[:5] for line in lines if line[3:5] == "00"] == [f"{h:02d}:00" for h in range(24)]
    assert not any("asked" in line or "obey" in line for line in lines)


@pytest.mark.usefixtures("no_picture")
@pytest.mark.parametrize("policy", ["price_based", "uncontrolled"])
def test_the_teaching_server_can_be_driven_too(policy: str, tmp_path: Path) -> None:
    """No override, no further keys in `/info`, and an energy that goes on past a full battery."""
    clock = FakeClock()
    station = OldStation(clock)
    with serving_old(station) as url:
        outcome, _ = driven(url, policy, clock)
    there, here = tmp_path / "there", tmp_path / "here"
    assert logs(outcome, policy, there) == logs(local(policy), policy, here)
    assert station.commands[0] == ("/discharge", {"discharging": "on"})
    assert {path for path, _ in station.commands[1:]} == {"/charge"}
    assert station.commands[-1] == ("/charge", {"charging": "off"})
    assert (station.energy_kwh > 46.3) == (policy == "uncontrolled")


def test_a_station_with_other_numbers_is_mirrored() -> None:
    """Its own prices and loads decide and are billed."""
    clock = FakeClock()
    station = OldStation(clock)
    station.prices = [10.0] * 4 + [100.0] * 20
    station.loads = [1.5] * 24
    with serving_old(station) as url:
        outcome, _ = driven(url, "price_based", clock)
    assert charged(outcome) == [True] * 16 + [False] * 80
    assert (outcome.history["load_kw"] == 1.5).all()
    assert -outcome.total_reward == pytest.approx(16 * 1.85 * 0.10, abs=1e-12)


def test_the_log_says_what_the_station_did_where_decisions_come_late() -> None:
    """On comes three quarter-hours late, off two, and the client sleeps for four after each."""
    clock = FakeClock()
    station = OldStation(clock)
    station.late_s = [3 * TICK_S, 2 * TICK_S]
    lines: list[str] = []
    commands = [1]

    def sleep(seconds: float) -> None:
        commands.append(len(station.commands))
        clock.pass_s(4 * TICK_S if commands[-1] > commands[-2] else seconds)

    with serving_old(station) as url, driver(url, "price_based", sleep, lines) as day:
        day.run()
    assert charged(day.mirror.outcome) == station.charged[:96]
    assert charged(day.mirror.outcome) != charged(local("price_based"))
    assert [line for line in lines if "asked" in line] == [
        "03:45  asked to charge since 02:00, but it charged for 60 of 105 minutes",
        "06:15  asked not to charge since 04:45, but it charged for 30 of 90 minutes",
    ]


def test_a_full_battery_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It turns charging off, whatever the policy goes on asking for."""
    posted: list[bool] = []
    charge = ClassicClient.charge

    def noted(client: ClassicClient, on: bool) -> str | None:
        posted.append(on)
        return charge(client, on)

    monkeypatch.setattr(ClassicClient, "charge", noted)
    clock = FakeClock()
    with serving(tmp_path, clock=clock) as url:
        outcome, _ = driven(url, "uncontrolled", clock)
    assert outcome.history["soc"].iloc[-1] == 1.0
    assert posted == [True]


def test_a_forced_station_is_logged_as_it_was(tmp_path: Path) -> None:
    """Somebody overrides our server; the client says that it is not obeyed."""
    clock = FakeClock()
    lines: list[str] = []
    with ExitStack() as stack:
        url = stack.enter_context(serving(tmp_path, clock=clock))
        other = stack.enter_context(closing(Client(url)))

        def sleep(seconds: float) -> None:
            if day.mirror.tick == 8:
                other.json("POST", "/override", {"mode": "force_off"})
            clock.pass_s(seconds)

        day = stack.enter_context(driver(url, "uncontrolled", sleep, lines))
        day.run()
    assert charged(day.mirror.outcome) == [True] * 8 + [False] * 88
    assert "02:15  asked to charge since 02:00, but it charged for 0 of 15 minutes" in lines
    assert "02:15  the station does not obey: override force_off" in lines


@pytest.mark.usefixtures("no_picture")
def test_the_server_may_be_restarted_while_it_is_driven(tmp_path: Path) -> None:
    """Simulated time stands still meanwhile, so the logs are those of a local run again."""
    clock = FakeClock()
    lines: list[str] = []
    with ExitStack() as before, ExitStack() as after:
        url = before.enter_context(serving(tmp_path, clock=clock))
        again = serving(tmp_path, port=urlsplit(url).port or 0, clock=clock)
        start = threading.Timer(0.3, after.enter_context, (again,))

        def sleep(seconds: float) -> None:
            clock.pass_s(seconds)
            if day.mirror.tick == 10 and start.ident is None:
                before.close()
                clock.pass_s(1000 * TICK_S)
                start.start()

        with driver(url, "load_based", sleep, lines) as day:
            day.run()
        start.join()
    outcome = day.mirror.outcome
    assert logs(outcome, "load_based", tmp_path / "there") == logs(
        local("load_based"), "load_based", tmp_path / "here"
    )
    (waited,) = [line for line in lines if "again" in line]
    assert waited.startswith(f"GET {url}/info: ")


def test_a_day_that_somebody_else_restarts_ends_in_an_error() -> None:
    """By the clock, or late in the day, where midnight may have passed, by the energy."""
    clock = FakeClock()
    station = OldStation(clock)
    at_tick = 9

    def sleep(seconds: float) -> None:
        clock.pass_s(seconds)
        if day.mirror.tick == at_tick:
            station.begin()

    with serving_old(station) as url, driver(url, "load_based", sleep, []) as day:
        with pytest.raises(StationError, match="from 02:15 back to 00:00; somebody else"):
            day.run()
        assert len(day.mirror.outcome.history) == 9
        at_tick = 90
        with pytest.raises(
            StationError, match=r"at 24:00 .* 9.26 kWh, which cannot follow from 38.86 kWh at 22:30"
        ):
            day.run()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("sim_time_hour", 24, "sim_time_hour is 24; expected: a number from 0 to 23"),
        ("battery_capacity_kWh", None, "battery_capacity_kWh is None; expected: a number from 0"),
        ("ev_battery_charge_start_stopp", 1, "start_stopp is 1; expected: true or false"),
    ],
)
def test_what_is_no_classic_station_is_said(
    name: str, value: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = OldStation(FakeClock())
    info = station.info()
    monkeypatch.setattr(station, "info", lambda: {**info, name: value})
    with serving_old(station) as url, closing(Client(url)) as client:
        classic = ClassicClient(client)
        with pytest.raises(StationError, match=told):
            classic.state()


def test_a_day_of_other_than_24_numbers_is_refused() -> None:
    station = OldStation(FakeClock())
    station.loads = station.loads[1:]
    with serving_old(station) as url, closing(Client(url)) as client:
        classic = ClassicClient(client)
        with pytest.raises(StationError, match=r"GET /baseload answered \[0.77, .*24 numbers"):
            classic.loads_kw()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_the_command_leaves_the_three_files_of_a_local_run(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    with serving(tmp_path, clock=RunningClock(), token="secret") as url:
        settings = ("--url", url, "--policy", "load_based", "--poll", "0.001", "--out", str(there))
        refused = run("drive", *settings)
        done = run("drive", "--token", "secret", *settings)
    assert done.exit_code == 0, done.output
    named = ", ".join(str(there / name) for name in FILES)
    assert done.output.splitlines()[-2:] == [
        "charging cost 21.6154 SEK from the grid, with all terms 21.6154 SEK; missing at "
        "departures 0.00 kWh; final SoC 83.93 %",
        f"wrote {named}",
    ]
    run("run", "--scenario", "classic", "--policy", "load_based", "--out", str(here))
    for name in FILES:
        assert (there / name).read_bytes() == (here / name).read_bytes(), name
    assert refused.exit_code == 1
    assert "401" in refused.output


@pytest.mark.usefixtures("no_picture")
@pytest.mark.parametrize(("how", "code"), [("the server goes away", 1), ("Ctrl-C", 130)])
def test_a_day_that_breaks_off_leaves_the_files_so_far(
    how: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driving, "STATION_PATIENCE_S", 0.2)
    requests, state = itertools.count(), ClassicClient.state
    with ExitStack() as stack:
        url = stack.enter_context(serving_old(OldStation(RunningClock())))

        def breaking(client: ClassicClient) -> StationState:
            if next(requests) == 42:
                if how == "Ctrl-C":
                    raise KeyboardInterrupt
                stack.close()
            return state(client)

        monkeypatch.setattr(ClassicClient, "state", breaking)
        settings = ("--url", url, "--policy", "uncontrolled", "--out", str(tmp_path))
        done = run("drive", "--poll", "0.001", *settings)
        gone = run("drive", *settings) if how != "Ctrl-C" else None
    assert done.exit_code == code, done.output
    rows = (tmp_path / FILES[0]).read_text(encoding="utf-8").splitlines()[1:]
    assert len(rows) > 6
    assert rows[-1].split(",")[1] == str(5760 + 15 * (len(rows) - 1))
    stopped_at = driving.clock(len(rows))
    assert f"stopped at {stopped_at} of the day; wrote {tmp_path / FILES[0]}, " in done.output
    if gone is not None:
        assert f"Error: GET {url}/info: no connection (" in done.output
        assert gone.exit_code == 1
        assert f"stopped at 00:00 of the day; nothing written to {tmp_path}" in gone.output
