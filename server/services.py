"""The parts of a running server that requests use, made once by `create_app`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flask import current_app

if TYPE_CHECKING:
    from server.config import Config
    from server.station.station import Station
    from server.storage.store import Store
    from server.v1.sessions import Sessions


class Services(NamedTuple):
    """Settings, database, sessions of `/v1`, and the classic station."""

    config: Config
    store: Store
    sessions: Sessions
    station: Station


def services() -> Services:
    """Those of the app that answers the present request."""
    found: Services = current_app.extensions["ev_gym"]
    return found
