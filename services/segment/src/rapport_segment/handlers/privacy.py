"""People are forgotten: they leave their segments at once, and what is kept of them goes."""

from rapport_common.privacy.ending import ending
from rapport_common.privacy.eraser import Eraser
from rapport_common.privacy.subject import Recogniser
from rapport_segment.handlers.activity import Judging
from rapport_segment.store.access import parts
from rapport_segment.store.privacy import sweeps
from rapport_segment.tables import SCHEMA


def eraser(event_key: bytes) -> Eraser:
    """Who does it; `event_key`: identifiers are known again under it."""
    known = Recogniser(event_key)
    return Eraser(SCHEMA, sweeps(known), parts(known), at_once=ending(Judging().on_activity))
