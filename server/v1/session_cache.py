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
from server.v1.replayed_env import Replica, Spec

LOG = logging.getLogger("server.v1.sessions")
_BUILDING = threading.Lock()
LIVE_BYTES = 1_000_000_000  # of envs, and of the series they live on


class Live:
    """A session in memory; only who holds the lock may use its replica.

    Attributes:
        id: The session's.
        version: The program that made it.
        replica: Its env, perhaps behind the log, since other workers go on with it too.
        lock: Guards the replica.
        noted_at: When its use was last written down, in seconds of the server's clock.
    """

    def __init__(self, row: SessionRow, replica: Replica) -> None:
        self.id, self.version, self.replica = row.id, row.version, replica
        self.lock = threading.Lock()
        self.noted_at = row.used_at
        self.world = replica.env.simulator.world
        self.world_bytes = _bytes_of(self.world)
        self.spec_bytes = len(row.spec)


def _bytes_of(world: World) -> int:
    parts = (vars(world), world.tables._asdict(), vars(world.dataset))
    tables = [table for part in parts for table in part.values()]
    return sum(table.nbytes for table in tables if isinstance(table, np.ndarray))


class LiveSessions:
    """Sessions in memory by id, those used last; a thread-safe cache."""

    def __init__(self) -> None:
        self._all: OrderedDict[str, Live] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, session_id: str) -> Live | None:
        """A session, if it is here."""
        with self._lock:
            live = self._all.get(session_id)
            if live is not None:
                self._all.move_to_end(session_id)
        return live

    def keep(self, live: Live) -> Live:
        """Keep a session, or the one that is here already; where it gets too much, drop others."""
        with self._lock:
            live = self._all.setdefault(live.id, live)
            self._all.move_to_end(live.id)
            room, worlds = LIVE_BYTES, set()
            for other in reversed(list(self._all.values())):
                room -= other.replica.nbytes + other.spec_bytes
                if id(other.world) not in worlds:
                    worlds.add(id(other.world))
                    room -= other.world_bytes
                if room < 0 and other is not live:
                    del self._all[other.id]
        return live

    def drop(self, session_id: str) -> None:
        """Drop a session."""
        with self._lock:
            self._all.pop(session_id, None)

    def drop_where(self, condition: Callable[[Live], bool]) -> None:
        """Drop some sessions."""
        with self._lock:
            for live in [live for live in self._all.values() if condition(live)]:
                del self._all[live.id]


def new_replica(spec: Spec) -> Replica:
    """The env of a session, one after the other: their series may take a second to generate.

    Raises:
        ScenarioError, ResetError, ValueError, DataError, OSError: as `Replica` and its series.
    """
    with _BUILDING:
        return Replica(spec)


def session_row(session_id: str, replica: Replica, now: float) -> SessionRow:
    """What the database keeps of a session that was made just now."""
    world = replica.env.simulator.world
    told = {"spec": replica.spec.to_dict(), "world": world.fingerprint}
    return SessionRow(session_id, now, now, json.dumps(told), program_version())


def load(row: SessionRow) -> Live:
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
    told = json.loads(row.spec)
    try:
        live = Live(row, new_replica(Spec.from_dict(told["spec"])))
    except (ScenarioError, DataError, OSError) as error:
        LOG.warning("session %s cannot be loaded: %s", row.id, error)
        raise Problem(409, "the session's series cannot be read any more") from error
    if live.world.fingerprint != told["world"]:
        raise Problem(
            409,
            f"the session lives on series with the fingerprint {told['world'][:12]}; this server's "
            f"now have {live.world.fingerprint[:12]}; allowed: to delete the session",
        )
    return live
