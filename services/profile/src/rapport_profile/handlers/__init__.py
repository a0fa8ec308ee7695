"""Use cases: what the service does with a batch, and its long work."""
