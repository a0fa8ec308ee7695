"""Groups: what was said of each, what it amounts to, and who is in it.

Revision: 0018, follows 0017.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SCHEMA = "profile"


def upgrade() -> None:
    text, instant, uuid = sa.Text(), sa.DateTime(timezone=True), sa.UUID()
    json = postgresql.JSON(astext_type=text)
    op.create_table(
        "group_profile",
        sa.Column("workspace", text, nullable=False),
        sa.Column("id", uuid, nullable=False, comment="A keyed digest of kind and key."),
        sa.Column("kind", text, nullable=False),
        sa.Column("key", text, nullable=False),
        sa.Column("traits", json, nullable=False),
        sa.Column("expired", json, comment="Traits of facts that are gone."),
        sa.Column("is_known", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("updated_at", instant, server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", instant, comment="What was received by then does not count."),
        sa.Column("deleted_by", text),
        sa.Column("deleted_reason", text),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_group_profile")),
        schema=SCHEMA,
    )
    op.create_table(
        "group_fact",
        sa.Column("workspace", text, nullable=False),
        sa.Column("source", text, nullable=False),
        sa.Column("message_id", text, nullable=False),
        sa.Column("group_id", uuid, nullable=False),
        sa.Column("identifier_id", uuid, comment="Whose part it is; null: nobody's."),
        sa.Column("verb", text, nullable=False, comment="in, out, or said: of the group alone"),
        sa.Column("at", instant, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("received_at", instant, nullable=False),
        sa.Column("is_trusted", sa.Boolean(), nullable=False),
        sa.Column("role", text),
        sa.Column("traits", json),
        sa.Column("actor", text, comment="Of what an operator says."),
        sa.Column("reason", text),
        sa.PrimaryKeyConstraint("workspace", "source", "message_id", name=op.f("pk_group_fact")),
        schema=SCHEMA,
    )
    op.create_table(
        "group_member",
        sa.Column("workspace", text, nullable=False),
        sa.Column("group_id", uuid, nullable=False),
        sa.Column("profile_id", uuid, nullable=False),
        sa.Column("since", instant, nullable=False),
        sa.Column("role", text),
        sa.Column("is_verified", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "group_id", "profile_id", name=op.f("pk_group_member")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "group_told",
        sa.Column("workspace", text, nullable=False),
        sa.Column("profile_id", uuid, nullable=False),
        sa.Column(
            "told", json, comment="The trait `groups` as others know it; null: they may not."
        ),
        sa.PrimaryKeyConstraint("workspace", "profile_id", name=op.f("pk_group_told")),
        schema=SCHEMA,
    )
    for table, columns in (
        ("group_fact", ["workspace", "identifier_id"]),
        ("group_fact", ["workspace", "group_id"]),
        ("group_member", ["workspace", "profile_id"]),
    ):
        name = f"ix_{table}_{'_'.join(columns)}"
        op.create_index(op.f(name), table, columns, schema=SCHEMA)
    op.create_index(
        "ix_group_fact_traits",
        "group_fact",
        ["workspace", "group_id", "is_trusted", "at"],
        postgresql_where=sa.text("traits IS NOT NULL"),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_group_profile_workspace_kind_key"),
        "group_profile",
        ["workspace", "kind", "key"],
        unique=True,
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in ("group_told", "group_member", "group_fact", "group_profile"):
        op.drop_table(table, schema=SCHEMA)
