"""/v1/webhooks of a service: who is told by HTTP of what, and what is on its way to them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.auth import Operator, operator
from rapport_common.errors import NotFoundError
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_common.webhooks import bodies
from rapport_common.webhooks.bodies import Replayed, Rotation
from rapport_common.webhooks.handlers import Webhooks
from rapport_common.webhooks.records import PostState, Webhook

_PREFIX = "msg_"
_NONE = (0, 0)


def webhook_routes(
    engine: AsyncEngine, webhooks: Webhooks[Any], *, read: str, write: str
) -> list[APIRouter]:
    """Make, change, look and post again; `read` and `write` are the scopes that allow it."""
    reader, writer = Depends(operator(read)), Depends(operator(write))
    return [
        _making(engine, webhooks, writer),
        _changing(engine, webhooks, writer),
        _replaying(engine, webhooks, writer),
        _reading(engine, webhooks, reader),
        _looking(engine, webhooks, reader),
    ]


def _making(engine: AsyncEngine, webhooks: Webhooks[Any], writer: Any) -> APIRouter:
    router, forms = Router(tags=["webhooks"]), bodies.forms(webhooks.terms)

    @router.post("/v1/webhooks", status_code=201, response_model=forms.with_secret)
    @_takes(forms.new)
    async def create(body: Any, caller: Annotated[Operator, writer]) -> dict[str, Any]:
        """Make a webhook. Its secret is shown in this answer only."""
        wants = webhooks.terms.wants.model_validate(body.model_dump(exclude={"url"}))
        async with engine.begin() as tx:
            made = await webhooks.create(tx, caller, body.url, wants)
        return {**bodies.shown(made.webhook, _NONE), "secret": made.secret}

    return router


def _changing(engine: AsyncEngine, webhooks: Webhooks[Any], writer: Any) -> APIRouter:
    router, forms = Router(tags=["webhooks"]), bodies.forms(webhooks.terms)
    counts = webhooks.store.posts.counts

    @router.patch("/v1/webhooks/{webhook_id}", response_model=forms.shown)
    @_takes(forms.change)
    async def change(
        webhook_id: UUID, body: Any, caller: Annotated[Operator, writer]
    ) -> dict[str, Any]:
        """Change where it leads, what it is told of, or whether it is told at all."""
        changed = body.model_dump(exclude_unset=True)
        async with engine.begin() as tx:
            found = await webhooks.change(tx, caller.workspace, webhook_id, changed)
            counted = await counts(tx, caller.workspace, [webhook_id])
        return bodies.shown(found, counted.get(webhook_id, _NONE))

    @router.post("/v1/webhooks/{webhook_id}/rotate", response_model=forms.with_secret)
    async def rotate(
        webhook_id: UUID, body: Rotation, caller: Annotated[Operator, writer]
    ) -> dict[str, Any]:
        """Give it a new secret; for some hours posts are signed with both."""
        overlap = timedelta(hours=body.overlap_hours)
        async with engine.begin() as tx:
            found = await webhooks.rotate(tx, caller.workspace, webhook_id, overlap)
            counted = await counts(tx, caller.workspace, [webhook_id])
        shown = bodies.shown(found.webhook, counted.get(webhook_id, _NONE))
        return {**shown, "secret": found.secret}

    @router.delete("/v1/webhooks/{webhook_id}", status_code=204)
    async def archive(webhook_id: UUID, caller: Annotated[Operator, writer]) -> None:
        """Archive a webhook: what waits for it is dropped."""
        async with engine.begin() as tx:
            await webhooks.archive(tx, caller.workspace, webhook_id)

    return router


def _replaying(engine: AsyncEngine, webhooks: Webhooks[Any], writer: Any) -> APIRouter:
    router = Router(tags=["webhooks"])

    @router.post("/v1/webhooks/{webhook_id}/replay", response_model=Replayed)
    async def replay(webhook_id: UUID, caller: Annotated[Operator, writer]) -> dict[str, int]:
        """Try again what was given up, 10,000 posts at most, under the ids they had."""
        async with engine.begin() as tx:
            return {"replayed": await webhooks.replay(tx, caller.workspace, webhook_id)}

    @router.post(
        "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay", response_model=Replayed
    )
    async def redeliver(
        webhook_id: UUID, delivery_id: str, caller: Annotated[Operator, writer]
    ) -> dict[str, int]:
        """Post once more, under the same id, a post that is kept and does not wait."""
        post_id = _post_id(delivery_id)
        async with engine.begin() as tx:
            found = await webhooks.replay(tx, caller.workspace, webhook_id, post_id)
        return {"replayed": found}

    return router


def _reading(engine: AsyncEngine, webhooks: Webhooks[Any], reader: Any) -> APIRouter:
    router, forms = Router(tags=["webhooks"]), bodies.forms(webhooks.terms)
    store = webhooks.store

    @router.get("/v1/webhooks", response_model=_listed(forms.shown))
    async def listing(caller: Annotated[Operator, reader], page: Paging) -> dict[str, Any]:
        """List webhooks."""
        [after] = page.after(UUID) or [None]
        async with engine.begin() as tx:
            found = await store.listed(tx, caller.workspace, after=after, limit=page.ask)
            ids = [one.webhook_id for one in found]
            counts = await store.posts.counts(tx, caller.workspace, ids)

        def show(one: Webhook) -> dict[str, Any]:
            return bodies.shown(one, counts.get(one.webhook_id, _NONE))

        return page.answer(found, key=lambda one: [one.webhook_id], show=show)

    @router.get("/v1/webhooks/{webhook_id}", response_model=forms.shown)
    async def show(webhook_id: UUID, caller: Annotated[Operator, reader]) -> dict[str, Any]:
        """Show one webhook."""
        async with engine.begin() as tx:
            found = await webhooks.require(tx, caller.workspace, webhook_id)
            counts = await store.posts.counts(tx, caller.workspace, [webhook_id])
        return bodies.shown(found, counts.get(webhook_id, _NONE))

    return router


def _looking(engine: AsyncEngine, webhooks: Webhooks[Any], reader: Any) -> APIRouter:
    router, terms = Router(tags=["webhooks"]), webhooks.terms

    @router.get(
        "/v1/webhooks/{webhook_id}/deliveries",
        response_model=_listed(bodies.forms(terms).delivery),
    )
    async def deliveries(
        webhook_id: UUID,
        caller: Annotated[Operator, reader],
        page: Paging,
        *,
        state: Annotated[PostState | None, Query()] = terms.listed,
    ) -> dict[str, Any]:
        """List posts that are kept, the newest first: how often each was tried, what came of it."""
        after = page.after(datetime, UUID)
        async with engine.begin() as tx:
            await webhooks.require(tx, caller.workspace, webhook_id)
            found = await webhooks.store.posts.listed(
                tx,
                caller.workspace,
                webhook_id,
                state=state,
                after=None if after is None else (after[0], after[1]),
                limit=page.ask,
            )
        return page.answer(
            found,
            key=lambda one: [one.created_at, one.post_id],
            show=lambda one: bodies.delivery(one, terms.subject),
        )

    return router


def _takes(form: type[BaseModel]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the form of a route's body, which is known at run time: FastAPI reads it there."""

    def declared(route: Callable[..., Any]) -> Callable[..., Any]:
        route.__annotations__["body"] = form
        return route

    return declared


def _listed(form: type[BaseModel]) -> Any:
    # Subscripted at run time: the form is the service's.
    return Listed.__class_getitem__(form)


def _post_id(delivery_id: str) -> UUID:
    """The id behind a `webhook-id`; NotFoundError for what can be none."""
    try:
        return UUID(hex=delivery_id.removeprefix(_PREFIX))
    except ValueError:
        message = f"There is no post {delivery_id!r}. GET /v1/webhooks/…/deliveries lists them."
        raise NotFoundError(message) from None
