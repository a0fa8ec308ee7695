"""The composition root of campaign."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI

from rapport_campaign.api import routers
from rapport_campaign.consumer import SUBSCRIPTIONS
from rapport_campaign.handlers.dispatch import Dispatcher, Limits
from rapport_campaign.handlers.ledger import equations
from rapport_campaign.handlers.publish import Publisher
from rapport_campaign.handlers.segments import Arrivals
from rapport_campaign.handlers.track import Tracker
from rapport_campaign.handlers.work import Works
from rapport_campaign.render.compose import Office
from rapport_campaign.renderer import Renderer
from rapport_campaign.sender import Sender
from rapport_campaign.settings import Settings
from rapport_campaign.store.jobs import JOBS
from rapport_common.composition import Parts, open_parts
from rapport_common.idempotency import KEPT
from rapport_common.jobs.routes import job_routes
from rapport_common.jobs.worker import Jobs
from rapport_common.retention import Retention
from rapport_common.settings import key_bytes

ROOT = Path(__file__).resolve().parents[2]


async def run(only: str | None) -> None:
    """Serve the API, read the topics, relay the outbox and send."""
    settings = Settings()
    parts = await open_parts("campaign", settings, ROOT)
    renderers = [
        Renderer(office(settings), settings.render_seconds)
        for _ in range(1 + settings.sender_lanes)
    ]
    try:
        await parts.run(assemble(parts, settings, renderers), only=only)
    finally:
        for one in renderers:
            await one.close()


def assemble(parts: Parts, settings: Settings, renderers: Sequence[Renderer]) -> FastAPI:
    """Add the workers, and put the API together; it has the first renderer, senders the others."""
    reader, *lanes = renderers
    publisher = Publisher(key_bytes(settings.event_key))
    consumer = parts.consume(SUBSCRIPTIONS)
    parts.relay()
    # Longer than any topic keeps records: an end can't outlive its beginning in the log.
    parts.retain(
        [
            Retention("entry", "ended_at", timedelta(days=7)),
            Retention("job", "finished_at", timedelta(days=settings.job_retention_days)),
            KEPT,
        ]
    )
    parts.workers.append(Jobs(parts.engine, JOBS, Works(parts.engine).kinds))
    parts.watch_ledger(equations)
    parts.workers.append(sender(parts, publisher, lanes, settings))
    url = settings.database_url.get_secret_value()
    arrivals = Arrivals(parts.api_engine, url, settings.segment_wait_seconds)
    tracker = Tracker(publisher)
    parts.routers.extend(routers(parts.api_engine, consumer.store, tracker, reader, arrivals))
    parts.routers.append(
        job_routes(parts.api_engine, JOBS, read="campaigns:read", write="campaigns:write")
    )
    return parts.api()


def office(settings: Settings) -> Office:
    """What all mails share."""
    return Office(
        link_key=key_bytes(settings.link_key),
        base_url=settings.link_base(),
        service_from=settings.service_from,
    )


def sender(
    parts: Parts, publisher: Publisher, renderers: Sequence[Renderer], settings: Settings
) -> Sender:
    """The sending worker as the settings describe it."""
    limits = Limits(
        lease=settings.lease_seconds,
        max_attempts=settings.max_attempts,
        first_delay=settings.retry_seconds,
    )
    return Sender(parts.engine, Dispatcher(publisher, limits), renderers, settings)
