"""The classic protocol as a state machine, driven against a model of a few lines."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import requests
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ev_gym.series.of_scenario import CLASSIC_LOADS_KW
from server import create_app
from tests.support.real_server import FakeClock, serving
from tests.support.scenario_strategies import examples

MODES = ("auto", "force_on", "force_off")
QUARTER_KWH = 1.85


class Model:
    """A battery that takes 1.85 kWh in each second of charging; time in quarters of a second."""

    def __init__(self) -> None:
        self.quarters = self.tick = self.charged = 0
        self.on, self.mode = False, "auto"

    def charge(self, on: bool) -> None:
        if self.mode == "auto":
            self.on = on

    def force(self, mode: str) -> None:
        self.on = self.on if mode == "auto" else mode == "force_on"
        self.mode = mode

    def wait(self, quarters: int) -> None:
        self.quarters += quarters
        while self.quarters >= 4:
            self.quarters -= 4
            self.tick += 1
            self.charged += self.on
            self.on &= self.mode == "force_on" or not self.full

    @property
    def full(self) -> bool:
        return self.charged > 20

    def info(self) -> dict[str, Any]:
        energy_kwh = min(9.26 + QUARTER_KWH * self.charged, 46.3)
        hour, quarter = divmod(self.tick % 96, 4)
        charging = self.on and not self.full
        return {
            "sim_time_hour": hour,
            "sim_time_min": 15 * quarter,
            "base_current_load": round(CLASSIC_LOADS_KW[hour] + 7.4 * charging, 2),
            "battery_capacity_kWh": round(energy_kwh, 2),
            "ev_battery_charge_start_stopp": charging,
            "battery_max_capacity_kWh": 46.3,
            "battery_percent": round(100 * energy_kwh / 46.3, 2),
            "user_override": self.mode,
        }


class Machine(RuleBasedStateMachine):
    """Commands, time and restarts; after each, every answer of the app is the model's."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.clock, self.model = FakeClock(), Model()
        self.begin()

    def begin(self) -> None:
        store = f"sqlite:///{self.folder / 'server.db'}"
        self.app = create_app({"store": store, "clock": self.clock})
        self.client = self.app.test_client()

    def end(self) -> None:
        self.app.extensions["ev_gym.store"].close()

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        answer = self.client.open(path, method=method, json=body)
        return answer.status_code, answer.text

    def get(self, path: str) -> Any:
        status, text = self.call("GET", path)
        assert status == 200
        return json.loads(text)

    def post(self, path: str, body: Any) -> Any:
        status, text = self.call("POST", path, body)
        assert status == 200
        return json.loads(text)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.end()
            shutil.rmtree(self.folder)

    @rule(on=st.booleans(), repeats=st.integers(1, 2))
    def charge(self, on: bool, repeats: int) -> None:
        for _ in range(repeats):
            told = self.post("/charge", {"charging": "on" if on else "off"})
        self.model.charge(on)
        info = self.model.info()
        expected: dict[str, Any] = {"charging": "on" if on else "off"}
        if self.model.mode != "auto":
            real = info["ev_battery_charge_start_stopp"]
            expected = {"charging": "on" if real else "off", "override": self.model.mode}
        assert told == expected

    @rule(mode=st.sampled_from(MODES))
    def force(self, mode: str) -> None:
        told = self.post("/override", {"mode": mode})
        self.model.force(mode)
        assert told == self.get("/override")

    @rule(quarters=st.one_of(st.integers(0, 9), st.integers(0, 60), st.integers(0, 40_000)))
    def wait(self, quarters: int) -> None:
        self.clock.pass_s(quarters / 4)
        self.model.wait(quarters)

    @rule()
    def discharge(self) -> None:
        assert self.post("/discharge", {"discharging": "on"}) == {"discharging": "on"}
        self.model = Model()

    @rule(down_s=st.integers(0, 100_000))
    def restart(self, down_s: int) -> None:
        self.end()
        self.clock.pass_s(float(down_s))
        self.begin()
        self.model.quarters = 0  # the tick begins anew

    @rule(body=st.sampled_from([{}, {"charging": "up"}, {"mode": "off"}, ["on"], {"mode": 1}]))
    def misspell(self, body: Any) -> None:
        for path in ("/charge", "/discharge", "/override"):
            assert self.call("POST", path, body)[0] == 400

    @rule()
    def read_log(self) -> None:
        lines = self.call("GET", "/log.csv")[1].splitlines()
        assert len(lines) - 1 == min(self.model.tick, 31 * 96)

    @invariant()
    def answers_are_the_model_s(self) -> None:
        if not hasattr(self, "folder"):
            return
        info = self.model.info()
        assert self.get("/info") == info
        assert self.get("/") == info["battery_capacity_kWh"]
        assert self.get("/charge") == info["battery_percent"]
        told = {
            "charging": info["ev_battery_charge_start_stopp"],
            "override": info["user_override"],
        }
        assert self.get("/override") == told


class SocketMachine(Machine):
    """The same over a socket, on the production WSGI server."""

    def begin(self) -> None:
        self.server = serving(self.folder, clock=self.clock)
        self.url, self.session = self.server.__enter__(), requests.Session()

    def end(self) -> None:
        self.session.close()
        self.server.__exit__(None, None, None)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        answer = self.session.request(method, self.url + path, json=body, timeout=10)
        return answer.status_code, answer.text


TestInTheApp = Machine.TestCase
TestInTheApp.settings = settings(max_examples=examples(20), stateful_step_count=25)
TestOverASocket = SocketMachine.TestCase
TestOverASocket.settings = settings(max_examples=2, stateful_step_count=25)
