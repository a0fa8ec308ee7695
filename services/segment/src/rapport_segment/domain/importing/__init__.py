"""Definitions of segments as other platforms write them, read as rules."""
