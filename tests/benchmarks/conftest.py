"""Speed as ratios: ours against Gymnasium's CartPole, taken in turn in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest

ROUNDS = 15


def ratio_of(ours: Callable[[], None], theirs: Callable[[], None]) -> tuple[float, float, float]:
    """Median seconds of ours and of theirs, and the median of theirs / ours, taken in turn."""
    pairs = []
    ours()
    theirs()
    for _ in range(ROUNDS):
        started = time.perf_counter()
        ours()
        between = time.perf_counter()
        theirs()
        pairs.append((between - started, time.perf_counter() - between))
    return (
        statistics.median(own for own, _ in pairs),
        statistics.median(other for _, other in pairs),
        statistics.median(other / own for own, other in pairs),
    )


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line on the terminal whatever pytest captures."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print("\n" + line, end="")

    return say
