"""Opening the database: its URL, its driver, and how SQLite is set up."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, TimeoutError

from server.config import ConfigError
from server.problems import Problem

LOG = logging.getLogger("server.database")
BUSY_S = 10.0
DRIVERS = ("sqlite", "postgresql")
_ALLOWED = "sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/NAME"


def database_url(given: str | None) -> sa.URL:
    """The URL of a database, None for the one by default; the folder of an SQLite file is made.

    Raises:
        ConfigError: if it is no URL, of neither SQLite nor PostgreSQL, or in memory.
    """
    if given is None:
        import platformdirs

        path = Path(platformdirs.user_data_dir("ev_gym", appauthor=False)) / "server.db"
        url = sa.URL.create("sqlite", database=str(path))
    else:
        try:
            url = sa.make_url(given)
        except sa.exc.ArgumentError:
            raise ConfigError(f"store is {given!r}; allowed: {_ALLOWED}") from None
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() not in DRIVERS:
        raise ConfigError(f"store is {shown!r}; allowed: {_ALLOWED}")
    if url.drivername == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise ConfigError(f"store is {shown!r}, which no restart survives; allowed: {_ALLOWED}")
        try:
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot open the database {shown}: {error}") from error
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
            return sa.create_engine(url)
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
    """What the driver says, in its first line, without statement and values."""
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


@contextlib.contextmanager
def answering(driver_error: type[Exception] = DBAPIError) -> Iterator[None]:
    """Have a database that fails to answer told as a problem with status 503.

    Args:
        driver_error: The driver's own errors, where it is asked without SQLAlchemy between.
    """
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, TimeoutError, driver_error) as error:
        LOG.exception("the database failed")
        told = "the database does not answer; try again (the server's log says more)"
        raise Problem(503, told, retry_after_s=1) from error
