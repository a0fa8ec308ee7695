"""Topics, what was said on the pages of preferences, and links to them that operators have made."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.preferences import Choice, Holder, Words
from rapport_campaign.domain.topics import Topic

_topics = msgspec.json.Decoder(list[Topic])


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a workspace's topics, by whom and why."""

    version: int
    topics: list[Topic]
    actor: str
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """A link to the page of an address."""

    workspace: str
    link_key: str
    profile_id: str
    address: str
    actor: str
    reason: str
    created_at: datetime


async def history(
    tx: AsyncConnection, workspace: str, limit: int, before: int | None = None
) -> list[Version]:
    """The versions of a workspace's topics, the newest first: those before one, if given."""
    rows = await tx.execute(
        text(
            "SELECT version, CAST(topics AS text) AS topics, actor, reason, created_at "
            "FROM campaign.topics WHERE workspace = :workspace "
            "AND (CAST(:before AS bigint) IS NULL OR version < :before) "
            "ORDER BY version DESC LIMIT :limit"
        ),
        {"workspace": workspace, "before": before, "limit": limit},
    )
    return [
        Version(row.version, _topics.decode(row.topics), row.actor, row.reason, row.created_at)
        for row in rows
    ]


async def add(
    tx: AsyncConnection, workspace: str, version: int, topics: list[Topic], by: tuple[str, str]
) -> bool:
    """A new version by (who, why); False when somebody has added one of this number meanwhile."""
    added = await tx.execute(
        text(
            "INSERT INTO campaign.topics (workspace, version, topics, actor, reason) "
            "VALUES (:workspace, :version, CAST(:topics AS json), :actor, :reason) "
            "ON CONFLICT DO NOTHING"
        ),
        {
            "workspace": workspace,
            "version": version,
            "topics": msgspec.json.encode(topics).decode(),
            "actor": by[0],
            "reason": by[1],
        },
    )
    return added.rowcount == 1


async def words(tx: AsyncConnection, workspace: str, address: str) -> Words:
    """What was said last on the pages of an address, by purpose."""
    rows = await tx.execute(
        text(
            "SELECT purpose, at, wanted FROM campaign.preference "
            "WHERE workspace = :workspace AND address = :address"
        ),
        {"workspace": workspace, "address": address},
    )
    return {row.purpose: (row.at, row.wanted) for row in rows}


async def words_at(
    tx: AsyncConnection, places: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Words]:
    """What was said last on the pages of each (workspace, address), by purpose."""
    wanted = sorted(set(places))
    rows = await tx.execute(
        text(
            "SELECT workspace, address, purpose, at, wanted FROM campaign.preference "
            "WHERE (workspace, address) IN (SELECT * FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:addresses AS text[])))"
        ),
        {"workspaces": [one[0] for one in wanted], "addresses": [one[1] for one in wanted]},
    )
    found: dict[tuple[str, str], dict[str, tuple[datetime, bool]]] = {one: {} for one in wanted}
    for row in rows:
        found[row.workspace, row.address][row.purpose] = (row.at, row.wanted)
    return dict(found)


async def say(tx: AsyncConnection, holder: Holder, choices: Iterable[Choice], at: datetime) -> None:
    """Keep what was said at an address, by the link of whose page."""
    said = list(choices)
    await tx.execute(
        text(
            "INSERT INTO campaign.preference "
            "(workspace, address, purpose, wanted, at, profile_id) "
            "SELECT :workspace, :address, v.purpose, v.wanted, :at, :profile FROM unnest("
            "CAST(:purposes AS text[]), CAST(:wanted AS bool[])) AS v(purpose, wanted) "
            "ON CONFLICT (workspace, address, purpose) DO UPDATE SET wanted = excluded.wanted, "
            "at = excluded.at, profile_id = excluded.profile_id"
        ),
        {
            "workspace": holder.workspace,
            "address": holder.address,
            "profile": holder.profile_id,
            "at": at,
            "purposes": [one.purpose for one in said],
            "wanted": [one.wanted for one in said],
        },
    )


async def add_link(tx: AsyncConnection, link: Link) -> None:
    """Keep a link."""
    await tx.execute(
        text(
            "INSERT INTO campaign.preference_link (workspace, link_key, profile_id, address, "
            "actor, reason, created_at) VALUES (:workspace, :link_key, :profile_id, :address, "
            ":actor, :reason, :created_at)"
        ),
        asdict(link),
    )


async def link(tx: AsyncConnection, workspace: str, link_key: str) -> Link | None:
    """One link."""
    rows = await tx.execute(
        text(
            "SELECT workspace, link_key, profile_id, address, actor, reason, created_at "
            "FROM campaign.preference_link WHERE workspace = :workspace AND link_key = :key"
        ),
        {"workspace": workspace, "key": link_key},
    )
    row = rows.first()
    return None if row is None else Link(**row._asdict())
