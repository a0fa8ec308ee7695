"""Loyalty: what a programme's rules make of a person's events, by themselves and at any time."""
