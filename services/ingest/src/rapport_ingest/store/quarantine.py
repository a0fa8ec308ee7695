"""Events that were not accepted, kept with the reason until they are repaired or expire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.envelope import EventType, Trust
from rapport_ingest.domain.selection import Selection

State = Literal["open", "resolved", "all"]

STATES = {"open": "resolved_at IS NULL", "resolved": "resolved_at IS NOT NULL", "all": "true"}
FILTERS = {
    "source": "source = :source",
    "code": "code = :code",
    "path": "path = :path",
    "message_id": "message_id = :message_id",
    "since": "received_at >= :since",
    "until": "received_at < :until",
    "ids": "id = ANY(CAST(:ids AS bigint[]))",
}
COLUMNS = (
    "source, message_id, received_at, code, path, reason, body, truncated, sent_at, type, dialect, "
    "sequence, trust, historic, id, attempts, resolved_at, resolution, handled_by"
)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An event that was not accepted, with the head of what was sent."""

    source: str
    message_id: str
    received_at: datetime
    code: str
    path: str
    reason: str
    body: bytes
    truncated: bool = False
    sent_at: datetime | None = None
    type: str | None = None
    dialect: str = "segment"
    sequence: int = 0
    trust: Trust = "trusted"
    historic: bool = False


@dataclass(frozen=True, slots=True)
class Row(Quarantined):
    """A row of the quarantine; `handled_by` is the last job that tried it, or who discarded it."""

    id: int = 0
    attempts: int = 0
    resolved_at: datetime | None = None
    resolution: str | None = None
    handled_by: str | None = None

    @property
    def kind(self) -> EventType | None:
        """The type that the address gave the event, if it gave one."""
        return cast("EventType | None", self.type)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that were refused for the same reason, with the newest as the example."""

    source: str
    code: str
    path: str
    rows: int
    first_at: datetime
    last_at: datetime
    id: int
    message_id: str
    reason: str


async def keep(tx: AsyncConnection, workspace: str, rows: Sequence[Quarantined]) -> list[int]:
    """Keep what was not accepted, with its reason; the ids of the rows."""
    found = await tx.execute(
        text(
            "INSERT INTO ingest.quarantine "
            "(workspace, source, message_id, received_at, code, path, reason, body, truncated, "
            "sent_at, type, dialect, sequence, trust, historic) "
            "SELECT :workspace, v.* FROM unnest(CAST(:sources AS text[]), "
            "CAST(:message_ids AS text[]), CAST(:received AS timestamptz[]), "
            "CAST(:codes AS text[]), CAST(:paths AS text[]), CAST(:reasons AS text[]), "
            "CAST(:bodies AS bytea[]), CAST(:truncated AS boolean[]), "
            "CAST(:sent AS timestamptz[]), CAST(:types AS text[]), "
            "CAST(:dialects AS text[]), CAST(:sequences AS bigint[]), CAST(:trusts AS text[]), "
            "CAST(:historic AS boolean[])) AS v RETURNING id"
        ),
        {
            "workspace": workspace,
            "sources": [one.source for one in rows],
            "message_ids": [one.message_id for one in rows],
            "received": [one.received_at for one in rows],
            "codes": [one.code for one in rows],
            "paths": [one.path for one in rows],
            "reasons": [one.reason for one in rows],
            "bodies": [one.body for one in rows],
            "truncated": [one.truncated for one in rows],
            "sent": [one.sent_at for one in rows],
            "types": [one.type for one in rows],
            "dialects": [one.dialect for one in rows],
            "sequences": [one.sequence for one in rows],
            "trusts": [one.trust for one in rows],
            "historic": [one.historic for one in rows],
        },
    )
    return list(found.scalars())


async def withdraw(tx: AsyncConnection, workspace: str, ids: Sequence[int]) -> None:
    """Forget rows whose request was not answered for: its sender sends all of it again."""
    await tx.execute(
        text("DELETE FROM ingest.quarantine WHERE workspace = :workspace AND id = ANY(:ids)"),
        {"workspace": workspace, "ids": list(ids)},
    )


async def latest(
    tx: AsyncConnection,
    workspace: str,
    *,
    source: str | None = None,
    message_id: str | None = None,
    limit: int = 100,
) -> list[Row]:
    """The latest rejected events that were not accepted since, newest first."""
    chosen = Selection(source=source, message_id=message_id)
    where, values = _where(workspace, chosen, "all")
    result = await tx.execute(
        text(
            f"SELECT {COLUMNS} FROM ingest.quarantine WHERE {where} "
            "AND resolution IS DISTINCT FROM 'replayed' ORDER BY id DESC LIMIT :limit"
        ),
        {**values, "limit": limit},
    )
    return [Row(*row) for row in result]


def _where(workspace: str, chosen: Selection, state: State) -> tuple[str, dict[str, Any]]:
    """The condition with only what is asked for, so that each has its own plan."""
    asked = {name: value for name in FILTERS if (value := getattr(chosen, name)) is not None}
    parts = ["workspace = :workspace", STATES[state], *(FILTERS[name] for name in asked)]
    if "ids" in asked:
        asked["ids"] = list(asked["ids"])
    return " AND ".join(parts), {"workspace": workspace, **asked}


async def page(
    tx: AsyncConnection,
    workspace: str,
    chosen: Selection,
    *,
    state: State,
    before: int | None,
    limit: int,
) -> list[Row]:
    """The chosen rows with ids under `before`, newest first."""
    where, values = _where(workspace, chosen, state)
    if before is not None:
        where, values = f"{where} AND id < :before", {**values, "before": before}
    result = await tx.execute(
        text(
            f"SELECT {COLUMNS} FROM ingest.quarantine WHERE {where} ORDER BY id DESC LIMIT :limit"
        ),
        {**values, "limit": limit},
    )
    return [Row(*row) for row in result]


async def find(tx: AsyncConnection, workspace: str, row: int) -> Row | None:
    """One row."""
    result = await tx.execute(
        text(f"SELECT {COLUMNS} FROM ingest.quarantine WHERE workspace = :workspace AND id = :id"),
        {"workspace": workspace, "id": row},
    )
    found = result.first()
    return None if found is None else Row(*found)


async def summary(
    tx: AsyncConnection,
    workspace: str,
    chosen: Selection,
    *,
    state: State,
    after: tuple[int, str, str, str] | None,
    limit: int,
) -> list[Group]:
    """The chosen rows by source, code and path, the most frequent first; behind `after`."""
    where, values = _where(workspace, chosen, state)
    last = dict(zip(("rows", "source", "code", "path"), after or (None,) * 4, strict=True))
    values |= {f"last_{name}": one for name, one in last.items()}
    result = await tx.execute(
        text(
            "SELECT g.source, g.code, g.path, g.rows, g.first_at, g.last_at, q.id, q.message_id, "
            "q.reason FROM (SELECT source, code, path, count(*) AS rows, "
            "min(received_at) AS first_at, max(received_at) AS last_at, max(id) AS newest "
            f"FROM ingest.quarantine WHERE {where} GROUP BY source, code, path "
            "HAVING CAST(:last_rows AS bigint) IS NULL OR count(*) < :last_rows "
            "OR (count(*) = :last_rows AND (source, code, path) > (CAST(:last_source AS text), "
            "CAST(:last_code AS text), CAST(:last_path AS text))) "
            "ORDER BY rows DESC, source, code, path LIMIT :limit) AS g "
            "JOIN ingest.quarantine q ON q.workspace = :workspace AND q.id = g.newest "
            "ORDER BY g.rows DESC, g.source, g.code, g.path"
        ),
        {**values, "limit": limit},
    )
    return [Group(*row) for row in result]


async def extent(tx: AsyncConnection, workspace: str, chosen: Selection) -> tuple[int, int]:
    """(how many of the chosen rows are open, the highest id of them)."""
    where, values = _where(workspace, chosen, "open")
    result = await tx.execute(
        text(f"SELECT count(*), coalesce(max(id), 0) FROM ingest.quarantine WHERE {where}"), values
    )
    row = result.one()
    return row[0], row[1]


async def oldest_open(
    tx: AsyncConnection, workspace: str, chosen: Selection, limit: int
) -> list[Row]:
    """The first open rows of the chosen ones, for a look at them."""
    where, values = _where(workspace, chosen, "open")
    result = await tx.execute(
        text(f"SELECT {COLUMNS} FROM ingest.quarantine WHERE {where} ORDER BY id LIMIT :limit"),
        {**values, "limit": limit},
    )
    return [Row(*row) for row in result]


async def take(
    tx: AsyncConnection,
    workspace: str,
    chosen: Selection,
    *,
    job: str,
    after: int,
    upto: int,
    limit: int,
) -> list[Row]:
    """The next open rows that `job` has not tried, locked: nobody else resolves them meanwhile."""
    where, values = _where(workspace, chosen, "open")
    values |= {"job": job, "after": after, "upto": upto, "limit": limit}
    asked = (
        f"SELECT {COLUMNS} FROM ingest.quarantine WHERE {where} AND id > :after AND id <= :upto "
        "AND handled_by IS DISTINCT FROM :job ORDER BY id LIMIT :limit"
    )
    # What another transaction resolves while we wait for its lock is left out of the answer, so
    # an empty one is the end only if nothing is there without locks either.
    while True:
        result = await tx.execute(text(f"{asked} FOR UPDATE"), values)
        rows = [Row(*row) for row in result]
        if rows or (await tx.execute(text(asked), values)).first() is None:
            return rows


async def mark_replayed(tx: AsyncConnection, workspace: str, job: str, ids: Sequence[int]) -> None:
    """These rows were accepted by `job`."""
    await tx.execute(
        text(
            "UPDATE ingest.quarantine SET resolved_at = clock_timestamp(), "
            "resolution = 'replayed', attempts = attempts + 1, handled_by = :job "
            "WHERE workspace = :workspace AND id = ANY(CAST(:ids AS bigint[])) "
            "AND resolved_at IS NULL"
        ),
        {"workspace": workspace, "job": job, "ids": list(ids)},
    )


async def mark_failed(
    tx: AsyncConnection, workspace: str, job: str, rows: Sequence[tuple[int, str, str, str]]
) -> None:
    """These rows (id, code, path, reason) are still refused, for the reasons given now."""
    await tx.execute(
        text(
            "UPDATE ingest.quarantine AS q SET code = v.code, path = v.path, reason = v.reason, "
            "attempts = q.attempts + 1, handled_by = :job "
            "FROM unnest(CAST(:ids AS bigint[]), CAST(:codes AS text[]), CAST(:paths AS text[]), "
            "CAST(:reasons AS text[])) AS v(id, code, path, reason) "
            "WHERE q.workspace = :workspace AND q.id = v.id"
        ),
        {
            "workspace": workspace,
            "job": job,
            "ids": [one[0] for one in rows],
            "codes": [one[1] for one in rows],
            "paths": [one[2] for one in rows],
            "reasons": [one[3] for one in rows],
        },
    )


async def handled(
    tx: AsyncConnection, workspace: str, job: str, *, after: int
) -> list[tuple[int, bool, str, str]]:
    """(id, replayed, code, path) of what `job` has done beyond `after`, in order."""
    result = await tx.execute(
        text(
            "SELECT id, resolved_at IS NOT NULL, code, path FROM ingest.quarantine "
            "WHERE workspace = :workspace AND id > :after AND handled_by = :job ORDER BY id"
        ),
        {"workspace": workspace, "job": job, "after": after},
    )
    return [(row[0], row[1], row[2], row[3]) for row in result]


async def discard(
    tx: AsyncConnection, workspace: str, chosen: Selection, *, by: str, limit: int
) -> int:
    """Resolve open rows as not wanted, oldest first; how many. They stay until they expire."""
    where, values = _where(workspace, chosen, "open")
    result = await tx.execute(
        text(
            "UPDATE ingest.quarantine SET resolved_at = clock_timestamp(), "
            "resolution = 'discarded', handled_by = :by WHERE workspace = :workspace "
            f"AND id IN (SELECT id FROM ingest.quarantine WHERE {where} ORDER BY id LIMIT :limit "
            "FOR UPDATE)"
        ),
        {**values, "by": by, "limit": limit},
    )
    return result.rowcount
