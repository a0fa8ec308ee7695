"""What customers have written at cases, by mail.

Revision: 0013, follows 0012.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = "feedback"


def upgrade() -> None:
    op.create_table(
        "case_message",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("case_id", UUID(as_uuid=True), nullable=False),
        sa.Column("send_key", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace", "case_id"],
            [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"],
            name=op.f("fk_case_message_workspace_case_id_complaint"),
        ),
        sa.PrimaryKeyConstraint("workspace", "message_id", name=op.f("pk_case_message")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_case_message_workspace_case_id"),
        "case_message",
        ["workspace", "case_id"],
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_complaint_workspace_email"), "complaint", ["workspace", "email"], schema=SCHEMA
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_complaint_workspace_email"), "complaint", schema=SCHEMA)
    op.drop_table("case_message", schema=SCHEMA)
