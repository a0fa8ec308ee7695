"""Calendars and policies of a workspace, each by its name, in versions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.statements import text
from rapport_feedback.domain.calendars import CalendarDocument, calendar_of
from rapport_feedback.domain.policies import Policies, PolicyDocument, ServiceLevels

Kind = Literal["calendar", "policy"]
Named = tuple[Kind, str]
"""What it is, and its name."""

Document = CalendarDocument | PolicyDocument
_decoders: dict[str, msgspec.json.Decoder[CalendarDocument] | msgspec.json.Decoder[PolicyDocument]]
_decoders = {
    "calendar": msgspec.json.Decoder(CalendarDocument),
    "policy": msgspec.json.Decoder(PolicyDocument),
}
_COLUMNS = "kind, name, version, CAST(document AS text) AS document, actor, reason, created_at"
# From name to name by the key, the last version of each: the others are not read.
_NEXT = (
    "SELECT r.workspace, r.kind, r.name, r.version FROM feedback.case_rules r "
    "WHERE r.workspace = :workspace {behind}"
    "ORDER BY r.kind DESC, r.name DESC, r.version DESC LIMIT 1"
)
_NEWEST = (
    f"WITH RECURSIVE held AS (({_NEXT.format(behind='')}) UNION ALL SELECT n.* FROM held h "
    f"CROSS JOIN LATERAL ({_NEXT.format(behind='AND (r.kind, r.name) < (h.kind, h.name) ')}) AS n) "
    "SELECT v.* FROM held h CROSS JOIN LATERAL ("
    f"SELECT {_COLUMNS} FROM feedback.case_rules r WHERE r.workspace = :workspace "
    "AND r.kind = h.kind AND r.name = h.name AND r.version = h.version LIMIT 1) AS v"
)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a calendar or policy, by whom and why; None: it was taken away then."""

    kind: Kind
    name: str
    version: int
    document: Document | None
    actor: str
    reason: str
    created_at: datetime


async def newest(
    tx: AsyncConnection, workspace: str, kind: Kind, *, after: str = "", limit: int
) -> list[Version]:
    """What holds of a kind, by name: what comes after one."""
    rows = await tx.execute(
        text(
            f"SELECT * FROM ({_NEWEST}) AS n WHERE n.document IS NOT NULL AND n.kind = :kind "
            "AND n.name > :after ORDER BY n.name LIMIT :limit"
        ),
        {"workspace": workspace, "kind": kind, "after": after, "limit": limit},
    )
    return [_version(row) for row in rows]


async def history(
    tx: AsyncConnection,
    workspace: str,
    kind: Kind,
    name: str,
    *,
    before: int | None = None,
    limit: int,
) -> list[Version]:
    """All versions of one, the newest first: those before one, if given."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM feedback.case_rules WHERE workspace = :workspace "
            "AND kind = :kind AND name = :name "
            "AND (CAST(:before AS bigint) IS NULL OR version < :before) "
            "ORDER BY version DESC LIMIT :limit"
        ),
        {"workspace": workspace, "kind": kind, "name": name, "before": before, "limit": limit},
    )
    return [_version(row) for row in rows]


async def lock(tx: AsyncConnection, workspace: str) -> None:
    """Let nobody else change the rules of a workspace until the end: they name each other."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('case_rules/' || :workspace, 0))"),
        {"workspace": workspace},
    )


async def add(
    tx: AsyncConnection,
    workspace: str,
    named: Named,
    version: int,
    document: Document | None,
    *,
    by: tuple[str, str],
) -> None:
    """A new version by (who, why); the workspace's rules are locked."""
    await tx.execute(
        text(
            "INSERT INTO feedback.case_rules "
            "(workspace, kind, name, version, document, actor, reason) VALUES (:workspace, :kind, "
            ":name, :version, CAST(:document AS json), :actor, :reason)"
        ),
        {
            "workspace": workspace,
            "kind": named[0],
            "name": named[1],
            "version": version,
            "document": None if document is None else msgspec.json.encode(document).decode(),
            "actor": by[0],
            "reason": by[1],
        },
    )


async def count(tx: AsyncConnection, workspace: str, kind: Kind) -> int:
    """How many of a kind hold."""
    found = await tx.scalar(
        text(
            f"SELECT count(*) FROM ({_NEWEST}) AS n WHERE n.document IS NOT NULL AND n.kind = :kind"
        ),
        {"workspace": workspace, "kind": kind},
    )
    return int(found or 0)


async def policies(tx: AsyncConnection, workspace: str, levels: ServiceLevels) -> Policies:
    """All that holds in a workspace, over what the settings say."""
    rows = await tx.execute(
        text(f"SELECT * FROM ({_NEWEST}) AS n WHERE n.document IS NOT NULL"),
        {"workspace": workspace},
    )
    found = [_version(row) for row in rows]
    return Policies(
        levels,
        {
            one.name: (one.version, one.document)
            for one in found
            if isinstance(one.document, PolicyDocument)
        },
        {
            one.name: calendar_of(one.document)
            for one in found
            if isinstance(one.document, CalendarDocument)
        },
    )


def _version(row: Row[Any]) -> Version:
    told = row._asdict()
    document = told.pop("document")
    decode = _decoders[told["kind"]].decode
    return Version(**told, document=None if document is None else decode(document))
