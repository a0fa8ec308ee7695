"""Offers and price rules: their versions, guard rails, and the prices that were said.

Revision: 0027, follows 0026.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("segment", sa.Column("reads", JSONB()), schema=SCHEMA)
    op.create_table(
        "price_guards",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("guards", sa.JSON(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "version", name=op.f("pk_price_guards")),
        schema=SCHEMA,
    )
    op.create_table(
        "offer",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("archived_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "name", name=op.f("pk_offer")),
        schema=SCHEMA,
    )
    op.create_table(
        "offer_version",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", "version", name=op.f("pk_offer_version")),
        sa.ForeignKeyConstraint(
            ["workspace", "name"],
            [f"{SCHEMA}.offer.workspace", f"{SCHEMA}.offer.name"],
            name=op.f("fk_offer_version_workspace_name_offer"),
        ),
        schema=SCHEMA,
    )
    _said()


def _said() -> None:
    op.create_table(
        "message_price",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("send_key", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("prices", sa.JSON(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "send_key", name=op.f("pk_message_price")),
        schema=SCHEMA,
    )
    op.create_table(
        "offer_quote",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("quote_id", sa.Uuid(), nullable=False),
        sa.Column("offer", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text()),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("prices", sa.JSON(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "quote_id", name=op.f("pk_offer_quote")),
        schema=SCHEMA,
    )
    for table, column in (
        ("message_price", "profile_id"),
        ("offer_quote", "profile_id"),
        ("offer_quote", "created_at"),
    ):
        name = op.f(f"ix_{table}_workspace_{column}")
        op.create_index(name, table, ["workspace", column], schema=SCHEMA)


def downgrade() -> None:
    for table in ("offer_quote", "message_price", "offer_version", "offer", "price_guards"):
        op.drop_table(table, schema=SCHEMA)
    op.drop_column("segment", "reads", schema=SCHEMA)
