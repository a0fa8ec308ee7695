"""/v1/templates: what campaigns say, with versions, languages, previews and warnings."""

import uuid
from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.api import template_models as models
from rapport_campaign.domain.templates import Template, Version
from rapport_campaign.handlers import authoring as use
from rapport_campaign.handlers import previews
from rapport_campaign.handlers.feed_asking import Asker
from rapport_campaign.renderer import Renderer
from rapport_campaign.store import snippets
from rapport_campaign.store import templates as store
from rapport_campaign.tables import SCHEMA
from rapport_common import clock
from rapport_common.auth import Operator, operator
from rapport_common.idempotency import Repeatable
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router

Reader = Annotated[Operator, Depends(operator("campaigns:read"))]
Writer = Annotated[Operator, Depends(operator("campaigns:write"))]


def template_routes(engine: AsyncEngine, renderer: Renderer, asker: Asker) -> APIRouter:
    """For operators."""
    router = Router(tags=["templates"])
    _reading(router, engine)
    _changing(router, engine, renderer)
    _looking(router, engine, renderer, asker)
    return router


def _reading(router: APIRouter, engine: AsyncEngine) -> None:
    @router.get("/v1/templates", response_model=Listed[models.TemplateBrief])
    async def listed(
        caller: Reader, page: Paging, *, archived: Annotated[bool, Query()] = False
    ) -> dict[str, Any]:
        """The newest templates: those in use, or the archived ones."""
        after = page.after(datetime, UUID)
        async with engine.begin() as tx:
            found = await store.listed(
                tx,
                caller.workspace,
                archived=archived,
                after=(after[0], str(after[1])) if after else None,
                limit=page.ask,
            )
        return page.answer(found, key=lambda one: [one.created_at, one.template_id], show=brief)

    @router.get("/v1/templates/{template_id}")
    async def show(template_id: UUID, caller: Reader) -> models.TemplateView:
        """A template at its newest version, and the campaigns on it."""
        async with engine.begin() as tx:
            found = await use.require(tx, caller.workspace, str(template_id))
            return await _view(tx, found, await use.require_version(tx, found))

    @router.get("/v1/templates/{template_id}/versions", response_model=Listed[models.VersionView])
    async def versions(template_id: UUID, caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first: by whom, and why."""
        [before] = page.after(int) or [None]
        async with engine.begin() as tx:
            await use.require(tx, caller.workspace, str(template_id))
            found = await store.versions(
                tx, caller.workspace, str(template_id), before=before, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one.version], show=_version)


def _changing(router: APIRouter, engine: AsyncEngine, renderer: Renderer) -> None:
    @router.post("/v1/templates", status_code=201)
    async def create(
        body: models.NewTemplate, caller: Writer, once: Repeatable
    ) -> models.TemplateView:
        """Make a template. What can't be read, or names what is not there, is refused."""
        source = body.source()
        async with engine.begin() as tx:
            known = await use.known_snippets(tx, caller.workspace, source)
        work = await use.made(renderer, source, known)
        new = Template(caller.workspace, str(uuid.uuid4()), body.name, 1, clock.now())
        async with engine.begin() as tx:
            told = body.model_dump(mode="json")
            earlier = await once.earlier(
                tx, SCHEMA, caller.workspace, body=told, made_id=new.template_id
            )
            if earlier is not None:
                there = await use.require(tx, caller.workspace, earlier)
                return await _view(tx, there, await use.require_version(tx, there))
            version = await use.add(tx, new, work, (caller.subject, body.reason))
            return await _view(tx, new, version)

    @router.patch("/v1/templates/{template_id}")
    async def change(
        template_id: UUID, body: models.TemplateChange, caller: Writer
    ) -> models.TemplateView:
        """Write the next version, with the snippets as they are now. `campaigns` are concerned:
        drafts say it from now on, started ones keep what they say.
        """
        async with engine.begin() as tx:
            there = await use.require(tx, caller.workspace, str(template_id))
            use.require_living(there)
            source = body.laid_over((await use.require_version(tx, there)).source)
            known = await use.known_snippets(tx, caller.workspace, source)
        work = await use.made(renderer, source, known)
        seen = replace(there, version=body.version or there.version)
        async with engine.begin() as tx:
            found, version = await use.change(
                tx, seen, work, (caller.subject, body.reason), body.name
            )
            return await _view(tx, found, version)

    @router.delete("/v1/templates/{template_id}", status_code=204)
    async def archive(template_id: UUID, caller: Writer) -> None:
        """Archive a template: campaigns on it keep what they say, and none is made on it."""
        async with engine.begin() as tx:
            await use.archive(tx, caller.workspace, str(template_id))


def _looking(router: APIRouter, engine: AsyncEngine, renderer: Renderer, asker: Asker) -> None:
    @router.post("/v1/templates/{template_id}/preview")
    async def preview(
        template_id: UUID, body: models.PreviewAsked, caller: Reader
    ) -> models.PreviewView:
        """Show a template as a real person would get it, with what to look at before it goes."""
        async with engine.begin() as tx:
            template = await use.require(tx, caller.workspace, str(template_id))
            version = await use.require_version(tx, template, body.version)
            who = await previews.reader(tx, version, body.profile_id, body.language)
            feeds = await previews.feeds_of(tx, version, who)
            supplied = await previews.data_for(tx, version, who)
        fed = await previews.fed(asker, feeds, version, who)
        sight = await previews.shown(
            renderer, template, version, who, data=body.data, supplied=supplied, feeds=fed
        )
        return models.PreviewView(version=version.version, language=who.language, **asdict(sight))

    @router.post("/v1/templates/{template_id}/warnings")
    async def warnings(
        template_id: UUID, body: models.WarningsAsked, caller: Reader
    ) -> models.WarningsView:
        """How many people of a segment lack what the template prints of them without a default."""
        async with engine.begin() as tx:
            template = await use.require(tx, caller.workspace, str(template_id))
            version = await use.require_version(tx, template, body.version)
            found, asked = await previews.lacking(tx, version, body.segment_id)
        return models.WarningsView(
            version=version.version,
            members=found.members,
            looked_at=found.looked_at,
            lacking=[
                models.LackingView(variable=one.name, people=people)
                for one, people in zip(asked, found.lacking, strict=True)
                if people
            ],
        )


def brief(one: Template) -> models.TemplateBrief:
    """A template as it stands in a list."""
    return models.TemplateBrief(
        id=one.template_id,
        name=one.name,
        version=one.version,
        created_at=one.created_at,
        archived_at=one.archived_at,
    )


async def _view(tx: AsyncConnection, template: Template, version: Version) -> models.TemplateView:
    there = await snippets.named(tx, template.workspace, version.uses.keys())
    newer = [
        name
        for name, number in version.uses.items()
        if name in there and there[name].version > number
    ]
    return models.TemplateView(
        id=template.template_id,
        name=template.name,
        archived_at=template.archived_at,
        campaigns=[
            models.OnIt.model_validate(row, from_attributes=True)
            for row in await use.concerned(tx, template)
        ],
        newer_snippets=sorted(newer),
        **_version(version).model_dump(),
    )


def _version(one: Version) -> models.VersionView:
    source = one.source
    return models.VersionView(
        version=one.version,
        format=source.format,
        language=source.language,
        subject=source.texts.subject,
        preheader=source.texts.preheader,
        body=source.texts.body,
        text=source.texts.text,
        amp=source.texts.amp,
        languages={
            tag: models.TextsBody.model_validate(texts, from_attributes=True)
            for tag, texts in source.languages.items()
        },
        snippets=dict(one.uses),
        variables=[variable.name for variable in one.variables],
        created_at=one.created_at,
        created_by=one.created_by,
        reason=one.reason,
    )
