"""The first tables: people, entries, campaigns, the ledger, suppressions, links."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# In the order in which they can be dropped.
TABLES = (
    "message",
    "campaign",
    "content",
    "entry",
    "link",
    "person",
    "policy",
    "suppression",
    "dead_letter",
    "outbox",
    "position",
    "relay_lease",
    "tally",
)


def upgrade() -> None:
    op.create_table(
        "campaign",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("segment_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("from_address", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("allow_old_events", sa.Boolean(), nullable=False),
        sa.Column("include_existing", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("purpose IN ('promotion', 'service')", name="ck_campaign_purpose"),
        sa.CheckConstraint("state IN ('draft', 'running', 'paused')", name="ck_campaign_state"),
        sa.PrimaryKeyConstraint("workspace", "campaign_id", name="pk_campaign"),
        schema="campaign",
    )
    op.create_index(
        "ix_campaign_workspace_segment_id",
        "campaign",
        ["workspace", "segment_id"],
        unique=False,
        schema="campaign",
    )
    op.create_table(
        "content",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("send_key", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "send_key", name="pk_content"),
        schema="campaign",
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
        schema="campaign",
    )
    op.create_index(
        "ix_dead_letter_created_at", "dead_letter", ["created_at"], unique=False, schema="campaign"
    )
    op.create_table(
        "entry",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("segment_id", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("profile_version", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "segment_id", "entry_id", name="pk_entry"),
        schema="campaign",
    )
    op.create_table(
        "link",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("link_id", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "link_id", name="pk_link"),
        schema="campaign",
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
        schema="campaign",
    )
    op.create_table(
        "person",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("merged_into", sa.Text(), nullable=True),
        sa.Column("state", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "profile_id", name="pk_person"),
        schema="campaign",
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "policy",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column(
            "promotion_without_consent",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", name="pk_policy"),
        schema="campaign",
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
        schema="campaign",
    )
    op.create_table(
        "relay_lease",
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.UUID(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("shard", name="pk_relay_lease"),
        schema="campaign",
    )
    op.create_table(
        "suppression",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "address", "purpose", name="pk_suppression"),
        schema="campaign",
    )
    op.create_table(
        "tally",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tally"),
        schema="campaign",
    )
    op.create_table(
        "message",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("send_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("needed_version", sa.BigInteger(), nullable=False),
        sa.Column("to_address", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("waits", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clicked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('planned', 'sending', 'sent', 'failed', 'suppressed', 'uncertain')",
            name="ck_message_state",
        ),
        sa.ForeignKeyConstraint(
            ["workspace", "campaign_id"],
            ["campaign.campaign.workspace", "campaign.campaign.campaign_id"],
            name="fk_message_workspace_campaign_id_campaign",
        ),
        sa.PrimaryKeyConstraint("workspace", "send_key", name="pk_message"),
        schema="campaign",
    )
    op.create_index(
        "ix_message_campaign",
        "message",
        ["workspace", "campaign_id", "planned_at", "send_key"],
        unique=False,
        schema="campaign",
    )
    op.create_index(
        "ix_message_due",
        "message",
        ["queue", "next_attempt_at"],
        unique=False,
        schema="campaign",
        postgresql_where=sa.text("state = 'planned'"),
    )
    op.create_index(
        "ix_message_lease",
        "message",
        ["lease_until"],
        unique=False,
        schema="campaign",
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "ix_message_uncertain",
        "message",
        ["planned_at"],
        unique=False,
        schema="campaign",
        postgresql_where=sa.text("state = 'uncertain'"),
    )
    op.create_index(
        "uq_message_occasion",
        "message",
        ["workspace", "campaign_id", "occasion", "step", "channel"],
        unique=True,
        schema="campaign",
        postgresql_where=sa.text("kind IN ('entry', 'request')"),
        postgresql_nulls_not_distinct=True,
    )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table, schema="campaign")
