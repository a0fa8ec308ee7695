"""Checkpoints of members' accounts, and what is found by time of facts and operations.

Revision: 0020, follows 0019.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

SCHEMA = "profile"
INSTANT, JSON = sa.DateTime(timezone=True), postgresql.JSON()
BY_CODE = sa.Text(collation="C")
FACT_AT = "UPDATE profile.loyalty_fact SET at = CAST(content->'stamp'->>0 AS timestamptz)"
TOUCHED_AT = (
    "UPDATE profile.loyalty_operation SET touched_at = GREATEST("
    "CAST(operation->>'at' AS timestamptz), CAST(operation->>'confirmed_at' AS timestamptz), "
    "CAST(operation->>'released_at' AS timestamptz))"
)


def upgrade() -> None:
    at = sa.Column("at", INSTANT, comment="When it happened, by its content.")
    op.add_column("loyalty_fact", at, schema=SCHEMA)
    op.execute(FACT_AT)
    op.alter_column("loyalty_fact", "at", nullable=False, schema=SCHEMA)
    closed_for = sa.Column(
        "closed_for", sa.UUID(), comment="The member whose checkpoint knows of it."
    )
    op.add_column("loyalty_fact", closed_for, schema=SCHEMA)
    touched_at = sa.Column("touched_at", INSTANT, comment="When it was changed last.")
    op.add_column("loyalty_operation", touched_at, schema=SCHEMA)
    op.execute(TOUCHED_AT)
    op.alter_column("loyalty_operation", "touched_at", nullable=False, schema=SCHEMA)
    for table in ("fact", "operation"):
        name = f"ix_loyalty_{table}_workspace_identifier_id"
        op.drop_index(op.f(name), f"loyalty_{table}", schema=SCHEMA)
    _index("fact", "at")
    op.create_index(
        "ix_loyalty_fact_closed_for",
        "loyalty_fact",
        ["workspace", "identifier_id", "closed_for", "at"],
        schema=SCHEMA,
    )
    _index("operation", "touched_at")
    _index("entry", "lot")
    _checkpoints()


def _index(table: str, *more: str) -> None:
    columns = ["workspace", "identifier_id", *more]
    name = f"ix_loyalty_{table}_{'_'.join(columns)}"
    op.create_index(op.f(name), f"loyalty_{table}", columns, schema=SCHEMA)


def _checkpoints() -> None:
    at = sa.Column("at", INSTANT, nullable=False, comment="All that happened up to then is in it.")
    _table("checkpoint", at, sa.Column("head", JSON, nullable=False))
    _table(
        "lot",
        sa.Column("key", BY_CODE, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="What it is from."),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("opens_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False, comment="When it expires."),
        sa.Column("free", sa.BigInteger(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("lot", JSON, nullable=False, comment="As it was at the checkpoint."),
        key=["key"],
    )
    _table(
        "subject",
        sa.Column("key", BY_CODE, nullable=False),
        sa.Column("subject", JSON, nullable=False, comment="As it was at the checkpoint."),
        key=["key"],
    )
    op.create_index(
        op.f("ix_loyalty_lot_workspace_profile_id_subject"),
        "loyalty_lot",
        ["workspace", "profile_id", "subject"],
        schema=SCHEMA,
    )
    op.create_index(
        "ix_loyalty_lot_free",
        "loyalty_lot",
        ["workspace", "profile_id", "ends_at", "at", "key"],
        schema=SCHEMA,
        postgresql_where=sa.text("free > 0"),
    )
    op.create_index(
        "ix_loyalty_lot_pending",
        "loyalty_lot",
        ["workspace", "profile_id", "opens_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("free > 0 AND NOT is_open"),
    )


def _table(name: str, *columns: sa.Column[Any], key: list[str] | None = None) -> None:
    op.create_table(
        f"loyalty_{name}",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.UUID(), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint(
            "workspace", "profile_id", *(key or []), name=op.f(f"pk_loyalty_{name}")
        ),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in ("subject", "lot", "checkpoint"):
        op.drop_table(f"loyalty_{table}", schema=SCHEMA)
    for table, column in (
        ("entry", "lot"),
        ("operation", "touched_at"),
        ("fact", "at"),
    ):
        name = f"ix_loyalty_{table}_workspace_identifier_id_{column}"
        op.drop_index(op.f(name), f"loyalty_{table}", schema=SCHEMA)
    op.drop_index("ix_loyalty_fact_closed_for", "loyalty_fact", schema=SCHEMA)
    op.drop_column("loyalty_operation", "touched_at", schema=SCHEMA)
    op.drop_column("loyalty_fact", "closed_for", schema=SCHEMA)
    op.drop_column("loyalty_fact", "at", schema=SCHEMA)
    for table in ("operation", "fact"):
        _index(table)
