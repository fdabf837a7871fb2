"""Real time in ticks: a station's state is a function of how many whole ticks have passed.

No thread sleeps from tick to tick, so nothing drifts. A request reads the clock, and has the
simulation brought to the tick that the clock shows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

_MONOTONIC_ZERO_S = time.time() - time.monotonic()


def steady_s() -> float:
    """Seconds since 1970: the wall clock when the process began, and the time passed since then.

    So they run evenly, also where the wall clock is set back or forward.
    """
    return _MONOTONIC_ZERO_S + time.monotonic()


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
        read: Gives the seconds since some moment, as `time.time`. Where these go back, time stands
            still here until they have caught up.
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
        ticks = math.floor((self.now_s() - anchor.at_s) / self.tick_s)
        return anchor.tick + max(0, ticks)
