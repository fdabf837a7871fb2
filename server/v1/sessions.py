"""The sessions of `/v1`: envs that any worker process can go on with, and that no crash loses.

A session is what it was made of (`Spec`) and the log of its operations in the database. Dynamics
are deterministic, so that log *is* the session: its state, its last answer and the results of
every step are recomputed from it, and no answer is ever stored. A step so costs one INSERT of a few
bytes, committed before its answer goes out. Every `SNAPSHOT_EVERY` operations the state goes into
the same transaction: a restart replays fewer operations than that, some 20 ms for one household.

Each process keeps the envs of the sessions it used last. The log's primary key decides between
workers: each does an operation on its own env at the index it knows, then adds it to the log. If
that index is taken, it undoes the operation, catches up with the log, and looks again. A request
that carries its index is then a repeat of the operation that is there, or it has lost (409). One
without an index is done once more, at the new index, since another worker's earlier operations are
no race; if that is taken too it has lost as well. Nothing is ever done twice.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ev_gym.simulation.actions import as_numbers
from ev_gym.world.world import World
from server.http.metrics import count_steps
from server.http.problems import Problem
from server.storage.store import IndexTakenError, Operation, SessionGoneError, Store
from server.v1.limits import check_limits
from server.v1.refusals import other_index, refusing, too_many, unknown_session
from server.v1.replayed_env import RESET, STEP, Replica, Spec, reset_body, step_body
from server.v1.session_cache import Live, LiveSessions, load, new_replica, session_row
from server.v1.step_answer import Answer, Stepped, stepped

if TYPE_CHECKING:
    from server.config import Config

__all__ = ["Look", "Session", "Sessions", "Spec", "Stepped"]

SNAPSHOT_EVERY = 1000
REPLAY_BYTES = 4_000_000  # of operations read at a time
USE_S = 60.0  # how exactly the time of the last use is known
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Session(NamedTuple):
    """A session as it stands.

    Attributes:
        id: Its unguessable name.
        spec: What it is made of.
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
        session: It.
        last: What its last operation answered; None before the first reset.
        households: (n,) the households' records, `household_dtype`.
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
        self._live = LiveSessions()
        self._use_s = min(USE_S, config.idle_s / 10)
        self._expired_at = -float("inf")

    def create(self, spec: Spec) -> Session:
        """Make a session."""
        check_limits(spec, self._config)
        self._expire()
        most = self._config.max_sessions
        if self._store.count_sessions() >= most:
            raise too_many(most)
        with refusing():
            replica = new_replica(spec)
        row = session_row(secrets.token_urlsafe(24), replica, self._config.clock())
        if not self._store.add_session(row, most):  # others have been made meanwhile
            raise too_many(most)
        return _session(self._live.keep(Live(row, replica)))

    def session(self, session_id: str) -> Session:
        """A session as it stands."""
        with self._caught_up(session_id) as live:
            return _session(live)

    def spec(self, session_id: str) -> Spec:
        """What a session is made of."""
        return self._of(session_id).replica.spec

    def world(self, session_id: str) -> World:
        """The tables that a session's households live by."""
        return self._of(session_id).world

    def count(self) -> int:
        """How many sessions there are."""
        return self._store.count_sessions()

    def delete(self, session_id: str) -> bool:
        """Delete a session, of whatever version; whether there was one."""
        self._live.drop(session_id)
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
        live = self._of(session_id)
        spec = live.replica.spec
        with live.lock, refusing():
            return self._do(live, RESET, lambda at: reset_body(spec, at, seed, options), index)

    def step(self, session_id: str, action: Any, index: int | None = None) -> Answer:
        """Step all rows.

        Args:
            session_id: The session.
            action: An action as the env takes it, an array or nested lists.
            index: The index that the session is believed to have; None: whatever it has.
        """
        live = self._of(session_id)
        with live.lock, refusing():
            actions = as_numbers(action, live.replica.spec.continuous)
            body = step_body(actions)
            return self._do(live, STEP, lambda _: body, index, actions)

    def look(self, session_id: str) -> Look:
        """A session with its last answer and its state."""
        with self._caught_up(session_id) as live:
            simulator = live.replica.env.simulator
            tables = simulator.households.copy(), simulator.vehicles.copy()
            return Look(_session(live), live.replica.last, *tables)

    def steps(self, session_id: str, first: int = 0, limit: int | None = None) -> Iterator[Stepped]:
        """The results of the steps among some operations, one after the other.

        Recomputed on an env of their own, from the last snapshot before them.

        Args:
            session_id: The session.
            first: Index of the first operation, from 0.
            limit: Number of operations; None: all from there.
        """
        with self._caught_up(session_id) as live:
            spec, end = live.replica.spec, live.replica.index
        first = min(first, end)
        last = end if limit is None else min(end, first + limit)
        return self._recomputed(session_id, Replica(spec), first, last)

    def _recomputed(
        self, session_id: str, replica: Replica, first: int, end: int
    ) -> Iterator[Stepped]:
        kept = self._store.snapshot(session_id, first)
        if kept is not None:
            replica.jump(*kept)
        for operation in self._operations(session_id, replica, end):
            begin = replica.beginning_rows()
            answer = replica.take(operation)
            if operation.kind == STEP and operation.index >= first:
                yield stepped(answer, np.flatnonzero(~begin))

    def _do(
        self,
        live: Live,
        kind: str,
        body_at: Callable[[int], bytes],
        index: int | None,
        actions: NDArray[Any] | None = None,
    ) -> Answer:
        """Do an operation and add it to the log, or answer its repeat."""
        replica = live.replica
        for _ in range(2):
            if replica.index == 0 or (index is not None and index != replica.index):
                self._catch_up(live)
            at = replica.index if index is None else index
            if at != replica.index:
                return self._again(live, at, kind, body_at)
            if kind == STEP and at == 0:
                raise Problem(409, "the session has not begun; reset first", index=0)
            operation = Operation(at, kind, body_at(at))
            answer = replica.take(operation, actions)
            if self._append(live, operation):
                return answer
            self._catch_up(live)
        raise other_index(index, replica.index)

    def _append(self, live: Live, operation: Operation) -> bool:
        """Add what the replica has just done to the log, or undo it; whether nobody was faster."""
        replica = live.replica
        try:
            snapshot = replica.env.get_state() if replica.index % SNAPSHOT_EVERY == 0 else None
            self._store.append(live.id, *operation, snapshot)
        except SessionGoneError:
            self._live.drop(live.id)
            raise unknown_session() from None
        except IndexTakenError:
            replica.go_back()
            return False
        except BaseException:
            replica.go_back()
            raise
        if operation.kind == STEP:
            count_steps(replica.spec.rows, "v1")
        return True

    def _again(self, live: Live, at: int, kind: str, body_at: Callable[[int], bytes]) -> Answer:
        """The answer there was, if just this is what the session did last."""
        replica = live.replica
        if at == replica.index - 1 and replica.last is not None:
            asked = Operation(at, kind, body_at(at))
            if self._store.operations(live.id, at, at + 1) == [asked]:
                return replica.last
        raise other_index(at, replica.index)

    @contextlib.contextmanager
    def _caught_up(self, session_id: str) -> Iterator[Live]:
        live = self._of(session_id)
        with live.lock:
            self._catch_up(live)
            yield live

    def _catch_up(self, live: Live) -> None:
        """Bring a replica to the end of the log, its last answer included."""
        replica = live.replica
        end = self._store.next_index(live.id)
        if end < replica.index or (end == 0 and self._store.session(live.id) is None):
            self._live.drop(live.id)
            raise unknown_session()
        if end - replica.index > 1:
            kept = self._store.snapshot(live.id, end - 1)
            if kept is not None and kept[0] > replica.index:
                replica.jump(*kept)
        for operation in self._operations(live.id, replica, end):
            replica.take(operation)

    def _operations(self, session_id: str, replica: Replica, end: int) -> Iterator[Operation]:
        """The operations from where a replica stands to before `end`, which it is to take."""
        at_a_time = max(1, REPLAY_BYTES // (100 + 8 * replica.env.simulator.vehicles.size))
        while replica.index < end:
            upto = min(end, replica.index + at_a_time)
            part = self._store.operations(session_id, replica.index, upto)
            if not part:  # deleted meanwhile
                raise unknown_session()
            yield from part

    def _of(self, session_id: str) -> Live:
        """A session in memory, perhaps behind its log; loaded if it is not there; now in use."""
        self._expire()
        live = self._live.get(session_id)
        if live is None:
            row = self._store.session(session_id) if _ID.fullmatch(session_id) else None
            if row is None:
                raise unknown_session()
            live = self._live.keep(load(row))
        now = self._config.clock()
        if now - live.noted_at >= self._use_s:
            self._store.touch(live.id, now)
            live.noted_at = now
        return live

    def _expire(self) -> None:
        """Delete now and then the sessions that nobody has used for long."""
        now = self._config.clock()
        if now - self._expired_at < self._use_s:
            return
        self._expired_at, before = now, now - self._config.idle_s
        self._store.expire(before)
        self._live.drop_where(lambda live: live.noted_at < before)


def _session(live: Live) -> Session:
    return Session(live.id, live.replica.spec, live.replica.index, live.version)
