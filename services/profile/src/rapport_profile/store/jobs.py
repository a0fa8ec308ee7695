"""The jobs of profile: telling everybody again, working everybody out anew, finding duplicates."""

from rapport_common.jobs.store import JobStore
from rapport_profile.tables import SCHEMA

JOBS = JobStore(SCHEMA)
REPUBLISH = "republish"
REBUILD = "rebuild"
FIND_DUPLICATES = "find_duplicates"
