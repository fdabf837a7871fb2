"""Tasks over a Ray cluster of two nodes and a Dask cluster of two workers, on this machine.

They skip where Ray or Dask is not installed, unless EV_GYM_REQUIRE_CLUSTERS=1.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baselines.comparison import benchmark
from baselines.comparison.plan import Plan
from baselines.comparison.workers import run_all
from ev_gym.scenario import preset
from tests.support.worker_tasks import (
    Task,
    attempts,
    die_at_four,
    die_the_first_time,
    draw,
    draw_but_not_three,
    draw_slowly,
    node_id,
    process_id,
    same,
    tasks_of,
)

REQUIRED = os.environ.get("EV_GYM_REQUIRE_CLUSTERS") == "1"
STORE_BYTES = 80 * 2**20  # the least that Ray takes
# How soon Ray takes a node that does not answer for lost: of itself after half a minute. At one
# second it also lost the nodes of a machine that was merely busy.
QUICK_TO_MISS = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 20,
}
PLAN = Plan(
    scenarios=(preset("stockholm"),),
    policies=("random", "price_based", "uncontrolled"),
    seeds=(0, 1),
    households=3,
    days=2,
)


def needed(module: str, extra: str) -> Any:
    """The module of an extra; skips the test where it is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        if REQUIRED:
            raise
        pytest.skip(f"needs {module}: pip install 'ev-gym[{extra}]'")


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[Any]:
    """A head node and another, each with one CPU, and no usage statistics sent to anyone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster_utils = needed("ray.cluster_utils", "ray")
        node = {"num_cpus": 1, "object_store_memory": STORE_BYTES, "include_dashboard": False}
        node["_system_config"] = QUICK_TO_MISS
        cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=node)
        cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
        cluster.wait_for_nodes()
        yield cluster
        cluster.shutdown()


@pytest.fixture(scope="module")
def dask_cluster() -> Iterator[Any]:
    """A scheduler and two worker processes; a task is given up with its first worker."""
    distributed = needed("distributed", "dask")
    import dask

    config = {"distributed.scheduler.allowed-failures": 0}
    with (
        dask.config.set(config),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, worker_dashboard_address=None
        ) as cluster,
    ):
        yield cluster


@pytest.fixture(params=["dask", "ray"])
def cluster(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Arguments for run_all."""
    own = request.getfixturevalue(f"{request.param}_cluster")
    address = own.scheduler_address if request.param == "dask" else own.address
    return {"backend": request.param, "address": address}


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    folder = tmp_path / "traces"
    folder.mkdir()
    return folder


def test_results_are_those_of_this_process_and_no_part_is_done_twice(
    cluster: dict[str, Any], tmp_path: Path, traces: Path
) -> None:
    parts, tasks = tmp_path / "parts", tasks_of(traces, 30)
    with pytest.raises(KeyError, match="three") as caught:
        run_all(draw_but_not_three, tasks, parts=parts, **cluster)
    assert "in draw_but_not_three" in str(caught.value.__cause__)
    assert 0 < len(list(parts.iterdir())) == len(attempts(traces)) < 29
    (tmp_path / "mended").touch()
    results = run_all(draw_but_not_three, tasks, parts=parts, resume=True, **cluster)
    assert same(results, [draw(Task(number)) for number in range(30)])
    assert attempts(traces) == list(range(30))


def test_both_workers_of_dask_work(dask_cluster: Any) -> None:
    tasks = [Task(number) for number in range(8)]
    address = dask_cluster.scheduler_address
    processes = run_all(process_id, tasks, backend="dask", address=address)
    assert len(set(processes)) == 2
    assert os.getpid() not in processes


def test_both_nodes_of_ray_work(ray_cluster: Any) -> None:
    tasks = [Task(number) for number in range(8)]
    nodes = run_all(node_id, tasks, backend="ray", address=ray_cluster.address)
    assert len(set(nodes)) == 2


def test_a_worker_that_dies_is_replaced_and_the_run_ends_complete(
    cluster: dict[str, Any], tmp_path: Path, traces: Path
) -> None:
    results = run_all(die_the_first_time, tasks_of(traces, 8), **cluster)
    assert same(results, [draw(Task(number)) for number in range(8)])
    assert (tmp_path / "died").exists()


def test_a_task_that_always_kills_its_worker_is_named(
    cluster: dict[str, Any], traces: Path
) -> None:
    with pytest.raises(ChildProcessError, match=r"before they finished any of: .*number=4"):
        run_all(die_at_four, tasks_of(traces, 5), **cluster)


def test_a_node_of_ray_that_goes_away_is_done_without(ray_cluster: Any, traces: Path) -> None:
    third = ray_cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    ray_cluster.wait_for_nodes()

    def take_away() -> None:
        while len(attempts(traces)) < 5:
            time.sleep(0.01)
        ray_cluster.remove_node(third, allow_graceful=False)

    thread = threading.Thread(target=take_away)
    thread.start()
    results = run_all(draw_slowly, tasks_of(traces, 30), backend="ray", address=ray_cluster.address)
    thread.join()
    assert same(results, [draw(Task(number)) for number in range(30)])


def everything(**options: Any) -> list[Any]:
    """What a comparison finds, as bytes or text."""
    found = benchmark.compare(PLAN, lambda work, tasks: run_all(work, tasks, **options))
    frames = [found.episodes, found.days, found.summary, found.paired]
    steps = [part.steps for own in found.batches.values() for _, part in own]
    return [frame.to_csv() for frame in frames] + steps


@pytest.fixture(scope="module")
def here() -> list[Any]:
    return everything()


def test_a_comparison_has_the_same_bytes_wherever_it_runs(
    cluster: dict[str, Any], here: list[Any]
) -> None:
    assert all(here)
    assert everything(**cluster) == here
