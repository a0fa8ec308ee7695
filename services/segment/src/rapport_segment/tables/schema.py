"""The schema `segment`, and the tables that every service has."""

from rapport_common.db import metadata
from rapport_common.due.tables import due_tables
from rapport_common.jobs.tables import job_table
from rapport_common.kafka.tables import consumer_tables
from rapport_common.keeping.tables import keeping_tables
from rapport_common.outbox import outbox_tables
from rapport_common.privacy.tables import privacy_tables

SCHEMA = "segment"
METADATA = metadata(SCHEMA)
consumer_tables(METADATA)
outbox_tables(METADATA)
privacy_tables(METADATA)
keeping_tables(METADATA)
job_table(METADATA)
due_tables(METADATA)
