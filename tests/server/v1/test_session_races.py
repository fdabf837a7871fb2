"""Several workers on one database: nothing is done twice, and who loses is told where it stands."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.config import Config
from server.http.problems import Problem
from server.storage.store import Store
from server.v1.replayed_env import Spec
from server.v1.sessions import Sessions
from server.v1.step_answer import Answer
from tests.support.session_twins import HOME, TWO_CARS, Twin, answers_alike, refused, some_action


def test_workers_take_turns(store: Store) -> None:
    """Each goes on where the other was, with and without an index; and is never in the way."""
    workers = [Sessions(store, Config()) for _ in range(2)]
    spec = Spec(HOME, 2)
    name, twin = workers[0].create(spec).id, Twin(spec)
    choice = np.random.default_rng(3)
    assert answers_alike(workers[1].reset(name), twin.reset(), spec)
    for index in range(1, 120):
        action = some_action(spec, choice)
        worker = workers[int(choice.random() < 0.5)]
        if index % 30 == 0:
            answer, local = worker.reset(name, index=index), twin.reset()
        else:
            answer = worker.step(name, action, index if choice.random() < 0.5 else None)
            local = twin.step(action)
        assert answer.index == index + 1
        assert answers_alike(answer, local, spec)
    assert [worker.session(name).index for worker in workers] == [120, 120]


def test_first_reset_elsewhere_is_known(store: Store) -> None:
    """A worker that has yet to see the first reset neither asks for one nor refuses a mask."""
    workers = [Sessions(store, Config()) for _ in range(3)]
    spec = Spec(HOME, 2)
    name, twin = workers[0].create(spec).id, Twin(spec)
    for worker in workers:
        assert worker.session(name).index == 0
    workers[0].reset(name)
    twin.reset()
    masked = {"reset_mask": [True, False]}
    assert answers_alike(workers[1].reset(name, None, masked), twin.reset(None, masked), spec)
    action = np.ones((2, 1), np.float32)
    assert answers_alike(workers[2].step(name, action), twin.step(action), spec)


def outcome(call: Callable[..., Any], *args: Any) -> Any:
    """What a call returns, or the problem it raises."""
    try:
        return call(*args)
    except Problem as problem:
        return problem


def raced(store: Store, carried: bool) -> None:
    """Four threads of two workers step one session at once, each with an action of its own."""
    workers = [Sessions(store, Config()) for _ in range(2)]
    spec = Spec(HOME)
    name, twin = workers[0].create(spec).id, Twin(spec)
    workers[0].reset(name)
    together = threading.Barrier(4)

    def run(thread: int) -> dict[int, tuple[float, Answer]]:
        worker, won, index = workers[thread % 2], {}, 1
        together.wait(10)
        for number in range(60):
            action = thread / 4 + number / 1000
            answer = outcome(worker.step, name, [action], index if carried else None)
            if isinstance(answer, Problem):
                assert answer.status == 409
                index = answer.extra["index"]
                assert f"the session's index is {index}" in answer.detail
                continue
            won[answer.index - 1] = (action, answer)
            index = answer.index
        return won

    with ThreadPoolExecutor(4) as pool:
        each = list(pool.map(run, range(4)))
    done = sorted(itertools.chain(*each))
    assert done == list(range(1, len(done) + 1))  # each index once, none missing
    assert len(done) == workers[0].session(name).index - 1 == workers[1].session(name).index - 1
    assert sum(map(bool, each)) > 1
    twin.reset()
    for index in done:
        action, answer = next(won[index] for won in each if index in won)
        assert answers_alike(answer, twin.step([action]), spec)


@pytest.mark.parametrize("carried", [True, False], ids=["with index", "without"])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_race_is_won_by_one(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, carried: bool
) -> None:
    make = request.getfixturevalue("postgres_database") if kind == "postgresql" else None
    opened = Store(make() if make else f"sqlite:///{tmp_path / 'server.db'}")
    raced(opened, carried)
    opened.close()


def lose_to(store: Store, patch: pytest.MonkeyPatch, others: list[Callable[[], Any]]) -> None:
    """Have somebody else's requests come in just before each of the next ones is written down."""
    append = store.append

    def slow(*args: Any) -> None:
        if others:
            others.pop(0)()
        append(*args)

    patch.setattr(store, "append", slow)


