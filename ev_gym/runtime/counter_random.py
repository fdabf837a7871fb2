"""A counter-based generator: SplitMix64 read by position.

Draw `i` (from 0) of a stream is `mix(key + (i + 1) * GOLDEN)`, which is output `i` of SplitMix64
seeded with `key` (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195; constants of Vigna's
splitmix64.c). A stream's state is two integers, its key and how many draws were taken, so it can
be saved, compared and continued. Keys are unsigned 64-bit integers.
"""

from __future__ import annotations

import numpy as np

from ev_gym.runtime.compiling import compiled

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
STREAM = np.uint64(0xD1342543DE82EF95)
ONE, S11, S16, S27, S30, S31, S32, S48 = (np.uint64(n) for n in (1, 11, 16, 27, 30, 31, 32, 48))
LOW_16 = np.uint64(0xFFFF)
SQRT_3 = 1.7320508075688772


@compiled
def mix(z: np.uint64) -> np.uint64:
    """SplitMix64's finalizer: a bijection of unsigned 64-bit integers."""
    z = (z ^ (z >> S30)) * MIX_1
    z = (z ^ (z >> S27)) * MIX_2
    return z ^ (z >> S31)


@compiled
def draw(key: np.uint64, counter: int) -> np.uint64:
    """Draw number `counter` (from 0) of the stream `key`: an unsigned 64-bit integer."""
    return mix(key + (np.uint64(counter) + ONE) * GOLDEN)


@compiled
def uniform(key: np.uint64, counter: int) -> float:
    """Draw number `counter` as a float in [0, 1), with 53 random bits."""
    return float(draw(key, counter) >> S11) * 2.0**-53


@compiled
def normal(key: np.uint64, counter: int) -> float:
    """Draw number `counter` as a nearly normal float: mean 0, variance 1, within +-3.47.

    The sum of the draw's four 16-bit parts (Irwin-Hall), which needs no transcendental function
    and so is the same on every machine.
    """
    bits = draw(key, counter)
    total = (bits & LOW_16) + ((bits >> S16) & LOW_16) + ((bits >> S32) & LOW_16) + (bits >> S48)
    return ((float(total) + 2.0) / 65536.0 - 2.0) * SQRT_3


@compiled
def stream_key(key: np.uint64, stream: int) -> np.uint64:
    """Key of the child stream number `stream`, independent of the parent and of its siblings."""
    return mix(mix(key) ^ ((np.uint64(stream) + ONE) * STREAM))
