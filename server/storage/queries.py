"""The statements that the store sends to the database."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from server.storage.schema import OPERATIONS, SESSIONS, SNAPSHOTS, STATION_TICKS, STATIONS

# Made once, here: SQLAlchemy keeps the SQL that it compiled for a statement with its object.
_ID = sa.bindparam("id", type_=sa.String())
_FIRST = sa.bindparam("first", type_=sa.BigInteger())
_END = sa.bindparam("end", type_=sa.BigInteger())
LARGEST = 2**63 - 1
COUNT_SESSIONS = sa.select(sa.func.count()).select_from(SESSIONS)
_NEW = sa.select(*(sa.bindparam(column.name, type_=column.type) for column in SESSIONS.c))
_HAS_ROOM = COUNT_SESSIONS.scalar_subquery() < sa.bindparam("most", type_=sa.BigInteger())
ADD_SESSION = (
    SESSIONS.insert()
    .from_select(SESSIONS.c.keys(), _NEW.where(_HAS_ROOM))
    .execution_options(preserve_rowcount=True)
)
SESSION = sa.select(SESSIONS).where(SESSIONS.c.id == _ID)
ADD_OPERATION = OPERATIONS.insert()
ADD_SNAPSHOT = SNAPSHOTS.insert()
LAST_INDEX = sa.select(sa.func.max(OPERATIONS.c.index)).where(OPERATIONS.c.session_id == _ID)
OPERATIONS_BETWEEN = (
    sa.select(OPERATIONS.c.index, OPERATIONS.c.kind, OPERATIONS.c.body)
    .where(OPERATIONS.c.session_id == _ID)
    .where(OPERATIONS.c.index >= _FIRST)
    .where(OPERATIONS.c.index < _END)
    .order_by(OPERATIONS.c.index)
)
SNAPSHOT = (
    sa.select(SNAPSHOTS.c.index, SNAPSHOTS.c.state)
    .where(SNAPSHOTS.c.session_id == _ID)
    .where(SNAPSHOTS.c.index <= _END)
    .order_by(SNAPSHOTS.c.index.desc())
    .limit(1)
)
STATION = sa.select(STATIONS.c.version, STATIONS.c.saved, STATIONS.c.state).where(
    STATIONS.c.name == _ID
)
STATION_VERSION = sa.select(STATIONS.c.version).where(STATIONS.c.name == _ID)
STATION_TICKS_FROM = (
    sa.select(STATION_TICKS.c.tick, STATION_TICKS.c.record)
    .where(STATION_TICKS.c.station == _ID)
    .where(STATION_TICKS.c.tick >= _FIRST)
    .order_by(STATION_TICKS.c.tick)
)


class DriverStatement(NamedTuple):
    """A statement as the driver takes it, for the two that every request waits for.

    SQLAlchemy's way from a statement's object to its text takes longer than SQLite's answer.

    Attributes:
        sql: Its text.
        names: The order of its parameters; None where the driver takes them by name.
    """

    sql: str
    names: tuple[str, ...] | None

    def parameters(self, values: dict[str, Any]) -> Any:
        """The parameters in the driver's form."""
        return values if self.names is None else tuple(values[name] for name in self.names)


def driver_statement(statement: sa.Executable, dialect: sa.Dialect) -> DriverStatement:
    """A statement in the form of the database's driver."""
    compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]  # they all have it
    names = tuple(compiled.positiontup) if compiled.positional else None
    return DriverStatement(str(compiled), names)
