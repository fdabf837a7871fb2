"""The Flask app factory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_openapi3 import OpenAPI

import ev_gym  # noqa: F401  # registers the envs
from server.config import Config, as_config
from server.http import guard, observing, openapi, problems
from server.http.metrics import Metrics
from server.station import routes as station_routes
from server.station.station import Station
from server.storage.store import Store
from server.v1 import routes as v1_routes
from server.v1.sessions import Sessions


def create_app(config: Config | Mapping[str, Any] | None = None) -> OpenAPI:
    """A server on its database: the classic station at `/`, the Gymnasium protocol at `/v1`.

    Its parts stand in `app.extensions`: the `Store` under "ev_gym.store", `Sessions` under
    "ev_gym.sessions", `Station` under "ev_gym.station". Whoever ends the app closes the store.

    Args:
        config: A `Config`, a dict of its fields, or None for the defaults.

    Raises:
        ConfigError, ScenarioError: for an impossible setting, saying what is allowed.
    """
    settings = as_config(config)
    app = openapi.new_app(__name__, settings.secret is not None)
    store = Store(settings.store, settings.synchronous)
    try:
        _furnish(app, settings, store)
    except BaseException:
        store.close()
        raise
    return app


def _furnish(app: OpenAPI, settings: Config, store: Store) -> None:
    """Give an app its sessions, its station, its routes, and what stands before them."""
    sessions = Sessions(store, settings)
    app.extensions["ev_gym.store"] = store
    app.extensions[v1_routes.SESSIONS] = sessions
    app.extensions[station_routes.STATION] = Station(store, settings)
    problems.install(app)
    app.wsgi_app = station_routes.CollapseSlashes(app.wsgi_app)  # type: ignore[method-assign]  # as Flask says
    observing.install(app, Metrics(sessions.count), lambda: store.station_version(settings.station))
    guard.install(app, station_routes.api.name, settings)
    for api in (observing.api, station_routes.api, v1_routes.api):
        app.register_api(api)
