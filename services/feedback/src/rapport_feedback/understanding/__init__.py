"""Reads texts in a process of its own, which may take only so long for each."""
