"""`python -m rapport_feedback run [--only api|worker]` and `... migrate`."""

from pathlib import Path

from rapport_common import entry
from rapport_feedback import app

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    entry.main("feedback", ROOT, app.run)
