"""The operator routes of ingest."""
