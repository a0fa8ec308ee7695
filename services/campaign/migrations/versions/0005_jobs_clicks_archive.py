"""Long work is a job; clicks are counted per link; campaigns can be archived.

Revision: 0005, follows 0004.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
STATE = "ck_campaign_state"


def upgrade() -> None:
    _jobs()
    op.add_column("campaign", sa.Column("job", sa.Text()), schema=SCHEMA)
    op.add_column("campaign", sa.Column("archived_at", sa.DateTime(timezone=True)), schema=SCHEMA)
    _states("'draft', 'running', 'paused', 'archived'")
    op.create_table(
        "click",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("send_key", sa.Text(), nullable=False),
        sa.Column("link_id", sa.Text(), nullable=False),
        sa.Column("clicks", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "send_key", "link_id", name=op.f("pk_click")),
        schema=SCHEMA,
    )


def _states(words: str) -> None:
    # The first migration's name went through the naming convention a second time.
    op.execute(
        f"ALTER TABLE campaign.campaign DROP CONSTRAINT IF EXISTS {STATE}, "
        f"DROP CONSTRAINT IF EXISTS ck_campaign_{STATE}"
    )
    op.create_check_constraint(op.f(STATE), "campaign", f"state IN ({words})", schema=SCHEMA)


def _jobs() -> None:
    def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
        return sa.Column(name, sa.Text(), nullable=nullable)

    def count(name: str) -> sa.Column[int]:
        return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)

    def json(name: str) -> sa.Column[object]:
        return sa.Column(name, JSONB(), server_default=sa.text("'{}'"), nullable=False)

    op.create_table(
        "job",
        text("workspace"),
        text("id"),
        text("kind"),
        text("subject", nullable=True),
        text("state"),
        sa.Column("spec", JSONB(), nullable=False),
        json("position"),
        sa.Column("total", sa.BigInteger()),
        *map(count, ("done", "accepted", "rejected")),
        json("report"),
        text("error", nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        text("holder", nullable=True),
        sa.Column("held_until", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_job")),
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_job_state_held_until"), "job", ["state", "held_until"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_table("click", schema=SCHEMA)
    op.execute("UPDATE campaign.campaign SET state = 'paused' WHERE state = 'archived'")
    _states("'draft', 'running', 'paused'")
    op.drop_column("campaign", "archived_at", schema=SCHEMA)
    op.drop_column("campaign", "job", schema=SCHEMA)
    op.drop_table("job", schema=SCHEMA)
