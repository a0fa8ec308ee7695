"""People, definitions, memberships, and the bookkeeping of consumer and outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alias",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("old_id", sa.UUID(), nullable=False),
        sa.Column("profile_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "old_id", name="pk_alias"),
        schema="segment",
    )
    op.create_index(
        "ix_alias_workspace_profile_id",
        "alias",
        ["workspace", "profile_id"],
        unique=False,
        schema="segment",
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("grp", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letter"),
        sa.UniqueConstraint(
            "grp", "topic", "partition", "offset", name="uq_dead_letter_grp_topic_partition_offset"
        ),
        schema="segment",
    )
    op.create_index(
        "ix_dead_letter_created_at", "dead_letter", ["created_at"], unique=False, schema="segment"
    )
    op.create_table(
        "definition",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("segment_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rule", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "segment_id", name="pk_definition"),
        schema="segment",
    )
    op.create_index(
        "ix_definition_workspace_name",
        "definition",
        ["workspace", "name"],
        unique=True,
        schema="segment",
    )
    op.create_table(
        "definition_version",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("segment_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rule", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "segment_id", "version", name="pk_definition_version"),
        schema="segment",
    )
    op.create_table(
        "membership",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.UUID(), nullable=False),
        sa.Column("segment_id", sa.UUID(), nullable=False),
        sa.Column("entry_id", sa.UUID(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("segment_version", sa.Integer(), nullable=False),
        sa.Column("profile_version", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("exited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("exit_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "workspace", "profile_id", "segment_id", "entry_id", name="pk_membership"
        ),
        schema="segment",
    )
    op.create_index(
        "uq_membership_open",
        "membership",
        ["workspace", "profile_id", "segment_id"],
        unique=True,
        schema="segment",
        postgresql_where=sa.text("exited_at IS NULL"),
    )
    op.create_index(
        "ix_membership_members",
        "membership",
        ["workspace", "segment_id", "profile_id"],
        unique=False,
        schema="segment",
        postgresql_where=sa.text("exited_at IS NULL"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        schema="segment",
    )
    op.create_table(
        "person",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "profile_id", name="pk_person"),
        schema="segment",
    )
    op.create_table(
        "position",
        sa.Column("grp", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("grp", "topic", "partition", name="pk_position"),
        schema="segment",
    )
    op.create_table(
        "relay_lease",
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.UUID(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("shard", name="pk_relay_lease"),
        schema="segment",
    )
    op.create_table(
        "revision",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", name="pk_revision"),
        schema="segment",
    )
    op.create_table(
        "tally",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tally"),
        schema="segment",
    )


def downgrade() -> None:
    op.drop_table("tally", schema="segment")
    op.drop_table("revision", schema="segment")
    op.drop_table("relay_lease", schema="segment")
    op.drop_table("position", schema="segment")
    op.drop_table("person", schema="segment")
    op.drop_table("outbox", schema="segment")
    op.drop_index(
        "ix_membership_members",
        table_name="membership",
        schema="segment",
        postgresql_where=sa.text("exited_at IS NULL"),
    )
    op.drop_index(
        "uq_membership_open",
        table_name="membership",
        schema="segment",
        postgresql_where=sa.text("exited_at IS NULL"),
    )
    op.drop_table("membership", schema="segment")
    op.drop_table("definition_version", schema="segment")
    op.drop_index("ix_definition_workspace_name", table_name="definition", schema="segment")
    op.drop_table("definition", schema="segment")
    op.drop_index("ix_dead_letter_created_at", table_name="dead_letter", schema="segment")
    op.drop_table("dead_letter", schema="segment")
    op.drop_index("ix_alias_workspace_profile_id", table_name="alias", schema="segment")
    op.drop_table("alias", schema="segment")
