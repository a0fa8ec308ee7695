"""The jobs of profile: republishing, which tells everybody again."""

from rapport_common.jobs.store import JobStore
from rapport_profile.tables import SCHEMA

JOBS = JobStore(SCHEMA)
REPUBLISH = "republish"
