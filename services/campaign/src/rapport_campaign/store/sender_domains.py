"""Domains that workspaces send from, and their keys."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.sender_domains import Algorithm, Finding, SenderDomain, SenderKey

_COLUMNS = (
    "workspace, domain, state, reason, findings::text AS findings, created_at, created_by, "
    "checked_at, verified_at, misses, next_look_at"
)
_KEY = "selector, algorithm, public, private, state, created_at, ended_at"
_OF = "workspace = :workspace AND domain = :domain"


@dataclass(frozen=True, slots=True)
class KeptKey:
    """The sealed private half of a key, and whose it is."""

    workspace: str
    domain: str
    selector: str
    algorithm: Algorithm
    private: str


async def seize(tx: AsyncConnection, workspace: str) -> None:
    """Keep others from adding domains of the workspace until the end of `tx`."""
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('sender domains/' || :workspace, 0))"),
        {"workspace": workspace},
    )


async def number(tx: AsyncConnection, workspace: str) -> int:
    """How many domains a workspace has."""
    found = await tx.scalar(
        text("SELECT count(*) FROM campaign.sender_domain WHERE workspace = :workspace"),
        {"workspace": workspace},
    )
    return int(found or 0)


async def find(
    tx: AsyncConnection, workspace: str, domain: str, *, lock: bool = False
) -> SenderDomain | None:
    """One domain; with `lock` it stays as it is until the commit."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.sender_domain WHERE {_OF}"
            f"{' FOR UPDATE' if lock else ''}"
        ),
        {"workspace": workspace, "domain": domain},
    )
    found = await _with_keys(tx, workspace, rows.fetchall())
    return found[0] if found else None


