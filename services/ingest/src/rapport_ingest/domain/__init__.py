"""What ingest decides without touching the world: bodies, events, clocks and keys."""
