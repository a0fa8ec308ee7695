"""`python tests/bench [--only PART]`: measure, with the ceiling beside each number."""

import sys
from pathlib import Path

# Started by path: make the folder importable under its full name, here and in child processes.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.bench.suite import main  # noqa: E402 - the path has to be right first

if __name__ == "__main__":
    main()
