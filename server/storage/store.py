"""The database: sessions as logs of their operations, and the classic station's state.

SQLite in the user's data folder by default, PostgreSQL by URL, through SQLAlchemy Core. All that an
answer depends on is committed before it goes out. SQLite runs in WAL mode with synchronous=NORMAL:
a commit goes to the operating system, so it survives the death of the process, but does not wait
for the disk, so a loss of power may cost the last commits (never the database); FULL waits.

With SQLite the writers of one process share a connection and queue at a lock here, where each wakes
as its turn comes. Those who wait for SQLite's own lock sleep and try again; that is left to other
processes.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from server.config import ConfigError
from server.storage import queries
from server.storage.database import (
    cause_of,
    database_url,
    failures_as_problems,
    open_engine,
    writer_turn,
)
from server.storage.schema import SESSIONS, SESSIONS_LOCK, STATION_TICKS, STATIONS, bring_to_head


class IndexTakenError(Exception):
    """Another worker has done an operation with that index."""


class SessionGoneError(Exception):
    """There is no such session any more."""


class SessionRow(NamedTuple):
    """A session but for its operations; times in seconds of the server's clock."""

    id: str
    made_at: float
    used_at: float
    spec: str
    version: str


class Operation(NamedTuple):
    """One reset or step of a session: its number, `"reset"` or `"step"`, and its content."""

    index: int  # type: ignore[assignment]  # hides a method of tuples
    kind: str
    body: bytes


class StationRow(NamedTuple):
    """A classic station: how often it was saved, and what its last save holds."""

    version: int
    saved: dict[str, Any]
    state: bytes


