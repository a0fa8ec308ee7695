"""How complaints come in, and what is given back.

Revision: 0018, follows 0017.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SCHEMA = "feedback"


def upgrade() -> None:
    op.create_table(
        "complaint_form",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("form_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("per_hour", sa.Integer(), nullable=False),
        sa.Column("files", sa.Boolean(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "form_id", name=op.f("pk_complaint_form")),
        schema=SCHEMA,
    )
    op.create_table(
        "complaint_address",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("trusted", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("after_closing", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("workspace", "address", name=op.f("pk_complaint_address")),
        sa.UniqueConstraint("address", name=op.f("uq_complaint_address_address")),
        schema=SCHEMA,
    )
    op.create_table(
        "case_arrival",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace", "case_id"],
            [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"],
            name=op.f("fk_case_arrival_workspace_case_id_complaint"),
        ),
        sa.PrimaryKeyConstraint("workspace", "case_id", name=op.f("pk_case_arrival")),
        sa.UniqueConstraint("workspace", "digest", name=op.f("uq_case_arrival_workspace_digest")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_case_arrival_workspace_place_at"),
        "case_arrival",
        ["workspace", "place", "at"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_table(
        "case_mail",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("own_id", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("automatic", sa.Text(), nullable=False),
        sa.Column("quoted", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace", "case_id"],
            [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"],
            name=op.f("fk_case_mail_workspace_case_id_complaint"),
        ),
        sa.PrimaryKeyConstraint("workspace", "message_id", name=op.f("pk_case_mail")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_case_mail_workspace_case_id"),
        "case_mail",
        ["workspace", "case_id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_case_mail_workspace_sender_at"),
        "case_mail",
        ["workspace", "sender", "at"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_table(
        "attachment",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("attachment_id", sa.UUID(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("refused", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace", "case_id"],
            [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"],
            name=op.f("fk_attachment_workspace_case_id_complaint"),
        ),
        sa.PrimaryKeyConstraint("workspace", "attachment_id", name=op.f("pk_attachment")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_attachment_workspace_case_id"),
        "attachment",
        ["workspace", "case_id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_table(
        "attachment_part",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("attachment_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace", "attachment_id"],
            [f"{SCHEMA}.attachment.workspace", f"{SCHEMA}.attachment.attachment_id"],
            name=op.f("fk_attachment_part_workspace_attachment_id_attachment"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "workspace", "attachment_id", "number", name=op.f("pk_attachment_part")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "case_catalogue",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "kind", "name", name=op.f("pk_case_catalogue")),
        schema=SCHEMA,
    )
    op.create_table(
        "connector_post",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("connector", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace", "case_id"],
            [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"],
            name=op.f("fk_connector_post_workspace_case_id_complaint"),
        ),
        sa.PrimaryKeyConstraint(
            "workspace", "connector", "kind", "external_id", name=op.f("pk_connector_post")
        ),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_connector_post_workspace_case_id"),
        "connector_post",
        ["workspace", "case_id"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_table(
        "case_cause",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace", "case_id"],
            [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"],
            name=op.f("fk_case_cause_workspace_case_id_complaint"),
        ),
        sa.PrimaryKeyConstraint("workspace", "case_id", name=op.f("pk_case_cause")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_case_cause_workspace_cause"),
        "case_cause",
        ["workspace", "cause"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_table(
        "corrective_action",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("action_id", sa.UUID(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("done_on", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "action_id", name=op.f("pk_corrective_action")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_corrective_action_workspace_cause"),
        "corrective_action",
        ["workspace", "cause"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_table(
        "goodwill",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("goodwill_id", sa.UUID(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("cost", sa.Numeric(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace", "case_id"],
            [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"],
            name=op.f("fk_goodwill_workspace_case_id_complaint"),
        ),
        sa.PrimaryKeyConstraint("workspace", "goodwill_id", name=op.f("pk_goodwill")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_goodwill_workspace_at"),
        "goodwill",
        ["workspace", "at"],
        unique=False,
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_goodwill_workspace_case_id"),
        "goodwill",
        ["workspace", "case_id"],
        unique=False,
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("goodwill", schema=SCHEMA)
    op.drop_table("corrective_action", schema=SCHEMA)
    op.drop_table("case_cause", schema=SCHEMA)
    op.drop_table("connector_post", schema=SCHEMA)
    op.drop_table("case_catalogue", schema=SCHEMA)
    op.drop_table("attachment_part", schema=SCHEMA)
    op.drop_table("attachment", schema=SCHEMA)
    op.drop_table("case_mail", schema=SCHEMA)
    op.drop_table("case_arrival", schema=SCHEMA)
    op.drop_table("complaint_address", schema=SCHEMA)
    op.drop_table("complaint_form", schema=SCHEMA)
