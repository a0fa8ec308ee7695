"""Quotas that are far from their limits are counted in parts; answers are found by their time.

Revision: 0022, follows 0021.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SCHEMA = "feedback"
INDEX = "ix_response_workspace_survey_id_answered_at"
ID = postgresql.UUID(as_uuid=True)


def upgrade() -> None:
    op.create_table(
        "survey_quota_part",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("survey_id", ID, nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("quota", sa.Text(), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            *("workspace", "survey_id", "wave", "quota", "part"),
            name=op.f("pk_survey_quota_part"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace", "survey_id"],
            [f"{SCHEMA}.survey.workspace", f"{SCHEMA}.survey.survey_id"],
            name=op.f("fk_survey_quota_part_workspace_survey_id_survey"),
        ),
        schema=SCHEMA,
        postgresql_with={"fillfactor": "50"},
    )
    columns = ["workspace", "survey_id", "answered_at"]
    op.create_index(op.f(INDEX), "response", columns, schema=SCHEMA)


def downgrade() -> None:
    op.drop_index(op.f(INDEX), "response", schema=SCHEMA)
    op.drop_table("survey_quota_part", schema=SCHEMA)
