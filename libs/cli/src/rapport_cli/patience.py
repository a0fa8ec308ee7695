"""How long a command waits for services: longer on a slow machine."""

import os

VARIABLE = "RAPPORT_PATIENCE_SECONDS"


def patience(usual: float) -> float:
    """The seconds to wait: what the environment says, or what is usual for it."""
    try:
        return float(os.environ.get(VARIABLE) or usual)
    except ValueError:
        return usual
