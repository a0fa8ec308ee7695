"""The key under which the ids of identifiers were made: another one would know nobody again."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_KEEP = text(
    "INSERT INTO profile.identity_key (fingerprint) VALUES (:fingerprint) ON CONFLICT DO NOTHING"
)
_KEPT = text("SELECT fingerprint FROM profile.identity_key")


async def is_kept(tx: AsyncConnection, fingerprint: bytes) -> bool:
    """Whether this is the key's fingerprint; the first one that is asked for is kept."""
    found = (await tx.execute(_KEPT)).scalar()
    if found is None:
        await tx.execute(_KEEP, {"fingerprint": fingerprint})
        found = (await tx.execute(_KEPT)).scalar()
    return bool(found == fingerprint)
