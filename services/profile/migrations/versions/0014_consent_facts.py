"""The words that people have said on consents, row by row; and what has a time.

Revision: 0014, follows 0012.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = "profile"
# What is on the timelines: words in the form that the door gives them. Of a no of that day the
# receipt counts, as in the fold. What retention has removed has no rows, and holds all the same.
WORDS = """
INSERT INTO profile.consent_fact (workspace, source, message_id, identifier_id, sequence, channel,
  purpose, contact_point, kind, state, at, received_at, trust, wording_version, evidence)
SELECT workspace, source, message_id, identifier_id, coalesce((event ->> 'sequence')::bigint, 0),
  said ->> 'channel', said ->> 'purpose', said ->> 'contact_point',
  CASE WHEN said ->> 'state' <> 'granted' THEN 'refused'
    WHEN historic AND timestamp >= received_at THEN 'undated'
    WHEN trust = 'trusted' THEN 'granted' ELSE 'asked' END,
  said ->> 'state',
  CASE WHEN said ->> 'state' <> 'granted' AND NOT historic
      AND received_at - least(timestamp, received_at) < interval '24 hours'
    THEN received_at ELSE least(timestamp, received_at) END,
  received_at, trust, left(said ->> 'wording_version', 200), '{}'
FROM (
  SELECT workspace, source, message_id, identifier_id, timestamp, event,
    event -> 'properties' AS said, (event ->> 'received_at')::timestamptz AS received_at,
    coalesce(event ->> 'trust', 'trusted') AS trust,
    coalesce((event ->> 'historic')::boolean, false) AS historic
  FROM profile.timeline
  WHERE event::text LIKE '%Consent Updated%' AND event ->> 'name' = 'Consent Updated'
) AS words
WHERE said ->> 'state' IN ('granted', 'denied', 'withdrawn') AND said ->> 'channel' <> ''
  AND said ->> 'purpose' <> '' AND said ->> 'contact_point' <> ''
  AND json_typeof(coalesce(said -> 'wording_version', 'null')) IN ('null', 'string')
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    _due_tables()
    text, instant = sa.Text(), sa.DateTime(timezone=True)
    op.create_table(
        "consent_fact",
        sa.Column("workspace", text, nullable=False),
        sa.Column("source", text, nullable=False),
        sa.Column("message_id", text, nullable=False, comment="Of the event that says it."),
        sa.Column("identifier_id", sa.UUID(), nullable=False, comment="Who says it."),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("channel", text, nullable=False),
        sa.Column("purpose", text, nullable=False),
        sa.Column("contact_point", text, nullable=False),
        sa.Column("kind", text, nullable=False, comment="refused, granted, asked, or undated"),
        sa.Column("state", text, nullable=False, comment="granted, denied, or withdrawn"),
        sa.Column("at", instant, nullable=False, comment="It counts from then on."),
        sa.Column("received_at", instant, nullable=False),
        sa.Column("trust", text, nullable=False),
        sa.Column("wording_version", text),
        sa.Column("legal_basis", text),
        sa.Column("expires_at", instant),
        sa.Column("ip_hash", text, comment="A keyed digest."),
        sa.Column(
            "evidence",
            postgresql.JSON(astext_type=text),
            nullable=False,
            comment="What it rests on: method, actor, reason …",
        ),
        sa.PrimaryKeyConstraint("workspace", "source", "message_id", name=op.f("pk_consent_fact")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_consent_fact_workspace_identifier_id_at"),
        "consent_fact",
        ["workspace", "identifier_id", "at"],
        schema=SCHEMA,
    )
    op.execute(WORDS)


def downgrade() -> None:
    for table in ("consent_fact", "due_lane", "due"):
        op.drop_table(table, schema=SCHEMA)


def _due_tables() -> None:
    text, instant = sa.Text(), sa.DateTime(timezone=True)
    op.create_table(
        "due",
        sa.Column("workspace", text, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("key", text, nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("try_at", instant, nullable=False),
        sa.Column(
            "payload",
            postgresql.JSONB(astext_type=text),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("traceparent", text),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", text),
        sa.Column("failed_at", instant),
        sa.PrimaryKeyConstraint("workspace", "kind", "key", name=op.f("pk_due")),
        schema=SCHEMA,
        postgresql_with={
            "autovacuum_vacuum_scale_factor": "0.01",
            "autovacuum_vacuum_threshold": "2000",
            "autovacuum_vacuum_cost_delay": "0",
        },
    )
    for columns, condition in (
        (["kind", "try_at"], "failed_at IS NULL"),
        (["workspace", "kind", "try_at"], "failed_at IS NULL"),
        (["workspace", "kind", "failed_at"], "failed_at IS NOT NULL"),
    ):
        op.create_index(
            op.f("ix_due_" + "_".join(columns)),
            "due",
            columns,
            schema=SCHEMA,
            postgresql_where=sa.text(condition),
        )
    op.create_table(
        "due_lane",
        sa.Column("workspace", text, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "kind", name=op.f("pk_due_lane")),
        schema=SCHEMA,
    )
