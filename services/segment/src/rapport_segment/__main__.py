"""`python -m rapport_segment run [--only api|worker] | migrate`."""

from rapport_common import entry
from rapport_segment import app

if __name__ == "__main__":
    entry.main("segment", app.ROOT, app.run)
