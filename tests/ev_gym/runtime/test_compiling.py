"""The one private door of Numba that we go through: where a dispatcher keeps its cache."""

from __future__ import annotations

from pathlib import Path

import numba
import pytest
from numba.core.caching import FunctionCache

from ev_gym.runtime import compiling


def twice(x: float) -> float:
    return 2.0 * x


@pytest.mark.skipif(compiling.INTERPRETED, reason="nothing is compiled")
def test_numba_uses_the_cache_that_is_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands where Numba's own would stand, and its keys decide what is found again."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert type(numba.njit(cache=True)(twice)._cache) is FunctionCache

    def found_on_disk(fingerprint: str) -> int:
        monkeypatch.setattr(compiling, "source_fingerprint", lambda *starts: fingerprint)
        dispatcher = numba.njit(twice)
        compiling._cache_on_disk(dispatcher, twice)
        assert dispatcher(1.5) == 3.0
        return sum(dispatcher.stats.cache_hits.values())

    assert [found_on_disk(name) for name in ("a", "a", "b", "a", "b")] == [0, 1, 0, 1, 1]


def test_options_of_the_compiler_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand in `compiling.py`, which no compiled function calls."""
    asked: list[object] = []
    monkeypatch.setattr(compiling, "source_fingerprint", lambda *starts: str(asked.extend(starts)))
    assert compiling._KeyedCache(twice)._fingerprint == "None"
    assert [start.__module__ for start in asked] == [__name__, compiling.__name__]
