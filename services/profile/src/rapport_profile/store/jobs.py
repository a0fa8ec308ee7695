"""The jobs of profile: telling, working out and indexing everybody anew."""

from rapport_common.jobs.store import JobStore
from rapport_profile.tables import SCHEMA

JOBS = JobStore(SCHEMA)
REPUBLISH = "republish"
REBUILD = "rebuild"
REINDEX = "reindex"
