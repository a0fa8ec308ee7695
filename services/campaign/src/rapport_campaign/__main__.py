"""`python -m rapport_campaign run [--only api|worker]` and `... migrate`."""

from pathlib import Path

from rapport_campaign import app
from rapport_common import entry

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    entry.main("campaign", ROOT, app.run)
