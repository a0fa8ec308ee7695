"""What became of each occasion on which somebody was to be asked."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.askings import Asking, Occasion, Reason, State

_COLUMNS = (
    "workspace, asking_id, occasion, profile_id, state, reason, opens_at, planned_at, due_at, "
    "next_at, entry_id, CAST(context AS text) AS context, invitation_id, channel, asked_at, "
    "reminders, answered_at"
)
_OF = "workspace = :workspace AND asking_id = :asking_id"
_ADD = text(
    "INSERT INTO feedback.asking_occasion (workspace, asking_id, occasion, profile_id, state, "
    "reason, planned_at, due_at, next_at, entry_id, context) SELECT v.workspace, v.asking_id, "
    "v.occasion, v.profile_id, v.state, v.reason, v.planned_at, v.due_at, v.next_at, v.entry_id, "
    "CAST(v.context AS jsonb) FROM unnest(CAST(:workspaces AS text[]), CAST(:askings AS uuid[]), "
    "CAST(:occasions AS text[]), CAST(:profiles AS text[]), CAST(:states AS text[]), "
    "CAST(:reasons AS text[]), CAST(:planned AS timestamptz[]), CAST(:due AS timestamptz[]), "
    "CAST(:next AS timestamptz[]), CAST(:entries AS text[]), CAST(:contexts AS text[])) "
    "AS v(workspace, asking_id, occasion, profile_id, state, reason, planned_at, due_at, next_at, "
    "entry_id, context) ORDER BY v.workspace, v.asking_id, v.occasion "
    "ON CONFLICT DO NOTHING RETURNING workspace, asking_id, next_at"
)
_SAVE = text(
    "UPDATE feedback.asking_occasion AS o SET profile_id = v.profile_id, state = v.state, "
    "reason = v.reason, opens_at = v.opens_at, next_at = v.next_at, "
    "invitation_id = v.invitation_id, channel = v.channel, asked_at = v.asked_at, "
    "reminders = v.reminders, answered_at = v.answered_at "
    "FROM unnest(CAST(:occasions AS text[]), CAST(:profiles AS text[]), CAST(:states AS text[]), "
    "CAST(:reasons AS text[]), CAST(:opens AS timestamptz[]), CAST(:next AS timestamptz[]), "
    "CAST(:invitations AS uuid[]), CAST(:channels AS text[]), CAST(:asked AS timestamptz[]), "
    "CAST(:reminders AS int[]), CAST(:answered AS timestamptz[])) AS v(occasion, profile_id, "
    "state, reason, opens_at, next_at, invitation_id, channel, asked_at, reminders, answered_at) "
    "WHERE o.workspace = :workspace AND o.asking_id = :asking_id AND o.occasion = v.occasion"
)
_LEFT = text(
    f"UPDATE feedback.asking_occasion AS o SET state = '{State.NOT_ASKED}', next_at = NULL, "
    f"reason = '{Reason.LEFT}' FROM unnest(CAST(:workspaces AS text[]), CAST(:entries AS text[])) "
    "AS v(workspace, entry_id) WHERE o.workspace = v.workspace AND o.entry_id = v.entry_id "
    f"AND o.entry_id IS NOT NULL AND o.state = '{State.PLANNED}'"
)
_ANSWERED = text(
    f"UPDATE feedback.asking_occasion SET state = '{State.ANSWERED}', answered_at = :at, "
    "next_at = NULL WHERE workspace = :workspace AND invitation_id = :invitation_id "
    f"AND invitation_id IS NOT NULL AND state IN ('{State.ASKED}', '{State.REMINDED}')"
)


async def add(
    tx: AsyncConnection, planned: Sequence[Occasion]
) -> list[tuple[str, UUID, datetime | None]]:
    """Keep these, each once for ever; (workspace, asking, when next) of those that are new."""
    if not planned:
        return []
    rows = await tx.execute(
        _ADD,
        {
            "workspaces": [one.workspace for one in planned],
            "askings": [one.asking_id for one in planned],
            "occasions": [one.occasion for one in planned],
            "profiles": [one.profile_id for one in planned],
            "states": [one.state for one in planned],
            "reasons": [one.reason for one in planned],
            "planned": [one.planned_at for one in planned],
            "due": [one.due_at for one in planned],
            "next": [one.next_at for one in planned],
            "entries": [one.entry_id for one in planned],
            "contexts": [json.dumps(dict(one.context)) for one in planned],
        },
    )
    return [(row.workspace, row.asking_id, row.next_at) for row in rows]


async def save(tx: AsyncConnection, asking: Asking, changed: Sequence[Occasion]) -> None:
    """Write what became of these; the asking is locked."""
    if not changed:
        return
    await tx.execute(
        _SAVE,
        {
            "workspace": asking.workspace,
            "asking_id": asking.asking_id,
            "occasions": [one.occasion for one in changed],
            "profiles": [one.profile_id for one in changed],
            "states": [one.state for one in changed],
            "reasons": [one.reason for one in changed],
            "opens": [one.opens_at for one in changed],
            "next": [one.next_at for one in changed],
            "invitations": [one.invitation_id for one in changed],
            "channels": [one.channel for one in changed],
            "asked": [one.asked_at for one in changed],
            "reminders": [one.reminders for one in changed],
            "answered": [one.answered_at for one in changed],
        },
    )


async def due(tx: AsyncConnection, asking: Asking, now: datetime, limit: int) -> list[Occasion]:
    """Those of which something is to be done by now, the earliest first, locked."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.asking_occasion WHERE {_OF} "
            "AND next_at IS NOT NULL AND (CAST(:now AS timestamptz) IS NULL OR next_at <= :now) "
            "ORDER BY next_at LIMIT :limit FOR UPDATE"
        ),
        {
            "workspace": asking.workspace,
            "asking_id": asking.asking_id,
            # Of one that is archived all are ended, whenever they were to be.
            "now": None if asking.archived_at is not None else now,
            "limit": limit,
        },
    )
    return [_occasion(row) for row in rows.mappings()]


