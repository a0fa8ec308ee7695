"""What people look at and buy, and what is recommended by it."""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from rapport_campaign.tables.schema import METADATA, Instant

# Of each field the value that was told last, and when that was; `price` is `129.90 EUR`.
Table(
    "product",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("sku", Text(collation="C"), primary_key=True),
    Column("name", Text),
    Column("name_at", Instant),
    Column("url", Text),
    Column("url_at", Instant),
    Column("image_url", Text),
    Column("image_url_at", Instant),
    Column("price", Text),
    Column("price_at", Instant),
    Column("category", Text),
    Column("category_at", Instant),
    Column("in_stock", Boolean, nullable=False, server_default=text("true")),
    Column("blocked", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
    Index(None, "workspace", "category", "sku"),
)

# What events say of products. Whose an event is, nobody writes down: it is of whoever has the
# identifier of its `anchor`. `subject` stands for the same identifier in wishes to be forgotten.
Table(
    "product_event",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("source", Text(collation="C"), primary_key=True),
    Column("message_id", Text(collation="C"), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("anchor", LargeBinary, nullable=False),
    Column("subject", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    # So many copies of the message counted before this one.
    Column("copy", Integer, nullable=False),
    Column("trusted", Boolean, nullable=False),
    Column("order_key", Text, nullable=False),
    Column("skus", ARRAY(Text), nullable=False),
    # How many of each; none: an event does not say.
    Column("counts", ARRAY(Integer), nullable=False),
    CheckConstraint("kind IN ('viewed', 'ordered', 'returned')", name="kind"),
    Index("ix_product_event_of", "workspace", "anchor", "kind", "at"),
    Index("ix_product_event_subject", "workspace", "subject"),
    Index(
        "ix_product_event_orders",
        "workspace",
        "at",
        postgresql_where=text("trusted AND kind <> 'viewed'"),
    ),
    Index("ix_product_event_at", "at", postgresql_using="brin"),
)

# How many people have bought each within so many days: the most bought, of all and by category.
Table(
    "product_rank",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("days", SmallInteger, primary_key=True),
    Column("sku", Text(collation="C"), primary_key=True),
    Column("buyers", Integer, nullable=False),
    Column("category", Text),
    Column("place", Integer, nullable=False),
    Column("place_in_category", Integer, nullable=False),
    Index(None, "workspace", "days", "place"),
    Index(None, "workspace", "days", "category", "place_in_category"),
)

# What is bought in one order with what, by how many people.
Table(
    "product_pair",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("sku", Text(collation="C"), primary_key=True),
    Column("other", Text(collation="C"), primary_key=True),
    Column("buyers", Integer, nullable=False),
    Column("lift", Float, nullable=False),
    Column("place", Integer, nullable=False),
)

# When the two above are worked out again, and not before when.
Table(
    "recommendation_standing",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("next_at", Instant, nullable=False),
    Column("soonest_at", Instant, nullable=False),
    Column("ranked_at", Instant),
    Index(None, "next_at"),
)

Table(
    "recommendation_slot",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("slot", Text, primary_key=True),
    Column("rules", JSON, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", Text, nullable=False),
    Column("archived_at", Instant),
)

# What was recommended in which message, and why.
Table(
    "recommended",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("send_key", Text, primary_key=True),
    Column("slot", Text, primary_key=True),
    Column("profile_id", Text, nullable=False),
    Column("skus", ARRAY(Text), nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("at", Instant, nullable=False),
    Index(None, "workspace", "profile_id"),
)

# Who else is asked what to recommend.
Table(
    "recommender",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("deadline_ms", Integer, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", Text, nullable=False),
)
