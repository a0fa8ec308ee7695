"""Whose data are only to be kept: what the law wants held, the quarantine does not let go (SQL)."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.privacy import PrivacyRecord
from rapport_common.privacy.subject import Subject

_NOTE = text(
    "INSERT INTO ingest.hold AS h (workspace, id, subjects, kinds, at, lifted) "
    "VALUES (:workspace, :id, :subjects, :kinds, :at, :lifted) "
    "ON CONFLICT (workspace, id) DO UPDATE SET subjects = excluded.subjects, "
    "kinds = excluded.kinds, at = excluded.at, lifted = excluded.lifted WHERE h.at < excluded.at"
)
_LOOK_AGAIN = text(
    # Whom else they speak of is asked when their time is looked at.
    "UPDATE ingest.quarantine SET held_by = NULL WHERE workspace = :workspace AND held_by = :id"
)
_STANDING = text(
    "SELECT workspace, id, subjects, kinds, at FROM ingest.hold "
    "WHERE workspace = ANY(CAST(:workspaces AS text[])) AND NOT lifted ORDER BY id"
)


async def note(tx: AsyncConnection, record: PrivacyRecord) -> None:
    """Keep that somebody's data are only to be kept, or are so no longer; the latest word holds."""
    given = {"workspace": record.workspace, "id": record.request_id}
    said = {"subjects": record.subjects, "kinds": record.kinds, "at": record.at}
    done = await tx.execute(_NOTE, {**given, **said, "lifted": record.lifted})
    if done.rowcount and record.lifted:
        await tx.execute(_LOOK_AGAIN, given)


async def standing(tx: AsyncConnection, workspaces: Collection[str]) -> dict[str, list[Subject]]:
    """Whose data are kept, by workspace."""
    found: dict[str, list[Subject]] = {one: [] for one in workspaces}
    for row in await tx.execute(_STANDING, {"workspaces": sorted(workspaces)}):
        who = Subject(
            workspace=row.workspace,
            request_id=row.id,
            profile_id=row.id,
            subjects=frozenset(row.subjects),
            kinds=frozenset(row.kinds),
            profiles=frozenset(),
            at=row.at,
        )
        found[row.workspace].append(who)
    return found
