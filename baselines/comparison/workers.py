"""Many tasks over many workers: this process, a pool of processes, a Ray or a Dask cluster.

joblib hands the tasks out (its backends loky, ray and dask); there is no scheduler here. What this
module adds is what a long run needs besides: finished parts on disk, so that an interrupted run can
be taken up again, and another attempt where a worker died.

It knows nothing of what tasks are: workers can import a function, which turns a picklable task into
a picklable result. Every result passes through pickle once, also within one process, so that it
does not show where it was computed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import joblib

T = TypeVar("T")
R = TypeVar("R")

BACKENDS = ("loky", "ray", "dask")
# Rounds in a row in which workers died and no task was finished, before a run gives up.
FRUITLESS_ROUNDS = 3
WAIT_S = 60  # for a Dask cluster without workers
DIGEST_BYTES = hashlib.sha256().digest_size
MESSAGE_TASKS, MESSAGE_CHARACTERS = 8, 200  # in an error; characters of each task


class WorkerTracebackError(Exception):
    """Where in a worker a task's exception came from: the cause of the exception raised here."""


def run_all(
    function: Callable[[T], R],
    tasks: Sequence[T],
    *,
    jobs: int | None = None,
    backend: str = "loky",
    address: str | None = None,
    parts: Path | None = None,
    resume: bool = False,
    progress: Callable[[int], object] | None = None,
) -> list[R]:
    """Call the function on every task; the results, in the order of the tasks.

    A task that raises ends the run: no further one is begun, those under way are finished and
    kept, and its exception is raised as it is, with the worker's traceback as its cause. A worker
    that dies (killed, out of memory, its machine gone) does not end the run. Dask begins its task
    again by itself, and what joblib, Ray or Dask raise leads to another round of the tasks that
    are missing; those that were under way come last, for one of them may be the reason.

    Args:
        function: Importable by the workers under its module and name.
        tasks: Picklable; `str(task)` names one in an error.
        jobs: Number of workers. None: with `loky` one, with `ray` one for each CPU of the cluster,
            which is also the most. With `dask` the cluster alone decides. A single one of `loky` is
            this process itself.
        backend: One of BACKENDS.
        address: Of the cluster: with `ray` as ray.init takes it (None: the environment variable
            RAY_ADDRESS, else a Ray of this machine alone), with `dask` that of its scheduler.
        parts: Folder in which each finished task's result lies until `clear_parts`; None: nowhere.
        resume: Take from `parts` what an earlier run of the same function and tasks has left
            there, and run only the rest. Without it the folder's parts are removed first.
        progress: Called with the number of tasks finished since the last call.

    Raises:
        ValueError: A backend, an address or a number of jobs that cannot be.
        ChildProcessError: Workers died in three rounds in a row that finished no task.
        OSError: The cluster does not answer.
    """
    check(jobs, backend, address)
    run = _Run(function, tasks, _Parts.of(parts, function, tasks), progress or (lambda count: None))
    if parts is not None and not resume:
        clear_parts(parts)
    run.take_up()
    if len(run.done) < len(tasks):
        with _worker_pool(backend, jobs, address) as worker_count:
            _run_missing(run, worker_count)
    return [pickle.loads(run.done[index]) for index in range(len(tasks))]


def check(jobs: int | None, backend: str, address: str | None) -> None:
    """Refuse workers that there cannot be.

    Raises:
        ValueError: A backend, an address or a number of jobs that cannot be; says what is allowed.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend {backend!r} is unknown; allowed: {', '.join(BACKENDS)}")
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs = {jobs}; allowed: 1 or more")
    if backend == "ray" and jobs == 1:
        raise ValueError("jobs = 1; allowed with backend ray: 2 or more")
    if backend == "loky" and address is not None:
        raise ValueError(f"address {address!r} is for backends ray and dask; allowed: none")
    if backend == "dask" and address is None:
        raise ValueError("backend dask needs its scheduler's address, as tcp://HOST:8786")
    if backend == "dask" and jobs is not None:
        raise ValueError(f"jobs = {jobs}; allowed with backend dask: none, its cluster decides")


def clear_parts(folder: Path) -> None:
    """Remove the parts of a run, and their folder where nothing else is in it."""
    for path in folder.glob("*.part"):
        path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


@dataclass(frozen=True)
class _Parts:
    """The results on disk: a file for each task, with a pickle behind its SHA-256.

    Its name is a hash of the function's name and the task's content, so that what another plan has
    left is never mistaken for a part of this one.
    """

    folder: Path
    names: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path | None, function: Any, tasks: Sequence[Any]) -> _Parts | None:
        if folder is None:
            return None
        caller = (function.__module__, function.__qualname__)
        return cls(folder, tuple(f"{joblib.hash((caller, task))}.part" for task in tasks))

    def read(self, index: int) -> bytes | None:
        """The pickled result; None where there is none, or a damaged one."""
        try:
            stored = (self.folder / self.names[index]).read_bytes()
        except FileNotFoundError:
            return None
        digest, payload = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
        return payload if hashlib.sha256(payload).digest() == digest else None

    def write(self, index: int, payload: bytes) -> None:
        """Write the whole file or nothing: an interruption leaves no half file under its name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(suffix=".part", dir=self.folder)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(payload).digest() + payload)
        os.replace(draft, self.folder / self.names[index])