class Store:
    """One database, for any number of threads and processes.

    Every method raises `Problem` 503 if the database does not answer. A write may have been done or
    not then; so each is made such that it can be tried again.

    Args:
        url: SQLAlchemy URL of SQLite or PostgreSQL; None: SQLite in the user's data folder.
        synchronous: SQLite's setting, NORMAL or FULL.

    Raises:
        ConfigError: for an impossible URL, a missing driver, a database that cannot be opened, or
            one that a later version has written.
    """

    def __init__(self, url: str | None = None, synchronous: str = "NORMAL") -> None:
        self.url = database_url(url)
        self.engine = open_engine(self.url, synchronous)
        self._add_operation = queries.driver_statement(queries.ADD_OPERATION, self.engine.dialect)
        self._station_version = queries.driver_statement(
            queries.STATION_VERSION, self.engine.dialect
        )
        self._writer_lock, self._reader_lock = threading.Lock(), threading.Lock()
        self._writer: sa.Connection | None = None
        self._reader: Any = None
        self._inherited: Any = None
        self._forget_connections_after_fork()
        try:
            bring_to_head(self.engine)
        except (DBAPIError, OSError) as error:
            self.close()
            safe = self.url.render_as_string(hide_password=True)
            raise ConfigError(f"cannot open the database {safe}: {cause_of(error)}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all connections."""
        with self._writer_lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        with self._reader_lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None
        self.engine.dispose()

    def _forget_connections_after_fork(self) -> None:
        """Have forked children open connections of their own, where processes can be forked.

        What is registered stays for the life of the process, so it must not keep the store alive.
        """
        if not hasattr(os, "register_at_fork"):
            return
        reference = weakref.ref(self)

        def forget() -> None:
            store = reference()
            if store is not None:
                store._leave_to_parent()

        os.register_at_fork(after_in_child=forget)

    def _leave_to_parent(self) -> None:
        """In a forked child: forget the parent's connections without closing them."""
        self.engine.dispose(close=False)
        self._inherited = (self._writer, self._reader)  # without a reference they would be closed
        self._writer = self._reader = None
        self._writer_lock, self._reader_lock = threading.Lock(), threading.Lock()

    @contextlib.contextmanager
    def _reads(self) -> Iterator[sa.Connection]:
        with failures_as_problems(), self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def _writes(self) -> Iterator[sa.Connection]:
        """One transaction, committed at the end; its first statement must be a write.

        One that began with a read could not wait for another's write, in SQLite.
        """
        if self.engine.dialect.name != "sqlite":
            with failures_as_problems(), self.engine.begin() as connection:
                yield connection
            return
        with (
            failures_as_problems(),
            writer_turn(self._writer_lock, self._write_connection) as writer,
            writer.begin(),
        ):
            yield writer

    def _write_connection(self) -> sa.Connection:
        if self._writer is None:
            self._writer = self.engine.connect()
        return self._writer

    def add_session(self, row: SessionRow, most: int = queries.LARGEST) -> bool:
        """Add a session without operations, unless there are `most` already; whether it is added.

        One statement counts and adds, and only one writer at a time may: SQLite has no more, those
        of PostgreSQL wait for a lock.
        """
        with self._writes() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(SESSIONS_LOCK)))
            result = connection.execute(queries.ADD_SESSION, {**row._asdict(), "most": most})
        return result.rowcount == 1

    def session(self, session_id: str) -> SessionRow | None:
        """A session; None if there is none."""
        with self._reads() as connection:
            row = connection.execute(queries.SESSION, {"id": session_id}).one_or_none()
        return None if row is None else SessionRow(*row)

    def delete_session(self, session_id: str) -> bool:
        """Delete a session with its operations; whether there was one."""
        with self._writes() as connection:
            result = connection.execute(SESSIONS.delete().where(SESSIONS.c.id == session_id))
        return result.rowcount > 0

    def expire(self, before: float) -> int:
        """Delete the sessions last used before that time; how many.

        One by one, since other writers wait while a long log is deleted.
        """
        late = SESSIONS.c.used_at < before
        with self._reads() as connection:
            ids = connection.scalars(sa.select(SESSIONS.c.id).where(late)).all()
        count = 0
        for session_id in ids:
            with self._writes() as connection:
                deletion = SESSIONS.delete().where(SESSIONS.c.id == session_id, late)
                count += connection.execute(deletion).rowcount
        return count

    def count_sessions(self) -> int:
        """How many sessions there are."""
        with self._reads() as connection:
            return int(connection.execute(queries.COUNT_SESSIONS).scalar_one())

    def touch(self, session_id: str, at: float) -> None:
        """Note that a session was used."""
        with self._writes() as connection:
            connection.execute(
                SESSIONS.update().where(SESSIONS.c.id == session_id).values(used_at=at)
            )

    def append(
        self, session_id: str, index: int, kind: str, body: bytes, snapshot: bytes | None = None
    ) -> None:
        """Add an operation to a session's log; its primary key decides races between workers.

        Args:
            session_id: The session.
            index: Number of the operation, the number of those before it.
            kind: `"reset"` or `"step"`.
            body: Its content.
            snapshot: The state after it, if it is to be kept.

        Raises:
            IndexTakenError: if there is an operation with that index; nothing has changed then.
            SessionGoneError: if there is no such session; nothing has changed then.
        """
        key = {"session_id": session_id, "index": index}
        try:
            with self._writes() as connection:
                row = self._add_operation.parameters({**key, "kind": kind, "body": body})
                connection.exec_driver_sql(self._add_operation.sql, row)
                if snapshot is not None:
                    after = {**key, "index": index + 1, "state": snapshot}
                    connection.execute(queries.ADD_SNAPSHOT, after)
        except IntegrityError:
            if self.session(session_id) is None:
                raise SessionGoneError(session_id) from None
            raise IndexTakenError(session_id, index) from None

    def operations(self, session_id: str, first: int, end: int) -> list[Operation]:
        """The operations of a session from index `first` to before `end`, in their order."""
        values = {"id": session_id, "first": first, "end": end}
        with self._reads() as connection:
            rows = connection.execute(queries.OPERATIONS_BETWEEN, values).all()
        return [Operation(*row) for row in rows]

    def next_index(self, session_id: str) -> int:
        """How many operations a session has; 0 also if there is no such session."""
        with self._reads() as connection:
            last = connection.execute(queries.LAST_INDEX, {"id": session_id}).scalar_one()
        return 0 if last is None else int(last) + 1

    def snapshot(self, session_id: str, at_most: int) -> tuple[int, bytes] | None:
        """The last kept state after at most so many operations: their number, and the state."""
        with self._reads() as connection:
            values = {"id": session_id, "end": at_most}
            row = connection.execute(queries.SNAPSHOT, values).one_or_none()
        return None if row is None else (int(row[0]), bytes(row[1]))

    def load_station(self, name: str) -> StationRow | None:
        """The classic station of that name; None if it was never saved."""
        with self._reads() as connection:
            row = connection.execute(queries.STATION, {"id": name}).one_or_none()
        return None if row is None else StationRow(int(row[0]), json.loads(row[1]), bytes(row[2]))

    def station_version(self, name: str) -> int | None:
        """How often a station was saved; None: never."""
        sql, values = self._station_version.sql, self._station_version.parameters({"id": name})
        if self.engine.dialect.name != "sqlite":
            with self._reads() as connection:
                version: int | None = connection.exec_driver_sql(sql, values).scalar()
            return version
        # Every request of the station waits for this; a connection from the pool takes 20 us more.
        with failures_as_problems(sqlite3.Error), self._reader_lock:
            if self._reader is None:
                self._reader = self.engine.raw_connection()
            cursor = self._reader.cursor()
            rows = cursor.execute(sql, values).fetchall()
            cursor.close()
        return rows[0][0] if rows else None

    def save_station(
        self,
        name: str,
        expected_version: int | None,
        saved: dict[str, Any],
        state: bytes,
        ticks: list[tuple[int, bytes]],
        keep_from: int,
    ) -> bool:
        """Save a station, unless another worker has saved it meanwhile.

        Args:
            name: The station.
            expected_version: That of the row which this save follows; None: there is none yet.
            saved: What else is to be known of it, as JSON.
            state: The simulator's state.
            ticks: Number and record of each tick to add to its history; ticks below `keep_from`
                are deleted first.
            keep_from: The first tick of the history to keep.

        Returns:
            False, and nothing has changed, if the station's version is another.
        """
        row = {"saved": json.dumps(saved), "state": state}
        owner = STATION_TICKS.c.station == name
        with self._writes() as connection:
            if not _put_station(connection, name, expected_version, row):
                connection.rollback()
                return False
            connection.execute(
                STATION_TICKS.delete().where(owner, STATION_TICKS.c.tick < keep_from)
            )
            if ticks:
                connection.execute(
                    STATION_TICKS.insert(),
                    [{"station": name, "tick": tick, "record": record} for tick, record in ticks],
                )
        return True

    def station_ticks(self, name: str, first: int) -> list[tuple[int, bytes]]:
        """Number and record of a station's ticks from number `first`, in their order."""
        with self._reads() as connection:
            rows = connection.execute(
                queries.STATION_TICKS_FROM, {"id": name, "first": first}
            ).all()
        return [(int(tick), bytes(record)) for tick, record in rows]


def _put_station(
    connection: sa.Connection, name: str, expected_version: int | None, row: dict[str, Any]
) -> bool:
    """Write a station's row, if it has the expected version."""
    if expected_version is None:
        try:
            connection.execute(STATIONS.insert(), {"name": name, "version": 1, **row})
        except IntegrityError:
            return False
        return True
    change = STATIONS.update().where(
        STATIONS.c.name == name, STATIONS.c.version == expected_version
    )
    result = connection.execute(change.values(version=expected_version + 1, **row))
    return result.rowcount == 1
