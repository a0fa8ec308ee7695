"""Timelines are kept in months; and timeline rules of workspaces, every version of them.

The table that was there becomes the part for what is older than the first month, as it is: a
second per million events, to look that it has nothing newer. Profile stands meanwhile.
Revision: 0009, follows 0007.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = "profile"
BEFORE = 12
"""Months before this one that an empty timeline has: a first import is of the past."""
AHEAD = 3
KEY = ("workspace", "identifier_id", "timestamp", "source", "message_id")
START = {
    "identifier_id": "'00000000-0000-0000-0000-000000000000'::uuid",
    "timestamp": "'-infinity'::timestamptz",
    "source": "''::text",
    "message_id": "''::text",
}


def upgrade() -> None:
    _own_tables()
    bind = op.get_bind()
    now = bind.execute(sa.text("SELECT now()")).scalar_one().astimezone(UTC)
    this = now.year * 12 + now.month - 1
    filled = bind.execute(sa.text("SELECT 1 FROM profile.timeline LIMIT 1")).first() is not None
    if filled:
        _require_alone()
    first = this + 1 if filled else this - BEFORE
    last = this + AHEAD
    _rename("timeline", "timeline_early", "ix_timeline_timestamp")
    _timeline(partitioned=True)
    for month in range(first, last + 1):
        _part(
            f"timeline_{month // 12:04}_{month % 12 + 1:02}",
            f"FROM ('{_start(month)}') TO ('{_start(month + 1)}')",
        )
    _part("timeline_late", f"FROM ('{_start(last + 1)}') TO (MAXVALUE)")
    later = f"timestamp >= '{_start(first)}'"
    # Clocks that were ahead; they are few.
    op.execute(
        f"WITH moved AS (DELETE FROM profile.timeline_early WHERE {later} RETURNING *) "
        f"INSERT INTO profile.timeline ({', '.join(KEY)}, event) "
        f"SELECT {', '.join(KEY)}, event FROM moved"
    )
    op.execute(
        "ALTER TABLE profile.timeline ATTACH PARTITION profile.timeline_early "
        f"FOR VALUES FROM (MINVALUE) TO ('{_start(first)}')"
    )


def downgrade() -> None:
    bind = op.get_bind()
    if bind.execute(sa.text("SELECT 1 FROM profile.timeline_closing LIMIT 1")).first():
        message = (
            "Months of the timeline are being dropped, and their events are not all in the sums "
            "yet: let profile run for some minutes, then downgrade."
        )
        raise RuntimeError(message)
    _rename("timeline", "timeline_in_months", None)
    _timeline(partitioned=False)
    columns = f"{', '.join(KEY)}, event"
    op.execute(
        f"INSERT INTO profile.timeline ({columns}) SELECT {columns} FROM profile.timeline_in_months"
    )
    op.create_index(
        op.f("ix_timeline_timestamp"),
        "timeline",
        ["timestamp"],
        schema=SCHEMA,
        postgresql_using="brin",
    )
    op.drop_table("timeline_in_months", schema=SCHEMA)
    for table in ("timeline_sweep", "timeline_rules", "timeline_closing"):
        op.drop_table(table, schema=SCHEMA)


def _require_alone() -> None:
    """A process of the version before would remove events by their place in one table."""
    others = op.get_bind().execute(
        sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'profile-%' "
            "AND datname = current_database() AND pid <> pg_backend_pid()"
        )
    )
    if count := others.scalar():
        message = (
            f"profile still runs ({count} connections): stop all its processes first. One of the "
            "version before does not know that timelines are kept in months, and its retention "
            "would remove events that are to stay."
        )
        raise RuntimeError(message)


def _start(month: int) -> str:
    """The first instant of a month, counted from the year 0."""
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).isoformat()


def _rename(table: str, name: str, brin: str | None) -> None:
    op.rename_table(table, name, schema=SCHEMA)
    op.execute(f"ALTER TABLE profile.{name} RENAME CONSTRAINT pk_{table} TO pk_{name}")
    if brin is not None:
        op.execute(f"ALTER INDEX profile.{brin} RENAME TO ix_{name}_timestamp")


def _timeline(*, partitioned: bool) -> None:
    op.create_table(
        "timeline",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column(
            "identifier_id",
            sa.UUID(),
            nullable=False,
            comment="The event's strongest identifier.",
        ),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("event", JSON(), nullable=False),
        sa.PrimaryKeyConstraint(*KEY, name=op.f("pk_timeline")),
        schema=SCHEMA,
        postgresql_partition_by="RANGE (timestamp)" if partitioned else None,
    )


def _part(name: str, bounds: str) -> None:
    op.execute(f"CREATE TABLE profile.{name} PARTITION OF profile.timeline FOR VALUES {bounds}")


def _own_tables() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "timeline_closing",
        sa.Column(
            "name", sa.Text(), nullable=False, comment="A part that was taken off the timeline."
        ),
        sa.Column("workspace", sa.Text(), server_default=sa.text("''::text"), nullable=False),
        *_place(),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_timeline_closing")),
        schema=SCHEMA,
    )
    op.create_table(
        "timeline_rules",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column(
            "version",
            sa.BigInteger(),
            nullable=False,
            autoincrement=False,
            comment="Of a workspace the greatest holds.",
        ),
        sa.Column("rules", JSON(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", instant, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "version", name=op.f("pk_timeline_rules")),
        schema=SCHEMA,
    )
    never = sa.text(START["timestamp"])
    op.create_table(
        "timeline_sweep",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("began_at", instant, server_default=never, nullable=False),
        sa.Column("looked_at", instant, server_default=never, nullable=False),
        sa.Column("finished", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        *_place(),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_timeline_sweep")),
        schema=SCHEMA,
    )


def _place() -> list[sa.Column[Any]]:
    kinds: dict[str, Any] = {"identifier_id": sa.UUID(), "timestamp": sa.DateTime(timezone=True)}
    return [
        sa.Column(name, kinds.get(name, sa.Text()), server_default=sa.text(start), nullable=False)
        for name, start in START.items()
    ]
