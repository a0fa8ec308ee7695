"""/v1/snippets: pieces that templates share."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.api import template_models as models
from rapport_campaign.api.templates import brief
from rapport_campaign.domain.templates import Snippet
from rapport_campaign.handlers import snippets as use
from rapport_campaign.renderer import Renderer
from rapport_campaign.store import snippets as store
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]
Name = Annotated[str, Path(max_length=63, description="The snippet's name, such as `footer`.")]


def snippet_routes(engine: AsyncEngine, renderer: Renderer) -> APIRouter:
    """For operators."""
    router = Router(tags=["snippets"])
    _reading(router, engine)
    _changing(router, engine, renderer)
    return router


def _reading(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/snippets", response_model=Listed[models.SnippetVersion])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """The snippets of the workspace at their newest versions, by their names."""
        [after] = page.after(str) or [None]
        async with engine.begin() as tx:
            found = await store.listed(tx, caller.workspace, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.name], show=_version)

    @router.get("/v1/snippets/{name}")
    async def show(name: Name, caller: Reader) -> models.SnippetView:
        """A snippet, and who has it in it."""
        async with engine.begin() as tx:
            return await _view(tx, await use.require(tx, caller.workspace, name))

    @router.get("/v1/snippets/{name}/versions", response_model=Listed[models.SnippetVersion])
    async def versions(name: Name, caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first: by whom, and why."""
        [before] = page.after(int) or [None]
        async with engine.begin() as tx:
            await use.require(tx, caller.workspace, name)
            found = await store.versions(tx, caller.workspace, name, before=before, limit=page.ask)
        return page.answer(found, key=lambda one: [one.version], show=_version)


def _changing(router: APIRouter, engine: AsyncEngine, renderer: Renderer) -> None:
    async def save(caller: Operator, name: str, body: Any, seen: int | None) -> models.SnippetView:
        workspace = caller.workspace
        async with engine.begin() as tx:
            # Others wait: two that are saved at once could go round.
            await store.seize(tx, workspace)
            if seen is None:
                seen = (await use.require(tx, workspace, name)).version
            found = await use.looked_at(tx, renderer, workspace, name, body.source)
            number = await store.last_version(tx, workspace, name) + 1
            made = Snippet(
                workspace, name, number, body.source, clock.now(), caller.subject, body.reason
            )
            await use.save(tx, made, found.uses, version=seen)
            return await _view(tx, made)

    @router.post("/v1/snippets", status_code=201)
    async def create(body: models.NewSnippet, caller: Writer) -> models.SnippetView:
        """Make a snippet; `{% render "its-name" %}` puts it into a template."""
        return await save(caller, body.name, body, 0)

    @router.patch("/v1/snippets/{name}")
    async def change(name: Name, body: models.SnippetChange, caller: Writer) -> models.SnippetView:
        """Write the next version. Who has it in it is told, and has it when it is saved again."""
        if body.version is not None:
            async with engine.begin() as tx:
                await use.require(tx, caller.workspace, name)
        return await save(caller, name, body, body.version)

    @router.delete("/v1/snippets/{name}", status_code=204)
    async def archive(name: Name, caller: Writer) -> None:
        """Archive a snippet that nothing has in it."""
        async with engine.begin() as tx:
            await use.archive(tx, caller.workspace, name)


def _version(one: Snippet) -> models.SnippetVersion:
    return models.SnippetVersion.model_validate(one, from_attributes=True)


async def _view(tx: AsyncConnection, one: Snippet) -> models.SnippetView:
    found = await use.users(tx, one.workspace, one.name)
    return models.SnippetView(
        **_version(one).model_dump(),
        in_snippets=found.snippets,
        in_templates=[brief(template) for template in found.templates],
        campaigns=[
            models.OnIt.model_validate(row, from_attributes=True) for row in found.campaigns
        ],
    )
