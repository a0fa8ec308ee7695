"""The first schema of profile."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letter")),
        sa.UniqueConstraint(
            "grp",
            "topic",
            "partition",
            "offset",
            name=op.f("uq_dead_letter_grp_topic_partition_offset"),
        ),
        schema="profile",
    )
    op.create_index(
        op.f("ix_dead_letter_created_at"),
        "dead_letter",
        ["created_at"],
        unique=False,
        schema="profile",
    )
    op.create_table(
        "identifier",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.UUID(), nullable=True),
        sa.Column("cluster_id", sa.UUID(), nullable=True),
        sa.Column("shared", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "fold",
            postgresql.JSON(astext_type=sa.Text()),
            nullable=False,
        ),
        sa.Column(
            "expired",
            postgresql.JSON(astext_type=sa.Text()),
            nullable=True,
            comment="The fold of events that retention has removed.",
        ),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_identifier")),
        schema="profile",
    )
    op.create_index(
        op.f("ix_identifier_workspace_cluster_id"),
        "identifier",
        ["workspace", "cluster_id"],
        unique=False,
        schema="profile",
    )
    op.create_index(
        op.f("ix_identifier_workspace_profile_id"),
        "identifier",
        ["workspace", "profile_id"],
        unique=False,
        schema="profile",
    )
    op.create_table(
        "inbox",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("identifier_id", sa.UUID(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "source", "message_id", name=op.f("pk_inbox")),
        schema="profile",
    )
    op.create_table(
        "link",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("a", sa.UUID(), nullable=False, comment="The strongest identifier of the event."),
        sa.Column("b", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="seen or alias"),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("void", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "a", "b", "kind", name=op.f("pk_link")),
        schema="profile",
    )
    op.create_index(
        op.f("ix_link_workspace_b"), "link", ["workspace", "b"], unique=False, schema="profile"
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        schema="profile",
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
        sa.PrimaryKeyConstraint("grp", "topic", "partition", name=op.f("pk_position")),
        schema="profile",
    )
    op.create_table(
        "profile",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("merged_into", sa.UUID(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_profile")),
        schema="profile",
    )
    op.create_table(
        "relay_lease",
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.UUID(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("shard", name=op.f("pk_relay_lease")),
        schema="profile",
    )
    op.create_table(
        "tally",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tally")),
        schema="profile",
    )
    op.create_table(
        "timeline",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column(
            "identifier_id", sa.UUID(), nullable=False, comment="The event's strongest identifier."
        ),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("event", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace",
            "identifier_id",
            "timestamp",
            "source",
            "message_id",
            name=op.f("pk_timeline"),
        ),
        schema="profile",
    )
    op.create_index(
        op.f("ix_timeline_timestamp"),
        "timeline",
        ["timestamp"],
        unique=False,
        postgresql_using="brin",
        schema="profile",
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_timeline_timestamp"), table_name="timeline", schema="profile")
    op.drop_table("timeline", schema="profile")
    op.drop_table("tally", schema="profile")
    op.drop_table("relay_lease", schema="profile")
    op.drop_table("profile", schema="profile")
    op.drop_table("position", schema="profile")
    op.drop_table("outbox", schema="profile")
    op.drop_index(op.f("ix_link_workspace_b"), table_name="link", schema="profile")
    op.drop_table("link", schema="profile")
    op.drop_table("inbox", schema="profile")
    op.drop_index(
        op.f("ix_identifier_workspace_profile_id"), table_name="identifier", schema="profile"
    )
    op.drop_index(
        op.f("ix_identifier_workspace_cluster_id"), table_name="identifier", schema="profile"
    )
    op.drop_table("identifier", schema="profile")
    op.drop_index(op.f("ix_dead_letter_created_at"), table_name="dead_letter", schema="profile")
    op.drop_table("dead_letter", schema="profile")
