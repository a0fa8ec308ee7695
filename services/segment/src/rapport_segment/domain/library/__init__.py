"""Segments that come with Rapport: rules with parameters, as data."""
