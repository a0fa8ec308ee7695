"""The composition root of feedback."""

from datetime import timedelta
from pathlib import Path

from fastapi import APIRouter, FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from rapport_common.brands import brand_routes
from rapport_common.composition import Parts, open_parts
from rapport_common.idempotency import KEPT
from rapport_common.kafka.store import ConsumerStore
from rapport_common.settings import key_bytes
from rapport_feedback.api.cases import case_routes, one_case_routes
from rapport_feedback.api.ledger import ledger_routes
from rapport_feedback.api.public import survey_pages
from rapport_feedback.api.surveys import invitation_routes, survey_change_routes, survey_routes
from rapport_feedback.consumer import SUBSCRIPTIONS
from rapport_feedback.handlers.cases import Cases
from rapport_feedback.handlers.deadlines import Deadlines
from rapport_feedback.handlers.publish import Publisher
from rapport_feedback.handlers.surveys import Surveys
from rapport_feedback.settings import Settings
from rapport_feedback.tables import SCHEMA

ROOT = Path(__file__).resolve().parents[2]


async def run(only: str | None) -> None:
    """Serve the API, the worker or both, until a signal."""
    settings = Settings()
    parts = await open_parts("feedback", settings, ROOT)
    await parts.run(assemble(parts, settings), only=only)


def assemble(parts: Parts, settings: Settings) -> FastAPI:
    """Add the workers, and put the API together."""
    consumer = parts.consume(SUBSCRIPTIONS)
    parts.relay()
    parts.due(Deadlines(Publisher(key_bytes(settings.event_key))).kinds)
    parts.retain([KEPT])
    parts.routers += routes(parts.api_engine, consumer.store, settings)
    return parts.api()


def routes(engine: AsyncEngine, consumer: ConsumerStore, settings: Settings) -> list[APIRouter]:
    """All routes of this service, over the use cases with the settings put in."""
    publisher = Publisher(key_bytes(settings.event_key))
    surveys = Surveys(
        publisher,
        link_key=key_bytes(settings.link_key),
        lifetime=timedelta(days=settings.invitation_days),
        grace=timedelta(minutes=settings.answer_grace_minutes),
    )
    cases = Cases(publisher, settings.service_levels(), per_link=settings.complaints_per_link)
    return [
        survey_routes(engine, surveys),
        survey_change_routes(engine, surveys),
        invitation_routes(engine, surveys, settings.link_base()),
        case_routes(engine, cases),
        one_case_routes(engine, cases),
        ledger_routes(engine, consumer),
        brand_routes(engine, SCHEMA, "feedback"),
        survey_pages(engine, surveys, cases),
    ]
