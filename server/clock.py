"""Real time in ticks: a station's state is a function of how many whole ticks have passed.

No thread sleeps and drifts. Whoever asks reads the clock, and the simulation is brought to the
tick that the clock shows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

_BEGAN_S = time.time() - time.monotonic()


def steady_s() -> float:
    """Seconds since 1970, by the wall clock when the process began.

    From then on they go on evenly, also where the wall clock is set back or forward.
    """
    return _BEGAN_S + time.monotonic()


class Anchor(NamedTuple):
    """The moment at which a tick began.

    Attributes:
        at_s: Seconds of the clock.
        tick: Number of that tick.
    """

    at_s: float
    tick: int


class TickClock:
    """A clock that counts ticks and never goes backward.

    Args:
        read: Seconds since some moment, as `time.time`. Where it is set back, time stands still
            here until it has caught up.
        tick_s: Seconds of one tick.
    """

    def __init__(self, read: Callable[[], float], tick_s: float) -> None:
        self.tick_s = tick_s
        self._read = read
        self._seen_s = -math.inf

    def now_s(self) -> float:
        """Seconds of the clock, never fewer than before."""
        self._seen_s = max(self._seen_s, self._read())
        return self._seen_s

    def tick(self, anchor: Anchor) -> int:
        """Number of the tick that runs now, never one before the anchor's."""
        passed = math.floor((self.now_s() - anchor.at_s) / self.tick_s)
        return anchor.tick + max(0, passed)
