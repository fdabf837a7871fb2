"""Threads that share the rows where there are many; compiled code releases the GIL.

Numba's own `parallel=True` is not used: its pools abort under concurrent callers and after a fork.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

# With fewer rows than this for each thread, waking it costs more time than it saves.
ROWS_A_THREAD = 4096
MOST_THREADS = 8

_pools: dict[int, ThreadPoolExecutor] = {}


def available_cpus() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pool() -> ThreadPoolExecutor:
    """The pool of this process; after a fork the child makes one of its own."""
    process = os.getpid()
    if process not in _pools:
        _pools.clear()
        _pools[process] = ThreadPoolExecutor(MOST_THREADS - 1, "ev_gym-rows")
    return _pools[process]


def parts(rows: int) -> list[slice] | list[None]:
    """Slices of about equal length that cover the rows, one for each thread worth waking.

    [None], for all rows, where the calling thread is enough.
    """
    if rows < 2 * ROWS_A_THREAD:
        return [None]
    count = min(available_cpus(), rows // ROWS_A_THREAD, MOST_THREADS)
    if count < 2:
        return [None]
    edges = [rows * part // count for part in range(count + 1)]
    return [slice(first, end) for first, end in itertools.pairwise(edges)]


def shares(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Row numbers (m,) as such parts of about equal length."""
    return [rows if part is None else rows[part] for part in parts(len(rows))]


def run_parts(work: Callable[..., int], calls: list[tuple[Any, ...]]) -> int:
    """The sum of `work(*call)` over the calls; the first runs on this thread."""
    if len(calls) == 1:
        return work(*calls[0])
    others: list[Future[int]] = [_pool().submit(work, *call) for call in calls[1:]]
    return work(*calls[0]) + sum(other.result() for other in others)
