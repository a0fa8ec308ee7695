"""Loyalty: programmes, what they keep of events, what was asked for, the ledger, its members.

Revision: 0017, follows 0016.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SCHEMA = "profile"
TABLES = ("programme", "fact", "operation", "entry", "member")


def upgrade() -> None:
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
