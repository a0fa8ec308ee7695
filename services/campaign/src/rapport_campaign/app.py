"""The composition root of campaign."""

from functools import partial
from pathlib import Path

from fastapi import FastAPI

from rapport_campaign.api import listeners, routers
from rapport_campaign.api.models import CampaignLedger
from rapport_campaign.api.suppressions import UPLOADS
from rapport_campaign.background import announce, background
from rapport_campaign.consumer import subscriptions
from rapport_campaign.handlers.carrying import Carriers
from rapport_campaign.handlers.ledger import counts, equations
from rapport_campaign.handlers.privacy import eraser
from rapport_campaign.handlers.work import PUT_AWAY, Works
from rapport_campaign.renderer import Renderer
from rapport_campaign.retention import CLASSES, retentions
from rapport_campaign.settings import Settings
from rapport_campaign.store.jobs import JOBS
from rapport_campaign.tables import SCHEMA
from rapport_common.composition import ServiceProcess, open_process
from rapport_common.door import Bounds
from rapport_common.events.topics import EVENTS
from rapport_common.publisher import Publisher
from rapport_common.settings import key_bytes

ROOT = Path(__file__).resolve().parents[2]


async def run() -> None:
    """Do what the role of this process is, until a signal."""
    settings = Settings()
    process = await open_process("campaign", settings, ROOT)
    office, count = settings.office(), 1 + settings.sender_lanes
    renderers = [Renderer(office, settings.render_seconds) for _ in range(count)]
    try:
        await process.run(assemble(process, settings, renderers))
    finally:
        for renderer in renderers:
            await renderer.close()


def assemble(process: ServiceProcess, settings: Settings, renderers: list[Renderer]) -> FastAPI:
    """Add the workers, and put the API together; it has the first renderer, senders the others."""
    reader, *lanes = renderers
    publisher = Publisher(SCHEMA, EVENTS, key := key_bytes(settings.event_key))
    listening = listeners(publisher, key, reader.office, settings.scanner_seconds)
    topics = subscriptions(listening[2], settings.opt_ins_per_hour, settings.restored_at)
    consumer = process.consume(topics, eraser(key))
    process.relay()
    works = Works(process.engine, restored_at=settings.restored_at).kinds
    read, write = "campaigns:read", "campaigns:write"
    process.jobs(JOBS, works, read=read, write=write, put_away=PUT_AWAY)
    process.bounds = Bounds(streams=(UPLOADS,))
    carriers = Carriers.of(settings)
    process.workers += background(process.engine, publisher, lanes, carriers, settings)
    announce(process, settings)
    process.retain(retentions(settings), CLASSES)
    process.ledger(CampaignLedger, partial(counts, consumer.store), equations)
    process.routers += routers(process.api_engine, listening, reader, carriers, settings)
    return process.api()
