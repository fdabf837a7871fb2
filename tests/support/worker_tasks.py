"""Tasks for the tests of worker processes: each attempt at one leaves a trace in a folder."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Task(NamedTuple):
    """A number to work on, and a folder in which each attempt leaves a trace."""

    number: int
    traces: str = ""


class HeavyError(Exception):
    """Cannot be pickled."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


def draw(task: Task) -> tuple[int, np.ndarray]:
    """A result with bits to compare."""
    if task.traces:
        (Path(task.traces) / f"{task.number}-{uuid.uuid4().hex}").touch()
    return task.number, np.random.default_rng(task.number).normal(size=5).cumsum()


def attempts(traces: Path) -> list[int]:
    return sorted(int(path.name.split("-")[0]) for path in traces.iterdir())


def same(results: list[Any], expected: list[Any]) -> bool:
    """Whether results are equal to the byte."""
    return [pickle.dumps(result) for result in results] == [pickle.dumps(e) for e in expected]


def draw_but_not_three(task: Task) -> tuple[int, np.ndarray]:
    if task.number == 3 and not (Path(task.traces).parent / "mended").exists():
        raise KeyError("three")
    time.sleep(0.03)  # longer than joblib takes to tell of the exception
    return draw(task)


def fail_heavily(task: Task) -> None:
    raise HeavyError(f"no {task.number}")


def die_the_first_time(task: Task) -> tuple[int, np.ndarray]:
    mark = Path(task.traces).parent / "died"
    if task.number == 2 and not mark.exists():
        mark.touch()
        os._exit(1)
    return draw(task)


def die_at_four(task: Task) -> tuple[int, np.ndarray]:
    if task.number == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return draw(task)


def die_often(task: Task) -> tuple[int, np.ndarray]:
    """Every third task ends its worker at its first attempt, after others have ended."""
    mark = Path(task.traces).parent / f"died-{task.number}"
    if task.number % 3 == 2 and not mark.exists():
        mark.touch()
        time.sleep(0.2)
        os._exit(1)
    return draw(task)


def draw_slowly(task: Task) -> tuple[int, np.ndarray]:
    time.sleep(0.2)
    return draw(task)


def tasks_of(traces: Path, count: int) -> list[Task]:
    return [Task(number, str(traces)) for number in range(count)]


def process_id(task: Task) -> int:
    time.sleep(0.1)
    return os.getpid()


def node_id(task: Task) -> str:
    import ray

    time.sleep(0.1)
    node: str = ray.get_runtime_context().get_node_id()
    return node
