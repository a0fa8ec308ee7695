"""What has a time: rows that wait until they are due, and the worker that runs them then."""
