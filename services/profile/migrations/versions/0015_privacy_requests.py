"""What is not to be done with a person's data, and who asked what is known of them.

Revision: 0015, follows 0014.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SCHEMA = "profile"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "restraint",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False, comment="processing, marketing or profiling"),
        sa.Column("profile_id", sa.UUID(), comment="Of then; none where nobody was known."),
        sa.Column("identifiers", ARRAY(sa.UUID()), nullable=False, comment="That have it."),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("lifted_at", INSTANT),
        sa.Column("lifted_by", sa.Text()),
        sa.Column("lifted_reason", sa.Text()),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_restraint")),
        schema=SCHEMA,
    )
    _requests()
    op.create_table(
        "access",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("subjects", ARRAY(sa.Text()), nullable=False),
        sa.Column("kinds", ARRAY(sa.Text()), nullable=False),
        sa.Column("profiles", ARRAY(sa.Text()), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("seal", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("after", sa.Text()),
        sa.Column("pieces", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("told", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("try_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "request_id", name=op.f("pk_access")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_access_try_at"),
        "access",
        ["try_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index(op.f("ix_access_created_at"), "access", ["created_at"], schema=SCHEMA)


def _requests() -> None:
    op.create_table(
        "access_request",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("profile_id", sa.UUID(), comment="Of then; none where nobody was known."),
        sa.Column(
            "subjects", ARRAY(sa.Text()), nullable=False, comment="HMACs; none once forgotten."
        ),
        sa.Column(
            "identifiers", sa.BigInteger(), nullable=False, comment="How many the person had."
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_access_request")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_access_request_at"),
        "access_request",
        ["at"],
        schema=SCHEMA,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    request = (
        lambda: sa.Column("workspace", sa.Text(), nullable=False),
        lambda: sa.Column("request_id", sa.UUID(), nullable=False),
    )
    op.create_table(
        "access_key",
        *(one() for one in request),
        sa.Column("private", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "request_id", name=op.f("pk_access_key")),
        schema=SCHEMA,
    )
    op.create_table(
        "access_piece",
        *(one() for one in request),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "request_id", "service", "number", name=op.f("pk_access_piece")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "access_answer",
        *(one() for one in request),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.Column("told", JSONB(), nullable=False, comment="Rows by section."),
        sa.PrimaryKeyConstraint(
            "workspace", "request_id", "service", name=op.f("pk_access_answer")
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "access_download",
        *(one() for one in request),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "request_id", "id", name=op.f("pk_access_download")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for name in ("request", "key", "piece", "answer", "download"):
        op.drop_table(f"access_{name}", schema=SCHEMA)
    op.drop_table("access", schema=SCHEMA)
    op.drop_table("restraint", schema=SCHEMA)
