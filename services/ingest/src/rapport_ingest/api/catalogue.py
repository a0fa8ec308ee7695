"""The event catalogue: which events come, how often, of what shape, with what personal data."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.errors import NotFoundError
from rapport_ingest.api.fields import NO_NUL, Reader, SourceId, Text
from rapport_ingest.domain.catalogue import described
from rapport_ingest.store import catalogue as store
from rapport_ingest.store.catalogue import Catalogued

Kind = Annotated[str, Path(max_length=20, pattern=NO_NUL)]


def catalogue_routes(engine: AsyncEngine) -> APIRouter:
    """List the catalogue, show one event."""
    router = APIRouter(tags=["catalogue"])

    @router.get("/v1/catalogue")
    async def list_events(
        caller: Reader,
        *,
        source: Text = None,
        q: Text = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        """The events that came, the most frequent first; `q` is a part of the name."""
        async with engine.begin() as tx:
            found = await store.entries(tx, caller.workspace, source=source, query=q, limit=limit)
        return {"events": [_summary(one) for one in found]}

    @router.get("/v1/catalogue/{source}/{kind}")
    async def show_event(
        source: SourceId,
        kind: Kind,
        caller: Reader,
        name: Annotated[str, Query(max_length=512, pattern=NO_NUL)] = "",
    ) -> dict[str, Any]:
        """One event: its shape as learnt, and a recent example with personal data masked."""
        async with engine.begin() as tx:
            found = await store.entries(
                tx, caller.workspace, source=source, kind=kind, name=name, limit=1
            )
        if not found:
            message = f"Source '{source}' has sent no {kind} event '{name}' yet."
            raise NotFoundError(message, details={"source": source, "type": kind, "name": name})
        learnt = found[0].learnt
        return {
            **_summary(found[0]),
            "samples": learnt.samples,
            "shape": described(learnt.shape),
            "example": learnt.example,
        }

    return router


def _summary(one: Catalogued) -> dict[str, Any]:
    shape = described(one.learnt.shape)
    return {
        "source": one.key.source,
        "type": one.key.type,
        "name": one.key.name,
        "events": one.learnt.events,
        "first_seen": clock.iso(one.learnt.first_seen),
        "last_seen": clock.iso(one.learnt.last_seen),
        "pii": sorted({guess for path in shape for guess in path["pii"]}),
    }
