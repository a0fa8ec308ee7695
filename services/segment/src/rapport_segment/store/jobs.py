"""The jobs of segment: builds, which hold everybody against a definition, and files."""

from rapport_common.jobs.store import JobStore

JOBS = JobStore("segment")
BUILD = "build"
UPLOAD = "list_upload"
CLEAR = "list_clear"
AUDIENCE_FILE = "audience_file"
SCORE = "rfm"
