"""The rules of a workspace about how fast mails go, in versions."""

from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.mail_paces import MailPaces, lanes

_rules = msgspec.json.Decoder(MailPaces)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a workspace's rules, by whom and why."""

    version: int
    rules: MailPaces
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
            "FROM campaign.mail_pace_rules WHERE workspace = :workspace "
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
    tx: AsyncConnection, workspace: str, version: int, rules: MailPaces, by: tuple[str, str]
) -> bool:
    """A new version by (who, why), and the lanes it makes; False when somebody has added one of
    this number meanwhile.
    """
    added = await tx.execute(
        text(
            "INSERT INTO campaign.mail_pace_rules (workspace, version, rules, actor, reason) "
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
    # A lane that was there goes on: no change of rules makes its slots free.
    await tx.execute(
        text(
            "INSERT INTO campaign.mail_lane (workspace, lane) SELECT :workspace, lane "
            "FROM unnest(CAST(:lanes AS text[])) AS lane ORDER BY lane ON CONFLICT DO NOTHING"
        ),
        {"workspace": workspace, "lanes": sorted(lanes(rules))},
    )
    return added.rowcount == 1


async def number(tx: AsyncConnection) -> int:
    """How many versions there are: none ever goes, so it says whether there is a new one."""
    return await tx.scalar(text("SELECT count(*) FROM campaign.mail_pace_rules")) or 0


async def current(tx: AsyncConnection) -> dict[str, MailPaces]:
    """The rules that hold, of every workspace that has declared any."""
    rows = await tx.execute(
        text(
            "SELECT DISTINCT ON (workspace) workspace, CAST(rules AS text) AS rules "
            "FROM campaign.mail_pace_rules ORDER BY workspace, version DESC"
        )
    )
    return {row.workspace: _rules.decode(row.rules) for row in rows}
