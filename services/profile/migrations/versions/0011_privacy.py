"""Who is to be forgotten, who asked for it, and what each service has answered.

Revision: 0011, follows 0010.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SCHEMA = "profile"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "erasure",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("subjects", ARRAY(sa.Text()), nullable=False),
        sa.Column("kinds", ARRAY(sa.Text()), nullable=False),
        sa.Column("profiles", ARRAY(sa.Text()), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("sweep", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("after", sa.Text()),
        sa.Column("removed", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("try_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "request_id", name=op.f("pk_erasure")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_erasure_try_at"),
        "erasure",
        ["try_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "erased",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "subject", name=op.f("pk_erased")),
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_erased_workspace_at"), "erased", ["workspace", "at"], schema=SCHEMA)
    op.create_table(
        "privacy_request",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("profile_id", sa.UUID(), comment="Of then; none where nobody was known."),
        sa.Column(
            "identifiers", sa.BigInteger(), nullable=False, comment="How many the person had."
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("receipt", sa.Text(), comment="Signed, when all services have answered."),
        sa.Column("finished_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_privacy_request")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_profile_workspace_merged_into"),
        "profile",
        ["workspace", "merged_into"],
        schema=SCHEMA,
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_privacy_request_at"),
        "privacy_request",
        ["at"],
        schema=SCHEMA,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "privacy_receipt",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("request_id", sa.UUID(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("tables", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "request_id", "service", name=op.f("pk_privacy_receipt")
        ),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_profile_workspace_merged_into"), "profile", schema=SCHEMA)
    op.drop_table("privacy_receipt", schema=SCHEMA)
    op.drop_table("privacy_request", schema=SCHEMA)
    op.drop_table("erased", schema=SCHEMA)
    op.drop_table("erasure", schema=SCHEMA)