@dataclass
class _Run:
    """The tasks, and the pickled results of those that are done, by the task's place."""

    function: Callable[[Any], Any]
    tasks: Sequence[Any]
    parts: _Parts | None
    progress: Callable[[int], object]
    done: dict[int, bytes] = field(default_factory=dict)

    def take_up(self) -> None:
        """Take what an earlier run has left."""
        for index in range(len(self.tasks)):
            payload = self.parts.read(index) if self.parts else None
            if payload is not None:
                self.done[index] = payload
        self.progress(len(self.done))

    def keep(self, index: int, payload: bytes) -> None:
        if self.parts:
            self.parts.write(index, payload)
        self.done[index] = payload
        self.progress(1)


def _run_missing(run: _Run, worker_count: Callable[[], int]) -> None:
    """Run rounds until nothing is missing, or too many in a row have finished no task."""
    waiting = [index for index in range(len(run.tasks)) if index not in run.done]
    fruitless = 0
    while waiting:
        before = len(run.done)
        begun: list[int] = []
        death = _round(run, waiting, begun, worker_count())
        suspects = [index for index in begun or waiting if index not in run.done]
        fruitless = 0 if len(run.done) > before else fruitless + 1
        if fruitless == FRUITLESS_ROUNDS:
            raise ChildProcessError(_death_message(run, suspects, death)) from death
        others = [index for index in waiting if index not in run.done and index not in suspects]
        waiting = others + suspects


def _death_message(run: _Run, suspects: list[int], death: Exception | None) -> str:
    tasks = [str(run.tasks[index])[:MESSAGE_CHARACTERS] for index in suspects[:MESSAGE_TASKS]]
    names = "; ".join(tasks)
    names += "; and others" if len(suspects) > MESSAGE_TASKS else ""
    done = f"{len(run.done)} of {len(run.tasks)} tasks are done"
    if run.parts:
        done += f" and lie in {run.parts.folder}: resume does only the others"
    reason = f"{type(death).__name__}: {death}".splitlines()[0][:MESSAGE_CHARACTERS]
    return (
        f"workers died {FRUITLESS_ROUNDS} times in a row before they finished any of: {names}. "
        f"The last time {reason}. Where memory is short, fewer jobs help. {done}"
    )


def _round(run: _Run, waiting: list[int], begun: list[int], n_jobs: int) -> Exception | None:
    """Hand out tasks until all are finished or one raises; the error of a worker that died."""
    failures: list[tuple[Exception, str]] = []

    def calls() -> Iterator[Any]:
        for index in waiting:
            if failures:
                return
            begun.append(index)
            try:
                # As bytes: Dask would place a large object on one worker, and lose both together.
                call = pickle.dumps((run.function, run.tasks[index]))
            except Exception as error:  # kept, for joblib may iterate in a thread of its own
                failures.append((error, traceback.format_exc()))
                return
            yield joblib.delayed(_attempt)(index, call)

    parallel = joblib.Parallel(n_jobs=n_jobs, batch_size=1, return_as="generator_unordered")
    death: Exception | None = None
    try:
        for index, succeeded, payload in _answers(parallel, calls()):
            if succeeded:
                run.keep(index, payload)
            else:
                failures.append(pickle.loads(payload))
    except _DeathError as ended:
        death = ended.reason
    if failures:
        error, text = failures[0]
        raise error from WorkerTracebackError(text)
    return death


