"""`python -m rapport_campaign run [--only api|worker]` and `... migrate`."""

from pathlib import Path

from rapport_common import entry

if __name__ == "__main__":
    entry.main("campaign", Path(__file__).resolve().parents[2])
