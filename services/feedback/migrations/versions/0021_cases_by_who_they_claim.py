"""Cases are found by the address that they claim: for duplicates of forms and unproved mails.

Revision: 0021, follows 0020.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SCHEMA = "feedback"


def upgrade() -> None:
    op.create_index(
        op.f("ix_case_arrival_workspace_email"),
        "case_arrival",
        ["workspace", "email"],
        schema=SCHEMA,
        postgresql_where=sa.text("email IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_case_arrival_workspace_email"), "case_arrival", schema=SCHEMA)
