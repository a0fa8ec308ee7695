"""The timeline rules of workspaces, each version of them kept."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.codec import encode
from rapport_profile.domain.timeline_rules import TimelineRules

_decoder = msgspec.json.Decoder(TimelineRules)


class Version(NamedTuple):
    """One version of a workspace's rules, by whom and why."""

    version: int
    declared: TimelineRules
    actor: str
    reason: str
    created_at: datetime


_COLUMNS = "version, CAST(rules AS text) AS rules, actor, reason, created_at"
_ONE = text(
    f"SELECT {_COLUMNS} FROM profile.timeline_rules "
    "WHERE workspace = :workspace AND version = :version"
)
_HISTORY = text(
    f"SELECT {_COLUMNS} FROM profile.timeline_rules WHERE workspace = :workspace "
    "AND (CAST(:before AS bigint) IS NULL OR version < :before) ORDER BY version DESC LIMIT :limit"
)
_ADD = text(
    "INSERT INTO profile.timeline_rules (workspace, version, rules, actor, reason) "
    "VALUES (:workspace, :version, CAST(:rules AS json), :actor, :reason) "
    f"ON CONFLICT DO NOTHING RETURNING {_COLUMNS}"
)


async def find(tx: AsyncConnection, workspace: str, version: int) -> Version | None:
    """One version of the rules."""
    row = (await tx.execute(_ONE, {"workspace": workspace, "version": version})).first()
    return None if row is None else _version(row)


async def history(
    tx: AsyncConnection, workspace: str, limit: int, before: int | None = None
) -> list[Version]:
    """The versions, the newest first: those older than `before`, if given."""
    asked = {"workspace": workspace, "before": before, "limit": limit}
    return [_version(row) for row in await tx.execute(_HISTORY, asked)]


async def add(
    tx: AsyncConnection,
    workspace: str,
    version: int,
    declared: TimelineRules,
    *,
    by: tuple[str, str],
) -> Version | None:
    """A new version (`by`: who, why); None when there is one of this number."""
    actor, reason = by
    asked = {
        "workspace": workspace,
        "version": version,
        "rules": encode(declared).decode(),
        "actor": actor,
        "reason": reason,
    }
    row = (await tx.execute(_ADD, asked)).first()
    return None if row is None else _version(row)


def _version(row: Any) -> Version:
    declared = _decoder.decode(row.rules)
    return Version(row.version, declared, row.actor, row.reason, row.created_at)
