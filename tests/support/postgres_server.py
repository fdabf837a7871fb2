"""A PostgreSQL server of the tests' own, from the system's `initdb` and `pg_ctl`."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def _binaries() -> Path:
    found = shutil.which("initdb")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found is None and not places:
        pytest.skip("needs PostgreSQL: there is no initdb")
    return Path(found or places[-1]).parent


def _other_user() -> list[str]:
    """How to start a command as somebody whom PostgreSQL accepts: it refuses to run as root."""
    if os.getuid() != 0:
        return []
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    user = next((name for name in ("postgres", "nobody") if name in names), None)
    if user is None or shutil.which("runuser") is None:
        pytest.skip("needs PostgreSQL, which does not run as root; there is no other user")
    return ["runuser", "-u", user, "--"]


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """A fresh server on a socket in a folder of its own; the URL of its database `postgres`."""
    if sys.platform == "win32":
        pytest.skip("needs a PostgreSQL on a Unix socket")
    pytest.importorskip("psycopg")
    binaries, as_user = _binaries(), _other_user()
    # Short, as a socket's path may have 100 characters only.
    folder = Path(tempfile.mkdtemp(prefix="ev_gym_pg_", dir="/tmp"))

    def call(*command: str | Path) -> None:
        done = subprocess.run(
            [*as_user, *map(str, command)], cwd="/", capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        if as_user:
            shutil.chown(folder, user=as_user[2])
        data = folder / "data"
        call(binaries / "initdb", "-D", data, "-U", "ev_gym", "-A", "trust", "--no-sync")
        settings = f"-k {folder} -c listen_addresses='' -c fsync=off -c shared_buffers=16MB"
        control = (binaries / "pg_ctl", "-D", data, "-w")
        call(*control, "-l", folder / "log", "-o", settings, "start")
        try:
            yield f"postgresql://ev_gym@/postgres?host={folder}"
        finally:
            call(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: str, name: str) -> str:
    """The URL of an empty database of the server at that URL."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")
