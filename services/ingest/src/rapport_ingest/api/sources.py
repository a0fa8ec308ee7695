"""Sources: where events come from, their rules, their write keys and their counts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.errors import InvalidRequestError
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_ingest.api import models
from rapport_ingest.api.fields import NO_NUL, Looker, Name, Reader, SourceId, Writer
from rapport_ingest.domain import policy
from rapport_ingest.domain.source import DEFAULT_KIND, MEANINGS, Caller, Kind, trust_of
from rapport_ingest.domain.warnings import ADVICE
from rapport_ingest.handlers.counting import Counting
from rapport_ingest.handlers.sources import NewKey, Sources, change_workspace, require
from rapport_ingest.store import sources as store
from rapport_ingest.store import tallies, warnings
from rapport_ingest.store.sources import KeyRow, Source
from rapport_ingest.store.tallies import Tally
from rapport_ingest.store.warnings import SourceWarning

MAX_DAYS = 400
KeyId = Annotated[str, Path(max_length=100, pattern=NO_NUL)]
Days = Annotated[int, Query(ge=1, le=MAX_DAYS, description="So many days back, today included.")]


KINDS = (
    "Where its key is kept. web, app, device: where everybody can read it, so its word on consent "
    "and addresses is weighed. server, pos, import, partner: with you, so it is believed."
)


class NewSource(BaseModel):
    """A place that events come from."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="Shown to people; its id is made from it.")
    kind: Kind = Field(DEFAULT_KIND, description=KINDS)
    policy: dict[str, Any] = Field(default_factory=dict, description="Its rules; default: none.")


