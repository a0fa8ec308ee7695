"""The composition root of campaign."""

from pathlib import Path

from fastapi import FastAPI

from rapport_campaign.background import background
from rapport_campaign.consumer import subscriptions
from rapport_campaign.handlers.carrying import Carriers
from rapport_campaign.handlers.ledger import equations
from rapport_campaign.handlers.opt_ins import OptIns
from rapport_campaign.handlers.privacy import eraser
from rapport_campaign.handlers.work import PUT_AWAY, works
from rapport_campaign.nursery import Nursery
from rapport_campaign.renderer import Renderer
from rapport_campaign.retention import CLASSES, retentions
from rapport_campaign.settings import Settings
from rapport_campaign.store.jobs import JOBS
from rapport_campaign.tables import SCHEMA
from rapport_common.composition import ServiceProcess, open_process
from rapport_common.events.topics import EVENTS
from rapport_common.publisher import Publisher
from rapport_common.settings import key_bytes

ROOT = Path(__file__).resolve().parents[2]


async def run(nursery: Nursery | None = None) -> None:
    """Do what the role of this process is, until a signal; renderers come from the `nursery`."""
    settings = Settings()
    process = await open_process("campaign", settings, ROOT)
    office, count = settings.office(), 2 + settings.sender_lanes
    renderers = [Renderer(office, settings.render_seconds, nursery=nursery) for _ in range(count)]
    try:
        await process.run(assemble(process, settings, renderers))
    finally:
        for renderer in renderers:
            await renderer.close()


def assemble(process: ServiceProcess, settings: Settings, renderers: list[Renderer]) -> FastAPI:
    """Add the workers, and put the API together. Its renderer, that of dry runs, senders' ones."""
    reader, looker, *lanes = renderers
    publisher = Publisher(SCHEMA, EVENTS, key := key_bytes(settings.event_key))
    opt_ins = OptIns(publisher, key, reader.office)
    topics = subscriptions(opt_ins, settings.opt_ins_per_hour, settings.restored_at)
    consumer = process.consume(topics, eraser(key))
    process.relay()
    kinds = works(process.engine, looker, settings)
    process.jobs(JOBS, kinds, read="campaigns:read", write="campaigns:write", put_away=PUT_AWAY)
    carriers = Carriers.of(settings)
    background(process, publisher, lanes, carriers, settings)
    process.retain(retentions(settings), CLASSES)
    process.balance(equations)
    if settings.serves:
        # Routes, their models and pages are a tenth of a worker's memory, which needs none.
        from rapport_campaign import api  # noqa: PLC0415

        api.serve(process, publisher, reader, carriers, settings, consumer=consumer.store)
    return process.api()
