"""The settings of a server."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ev_gym.scenario import Scenario
from server.clock import steady_s

MIB = 1024 * 1024
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d+)?")
WEEK_S = 7 * 24 * 3600.0
THREADS = 8  # that answer requests; server/serving.py says why


class ConfigError(ValueError):
    """A setting is impossible."""


@dataclass(frozen=True)
class Config:
    """The settings of one server; `create_app` takes one, or a dict of its fields.

    Attributes:
        scenario: Household of the classic station: a preset's name, a `Scenario`, or a dict.
        policy: Name of the policy by which the station charges by itself; None: it waits for
            commands.
        seconds_per_hour: Real seconds per simulated hour of the station, 1 to 3,600.
        store: SQLAlchemy URL of the database; None: SQLite in the user's data folder.
        synchronous: SQLite's setting, NORMAL (survives the death of the process) or FULL (also
            that of the machine).
        token: Secret that every request but `/health` has to carry; None: there is none.
        token_file: File that holds the token, instead of `token`.
        no_token: Whether the server is open on purpose to all who reach it. Otherwise, a server
            without a token answers only under `localhost` and IP addresses, and `/v1` only to its
            own pages.
        cors_origins: Origins whose pages may call the classic protocol; ("*",): all, (): none.
        station: Name under which the database keeps the station's state, one for each scenario.
        max_body_bytes: Largest body of a request.
        max_num_envs: Most households in one session.
        max_days: Longest horizon of a session.
        max_sessions: Most sessions at a time.
        idle_s: Seconds without a request after which a session expires.
        clock: Seconds since some moment, never set back; tests pass their own.
    """

    scenario: str | Scenario | Mapping[str, Any] = "classic"
    policy: str | None = None
    seconds_per_hour: float = 4.0
    store: str | None = field(default=None, repr=False)  # may hold a password
    synchronous: str = "NORMAL"
    token: str | None = field(default=None, repr=False)
    token_file: Path | str | None = None
    no_token: bool = False
    cors_origins: tuple[str, ...] = ("*",)
    station: str = "default"
    max_body_bytes: int = 16 * MIB
    max_num_envs: int = 4096
    max_days: int = 366
    max_sessions: int = 1000
    idle_s: float = WEEK_S
    clock: Callable[[], float] = steady_s

    def __post_init__(self) -> None:
        if not 1 <= self.seconds_per_hour <= 3600:
            raise ConfigError(
                f"seconds_per_hour is {self.seconds_per_hour!r}; allowed: a number from 1 to 3600"
            )
        if self.synchronous not in ("NORMAL", "FULL"):
            raise ConfigError(f"synchronous is {self.synchronous!r}; allowed: 'NORMAL' or 'FULL'")
        for name in ("max_body_bytes", "max_num_envs", "max_days", "max_sessions", "idle_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; allowed: above 0")
        if isinstance(self.cors_origins, str):
            raise ConfigError(f"cors_origins is {self.cors_origins!r}; allowed: a tuple of origins")
        for origin in self.cors_origins:
            if origin != "*" and not ORIGIN.fullmatch(origin):
                raise ConfigError(
                    f"cors_origins has {origin!r}; allowed: '*', or origins such as"
                    " 'https://example.com'"
                )
        access = ("token", "token_file", "no_token")
        choices = [name for name in access if getattr(self, name) not in (None, False)]
        if len(choices) > 1:
            raise ConfigError(f"{' and '.join(choices)} are given; allowed: one of them")

    @property
    def secret(self) -> str | None:
        """The token, from the setting or the file; None: there is none.

        Raises:
            ConfigError: for a file that cannot be read, or a token that no header could carry.
        """
        if self.token_file is None:
            token, where = self.token, "token"
        else:
            where = f"token_file {str(self.token_file)!r}"
            try:
                token = Path(self.token_file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{where} cannot be read: {error}") from error
        if token is not None and not re.fullmatch(r"[!-~]+", token):
            raise ConfigError(
                f"{where} holds no token; allowed: visible ASCII characters, no space"
            )
        return token


def as_config(settings: Config | Mapping[str, Any] | None) -> Config:
    """A `Config` itself, or one made from a dict of its fields, or (None) of the defaults.

    Raises:
        ConfigError: for an unknown field or an impossible value.
    """
    if isinstance(settings, Config):
        return settings
    known = [field.name for field in fields(Config)]
    for name in settings or {}:
        if name not in known:
            raise ConfigError(f"unknown setting {name!r}; allowed: {', '.join(known)}")
    return replace(Config(), **(settings or {}))
