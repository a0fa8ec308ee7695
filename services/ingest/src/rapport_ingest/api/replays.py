"""Replays from the log: its records, published again."""

from typing import Annotated

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.idempotency import Repeatable
from rapport_common.ids import uuid7
from rapport_common.jobs.store import NewJob
from rapport_common.routes import Router
from rapport_ingest.api.fields import Moment, Rate, Word, Writer
from rapport_ingest.api.models import StartedJob
from rapport_ingest.domain.selection import LogSelection, TopicReplay
from rapport_ingest.handlers.jobs import started


class ChosenRecords(BaseModel):
    """Records for which all that is given holds; `since` and `until` go by the log's time."""

    model_config = ConfigDict(extra="forbid")

    source: Word | None = None
    since: Moment | None = None
    until: Moment | None = None
    message_ids: Annotated[frozenset[Word], Field(min_length=1, max_length=10_000)] | None = None
    user_id: Word | None = None
    event: Word | None = None


class NewTopicReplay(BaseModel):
    """What to publish again, and at most how fast (events per second)."""

    model_config = ConfigDict(extra="forbid")

    selection: ChosenRecords = ChosenRecords()
    rate: Rate | None = None

    def asked(self, *, dry_run: bool) -> TopicReplay:
        """The job's specification."""
        chosen = LogSelection(**self.selection.model_dump())
        return TopicReplay(selection=chosen, rate=self.rate, dry_run=dry_run)


def replay_routes(engine: AsyncEngine) -> APIRouter:
    """Start a replay."""
    router = Router(tags=["replays"])

    @router.post("/v1/replays/topic", status_code=202)
    async def replay_topic(
        body: NewTopicReplay, caller: Writer, once: Repeatable, *, dry_run: bool = False
    ) -> StartedJob:
        """Publish the chosen records of the log again, as a job; a dry run counts them."""
        asked = body.asked(dry_run=dry_run)
        spec = msgspec.to_builtins(asked)
        new = NewJob(str(uuid7()), "replay_topic", spec, subject=asked.selection.source)
        async with engine.begin() as tx:
            return StartedJob(**await started(tx, once, caller.workspace, new))

    return router
