"""Where an event is."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from rapport_common import clock
from rapport_common.auth import Shown, operator
from rapport_common.errors import ForbiddenError, InvalidRequestError
from rapport_common.parameters import require_known_parameters
from rapport_common.routes import Router
from rapport_ingest.api.fields import MessageId, Text
from rapport_ingest.api.models import EventPlace
from rapport_ingest.domain.credentials import credential, key_id_of
from rapport_ingest.handlers.keyring import KeyRing
from rapport_ingest.handlers.locate import Locator, Wanted

MAX_SEARCH = timedelta(hours=72)


def event_routes(keys: KeyRing, locator: Locator) -> APIRouter:
    """Find an event."""
    router = Router(tags=["events"])

    async def sender(
        request: Request, _shown: Shown = None, source: Text = None
    ) -> tuple[str, str | None]:
        """(workspace, source) that may be asked about, by a write key or an operator's token."""
        key = credential(dict(request.scope["headers"]))
        if key is not None and key_id_of(key) is not None:
            found = await keys.sender(key)
            require_known_parameters(request)
            if found.trust == "public":
                message = (
                    "This key may stand where everybody can read it, so it only sends. Ask with a "
                    "token (`rapport token`), or with the key of a source of a trusted kind."
                )
                raise ForbiddenError(message, details={"needed": "events:read"})
            return found.caller.workspace, found.caller.source
        return (await operator("events:read")(request)).workspace, source

    @router.get("/v1/events/{message_id:path}", response_model=EventPlace)
    async def where_is(
        message_id: MessageId,
        asker: Annotated[tuple[str, str | None], Depends(sender)],
        since: datetime | None = None,
    ) -> dict[str, Any]:
        """Accepted, spooled, or rejected and why; `since` (72 h at most) is 1 h ago by default."""
        workspace, source = asker
        return await locator.locate(Wanted(workspace, message_id, source), _start(since))

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
