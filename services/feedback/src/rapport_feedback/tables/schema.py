"""The schema, and the tables that every service has."""

from sqlalchemy import DateTime
from sqlalchemy.dialects.postgresql import UUID

from rapport_common.brands import brand_table
from rapport_common.db import metadata
from rapport_common.due.tables import due_tables
from rapport_common.follower.tables import Followed, follower_table
from rapport_common.idempotency import idempotency_table
from rapport_common.jobs.tables import job_table
from rapport_common.kafka.tables import consumer_tables
from rapport_common.keeping.tables import keeping_tables
from rapport_common.outbox import outbox_tables
from rapport_common.privacy.tables import privacy_tables
from rapport_common.webhooks.tables import webhook_tables

SCHEMA = "feedback"
METADATA = metadata(SCHEMA)
consumer_tables(METADATA)
outbox_tables(METADATA)
privacy_tables(METADATA)
keeping_tables(METADATA)
brand_table(METADATA)
idempotency_table(METADATA)
due_tables(METADATA)
job_table(METADATA)
webhook_tables(METADATA, keeps_delivered=True)

Instant = DateTime(timezone=True)
Id = UUID(as_uuid=True)

FOLLOWED = Followed(
    SCHEMA,
    ("identifiers", "restraints", "contact_points", "traits"),
    later=("contact_points", "traits"),
)
follower_table(METADATA, FOLLOWED)
