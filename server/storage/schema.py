"""The database's tables, and their upgrade to the version that this code knows.

Whoever changes a table adds a file to `server/storage/migrations/versions`, and its number as
`HEAD`.
"""

from __future__ import annotations

import sqlalchemy as sa

from server.config import ConfigError

HEAD = "0001"
VERSION_TABLE = "ev_gym_schema"
# PostgreSQL's locks are numbers; other programs on the same database are unlikely to use these.
UPGRADE_LOCK = 0x45565F47594D
SESSIONS_LOCK = UPGRADE_LOCK + 1

METADATA = sa.MetaData()


def _session_id() -> sa.Column[str]:
    owner = sa.ForeignKey("sessions.id", ondelete="CASCADE")
    return sa.Column("session_id", sa.String(64), owner, primary_key=True)


def _counter(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


SESSIONS = sa.Table(
    "sessions",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("made_at", sa.Float(53), nullable=False),
    sa.Column("used_at", sa.Float(53), nullable=False, index=True),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
)

OPERATIONS = sa.Table(
    "operations",
    METADATA,
    _session_id(),
    _counter("index"),
    sa.Column("kind", sa.String(5), nullable=False),
    _bytes("body"),
    sqlite_with_rowid=False,
)

SNAPSHOTS = sa.Table(
    "snapshots",
    METADATA,
    _session_id(),
    _counter("index"),
    _bytes("state"),
    sqlite_with_rowid=False,
)

STATIONS = sa.Table(
    "stations",
    METADATA,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("saved", sa.Text, nullable=False),
    _bytes("state"),
)

STATION_TICKS = sa.Table(
    "station_ticks",
    METADATA,
    sa.Column("station", sa.String(255), primary_key=True),
    _counter("tick"),
    _bytes("record"),
    sqlite_with_rowid=False,
)


def schema_version(connection: sa.Connection) -> str | None:
    """The version of a database's schema; None: it has none yet."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    version: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return version


def bring_to_head(engine: sa.Engine) -> None:
    """Make the tables, or upgrade them, where that is not done yet.

    Workers may start together, so the upgrade is one transaction under a lock, and looks again once
    it holds the lock. Alembic is only imported where there is something to do.

    Raises:
        ConfigError: if the database was written by a later version of this program.
    """
    with engine.connect() as connection:
        if schema_version(connection) == HEAD:
            return
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(UPGRADE_LOCK)))
        if schema_version(connection) != HEAD:
            upgrade(connection)
        connection.commit()


def upgrade(connection: sa.Connection) -> None:
    """Run the migrations that a database lacks, in the connection's transaction."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "server.storage:migrations")
    script = ScriptDirectory.from_config(config)
    known = [revision.revision for revision in script.walk_revisions()]
    version = schema_version(connection)
    if version is not None and version not in known:
        raise ConfigError(
            f"the database has schema version {version!r}, which this ev_gym does not know; "
            f"allowed: {', '.join(sorted(known))}; take a later ev_gym, or another database"
        )
    command.upgrade(config, "head")
