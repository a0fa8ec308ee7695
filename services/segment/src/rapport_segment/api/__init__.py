"""The operator API."""
