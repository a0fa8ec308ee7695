"""The composition root of feedback."""

from functools import partial
from pathlib import Path

from fastapi import FastAPI

from rapport_common.composition import ServiceProcess, open_process
from rapport_common.events.topics import EVENTS
from rapport_common.settings import key_bytes
from rapport_feedback.api import cases_of, routers
from rapport_feedback.api.models import FeedbackLedger
from rapport_feedback.background import put_to_work
from rapport_feedback.consumer import subscriptions
from rapport_feedback.handlers.announcing import Announcing
from rapport_feedback.handlers.ledger import counts
from rapport_feedback.handlers.privacy import eraser
from rapport_feedback.handlers.replies import Replies
from rapport_feedback.intake import take_in
from rapport_feedback.retention import CLASSES, retentions
from rapport_feedback.settings import Settings
from rapport_feedback.tables import SCHEMA

ROOT = Path(__file__).resolve().parents[2]


async def run() -> None:
    """Do what the role of this process is, until a signal."""
    settings = Settings()
    process = await open_process("feedback", settings, ROOT)
    await process.run(assemble(process, settings))


def assemble(process: ServiceProcess, settings: Settings) -> FastAPI:
    """Add the workers, and put the API together."""
    event_key = key_bytes(settings.event_key)
    publisher = Announcing(SCHEMA, EVENTS, event_key)
    cases = cases_of(publisher, settings)
    replies = Replies(cases) if settings.reply_cases else None
    take_in(process, cases, publisher, settings)
    consumer = process.consume(subscriptions(replies), eraser(event_key))
    process.relay()
    put_to_work(process, cases, publisher, settings)
    process.retain(retentions(settings), CLASSES)
    process.ledger(FeedbackLedger, partial(counts, consumer.store))
    process.routers += routers(process.api_engine, publisher, settings)
    return process.api()
