"""A job has a subject: the table is the one that all services have."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("job", "source", new_column_name="subject", schema="ingest")


def downgrade() -> None:
    op.alter_column("job", "subject", new_column_name="source", schema="ingest")
