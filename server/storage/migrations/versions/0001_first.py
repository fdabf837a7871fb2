"""Sessions with their operations and snapshots; stations with their ticks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables of the first version."""
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("made_at", sa.Float(53), nullable=False),
        sa.Column("used_at", sa.Float(53), nullable=False, index=True),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
    )
    for table, *columns in (
        (
            "operations",
            sa.Column("kind", sa.String(5), nullable=False),
            sa.Column("body", sa.LargeBinary, nullable=False),
        ),
        ("snapshots", sa.Column("state", sa.LargeBinary, nullable=False)),
    ):
        op.create_table(
            table,
            sa.Column(
                "session_id",
                sa.String(64),
                sa.ForeignKey("sessions.id", ondelete="CASCADE"),
                primary_key=True,
            ),
            sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
            *columns,
            sqlite_with_rowid=False,
        )
    op.create_table(
        "stations",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("saved", sa.Text, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "station_ticks",
        sa.Column("station", sa.String(255), primary_key=True),
        sa.Column("tick", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
