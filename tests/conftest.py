"""Fixtures shared by the tests."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from hypothesis import settings

from ev_gym.runtime import compiling
from server.config import Config
from server.storage.store import Store
from server.v1.sessions import Sessions
from tests.support import postgres_server
from tests.support.real_server import serving

# Tests compare what commands print, whoever of them compiles first.
compiling.Announcement.done = True

# Deadlines measure the machine, and the first example of a property compiles.
settings.register_profile("ev_gym", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ev_gym")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who compiles for long into a cache of its own comes first.

    Meanwhile the other worker fills the common cache, or both would compile the same at once.
    """
    items.sort(key=lambda item: item.get_closest_marker("own_cache") is None)


@pytest.fixture(scope="session")
def measured_folder() -> Path:
    """The folder of measured series: EV_GYM_DATA, or `shared/data` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EV_GYM_DATA") or beside)
    if not folder.is_dir():
        pytest.skip("needs the measured series: set EV_GYM_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def postgres_database() -> Iterator[Callable[[], str]]:
    """A function that makes an empty PostgreSQL database and returns its URL.

    The test is skipped where PostgreSQL cannot be started.
    """
    with postgres_server.postgres_server() as server:
        numbers = itertools.count()
        yield lambda: postgres_server.new_database(server, f"test_{next(numbers)}")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A database of its own, in SQLite."""
    opened = Store(f"sqlite:///{tmp_path / 'server.db'}")
    yield opened
    opened.close()


@pytest.fixture
def here(store: Store) -> Sessions:
    """The sessions of a server on that database."""
    return Sessions(store, Config())


@pytest.fixture(scope="module")
def http() -> Iterator[requests.Session]:
    """A client that keeps its connection through the tests of a file."""
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for the tests of a file: its address."""
    with serving(tmp_path_factory.mktemp("server"), max_num_envs=64) as address:
        yield address
