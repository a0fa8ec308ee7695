"""What is not to be done with a person's data is followed; whose data the service is telling.

Revision: 0013, follows 0012.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Of whom nothing was told of it there is nothing: version 0.
    version = sa.Column(
        "restraints_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False
    )
    op.add_column("person", version, schema=SCHEMA)
    op.add_column("person", sa.Column("restraints", JSON()), schema=SCHEMA)
    op.create_table(
        "access",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("subjects", ARRAY(sa.Text()), nullable=False),
        sa.Column("kinds", ARRAY(sa.Text()), nullable=False),
        sa.Column("profiles", ARRAY(sa.Text()), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("seal", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("after", sa.Text()),
        sa.Column("pieces", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("told", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("try_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "request_id", name=op.f("pk_access")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_access_try_at"),
        "access",
        ["try_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index(op.f("ix_access_created_at"), "access", ["created_at"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("access", schema=SCHEMA)
    op.drop_column("person", "restraints", schema=SCHEMA)
    op.drop_column("person", "restraints_version", schema=SCHEMA)
