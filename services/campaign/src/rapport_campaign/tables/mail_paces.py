"""How fast mails go: the rules of a workspace, and what is kept of each of their lanes (ADR 82)."""

from sqlalchemy import JSON, BigInteger, Column, Date, Float, Integer, Table, Text, text

from rapport_campaign.tables.schema import METADATA, Instant

# Each version of them; the greatest holds.
Table(
    "mail_pace_rules",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("rules", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=text("now()")),
)

# The next free slot (microseconds since 1970), the share of its pace as of `slowed_at`, and how
# many mails went on the latest day of any. All senders lock it before they take a slot.
Table(
    "mail_lane",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("lane", Text, primary_key=True),
    Column("free_at", BigInteger, nullable=False, server_default=text("0")),
    Column("share", Float(53), nullable=False, server_default=text("1")),
    Column("slowed_at", BigInteger, nullable=False, server_default=text("0")),
    Column("day", Date, nullable=False, server_default=text("'0001-01-01'")),
    Column("sent", Integer, nullable=False, server_default=text("0")),
)

# By which pools of an installation's servers mails go: each version of the rules; the greatest
# holds (ADR 86).
Table(
    "mail_pool_rules",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("rules", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=text("now()")),
)
