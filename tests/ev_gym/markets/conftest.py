"""Sources that a test plays: short waits, a cache of its own, and a clock that stands."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import platformdirs
import pytest

from ev_gym.markets import fetching, records

NOW = datetime(2025, 11, 20, 9, 0, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The cache's folder."""
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setattr(fetching, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(fetching, "LIMIT_WAIT_S", 0.001)
    monkeypatch.setattr(fetching, "READ_S", 0.2)
    monkeypatch.setattr(records, "now", lambda: NOW)
    return tmp_path / "cache"