def test_lost_race_says_where_the_session_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'server.db'}"
    stores = [Store(url), Store(url)]
    one, other = (Sessions(each, Config()) for each in stores)
    spec = Spec(HOME)
    name, twin = one.create(spec).id, Twin(spec)
    one.reset(name)
    twin.reset()
    faster = [lambda: other.step(name, [1.0])]
    lose_to(stores[0], monkeypatch, faster)
    told = refused(409, one.step, name, [0.0], index=1)
    assert told.extra == {"index": 2}
    assert told.detail.startswith("index is 1; the session's index is 2, the number of its resets")
    first = twin.step([1.0])
    assert first[4]["charge_kw"] > 0
    # The same request by both, as when a client asks again elsewhere: both get the one answer.
    faster.append(lambda: other.step(name, [0.5], 2))
    assert answers_alike(one.step(name, [0.5], 2), twin.step([0.5]), spec)
    # Without an index the request is done after the other's; losing again it is not.
    faster.append(lambda: other.step(name, [0.25]))
    answer = one.step(name, [0.75])
    assert answer.index == 5
    twin.step([0.25])
    assert answers_alike(answer, twin.step([0.75]), spec)
    faster += [lambda: other.step(name, [0.25])] * 2
    told = refused(409, one.step, name, [0.75])
    assert told.extra == {"index": 7}
    assert told.detail.startswith("other requests went first; the session's index is 7")
    twin.step([0.25])
    twin.step([0.25])
    assert answers_alike(one.step(name, [0.0], 7), twin.step([0.0]), spec)
    for each in stores:
        each.close()


FAILURES = {
    "refused": lambda append, args: None,
    "lost after it was written": lambda append, args: append(*args),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_failing_database_leaves_no_half_step(
    store: Store, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    """Repeated with its index, a request is done once, whatever had become of it."""
    here = Sessions(store, Config())
    spec = Spec(TWO_CARS, 2)
    name, twin = here.create(spec).id, Twin(spec)
    append, fail = store.append, [False]

    def failing(*args: Any) -> None:
        if fail[0]:
            FAILURES[failure](append, args)
            raise Problem(503, "the database does not answer")
        append(*args)

    monkeypatch.setattr(store, "append", failing)
    for index in range(30):
        asked: dict[str, Any] = {"action": np.full((2, 2), index / 30)} if index else {}
        call = here.step if index else here.reset
        if index % 3 == 0:
            fail[0] = True
            refused(503, call, name, **asked, index=index)
            fail[0] = False
        if index == 0 and failure == "refused":
            told = refused(422, here.reset, name, options={"reset_mask": [True, False]})
            assert "the first reset needs all of them" in told.detail
        answer = call(name, **asked, index=index)
        assert answer.index == index + 1
        assert answers_alike(answer, (twin.step if index else twin.reset)(**asked), spec)


def test_deleted_session_is_gone_for_all(store: Store) -> None:
    workers = [Sessions(store, Config()) for _ in range(2)]
    for call in ("step", "step again", "look", "reset"):
        name = workers[0].create(Spec(HOME)).id
        workers[1].reset(name)
        workers[1].step(name, [1.0])
        assert workers[0].delete(name)
        assert not workers[0].delete(name)
        asked: dict[str, tuple[Any, ...]] = {
            "step": (workers[1].step, name, [1.0]),
            "step again": (workers[1].step, name, [1.0], 1),
            "look": (workers[1].look, name),
            "reset": (workers[1].reset, name, None, None, 2),
        }
        refused(404, *asked[call])
        refused(404, *asked[call])
    assert workers[0].count() == 0
