"""The operator routes of ingest: sources, where an event is, what was rejected, the ledger."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError
from rapport_ingest import store
from rapport_ingest.domain.credentials import credential, key_id_of
from rapport_ingest.handlers.counting import Counting
from rapport_ingest.handlers.keyring import KeyRing
from rapport_ingest.handlers.locate import Locator, Wanted
from rapport_ingest.spool import Spool
from rapport_ingest.store import Rejected, Tally

NO_NUL = r"^[^\x00]*$"  # Postgres has no way to store one
MAX_SEARCH = timedelta(hours=72)

Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=NO_NUL)
]
Text = Annotated[str | None, Query(max_length=200, pattern=NO_NUL)]
MessageId = Annotated[str, Path(min_length=1, max_length=100, pattern=NO_NUL)]
Writer = Annotated[Operator, Depends(operator("sources:write"))]
Reader = Annotated[Operator, Depends(operator("events:read"))]
Ops = Annotated[Operator, Depends(operator("ops"))]


class NewSource(BaseModel):
    """A place that events come from."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="Shown to people; its id is made from it.")


def routes(
    engine: AsyncEngine, keys: KeyRing, locator: Locator, counting: Counting, spool: Spool
) -> APIRouter:
    """All routes of ingest except those that take events."""
    router = APIRouter()
    _add_sources(router, engine, keys)
    _add_events(router, engine, keys, locator)
    _add_ledger(router, engine, locator, counting, spool)
    return router


def _add_sources(router: APIRouter, engine: AsyncEngine, keys: KeyRing) -> None:
    @router.post("/v1/sources", status_code=201, tags=["sources"])
    async def create_source(body: NewSource, caller: Writer) -> dict[str, str]:
        """Make a source; its write key is in this answer and never shown again."""
        async with engine.begin() as tx:
            source, key = await keys.create_source(tx, caller.workspace, body.name)
        return {"source": source, "name": body.name, "write_key": key}

    @router.get("/v1/sources", tags=["sources"])
    async def list_sources(caller: Writer) -> dict[str, Any]:
        async with engine.begin() as tx:
            found = await store.sources(tx, caller.workspace)
            tallies = await store.tallies_of(tx, caller.workspace)
        rows = [
            {
                "source": one.id,
                "name": one.name,
                "created_at": clock.iso(one.created_at),
                "events": _counts(tallies.get(one.id, Tally())),
            }
            for one in found
        ]
        return {"sources": rows}


def _add_events(router: APIRouter, engine: AsyncEngine, keys: KeyRing, locator: Locator) -> None:
    async def sender(request: Request, source: Text = None) -> tuple[str, str | None]:
        """(workspace, source) that may be asked about, by a write key or an operator's token."""
        key = credential(dict(request.scope["headers"]))
        if key is not None and key_id_of(key) is not None:
            caller = await keys.caller(key)
            return caller.workspace, caller.source
        return operator("events:read")(request).workspace, source

    @router.get("/v1/events/{message_id:path}", tags=["events"])
    async def where_is(
        message_id: MessageId,
        asker: Annotated[tuple[str, str | None], Depends(sender)],
        since: datetime | None = None,
    ) -> dict[str, Any]:
        """Accepted, spooled, or rejected and why; `since` (72 h at most) is 1 h ago by default."""
        workspace, source = asker
        return await locator.locate(Wanted(workspace, message_id, source), _start(since))

    @router.get("/v1/rejected", tags=["events"])
    async def list_rejected(
        caller: Reader, source: Text = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> dict[str, Any]:
        """The latest events that were not accepted, newest first."""
        async with engine.begin() as tx:
            rows = await store.rejected(tx, caller.workspace, source=source, limit=limit)
        return {"rejected": [_shown(one) for one in rows]}


def _add_ledger(
    router: APIRouter, engine: AsyncEngine, locator: Locator, counting: Counting, spool: Spool
) -> None:
    @router.get("/v1/ledger", tags=["operations"])
    async def ledger(_caller: Ops) -> dict[str, Any]:
        """Received = accepted + rejected, and what of it is in the spool and in the topic."""
        await counting.flush()
        written = await locator.end_offsets()
        async with engine.begin() as tx:
            tally = await store.total(tx)
            waiting = await spool.size(tx)
        return {
            **_counts(tally),
            "spooled_now": waiting.rows,
            "topic": {"end_offsets_total": written},
        }


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


def _counts(tally: Tally) -> dict[str, int]:
    return {
        "received": tally.received,
        "accepted": tally.accepted,
        "spooled": tally.spooled,
        "rejected": tally.rejected,
    }


def _shown(row: Rejected) -> dict[str, Any]:
    return {
        "message_id": row.message_id,
        "source": row.source,
        "received_at": clock.iso(row.received_at),
        "code": row.code,
        "path": row.path,
        "message": row.reason,
        "body": row.body.decode("utf-8", "replace"),
    }
