"""Computed traits: define, change and end them, try one on a person, adopt what is shipped."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.errors import InvalidRequestError
from rapport_common.idempotency import Repeatable
from rapport_common.jobs.routes import ShownJob, shown
from rapport_common.paging import MAX_BIGINT, Listed, Paging
from rapport_common.routes import Router, add_routes
from rapport_profile.api import computed_models as models
from rapport_profile.api.asking import NO_NUL, Reader, person
from rapport_profile.domain.computed.definition import type_of
from rapport_profile.handlers import defining
from rapport_profile.handlers.previewing import preview
from rapport_profile.handlers.shipped import Shipped, as_document, in_zone, shipped
from rapport_profile.store import computed_traits as store
from rapport_profile.store.computed_traits import Version

Writer = Annotated[Operator, Depends(operator("profiles:write"))]
Name = Annotated[str, InPath(min_length=1, max_length=63, pattern=NO_NUL)]
PATH = "/v1/computed-traits"


def computed_routes(engine: AsyncEngine) -> APIRouter:
    """All routes of computed traits; those without a name first."""
    router = Router(tags=["computed traits"])
    add_routes(router, _without_name(engine), _shown_traits(engine), _changes(engine))
    return router


def _without_name(engine: AsyncEngine) -> APIRouter:
    router = Router()

    @router.get(f"{PATH}/shipped", response_model=Listed[models.ShippedTrait])
    async def shipped_traits(_caller: Reader, page: Paging) -> dict[str, Any]:
        """Definitions for shops that come with Rapport."""
        after = page.after(str)
        names = sorted(shipped())
        some = [one for one in names if after is None or one > after[0]][: page.ask]
        return page.answer([shipped()[one] for one in some], key=lambda one: [one.name], show=_ship)

    @router.post(f"{PATH}/adopt", status_code=202)
    async def adopt(body: models.Adopting, caller: Writer, once: Repeatable) -> ShownJob:
        """Let definitions that come with Rapport hold here: a job fills them."""
        chosen = {
            name: in_zone(_shipped(name).definition, body.zone) for name in body.names or shipped()
        }
        for name, one in chosen.items():
            defining.require_possible(name, one)
        by = (caller.subject, body.reason)
        async with engine.begin() as tx:
            return shown(await defining.adopt(tx, once, caller.workspace, chosen, by))

    @router.post(f"{PATH}/preview", response_model=models.PreviewedTrait)
    async def try_on_one(body: models.NewPreview, caller: Reader) -> dict[str, Any]:
        """Look what a definition gives for one person; nothing is changed."""
        one = body.definition.declared()
        defining.require_possible("preview", one, "definition.")
        async with engine.begin() as tx:
            who, _found = await person(tx, caller.workspace, body.profile_id)
            seen = await preview(tx, caller.workspace, str(who.profile_id), one, clock.now())
        return {
            "profile_id": who.profile_id,
            "type": type_of(one),
            "value": None if seen.value is None else msgspec.to_builtins(seen.value),
            "looked_at": seen.looked_at,
            "complete": seen.complete,
        }

    return router


def _shown_traits(engine: AsyncEngine) -> APIRouter:
    router = Router()

    @router.get(PATH, response_model=Listed[models.ComputedTrait])
    async def computed_traits(caller: Reader, page: Paging) -> dict[str, Any]:
        """The computed traits of the workspace, by name."""
        after = page.after(str)
        async with engine.begin() as tx:
            found = await store.listed(tx, caller.workspace, page.ask, after[0] if after else None)
        return page.answer(found, key=lambda one: [one.name], show=_version)

    @router.get(PATH + "/{name}", response_model=models.ComputedTrait)
    async def computed_trait(name: Name, caller: Reader) -> dict[str, Any]:
        """The version that holds."""
        async with engine.begin() as tx:
            return _version(await defining.found(tx, caller.workspace, name))

    @router.get(PATH + "/{name}/history", response_model=Listed[models.ComputedTrait])
    async def versions_of_trait(name: Name, caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions of a name, the newest first: by whom, and why."""
        after = page.after(int)
        async with engine.begin() as tx:
            before = after[0] if after else None
            found = await store.history(tx, caller.workspace, name, page.ask, before)
        return page.answer(found, key=lambda one: [one.version], show=_version)

    return router


def _changes(engine: AsyncEngine) -> APIRouter:
    router = Router()

    @router.put(PATH + "/{name}", status_code=202, response_model=models.ChangedTrait)
    async def define_trait(name: Name, body: models.NewVersion, caller: Writer) -> dict[str, Any]:
        """Define a trait, or change it. A job fills it; until then people have what they had."""
        async with engine.begin() as tx:
            made, job = await defining.define(
                tx,
                caller.workspace,
                name,
                body.definition.declared(),
                after=body.version,
                by=(caller.subject, body.reason),
            )
        return {**_version(made), "job_id": job.id}

    @router.delete(PATH + "/{name}", status_code=204)
    async def end_trait(
        name: Name,
        caller: Writer,
        version: Annotated[int, Query(ge=1, le=MAX_BIGINT, description="which one ends")],
        reason: Annotated[str, Query(min_length=1, max_length=1000, pattern=NO_NUL)],
    ) -> Response:
        """End a trait: people lose it, one by one, by a job."""
        async with engine.begin() as tx:
            by = (caller.subject, reason)
            await defining.end(tx, caller.workspace, name, after=version, by=by)
        return Response(status_code=204)

    @router.post(PATH + "/{name}/fill", status_code=202)
    async def fill_again(name: Name, caller: Writer, once: Repeatable) -> ShownJob:
        """Begin anew to fill a trait whose job was cancelled or has failed."""
        async with engine.begin() as tx:
            return shown(await defining.fill_again(tx, once, caller.workspace, name))

    return router


def _shipped(name: str) -> Shipped:
    found = shipped().get(name)
    if found is None:
        message = f"names: '{name}' does not come with Rapport; `{PATH}/shipped` has what does."
        raise InvalidRequestError(message, details={"field": "names"})
    return found


def _ship(one: Shipped) -> dict[str, Any]:
    return {
        "id": one.name,
        "description": one.description,
        "type": type_of(one.definition),
        "definition": as_document(one.definition),
    }


def _version(one: Version) -> dict[str, Any]:
    definition = one.definition
    return {
        **one._asdict(),
        "shown_version": one.shown,
        "type": None if definition is None else type_of(definition),
        "definition": None if definition is None else as_document(definition),
    }
