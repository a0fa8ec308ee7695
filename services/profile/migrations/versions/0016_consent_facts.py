"""The words that people have said on consents, row by row.

Revision: 0016, follows 0015.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
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
    op.drop_table("consent_fact", schema=SCHEMA)
