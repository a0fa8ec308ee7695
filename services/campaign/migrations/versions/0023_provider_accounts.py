"""Accounts with providers of channels, what went by them, and campaigns by other channels.

Revision: 0023, follows 0022.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)
ID = postgresql.UUID(as_uuid=False)
ZERO = sa.text("0")


def upgrade() -> None:
    email = sa.text("'email'")
    op.add_column(
        "campaign",
        sa.Column("channel", sa.Text(), nullable=False, server_default=email),
        schema=SCHEMA,
    )
    op.add_column("campaign", sa.Column("content", sa.JSON()), schema=SCHEMA)
    _accounts()
    _standings()
    _inbox()
    op.create_table(
        "delivery",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text()),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Numeric(18, 6)),
        sa.Column("currency", sa.Text()),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "message_id", name=op.f("pk_delivery")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_delivery_workspace_vendor_provider_id"),
        "delivery",
        ["workspace", "vendor", "provider_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("provider_id IS NOT NULL"),
    )


def _inbox() -> None:
    op.create_table(
        "inbox_item",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("item_id", ID, nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.Column("read_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "item_id", name=op.f("pk_inbox_item")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_inbox_item_workspace_profile_id_created_at"),
        "inbox_item",
        ["workspace", "profile_id", "created_at"],
        schema=SCHEMA,
    )


def _accounts() -> None:
    op.create_table(
        "provider_account",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.Text(), nullable=False),
        sa.Column("per_second", sa.Double(), nullable=False),
        sa.Column("burst", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("warmup", sa.JSON()),
        sa.Column("prices", sa.JSON(), nullable=False),
        sa.Column("currency", sa.Text()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.CheckConstraint("state IN ('active', 'paused')", name=op.f("ck_provider_account_state")),
        sa.CheckConstraint("per_second > 0 AND burst > 0", name=op.f("ck_provider_account_pace")),
        sa.PrimaryKeyConstraint("workspace", "account_id", name=op.f("pk_provider_account")),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_provider_account_name",
        "provider_account",
        ["workspace", "name"],
        unique=True,
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_provider_account_workspace_channel"),
        "provider_account",
        ["workspace", "channel"],
        schema=SCHEMA,
    )


def _standings() -> None:
    op.create_table(
        "provider_standing",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("account_id", ID, nullable=False),
        sa.Column("free_at", sa.Double(), nullable=False, server_default=ZERO),
        sa.Column("faults", sa.Integer(), nullable=False, server_default=ZERO),
        sa.Column("open_until", sa.Double(), nullable=False, server_default=ZERO),
        sa.Column("probing_until", sa.Double(), nullable=False, server_default=ZERO),
        sa.Column("reason", sa.Text()),
        sa.Column("day", sa.Date()),
        sa.Column("used", sa.Integer(), nullable=False, server_default=ZERO),
        sa.Column("checked_at", INSTANT),
        sa.Column("check_result", sa.Text()),
        sa.Column("check_reason", sa.Text()),
        sa.CheckConstraint(
            "check_result IN ('works', 'refused', 'unanswered')",
            name=op.f("ck_provider_standing_check_result"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace", "account_id"],
            [f"{SCHEMA}.provider_account.workspace", f"{SCHEMA}.provider_account.account_id"],
            name=op.f("fk_provider_standing_workspace_provider_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace", "account_id", name=op.f("pk_provider_standing")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("inbox_item", schema=SCHEMA)
    op.drop_table("delivery", schema=SCHEMA)
    op.drop_table("provider_standing", schema=SCHEMA)
    op.drop_table("provider_account", schema=SCHEMA)
    op.drop_column("campaign", "content", schema=SCHEMA)
    op.drop_column("campaign", "channel", schema=SCHEMA)
