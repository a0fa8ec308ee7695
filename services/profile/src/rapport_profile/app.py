"""The composition root of profile."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from rapport_common.composition import Parts, open_parts
from rapport_common.retention import Policy
from rapport_profile import api, handlers
from rapport_profile.consumer import SUBSCRIPTIONS
from rapport_profile.settings import Settings
from rapport_profile.store import inbox

SERVICE = "profile"
ROOT = Path(__file__).resolve().parents[2]


async def run(only: str | None) -> None:
    """Run the API, the consumer and the relay until a signal."""
    settings = Settings()
    parts = await open_parts(SERVICE, settings, ROOT)
    await parts.run(assemble(parts, settings), only=only)


def assemble(parts: Parts, settings: Settings) -> FastAPI:
    """Add the workers, and put the API together."""
    consumer = parts.consume(SUBSCRIPTIONS)
    parts.relay()
    parts.retain(policies(settings))
    parts.watch_ledger(partial(handlers.equations, consumer.store))
    parts.routers.append(api.routes(parts.api_engine, consumer.store))
    return parts.api()


def policies(settings: Settings) -> list[Policy]:
    """What is deleted after how long."""
    chosen = []
    if settings.inbox_retention_days:
        age = timedelta(days=settings.inbox_retention_days)
        chosen.append(Policy("inbox", "received_at", age))
    if settings.timeline_retention_days:
        age = timedelta(days=settings.timeline_retention_days)
        chosen.append(Policy("timeline", "timestamp", age, inbox.expire))
    return chosen
