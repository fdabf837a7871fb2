"""The generator against published values, and its uniform and normal numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ev_gym.runtime.compiling import INTERPRETED, compiled
from ev_gym.runtime.counter_random import draw, mix, normal, stream_key, uniform

COUNT = 5_000 if INTERPRETED else 200_000


@pytest.mark.parametrize(
    ("seed", "published"),
    [
        # Vigna's splitmix64.c as run by Rosetta Code, and the JDK's SplittableRandom for 0.
        (
            1234567,
            (
                6457827717110365317,
                3203168211198807973,
                9817491932198370423,
                4593380528125082431,
                16408922859458223821,
            ),
        ),
        (0, (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)),
    ],
)
def test_draws_are_splitmix64(seed: int, published: tuple[int, ...]) -> None:
    """Draw i of a stream is output i of the published generator, in any order."""
    drawn = {i: int(draw(np.uint64(seed), i)) for i in reversed(range(len(published)))}
    assert [drawn[i] for i in range(len(published))] == list(published)


@compiled
def fill(out: Any, key: Any) -> None:
    """Uniform and normal draws (n, 2) of one stream."""
    for i in range(len(out)):
        out[i, 0] = uniform(key, i)
        out[i, 1] = normal(key, i)


def test_uniform_and_normal_numbers() -> None:
    """Uniform to Kolmogorov's 0.1 % bound, with 53 bits; normal scores of mean 0, variance 1."""
    out = np.zeros((COUNT, 2))
    fill(out, np.uint64(99))
    flat, bell = out.T
    assert flat.min() >= 0
    assert flat.max() < 1
    distance = np.abs(np.sort(flat) - np.arange(1, len(out) + 1) / len(out)).max()
    assert distance < 1.95 / np.sqrt(len(out))
    assert np.array_equal(flat * 2**53, np.floor(flat * 2**53))
    assert np.any((flat * 2**53) % 2 == 1)
    # Standard errors: mean 1/sqrt(n), variance about sqrt(2/n); four of them.
    assert abs(bell.mean()) < 4 / np.sqrt(len(out))
    assert abs(bell.var() - 1) < 4 * np.sqrt(2 / len(out))
    assert np.abs(bell).max() < 3.4642
    # Successive draws and the streams of successive keys share nothing.
    other = np.zeros_like(out)
    fill(other, np.uint64(100))
    for left, right in ((flat[1:], flat[:-1]), (flat, other[:, 0])):
        assert abs(np.corrcoef(left, right)[0, 1]) < 4 / np.sqrt(len(out))


def test_stream_keys_are_distinct_and_unlike() -> None:
    """Children of neighbouring keys and numbers: no two equal, each bit set half of the time."""
    children = np.array(
        [int(stream_key(np.uint64(k), s)) for k in range(40) for s in range(40)], np.uint64
    )
    assert len(np.unique(children)) == 1600
    bits = (children[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    # A share of 1,600 fair coins has standard deviation 0.0125; 64 bits, so 4.5 of them.
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 4.5 * 0.0125
    assert int(stream_key(np.uint64(5), 0)) != int(mix(np.uint64(5)))
