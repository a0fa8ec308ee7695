"""What segment keeps of people for a time that a workspace chooses."""

from rapport_common.keeping.classes import DataClass
from rapport_common.keeping.holding import held_by
from rapport_segment.tables import SCHEMA

STAYS = DataClass(
    name="stays",
    about="former stays in segments, with the reasons for them",
    table="segment.membership",
    key={"profile_id": "uuid", "segment_id": "uuid", "entry_id": "uuid"},
    over="t.exited_at < :before",
    gone=("DELETE FROM segment.membership",),
    owner=("profile_id",),
    held=held_by(SCHEMA, "page.profile_id"),
)
CLASSES = [STAYS]
