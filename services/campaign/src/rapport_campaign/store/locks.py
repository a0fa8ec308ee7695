"""Locks on things that may have no row yet, held to the end of the transaction."""

from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_SHARED = text(
    "SELECT pg_advisory_xact_lock_shared(key) FROM "
    "(SELECT DISTINCT hashtextextended(name, 0) AS key FROM unnest(CAST(:names AS text[])) "
    "AS name ORDER BY key) AS keys"
)
_EXCLUSIVE = text(
    "SELECT pg_advisory_xact_lock(key) FROM "
    "(SELECT DISTINCT hashtextextended(name, 0) AS key FROM unnest(CAST(:names AS text[])) "
    "AS name ORDER BY key) AS keys"
)


async def share_segments(tx: AsyncConnection, segments: Iterable[tuple[str, str]]) -> None:
    """While entries of (workspace, segment) are written, no campaign on it starts."""
    await _share(tx, [f"segment\n{workspace}\n{segment}" for workspace, segment in segments])


async def own_segment(tx: AsyncConnection, workspace: str, segment: str) -> None:
    """While a campaign starts, no entry of its segment is written: none is missed or met twice."""
    await tx.execute(_EXCLUSIVE, {"names": [f"segment\n{workspace}\n{segment}"]})


async def own_addresses(tx: AsyncConnection, addresses: Iterable[tuple[str, str]]) -> None:
    """Messages to (workspace, address) are marked, and noes of there are written, one by one."""
    names = [f"address\n{workspace}\n{address}" for workspace, address in addresses]
    if names:
        await tx.execute(_EXCLUSIVE, {"names": names})


async def _share(tx: AsyncConnection, names: list[str]) -> None:
    if names:
        await tx.execute(_SHARED, {"names": names})
