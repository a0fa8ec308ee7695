"""Timelines are kept in months; and timeline rules of workspaces, every version of them.

Takes five to fifteen seconds per million events, while profile stands, and room for them twice.
Revision: 0009, follows 0008.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SCHEMA = "profile"
BEFORE = 12
"""Months before this one that an empty timeline has: a first import is of the past."""
MOST = 36
"""Months before this one that a timeline has which is not empty; older events share a part."""
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
    oldest = bind.execute(sa.text("SELECT min(timestamp) FROM profile.timeline")).scalar()
    first = this - BEFORE
    if oldest is not None:
        _require_alone()
        oldest = oldest.astimezone(UTC)
        first = min(this, max(this - MOST, oldest.year * 12 + oldest.month - 1))
    last = this + AHEAD
    _set_aside("timeline_before")
    _timeline(partitioned=True)
    _part("timeline_early", f"FROM (MINVALUE) TO ('{_start(first)}')")
    for month in range(first, last + 1):
        name = f"timeline_{month // 12:04}_{month % 12 + 1:02}"
        _part(name, f"FROM ('{_start(month)}') TO ('{_start(month + 1)}')")
    _part("timeline_late", f"FROM ('{_start(last + 1)}') TO (MAXVALUE)")
    op.execute("CREATE INDEX ON profile.timeline_early USING brin (timestamp)")
    _move_from("timeline_before")


def downgrade() -> None:
    bind = op.get_bind()
    if bind.execute(sa.text("SELECT 1 FROM profile.timeline_closing LIMIT 1")).first():
        message = (
            "Months of the timeline are being dropped, and their events are not all in the sums "
            "yet: let profile run for some minutes, then downgrade."
        )
        raise RuntimeError(message)
    _set_aside("timeline_in_months")
    _timeline(partitioned=False)
    op.create_index(
        op.f("ix_timeline_timestamp"),
        "timeline",
        ["timestamp"],
        schema=SCHEMA,
        postgresql_using="brin",
    )
    _move_from("timeline_in_months")
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


def _set_aside(name: str) -> None:
    """Give the table another name; nobody writes to it before this is done."""
    op.rename_table("timeline", name, schema=SCHEMA)
    op.execute(f"ALTER TABLE profile.{name} RENAME CONSTRAINT pk_timeline TO pk_{name}")
    op.execute(f"ALTER INDEX IF EXISTS profile.ix_timeline_timestamp RENAME TO ix_{name}")


def _move_from(name: str) -> None:
    columns = f"{', '.join(KEY)}, event"
    op.execute(f"INSERT INTO profile.timeline ({columns}) SELECT {columns} FROM profile.{name}")
    op.drop_table(name, schema=SCHEMA)


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
