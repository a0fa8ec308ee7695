"""Lists of identifiers, the files that they are made of, and who has an identifier.

Revision: 0015, follows 0014.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SCHEMA = "segment"
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "list",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("list_id", UUID(as_uuid=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("archived_at", TIME),
        sa.Column("generation", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "list_id", name=op.f("pk_list")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_list_workspace_name"),
        "list",
        ["workspace", "name"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("archived_at IS NULL"),
    )
    op.create_table(
        "list_member",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("list_id", UUID(as_uuid=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("subject", UUID(as_uuid=True), nullable=False),
        sa.Column("added_at", TIME, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "list_id", "kind", "value", name=op.f("pk_list_member")
        ),
        schema=SCHEMA,
    )
    for name, columns in (
        ("ix_list_member_identifier", ["workspace", "kind", "value"]),
        ("ix_list_member_subject", ["workspace", "subject"]),
    ):
        op.create_index(name, "list_member", columns, schema=SCHEMA)
    op.create_table(
        "list_part",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "job", "number", name=op.f("pk_list_part")),
        schema=SCHEMA,
    )
    op.create_table(
        "list_refusal",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "job", "line", name=op.f("pk_list_refusal")),
        schema=SCHEMA,
    )
    op.execute(
        "CREATE INDEX ix_person_identifiers ON segment.person USING gin "
        "(identifiers jsonb_path_ops) WITH (fastupdate = off)"
    )


def downgrade() -> None:
    op.execute("DROP INDEX segment.ix_person_identifiers")
    for name in ("list_refusal", "list_part", "list_member", "list"):
        op.drop_table(name, schema=SCHEMA)
