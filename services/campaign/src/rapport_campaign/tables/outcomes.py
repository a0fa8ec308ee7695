"""What became of messages, by what a token names a workspace, and where vendors report to."""

from sqlalchemy import CheckConstraint, Column, Index, Table, Text

from rapport_campaign.tables.schema import METADATA, Id, Instant

# One row for each report; of opens and clicks one for each of who may have made them. `address` is
# in normal form, of reports only; `mark` is the same for the same report.
Table(
    "outcome",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("send_key", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("mark", Text, primary_key=True),
    Column("grade", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("campaign_id", Id),
    Column("profile_id", Text, nullable=False),
    Column("address", Text),
    Column("at", Instant, nullable=False),
    CheckConstraint(
        "kind IN ('delivered', 'delayed', 'bounced', 'complained', 'replied', 'auto_replied', "
        "'opened', 'clicked')",
        name="kind",
    ),
    CheckConstraint("source IN ('smtp', 'mailbox', 'webhook', 'link', 'answer')", name="source"),
    Index(None, "workspace", "campaign_id", "kind", "grade", "send_key"),
    Index(None, "workspace", "at", "send_key", "kind", "mark"),
    Index(None, "workspace", "profile_id"),
    # How often an address was not reached lately.
    Index("ix_outcome_address", "workspace", "address", "at"),
)

# Which workspace a token is of: written before its first mail leaves.
Table(
    "workspace_mark",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("mark", Text, nullable=False),
    Index(None, "mark"),
)

# Where vendors report to; `secret` is sealed.
Table(
    "hook",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("hook_id", Text, primary_key=True),
    Column("vendor", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("last_at", Instant),
    CheckConstraint(
        "vendor IN ('twilio', 'ses', 'sendgrid', 'mailgun', 'postmark', 'standard')", name="vendor"
    ),
    Index(None, "workspace", "created_at", "hook_id"),
)
