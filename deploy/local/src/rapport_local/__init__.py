"""Runs the whole of Rapport on one machine without Docker."""
