"""The schema `campaign`: its metadata, the tables that all services have, and types of columns."""

from sqlalchemy import DateTime, Index, text
from sqlalchemy.dialects.postgresql import UUID

from rapport_common.brands import brand_table
from rapport_common.db import metadata
from rapport_common.follower.tables import Followed, follower_table
from rapport_common.idempotency import idempotency_table
from rapport_common.jobs.tables import job_table
from rapport_common.kafka.tables import consumer_tables
from rapport_common.keeping.tables import keeping_tables
from rapport_common.outbox import outbox_tables
from rapport_common.privacy.tables import privacy_tables
from rapport_common.webhooks.tables import webhook_tables

SCHEMA = "campaign"
METADATA = metadata(SCHEMA)
consumer_tables(METADATA)
outbox_tables(METADATA)
privacy_tables(METADATA)
keeping_tables(METADATA)
job_table(METADATA)
brand_table(METADATA)
idempotency_table(METADATA)
webhook_tables(METADATA, keeps_delivered=True)

Instant = DateTime(timezone=True)
Id = UUID(as_uuid=False)

FOLLOWED = Followed(
    SCHEMA,
    ("identifiers", "contact_points", "traits", "computed", "consent", "restraints"),
    kept="json",
)
follower_table(METADATA, FOLLOWED)
_person = METADATA.tables[f"{SCHEMA}.person"]
# Who has become somebody: asked when somebody wants to know why they got what.
Index(
    "ix_person_heir",
    _person.c.workspace,
    _person.c.heir,
    postgresql_where=text("heir IS NOT NULL"),
)
