"""Routes for operators: topics of texts in versions, their spikes and scores, learned models."""

from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common import clock, ids
from rapport_common.idempotency import Repeatable
from rapport_common.paging import Listed, Paging
from rapport_common.routes import Router
from rapport_feedback.api.callers import Reader, Writer
from rapport_feedback.api.models import id_of
from rapport_feedback.api.rule_models import rule_name
from rapport_feedback.api.text_models import (
    DeclaredTopic,
    JobAsked,
    ModelChange,
    ModelView,
    NewModel,
    NewTopic,
    ShownTopic,
    SpikeView,
    TopicScoreView,
)
from rapport_feedback.handlers import texts
from rapport_feedback.handlers.text_work import ask_learning
from rapport_feedback.handlers.texts import By
from rapport_feedback.store import text_models
from rapport_feedback.store import text_topics as store
from rapport_feedback.tables import SCHEMA

TAKEN_AWAY = "taken away"
Days = Annotated[int, Query(ge=1, le=3650)]


def topic_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/text-topics: listed, declared, taken away."""
    router = Router(prefix="/v1/text-topics", tags=["text topics"])

    @router.get("", response_model=Listed[ShownTopic])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """By name."""
        [after] = page.after(str) or [""]
        async with engine.begin() as tx:
            found = await store.newest(tx, caller.workspace, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [one.name], show=ShownTopic.of)

    @router.get("/{name}")
    async def one(name: str, caller: Reader) -> ShownTopic:
        async with engine.begin() as tx:
            found = await texts.topic(tx, caller.workspace, rule_name(name))
        return ShownTopic.of(found)

    @router.put("/{name}")
    async def declare(name: str, body: NewTopic, caller: Writer) -> DeclaredTopic:
        """Let this hold from now on; all texts are read again, by a job."""
        by = By(caller.subject, body.reason, body.version)
        async with engine.begin() as tx:
            found, job = await texts.declare(
                tx, caller.workspace, rule_name(name), body.document(), by
            )
        return DeclaredTopic(name=name, version=found.version, job_id=UUID(job))

    @router.delete("/{name}", status_code=204)
    async def remove(name: str, caller: Writer) -> None:
        """Take it away: texts lose it by a job. Its versions stay."""
        by = By(caller.subject, TAKEN_AWAY, 0)
        async with engine.begin() as tx:
            await texts.remove(tx, caller.workspace, rule_name(name), by)

    return router


def topic_use_routes(engine: AsyncEngine) -> APIRouter:
    """Versions of topics, and what is said of them."""
    router = Router(prefix="/v1/text-topics", tags=["text topics"])

    @router.get("/{name}/history", response_model=Listed[ShownTopic])
    async def history(name: str, caller: Reader, page: Paging) -> dict[str, Any]:
        """All versions, the newest first."""
        [before] = page.after(int) or [None]
        async with engine.begin() as tx:
            found = await store.history(
                tx, caller.workspace, rule_name(name), before=before, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one.version], show=ShownTopic.of)

    @router.get("/{name}/spikes", response_model=Listed[SpikeView])
    async def spikes(name: str, caller: Reader, page: Paging) -> dict[str, Any]:
        """Days on which there was more of it than by chance, the newest first."""
        [before] = page.after(date) or [None]
        async with engine.begin() as tx:
            found = await store.spikes_of(
                tx, caller.workspace, rule_name(name), before=before, limit=page.ask
            )
        return page.answer(found, key=lambda one: [one.day.isoformat()], show=SpikeView.of)

    @router.get("/{name}/score")
    async def score(name: str, caller: Reader, *, days: Days = 90) -> TopicScoreView:
        """How people score who speak of it, of the last days."""
        until = clock.now()
        since = until - timedelta(days=days)
        async with engine.begin() as tx:
            found = await texts.score(tx, caller.workspace, rule_name(name), since, until)
        return TopicScoreView.of(name, days, found)

    return router


def model_routes(engine: AsyncEngine) -> APIRouter:
    """/v1/text-models: what was learned from corrections."""
    router = Router(prefix="/v1/text-models", tags=["text topics"])

    @router.get("", response_model=Listed[ModelView])
    async def listed(caller: Reader, page: Paging) -> dict[str, Any]:
        """The newest first."""
        [after] = page.after(UUID) or [None]
        async with engine.begin() as tx:
            found = await text_models.listed(tx, caller.workspace, after=after, limit=page.ask)
        return page.answer(found, key=lambda one: [str(one.model_id)], show=ModelView.of)

    @router.post("", status_code=202)
    async def learn(body: NewModel, caller: Writer, once: Repeatable) -> JobAsked:
        """Learn a language's topics, by a job: it holds if it is better than the rules."""
        new = ids.uuid7()
        async with engine.begin() as tx:
            made = await once.earlier(
                tx, SCHEMA, caller.workspace, body=body.model_dump(), made_id=str(new)
            )
            if made is None:
                await ask_learning(tx, caller.workspace, UUID(str(new)), body.language)
        return JobAsked(job_id=UUID(made or str(new)))

    @router.patch("/{model_id}")
    async def change(model_id: str, body: ModelChange, caller: Writer) -> ModelView:
        """Let a model hold whatever its measure says, or the rules again."""
        async with engine.begin() as tx:
            found = await texts.hold(
                tx,
                caller.workspace,
                id_of(model_id, "model"),
                active=body.active,
                actor=caller.subject,
            )
        return ModelView.of(found)

    return router
