"""Follows `profile.activity`: of each id what was told last, and what became of it."""
