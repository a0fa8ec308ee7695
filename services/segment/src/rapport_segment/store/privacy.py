"""What segment holds of somebody who is to be forgotten: stays with their reasons, when they are to
be looked at again, sections, and events with the anchors by which they are theirs.
"""

from rapport_common.privacy.aside import aside_sweeps
from rapport_common.privacy.subject import Recogniser
from rapport_common.privacy.sweeps import BEFORE, Found, Sweep
from rapport_segment.tables import FOLLOWED, SCHEMA

_OF_THEM = "workspace = :workspace AND profile_id = ANY(CAST(CAST(:profiles AS text[]) AS uuid[]))"
_HELD = " OR ".join(f"{one} IS NOT NULL" for one in FOLLOWED.sections)

STAYS = Found(
    "segment.membership",
    # Open ones are closed when the person is gone: until then they count.
    "DELETE FROM segment.membership WHERE ctid IN (SELECT ctid FROM segment.membership "
    f"WHERE {_OF_THEM} AND exited_at IS NOT NULL LIMIT :limit)",
    f"SELECT count(*) FROM segment.membership WHERE {_OF_THEM}",
)
PEOPLE = Found(
    "segment.person",
    f"UPDATE segment.person SET {', '.join(f'{one} = NULL' for one in FOLLOWED.sections)} "
    "WHERE ctid IN (SELECT ctid FROM segment.person "
    f"WHERE {_OF_THEM} AND ({_HELD}) LIMIT :limit)",
)

_CHECKED = "workspace = :workspace AND kind = 'check' AND key = ANY(CAST(:profiles AS text[]))"
CHECKS = Found(
    "segment.due",
    "DELETE FROM segment.due WHERE ctid IN (SELECT ctid FROM segment.due "
    f"WHERE {_CHECKED} LIMIT :limit)",
    f"SELECT count(*) FROM segment.due WHERE {_CHECKED}",
)

_THEIRS = (
    "segment.happening h JOIN segment.anchor a ON a.workspace = h.workspace "
    "AND a.anchor = h.anchor WHERE a.workspace = :workspace "
    "AND a.profile_id = ANY(CAST(CAST(:profiles AS text[]) AS uuid[])) "
    f"AND h.received_at < {BEFORE}"
)
HAPPENINGS = Found(
    "segment.happening",
    f"DELETE FROM segment.happening WHERE ctid IN (SELECT h.ctid FROM {_THEIRS} LIMIT :limit)",
    f"SELECT count(*) FROM {_THEIRS}",
    names=frozenset({"workspace", "profiles", "at"}),
)
ANCHORS = Found(
    "segment.anchor",
    "DELETE FROM segment.anchor WHERE ctid IN (SELECT ctid FROM segment.anchor "
    f"WHERE {_OF_THEM} LIMIT :limit)",
    f"SELECT count(*) FROM segment.anchor WHERE {_OF_THEM}",
)


def sweeps() -> list[Sweep]:
    """All of it. Only profile ids are known again here; by the anchors they had events are found,
    so these go before.
    """
    return [STAYS, CHECKS, HAPPENINGS, ANCHORS, PEOPLE, *aside_sweeps(SCHEMA, Recogniser(None))]
