"""The composition root of segment."""

from functools import partial
from pathlib import Path

from fastapi import FastAPI

from rapport_common.composition import ServiceProcess, open_process
from rapport_common.door import Bounds
from rapport_common.settings import key_bytes
from rapport_segment.api import routers
from rapport_segment.api.callers import READ, WRITE
from rapport_segment.api.lists import UPLOADS
from rapport_segment.api.models import SegmentLedger
from rapport_segment.consumer import SUBSCRIPTIONS
from rapport_segment.handlers.audiences import AT_ONCE as FETCHES_AT_ONCE
from rapport_segment.handlers.audiences import Making, Scheduled
from rapport_segment.handlers.building import Building
from rapport_segment.handlers.exporting import AT_ONCE as EXPORTS_AT_ONCE
from rapport_segment.handlers.ledger import counts
from rapport_segment.handlers.passing import Passing
from rapport_segment.handlers.privacy import eraser
from rapport_segment.handlers.retelling import Retelling
from rapport_segment.handlers.rfm import Scoring
from rapport_segment.handlers.uploading import Uploading
from rapport_segment.posting import Poster
from rapport_segment.retention import CLASSES, retentions
from rapport_segment.sender import Sender
from rapport_segment.settings import Settings
from rapport_segment.store.jobs import AUDIENCE_FILE, BUILD, CLEAR, JOBS, SCORE, UPLOAD

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
    uploading = Uploading(process.engine, key)
    scoring = Scoring(process.engine)
    works = {
        UPLOAD: uploading.work,
        CLEAR: uploading.clear,
        BUILD: Building(process.engine).work,
        SCORE: scoring.work,
        AUDIENCE_FILE: Making(process.engine).work,
    }
    process.jobs(JOBS, works, read=READ, write=WRITE)
    process.due({**Retelling().kinds, **Passing().kinds, **Scheduled().kinds, **scoring.kinds})
    process.retain(retentions(settings), CLASSES)
    process.ledger(SegmentLedger, partial(counts, consumer.store))
    own = settings.own_networks()
    sender = Sender(process.pool("sender", 3), Poster(own))
    process.watch(sender, lambda: sender.last_sign)
    exports = process.pool("export", EXPORTS_AT_ONCE + FETCHES_AT_ONCE)
    process.bounds = Bounds(seconds=settings.request_seconds, streams=(UPLOADS,))
    process.routers += routers(process.api_engine, exports, key, own)
    return process.api()
