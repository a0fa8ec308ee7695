"""The composition root of segment."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from rapport_common.composition import ServiceProcess, open_process
from rapport_common.door import Bounds
from rapport_common.outside.posting import Poster
from rapport_common.outside.sealing import Sealer
from rapport_common.settings import key_bytes
from rapport_common.webhooks.handlers import Means
from rapport_segment.api import routers
from rapport_segment.api.callers import READ, WRITE
from rapport_segment.api.lists import UPLOADS
from rapport_segment.api.models import SegmentLedger
from rapport_segment.consumer import SUBSCRIPTIONS
from rapport_segment.domain.secret_keys import place_of
from rapport_segment.handlers.audiences import AT_ONCE as FETCHES_AT_ONCE
from rapport_segment.handlers.exporting import AT_ONCE as EXPORTS_AT_ONCE
from rapport_segment.handlers.jobs import due_kinds, put_away, works
from rapport_segment.handlers.ledger import counts
from rapport_segment.handlers.privacy import eraser
from rapport_segment.retention import CLASSES, retentions
from rapport_segment.sender import Sender
from rapport_segment.settings import Settings
from rapport_segment.store.jobs import JOBS

ROOT = Path(__file__).resolve().parents[2]


async def run() -> None:
    """Do what the role of this process is, until a signal."""
    settings = Settings()
    process = await open_process("segment", settings, ROOT)
    await process.run(assemble(process, settings))


def assemble(process: ServiceProcess, settings: Settings) -> FastAPI:
    """Add the workers, and put the API together."""
    key = key_bytes(settings.event_key)
    consumer = process.consume(SUBSCRIPTIONS, eraser(key))
    process.relay()
    process.jobs(JOBS, works(process.engine, key), read=READ, write=WRITE, put_away=put_away())
    process.due(due_kinds(process.engine))
    process.retain(retentions(settings), CLASSES)
    process.ledger(SegmentLedger, partial(counts, consumer.store))
    means = Means(Sealer(settings.secret_keys(), place_of), settings.own_networks())
    sender = Sender(process.pool("sender", 3), Poster(means.own), means.sealer)
    process.watch(sender, lambda: sender.last_sign)
    exports = process.pool("export", EXPORTS_AT_ONCE + FETCHES_AT_ONCE)
    process.bounds = Bounds(seconds=settings.request_seconds, streams=(UPLOADS,))
    kept = timedelta(days=settings.event_retention_days)
    process.routers += routers(process.api_engine, exports, key, means, kept)
    return process.api()
