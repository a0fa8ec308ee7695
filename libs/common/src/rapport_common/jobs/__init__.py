"""Long work outside of requests: taken by one process at a time, resumed where it was."""
