"""The lease of a bridge: one process at a time speaks for it."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

LEASE_SECONDS = 10.0


async def claim(tx: AsyncConnection, workspace: str, bridge: str, holder: str) -> bool:
    """Take the lease or hold it longer; False while another process has it."""
    result = await tx.execute(
        text(
            "INSERT INTO ingest.bridge_lease AS held (workspace, bridge, holder, held_until) "
            "VALUES (:workspace, :bridge, :holder, now() + make_interval(secs => :seconds)) "
            "ON CONFLICT (workspace, bridge) DO UPDATE "
            "SET holder = excluded.holder, held_until = excluded.held_until "
            "WHERE held.holder = excluded.holder OR held.held_until < now()"
        ),
        {"workspace": workspace, "bridge": bridge, "holder": holder, "seconds": LEASE_SECONDS},
    )
    return result.rowcount == 1


async def release(tx: AsyncConnection, workspace: str, bridge: str, holder: str) -> None:
    """Give the lease back, so that the next process need not wait for its end."""
    await tx.execute(
        text(
            "DELETE FROM ingest.bridge_lease "
            "WHERE workspace = :workspace AND bridge = :bridge AND holder = :holder"
        ),
        {"workspace": workspace, "bridge": bridge, "holder": holder},
    )
