"""Loyalty: programmes, what they keep of events, what was asked for, the ledger, its members.

And what has a time. Revision: 0016, follows 0012.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = "profile"
TABLES = ("programme", "fact", "operation", "entry", "member")


def upgrade() -> None:
    due_tables()
    instant, json, uuid = sa.DateTime(timezone=True), postgresql.JSON(), sa.UUID()
    op.create_table(
        "loyalty_programme",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column(
            "version",
            sa.BigInteger(),
            nullable=False,
            comment="Of a workspace the greatest was declared last.",
        ),
        sa.Column("programme", json, nullable=False),
        sa.Column(
            "since", instant, nullable=False, comment="It holds for what happens from then on."
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", instant, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "version", name=op.f("pk_loyalty_programme")),
        schema=SCHEMA,
    )
    op.create_table(
        "loyalty_fact",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("identifier_id", uuid, nullable=False),
        sa.Column("content", json, nullable=False, comment="What loyalty keeps of the event."),
        sa.PrimaryKeyConstraint("workspace", "source", "message_id", name=op.f("pk_loyalty_fact")),
        schema=SCHEMA,
    )
    op.create_table(
        "loyalty_operation",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", uuid, nullable=False),
        sa.Column("identifier_id", uuid, nullable=False),
        sa.Column("operation", json, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_loyalty_operation")),
        schema=SCHEMA,
    )
    op.create_table(
        "loyalty_entry",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("identifier_id", uuid, nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("operation_id", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("at", instant, nullable=False, comment="When it came about."),
        sa.Column("booked_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_loyalty_entry")),
        schema=SCHEMA,
    )
    op.create_table(
        "loyalty_member",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("profile_id", uuid, nullable=False),
        sa.Column(
            "told", json, nullable=False, comment="What others have been told of the member."
        ),
        sa.PrimaryKeyConstraint("workspace", "profile_id", name=op.f("pk_loyalty_member")),
        schema=SCHEMA,
    )
    for table, *more in (("fact",), ("operation",), ("entry", "id")):
        columns = ["workspace", "identifier_id", *more]
        name = f"ix_loyalty_{table}_{'_'.join(columns)}"
        op.create_index(op.f(name), f"loyalty_{table}", columns, schema=SCHEMA)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(f"loyalty_{table}", schema=SCHEMA)
    for table in ("due_lane", "due"):
        op.drop_table(table, schema=SCHEMA)


def due_tables() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "due",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("try_at", instant, nullable=False),
        sa.Column(
            "payload",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("traceparent", sa.Text()),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("failed_at", instant),
        sa.PrimaryKeyConstraint("workspace", "kind", "key", name=op.f("pk_due")),
        schema=SCHEMA,
        postgresql_with={
            "autovacuum_vacuum_scale_factor": "0.01",
            "autovacuum_vacuum_threshold": "2000",
            "autovacuum_vacuum_cost_delay": "0",
        },
    )
    for column, condition in (
        ("try_at", "failed_at IS NULL"),
        ("failed_at", "failed_at IS NOT NULL"),
    ):
        op.create_index(
            op.f(f"ix_due_workspace_kind_{column}"),
            "due",
            ["workspace", "kind", column],
            schema=SCHEMA,
            postgresql_where=sa.text(condition),
        )
    op.create_index(
        op.f("ix_due_kind_try_at"),
        "due",
        ["kind", "try_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("failed_at IS NULL"),
    )
    op.create_table(
        "due_lane",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "kind", name=op.f("pk_due_lane")),
        schema=SCHEMA,
    )
