"""Alembic's entry: the migrations of schema `feedback`."""

from rapport_common.migrations import run
from rapport_feedback.tables import METADATA

run(METADATA)
