"""Opens the database: its URL, its driver, SQLite's settings; and says when it does not answer."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, TimeoutError

from server.config import ConfigError
from server.http.problems import Problem

LOG = logging.getLogger("server.storage.database")
BUSY_S = 10.0
DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
_ALLOWED = "sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/NAME"


def database_url(text: str | None) -> sa.URL:
    """The URL of a database; None: the default one, whose folder is made.

    Raises:
        ConfigError: if it is no URL, of neither SQLite nor PostgreSQL, or in memory.
    """
    if text is None:
        import platformdirs

        path = Path(platformdirs.user_data_dir("ev_gym", appauthor=False)) / "server.db"
        url = sa.URL.create("sqlite", database=str(path))
    else:
        try:
            url = sa.make_url(text)
        except (sa.exc.ArgumentError, ValueError):  # the latter for a port of letters
            raise ConfigError(f"store is {text!r}; allowed: {_ALLOWED}") from None
    safe = url.render_as_string(hide_password=True)
    if url.drivername not in DRIVERS:
        raise ConfigError(f"store is {safe!r}; allowed: {_ALLOWED}")
    if url.drivername == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite":
        # SQLite has no hosts; a query could make it something else, such as a database in memory.
        if url.host or url.port or url.username or url.password or url.query:
            raise ConfigError(f"store is {safe!r}; allowed: {_ALLOWED}")
        if url.database in (None, "", ":memory:"):
            raise ConfigError(f"store is {safe!r}, which no restart survives; allowed: {_ALLOWED}")
        folder = Path(str(url.database)).parent
        try:
            if text is None:
                folder.mkdir(parents=True, exist_ok=True)
            exists = folder.is_dir()
        except OSError as error:
            raise ConfigError(f"cannot open the database {safe}: {error}") from error
        if not exists:
            raise ConfigError(f"cannot open the database {safe}: there is no folder {folder}")
    return url


def open_engine(url: sa.URL, synchronous: str) -> sa.Engine:
    """The engine of a database; nothing is opened yet.

    Args:
        url: From `database_url`.
        synchronous: SQLite's setting, NORMAL or FULL.

    Raises:
        ConfigError: if the driver is missing.
    """
    if url.get_backend_name() != "sqlite":
        try:
            return sa.create_engine(url, pool_pre_ping=True)  # some may have been cut off
        except ImportError as error:
            raise ConfigError(
                f"PostgreSQL's driver is missing ({error}); pip install 'ev-gym[postgres]'"
            ) from error
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_S})

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        _write_ahead(cursor)
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    return engine


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Put the file in WAL mode, which it keeps.

    The first switch cannot wait for the locks of other processes that are doing the same.
    """
    for wait_s in (0.05,) * 100:
        with contextlib.suppress(sqlite3.OperationalError):
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        time.sleep(wait_s)
    cursor.execute("PRAGMA journal_mode = WAL")


def cause_of(error: BaseException) -> str:
    """The first line of what the driver says, without SQLAlchemy's statement and values."""
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


@contextlib.contextmanager
def writer_turn(
    lock: threading.Lock, connection: Callable[[], sa.Connection]
) -> Iterator[sa.Connection]:
    """SQLite's one connection for writing, for one thread at a time; it waits at most `BUSY_S`.

    Another process may hold SQLite's own lock. The thread whose turn it is waits for that lock in
    SQLite, the others wait here; one that has waited here has that much less time left there.

    Args:
        lock: Guards the connection.
        connection: Gives it, once the lock is held.

    Raises:
        sqlalchemy.exc.TimeoutError: if its turn does not come.
    """
    until = time.monotonic() + BUSY_S
    if not lock.acquire(timeout=BUSY_S):
        raise TimeoutError("another process holds the database's lock")
    try:
        writer = connection()
        left_s = max(0.0, until - time.monotonic())
        late = left_s < 0.9 * BUSY_S
        if late:
            _wait_at_most(writer, left_s)
        try:
            yield writer
        finally:
            if late:
                _wait_at_most(writer, BUSY_S)
    finally:
        lock.release()


def _wait_at_most(writer: sa.Connection, seconds: float) -> None:
    """Set how long SQLite waits for the lock of another process."""
    driver: Any = writer.connection.driver_connection
    driver.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}").close()


@contextlib.contextmanager
def failures_as_problems(driver_error: type[Exception] = DBAPIError) -> Iterator[None]:
    """Raise a problem with status 503 where the database fails to answer.

    Args:
        driver_error: The driver's own errors, where it is asked without SQLAlchemy between.
    """
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, TimeoutError, driver_error) as error:
        LOG.exception("the database failed")
        detail = "the database does not answer; try again (the server's log says more)"
        raise Problem(503, detail, retry_after_s=1) from error