async def next_at(tx: AsyncConnection, asking: Asking) -> datetime | None:
    """When something is to be done next."""
    found: datetime | None = await tx.scalar(
        text(
            f"SELECT min(next_at) FROM feedback.asking_occasion WHERE {_OF} AND next_at IS NOT NULL"
        ),
        {"workspace": asking.workspace, "asking_id": asking.asking_id},
    )
    return found


async def leave(tx: AsyncConnection, entries: Iterable[tuple[str, str]]) -> None:
    """Of these (workspace, entry id) who has left is not asked any more."""
    gone = sorted(set(entries))
    if gone:
        given = {"workspaces": [one[0] for one in gone], "entries": [one[1] for one in gone]}
        await tx.execute(_LEFT, given)


async def answered(tx: AsyncConnection, workspace: str, invitation_id: UUID, at: datetime) -> None:
    """Who has answered is not reminded."""
    given = {"workspace": workspace, "invitation_id": invitation_id, "at": at}
    await tx.execute(_ANSWERED, given)


async def listed(
    tx: AsyncConnection,
    workspace: str,
    asking_id: UUID,
    *,
    state: str | None,
    after: str | None,
    limit: int,
) -> list[Occasion]:
    """Occasions by their names, those behind `after`; all, or those in one state."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.asking_occasion WHERE {_OF} "
            "AND (CAST(:state AS text) IS NULL OR state = :state) "
            "AND (CAST(:after AS text) IS NULL OR occasion > :after) "
            "ORDER BY occasion LIMIT :limit"
        ),
        {
            "workspace": workspace,
            "asking_id": asking_id,
            "state": state,
            "after": after,
            "limit": limit,
        },
    )
    return [_occasion(row) for row in rows.mappings()]


async def counts(
    tx: AsyncConnection, workspace: str, asking_id: UUID
) -> list[tuple[str, str | None, int]]:
    """(state, reason, how many), the most first."""
    rows = await tx.execute(
        text(
            "SELECT state, reason, count(*) AS many FROM feedback.asking_occasion "
            f"WHERE {_OF} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
        ),
        {"workspace": workspace, "asking_id": asking_id},
    )
    return [(row.state, row.reason, row.many) for row in rows]


def _occasion(row: RowMapping) -> Occasion:
    return Occasion(
        **{
            **row,
            "state": State(row["state"]),
            "context": msgspec.json.decode(row["context"]),
        }
    )
