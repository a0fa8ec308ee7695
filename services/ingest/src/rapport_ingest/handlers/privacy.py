"""People are forgotten: what was refused of them, and what is shown of events."""

from rapport_common.privacy.eraser import Eraser
from rapport_common.privacy.subject import Recogniser
from rapport_ingest.store.privacy import sweeps
from rapport_ingest.tables import SCHEMA


def eraser(event_key: bytes) -> Eraser:
    """Who does it; `event_key`: identifiers are known again under it."""
    return Eraser(SCHEMA, sweeps(Recogniser(event_key)))
