"""The Flask app factory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_openapi3 import OpenAPI

import ev_gym  # noqa: F401  # registers the envs
from server.config import Config, as_config
from server.http import guard, observing, openapi, problems
from server.services import Services
from server.station import routes as station_routes
from server.station.station import Station
from server.storage.store import Store
from server.v1 import routes as v1_routes
from server.v1.sessions import Sessions


def create_app(config: Config | Mapping[str, Any] | None = None) -> OpenAPI:
    """A server on its database: the classic station at `/`, the Gymnasium protocol at `/v1`.

    Args:
        config: A `Config`, a dict of its fields, or None for the defaults.

    Raises:
        ConfigError, ScenarioError: for an impossible setting, saying what is allowed.
    """
    settings = as_config(config)
    app = openapi.new_app(__name__, settings.secret is not None)
    problems.install(app)
    station_api = station_routes.make_api()
    app.wsgi_app = station_routes.CollapseSlashes(app.wsgi_app)  # type: ignore[method-assign]  # as Flask says
    observing.install(app)  # first, so that it sees answers as they go out
    guard.install(app, station_api, settings)
    app.extensions["ev_gym"] = _services(settings)
    app.register_api(observing.make_api())
    app.register_api(station_api)
    app.register_api(v1_routes.make_api())
    return app


def _services(settings: Config) -> Services:
    """The parts on one database, which is closed again if they cannot be made."""
    store = Store(settings.store, settings.synchronous)
    try:
        return Services(settings, store, Sessions(store, settings), Station(store, settings))
    except BaseException:
        store.close()
        raise
