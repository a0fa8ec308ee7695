"""By which pools of servers the mails of workspaces go, in versions; and whose campaigns wait."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.mail_pools import MailPools

_rules = msgspec.json.Decoder(MailPools)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a workspace's rules, by whom and why."""

    version: int
    rules: MailPools
    actor: str
    reason: str
    created_at: datetime


class Running(NamedTuple):
    """A campaign of mails that runs."""

    workspace: str
    campaign_id: str
    from_address: str
    purpose: str


async def history(
    tx: AsyncConnection, workspace: str, limit: int, before: int | None = None
) -> list[Version]:
    """The versions of a workspace's rules, the newest first: those before one, if given."""
    rows = await tx.execute(
        text(
            "SELECT version, CAST(rules AS text) AS rules, actor, reason, created_at "
            "FROM campaign.mail_pool_rules WHERE workspace = :workspace "
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
    tx: AsyncConnection, workspace: str, version: int, rules: MailPools, by: tuple[str, str]
) -> bool:
    """A new version by (who, why); False when one of this number is there."""
    added = await tx.execute(
        text(
            "INSERT INTO campaign.mail_pool_rules (workspace, version, rules, actor, reason) "
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


async def number(tx: AsyncConnection) -> int:
    """How many versions there are: none ever goes, so it says whether there is a new one."""
    return await tx.scalar(text("SELECT count(*) FROM campaign.mail_pool_rules")) or 0


async def current(tx: AsyncConnection) -> dict[str, MailPools]:
    """The rules that hold, of every workspace that has any."""
    rows = await tx.execute(
        text(
            "SELECT DISTINCT ON (workspace) workspace, CAST(rules AS text) AS rules "
            "FROM campaign.mail_pool_rules ORDER BY workspace, version DESC"
        )
    )
    return {row.workspace: _rules.decode(row.rules) for row in rows}


async def running(tx: AsyncConnection) -> list[Running]:
    """The campaigns that may send mails now, of all workspaces."""
    rows = await tx.execute(
        text(
            "SELECT workspace, campaign_id::text, from_address, purpose FROM campaign.campaign "
            "WHERE state = 'running' AND channel = 'email'"
        )
    )
    return [Running(*row) for row in rows]
