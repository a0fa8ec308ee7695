"""Dry runs in the order of the plan, and how far each has come; pools of mail servers;
what providers are asked about.

Revision: 0030, follows 0029.
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
ANSWER = "broadcast_answer"
COLUMNS = (
    sa.Column("place", sa.BigInteger()),
    sa.Column("needed_version", sa.BigInteger()),
    sa.Column("late_at", sa.DateTime(timezone=True)),
    sa.Column("gate", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
    sa.Column("looks", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
    sa.Column("waited_for", sa.Text()),
)
OUTCOMES = "outcome IN ('gets', 'waits', 'never', 'fails', 'asked')"


def upgrade() -> None:
    for one in COLUMNS:
        op.add_column(ANSWER, one, schema=SCHEMA)
    op.drop_constraint(op.f("ck_broadcast_answer_outcome"), ANSWER, schema=SCHEMA)
    op.create_check_constraint(op.f("ck_broadcast_answer_outcome"), ANSWER, OUTCOMES, schema=SCHEMA)
    op.create_index(
        "ix_broadcast_answer_asked",
        ANSWER,
        ["workspace", "job_id", "due_at", "place"],
        schema=SCHEMA,
        postgresql_where=sa.text("outcome = 'asked'"),
    )
    op.create_table(
        "dry_run",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("course", sa.JSON(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("workspace", "job_id", name=op.f("pk_dry_run")),
        schema=SCHEMA,
    )
    op.create_index("ix_dry_run_at", "dry_run", ["at"], schema=SCHEMA, postgresql_using="brin")
    op.create_table(
        "mail_pool_rules",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("workspace", "version", name=op.f("pk_mail_pool_rules")),
        schema=SCHEMA,
    )
    op.create_table(
        "inquiry",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ask_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "message_id", name=op.f("pk_inquiry")),
        schema=SCHEMA,
    )
    op.create_index("ix_inquiry_ask", "inquiry", ["ask_at"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("inquiry", schema=SCHEMA)
    op.drop_table("mail_pool_rules", schema=SCHEMA)
    op.drop_table("dry_run", schema=SCHEMA)
    op.drop_index("ix_broadcast_answer_asked", ANSWER, schema=SCHEMA)
    op.execute(f"DELETE FROM {SCHEMA}.{ANSWER} WHERE outcome IN ('fails', 'asked')")
    op.drop_constraint(op.f("ck_broadcast_answer_outcome"), ANSWER, schema=SCHEMA)
    op.create_check_constraint(
        op.f("ck_broadcast_answer_outcome"),
        ANSWER,
        "outcome IN ('gets', 'waits', 'never')",
        schema=SCHEMA,
    )
    for one in reversed(COLUMNS):
        op.drop_column(ANSWER, one.name, schema=SCHEMA)
