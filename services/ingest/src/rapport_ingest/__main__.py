"""The command line of ingest: `run [--only api|worker]` and `migrate`."""

from rapport_common import entry
from rapport_ingest import app

if __name__ == "__main__":
    entry.main("ingest", app.ROOT, app.run)
