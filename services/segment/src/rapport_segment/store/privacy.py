"""What segment holds of somebody who is to be forgotten: stays with their reasons, when they are to
be looked at again, and sections.
"""

from rapport_common.privacy.aside import aside_sweeps
from rapport_common.privacy.subject import Recogniser
from rapport_common.privacy.sweeps import Found, Sweep
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

POSTS = Found(
    "segment.webhook_delivery",
    "DELETE FROM segment.webhook_delivery WHERE ctid IN (SELECT ctid FROM segment.webhook_delivery "
    f"WHERE {_OF_THEM} LIMIT :limit)",
    f"SELECT count(*) FROM segment.webhook_delivery WHERE {_OF_THEM}",
)

# Of a file of hashes nobody can be taken out: it goes, and the next one is made without them.
FILES = Found(
    "segment.audience_file",
    "DELETE FROM segment.audience_file WHERE (workspace, file_id) IN (SELECT workspace, file_id "
    "FROM segment.audience_part WHERE workspace = :workspace "
    "AND people && CAST(CAST(:profiles AS text[]) AS uuid[]) LIMIT :limit)",
    "SELECT count(DISTINCT file_id) FROM segment.audience_part WHERE workspace = :workspace "
    "AND people && CAST(CAST(:profiles AS text[]) AS uuid[])",
)


def sweeps() -> list[Sweep]:
    """All of it. Only profile ids are known again here: nothing is kept by identifiers."""
    return [STAYS, CHECKS, POSTS, FILES, PEOPLE, *aside_sweeps(SCHEMA, Recogniser(None))]
