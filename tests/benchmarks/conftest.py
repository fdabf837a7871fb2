"""Speed as ratios: ours against Gymnasium's CartPole, taken in turn in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

ROUNDS = 15


@pytest.fixture
def ratio_to(benchmark: Any) -> Callable[..., float]:
    """Time ours and theirs in turn; the median of theirs / ours, also in pytest-benchmark's table.

    One after the other, so that both see the same machine whatever else runs on it.
    """

    def measure(ours: Callable[[], None], theirs: Callable[[], None]) -> float:
        pairs = []
        ours()
        theirs()
        for _ in range(ROUNDS):
            started = time.perf_counter()
            ours()
            between = time.perf_counter()
            theirs()
            pairs.append((between - started, time.perf_counter() - between))
        ratio = statistics.median(other / own for own, other in pairs)
        benchmark.extra_info["ratio"] = round(ratio, 3)
        benchmark.pedantic(ours, rounds=3)
        return ratio

    return measure


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line on the terminal whatever pytest captures."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print("\n" + line, end="")

    return say
