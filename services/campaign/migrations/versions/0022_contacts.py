"""Caps, quiet hours, the contact log, the suppression list, and what campaigns say of these.

Revision: 0022, follows 0021.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "contact_rules",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "version", name=op.f("pk_contact_rules")),
        schema=SCHEMA,
    )
    _contact()
    op.create_table(
        "withheld",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("send_key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("next_at", INSTANT),
        sa.Column("more", sa.JSON(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "send_key", name=op.f("pk_withheld")),
        schema=SCHEMA,
    )
    op.create_index("ix_withheld_at", "withheld", ["at"], schema=SCHEMA, postgresql_using="brin")
    op.create_table(
        "suppressed_address",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("ended_by", sa.Text()),
        sa.Column("ended_because", sa.Text()),
        sa.CheckConstraint(
            "purpose IN ('promotion', 'all')", name=op.f("ck_suppressed_address_purpose")
        ),
        sa.PrimaryKeyConstraint(
            "workspace", "address", "channel", name=op.f("pk_suppressed_address")
        ),
        schema=SCHEMA,
    )
    for column in (
        sa.Column("priority", sa.SmallInteger(), server_default=sa.text("50"), nullable=False),
        sa.Column("quiet_hours", sa.JSON()),
        sa.Column("topic", sa.Text()),
        sa.Column("topic_purpose", sa.Text()),
    ):
        op.add_column("campaign", column, schema=SCHEMA)
    op.create_index(
        "ix_person_heir",
        "person",
        ["workspace", "heir"],
        schema=SCHEMA,
        postgresql_where=sa.text("heir IS NOT NULL"),
    )


def _contact() -> None:
    op.create_table(
        "contact",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("send_key", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.UUID(as_uuid=False)),
        sa.Column(
            "address",
            sa.LargeBinary(),
            nullable=False,
            comment="A digest: only ever compared.",
        ),
        sa.CheckConstraint(
            "purpose IN ('promotion', 'service', 'transactional')",
            name=op.f("ck_contact_purpose"),
        ),
        sa.PrimaryKeyConstraint(
            "workspace", "profile_id", "at", "send_key", name=op.f("pk_contact")
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_contact_address",
        "contact",
        ["workspace", "campaign_id", "address"],
        schema=SCHEMA,
        postgresql_where=sa.text("campaign_id IS NOT NULL"),
    )
    op.create_index("ix_contact_at", "contact", ["at"], schema=SCHEMA, postgresql_using="brin")


def downgrade() -> None:
    op.drop_index("ix_person_heir", "person", schema=SCHEMA)
    for name in ("topic_purpose", "topic", "quiet_hours", "priority"):
        op.drop_column("campaign", name, schema=SCHEMA)
    for name in ("suppressed_address", "withheld", "contact", "contact_rules"):
        op.drop_table(name, schema=SCHEMA)
