"""The sessions that a process keeps in memory: those used last."""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from ev_gym.scenario import ScenarioError
from ev_gym.series.limits import DataError
from ev_gym.world.world import World
from server.http.problems import Problem
from server.program_version import program_version
from server.storage.store import SessionRow
from server.v1.replayed_env import ReplayedEnv, Spec

LOG = logging.getLogger("server.v1.sessions")
CACHE_BYTES = 1_000_000_000  # of envs, and of the series that they need
_BUILD_LOCK = threading.Lock()


class CachedSession:
    """A session in memory; only who holds the lock may use its env.

    Attributes:
        id: The session's.
        version: The program that made it.
        replay: Its env, perhaps behind the log, since other workers go on with it too.
        lock: Guards the env.
        noted_at: When its use was last written to the database, in seconds of the server's clock.
        world: The tables by which its households live.
    """

    def __init__(self, row: SessionRow, replay: ReplayedEnv) -> None:
        self.id, self.version, self.replay = row.id, row.version, replay
        self.lock = threading.Lock()
        self.noted_at = row.used_at
        self.world = replay.env.simulator.world
        self.world_bytes = _bytes_of(self.world)
        self.spec_bytes = len(row.spec)


def _bytes_of(world: World) -> int:
    parts = (vars(world), world.tables._asdict(), vars(world.dataset))
    tables = [table for part in parts for table in part.values()]
    return sum(table.nbytes for table in tables if isinstance(table, np.ndarray))


class SessionCache:
    """The sessions used last, by id; for any number of threads."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, CachedSession] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, session_id: str) -> CachedSession | None:
        """A session, if it is here."""
        with self._lock:
            session = self._sessions.get(session_id)
            if session is not None:
                self._sessions.move_to_end(session_id)
        return session

    def keep(self, session: CachedSession) -> CachedSession:
        """Keep a session, or the one of its id that is here; drop others where it gets too much."""
        with self._lock:
            session = self._sessions.setdefault(session.id, session)
            self._sessions.move_to_end(session.id)
            left_bytes, worlds = CACHE_BYTES, set()
            for other in reversed(list(self._sessions.values())):
                left_bytes -= other.replay.nbytes + other.spec_bytes
                if id(other.world) not in worlds:
                    worlds.add(id(other.world))
                    left_bytes -= other.world_bytes
                if left_bytes < 0 and other is not session:
                    del self._sessions[other.id]
        return session

    def drop(self, session_id: str) -> None:
        """Drop a session."""
        with self._lock:
            self._sessions.pop(session_id, None)

    def drop_where(self, condition: Callable[[CachedSession], bool]) -> None:
        """Drop the sessions that meet a condition."""
        with self._lock:
            for session in [each for each in self._sessions.values() if condition(each)]:
                del self._sessions[session.id]


def new_env(spec: Spec) -> ReplayedEnv:
    """The env of a session; one at a time is made, since its series may take seconds to generate.

    Raises:
        ScenarioError, ResetError, ValueError, DataError, OSError: as `ReplayedEnv` and its series.
    """
    with _BUILD_LOCK:
        return ReplayedEnv(spec)


def session_row(session_id: str, replay: ReplayedEnv, now: float) -> SessionRow:
    """What the database keeps of a session that was made just now."""
    world = replay.env.simulator.world
    members = {"spec": replay.spec.to_dict(), "world": world.fingerprint}
    return SessionRow(session_id, now, now, json.dumps(members), program_version())


def load(row: SessionRow) -> CachedSession:
    """A session from the database, before its first operation.

    Raises:
        Problem: 409 if it was made by another version of the program or on other series.
    """
    if row.version != program_version():
        raise Problem(
            409,
            f"the session was made by version {row.version}; this server is version "
            f"{program_version()} and might go on with it differently; allowed: to delete it",
            session_version=row.version,
            server_version=program_version(),
        )
    members = json.loads(row.spec)
    try:
        session = CachedSession(row, new_env(Spec.from_dict(members["spec"])))
    except (ScenarioError, DataError, OSError) as error:
        LOG.warning("session %s cannot be loaded: %s", row.id, error)
        raise Problem(409, "the session's series cannot be read any more") from error
    if session.world.fingerprint != members["world"]:
        raise Problem(
            409,
            f"the session lives on series with the fingerprint {members['world'][:12]}; this "
            f"server's now have {session.world.fingerprint[:12]}; allowed: to delete the session",
        )
    return session
