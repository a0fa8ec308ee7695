"""The jobs of segment: builds, which hold everybody against a definition, and files."""

from rapport_common.jobs.store import JobStore

JOBS = JobStore("segment")
BUILD = "build"
AUDIENCE_FILE = "audience_file"