class _DeathError(Exception):
    """What a joblib backend raised, told apart from what this module itself raises."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(reason)
        self.reason = reason


def _answers(parallel: Any, calls: Iterator[Any]) -> Iterator[tuple[int, bool, bytes]]:
    """The workers' answers as they come; exceptions of tasks are among them, not raised."""
    try:
        yield from parallel(calls)
    except Exception as error:  # those of joblib, loky, Ray and Dask have no type in common
        raise _DeathError(error) from error


def _attempt(index: int, call: bytes) -> tuple[int, bool, bytes]:
    """In the worker: a task's place, whether it succeeded, and the pickled result or exception."""
    try:
        function, task = pickle.loads(call)
        return index, True, pickle.dumps(function(task))
    except Exception as error:  # whatever the task raises is an answer too
        return index, False, pickle.dumps((_portable(error), traceback.format_exc()))


def _portable(error: Exception) -> Exception:
    """The exception, or its text where it does not survive pickling."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # a class that cannot be pickled may raise anything
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


@contextlib.contextmanager
def _worker_pool(
    backend: str, jobs: int | None, address: str | None
) -> Iterator[Callable[[], int]]:
    """Workers for joblib to use; yields a function that gives their number before each round.

    On a cluster it is never one: joblib would then run everything in this process, where a task
    that ends its worker would end the run.
    """
    if backend == "ray":
        with _ray(jobs, address) as count:
            yield count
    elif backend == "dask":
        with _dask(str(address)):
            yield lambda: -1
    else:
        with joblib.parallel_config(backend="loky"):
            yield lambda: jobs or 1


@contextlib.contextmanager
def _ray(jobs: int | None, address: str | None) -> Iterator[Callable[[], int]]:
    try:
        import ray
        from ray.util.joblib.ray_backend import RayBackend
    except ImportError as error:
        raise ValueError(_missing("ray")) from error
    starts_ray = not ray.is_initialized()
    if starts_ray:
        ray.init(address=address)
    workers = RayBackend()
    # joblib refuses generators for its multiprocessing backend, from which this one inherits; in
    # Ray's own pool each result has its own thread, as in the backends that support them.
    workers.supports_return_generator = True

    def count() -> int:
        cpus = int(ray.cluster_resources().get("CPU", 0))
        if workers.ray_remote_args is None:  # a share of a CPU each, for one worker on each CPU
            workers.ray_remote_args = {"num_cpus": 1 if cpus > 1 else 0.5}
        else:  # After a death nobody waits for a share: Ray may count a lost node for a while.
            workers.ray_remote_args = {"num_cpus": 0, "scheduling_strategy": "SPREAD"}
        return max(2, min(jobs or cpus, cpus))

    try:
        with joblib.parallel_config(backend=workers):
            yield count
    finally:
        if starts_ray:
            ray.shutdown()


@contextlib.contextmanager
def _dask(address: str) -> Iterator[None]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(_missing("dask")) from error
    with (
        Client(address, set_as_default=False) as client,
        joblib.parallel_config(backend=dask_backend(client)),
    ):
        yield


def dask_backend(client: Any) -> Any:
    """joblib's backend for Dask, changed in two methods.

    Its class stands in the private module `joblib._dask`, and the methods are joblib's inside too:
    the range of versions in `pyproject.toml` ends with the last one tried, and a test fails where
    they are others. They are needed because joblib

    - hears of results alone, and would wait for ever for a task that Dask has given up because its
      workers died: the error must be reported as well;
    - runs everything in this process where Dask has one worker with one thread.

    Args:
        client: A `distributed.Client`.
    """
    from joblib._dask import DaskDistributedBackend

    workers = DaskDistributedBackend(client=client, wait_for_workers_timeout=WAIT_S)
    submit, effective_n_jobs = workers.submit, workers.effective_n_jobs

    def submit_and_report(func: Any, callback: Any) -> Any:
        answer = submit(func, callback)
        answer.add_done_callback(lambda done: done.exception() and callback(done.exception()))
        return answer

    workers.submit = submit_and_report
    workers.effective_n_jobs = lambda n_jobs: max(2, effective_n_jobs(n_jobs))
    return workers


def _missing(backend: str) -> str:
    return f"backend {backend} needs a package that is missing: pip install 'ev-gym[{backend}]'"
