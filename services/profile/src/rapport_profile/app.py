"""The composition root of profile."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from rapport_common.composition import Parts, open_parts
from rapport_common.idempotency import KEPT
from rapport_common.jobs.routes import job_routes
from rapport_common.jobs.worker import Jobs
from rapport_common.retention import Policy
from rapport_common.settings import key_bytes
from rapport_profile import api
from rapport_profile.consumer import subscriptions
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.events import equations
from rapport_profile.handlers.republishing import Republishing
from rapport_profile.settings import Settings
from rapport_profile.store import inbox
from rapport_profile.store.jobs import JOBS, REPUBLISH

SERVICE = "profile"
ROOT = Path(__file__).resolve().parents[2]


async def run(only: str | None) -> None:
    """Run the API, the consumer and the relay until a signal."""
    settings = Settings()
    parts = await open_parts(SERVICE, settings, ROOT)
    await parts.run(assemble(parts, settings), only=only)


def assemble(parts: Parts, settings: Settings) -> FastAPI:
    """Add the workers, and put the API together."""
    ids = Ids(key_bytes(settings.event_key))
    consumer = parts.consume(subscriptions(ids))
    parts.relay()
    parts.retain(policies(settings))
    parts.watch_ledger(partial(equations, consumer.store))
    works = {REPUBLISH: Republishing(parts.engine, settings.republish_rate).work}
    parts.workers.append(Jobs(parts.engine, JOBS, works))
    parts.routers += [
        api.routes(parts.api_engine, consumer.store, ids),
        job_routes(parts.api_engine, JOBS, read="ops", write="ops"),
    ]
    return parts.api()


def policies(settings: Settings) -> list[Policy]:
    """What is deleted after how long."""
    chosen = [Policy("job", "finished_at", timedelta(days=settings.job_retention_days)), KEPT]
    if settings.inbox_retention_days:
        age = timedelta(days=settings.inbox_retention_days)
        chosen.append(Policy("inbox", "received_at", age))
    if settings.timeline_retention_days:
        age = timedelta(days=settings.timeline_retention_days)
        chosen.append(Policy("timeline", "timestamp", age, inbox.expire))
    return chosen
