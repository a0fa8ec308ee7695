"""What ingest does for those who call it, apart from how they call."""
