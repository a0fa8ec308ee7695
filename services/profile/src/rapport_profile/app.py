"""The composition root of profile."""

import os
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from rapport_common.composition import ServiceProcess, open_process
from rapport_common.operator.models import Ledger
from rapport_common.settings import key_bytes
from rapport_profile.api import routers
from rapport_profile.consumer import subscriptions
from rapport_profile.domain.naming import Ids
from rapport_profile.handlers.hands import due_kinds, hands_of
from rapport_profile.handlers.indexing import Indexing
from rapport_profile.handlers.jobs import works
from rapport_profile.handlers.ledger import equations
from rapport_profile.handlers.privacy import eraser
from rapport_profile.handlers.upkeep import Upkeep
from rapport_profile.retention import retentions
from rapport_profile.settings import Settings
from rapport_profile.store.jobs import JOBS
from rapport_profile.tables import SCHEMA

ROOT = Path(__file__).resolve().parents[2]

# pypinyin would read its phrases, 46 MB, which say nothing of names.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "1")


async def run() -> None:
    """Do what the role of this process is, until a signal."""
    settings = Settings()
    process = await open_process(SCHEMA, settings, ROOT)
    await process.run(assemble(process, settings))


def assemble(process: ServiceProcess, settings: Settings) -> FastAPI:
    """Add the workers, and put the API together."""
    ids = Ids(key_bytes(settings.event_key))
    hands = hands_of(process.api_engine, ids, settings)
    topics = subscriptions(ids, hands.arrivals.applied)
    consumer = process.consume(topics, eraser(hands.erasing, hands.accessing))
    process.relay()
    work = works(process.engine, ids, settings)
    process.jobs(JOBS, work, read="ops", write="ops", both=["profiles:write"])
    process.due(due_kinds(ids, hands))
    process.retain(retentions(settings))
    upkeep = Upkeep(process.engine, settings.timeline_retention_days)
    process.watch(upkeep, lambda: upkeep.last_sign)
    indexing = Indexing(process.engine, settings.chosen_traits(), settings.search_rate)
    process.watch(indexing, lambda: indexing.last_sign)
    process.ledger(Ledger, consumer.store.ledger, partial(equations, consumer.store))
    process.routers += routers(process.api_engine, ids, hands)
    return process.api()
