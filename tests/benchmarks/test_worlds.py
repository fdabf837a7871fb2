"""`pytest tests/benchmarks`: what the worlds of a split take, and what quarter-hours cost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import ev_gym  # noqa: F401  # registers the env

Ratio = Callable[..., float]

BUILD = """
import sys, time
from pathlib import Path
from ev_gym.scenario import preset
from ev_gym.world.world import build_world

def memory_mb(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(name))
    return int(line.split()[1]) / 1024

name, split = sys.argv[1:]
build_world(preset(name), None, None)  # loads the machine code
Path("/proc/self/clear_refs").write_text("5")  # from here on the peak is counted anew
before_mb, started = memory_mb("VmRSS"), time.process_time()
build_world(preset(name), None, split)
print(time.process_time() - started, memory_mb("VmHWM") - before_mb)
"""
SAMPLES, STEPS, ROWS = 64, 4 * 97, 1024


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read as on Linux")
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", ["stockholm", "stockholm-villa"])
def test_the_worlds_of_a_split(name: str, split: str, report: Callable[[str], None]) -> None:
    """Series, tables and starts of eight or four worlds: below 2 s and 150 MB once compiled."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, name, split], capture_output=True, text=True, check=True
    )
    seconds, memory_mb = map(float, done.stdout.split())
    report(f"worlds of {split} of {name}: {seconds:.2f} s of processor time, {memory_mb:.0f} MB")
    assert seconds < 2.0
    assert memory_mb < 150.0


@pytest.mark.parametrize(("besides", "least"), [("nothing", 0.8), ("a copy", 0.95)])
def test_quarter_hours_cost_the_copy_of_a_longer_window(
    besides: str, least: float, ratio_to: Ratio, report: Callable[[str], None]
) -> None:
    """A step that shows 144 prices takes no more than one that shows 36 and a copy of the rest.

    The copy is NumPy's: for each row 108 numbers from a place of its own in a table of a year.
    """
    envs: list[Any] = [
        gym.make_vec("EVCharging-v0", ROWS, "vector_entry_point", scenario=scenario, copy=False)
        for scenario in ("stockholm", {"preset": "stockholm", "price_window": "hourly"})
    ]
    for env in envs:
        env.reset(seed=0)
        env.action_space.seed(0)
    actions = [envs[0].action_space.sample() for _ in range(SAMPLES)]
    numbers = envs[0].observation_space.shape[1] - envs[1].observation_space.shape[1]
    assert numbers == 108
    table = np.random.default_rng(0).random((53 * 672, numbers)).astype(np.float32)
    places = np.random.default_rng(1).integers(len(table), size=(SAMPLES, ROWS))
    copies = np.empty((ROWS, numbers), np.float32)

    def quarters() -> None:
        for step in range(STEPS):
            envs[0].step(actions[step % SAMPLES])

    def hours() -> None:
        for step in range(STEPS):
            envs[1].step(actions[step % SAMPLES])
            if besides == "a copy":
                np.take(table, places[step % SAMPLES], axis=0, out=copies, mode="clip")

    ratio = ratio_to(quarters, hours)
    report(f"quarter-hours: {ratio:.2f} of the speed with hours and {besides} besides")
    assert ratio >= least
