"""The event catalogue: which events come, how often, of what shape, with what personal data."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.errors import NotFoundError
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_ingest.api.fields import NO_NUL, Reader, SourceId, Text
from rapport_ingest.api.models import CataloguedEvent, EventShape
from rapport_ingest.domain.catalogue import described
from rapport_ingest.store import catalogue as store
from rapport_ingest.store.catalogue import Catalogued

Kind = Annotated[str, Path(max_length=20, pattern=NO_NUL)]


def catalogue_routes(engine: AsyncEngine) -> APIRouter:
    """List the catalogue, show one event."""
    router = Router(tags=["catalogue"])

    @router.get("/v1/catalogue", response_model=Listed[CataloguedEvent])
    async def list_events(
        caller: Reader, page: Paging, *, source: Text = None, q: Text = None
    ) -> dict[str, Any]:
        """The events that came, the most frequent first; `q` is a part of the name."""
        after = page.after(int, str, str, str)
        async with engine.begin() as tx:
            found = await store.entries(
                tx, caller.workspace, source=source, query=q, after=after, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one.learnt.events, *one.key[1:]], show=_summary)

    @router.get("/v1/catalogue/{source}/{kind}", response_model=EventShape)
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
        "first_seen_at": clock.iso(one.learnt.first_seen),
        "last_seen_at": clock.iso(one.learnt.last_seen),
        "pii": sorted({guess for path in shape for guess in path["pii"]}),
    }
