"""The database: its schema and versions, the log's keys, the station's versions; on both kinds."""

from __future__ import annotations

import itertools
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from server.config import ConfigError
from server.http.problems import Problem
from server.storage import database, schema
from server.storage.store import IndexTakenError, Operation, SessionGoneError, SessionRow, Store

ROW = SessionRow("one", 1.0, 2.0, '{"a": 1}', "0.1 (1)")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that nobody has used yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'server.db'}"
    make = request.getfixturevalue("postgres_database")
    return str(make())


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


def rows_of(store: Store, table: str) -> int:
    with store.engine.connect() as connection:
        return int(connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) or 0)


def run_sql(store: Store, text: str) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.text(text))


def test_fresh_database_is_at_the_last_version(store: Store) -> None:
    """What the migrations make is what the code expects, and the last of them is `HEAD`."""
    config = AlembicConfig()
    config.set_main_option("script_location", "server.storage:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD
    with store.engine.connect() as connection:
        assert schema.schema_version(connection) == schema.HEAD
        options = {"version_table": schema.VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.METADATA) == []


def test_database_at_head_is_left_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Store(url)
    first.add_session(ROW)
    first.close()
    monkeypatch.setattr(schema, "upgrade", lambda _: pytest.fail("there is nothing to upgrade"))
    again = Store(url)
    assert again.session("one") == ROW
    again.close()


def test_alembic_loads_only_when_it_is_needed(tmp_path: Path) -> None:
    code = (
        "import sys; from server.storage.store import Store\n"
        f"Store({f'sqlite:///{tmp_path}/a.db'!r}).close()\n"
        "print('alembic' in sys.modules)"
    )
    for expected in ("True", "False"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout.strip() == expected


def test_later_version_is_refused(url: str) -> None:
    opened = Store(url)
    opened.add_session(ROW)
    run_sql(opened, f"UPDATE {schema.VERSION_TABLE} SET version_num = '0999'")
    opened.close()
    with pytest.raises(ConfigError, match=r"schema version '0999'.*does not know; allowed: 0001;"):
        Store(url)


def test_stores_that_start_together_upgrade_once(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        together = threading.Barrier(4)

        def start(_: int) -> Store:
            together.wait(10)
            return Store(url)

        stores = list(pool.map(start, range(4)))
    stores[0].add_session(ROW)
    assert [each.count_sessions() for each in stores] == [1] * 4
    for each in stores:
        each.close()


def test_session_comes_back_as_it_was(store: Store) -> None:
    assert store.session("one") is None
    store.add_session(ROW)
    store.touch("one", 7.25)
    assert store.session("one") == ROW._replace(used_at=7.25)
    assert store.count_sessions() == 1


def test_log_takes_each_index_once(store: Store) -> None:
    """Also where a snapshot comes with it, which then is not kept either."""
    store.add_session(ROW)
    assert store.next_index("one") == 0
    store.append("one", 0, "reset", b"{}")
    store.append("one", 1, "step", b"\0\xff", snapshot=b"state 2")
    with pytest.raises(IndexTakenError):
        store.append("one", 1, "step", b"other", snapshot=b"other")
    store.append("one", 2, "step", b"", snapshot=b"state 3")
    with pytest.raises(IndexTakenError):
        store.append("one", 0, "reset", b"{}", snapshot=b"state 1")
    with pytest.raises(SessionGoneError):
        store.append("two", 0, "reset", b"{}", snapshot=b"state 1")
    assert store.next_index("one") == 3
    done = [
        Operation(0, "reset", b"{}"),
        Operation(1, "step", b"\0\xff"),
        Operation(2, "step", b""),
    ]
    assert store.operations("one", 0, 99) == done
    assert store.operations("one", 1, 2) == done[1:2]
    assert store.snapshot("one", 1) is None
    assert store.snapshot("one", 2) == (2, b"state 2")
    assert store.snapshot("one", 99) == (3, b"state 3")


def test_what_is_deleted_leaves_nothing(store: Store) -> None:
    for name, used_at in (("one", 10.0), ("two", 20.0), ("three", 30.0)):
        store.add_session(ROW._replace(id=name, used_at=used_at))
        store.append(name, 0, "reset", b"{}", snapshot=b"state")
    assert store.delete_session("three")
    assert not store.delete_session("three")
    assert store.expire(20.0) == 1
    assert (store.session("one"), store.next_index("one")) == (None, 0)
    for table in ("sessions", "operations", "snapshots"):
        assert rows_of(store, table) == 1
    assert store.operations("two", 0, 9) == [Operation(0, "reset", b"{}")]


def test_station_is_saved_by_who_knows_its_version(store: Store) -> None:
    assert (store.load_station("here"), store.station_version("here")) == (None, None)
    ticks = [(number, bytes([number])) for number in range(6)]
    assert not store.save_station("here", 1, {}, b"early", ticks, 0)
    assert store.save_station("here", None, {"at": 1.5}, b"first", ticks[:2], 0)
    assert not store.save_station("here", None, {}, b"late", ticks[2:], 1)
    assert not store.save_station("here", 2, {}, b"late", ticks[2:], 1)
    assert store.load_station("here") == (1, {"at": 1.5}, b"first")
    assert store.station_ticks("here", 0) == ticks[:2]
    assert store.save_station("here", 1, {"at": 2}, b"second", ticks[2:], 1)
    assert store.load_station("here") == (2, {"at": 2}, b"second")
    assert store.station_version("here") == 2
    assert store.station_ticks("here", 0) == ticks[1:]
    assert store.station_ticks("here", 4) == ticks[4:]
    assert store.station_ticks("there", 0) == []


def test_writers_of_several_stores_do_not_hinder_each_other(url: str) -> None:
    stores = [Store(url) for _ in range(3)]
    stores[0].add_session(ROW)

    def write(number: int) -> list[int]:
        won = []
        for index in range(40):
            try:
                stores[number].append("one", index, "step", bytes([number]))
            except IndexTakenError:
                continue
            won.append(index)
        return won

    with ThreadPoolExecutor(3) as pool:
        won = list(pool.map(write, range(3)))
    done = stores[0].operations("one", 0, 99)
    assert [operation.index for operation in done] == list(range(40))
    assert sorted(itertools.chain(*won)) == list(range(40))
    for index, _, body in done:
        assert index in won[body[0]]
    for each in stores:
        each.close()


@pytest.mark.parametrize(("synchronous", "code"), [("NORMAL", 1), ("FULL", 2)])
def test_sqlite_runs_write_ahead(tmp_path: Path, synchronous: str, code: int) -> None:
    opened = Store(f"sqlite:///{tmp_path / 'a.db'}", synchronous)
    with opened._writes() as connection:
        shown = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert shown == ["wal", code, 1, 10_000]
    opened.close()


def test_database_that_does_not_answer_is_a_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process holds SQLite's lock; afterwards all goes on."""
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    opened = Store(f"sqlite:///{tmp_path / 'a.db'}")
    opened.add_session(ROW)
    holder = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Problem, match="the database does not answer; try again") as told:
        opened.append("one", 0, "reset", b"{}")
    assert told.value.status == 503
    holder.execute("ROLLBACK")
    holder.close()
    assert opened.next_index("one") == 0
    opened.append("one", 0, "reset", b"{}")
    opened.close()


def test_writers_behind_a_foreign_lock_do_not_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is told within the time for which SQLite would wait; one after the other would be 4."""
    monkeypatch.setattr(database, "BUSY_S", 0.5)
    opened = Store(f"sqlite:///{tmp_path / 'a.db'}")
    opened.add_session(ROW)
    holder = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    def write(number: int) -> tuple[int, float]:
        time.sleep(0.05 * number)
        began = time.monotonic()
        with pytest.raises(Problem) as told:
            opened.touch("one", 3.0)
        return told.value.status, time.monotonic() - began

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(write, range(4)))
    holder.execute("ROLLBACK")
    holder.close()
    assert [status for status, _ in told] == [503] * 4
    assert max(waited_s for _, waited_s in told) < 0.9
    with opened._writes() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 500
    opened.close()


def test_no_more_sessions_than_fit_are_added_by_any_number_of_stores(url: str) -> None:
    stores = [Store(url) for _ in range(4)]
    together = threading.Barrier(4)

    def add(number: int) -> list[bool]:
        together.wait(10)
        names = (f"{number}-{k}" for k in range(5))
        return [stores[number].add_session(ROW._replace(id=name), 7) for name in names]

    with ThreadPoolExecutor(4) as pool:
        added = list(itertools.chain(*pool.map(add, range(4))))
    assert sum(added) == stores[0].count_sessions() == 7
    assert stores[0].delete_session(next(iter(_ids(stores[0]))))
    assert stores[3].add_session(ROW, 7)
    assert not stores[2].add_session(ROW._replace(id="two"), 7)
    assert stores[0].session("one") == ROW
    for each in stores:
        each.close()


def _ids(store: Store) -> list[str]:
    with store.engine.connect() as connection:
        return list(connection.scalars(sa.text("SELECT id FROM sessions")))


def test_lost_connections_are_made_anew(postgres_database: Any) -> None:
    opened = Store(postgres_database())
    opened.add_session(ROW)
    admin = sa.create_engine(opened.url)
    with admin.begin() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    admin.dispose()
    assert opened.count_sessions() == 1
    opened.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_forked_worker_has_connections_of_its_own(tmp_path: Path) -> None:
    """As when a server loads the app before it forks its workers."""
    code = (
        "import os\n"
        "from server.storage.store import SessionRow, Store\n"
        f"store = Store({f'sqlite:///{tmp_path}/a.db'!r})\n"
        "store.add_session(SessionRow('one', 0.0, 0.0, '', ''))\n"
        "writer = store._writer\n"
        "if os.fork() == 0:\n"
        "    store.append('one', 0, 'reset', b'child')\n"
        "    assert store._writer is not writer\n"
        "    os._exit(0)\n"
        "assert os.wait()[1] == 0\n"
        "store.append('one', 1, 'step', b'parent')\n"
        "assert [o.body for o in store.operations('one', 0, 9)] == [b'child', b'parent']\n"
        "store.close()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