async def listed(
    tx: AsyncConnection, workspace: str, *, after: str | None, limit: int
) -> list[SenderDomain]:
    """The domains of a workspace by their names, those behind `after`."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaign.sender_domain WHERE workspace = :workspace "
            "AND (CAST(:after AS text) IS NULL OR domain > :after) ORDER BY domain LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    return await _with_keys(tx, workspace, rows.fetchall())


async def add(tx: AsyncConnection, one: SenderDomain) -> None:
    """Keep a new domain with its keys."""
    await tx.execute(
        text(
            "INSERT INTO campaign.sender_domain (workspace, domain, state, findings, created_at, "
            "created_by) VALUES (:workspace, :domain, :state, '{}', :created_at, :created_by)"
        ),
        {
            "workspace": one.workspace,
            "domain": one.domain,
            "state": one.state,
            "created_at": one.created_at,
            "created_by": one.created_by,
        },
    )
    await _add_keys(tx, one, one.keys)


async def save(tx: AsyncConnection, one: SenderDomain) -> None:
    """Write a domain (locked by `find`) and its keys as they are now."""
    await tx.execute(
        text(
            "UPDATE campaign.sender_domain SET state = :state, reason = :reason, "
            "findings = CAST(:findings AS json), checked_at = :checked_at, "
            "verified_at = :verified_at, misses = :misses, next_look_at = :next_look_at "
            f"WHERE {_OF}"
        ),
        {
            "workspace": one.workspace,
            "domain": one.domain,
            "state": one.state,
            "reason": one.reason,
            "findings": msgspec.json.encode(one.findings).decode(),
            "checked_at": one.checked_at,
            "verified_at": one.verified_at,
            "misses": one.misses,
            "next_look_at": one.next_look_at,
        },
    )
    await tx.execute(
        text(f"DELETE FROM campaign.sender_key WHERE {_OF}"),
        {"workspace": one.workspace, "domain": one.domain},
    )
    await _add_keys(tx, one, one.keys)


async def due(
    tx: AsyncConnection, now: datetime, until: datetime, limit: int
) -> list[tuple[str, str]]:
    """(workspace, domain) that were checked once and are to be looked at again; nobody else does so
    before `until`.
    """
    rows = await tx.execute(
        text(
            "UPDATE campaign.sender_domain d SET next_look_at = :until FROM ("
            "SELECT workspace, domain FROM campaign.sender_domain WHERE state <> 'unchecked' "
            "AND (next_look_at IS NULL OR next_look_at <= :now) "
            "ORDER BY next_look_at NULLS FIRST LIMIT :limit FOR UPDATE SKIP LOCKED) AS chosen "
            "WHERE d.workspace = chosen.workspace AND d.domain = chosen.domain "
            "RETURNING d.workspace, d.domain"
        ),
        {"now": now, "until": until, "limit": limit},
    )
    return [(row.workspace, row.domain) for row in rows]


async def counts(tx: AsyncConnection) -> tuple[int, int]:
    """How many verified domains were not seen at the last look, and how many were verified and are
    gone.
    """
    rows = await tx.execute(
        text(
            "SELECT count(*) FILTER (WHERE state = 'verified' AND misses > 0), "
            "count(*) FILTER (WHERE state = 'failed' AND verified_at IS NOT NULL) "
            "FROM campaign.sender_domain"
        )
    )
    missed, gone = rows.one()
    return missed, gone


async def remove(tx: AsyncConnection, workspace: str, domain: str) -> bool:
    """Take a domain away, and destroy its keys; whether there was one."""
    found = await tx.execute(
        text(f"DELETE FROM campaign.sender_domain WHERE {_OF} RETURNING domain"),
        {"workspace": workspace, "domain": domain},
    )
    return found.first() is not None


async def signing(tx: AsyncConnection, workspaces: Iterable[str]) -> dict[str, list[KeptKey]]:
    """What the verified domains of workspaces sign with: RSA first, which all receivers know."""
    rows = await tx.execute(
        text(
            "SELECT workspace, domain, k.selector, k.algorithm, k.private "
            "FROM campaign.sender_domain d JOIN campaign.sender_key k USING (workspace, domain) "
            "WHERE workspace = ANY(CAST(:workspaces AS text[])) AND d.state = 'verified' "
            "AND k.state = 'active' ORDER BY workspace, domain, k.algorithm = 'ed25519'"
        ),
        {"workspaces": sorted(workspaces)},
    )
    found: defaultdict[str, list[KeptKey]] = defaultdict(list)
    for row in rows:
        found[row.workspace].append(KeptKey(*row))
    return dict(found)


async def sealed_otherwise(tx: AsyncConnection, prefix: str, limit: int) -> list[KeptKey]:
    """Keys of all workspaces whose private half does not begin so; they are locked. Whom others
    have locked is left to them.
    """
    rows = await tx.execute(
        text(
            "SELECT workspace, domain, selector, algorithm, private FROM campaign.sender_key "
            "WHERE private IS NOT NULL AND NOT starts_with(private, :prefix) "
            "ORDER BY workspace, domain, selector LIMIT :limit FOR UPDATE SKIP LOCKED"
        ),
        {"prefix": prefix, "limit": limit},
    )
    return [KeptKey(*row) for row in rows]


async def keep_private(tx: AsyncConnection, one: KeptKey) -> None:
    """Write a private half, which is the same, in another form."""
    await tx.execute(
        text(
            f"UPDATE campaign.sender_key SET private = :private WHERE {_OF} "
            "AND selector = :selector"
        ),
        asdict(one),
    )


async def _add_keys(tx: AsyncConnection, one: SenderDomain, keys: Sequence[SenderKey]) -> None:
    for key in keys:
        await tx.execute(
            text(
                f"INSERT INTO campaign.sender_key (workspace, domain, {_KEY}) VALUES (:workspace, "
                ":domain, :selector, :algorithm, :public, :private, :state, :created_at, :ended_at)"
            ),
            {"workspace": one.workspace, "domain": one.domain, **asdict(key)},
        )


async def _with_keys(
    tx: AsyncConnection, workspace: str, rows: Sequence[Row[Any]]
) -> list[SenderDomain]:
    found = await tx.execute(
        text(
            f"SELECT domain, {_KEY} FROM campaign.sender_key WHERE workspace = :workspace "
            "AND domain = ANY(CAST(:domains AS text[])) ORDER BY created_at DESC, selector"
        ),
        {"workspace": workspace, "domains": [row.domain for row in rows]},
    )
    keys: defaultdict[str, list[SenderKey]] = defaultdict(list)
    for domain, *key in found:
        keys[domain].append(SenderKey(*key))
    return [_domain(row, keys[row.domain]) for row in rows]


def _domain(row: Row[Any], keys: Sequence[SenderKey]) -> SenderDomain:
    findings = msgspec.json.decode(row.findings, type=dict[str, Finding])
    fields = {**row._mapping, "findings": findings}  # noqa: SLF001 - SQLAlchemy's public name for it
    return SenderDomain(**fields, keys=tuple(keys))
