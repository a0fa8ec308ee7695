"""Files for advertising platforms: what is made, how often, and the files.

Revision: 0021, follows 0020.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SCHEMA = "segment"
INSTANT = sa.DateTime(timezone=True)
NONE = sa.text("0")


def upgrade() -> None:
    audiences()
    files()
    parts()


def downgrade() -> None:
    for table in ("audience_part", "audience_file", "audience"):
        op.drop_table(table, schema=SCHEMA)


def audiences() -> None:
    op.create_table(
        "audience",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("audience_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("segment_id", sa.UUID(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("every_hours", sa.Integer()),
        sa.Column("job", sa.Text()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "audience_id", name=op.f("pk_audience")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_audience_workspace_name"),
        "audience",
        ["workspace", "name"],
        unique=True,
        schema=SCHEMA,
    )


def files() -> None:
    op.create_table(
        "audience_file",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("file_id", sa.UUID(), nullable=False),
        sa.Column("audience_id", sa.UUID(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("whole", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("rows", sa.BigInteger(), server_default=NONE, nullable=False),
        sa.Column(
            "left_out",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("bytes", sa.BigInteger(), server_default=NONE, nullable=False),
        sa.Column("sha256", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "file_id", name=op.f("pk_audience_file")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_audience_file_workspace_audience_id_made_at"),
        "audience_file",
        ["workspace", "audience_id", "made_at"],
        schema=SCHEMA,
    )


def parts() -> None:
    op.create_table(
        "audience_part",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("file_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("people", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace", "file_id"],
            [f"{SCHEMA}.audience_file.workspace", f"{SCHEMA}.audience_file.file_id"],
            name=op.f("fk_audience_part_workspace_file_id_audience_file"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace", "file_id", "number", name=op.f("pk_audience_part")),
        schema=SCHEMA,
    )
