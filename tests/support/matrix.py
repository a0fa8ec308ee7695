"""How large the full matrix of faults is, which `make test-long` runs."""

import os

SEEDS = range(1, 1 + int(os.environ.get("RAPPORT_SEEDS", "3")))
"""Each seed is another crowd, and other moments for the faults."""
