"""The jobs of segment: builds, which hold everybody against a definition; files for lists."""

from rapport_common.jobs.store import JobStore

JOBS = JobStore("segment")
BUILD = "build"
UPLOAD = "list_upload"
CLEAR = "list_clear"
