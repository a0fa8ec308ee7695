"""The jobs of profile: telling everybody again, and working everybody out anew."""

from rapport_common.jobs.store import JobStore
from rapport_profile.tables import SCHEMA

JOBS = JobStore(SCHEMA)
REPUBLISH = "republish"
REBUILD = "rebuild"
