"""The composition root of campaign."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

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
from rapport_common.jobs.routes import job_routes
from rapport_common.jobs.worker import Jobs
from rapport_common.retention import Policy
from rapport_common.settings import key_bytes

ROOT = Path(__file__).resolve().parents[2]


async def run(only: str | None) -> None:
    """Serve the API, read the topics, relay the outbox and send."""
    settings = Settings()
    parts = await open_parts("campaign", settings, ROOT)
    publisher = Publisher(key_bytes(settings.event_key))
    consumer = parts.consume(SUBSCRIPTIONS)
    parts.relay()
    # Longer than any topic keeps records: an end can't outlive its beginning in the log.
    parts.retain(
        [
            Policy("entry", "ended_at", timedelta(days=7)),
            Policy("job", "finished_at", timedelta(days=settings.job_retention_days)),
        ]
    )
    parts.workers.append(Jobs(parts.engine, JOBS, Works(parts.engine).kinds))
    parts.watch_ledger(equations)
    renderers = [
        Renderer(office(settings), settings.render_seconds) for _ in range(settings.sender_lanes)
    ]
    parts.workers.append(sender(parts, publisher, renderers, settings))
    tracker = Tracker(publisher)
    reader = Renderer(office(settings), settings.render_seconds)
    url = settings.database_url.get_secret_value()
    arrivals = Arrivals(parts.api_engine, url, settings.segment_wait_seconds)
    parts.routers.extend(routers(parts.api_engine, consumer.store, tracker, reader, arrivals))
    parts.routers.append(
        job_routes(parts.api_engine, JOBS, read="campaigns:read", write="campaigns:write")
    )
    try:
        await parts.run(parts.api(), only=only)
    finally:
        for one in (reader, *renderers):
            await one.close()


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
