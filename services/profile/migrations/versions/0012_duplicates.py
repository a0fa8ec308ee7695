"""The finder of duplicates: whom it has looked at, who is compared, and what it proposes.

Revision: 0012, follows 0011.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSON

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SCHEMA = "profile"


def upgrade() -> None:
    op.create_table(
        "likeness",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.UUID(), nullable=False),
        sa.Column(
            "version",
            sa.BigInteger(),
            nullable=False,
            comment="Of the profile, when it was looked at.",
        ),
        sa.Column(
            "form",
            sa.LargeBinary(),
            nullable=False,
            comment="A digest of what is compared of it.",
        ),
        sa.Column("keys", ARRAY(sa.BigInteger()), nullable=False, comment="Its rows of block_key."),
        sa.Column(
            "due",
            sa.Boolean(),
            nullable=False,
            comment="It is still to be compared with others.",
        ),
        sa.PrimaryKeyConstraint("workspace", "profile_id", name=op.f("pk_likeness")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_likeness_due",
        "likeness",
        ["workspace", "profile_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("due"),
    )
    op.create_table(
        "block_key",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column(
            "key",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="A keyed digest of what is alike.",
        ),
        sa.Column("profile_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "key", "profile_id", name=op.f("pk_block_key")),
        schema=SCHEMA,
    )
    _duplicate()


def _duplicate() -> None:
    op.create_table(
        "duplicate",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("a", sa.UUID(), nullable=False, comment="The smaller id of two profiles."),
        sa.Column("b", sa.UUID(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column(
            "reasons", JSON(), nullable=False, comment="Words and numbers, no values of people."
        ),
        sa.Column("state", sa.Text(), nullable=False, comment="open, merged, or dismissed"),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_reason", sa.Text()),
        sa.Column("decision_id", sa.UUID()),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_duplicate")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_duplicate_pair", "duplicate", ["workspace", "a", "b"], unique=True, schema=SCHEMA
    )
    name = op.f("ix_duplicate_workspace_b")
    op.create_index(name, "duplicate", ["workspace", "b"], schema=SCHEMA)
    ordered = ["workspace", "state", "score", "id"]
    op.create_index("ix_duplicate_score", "duplicate", ordered, schema=SCHEMA)


def downgrade() -> None:
    for table in ("duplicate", "block_key", "likeness"):
        op.drop_table(table, schema=SCHEMA)