class SourceChange(BaseModel):
    """A merge patch (RFC 7396): what is left out stays, null sets a field of the policy back."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    kind: Kind | None = Field(None, description=KINDS)
    policy: dict[str, Any] | None = None


class WorkspacePolicy(BaseModel):
    """The rules of all sources of a workspace, defaults written out."""

    blocked_identifiers: list[str]


class WorkspaceChange(BaseModel):
    """A merge patch (RFC 7396): what is left out stays, null sets a field back."""

    model_config = ConfigDict(extra="forbid")

    blocked_identifiers: list[str] | None = Field(
        None, description="Ids and addresses that stand for nobody, beside those always blocked."
    )


def source_routes(engine: AsyncEngine, sources: Sources) -> APIRouter:
    """Make, show and change sources."""
    router = Router(tags=["sources"])

    @router.post("/v1/sources", status_code=201, response_model=models.MadeSource)
    async def create_source(body: NewSource, caller: Writer) -> dict[str, Any]:
        """Make a source; its write key is in this answer and never shown again."""
        async with engine.begin() as tx:
            source, key = await sources.create(
                tx, caller.workspace, body.name, body.policy, body.kind
            )
        named = {"id": source, "name": body.name, **_worth(body.kind)}
        return {**named, "means": MEANINGS[trust_of(body.kind)], "write_key": key.key}

    @router.get("/v1/sources", response_model=Listed[models.Source])
    async def list_sources(caller: Looker, page: Paging) -> dict[str, Any]:
        """The sources by id, with their policies, counts and warnings."""
        after = page.after(str)
        async with engine.begin() as tx:
            found = await store.sources(
                tx, caller.workspace, after=after[0] if after else "", limit=page.ask
            )
            counts = await tallies.tallies_of(tx, caller.workspace)
            warned = await warnings.warnings_of(tx, caller.workspace)
        return page.answer(
            found,
            key=lambda one: (one.id,),
            show=lambda one: _shown(one, counts.get(one.id, Tally()), warned.get(one.id, ())),
        )

    _add_single(router, engine, sources)
    return router


def _add_single(router: APIRouter, engine: AsyncEngine, sources: Sources) -> None:
    """Routes of one source."""

    async def one(caller: Caller) -> dict[str, Any]:
        async with engine.begin() as tx:
            found = require(await store.source(tx, caller), caller)
            counts = await tallies.tallies_of(tx, caller.workspace)
            warned = await warnings.warnings_of(tx, caller.workspace)
        return _shown(found, counts.get(found.id, Tally()), warned.get(found.id, ()))

    @router.get("/v1/sources/{source}", response_model=models.Source)
    async def show_source(source: SourceId, caller: Looker) -> dict[str, Any]:
        """A source with its policy, defaults written out, and its counts."""
        return await one(Caller(caller.workspace, source))

    @router.patch("/v1/sources/{source}", response_model=models.Source)
    async def change_source(source: SourceId, body: SourceChange, caller: Writer) -> dict[str, Any]:
        """Change name, kind or policy; it holds in every process within a second."""
        whose = Caller(caller.workspace, source)
        patch = body.policy or {}
        if "policy" in body.model_fields_set and body.policy is None:
            message = "policy: null would remove all rules; set each field of it to null instead."
            raise InvalidRequestError(message, details={"path": "policy"})
        async with engine.begin() as tx:
            await sources.change(tx, whose, name=body.name, patch=patch, kind=body.kind)
        return await one(whose)


def policy_routes(engine: AsyncEngine) -> APIRouter:
    """What goes for all sources of a workspace."""
    router = Router(tags=["sources"])

    @router.get("/v1/policy")
    async def show_policy(caller: Looker) -> WorkspacePolicy:
        """The rules of all sources of the workspace, defaults written out."""
        async with engine.begin() as tx:
            found = await store.workspace_policy(tx, caller.workspace)
        return WorkspacePolicy.model_validate(policy.shown_workspace(found))

    @router.patch("/v1/policy")
    async def change_policy(body: WorkspaceChange, caller: Writer) -> WorkspacePolicy:
        """Change them by a merge patch (RFC 7396); they hold in every process within a second."""
        patch = body.model_dump(exclude_unset=True)
        async with engine.begin() as tx:
            changed = policy.shown_workspace(await change_workspace(tx, caller.workspace, patch))
        return WorkspacePolicy.model_validate(changed)

    return router


def count_routes(engine: AsyncEngine, counting: Counting) -> APIRouter:
    """How much a source has sent."""
    router = Router(tags=["sources"])

    @router.get("/v1/sources/{source}/counts", response_model=models.SourceCounts)
    async def counts(source: SourceId, caller: Reader, days: Days = 30) -> dict[str, Any]:
        """Received = accepted + rejected, since the source was made and by day (UTC)."""
        whose = Caller(caller.workspace, source)
        since = clock.now().date() - timedelta(days=days - 1)
        await counting.flush()
        async with engine.begin() as tx:
            require(await store.source(tx, whose), whose)
            whole = (await tallies.tallies_of(tx, whose.workspace)).get(source, Tally())
            by_day = await tallies.days_of(tx, whose, since)
        rows = [
            {
                "day": day.day.isoformat(),
                "received": day.received,
                "accepted": day.accepted,
                "rejected": day.rejected,
            }
            for day in by_day
        ]
        return {"source": source, **whole.by_verdict(), "days": rows}

    return router


def key_routes(engine: AsyncEngine, sources: Sources) -> APIRouter:
    """The write keys of a source."""
    router = Router(tags=["sources"])

    @router.get("/v1/sources/{source}/keys", response_model=Listed[models.Key])
    async def list_keys(source: SourceId, caller: Looker, page: Paging) -> dict[str, Any]:
        """All keys the source has had, oldest first; a key begins with `rk_` and its id."""
        whose = Caller(caller.workspace, source)
        async with engine.begin() as tx:
            require(await store.source(tx, whose), whose)
            after = page.after(datetime, str)
            found = await store.keys_of(
                tx, whose, after=(after[0], after[1]) if after else None, limit=page.ask
            )
        return page.answer(found, key=lambda one: (one.created_at, one.id), show=_shown_key)

    @router.post("/v1/sources/{source}/keys", status_code=201)
    async def add_key(source: SourceId, caller: Writer) -> models.MadeKey:
        """One more key, at most two at a time; it is in this answer and never shown again."""
        async with engine.begin() as tx:
            made: NewKey = await sources.add_key(tx, Caller(caller.workspace, source))
        return models.MadeKey(id=made.id, source=source, write_key=made.key)

    @router.delete("/v1/sources/{source}/keys/{key_id}", status_code=204)
    async def revoke_key(source: SourceId, key_id: KeyId, caller: Writer) -> None:
        """End a key; every process refuses it within a second."""
        async with engine.begin() as tx:
            await sources.revoke(tx, Caller(caller.workspace, source), key_id)

    return router


def _worth(kind: Kind) -> dict[str, str]:
    return {"kind": kind, "trust": trust_of(kind)}


def _shown(source: Source, counts: Tally, warned: Sequence[SourceWarning]) -> dict[str, Any]:
    return {
        "id": source.id,
        "name": source.name,
        **_worth(source.kind),
        "created_at": clock.iso(source.created_at),
        "revision": source.revision,
        "policy": policy.shown(source.policy),
        "events": counts.by_verdict(),
        "warnings": [
            {
                "code": one.code,
                "events": one.events,
                "first_at": clock.iso(one.first_at),
                "last_at": clock.iso(one.last_at),
                "message": ADVICE.get(one.code, ""),
            }
            for one in warned
        ],
    }


def _shown_key(key: KeyRow) -> dict[str, Any]:
    return {
        "id": key.id,
        "created_at": clock.iso(key.created_at),
        "revoked_at": clock.iso(key.revoked_at) if key.revoked_at else None,
    }
