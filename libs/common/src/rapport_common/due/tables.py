"""The tables of what has a time in a service."""

from sqlalchemy import Column, DateTime, Index, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

VACUUM = {
    # Each row that has run leaves a dead one at the head of the index, where the next look begins:
    # a fifth of a million of them, the default, would be read at every look.
    "autovacuum_vacuum_scale_factor": "0.01",
    "autovacuum_vacuum_threshold": "2000",
    "autovacuum_vacuum_cost_delay": "0",
}


def due_tables(metadata: MetaData) -> None:
    """Declare `due` and `due_lane` in the service's schema: what has a time, and whose it is."""
    instant = DateTime(timezone=True)
    Table(
        "due",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("kind", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        # When it is due, and when it is tried (again).
        Column("at", instant, nullable=False),
        Column("try_at", instant, nullable=False),
        Column("payload", JSONB, nullable=False, server_default=text("'{}'")),
        Column("traceparent", Text),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("error", Text),
        # Set: it was put aside and waits for an operator.
        Column("failed_at", instant),
        # Whether anything is due at all; and whose of a kind is.
        Index(None, "kind", "try_at", postgresql_where=text("failed_at IS NULL")),
        Index(None, "workspace", "kind", "try_at", postgresql_where=text("failed_at IS NULL")),
        Index(
            None, "workspace", "kind", "failed_at", postgresql_where=text("failed_at IS NOT NULL")
        ),
        postgresql_with=VACUUM,
    )
    # Each workspace and kind that ever had something due, and nothing that changes: so a look
    # begins at the first row of each, and need not read through what has run to find the next one.
    Table(
        "due_lane",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("kind", Text, primary_key=True),
    )
