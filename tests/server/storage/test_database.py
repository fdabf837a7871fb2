"""Opening a database: where it lies, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from server.config import ConfigError
from server.storage.store import Store


def test_database_by_default_is_in_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_data_dir", lambda name, appauthor: tmp_path / name)
    opened = Store()
    opened.close()
    assert (tmp_path / "ev_gym" / "server.db").is_file()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("nonsense", r"store is 'nonsense'; allowed: sqlite:///FILE, or postgresql://"),
        ("mysql://me:secret@here/db", r"store is 'mysql://me:\*\*\*@here/db'; allowed: sqlite"),
        ("sqlite://", "which no restart survives"),
        ("sqlite:///:memory:", "which no restart survives"),
        ("sqlite:///file:foo?mode=memory&uri=true", "allowed: sqlite:///FILE"),
        ("sqlite:///file::memory:?uri=true", "allowed: sqlite:///FILE"),
        ("sqlite://user@host/x", r"store is 'sqlite://user@host/x'; allowed: sqlite"),
        ("sqlite+aiosqlite:///x.db", r"store is 'sqlite\+aiosqlite:///x.db'; allowed: sqlite"),
        ("postgresql+nodriver://h/x", r"store is 'postgresql\+nodriver://h/x'; allowed: sqlite"),
        ("postgresql://h:port/x", "allowed: sqlite:///FILE, or postgresql://"),
        (f"sqlite:///{'x' * 300}/a.db", "cannot open the database sqlite:///xxx"),
        ("sqlite:////dev/null/a.db", "cannot open the database sqlite:////dev/null/a.db"),
        ("postgresql://me:secret@127.0.0.1:1/db", r"cannot open .*me:\*\*\*@.*refused"),
    ],
)
def test_wrong_databases_are_named(wrong: str, message: str) -> None:
    if wrong.startswith("postgresql"):
        pytest.importorskip("psycopg")
    with pytest.raises(ConfigError, match=message):
        Store(wrong)


def test_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unable to open database file"):
        Store(f"sqlite:///{tmp_path}")


def test_a_mistyped_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"there is no folder {tmp_path}/x/y"):
        Store(f"sqlite:///{tmp_path}/x/y/a.db")
    assert not (tmp_path / "x").exists()


def test_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"driver is missing .*pip install 'ev-gym\[postgres\]'"):
        Store("postgresql://me@127.0.0.1:1/db")
