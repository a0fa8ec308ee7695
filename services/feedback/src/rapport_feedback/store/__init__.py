"""Every SQL statement of feedback."""
