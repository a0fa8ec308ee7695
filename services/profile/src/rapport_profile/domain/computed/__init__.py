"""Computed traits: aggregates over events that a workspace defines as data."""
