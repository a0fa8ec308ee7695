"""Domains that a workspace sends from, and the keys they sign with.

Revision: 0018, follows 0017.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "sender_domain",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("checked_at", INSTANT),
        sa.Column("verified_at", INSTANT),
        sa.CheckConstraint(
            "state IN ('unchecked', 'verified', 'failed')", name=op.f("ck_sender_domain_state")
        ),
        sa.PrimaryKeyConstraint("workspace", "domain", name=op.f("pk_sender_domain")),
        schema=SCHEMA,
    )
    op.create_table(
        "sender_key",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("selector", sa.Text(), nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("private", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.CheckConstraint("algorithm IN ('rsa', 'ed25519')", name=op.f("ck_sender_key_algorithm")),
        sa.CheckConstraint(
            "state IN ('waiting', 'active', 'former')", name=op.f("ck_sender_key_state")
        ),
        sa.CheckConstraint(
            "(private IS NULL) = (state = 'former')", name=op.f("ck_sender_key_private")
        ),
        sa.ForeignKeyConstraint(
            ["workspace", "domain"],
            [f"{SCHEMA}.sender_domain.workspace", f"{SCHEMA}.sender_domain.domain"],
            name=op.f("fk_sender_key_workspace_domain_sender_domain"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace", "domain", "selector", name=op.f("pk_sender_key")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("sender_key", schema=SCHEMA)
    op.drop_table("sender_domain", schema=SCHEMA)
