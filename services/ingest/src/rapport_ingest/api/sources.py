"""Sources: where events come from, their rules and their write keys."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_ingest.api.fields import Name, Writer
from rapport_ingest.handlers.keyring import KeyRing
from rapport_ingest.store import sources, tallies
from rapport_ingest.store.tallies import Tally


class NewSource(BaseModel):
    """A place that events come from."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="Shown to people; its id is made from it.")


def source_routes(engine: AsyncEngine, keys: KeyRing) -> APIRouter:
    """Make and list sources."""
    router = APIRouter(tags=["sources"])

    @router.post("/v1/sources", status_code=201)
    async def create_source(body: NewSource, caller: Writer) -> dict[str, str]:
        """Make a source; its write key is in this answer and never shown again."""
        async with engine.begin() as tx:
            source, key = await keys.create_source(tx, caller.workspace, body.name)
        return {"source": source, "name": body.name, "write_key": key}

    @router.get("/v1/sources")
    async def list_sources(caller: Writer) -> dict[str, Any]:
        async with engine.begin() as tx:
            found = await sources.sources(tx, caller.workspace)
            counts = await tallies.tallies_of(tx, caller.workspace)
        rows = [
            {
                "source": one.id,
                "name": one.name,
                "created_at": clock.iso(one.created_at),
                "events": counts_of(counts.get(one.id, Tally())),
            }
            for one in found
        ]
        return {"sources": rows}

    return router


def counts_of(tally: Tally) -> dict[str, int]:
    """The counts of a source, or of all."""
    return {
        "received": tally.received,
        "accepted": tally.accepted,
        "spooled": tally.spooled,
        "rejected": tally.rejected,
    }
