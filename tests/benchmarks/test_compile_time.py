"""`pytest tests/benchmarks`: how long a newcomer waits, with an empty cache in a fresh process."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.repository import environment

# Processor time is asserted: it is what an idle machine makes the user wait, and what a busy one
# does not change much.
FIRST_STEP_S, FIRST_BENCHMARK_S = 12.0, 30.0

STEP = (
    "import gymnasium, ev_gym; env = gymnasium.make('EVCharging-v0'); env.reset(seed=0); "
    "env.step(env.action_space.sample())"
)
VECTOR = (
    "import gymnasium, ev_gym; env = gymnasium.make_vec('EVCharging-v0', 16, "
    "vectorization_mode='vector_entry_point'); env.reset(seed=0); "
    "env.step(env.action_space.sample())"
)


def _seconds(folder: Path, *arguments: str) -> tuple[float, float]:
    """Processor time and time by the clock of a fresh Python with that folder's cache."""
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(NUMBA_CACHE_DIR=str(folder / "cache")),
        capture_output=True,
        text=True,
        timeout=600,
    )
    wall_s, now = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime, wall_s


@pytest.mark.skipif(sys.platform == "win32", reason="counts the processor time of children")
@pytest.mark.parametrize(
    ("what", "most_s", "arguments"),
    [
        ("make, reset and step of a single env", FIRST_STEP_S, ("-c", STEP)),
        ("the same of a vector env", FIRST_STEP_S, ("-c", VECTOR)),
        (
            "a benchmark of all default policies, two households for a day",
            FIRST_BENCHMARK_S,
            ("-c", "from baselines.cli.commands import main; main()", "benchmark", "--days", "1",
             "--households", "2", "--quiet"),
        ),
    ],
    ids=["single", "vector", "benchmark"],
)  # fmt: skip
def test_first_use(
    what: str,
    most_s: float,
    arguments: tuple[str, ...],
    tmp_path: Path,
    report: Callable[[str], None],
) -> None:
    """With an empty cache, and again with a full one."""
    cold, warm = _seconds(tmp_path, *arguments), _seconds(tmp_path, *arguments)
    report(f"first use, {what}: {cold[0]:.1f} s of processor time, {cold[1]:.1f} s by the clock")
    report(f"  with a full cache {warm[0]:.1f} s, {warm[1]:.1f} s")
    assert cold[0] < most_s
