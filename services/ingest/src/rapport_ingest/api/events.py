"""Where an event is, and what was not accepted."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.auth import operator
from rapport_common.errors import InvalidRequestError
from rapport_ingest.api.fields import MessageId, Reader, Text
from rapport_ingest.domain.credentials import credential, key_id_of
from rapport_ingest.handlers.keyring import KeyRing
from rapport_ingest.handlers.locate import Locator, Wanted
from rapport_ingest.store import quarantine
from rapport_ingest.store.quarantine import Quarantined

MAX_SEARCH = timedelta(hours=72)


def event_routes(engine: AsyncEngine, keys: KeyRing, locator: Locator) -> APIRouter:
    """Find an event, list the quarantine."""
    router = APIRouter(tags=["events"])

    async def sender(request: Request, source: Text = None) -> tuple[str, str | None]:
        """(workspace, source) that may be asked about, by a write key or an operator's token."""
        key = credential(dict(request.scope["headers"]))
        if key is not None and key_id_of(key) is not None:
            caller = (await keys.sender(key)).caller
            return caller.workspace, caller.source
        return operator("events:read")(request).workspace, source

    @router.get("/v1/events/{message_id:path}")
    async def where_is(
        message_id: MessageId,
        asker: Annotated[tuple[str, str | None], Depends(sender)],
        since: datetime | None = None,
    ) -> dict[str, Any]:
        """Accepted, spooled, or rejected and why; `since` (72 h at most) is 1 h ago by default."""
        workspace, source = asker
        return await locator.locate(Wanted(workspace, message_id, source), _start(since))

    @router.get("/v1/quarantine")
    async def list_rejected(
        caller: Reader, source: Text = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> dict[str, Any]:
        """The latest events that were not accepted, newest first."""
        async with engine.begin() as tx:
            rows = await quarantine.latest(tx, caller.workspace, source=source, limit=limit)
        return {"events": [_shown(one) for one in rows]}

    return router


def _start(since: datetime | None) -> datetime:
    now = clock.now()
    if since is None:
        return now - timedelta(hours=1)
    try:
        moment = since.replace(tzinfo=UTC) if since.tzinfo is None else since.astimezone(UTC)
    except OverflowError as error:
        message = "since: not a time that can be searched from."
        raise InvalidRequestError(message) from error
    return min(max(moment, now - MAX_SEARCH), now)


def _shown(row: Quarantined) -> dict[str, Any]:
    return {
        "message_id": row.message_id,
        "source": row.source,
        "received_at": clock.iso(row.received_at),
        "code": row.code,
        "path": row.path,
        "message": row.reason,
        "body": row.body.decode("utf-8", "replace"),
    }
