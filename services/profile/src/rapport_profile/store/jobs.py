"""The jobs of profile: republishing, which tells everybody again."""

from rapport_common.jobs.store import JobStore

JOBS = JobStore("profile")
REPUBLISH = "republish"
