"""A request that makes something, sent twice, makes one thing: the header `Idempotency-Key`.

After draft-ietf-httpapi-idempotency-key-header. The key belongs to a workspace and an address; it
is kept with the transaction that makes the thing, so there is neither one without the other.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from sqlalchemy import Column, DateTime, LargeBinary, MetaData, Table, Text, func, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError
from rapport_common.retention import Retention

MAX_KEY = 200
VISIBLE = r"^[\x21-\x7e]+$"
KEPT = Retention("idempotency", "created_at", timedelta(days=7))
"""After so long a key may be used anew."""

ADVICE = "Makes one thing however often the request is sent: any text of your own, kept for 7 days."


class KeyReusedError(ConflictError):
    """A key that came with another body before."""

    code = "idempotency_key_reused"


def idempotency_table(metadata: MetaData) -> None:
    """Declare `idempotency` in the service's schema: what the keys of requests have made."""
    Table(
        "idempotency",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("address", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("body_hash", LargeBinary, nullable=False),
        Column("made_id", Text, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )


@dataclass(frozen=True, slots=True)
class Once:
    """A request and the key it came with, if any."""

    address: str
    key: str | None

    async def earlier(
        self, tx: AsyncConnection, schema: str, workspace: str, *, body: Any, made_id: str
    ) -> str | None:
        """The id of what this request has made before; None: it makes `made_id` now.

        One that is just being carried out elsewhere is waited for. KeyReusedError when the body
        (JSON values) is another than that of the request which the key came with first.
        """
        if self.key is None:
            return None
        digest = hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).digest()
        given = {
            "workspace": workspace,
            "address": self.address,
            "key": self.key,
            "hash": digest,
            "made": made_id,
        }
        fresh = await tx.execute(
            text(
                f"INSERT INTO {schema}.idempotency (workspace, address, key, body_hash, made_id) "
                "VALUES (:workspace, :address, :key, :hash, :made) ON CONFLICT DO NOTHING"
            ),
            given,
        )
        if fresh.rowcount:
            return None
        known = await tx.execute(
            text(
                f"SELECT body_hash, made_id FROM {schema}.idempotency WHERE "
                "workspace = :workspace AND address = :address AND key = :key"
            ),
            given,
        )
        body_hash, made = known.one()
        if bytes(body_hash) != digest:
            message = (
                f"Idempotency-Key {self.key!r} came with another body before. Send the same "
                "request again, or this one with a key of its own."
            )
            raise KeyReusedError(message, details={"id": made})
        return str(made)

    async def settle(self, tx: AsyncConnection, schema: str, workspace: str, made_id: str) -> None:
        """What was made has this id, and not the one that `earlier` was told."""
        await tx.execute(
            text(
                f"UPDATE {schema}.idempotency SET made_id = :made WHERE workspace = :workspace "
                "AND address = :address AND key = :key"
            ),
            {
                "workspace": workspace,
                "address": self.address,
                "key": self.key or "",
                "made": made_id,
            },
        )


def _once(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=MAX_KEY,
            pattern=VISIBLE,
            description=ADVICE,
        ),
    ] = None,
) -> Once:
    return Once(request.url.path, key)


Repeatable = Annotated[Once, Depends(_once)]
"""The parameter of a route that makes something."""
