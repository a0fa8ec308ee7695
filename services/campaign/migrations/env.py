"""Alembic's entry: the migrations of schema `campaign`."""

from rapport_campaign.tables import METADATA
from rapport_common.migrations import run

run(METADATA)
