"""Tasks over this process and a pool of processes: same results, parts on disk, deaths, ends."""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from joblib._dask import DaskDistributedBackend

from baselines.cli.benchmark import benchmark
from baselines.comparison.workers import check, clear_parts, dask_backend, run_all
from tests.support.repository import ROOT
from tests.support.worker_tasks import (
    Task,
    attempts,
    die_at_four,
    die_often,
    die_the_first_time,
    draw,
    draw_but_not_three,
    draw_slowly,
    fail_heavily,
    same,
    tasks_of,
)


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    folder = tmp_path / "traces"
    folder.mkdir()
    return folder


def test_results_are_those_of_a_loop_in_the_order_of_the_tasks() -> None:
    tasks = [Task(number) for number in (5, 3, 8, 1, 1)]
    expected = [draw(task) for task in tasks]
    for jobs in (None, 1, 2):
        assert same(run_all(draw, tasks, jobs=jobs), expected)
    assert run_all(draw, []) == []


def test_progress_counts_every_task_once(tmp_path: Path) -> None:
    tasks, ticks = [Task(number) for number in range(4)], list[int]()
    run_all(draw, tasks[:3], parts=tmp_path, progress=ticks.append)
    assert ticks == [0, 1, 1, 1]
    run_all(draw, tasks, parts=tmp_path, resume=True, progress=ticks.append)
    assert ticks[4:] == [3, 1]


def test_resume_does_what_is_missing_and_what_is_damaged(tmp_path: Path, traces: Path) -> None:
    parts, tasks = tmp_path / "parts", tasks_of(traces, 5)
    whole = run_all(draw, tasks, parts=parts)
    files = sorted(parts.iterdir())
    assert len(files) == 5
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-1])
    files[2].write_bytes(b"")
    again = run_all(draw, tasks, parts=parts, resume=True)
    assert same(again, whole)
    assert len(attempts(traces)) == 5 + 3
    assert sorted(parts.iterdir()) == files
    run_all(draw, tasks, parts=parts, resume=True)
    assert len(attempts(traces)) == 5 + 3
    run_all(draw, tasks, parts=parts)
    assert len(attempts(traces)) == 5 + 3 + 5


def test_parts_of_another_plan_are_not_used(tmp_path: Path, traces: Path) -> None:
    run_all(draw_slowly, tasks_of(traces, 1), parts=tmp_path / "parts")
    other = [Task(0, str(traces)), Task(1, str(traces))]
    run_all(draw, other, parts=tmp_path / "parts", resume=True)
    assert attempts(traces) == [0, 0, 1]


def test_clear_parts_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    run_all(draw, [Task(1)], parts=parts)
    (parts / "notes.txt").write_text("mine")
    clear_parts(parts)
    assert [path.name for path in parts.iterdir()] == ["notes.txt"]
    (parts / "notes.txt").unlink()
    clear_parts(parts)
    assert not parts.exists()
    clear_parts(parts)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_task_that_raises_ends_the_run_and_the_others_are_kept(
    jobs: int, tmp_path: Path, traces: Path
) -> None:
    parts, tasks = tmp_path / "parts", tasks_of(traces, 20)
    with pytest.raises(KeyError, match="three") as caught:
        run_all(draw_but_not_three, tasks, jobs=jobs, parts=parts)
    assert "in draw_but_not_three" in str(caught.value.__cause__)
    finished = attempts(traces)
    assert set(finished) >= {0, 1, 2}
    assert len(finished) < 19  # no further one is begun
    assert len(list(parts.iterdir())) == len(finished)
    (tmp_path / "mended").touch()
    results = run_all(draw_but_not_three, tasks, jobs=jobs, parts=parts, resume=True)
    assert [number for number, _ in results] == list(range(20))
    assert attempts(traces) == list(range(20))


def test_an_exception_that_cannot_travel_is_told_in_words() -> None:
    with pytest.raises(RuntimeError, match="HeavyError: no 7"):
        run_all(fail_heavily, [Task(7)])


def test_what_cannot_be_pickled_is_said_at_once(traces: Path) -> None:
    task = Task(1, lambda: None)  # type: ignore[arg-type]
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        run_all(draw, [task, task])


