"""Alembic's entry: the schema of ingest."""

from rapport_common.migrations import run
from rapport_ingest.tables import METADATA

run(METADATA)
