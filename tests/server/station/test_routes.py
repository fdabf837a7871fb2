"""The classic protocol on a real server, value for value as its programs know it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import requests

from baselines.one_run import run
from ev_gym.scenario import preset
from tests.support.classic_program import START, Client, classic_client
from tests.support.real_server import FakeClock, serving

PRICES_ORE = [
    85.28, 70.86, 68.01, 67.95, 68.01, 85.04, 87.86, 100.26, 118.45, 116.61, 105.93, 91.95,
    90.51, 90.34, 90.80, 88.85, 90.39, 99.03, 87.11, 82.9, 80.45, 76.48, 32.00, 34.29,
]  # fmt: skip
LOADS_KW = [
    0.88, 0.77, 2.2, 1.98, 2.75, 3.85, 4.51, 3.74, 3.85, 4.4, 4.73, 6.16,
    4.62, 3.74, 3.52, 3.63, 5.83, 11.0, 8.91, 6.05, 4.29, 2.64, 1.87, 0.99,
]  # fmt: skip
LATTICE = [
    20, 24.0, 27.99, 31.99, 35.98, 39.98, 43.97, 47.97, 51.97, 55.96, 59.96, 63.95,
    67.95, 71.94, 75.94, 79.94, 83.93, 87.93, 91.92, 95.92, 99.91, 100,
]  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with classic_client(tmp_path_factory.mktemp("classic")) as own:
        yield own


@pytest.fixture
def client(served: Client) -> Client:
    served.post("/discharge", {"discharging": "on"})
    return served


# Every row of the protocol.


def test_reads_at_the_start_byte_for_byte(client: Client) -> None:
    expected = {
        "/": b"9.26",
        "/info": START,
        "/baseload": json.dumps(LOADS_KW).encode(),
        "/priceperhour": json.dumps(PRICES_ORE).encode(),
        "/charge": b"20.0",
        "/override": b'{"charging": false, "override": "auto"}',
    }
    for path, body in expected.items():
        answer = client.session.get(client.url + path, timeout=10)
        assert (answer.status_code, answer.content) == (200, body), path
        assert answer.headers["Content-Type"] == "application/json"
    assert "POST" in client.get("/discharge")["message"]


def test_the_lattice_of_soc_and_the_clock(client: Client) -> None:
    """20, 24.0, 27.99 ... 99.91, then full and off; every minute 45 is seen; 23:45 to 00:00."""
    assert client.post("/charge", {"charging": "on"}) == {"charging": "on"}
    for tick in range(100):
        info = client.get("/info")
        assert info["battery_percent"] == client.get("/charge") == LATTICE[min(tick, 21)]
        energy_kwh = round(min(9.26 + 1.85 * tick, 46.3), 2)
        assert info["battery_capacity_kWh"] == client.get("/") == energy_kwh
        assert (info["sim_time_hour"], info["sim_time_min"]) == (tick // 4 % 24, 15 * (tick % 4))
        assert type(info["sim_time_hour"]) is type(info["sim_time_min"]) is int
        charging = tick < 21
        assert info["ev_battery_charge_start_stopp"] is charging
        load_kw = LOADS_KW[tick // 4 % 24]
        assert info["base_current_load"] == round(load_kw + 7.4 * charging, 2)
        client.clock.pass_s(1.0)


def test_off_stops_and_discharge_restarts(client: Client) -> None:
    client.post("/charge", {"charging": "on"})
    client.clock.pass_s(3.0)
    assert client.post("/charge", {"charging": "off"}) == {"charging": "off"}
    client.clock.pass_s(7.5)
    info = client.get("/info")
    assert (info["battery_percent"], info["sim_time_hour"], info["sim_time_min"]) == (31.99, 2, 30)
    client.post("/charge", {"charging": "on"})
    client.post("/override", {"mode": "force_on"})
    assert client.post("/discharge", {"discharging": "on"}) == {"discharging": "on"}
    assert client.session.get(client.url + "/info", timeout=10).content == START
    client.clock.pass_s(0.99)
    assert client.get("/info")["sim_time_min"] == 0
    client.clock.pass_s(0.01)
    assert client.get("/info")["sim_time_min"] == 15


def test_override(client: Client) -> None:
    assert client.post("/override", {"mode": "force_on"}) == {
        "charging": True,
        "override": "force_on",
    }
    forced = {"charging": "on", "override": "force_on"}
    assert client.post("/charge", {"charging": "off"}) == forced
    client.clock.pass_s(1.0)
    assert client.get("/charge") == 24.0
    assert client.get("/info")["user_override"] == "force_on"
    released = {"charging": True, "override": "auto"}
    assert client.post("/override", {"mode": "auto"}) == client.get("/override") == released
    assert client.post("/charge", {"charging": "off"}) == {"charging": "off"}
    off = {"charging": False, "override": "force_off"}
    assert client.post("/override", {"mode": "force_off"}) == client.get("/override") == off
    assert client.post("/charge", {"charging": "on"}) == {
        "charging": "off",
        "override": "force_off",
    }
    client.clock.pass_s(1.0)
    assert client.get("/charge") == 24.0


def test_a_forced_car_stops_when_full_and_stays_forced(client: Client) -> None:
    client.post("/override", {"mode": "force_on"})
    client.clock.pass_s(30.0)
    assert client.get("/charge") == 100.0
    assert client.get("/override") == {"charging": False, "override": "force_on"}
    assert client.post("/charge", {"charging": "on"})["charging"] == "off"


# Logs and pictures.


def test_logs_are_those_of_a_local_run(client: Client, tmp_path: Path) -> None:
    """load_based by hand: the first four hours; then as `ev-gym run` writes it."""
    client.post("/charge", {"charging": "on"})
    client.clock.pass_s(16.0)
    client.post("/charge", {"charging": "off"})
    client.clock.pass_s(79.0)
    outcome = run.run_episode(preset("classic"), "load_based", 0, None)
    csv, words, _ = run.write(outcome, preset("classic"), "load_based", tmp_path)
    told = client.session.get(client.url + "/log.csv", timeout=10)
    assert told.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert told.text.splitlines() == csv.read_text().splitlines()[:-1]  # to before midnight
    assert told.text.splitlines()[1].startswith("2024-01-05T00:00:00+00:00,5760,0.88,0.0,8.28")
    told = client.session.get(client.url + "/log.txt", timeout=10)
    assert told.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert told.text.splitlines() == words.read_text().splitlines()[1:-1]
    assert client.session.get(client.url + "/log", timeout=10).text == told.text
    client.post("/discharge", {"discharging": "on"})
    assert client.session.get(client.url + "/log", timeout=10).text == ""


def test_log_is_the_last_lines(client: Client) -> None:
    for i in range(30):
        client.post("/charge", {"charging": "on" if i % 2 == 0 else "off"})
        client.clock.pass_s(1.0)
    all_lines = client.session.get(client.url + "/log.txt", timeout=10).text.splitlines()
    assert len(all_lines) == 30
    last = client.session.get(client.url + "/log", timeout=10).text.splitlines()
    assert last == all_lines[-20:]
    assert last[-1].startswith("2024-01-05 07:15  charging off; ")


def test_the_picture_shows_the_curve_so_far(client: Client) -> None:
    answer = client.session.get(client.url + "/plot.png", timeout=10)
    assert answer.status_code == 409
    assert "no tick is over" in answer.json()["detail"]
    sizes = []
    for wait_s in (1.0, 40.0):
        client.clock.pass_s(wait_s)
        client.post("/charge", {"charging": "on"})
        answer = client.session.get(client.url + "/plot.png", timeout=30)
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.content.startswith(b"\x89PNG")
        sizes.append(len(answer.content))
    assert sizes[0] != sizes[1]


def test_logs_of_a_station_that_outlives_the_calendar(client: Client) -> None:
    """Up to a century the dates go on; then they are those of the first week, the hours stay."""
    day_s, years = 96.0, []
    for wait_days in (36_000, 700, 40_000):
        client.clock.pass_s(wait_days * day_s + 20.0)
        client.post("/charge", {"charging": "on"})
        client.clock.pass_s(1.0)
        info = client.get("/info")
        head, *rows = client.session.get(client.url + "/log.csv", timeout=10).text.splitlines()
        assert len(rows) == 31 * 96
        last = dict(zip(head.split(","), rows[-1].split(","), strict=True))
        began = pd.Timestamp(rows[0].split(",")[0])
        end = pd.Timestamp(last["time"]) + pd.Timedelta(minutes=15)
        assert end - began == pd.Timedelta(days=31)
        assert (end.hour, end.minute) == (info["sim_time_hour"], info["sim_time_min"])
        since = (pd.Timestamp(last["time"]) - pd.Timestamp("2024-01-01T00:00Z")).total_seconds()
        assert float(last["now_min"]) == since / 60
        assert client.session.get(client.url + "/log", timeout=10).text.startswith(str(end)[:4])
        years.append((began.year, end.year))
    assert years == [(2122, 2122), (2024, 2024), (2024, 2024)]
    assert client.session.get(client.url + "/plot.png", timeout=30).status_code == 200


# Other households.


def test_another_preset_answers_its_own_house_prices_and_charger(tmp_path: Path) -> None:
    with classic_client(tmp_path, scenario="stockholm", seconds_per_hour=3600) as client:
        info = client.get("/info")
        assert list(info) == list(json.loads(START))
        assert (info["sim_time_hour"], info["sim_time_min"], info["battery_percent"]) == (
            0,
            0,
            20.0,
        )
        assert info["battery_max_capacity_kWh"] == 58.0
        prices, loads = client.get("/priceperhour"), client.get("/baseload")
        assert len(prices) == len(loads) == 24
        client.post("/charge", {"charging": "on"})
        charging = client.get("/info")
        assert charging["base_current_load"] == round(info["base_current_load"] + 11.0, 2)
        client.clock.pass_s(4 * 900.0)
        log = client.session.get(client.url + "/log.csv", timeout=10).text.splitlines()
        head, rows = log[0].split(","), [line.split(",") for line in log[1:]]
        hour = {name: [row[i] for row in rows] for i, name in enumerate(head)}
        assert np.mean([float(kw) for kw in hour["load_kw"]]) == pytest.approx(loads[0], abs=0.006)
        assert client.get("/") == round(float(hour["energy_kwh"][-1]), 2)
        # Four prices, of quarter-hours, with the energy tax of 2025.
        quarters = [float(price) for price in hour["price_per_kwh"]]
        assert np.mean(quarters) == pytest.approx((prices[0] / 100 + 0.439 + 0.05) * 1.25, abs=1e-4)
        assert len(set(quarters)) == 4
        stamps = pd.to_datetime(pd.Series(hour["time"]), utc=True).dt.tz_convert("Europe/Stockholm")
        assert set(stamps.dt.year) == {2025}
        assert list(stamps.dt.hour) == [0] * 4


def test_a_policy_charges_by_itself_until_a_client_commands(tmp_path: Path) -> None:
    with classic_client(tmp_path, policy="price_based") as client:
        client.clock.pass_s(4 * 22.0)
        assert client.get("/charge") == 51.97  # hours 2 and 3
        assert client.get("/info")["ev_battery_charge_start_stopp"] is True
        assert client.post("/charge", {"charging": "off"}) == {"charging": "off"}
        client.clock.pass_s(4.0)
        assert client.get("/charge") == 51.97
        assert client.post("/override", {"mode": "auto"}) == {"charging": True, "override": "auto"}
        client.clock.pass_s(3.0)
        assert client.get("/charge") == 63.95
        client.post("/discharge", {"discharging": "on"})
        client.clock.pass_s(95.0)
        assert client.get("/charge") == 79.94
        client.clock.pass_s(1.0)
        assert client.get("/charge") == 83.93


def test_a_server_that_starts_again_goes_on(tmp_path: Path) -> None:
    clock = FakeClock()
    with serving(tmp_path, clock=clock) as url, requests.Session() as session:
        client = Client(url, clock, session)
        client.post("/override", {"mode": "force_on"})
        clock.pass_s(5.0)
        before = client.get("/info")
        log = session.get(url + "/log.csv", timeout=10).text
    clock.pass_s(1000.0)
    with serving(tmp_path, clock=clock) as url, requests.Session() as session:
        client = Client(url, clock, session)
        assert client.get("/info") == before
        assert session.get(url + "/log.csv", timeout=10).text == log
        clock.pass_s(1.0)
        assert client.get("/charge") == LATTICE[6]
