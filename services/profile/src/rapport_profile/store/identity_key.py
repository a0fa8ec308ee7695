"""The key under which the ids of identifiers were made: another one would know nobody again."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_KEEP = text(
    "INSERT INTO profile.identity_key (fingerprint) VALUES (:fingerprint) ON CONFLICT DO NOTHING"
)
_KEPT = text("SELECT fingerprint FROM profile.identity_key")


async def kept(tx: AsyncConnection) -> bytes | None:
    """The fingerprint of the key, None before there is one."""
    found: bytes | None = (await tx.execute(_KEPT)).scalar()
    return found


async def keep(tx: AsyncConnection, fingerprint: bytes) -> None:
    """Keep that of the first key; it is the other's when somebody else was first."""
    await tx.execute(_KEEP, {"fingerprint": fingerprint})
