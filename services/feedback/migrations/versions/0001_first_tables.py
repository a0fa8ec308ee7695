"""The first tables: people, surveys, complaints, and the bookkeeping of consumer and relay."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "feedback"


def upgrade() -> None:
    op.create_table(
        "case_number",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_case_number")),
        schema=SCHEMA,
    )
    op.create_table(
        "complaint",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("anonymous_id", sa.Text(), nullable=True),
        sa.Column("invitation_id", sa.UUID(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledge_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "case_id", name=op.f("pk_complaint")),
        sa.UniqueConstraint("workspace", "number", name=op.f("uq_complaint_workspace_number")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_complaint_workspace_invitation_id"),
        "complaint",
        ["workspace", "invitation_id"],
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_complaint_workspace_state_number"),
        "complaint",
        ["workspace", "state", "number"],
        schema=SCHEMA,
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letter")),
        sa.UniqueConstraint(
            "grp",
            "topic",
            "partition",
            "offset",
            name=op.f("uq_dead_letter_grp_topic_partition_offset"),
        ),
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_dead_letter_created_at"), "dead_letter", ["created_at"], schema=SCHEMA)
    op.create_table(
        "identity",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "kind", "value", "profile_id", name=op.f("pk_identity")
        ),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_identity_workspace_profile_id"),
        "identity",
        ["workspace", "profile_id"],
        schema=SCHEMA,
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
        schema=SCHEMA,
    )
    op.create_table(
        "person",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("merged_into", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "profile_id", name=op.f("pk_person")),
        schema=SCHEMA,
        postgresql_with={"fillfactor": "70"},
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
        schema=SCHEMA,
    )
    op.create_table(
        "relay_lease",
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.UUID(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("shard", name=op.f("pk_relay_lease")),
        schema=SCHEMA,
    )
    op.create_table(
        "survey",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("survey_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "survey_id", name=op.f("pk_survey")),
        schema=SCHEMA,
    )
    op.create_table(
        "tally",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tally")),
        schema=SCHEMA,
    )
    op.create_table(
        "case_event",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("acknowledge_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace", "case_id"],
            ["feedback.complaint.workspace", "feedback.complaint.case_id"],
            name=op.f("fk_case_event_workspace_case_id_complaint"),
        ),
        sa.PrimaryKeyConstraint("workspace", "case_id", "step", name=op.f("pk_case_event")),
        schema=SCHEMA,
    )
    op.create_table(
        "invitation",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("invitation_id", sa.UUID(), nullable=False),
        sa.Column("survey_id", sa.UUID(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("anonymous_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace", "survey_id"],
            ["feedback.survey.workspace", "feedback.survey.survey_id"],
            name=op.f("fk_invitation_workspace_survey_id_survey"),
        ),
        sa.PrimaryKeyConstraint("workspace", "invitation_id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("invitation_id", name=op.f("uq_invitation_invitation_id")),
        sa.UniqueConstraint(
            "workspace",
            "survey_id",
            "wave",
            "kind",
            "value",
            name=op.f("uq_invitation_workspace_survey_id_wave_kind_value"),
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "response",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("response_id", sa.UUID(), nullable=False),
        sa.Column("survey_id", sa.UUID(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revised_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("score BETWEEN 0 AND 10", name=op.f("ck_response_score")),
        sa.ForeignKeyConstraint(
            ["workspace", "survey_id"],
            ["feedback.survey.workspace", "feedback.survey.survey_id"],
            name=op.f("fk_response_workspace_survey_id_survey"),
        ),
        sa.PrimaryKeyConstraint("workspace", "response_id", name=op.f("pk_response")),
        sa.UniqueConstraint(
            "workspace",
            "survey_id",
            "wave",
            "kind",
            "value",
            name=op.f("uq_response_workspace_survey_id_wave_kind_value"),
        ),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("response", schema=SCHEMA)
    op.drop_table("invitation", schema=SCHEMA)
    op.drop_table("case_event", schema=SCHEMA)
    op.drop_table("tally", schema=SCHEMA)
    op.drop_table("survey", schema=SCHEMA)
    op.drop_table("relay_lease", schema=SCHEMA)
    op.drop_table("position", schema=SCHEMA)
    op.drop_table("person", schema=SCHEMA)
    op.drop_table("outbox", schema=SCHEMA)
    op.drop_table("identity", schema=SCHEMA)
    op.drop_table("dead_letter", schema=SCHEMA)
    op.drop_table("complaint", schema=SCHEMA)
    op.drop_table("case_number", schema=SCHEMA)
