"""The teaching server of 2024, as a stand-in: what the classic protocol was before ours."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ev_gym.series.of_scenario import CLASSIC_LOADS_KW, CLASSIC_PRICES_ORE
from tests.support.real_server import FakeClock

TICK_S = 1.0
QUARTER_KWH = 1.85


class OldStation:
    """An ideal battery that goes on past 100 %, no override, no extra keys in `/info`.

    Attributes:
        charged: For each quarter-hour since the day began, whether it charged.
        commands: Every POST: path and body.
        late_s: How long the next commands to `/charge` are on their way, while the clock runs.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.prices, self.loads = list(CLASSIC_PRICES_ORE), list(CLASSIC_LOADS_KW)
        self.commands: list[tuple[str, Any]] = []
        self.late_s: list[float] = []
        self.lock = threading.Lock()
        self.begin()

    def begin(self) -> None:
        """20 %, 00:00, off."""
        self.began_s = self.clock()
        self.charged: list[bool] = []
        self.energy_kwh, self.charging = 9.26, False

    def advance(self) -> None:
        """Bring it to now."""
        now_s = self.clock()
        while len(self.charged) < int((now_s - self.began_s) / TICK_S):
            self.charged.append(self.charging)
            self.energy_kwh = round(self.energy_kwh + QUARTER_KWH * self.charging, 2)

    def answer(self, method: str, path: str, body: Any) -> Any:
        """What the old server answered; None for what it did not know."""
        with self.lock:
            if path == "/charge" and self.late_s:
                self.clock.pass_s(self.late_s.pop(0))
            self.advance()
            if method == "POST":
                return self._command(path, body)
            reads = {"/priceperhour": self.prices, "/baseload": self.loads, "/info": self.info()}
            return reads.get(path)

    def info(self) -> dict[str, Any]:
        """What `/info` answers."""
        hour, quarter = divmod(len(self.charged) % 96, 4)
        return {
            "sim_time_hour": hour,
            "sim_time_min": 15 * quarter,
            "base_current_load": round(self.loads[hour] + 7.4 * self.charging, 2),
            "battery_capacity_kWh": self.energy_kwh,
            "ev_battery_charge_start_stopp": self.charging,
        }

    def _command(self, path: str, body: Any) -> Any:
        self.commands.append((path, body))
        if path == "/discharge":
            self.begin()
        elif path == "/charge":
            self.charging = body["charging"] == "on"
        return body


@contextmanager
def serving_old(station: OldStation) -> Iterator[str]:
    """Serve it; the address."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            reply = station.answer(self.command, self.path, body)
            text = json.dumps(reply).encode()
            self.send_response(404 if reply is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = answer  # noqa: N815  # names that http.server prescribes

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
