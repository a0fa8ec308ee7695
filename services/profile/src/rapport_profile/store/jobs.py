"""The jobs of profile, by what they do to everybody: tell, work out anew, compare, measure."""

from rapport_common.jobs.store import JobStore
from rapport_profile.tables import SCHEMA

JOBS = JobStore(SCHEMA)
REPUBLISH = "republish"
REBUILD = "rebuild"
FIND_DUPLICATES = "find_duplicates"
MEASURE_QUALITY = "measure_quality"
REINDEX = "reindex"
FILL_COMPUTED = "fill_computed"
BACKFILL_LOYALTY = "backfill_loyalty"
