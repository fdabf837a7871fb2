"""The sessions of `/v1`: envs that any worker process can go on with, and that no crash loses.

A session is its `Spec` and the log of its operations in the database. Dynamics are deterministic,
so that log *is* the session: its state, its last answer and the results of every step are
recomputed from it, and no answer is ever stored. So a step costs one INSERT of a few bytes,
committed before its answer goes out. Every `SNAPSHOT_EVERY` operations the state goes into the same
transaction: a restart replays fewer operations than that, some 20 ms for one household.

Each process keeps the envs of the sessions that it used last. The log's primary key decides between
workers: each does an operation on its own env at the index it knows, then adds it to the log. If
that index is taken, it undoes the operation, catches up with the log, and looks again. A request
that carries its index is then a repeat of the operation that is there, or it has lost (409). One
without an index is done once more, at the new index, since operations that another worker did
before are no race; if that index is taken too, it has lost as well. Nothing is ever done twice.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.simulation.actions import as_numbers
from ev_gym.world.world import World
from server.config import Config
from server.http.metrics import count_steps
from server.http.problems import Problem
from server.storage.store import IndexTakenError, Operation, SessionGoneError, Store
from server.v1.limits import check_limits
from server.v1.refusals import (
    refusals_as_problems,
    too_many_sessions,
    unknown_session,
    wrong_index,
)
from server.v1.replayed_env import RESET, STEP, ReplayedEnv, Spec, reset_body, step_body
from server.v1.session_cache import CachedSession, SessionCache, load, new_env, session_row
from server.v1.step_answer import Answer, StepResults, step_results

SNAPSHOT_EVERY = 1000
REPLAY_BYTES = 4_000_000  # of operations read at a time
USE_S = 60.0  # how exactly the time of the last use is known
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Session(NamedTuple):
    """A session as it stands.

    Attributes:
        id: Its unguessable name.
        spec: Its household, rows and seed.
        index: Resets and steps so far: the index of the next one.
        version: The program that made it.
    """

    id: str
    spec: Spec
    index: int  # type: ignore[assignment]  # hides a method of tuples
    version: str


class Look(NamedTuple):
    """A session with its last answer and its state.

    Attributes:
        session: The session.
        last: The answer to its last operation; None before the first reset.
        households: (n,) records, `household_dtype`.
        vehicles: (n, K) VEHICLE_DTYPE.
    """

    session: Session
    last: Answer | None
    households: NDArray[Any]
    vehicles: NDArray[Any]


class Sessions:
    """The sessions of one database.

    Its methods raise `Problem`: 404 for an unknown or expired session, 409 for one of another
    version or an operation that another went before, 422 for what is impossible (the text of
    ActionError, ResetError or ScenarioError), 429 for too many sessions, 503 if the database does
    not answer. Nothing has changed then, except that after a 503 the operation may be in the log:
    repeated with its index it is answered from there.

    Args:
        store: The database.
        config: Limits and clock.
    """

    def __init__(self, store: Store, config: Config) -> None:
        self._store, self._config = store, config
        self._cache = SessionCache()
        self._use_s = min(USE_S, config.idle_s / 10)
        self._expired_at = -float("inf")

    def create(self, spec: Spec) -> Session:
        """Make a session."""
        check_limits(spec, self._config)
        self._expire()
        most = self._config.max_sessions
        if self._store.count_sessions() >= most:
            raise too_many_sessions(most)
        with refusals_as_problems():
            replay = new_env(spec)
        row = session_row(secrets.token_urlsafe(24), replay, self._config.clock())
        if not self._store.add_session(row, most):  # others have been made in the meantime
            raise too_many_sessions(most)
        return _session(self._cache.keep(CachedSession(row, replay)))

    def session(self, session_id: str) -> Session:
        """A session as it stands."""
        with self._caught_up(session_id) as cached:
            return _session(cached)

    def spec(self, session_id: str) -> Spec:
        """What a session is made of."""
        return self._cached(session_id).replay.spec

    def world(self, session_id: str) -> World:
        """The tables by which a session's households live."""
        return self._cached(session_id).world

    def count(self) -> int:
        """How many sessions there are."""
        return self._store.count_sessions()

    def delete(self, session_id: str) -> bool:
        """Delete a session, of whatever version; whether there was one."""
        self._cache.drop(session_id)
        return _ID.fullmatch(session_id) is not None and self._store.delete_session(session_id)

    def reset(
        self,
        session_id: str,
        seed: int | list[int | None] | None = None,
        options: dict[str, Any] | None = None,
        index: int | None = None,
    ) -> Answer:
        """Reset all rows, or those of the option `reset_mask`.

        Args:
            session_id: The session.
            seed: None, a number, or one number or None for each row.
            options: As those of the env, in plain JSON values.
            index: The index that the session is believed to have; None: whatever it has.
        """
        cached = self._cached(session_id)
        spec = cached.replay.spec
        with cached.lock, refusals_as_problems():
            return self._do(cached, RESET, lambda at: reset_body(spec, at, seed, options), index)

    def step(self, session_id: str, action: Any, index: int | None = None) -> Answer:
        """Step all rows.

        Args:
            session_id: The session.
            action: An action as the env takes it, an array or nested lists.
            index: The index that the session is believed to have; None: whatever it has.
        """
        cached = self._cached(session_id)
        with cached.lock, refusals_as_problems():
            actions = as_numbers(action, cached.replay.spec.continuous)
            body = step_body(actions)
            return self._do(cached, STEP, lambda _: body, index, actions)

    def look(self, session_id: str) -> Look:
        """A session with its last answer and its state."""
        with self._caught_up(session_id) as cached:
            simulator = cached.replay.env.simulator
            state = simulator.households.copy(), simulator.vehicles.copy()
            return Look(_session(cached), cached.replay.last, *state)

    def steps(
        self, session_id: str, first: int = 0, limit: int | None = None
    ) -> Iterator[StepResults]:
        """The results of the steps among some operations, one after the other.

        Recomputed on an env of their own, from the last snapshot before them.

        Args:
            session_id: The session.
            first: Index of the first operation, from 0.
            limit: Number of operations; None: all from there.
        """
        with self._caught_up(session_id) as cached:
            spec, end = cached.replay.spec, cached.replay.index
        first = min(first, end)
        last = end if limit is None else min(end, first + limit)
        return self._recomputed(session_id, ReplayedEnv(spec), first, last)

    def _recomputed(
        self, session_id: str, replay: ReplayedEnv, first: int, end: int
    ) -> Iterator[StepResults]:
        snapshot = self._store.snapshot(session_id, first)
        if snapshot is not None:
            replay.jump(*snapshot)
        for operation in self._operations(session_id, replay, end):
            beginning = replay.beginning_rows()
            answer = replay.do(operation)
            if operation.kind == STEP and operation.index >= first:
                yield step_results(answer, np.flatnonzero(~beginning))

    def _do(
        self,
        cached: CachedSession,
        kind: str,
        body_at: Callable[[int], bytes],
        index: int | None,
        actions: NDArray[Any] | None = None,
    ) -> Answer:
        """Do an operation and add it to the log, or answer its repeat."""
        replay = cached.replay
        for _ in range(2):
            if replay.index == 0 or (index is not None and index != replay.index):
                self._catch_up(cached)
            at = replay.index if index is None else index
            if at != replay.index:
                return self._repeat(cached, at, kind, body_at)
            if kind == STEP and at == 0:
                raise Problem(409, "the session has not begun; reset first", index=0)
            operation = Operation(at, kind, body_at(at))
            answer = replay.do(operation, actions)
            if self._append(cached, operation):
                return answer
            self._catch_up(cached)
        raise wrong_index(index, replay.index)

    def _append(self, cached: CachedSession, operation: Operation) -> bool:
        """Add what the env has just done to the log, or undo it; False if another was faster."""
        replay = cached.replay
        try:
            snapshot = replay.env.get_state() if replay.index % SNAPSHOT_EVERY == 0 else None
            self._store.append(cached.id, *operation, snapshot)
        except SessionGoneError:
            self._cache.drop(cached.id)
            raise unknown_session() from None
        except IndexTakenError:
            replay.undo()
            return False
        except BaseException:
            replay.undo()
            raise
        if operation.kind == STEP:
            count_steps(replay.spec.rows, "v1")
        return True

    def _repeat(
        self, cached: CachedSession, at: int, kind: str, body_at: Callable[[int], bytes]
    ) -> Answer:
        """The answer that an operation had, if it is just what the session did last."""
        replay = cached.replay
        if at == replay.index - 1 and replay.last is not None:
            operation = Operation(at, kind, body_at(at))
            if self._store.operations(cached.id, at, at + 1) == [operation]:
                return replay.last
        raise wrong_index(at, replay.index)

    @contextlib.contextmanager
    def _caught_up(self, session_id: str) -> Iterator[CachedSession]:
        cached = self._cached(session_id)
        with cached.lock:
            self._catch_up(cached)
            yield cached

    def _catch_up(self, cached: CachedSession) -> None:
        """Bring an env to the end of the log, its last answer included."""
        replay = cached.replay
        end = self._store.next_index(cached.id)
        if end < replay.index or (end == 0 and self._store.session(cached.id) is None):
            self._cache.drop(cached.id)
            raise unknown_session()
        if end - replay.index > 1:
            snapshot = self._store.snapshot(cached.id, end - 1)
            if snapshot is not None and snapshot[0] > replay.index:
                replay.jump(*snapshot)
        for operation in self._operations(cached.id, replay, end):
            replay.do(operation)

    def _operations(self, session_id: str, replay: ReplayedEnv, end: int) -> Iterator[Operation]:
        """The operations from where an env stands to before `end`; the caller has it do each."""
        at_a_time = max(1, REPLAY_BYTES // (100 + 8 * replay.env.simulator.vehicles.size))
        while replay.index < end:
            until = min(end, replay.index + at_a_time)
            operations = self._store.operations(session_id, replay.index, until)
            if not operations:  # deleted in the meantime
                raise unknown_session()
            yield from operations

    def _cached(self, session_id: str) -> CachedSession:
        """A session in memory, loaded if it was not, perhaps behind its log; notes its use."""
        self._expire()
        cached = self._cache.get(session_id)
        if cached is None:
            row = self._store.session(session_id) if _ID.fullmatch(session_id) else None
            if row is None:
                raise unknown_session()
            cached = self._cache.keep(load(row))
        now = self._config.clock()
        if now - cached.noted_at >= self._use_s:
            self._store.touch(cached.id, now)
            cached.noted_at = now
        return cached

    def _expire(self) -> None:
        """Delete now and then the sessions that nobody has used for long."""
        now = self._config.clock()
        if now - self._expired_at < self._use_s:
            return
        self._expired_at, before = now, now - self._config.idle_s
        self._store.expire(before)
        self._cache.drop_where(lambda cached: cached.noted_at < before)


def _session(cached: CachedSession) -> Session:
    return Session(cached.id, cached.replay.spec, cached.replay.index, cached.version)
