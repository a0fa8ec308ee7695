"""What segment holds of somebody who is to be forgotten: stays with their reasons, when they are to
be looked at again, identifiers on lists, sections, and events with the anchors by which they are
theirs.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.privacy.aside import aside_sweeps
from rapport_common.privacy.subject import Recogniser, Subject
from rapport_common.privacy.sweeps import BEFORE, Found, Sweep, Waits
from rapport_common.webhooks.keeping import forgotten_posts
from rapport_segment.store.published_scores import PUBLISHED
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

SCORES = Found(
    "segment.score",
    "DELETE FROM segment.score WHERE ctid IN (SELECT ctid FROM segment.score "
    f"WHERE {_OF_THEM} LIMIT :limit)",
    f"SELECT count(*) FROM segment.score WHERE {_OF_THEM}",
)

_CHECKED = "workspace = :workspace AND kind = 'check' AND key = ANY(CAST(:profiles AS text[]))"
CHECKS = Found(
    "segment.due",
    "DELETE FROM segment.due WHERE ctid IN (SELECT ctid FROM segment.due "
    f"WHERE {_CHECKED} LIMIT :limit)",
    f"SELECT count(*) FROM segment.due WHERE {_CHECKED}",
)

POSTS = forgotten_posts(SCHEMA)

# Of a file of hashes nobody can be taken out: it goes, and the next one is made without them.
FILES = Found(
    "segment.audience_file",
    "DELETE FROM segment.audience_file WHERE (workspace, file_id) IN (SELECT workspace, file_id "
    "FROM segment.audience_part WHERE workspace = :workspace "
    "AND people && CAST(CAST(:profiles AS text[]) AS uuid[]) LIMIT :limit)",
    "SELECT count(DISTINCT file_id) FROM segment.audience_part WHERE workspace = :workspace "
    "AND people && CAST(CAST(:profiles AS text[]) AS uuid[])",
)


_LISTED = (
    "workspace = :workspace AND subject = ANY(CAST(CAST(:subjects AS text[]) AS uuid[])) "
    f"AND added_at < {BEFORE}"
)
ON_LISTS = Found(
    "segment.list_member",
    "DELETE FROM segment.list_member WHERE ctid IN (SELECT ctid FROM segment.list_member "
    f"WHERE {_LISTED} LIMIT :limit)",
    f"SELECT count(*) FROM segment.list_member WHERE {_LISTED}",
    frozenset({"workspace", "subjects", "at"}),
)
_READ_ON = (
    "EXISTS (SELECT FROM segment.job j WHERE j.workspace = t.workspace AND j.id = t.job "
    "AND j.state IN ('queued', 'running'))"
)
_UPLOADED = text(
    "SELECT EXISTS (SELECT FROM segment.list_part t WHERE t.workspace = :workspace "
    f"AND t.at < {BEFORE} AND {_READ_ON})"
)
UPLOADS = Found(
    "segment.list_part",
    "DELETE FROM segment.list_part WHERE ctid IN (SELECT t.ctid FROM segment.list_part t "
    f"WHERE t.workspace = :workspace AND NOT {_READ_ON} LIMIT :limit)",
    names=frozenset({"workspace"}),
)


async def _are_read(tx: AsyncConnection, who: Subject) -> bool:
    found = await tx.execute(_UPLOADED, {"workspace": who.workspace, "at": who.at})
    return bool(found.scalar_one())


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


def sweeps(recogniser: Recogniser) -> list[Sweep]:
    """All of it. Files for lists that have come before the wish are read to their end first."""
    return [
        STAYS,
        CHECKS,
        POSTS,
        FILES,
        SCORES,
        PUBLISHED.forgotten,
        # By the anchors that somebody had events are found, so these go before.
        HAPPENINGS,
        ANCHORS,
        PEOPLE,
        *aside_sweeps(SCHEMA, recogniser),
        # Last, so that nothing else waits for it.
        Waits("segment.list_part", _are_read),
        UPLOADS,
        ON_LISTS,
    ]