def test_a_part_that_cannot_be_written_ends_the_run(
    tmp_path: Path, traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: object, target: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("baselines.comparison.workers.os.replace", full)
    with pytest.raises(OSError, match="no space left"):
        run_all(draw, tasks_of(traces, 3), parts=tmp_path / "parts")
    assert attempts(traces) == [0]  # not taken for a worker's death


def test_a_worker_that_dies_is_replaced_and_the_run_ends_complete(
    tmp_path: Path, traces: Path
) -> None:
    tasks = tasks_of(traces, 8)
    results = run_all(die_the_first_time, tasks, jobs=2)
    assert same(results, [draw(Task(number)) for number in range(8)])
    assert (tmp_path / "died").exists()


def test_any_number_of_deaths_is_survived_while_tasks_get_done(traces: Path) -> None:
    results = run_all(die_often, tasks_of(traces, 12), jobs=2)
    assert same(results, [draw(Task(number)) for number in range(12)])


def test_a_task_that_always_kills_its_worker_is_named(
    tmp_path: Path, traces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baselines.comparison.workers.FRUITLESS_ROUNDS", 2)
    parts = tmp_path / "parts"
    tasks = [Task(number, str(traces)) for number in (4, 0, 1, 2, 3, 5, 6, 7, 8)]
    with pytest.raises(ChildProcessError, match=r"before they finished any of: .*number=4") as told:
        run_all(die_at_four, tasks, jobs=2, parts=parts)
    done = len(list(parts.iterdir()))
    assert done >= 1  # how many depends on what was under way beside it
    assert f"{done} of 9 tasks are done" in str(told.value)
    assert str(parts) in str(told.value)


INTERRUPTED = """
import signal
import sys
from pathlib import Path
from baselines.comparison.workers import run_all
from tests.support.worker_tasks import draw_slowly, tasks_of
# A shell starts what runs in the background with SIGINT ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
run_all(draw_slowly, tasks_of(Path(sys.argv[1]), 40), jobs=2, parts=Path(sys.argv[2]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs Ctrl-C as a signal to a process group")
def test_ctrl_c_leaves_the_parts_and_resume_does_the_rest(tmp_path: Path, traces: Path) -> None:
    parts = tmp_path / "parts"
    command = [sys.executable, "-c", INTERRUPTED, str(traces), str(parts)]
    run = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not parts.exists() or len(list(parts.iterdir())) < 3):
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGINT)
    _, stderr = run.communicate(timeout=30)
    assert b"KeyboardInterrupt" in stderr
    kept = len(list(parts.glob("*.part")))
    assert 3 <= kept < 40
    before = attempts(traces)
    tasks = tasks_of(traces, 40)
    results = run_all(draw_slowly, tasks[: kept + 2], parts=parts, resume=True)
    assert [number for number, _ in results] == list(range(kept + 2))
    assert len(attempts(traces)) - len(before) <= 4  # the two new ones, and what was under way


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "slurm"}, "'slurm' is unknown; allowed: loky, ray, dask"),
        ({"jobs": 0}, "jobs = 0; allowed: 1 or more"),
        ({"address": "tcp://x:1"}, "'tcp://x:1' is for backends ray and dask"),
        ({"backend": "dask"}, "needs its scheduler's address"),
        ({"backend": "dask", "address": "tcp://x:1", "jobs": 2}, "its cluster decides"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_all(draw, [Task(1)], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("backend", "package"), [("ray", "ray"), ("dask", "distributed")])
def test_a_missing_package_is_named_with_its_extra(
    backend: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"pip install 'ev-gym\[{backend}\]'"):
        run_all(draw, [Task(1)], backend=backend, address="tcp://127.0.0.1:1")


def test_the_commands_of_the_scaling_page_are_understood() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    commands = re.findall(r"^ {4}ev-gym benchmark (.+)$", page, flags=re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        options = benchmark.make_context("benchmark", shlex.split(command)).params
        check(options["jobs"], options["backend"], options["ray_address"] or options["scheduler"])


class DaskTask:
    """What joblib reads of a future of Dask."""

    def __init__(self, status: str) -> None:
        self.status = status


class Waiting:
    """Tasks of Dask with their results, one after the other; then the backend stops."""

    def __init__(self, backend: Any, results: dict[DaskTask, Any]) -> None:
        self.backend, self.results = backend, results

    async def __aiter__(self) -> AsyncIterator[tuple[DaskTask, Any]]:
        for pair in self.results.items():
            yield pair
        self.backend._continue = False


def test_joblib_still_keeps_silent_about_tasks_that_dask_has_given_up() -> None:
    """Why `dask_backend` changes a class of a private module, and what it changes.

    If this fails, joblib has changed. See whether the change is still needed and still works
    (`test_clusters`), and move the end of the range of versions in `pyproject.toml`.
    """
    changed = {"submit": ["func", "callback"], "effective_n_jobs": ["n_jobs"]}
    for method, arguments in changed.items():
        parameters = inspect.signature(getattr(DaskDistributedBackend, method)).parameters
        assert list(parameters) == ["self", *arguments]
    made_with = inspect.signature(DaskDistributedBackend).parameters
    assert {"client", "wait_for_workers_timeout"} < set(made_with)
    lost, finished = DaskTask("error"), DaskTask("finished")
    called: list[Any] = []
    backend = SimpleNamespace(
        _continue=True,
        _results={lost: Future(), finished: Future()},
        _callbacks={lost: called.append, finished: called.append},
    )
    answers = dict(backend._results)
    error = ConnectionError("its workers died")
    backend.waiting_futures = Waiting(backend, {lost: (None, error, None), finished: "result"})
    asyncio.run(DaskDistributedBackend._collect(backend))
    assert answers[lost].exception() is error
    assert answers[finished].result() == "result"
    assert called == ["result"]  # and nothing of the other


def test_the_changed_backend_reports_them_and_never_has_one_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same two answers, from joblib's own methods for a client without a cluster."""
    answer: Future[Any] = Future()
    monkeypatch.setattr(DaskDistributedBackend, "__init__", lambda self, **_: None)
    monkeypatch.setattr(DaskDistributedBackend, "submit", lambda self, func, callback: answer)
    monkeypatch.setattr(DaskDistributedBackend, "effective_n_jobs", lambda self, n_jobs: 1)
    workers, called = dask_backend(None), []
    assert workers.effective_n_jobs(-1) == 2
    assert workers.submit(None, called.append) is answer
    error = ConnectionError("its workers died")
    answer.set_exception(error)
    assert called == [error]
