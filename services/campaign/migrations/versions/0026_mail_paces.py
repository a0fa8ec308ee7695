"""How fast mails go to a provider, and how many a new sender domain sends: rules and lanes.

Revision: 0026, follows 0025.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
HELD = sa.text("lane IS NOT NULL")
INDEXES = (
    ("ix_plan_lane", "plan", ["workspace", "lane", "due_at"]),
    ("ix_sending_lane", "sending", ["workspace", "lane"]),
)


def upgrade() -> None:
    op.create_table(
        "mail_pace_rules",
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
        sa.PrimaryKeyConstraint("workspace", "version", name=op.f("pk_mail_pace_rules")),
        schema=SCHEMA,
    )
    op.create_table(
        "mail_lane",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("free_at", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("share", sa.Float(53), server_default=sa.text("1"), nullable=False),
        sa.Column("slowed_at", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("day", sa.Date(), server_default=sa.text("'0001-01-01'"), nullable=False),
        sa.Column("sent", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "lane", name=op.f("pk_mail_lane")),
        schema=SCHEMA,
    )
    for name, table, columns in INDEXES:
        op.add_column(table, sa.Column("lane", sa.Text()), schema=SCHEMA)
        op.create_index(name, table, columns, schema=SCHEMA, postgresql_where=HELD)


def downgrade() -> None:
    # What waits for a pace is due a thousand years from now: who knows no lanes lets it go.
    op.execute(
        "UPDATE campaign.plan SET due_at = due_at - interval '400000 days' "
        "WHERE lane IS NOT NULL AND due_at > now() + interval '200000 days'"
    )
    for name, table, _ in INDEXES:
        op.drop_index(name, table, schema=SCHEMA)
        op.drop_column(table, "lane", schema=SCHEMA)
    op.drop_table("mail_lane", schema=SCHEMA)
    op.drop_table("mail_pace_rules", schema=SCHEMA)
