"""The schema `profile`, with the tables that every service has."""

from sqlalchemy import (
    DateTime,
)

from rapport_common.db import metadata
from rapport_common.due.tables import due_tables
from rapport_common.idempotency import idempotency_table
from rapport_common.jobs.tables import job_table
from rapport_common.kafka.tables import consumer_tables
from rapport_common.outbox import outbox_tables
from rapport_common.privacy.tables import privacy_tables
from rapport_common.scores.tables import score_table

SCHEMA = "profile"
METADATA = metadata(SCHEMA)
INSTANT = DateTime(timezone=True)
consumer_tables(METADATA)
outbox_tables(METADATA)
job_table(METADATA)
due_tables(METADATA)
idempotency_table(METADATA)
privacy_tables(METADATA)
score_table(METADATA)
