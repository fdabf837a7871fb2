"""A client of the classic protocol with a server of its own, and the first answer of `/info`."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests

from tests.support.real_server import FakeClock, serving

START = (
    b'{"sim_time_hour": 0, "sim_time_min": 0, "base_current_load": 0.88, "battery_capacity_kWh":'
    b' 9.26, "ev_battery_charge_start_stopp": false, "battery_max_capacity_kWh": 46.3,'
    b' "battery_percent": 20.0, "user_override": "auto"}'
)


class Client(NamedTuple):
    """A program that speaks the protocol, and the clock of the server it speaks to."""

    url: str
    clock: FakeClock
    session: requests.Session

    def get(self, path: str) -> Any:
        answer = self.session.get(self.url + path, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, status: int = 200, **more: Any) -> Any:
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        answer = self.session.post(self.url + path, data=data, timeout=10, **more)
        assert answer.status_code == status, answer.text
        kind = "application/json" if status == 200 else "application/problem+json"
        assert answer.headers["Content-Type"] == kind
        return answer.json()

    def raw(self, request: str) -> bytes:
        """What the server sends back for these very bytes."""
        place = urlsplit(self.url)
        with socket.create_connection((place.hostname, place.port), timeout=10) as link:
            link.sendall(request.encode())
            link.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: link.recv(65536), b""))


@contextmanager
def classic_client(folder: Path, **settings: Any) -> Iterator[Client]:
    """A client of a server of its own, whose clock the test pushes on."""
    clock = FakeClock()
    with serving(folder, clock=clock, **settings) as url, requests.Session() as session:
        yield Client(url, clock, session)
