"""The composition root of feedback."""

from functools import partial
from pathlib import Path

from fastapi import FastAPI

from rapport_common.composition import ServiceProcess, open_process
from rapport_common.events.topics import EVENTS
from rapport_common.outside.posting import Poster
from rapport_common.outside.sealing import Sealer
from rapport_common.settings import key_bytes
from rapport_common.webhooks.worker import WebhookSender
from rapport_feedback import metrics
from rapport_feedback.api import cases_of, routers
from rapport_feedback.api.models import FeedbackLedger
from rapport_feedback.consumer import subscriptions
from rapport_feedback.domain.webhook_keys import place_of
from rapport_feedback.handlers.announcing import Announcing
from rapport_feedback.handlers.deadlines import Deadlines
from rapport_feedback.handlers.ledger import counts
from rapport_feedback.handlers.privacy import eraser
from rapport_feedback.handlers.replies import Replies
from rapport_feedback.handlers.rewinding import JOBS, REWIND, Rewinding
from rapport_feedback.retention import CLASSES, retentions
from rapport_feedback.settings import Settings
from rapport_feedback.store.webhooks import WEBHOOKS
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
    replies = Replies(cases_of(publisher, settings)) if settings.reply_cases else None
    consumer = process.consume(subscriptions(replies), eraser(event_key))
    process.relay()
    process.due(Deadlines(publisher).kinds)
    rewinding = Rewinding(process.engine, publisher, settings.service_levels())
    process.jobs(JOBS, {REWIND: rewinding.work}, read="feedback:read", write="feedback:write")
    process.retain(retentions(settings), CLASSES)
    sender = WebhookSender(
        process.pool("webhooks", 3),
        Poster(settings.own_networks()),
        WEBHOOKS,
        Sealer(settings.secret_keys(), place_of),
        gauges=metrics.WEBHOOKS,
    )
    process.watch(sender, lambda: sender.last_sign)
    process.ledger(FeedbackLedger, partial(counts, consumer.store))
    process.routers += routers(process.api_engine, publisher, settings)
    return process.api()
