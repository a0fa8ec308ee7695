"""What segment tells of somebody who asks: which segments they are and were in, and why."""

from rapport_common.access.aside import aside_parts
from rapport_common.access.parts import Part, Rows, plain
from rapport_common.privacy.subject import Recogniser
from rapport_segment.tables import SCHEMA

STAYS = Rows(
    "segment.membership",
    "the segments you are or were in, since when and why",
    "segment.membership t LEFT JOIN segment.definition d USING (workspace, segment_id)",
    {"profile_id": "uuid", "segment_id": "uuid", "entry_id": "uuid"},
    {"segment": "d.name", **plain("entered_at", "reason", "exited_at", "exit_reason")},
    "t.workspace = :workspace AND t.profile_id = ANY(CAST(CAST(:profiles AS text[]) AS uuid[]))",
)


def parts() -> list[Part]:
    """All of it. Only profile ids are known again here; traits and events are told by profile."""
    return [STAYS, *aside_parts(SCHEMA, Recogniser(None))]
