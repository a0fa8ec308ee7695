"""What became of messages after they were handed over, and where vendors report it to.

Revision: 0021, follows 0020.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _outcome() -> None:
    op.create_table(
        "outcome",
        *(_text(name) for name in ("workspace", "send_key", "kind", "mark")),
        *(_text(name) for name in ("grade", "code", "text", "source")),
        sa.Column("campaign_id", postgresql.UUID(as_uuid=False)),
        _text("profile_id"),
        _text("address", nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "kind IN ('delivered', 'delayed', 'bounced', 'complained', 'replied', "
            "'auto_replied', 'opened', 'clicked')",
            name=op.f("ck_outcome_kind"),
        ),
        sa.CheckConstraint(
            "source IN ('smtp', 'mailbox', 'webhook', 'link', 'answer')",
            name=op.f("ck_outcome_source"),
        ),
        sa.PrimaryKeyConstraint("workspace", "send_key", "kind", "mark", name=op.f("pk_outcome")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_outcome_workspace_campaign_id_kind_grade_send_key"),
        "outcome",
        ["workspace", "campaign_id", "kind", "grade", "send_key"],
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_outcome_workspace_at_send_key_kind_mark"),
        "outcome",
        ["workspace", "at", "send_key", "kind", "mark"],
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_outcome_workspace_profile_id"),
        "outcome",
        ["workspace", "profile_id"],
        schema=SCHEMA,
    )
    op.create_index("ix_outcome_address", "outcome", ["workspace", "address", "at"], schema=SCHEMA)


def upgrade() -> None:
    _outcome()
    op.create_table(
        "workspace_mark",
        _text("workspace"),
        _text("mark"),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_workspace_mark")),
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_workspace_mark_mark"), "workspace_mark", ["mark"], schema=SCHEMA)
    op.create_table(
        "hook",
        *(_text(name) for name in ("workspace", "hook_id", "vendor", "secret", "topic")),
        sa.Column("created_at", INSTANT, nullable=False),
        _text("created_by"),
        sa.Column("last_at", INSTANT),
        sa.CheckConstraint(
            "vendor IN ('twilio', 'ses', 'sendgrid', 'mailgun', 'postmark', 'standard')",
            name=op.f("ck_hook_vendor"),
        ),
        sa.PrimaryKeyConstraint("workspace", "hook_id", name=op.f("pk_hook")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_hook_workspace_created_at_hook_id"),
        "hook",
        ["workspace", "created_at", "hook_id"],
        schema=SCHEMA,
    )
    for name, standard in (("soft_bounces", "5"), ("soft_bounce_days", "30")):
        column = sa.Column(name, sa.Integer(), nullable=False, server_default=standard)
        op.add_column("policy", column, schema=SCHEMA)


def downgrade() -> None:
    for name in ("soft_bounce_days", "soft_bounces"):
        op.drop_column("policy", name, schema=SCHEMA)
    for name in ("hook", "workspace_mark", "outcome"):
        op.drop_table(name, schema=SCHEMA)
