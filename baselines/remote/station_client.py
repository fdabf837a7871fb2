"""The classic charging-station protocol from a client's side.

It needs nothing but what every server of the protocol has, ours or the teaching server: no
override, and no key of `/info` that only later variants send.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeGuard

from baselines.remote.http_client import Client
from ev_gym.runtime.durations import DAY_H, HOUR_MIN

TICKS_PER_HOUR = 4
TICK_MIN = HOUR_MIN // TICKS_PER_HOUR


class StationError(RuntimeError):
    """The station answered or did something that the protocol does not allow."""


class StationState(NamedTuple):
    """What `/info` shows.

    Attributes:
        tick: Quarter-hours since midnight, 0 to 95.
        energy_kwh: Stored energy, rounded to 2 decimals.
        charging: Whether the car charges.
        capacity_kwh: Of the battery; None from a server that does not say.
    """

    tick: int
    energy_kwh: float
    charging: bool
    capacity_kwh: float | None


class ClassicClient:
    """A charging station at the other end of a network.

    Every method raises `RemoteError` where the station refuses or stays away, and `StationError`
    where an answer is not one of the protocol.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def restart(self) -> None:
        """Begin the day anew: 20 %, 00:00, charging off."""
        self._request("POST", "/discharge", {"discharging": "on"})

    def state(self) -> StationState:
        """The station now."""
        info = self._request("GET", "/info")
        if not isinstance(info, dict):
            raise StationError(f"GET /info answered {info!r:.200}; expected: an object")
        hour = _number(info, "sim_time_hour", DAY_H - 1)
        minute = _number(info, "sim_time_min", 59)
        charging = info.get("ev_battery_charge_start_stopp")
        if not isinstance(charging, bool):
            raise _missing(info, "ev_battery_charge_start_stopp", "true or false")
        has_capacity = "battery_max_capacity_kWh" in info
        return StationState(
            tick=int(hour) * TICKS_PER_HOUR + int(minute) // TICK_MIN,
            energy_kwh=_number(info, "battery_capacity_kWh"),  # the stored energy, despite its name
            charging=charging,
            capacity_kwh=_number(info, "battery_max_capacity_kWh") if has_capacity else None,
        )

    def charge(self, on: bool) -> str | None:
        """Turn charging on or off; where an override keeps the station from it, the override."""
        answer = self._request("POST", "/charge", {"charging": "on" if on else "off"})
        override = answer.get("override") if isinstance(answer, dict) else None
        return None if override in (None, "auto") else str(override)

    def prices_ore_per_kwh(self) -> list[float]:
        """The day's 24 hourly spot prices."""
        return self._day("/priceperhour")

    def loads_kw(self) -> list[float]:
        """The day's 24 hourly base loads."""
        return self._day("/baseload")

    def _day(self, path: str) -> list[float]:
        answer = self._request("GET", path)
        if not isinstance(answer, list) or len(answer) != DAY_H or not all(map(_plausible, answer)):
            raise StationError(f"GET {path} answered {answer!r:.200}; expected: {DAY_H} numbers")
        return [float(value) for value in answer]

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        return self._client.json(method, path, body)


def _plausible(value: Any) -> TypeGuard[float]:
    """Whether it is a number, not NaN and below 1e9."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _number(info: dict[str, Any], name: str, most: float = math.inf) -> float:
    value = info.get(name)
    if not _plausible(value) or not 0 <= value <= most:
        raise _missing(info, name, f"a number from 0{'' if most == math.inf else f' to {most}'}")
    return float(value)


def _missing(info: dict[str, Any], name: str, expected: str) -> StationError:
    return StationError(
        f"GET /info answered {info!r:.300}, where {name} is {info.get(name)!r}; expected: "
        f"{expected}. Is this a charging station of the classic protocol?"
    )
