"""People are forgotten: they have no identifiers at once, and what they said goes."""

from rapport_common.privacy.ending import ending
from rapport_common.privacy.eraser import Eraser
from rapport_common.privacy.subject import Recogniser
from rapport_feedback.handlers.activity import on_activity
from rapport_feedback.store.access import parts
from rapport_feedback.store.privacy import sweeps
from rapport_feedback.tables import SCHEMA


def eraser(event_key: bytes) -> Eraser:
    """Who does it; `event_key`: identifiers are known again under it."""
    known = Recogniser(event_key)
    return Eraser(SCHEMA, sweeps(known), parts(known), at_once=ending(on_activity))
