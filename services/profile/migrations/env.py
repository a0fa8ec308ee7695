"""Alembic's entry: the migrations of schema `profile`."""

from rapport_common.migrations import run
from rapport_profile.tables import METADATA

run(METADATA)
