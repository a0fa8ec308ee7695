"""The SQL of data feeds: how they are asked, who may be asked, and what those of a run answered."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.feeds import Feed, Spec
from rapport_common.db import pack_texts, packed_texts

_spec = msgspec.json.Decoder(Spec)
_COLUMNS = (
    "f.workspace, f.name, f.version, CAST(f.spec AS text) AS spec, f.sealed, "
    "CAST(f.secret_names AS text) AS secret_names, f.changed_at, f.changed_by, "
    "EXISTS (SELECT FROM campaign.feed_host h WHERE h.workspace = f.workspace "
    "AND h.host = f.host) AS allowed"
)
_PUT = text(
    "INSERT INTO campaign.feed (workspace, name, version, host, spec, sealed, secret_names, "
    "changed_at, changed_by) VALUES (:workspace, :name, :version, :host, CAST(:spec AS json), "
    ":sealed, CAST(:secret_names AS json), :changed_at, :changed_by) "
    "ON CONFLICT (workspace, name) DO UPDATE SET version = excluded.version, "
    "host = excluded.host, spec = excluded.spec, sealed = excluded.sealed, "
    "secret_names = excluded.secret_names, changed_at = excluded.changed_at, "
    "changed_by = excluded.changed_by"
)
# The first that comes keeps its place until it ends: whoever else has asked gives the same.
_KEEP = text(
    "INSERT INTO campaign.feed_answer AS a (workspace, name, key, version, content, fetched_at, "
    "expires_at) VALUES (:workspace, :name, :key, :version, :content, clock_timestamp(), "
    "clock_timestamp() + make_interval(secs => :seconds)) "
    "ON CONFLICT (workspace, name, key) DO UPDATE SET version = excluded.version, "
    "content = excluded.content, fetched_at = excluded.fetched_at, "
    "expires_at = excluded.expires_at "
    "WHERE a.expires_at <= clock_timestamp() OR a.version < excluded.version"
)
_ANSWER = text(
    "SELECT content, version, "
    "CAST(extract(epoch FROM expires_at - clock_timestamp()) AS float8) AS seconds, "
    "CAST(extract(epoch FROM clock_timestamp() - fetched_at) AS float8) AS age "
    "FROM campaign.feed_answer WHERE workspace = :workspace AND name = :name AND key = :key"
)
# What was asked by a version before is the last good answer still.
_LAST = text(
    "SELECT content, CAST(extract(epoch FROM clock_timestamp() - fetched_at) AS float8) AS age "
    "FROM campaign.feed_answer WHERE workspace = :workspace AND name = :name "
    "AND fetched_at > clock_timestamp() - make_interval(secs => :seconds) "
    "ORDER BY fetched_at DESC LIMIT 1"
)

# In what is kept as JSON a quote has a backslash before it.
_SPEAKING = r"""feed\s*(\.|\[\s*\\?["'])\s*"""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer as it is kept: for how many seconds it still counts, and how old it is."""

    content: bytes
    version: int
    seconds: float
    age: float


async def seize(tx: AsyncConnection, workspace: str) -> None:
    """Change the feeds of a workspace one after the other."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('campaign.feed/' || :workspace, 0))"),
        {"workspace": workspace},
    )


async def put(tx: AsyncConnection, feed: Feed) -> None:
    """Write a feed as it is from now on."""
    await tx.execute(
        _PUT,
        {
            "workspace": feed.workspace,
            "name": feed.name,
            "version": feed.version,
            "host": feed.host,
            "spec": msgspec.json.encode(feed.spec).decode(),
            "sealed": feed.sealed,
            "secret_names": msgspec.json.encode(feed.secret_names).decode(),
            "changed_at": feed.changed_at,
            "changed_by": feed.changed_by,
        },
    )


async def remove(tx: AsyncConnection, workspace: str, name: str) -> bool:
    """Take a feed away, with what it has answered; False: there is none."""
    asked = {"workspace": workspace, "name": name}
    of_it = "WHERE workspace = :workspace AND name = :name"
    await tx.execute(text(f"DELETE FROM campaign.feed_answer {of_it}"), asked)
    gone = await tx.execute(text(f"DELETE FROM campaign.feed {of_it}"), asked)
    return gone.rowcount == 1


async def of_workspace(
    tx: AsyncConnection, workspace: str, *, after: str = "", limit: int
) -> list[Feed]:
    """The feeds of a workspace behind a name, by their names."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.feed f WHERE f.workspace = :workspace "
            "AND f.name > :after ORDER BY f.name LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return [_feed(row) for row in rows]


async def named(
    tx: AsyncConnection, keys: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Feed]:
    """The feeds of these (workspace, name) that there are."""
    wanted = sorted(keys)
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.feed f WHERE (f.workspace, f.name) IN "
            f"(SELECT * FROM unnest({packed_texts('workspaces')}, {packed_texts('names')}))"
        ),
        {
            "workspaces": pack_texts([one[0] for one in wanted]),
            "names": pack_texts([one[1] for one in wanted]),
        },
    )
    return {(row.workspace, row.name): _feed(row) for row in rows}


async def used_by(tx: AsyncConnection, workspace: str, name: str) -> list[tuple[str, str]]:
    """Campaigns (id, name) that are not archived and may speak of a feed, found by its words."""
    rows = await tx.execute(
        text(
            "SELECT campaign_id::text AS id, c.name FROM campaign.campaign c "
            "WHERE workspace = :workspace AND state <> 'archived' AND "
            "concat_ws(' ', subject, html, text, amp, languages, content::text) ~ :words "
            "ORDER BY created_at DESC LIMIT 20"
        ),
        {"workspace": workspace, "words": _SPEAKING + name + r"\M"},
    )
    return [(row.id, row.name) for row in rows]


async def hosts(tx: AsyncConnection, workspace: str) -> list[Row[Any]]:
    """Who may be asked: (host, actor, at), by host."""
    rows = await tx.execute(
        text(
            "SELECT host, actor, at FROM campaign.feed_host WHERE workspace = :workspace "
            "ORDER BY host"
        ),
        {"workspace": workspace},
    )
    return list(rows)


async def put_hosts(
    tx: AsyncConnection, workspace: str, wanted: Iterable[str], actor: str, at: datetime
) -> None:
    """Let these be asked and no others; who was allowed before stays as it was."""
    asked = {"workspace": workspace, "hosts": sorted(set(wanted)), "actor": actor, "at": at}
    await tx.execute(
        text(
            "DELETE FROM campaign.feed_host WHERE workspace = :workspace "
            "AND host <> ALL(CAST(:hosts AS text[]))"
        ),
        {"workspace": workspace, "hosts": asked["hosts"]},
    )
    await tx.execute(
        text(
            "INSERT INTO campaign.feed_host (workspace, host, actor, at) "
            "SELECT :workspace, host, :actor, :at FROM unnest(CAST(:hosts AS text[])) AS v(host) "
            "ON CONFLICT DO NOTHING"
        ),
        asked,
    )


async def answer(
    tx: AsyncConnection, workspace: str, name: str, key: str, version: int
) -> KeptAnswer | None:
    """What a feed has answered, while it counts; None when it has to be asked."""
    rows = await tx.execute(_ANSWER, {"workspace": workspace, "name": name, "key": key})
    row = rows.first()
    if row is None or row.version != version or row.seconds <= 0:
        return None
    return KeptAnswer(bytes(row.content), row.version, row.seconds, row.age)


async def keep(
    tx: AsyncConnection, feed: Feed, key: str, content: bytes, seconds: float
) -> KeptAnswer | None:
    """Keep an answer unless there is one that counts; that which counts now."""
    place: Mapping[str, Any] = {"workspace": feed.workspace, "name": feed.name, "key": key}
    await tx.execute(
        _KEEP, {**place, "version": feed.version, "content": content, "seconds": seconds}
    )
    return await answer(tx, feed.workspace, feed.name, key, feed.version)


async def last_good(
    tx: AsyncConnection, workspace: str, name: str, seconds: float
) -> tuple[bytes, float] | None:
    """The newest answer of the last so many seconds, and its age."""
    rows = await tx.execute(_LAST, {"workspace": workspace, "name": name, "seconds": seconds})
    row = rows.first()
    return None if row is None else (bytes(row.content), row.age)


async def sealed_otherwise(tx: AsyncConnection, prefix: str, limit: int) -> list[Feed]:
    """Feeds whose secret headers are not sealed by the newest key; they are locked."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.feed f WHERE f.sealed IS NOT NULL "
            "AND NOT starts_with(f.sealed, :prefix) ORDER BY f.workspace, f.name LIMIT :limit "
            "FOR NO KEY UPDATE OF f SKIP LOCKED"
        ),
        {"prefix": prefix, "limit": limit},
    )
    return [_feed(row) for row in rows]


async def keep_sealed(tx: AsyncConnection, feed: Feed, sealed: str) -> None:
    """Write secret headers sealed anew; all else stays."""
    await tx.execute(
        text(
            "UPDATE campaign.feed SET sealed = :sealed "
            "WHERE workspace = :workspace AND name = :name"
        ),
        {"workspace": feed.workspace, "name": feed.name, "sealed": sealed},
    )


def _feed(row: Row[Any]) -> Feed:
    return Feed(
        workspace=row.workspace,
        name=row.name,
        version=row.version,
        spec=_spec.decode(row.spec),
        changed_at=row.changed_at,
        changed_by=row.changed_by,
        sealed=row.sealed,
        secret_names=msgspec.json.decode(row.secret_names, type=list[str]),
        allowed=row.allowed,
    )
