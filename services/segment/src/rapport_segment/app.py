"""The composition root: settings, connections, handlers, workers and routes."""

from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI

from rapport_common.composition import Parts, open_parts
from rapport_common.jobs.routes import job_routes
from rapport_common.jobs.worker import Jobs
from rapport_common.retention import Retention
from rapport_segment.api.callers import READ, WRITE
from rapport_segment.api.ledger import ledger_routes
from rapport_segment.api.members import member_routes
from rapport_segment.api.segments import change_routes, segment_routes
from rapport_segment.consumer import subscriptions
from rapport_segment.handlers.activity import ActivityHandler
from rapport_segment.handlers.building import Building
from rapport_segment.handlers.segments import SegmentHandler
from rapport_segment.handlers.telling import Telling
from rapport_segment.settings import Settings
from rapport_segment.store.jobs import BUILD, JOBS

ROOT = Path(__file__).resolve().parents[2]


async def run(only: str | None = None) -> None:
    """Run the service until a signal; `only` is "api", "worker" or None for both."""
    settings = Settings()
    parts = await open_parts("segment", settings, ROOT)
    await parts.run(assemble(parts, settings), only=only)


def assemble(parts: Parts, settings: Settings) -> FastAPI:
    """Add the workers, and put the API together."""
    consumer = parts.consume(subscriptions(ActivityHandler()))
    parts.relay()
    parts.workers.append(Jobs(parts.engine, JOBS, {BUILD: Building(parts.engine).work}))
    parts.due(Telling().kinds)
    parts.retain([Retention("job", "finished_at", timedelta(days=settings.job_retention_days))])
    handler = SegmentHandler()
    parts.routers += [
        segment_routes(parts.api_engine, handler),
        change_routes(parts.api_engine, handler),
        member_routes(parts.api_engine, handler),
        job_routes(parts.api_engine, JOBS, read=READ, write=WRITE),
        ledger_routes(parts.api_engine, consumer.store),
    ]
    return parts.api()
