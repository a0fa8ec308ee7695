"""The rules of a workspace about how often and when it writes, in versions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.contact_rules import ContactRules

_rules = msgspec.json.Decoder(ContactRules)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a workspace's rules, by whom and why."""

    version: int
    rules: ContactRules
    actor: str
    reason: str
    created_at: datetime


async def history(
    tx: AsyncConnection, workspace: str, limit: int, before: int | None = None
) -> list[Version]:
    """The versions of a workspace's rules, the newest first: those before one, if given."""
    rows = await tx.execute(
        text(
            "SELECT version, CAST(rules AS text) AS rules, actor, reason, created_at "
            "FROM campaign.contact_rules WHERE workspace = :workspace "
            "AND (CAST(:before AS bigint) IS NULL OR version < :before) "
            "ORDER BY version DESC LIMIT :limit"
        ),
        {"workspace": workspace, "before": before, "limit": limit},
    )
    return [
        Version(row.version, _rules.decode(row.rules), row.actor, row.reason, row.created_at)
        for row in rows
    ]


async def add(
    tx: AsyncConnection, workspace: str, version: int, rules: ContactRules, by: tuple[str, str]
) -> bool:
    """A new version by (who, why); False when somebody has added one of this number meanwhile."""
    added = await tx.execute(
        text(
            "INSERT INTO campaign.contact_rules (workspace, version, rules, actor, reason) "
            "VALUES (:workspace, :version, CAST(:rules AS json), :actor, :reason) "
            "ON CONFLICT DO NOTHING"
        ),
        {
            "workspace": workspace,
            "version": version,
            "rules": msgspec.json.encode(rules).decode(),
            "actor": by[0],
            "reason": by[1],
        },
    )
    return added.rowcount == 1


async def current(tx: AsyncConnection, workspaces: Iterable[str]) -> dict[str, ContactRules]:
    """The rules that hold in each workspace that has declared any."""
    rows = await tx.execute(
        text(
            "SELECT DISTINCT ON (workspace) workspace, CAST(rules AS text) AS rules "
            "FROM campaign.contact_rules WHERE workspace = ANY(CAST(:workspaces AS text[])) "
            "ORDER BY workspace, version DESC"
        ),
        {"workspaces": sorted(set(workspaces))},
    )
    return {row.workspace: _rules.decode(row.rules) for row in rows}
