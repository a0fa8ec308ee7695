"""`python -m rapport_campaign run [--only api|worker]` and `... migrate`."""

from pathlib import Path

from rapport_common import entry

if __name__ == "__main__":
    # What renderers need is imported first, and forked off: they share it with us.
    nursery = "rapport_campaign.nursery"
    entry.main("campaign", Path(__file__).resolve().parents[2], first=nursery)
