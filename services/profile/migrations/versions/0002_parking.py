"""Parked keys, refused outbox rows, commands to consumers, and whose a dead letter is.

Revision: 0002, follows 0001.
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "profile"
NOW = sa.text("now()")


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _bytes(name: str, *, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=nullable)


def _time(name: str, default: sa.TextClause | None = None) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=False)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)


def upgrade() -> None:
    op.add_column("dead_letter", _text("workspace", nullable=True), schema=SCHEMA)
    _index("dead_letter", "workspace", "id")
    _parking()
    _commands()
    op.create_table(
        "outbox_refused",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        _text("topic"),
        _bytes("key"),
        _bytes("value"),
        _text("traceparent", nullable=True),
        _text("workspace", nullable=True),
        _text("reason"),
        _time("created_at"),
        _time("refused_at", NOW),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_refused")),
        schema=SCHEMA,
    )
    _index("outbox_refused", "workspace", "id")


def _parking() -> None:
    op.create_table(
        "parked_key",
        _id(),
        _text("grp"),
        _text("topic"),
        sa.Column("partition", sa.Integer(), nullable=False),
        _bytes("key"),
        _text("workspace", nullable=True),
        _text("reason"),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _time("next_try_at"),
        _time("created_at", NOW),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parked_key")),
        sa.UniqueConstraint(
            "grp", "topic", "partition", "key", name=op.f("uq_parked_key_grp_topic_partition_key")
        ),
        schema=SCHEMA,
    )
    _index("parked_key", "grp", "next_try_at")
    _index("parked_key", "workspace", "id")
    op.create_table(
        "parked",
        _text("grp"),
        _text("topic"),
        sa.Column("partition", sa.Integer(), nullable=False),
        _bytes("key"),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        _bytes("value", nullable=True),
        _text("traceparent", nullable=True),
        _time("created_at", NOW),
        sa.PrimaryKeyConstraint(
            "grp", "topic", "partition", "key", "offset", name=op.f("pk_parked")
        ),
        schema=SCHEMA,
    )


def _commands() -> None:
    op.create_table(
        "consumer_command",
        _id(),
        _text("grp"),
        _text("command"),
        _text("issued_by"),
        _time("created_at", NOW),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consumer_command")),
        schema=SCHEMA,
    )
    _index("consumer_command", "created_at")
    op.create_table(
        "consumer_stop",
        _text("grp"),
        _text("replica"),
        _text("reason"),
        _time("stopped_at", NOW),
        sa.PrimaryKeyConstraint("grp", "replica", name=op.f("pk_consumer_stop")),
        schema=SCHEMA,
    )


def _index(table: str, *columns: str) -> None:
    name = op.f(f"ix_{table}_{'_'.join(columns)}")
    op.create_index(name, table, list(columns), schema=SCHEMA)


def downgrade() -> None:
    for table in ("outbox_refused", "consumer_stop", "consumer_command", "parked", "parked_key"):
        op.drop_table(table, schema=SCHEMA)
    op.drop_index(op.f("ix_dead_letter_workspace_id"), "dead_letter", schema=SCHEMA)
    op.drop_column("dead_letter", "workspace", schema=SCHEMA)
