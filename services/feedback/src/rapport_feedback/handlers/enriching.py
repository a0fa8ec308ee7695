"""Texts are read as they come: taken, read in another process, and kept, each step by itself.

No transaction is open while a text is read. Who dies with texts in hand holds them for two minutes;
a text that was edited meanwhile is read again, one whose words have gone is dropped.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_feedback import metrics
from rapport_feedback.domain.texts.enriching import VERSION, Enrichment
from rapport_feedback.domain.texts.topic_rules import TopicDocument
from rapport_feedback.handlers import spiking
from rapport_feedback.store import text_models, text_topics
from rapport_feedback.store import texts as store
from rapport_feedback.store.texts import Waiting
from rapport_feedback.understanding.reader import Reader
from rapport_feedback.understanding.wire import Batch, Read

log = logging.get(__name__)

BATCH = 20
IDLE_SECONDS = 1.0
COUNT_SECONDS = 15.0
MOST_TOPICS = 200
"""Of a workspace: all are looked for in each text."""


class Enricher:
    """Reads texts of all workspaces; any number of processes do, each other texts."""

    name = "texts"

    def __init__(self, engine: AsyncEngine, reader: Reader, *, batch: int = BATCH) -> None:
        self._engine = engine
        self._reader = reader
        self._batch = batch
        self._sign = time.monotonic()
        self._next_count = 0.0

    @property
    def last_sign(self) -> float:
        """When it was last seen to move: a batch of hard texts moves text by text."""
        return max(self._sign, self._reader.last_sign)

    async def run(self, stop: asyncio.Event) -> None:
        """Read texts until `stop`; those in hand are read to the end."""
        try:
            while not stop.is_set():
                worked = False
                try:
                    worked = await self.turn()
                    await self._count()
                except Exception as error:
                    if not is_retriable(error):
                        raise
                    log.warning("texts can't be read, trying again", error=error)
                self._sign = time.monotonic()
                if not worked:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(IDLE_SECONDS):
                            await stop.wait()
        finally:
            await self._reader.close()

    async def turn(self) -> bool:
        """Read some texts; whether there were any."""
        async with self._engine.begin() as tx:
            taken = await store.take(tx, self._batch)
        for workspace, some in groupby(taken, key=lambda one: one.workspace):
            await self._read(workspace, list(some))
        return bool(taken)

    async def _read(self, workspace: str, taken: Sequence[Waiting]) -> None:
        there = [one for one in taken if one.words]
        async with self._engine.begin() as tx:
            topics, versions = await taught_topics(tx, workspace)
            models = await text_models.active(tx, workspace)
        batch = Batch(
            [one.words for one in there],
            topics,
            {language: model for language, (_version, model) in models.items()},
        )
        answers = await self._reader.read(batch) if there else []
        read: list[tuple[Waiting, Enrichment]] = []
        failed: list[tuple[Waiting, str]] = []
        for one, answer in zip(there, answers, strict=True):
            if isinstance(answer, Read):
                read.append((one, answer.enrichment))
            else:
                failed.append((one, answer.reason))
        by = "; ".join([VERSION, *versions, *(f"{one} {models[one][0]}" for one in sorted(models))])
        async with self._engine.begin() as tx:
            await store.settle(tx, read, by[:500])
            await store.settle_failed(tx, failed)
            await store.forget(tx, [one for one in taken if not one.words])
            await spiking.ask(tx, workspace, [one.at for one, _ in read], clock.now())
        metrics.TEXTS.labels("read").inc(len(read))
        metrics.TEXTS.labels("failed").inc(len(failed))
        for one, why in failed:
            log.warning("a text can't be read", workspace=workspace, text=one.text_id, reason=why)

    async def _count(self) -> None:
        if time.monotonic() < self._next_count:
            return
        self._next_count = time.monotonic() + COUNT_SECONDS
        async with self._engine.begin() as tx:
            number, seconds = await store.backlog(tx)
        metrics.TEXTS_WAITING.set(number)
        metrics.TEXTS_OLDEST.set(seconds)


async def taught_topics(
    tx: AsyncConnection, workspace: str
) -> tuple[dict[str, TopicDocument], list[str]]:
    """The topics that hold, and which versions these are."""
    found = await text_topics.newest(tx, workspace, limit=MOST_TOPICS)
    topics = {one.name: one.document for one in found if one.document is not None}
    return topics, [f"{one.name} {one.version}" for one in found]
