"""For tests only: what every package's tests have in common."""
