"""The jobs of segment: builds, which hold everybody against a definition."""

from rapport_common.jobs.store import JobStore

JOBS = JobStore("segment")
BUILD = "build"
