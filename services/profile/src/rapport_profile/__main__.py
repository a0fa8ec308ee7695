"""`python -m rapport_profile run [--only api|worker] | migrate`."""

from rapport_common import entry
from rapport_profile import app

if __name__ == "__main__":
    entry.main(app.SERVICE, app.ROOT, app.run)
