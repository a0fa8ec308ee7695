"""The jobs of ingest: imports and replays."""

from rapport_common.jobs.store import LIVING as AT_WORK
from rapport_common.jobs.store import JobStore

JOBS = JobStore("ingest")
UPLOADING = "uploading"
"""The state of an import that waits for its file."""

LIVING = frozenset({UPLOADING, *AT_WORK})
