"""Data feeds; files of addresses for the suppression list; AMP parts.

Revision: 0029, follows 0027.
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def upgrade() -> None:
    op.add_column("campaign", sa.Column("amp", sa.Text()), schema=SCHEMA)
    op.create_table(
        "feed",
        _text("workspace"),
        _text("name"),
        sa.Column("version", sa.Integer(), nullable=False),
        _text("host"),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.Text()),
        sa.Column("secret_names", sa.JSON(), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        _text("changed_by"),
        sa.PrimaryKeyConstraint("workspace", "name", name=op.f("pk_feed")),
        schema=SCHEMA,
    )
    op.create_table(
        "feed_host",
        _text("workspace"),
        _text("host"),
        _text("actor"),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "host", name=op.f("pk_feed_host")),
        schema=SCHEMA,
    )
    op.create_table(
        "feed_answer",
        _text("workspace"),
        _text("name"),
        _text("key"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("fetched_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", "key", name=op.f("pk_feed_answer")),
        schema=SCHEMA,
    )
    op.create_index("ix_feed_answer_fetched_at", "feed_answer", ["fetched_at"], schema=SCHEMA)
    op.create_table(
        "suppression_part",
        _text("workspace"),
        _text("job"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "job", "number", name=op.f("pk_suppression_part")),
        schema=SCHEMA,
    )
    op.create_table(
        "suppression_refusal",
        _text("workspace"),
        _text("job"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        _text("code"),
        _text("reason"),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "job", "line", name=op.f("pk_suppression_refusal")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_column("campaign", "amp", schema=SCHEMA)
    for name in ("suppression_refusal", "suppression_part", "feed_answer", "feed_host", "feed"):
        op.drop_table(name, schema=SCHEMA)
